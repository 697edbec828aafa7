package keys

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"

	"causeway.dev/ike"
)

// This file lets another process go on with what this one has begun: it takes out
// what is secret of a state, and makes the state anew of it.

// Sealed is how many messages p has sealed, which the IVs are made of.
func (p *Protector) Sealed() uint64 { return p.sealed }

// SealedMax is the most that SetSealed takes: with it, 2^63 messages are left.
const SealedMax = 1 << 63

// SetSealed lets p go on where another with the same key has come to. It must be no
// less than that one's Sealed, since with an AEAD an IV must never come twice.
func (p *Protector) SetSealed(messages uint64) { p.sealed = messages }

// Private is the private value. It is the caller's to wipe.
func (d *DH) Private() ike.Secret { return d.exchange.secret() }

// RestoreDH makes a DH of its private value.
func RestoreDH(group ike.Group, private ike.Secret) (*DH, error) {
	rest := bytes.NewReader(private)
	d, err := NewDH(group, rest)
	if err == nil && rest.Len() > 0 {
		err = fmt.Errorf("restore a key pair of Diffie-Hellman group %d: %d octets too many", group, rest.Len())
	}
	return d, err
}

// Private is the seed of the private key. It is the caller's to wipe.
func (k *KEM) Private() ike.Secret { return k.decapsulation.Bytes() }

// RestoreKEM makes a KEM of the seed of its private key.
func RestoreKEM(group ike.Group, seed ike.Secret) (*KEM, error) {
	rest := bytes.NewReader(seed)
	k, err := NewKEM(group, rest)
	if err == nil && rest.Len() > 0 {
		err = fmt.Errorf("restore a key pair of %v: %d octets too many", group, rest.Len())
	}
	return k, err
}

// Validate says what about the keys is not of p's lengths. The keys of AUTH
// payloads, which are not used any more when an IKE SA stands, may be missing.
func (k *SuiteKeys) Validate(p ike.IKEProposal) error {
	for _, key := range []struct {
		name   string
		length int
		of     ike.Secret
	}{
		{"SK_d", prfHash(p.PRF)().Size(), k.D},
		{"SK_ai", IntegrityKeyLength(p.Integrity), k.Ai}, {"SK_ar", IntegrityKeyLength(p.Integrity), k.Ar},
		{"SK_ei", EncryptionKeyLength(p.Encryption), k.Ei}, {"SK_er", EncryptionKeyLength(p.Encryption), k.Er},
	} {
		if len(key.of) != key.length {
			return fmt.Errorf("%s of %d octets, want %d", key.name, len(key.of), key.length)
		}
	}
	return nil
}

// RestorePhase1 makes the keys of an ISAKMP SA that stands of those that are used
// after phase 1: SKEYID_d, SKEYID_a and the cipher's. It keeps them.
func RestorePhase1(p ike.IKEProposal, d, a, key ike.Secret) (Phase1Keys, error) {
	size := prfHash(p.PRF)().Size()
	if len(d) != size || len(a) != size || len(key) != EncryptionKeyLength(p.Encryption) {
		return Phase1Keys{}, fmt.Errorf("keys of %d, %d and %d octets, want %d, %[4]d and %d", len(d), len(a), len(key), size, EncryptionKeyLength(p.Encryption))
	}
	return Phase1Keys{D: d, A: a, Key: key, hash: p.PRF}, nil
}

// Mark tells a pre-shared key from others without telling it.
func Mark(salt []byte, psk ike.Secret) []byte {
	mac := hmac.New(sha256.New, salt)
	mac.Write(psk)
	return mac.Sum(nil)
}
