package keys

import (
	"crypto/mlkem"
	"fmt"
	"io"

	"causeway.dev/ike"
)

// A KEM is the initiator's half of a key encapsulation, ML-KEM (FIPS 203), in an
// additional key exchange. draft-ietf-ipsecme-ikev2-mlkem section 3.
type KEM struct {
	group         ike.Group
	decapsulation decapsulationKey
	encapsulation []byte
}

type decapsulationKey interface {
	Decapsulate(ciphertext []byte) ([]byte, error)
	Bytes() []byte
}

// NewKEM makes a key pair from a seed that it takes of rand. It fails only for a
// method that is not a KEM of ike's, or if rand does.
func NewKEM(group ike.Group, rand io.Reader) (*KEM, error) {
	seed := make([]byte, mlkem.SeedSize)
	defer clear(seed)
	if _, err := io.ReadFull(rand, seed); err != nil {
		return nil, fmt.Errorf("make a key pair of %v: %w", group, err)
	}
	switch group {
	case ike.MLKEM768:
		d, err := mlkem.NewDecapsulationKey768(seed)
		if err != nil {
			return nil, fmt.Errorf("make a key pair of %v: %w", group, err)
		}
		return &KEM{group, d, d.EncapsulationKey().Bytes()}, nil
	case ike.MLKEM1024:
		d, err := mlkem.NewDecapsulationKey1024(seed)
		if err != nil {
			return nil, fmt.Errorf("make a key pair of %v: %w", group, err)
		}
		return &KEM{group, d, d.EncapsulationKey().Bytes()}, nil
	}
	return nil, fmt.Errorf("unknown key encapsulation mechanism %d", group)
}

// Group is the method.
func (k *KEM) Group() ike.Group { return k.group }

// Public is the data of the initiator's KE payload: the encapsulation key.
func (k *KEM) Public() []byte { return k.encapsulation }

// Decapsulate is the shared secret, given the data of the responder's KE payload.
// It refuses a ciphertext of the wrong length; one that was tampered with gives a
// secret that nobody else has.
func (k *KEM) Decapsulate(ciphertext []byte) (ike.Secret, error) {
	secret, err := k.decapsulation.Decapsulate(ciphertext)
	if err != nil {
		return nil, fmt.Errorf("%v ciphertext of %d octets: %w", k.group, len(ciphertext), err)
	}
	return secret, nil
}

// Wipe lets go of the private key, which Go does not let us overwrite.
func (k *KEM) Wipe() { k.decapsulation = nil }

// Encapsulate is the responder's half: the data of its KE payload and the shared
// secret, given the data of the initiator's. Its randomness is the system's, since
// the standard library takes no other. It refuses an encapsulation key of the
// wrong length or with a coefficient out of range: FIPS 203 section 7.2.
func Encapsulate(group ike.Group, encapsulation []byte) (secret ike.Secret, ciphertext []byte, err error) {
	switch group {
	case ike.MLKEM768:
		key, err := mlkem.NewEncapsulationKey768(encapsulation)
		if err != nil {
			return nil, nil, fmt.Errorf("%v encapsulation key: %w", group, err)
		}
		secret, ciphertext = key.Encapsulate()
	case ike.MLKEM1024:
		key, err := mlkem.NewEncapsulationKey1024(encapsulation)
		if err != nil {
			return nil, nil, fmt.Errorf("%v encapsulation key: %w", group, err)
		}
		secret, ciphertext = key.Encapsulate()
	default:
		return nil, nil, fmt.Errorf("unknown key encapsulation mechanism %d", group)
	}
	return secret, ciphertext, nil
}
