package keys

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"causeway.dev/ike"
)

// This file holds what is particular to IKEv1: the keys of RFC 2409 section 5 and
// appendix B, its proofs, and its encryption, which chains blocks from message to
// message and authenticates by HASH payloads.

// Phase1Keys are the keys of one ISAKMP SA. RFC 2409 section 5.
type Phase1Keys struct {
	ID   ike.Secret // SKEYID: proves the sides in phase 1
	D    ike.Secret // SKEYID_d: derives the keys of ESP
	A    ike.Secret // SKEYID_a: authenticates messages
	E    ike.Secret // SKEYID_e
	Key  ike.Secret // of the cipher, from SKEYID_e
	hash ike.PRF
}

// Wipe overwrites the keys.
func (k *Phase1Keys) Wipe() {
	for _, s := range []*ike.Secret{&k.ID, &k.D, &k.A, &k.E, &k.Key} {
		Wipe(*s)
		*s = nil
	}
}

// SKEYIDByKey is SKEYID with pre-shared keys: prf(key, Ni_b | Nr_b).
func SKEYIDByKey(p ike.PRF, psk ike.Secret, ni, nr []byte) ike.Secret { return prf(p, psk, ni, nr) }

// SKEYIDBySignature is SKEYID with signatures: prf(Ni_b | Nr_b, g^xy).
func SKEYIDBySignature(p ike.PRF, shared ike.Secret, ni, nr []byte) ike.Secret {
	return prf(p, concat(ni, nr), shared)
}

// DerivePhase1 returns the keys of an ISAKMP SA, and takes skeyid as its own. RFC
// 2409 section 5: each key of the chain includes the one before it, the shared
// secret and the cookies.
func DerivePhase1(p ike.IKEProposal, skeyid, shared ike.Secret, spii, spir uint64) Phase1Keys {
	cookies := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, spii), spir)
	k := Phase1Keys{ID: skeyid, hash: p.PRF}
	k.D = prf(p.PRF, skeyid, shared, cookies, []byte{0})
	k.A = prf(p.PRF, skeyid, k.D, shared, cookies, []byte{1})
	k.E = prf(p.PRF, skeyid, k.A, shared, cookies, []byte{2})
	k.Key = stretch(p.PRF, k.E, EncryptionKeyLength(p.Encryption))
	return k
}

// stretch makes a cipher's key of SKEYID_e. RFC 2409 appendix B: its first octets,
// or, where it is too short, those of K1 | K2 | …, K1 = prf(SKEYID_e, 0), Kn =
// prf(SKEYID_e, Kn-1).
func stretch(p ike.PRF, e ike.Secret, length int) ike.Secret {
	if len(e) >= length {
		return append(ike.Secret(nil), e[:length]...)
	}
	block := prf(p, e, []byte{0})
	material := append(ike.Secret(nil), block...)
	for len(material) < length {
		block = prf(p, e, block)
		material = append(material, block...)
	}
	return material[:length]
}

// Phase1Proof is HASH_I or HASH_R of RFC 2409 section 5: prf(SKEYID, g^x of the
// side that proves itself | g^x of the other | its cookie | the other's | SAi_b |
// its ID payload's body). pseudoRandom is the SA's own, unless a signature method
// is tied to a hash of its own (section 5.1). Compare with [Equal].
func Phase1Proof(pseudoRandom ike.PRF, skeyid ike.Secret, public, otherPublic []byte, spi, otherSPI uint64, saBody, idBody []byte) []byte {
	cookies := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, spi), otherSPI)
	return prf(pseudoRandom, skeyid, public, otherPublic, cookies, saBody, idBody)
}

// Phase2Proof is the data of a HASH payload after phase 1: prf(SKEYID_a, parts).
// RFC 2409 section 5.5: HASH(1) covers the message id and what follows the HASH
// payload, HASH(2) has Ni_b between them, HASH(3) covers a zero octet, the message
// id, Ni_b and Nr_b. Compare with [Equal].
func (k *Phase1Keys) Phase2Proof(parts ...[]byte) []byte { return prf(k.hash, k.A, parts...) }

