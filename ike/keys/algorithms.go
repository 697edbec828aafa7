package keys

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"hash"
	"slices"

	"causeway.dev/ike"
)

// ValidateIKE says what about p can't be used for an IKE SA.
func ValidateIKE(p ike.IKEProposal) error {
	if p.PRF < ike.PRFHMACSHA1 || p.PRF > ike.PRFHMACSHA512 {
		return fmt.Errorf("IKE proposal with unknown pseudo-random function %d", p.PRF)
	}
	if methods[p.Group] == nil {
		return fmt.Errorf("IKE proposal with unknown Diffie-Hellman group %d", p.Group)
	}
	if err := validateAdditional("IKE", p.Additional); err != nil {
		return err
	}
	return validateCipher("IKE", p.Encryption, p.Integrity)
}

// ValidateESP says what about p can't be used for a child SA.
func ValidateESP(p ike.ESPProposal) error {
	if p.Group != ike.GroupNone && methods[p.Group] == nil {
		return fmt.Errorf("ESP proposal with unknown Diffie-Hellman group %d", p.Group)
	}
	if p.Group == ike.GroupNone && p.Additional != (ike.AdditionalGroups{}) {
		return errors.New("ESP proposal with an additional key exchange but no Diffie-Hellman group")
	}
	if err := validateAdditional("ESP", p.Additional); err != nil {
		return err
	}
	return validateCipher("ESP", p.Encryption, p.Integrity)
}

// validateAdditional: RFC 9370 section 2.2.1 admits a method once.
func validateAdditional(kind string, additional ike.AdditionalGroups) error {
	methods := additional.All()
	for i, g := range methods {
		if !g.KEM() {
			return fmt.Errorf("%s proposal with unknown additional key exchange %d", kind, g)
		}
		if slices.Contains(methods[:i], g) {
			return fmt.Errorf("%s proposal with %v twice", kind, g)
		}
	}
	for _, g := range additional[len(methods):] {
		if g != ike.GroupNone {
			return fmt.Errorf("%s proposal with a gap in its additional key exchanges", kind)
		}
	}
	return nil
}

func validateCipher(kind string, e ike.Encryption, i ike.Integrity) error {
	if e < ike.AES128CBC || e > ike.ChaCha20Poly1305 {
		return fmt.Errorf("%s proposal with unknown cipher %d", kind, e)
	}
	if i > ike.HMACSHA512 {
		return fmt.Errorf("%s proposal with unknown integrity algorithm %d", kind, i)
	}
	if e.AEAD() != (i == ike.IntegrityNone) {
		return fmt.Errorf("%s proposal: an integrity algorithm goes with a cipher that does not authenticate, and only with that", kind)
	}
	return nil
}

// EncryptionKeyLength is the length in octets of a cipher's key as it is taken
// from key material: for an AEAD with its salt of 4. RFC 5282 section 7.1, RFC
// 4106 section 8.1, RFC 7634 section 2.
func EncryptionKeyLength(e ike.Encryption) int {
	switch e {
	case ike.AES128CBC:
		return 16
	case ike.AES256CBC:
		return 32
	case ike.AES128GCM16:
		return 16 + saltLength
	case ike.AES256GCM16, ike.ChaCha20Poly1305:
		return 32 + saltLength
	}
	panic(fmt.Sprintf("keys: cipher %d", e))
}

// IntegrityKeyLength is the length in octets of an integrity algorithm's key:
// that of its hash. RFC 2404 section 3, RFC 4868 section 2.1.1.
func IntegrityKeyLength(i ike.Integrity) int {
	if i == ike.IntegrityNone {
		return 0
	}
	return integrityHash(i)().Size()
}

// checksumLength is the length of the truncated HMAC. RFC 2404 section 2, RFC
// 4868 section 2.1.1: half of the hash, and 96 bits of SHA-1.
func checksumLength(i ike.Integrity) int {
	if i == ike.HMACSHA1 {
		return 12
	}
	return IntegrityKeyLength(i) / 2
}

// integrityHash relies on ike's two lists of hashes having one order.
func integrityHash(i ike.Integrity) func() hash.Hash { return prfHash(ike.PRF(i)) }

func prfHash(p ike.PRF) func() hash.Hash {
	switch p {
	case ike.PRFHMACSHA1:
		return sha1.New
	case ike.PRFHMACSHA256:
		return sha256.New
	case ike.PRFHMACSHA384:
		return sha512.New384
	case ike.PRFHMACSHA512:
		return sha512.New
	}
	panic(fmt.Sprintf("keys: hash of algorithm %d", p))
}

// prf is the negotiated pseudo-random function over the concatenation of data.
func prf(p ike.PRF, key []byte, data ...[]byte) []byte {
	mac := hmac.New(prfHash(p), key)
	for _, d := range data {
		mac.Write(d)
	}
	return mac.Sum(nil)
}
