package keys

import (
	"crypto/hmac"
	"encoding/binary"

	"causeway.dev/ike"
)

// SuiteKeys are the keys of one IKE SA. The i of a name means the original
// initiator's direction, the r the responder's. RFC 7296 section 2.14.
type SuiteKeys struct {
	D      ike.Secret // derives the keys of child SAs and of the next IKE SA
	Ai, Ar ike.Secret // integrity; empty with an AEAD
	Ei, Er ike.Secret // encryption; with an AEAD followed by its salt
	Pi, Pr ike.Secret // AUTH payloads
}

// Wipe overwrites the keys.
func (k *SuiteKeys) Wipe() {
	for _, s := range []*ike.Secret{&k.D, &k.Ai, &k.Ar, &k.Ei, &k.Er, &k.Pi, &k.Pr} {
		Wipe(*s)
		*s = nil
	}
}

// Wipe overwrites a secret that is no longer needed.
func Wipe(s ike.Secret) { clear(s) }

// DeriveIKE returns the keys of an IKE SA made by IKE_SA_INIT. RFC 7296 section
// 2.14: SKEYSEED = prf(Ni | Nr, g^ir). The nonces are the payloads' data.
func DeriveIKE(p ike.IKEProposal, ni, nr []byte, shared ike.Secret, spii, spir uint64) SuiteKeys {
	seed := prf(p.PRF, concat(ni, nr), shared)
	return expandIKE(p, seed, ni, nr, spii, spir)
}

// DeriveRekeyedIKE returns the keys of an IKE SA made by CREATE_CHILD_SA. RFC
// 7296 section 2.18: SKEYSEED = prf(SK_d of the old SA, g^ir | Ni | Nr), by the
// old SA's prf; the rest goes by p. The initiator is here the one of the rekey.
func DeriveRekeyedIKE(p ike.IKEProposal, oldPRF ike.PRF, oldD ike.Secret, ni, nr []byte, shared ike.Secret, spii, spir uint64) SuiteKeys {
	seed := prf(oldPRF, oldD, shared, ni, nr)
	return expandIKE(p, seed, ni, nr, spii, spir)
}

// expandIKE: {SK_d | SK_ai | SK_ar | SK_ei | SK_er | SK_pi | SK_pr} =
// prf+ (SKEYSEED, Ni | Nr | SPIi | SPIr).
func expandIKE(p ike.IKEProposal, seed ike.Secret, ni, nr []byte, spii, spir uint64) SuiteKeys {
	defer Wipe(seed)
	spis := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, spii), spir)
	prfLength, integrity, encryption := prfHash(p.PRF)().Size(), IntegrityKeyLength(p.Integrity), EncryptionKeyLength(p.Encryption)
	material := prfPlus(p.PRF, seed, concat(ni, nr, spis), 3*prfLength+2*integrity+2*encryption)
	defer Wipe(material)
	return SuiteKeys{
		D:  take(&material, prfLength),
		Ai: take(&material, integrity),
		Ar: take(&material, integrity),
		Ei: take(&material, encryption),
		Er: take(&material, encryption),
		Pi: take(&material, prfLength),
		Pr: take(&material, prfLength),
	}
}

// ChildKeys are the keys of one pair of ESP SAs, by the side that sends. The
// initiator is that of the exchange that made the pair.
type ChildKeys struct {
	InitiatorEncryption, InitiatorIntegrity ike.Secret
	ResponderEncryption, ResponderIntegrity ike.Secret
}

// DeriveChild returns the keys of a child SA. RFC 7296 section 2.17: KEYMAT =
// prf+ (SK_d, g^ir (new) | Ni | Nr), where shared is empty without a
// Diffie-Hellman exchange of its own; encryption before integrity, the
// initiator's before the responder's.
func DeriveChild(p ike.ESPProposal, pseudoRandom ike.PRF, d, shared ike.Secret, ni, nr []byte) ChildKeys {
	integrity, encryption := IntegrityKeyLength(p.Integrity), EncryptionKeyLength(p.Encryption)
	material := prfPlus(pseudoRandom, d, concat(shared, ni, nr), 2*(integrity+encryption))
	defer Wipe(material)
	return ChildKeys{
		InitiatorEncryption: take(&material, encryption),
		InitiatorIntegrity:  take(&material, integrity),
		ResponderEncryption: take(&material, encryption),
		ResponderIntegrity:  take(&material, integrity),
	}
}

// prfPlus is prf+ of RFC 7296 section 2.13: T1 | T2 | …, Tn = prf(K, Tn-1 | S |
// n). Its counter of one octet admits 255 blocks; an IKE SA needs at most 6.
func prfPlus(p ike.PRF, key, seed []byte, length int) ike.Secret {
	mac := hmac.New(prfHash(p), key)
	material := make([]byte, 0, length+mac.Size())
	var block []byte
	for n := byte(1); len(material) < length; n++ {
		mac.Reset()
		mac.Write(block)
		mac.Write(seed)
		mac.Write([]byte{n})
		from := len(material)
		material = mac.Sum(material)
		block = material[from:]
	}
	return material[:length]
}

// take cuts the next key off the material into memory of its own.
func take(material *ike.Secret, n int) ike.Secret {
	if n == 0 {
		return nil
	}
	key := append(ike.Secret(nil), (*material)[:n]...)
	*material = (*material)[n:]
	return key
}

func concat(parts ...[]byte) []byte {
	var all []byte
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}