// DerivePhase2 returns the keys of one direction's ESP SA. RFC 2409 section 5.5:
// KEYMAT = K1 | K2 | …, K1 = prf(SKEYID_d, [g(qm)^xy] | protocol | SPI | Ni_b |
// Nr_b), Kn = prf(SKEYID_d, Kn-1 | …). spi is the one chosen by the side that
// receives; shared is empty without perfect forward secrecy. AES-GCM's salt
// follows its key, RFC 4106 section 8.1.
func (k *Phase1Keys) DerivePhase2(p ike.ESPProposal, shared ike.Secret, spi ike.SPI, ni, nr []byte) (encryption, integrity ike.Secret) {
	const protocolESP = 3
	seed := concat(shared, []byte{protocolESP}, binary.BigEndian.AppendUint32(nil, uint32(spi)), ni, nr)
	defer Wipe(seed)
	length := EncryptionKeyLength(p.Encryption) + IntegrityKeyLength(p.Integrity)
	var material, block ike.Secret
	for len(material) < length {
		block = prf(k.hash, k.D, block, seed)
		material = append(material, block...)
	}
	defer Wipe(material)
	rest := material
	return take(&rest, EncryptionKeyLength(p.Encryption)), take(&rest, IntegrityKeyLength(p.Integrity))
}

// IVLength is the length of the blocks that IKEv1 chains: those of AES.
const IVLength = aes.BlockSize

// Phase1IV begins the encryption of phase 1: a hash of the public values, of the
// initiator first. RFC 2409 appendix B.
func (k *Phase1Keys) Phase1IV(publicI, publicR []byte) []byte { return k.iv(publicI, publicR) }

// Phase2IV begins the encryption of an exchange after phase 1: a hash of the last
// block of phase 1 and the message id. RFC 2409 appendix B.
func (k *Phase1Keys) Phase2IV(lastBlock []byte, messageID uint32) []byte {
	return k.iv(lastBlock, binary.BigEndian.AppendUint32(nil, messageID))
}

func (k *Phase1Keys) iv(parts ...[]byte) []byte {
	h := prfHash(k.hash)()
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)[:IVLength]
}

// Encrypt appends a message's payloads, encrypted and padded with zeros, and
// returns the IV of the message that follows in the exchange: the last block. RFC
// 2409 appendix B.
func (k *Phase1Keys) Encrypt(dst, iv, payloads []byte) (message, next []byte) {
	start := len(dst)
	dst = append(dst, payloads...)
	dst = append(dst, make([]byte, -(len(dst)-start)&(IVLength-1))...)
	cipher.NewCBCEncrypter(mustAES(k.Key), iv).CryptBlocks(dst[start:], dst[start:])
	return dst, LastBlock(dst)
}

// ErrNotWhole is Decrypt's error for what is no sequence of whole blocks.
var ErrNotWhole = errors.New("no whole number of cipher blocks")

// Decrypt returns a message's payloads and their padding. Nothing says yet
// whether they were made by the holder of the key.
func (k *Phase1Keys) Decrypt(iv, ciphertext []byte) ([]byte, error) {
	if len(ciphertext) == 0 || len(ciphertext)%IVLength != 0 {
		return nil, fmt.Errorf("decrypt %d octets: %w", len(ciphertext), ErrNotWhole)
	}
	plain := make([]byte, len(ciphertext))
	cipher.NewCBCDecrypter(mustAES(k.Key), iv).CryptBlocks(plain, ciphertext)
	return plain, nil
}

// LastBlock is a copy of a message's last block: the next IV.
func LastBlock(message []byte) []byte {
	return append([]byte(nil), message[len(message)-IVLength:]...)
}

// NATDHash is the data of a NAT-D payload: the SA's hash over the cookies, the
// address and the port. RFC 3947 section 3.2.
func NATDHash(hash ike.PRF, spii, spir uint64, addr netip.AddrPort) []byte {
	h := prfHash(hash)()
	h.Write(natDetectionInput(spii, spir, addr))
	return h.Sum(nil)
}
