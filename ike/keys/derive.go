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
	key := concat(ni, nr)
	defer Wipe(key)
	return expandIKE(p, prf(p.PRF, key, shared), ni, nr, spii, spir)
}

// DeriveRekeyedIKE returns the keys of an IKE SA made by CREATE_CHILD_SA. RFC
// 7296 section 2.18: SKEYSEED = prf(SK_d of the old SA, g^ir | Ni | Nr), by the
// old SA's prf; the rest goes by p. The initiator is here the one of the rekey.
// The secrets of additional key exchanges follow the nonces: RFC 9370 section
// 2.2.4.
func DeriveRekeyedIKE(p ike.IKEProposal, oldPRF ike.PRF, oldD ike.Secret, ni, nr []byte, shared ike.Secret, spii, spir uint64, additional ...ike.Secret) SuiteKeys {
	mac := hmac.New(prfHash(oldPRF), oldD)
	mac.Write(shared)
	mac.Write(ni)
	mac.Write(nr)
	for _, secret := range additional {
		mac.Write(secret)
	}
	return expandIKE(p, mac.Sum(nil), ni, nr, spii, spir)
}

// DeriveIntermediate returns the keys of a half-open IKE SA after an additional
// key exchange in IKE_INTERMEDIATE. RFC 9370 section 2.2.2: SKEYSEED(n) =
// prf(SK_d(n-1), SK(n) | Ni | Nr).
func DeriveIntermediate(p ike.IKEProposal, d, secret ike.Secret, ni, nr []byte, spii, spir uint64) SuiteKeys {
	return expandIKE(p, prf(p.PRF, d, secret, ni, nr), ni, nr, spii, spir)
}

// expandIKE: {SK_d | SK_ai | SK_ar | SK_ei | SK_er | SK_pi | SK_pr} =
// prf+ (SKEYSEED, Ni | Nr | SPIi | SPIr).
func expandIKE(p ike.IKEProposal, seed ike.Secret, ni, nr []byte, spii, spir uint64) SuiteKeys {
	defer Wipe(seed)
	spis := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, spii), spir)
	prfLength, integrity, encryption := prfHash(p.PRF)().Size(), IntegrityKeyLength(p.Integrity), EncryptionKeyLength(p.Encryption)
	material := prfPlus(p.PRF, seed, 3*prfLength+2*integrity+2*encryption, ni, nr, spis)
	defer wipeAll(material)
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
// initiator's before the responder's. The secrets of additional key exchanges
// follow the nonces: RFC 9370 section 2.2.4.
func DeriveChild(p ike.ESPProposal, pseudoRandom ike.PRF, d, shared ike.Secret, ni, nr []byte, additional ...ike.Secret) ChildKeys {
	integrity, encryption := IntegrityKeyLength(p.Integrity), EncryptionKeyLength(p.Encryption)
	seed := [][]byte{shared, ni, nr}
	for _, secret := range additional {
		seed = append(seed, secret)
	}
	material := prfPlus(pseudoRandom, d, 2*(integrity+encryption), seed...)
	defer wipeAll(material)
	return ChildKeys{
		InitiatorEncryption: take(&material, encryption),
		InitiatorIntegrity:  take(&material, integrity),
		ResponderEncryption: take(&material, encryption),
		ResponderIntegrity:  take(&material, integrity),
	}
}

// prfPlus is prf+ of RFC 7296 section 2.13: T1 | T2 | …, Tn = prf(K, Tn-1 | S |
// n), where S is the concatenation of seed. Its counter of one octet admits 255
// blocks; an IKE SA needs at most 6.
func prfPlus(p ike.PRF, key []byte, length int, seed ...[]byte) ike.Secret {
	mac := hmac.New(prfHash(p), key)
	material := make([]byte, 0, length+mac.Size())
	var block []byte
	for n := byte(1); len(material) < length; n++ {
		mac.Reset()
		mac.Write(block)
		for _, s := range seed {
			mac.Write(s)
		}
		mac.Write([]byte{n})
		from := len(material)
		material = mac.Sum(material)
		block = material[from:]
	}
	return material[:length]
}

// wipeAll overwrites key material with what prf+ made beyond its length.
func wipeAll(material ike.Secret) { Wipe(material[:cap(material)]) }

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
