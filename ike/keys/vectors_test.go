package keys

import (
	"bytes"
	"crypto/rand"
	"testing"

	"causeway.dev/ike"
)

// RFC 7748 section 6: both sides' private and public values, and the shared secret.
func TestMontgomeryCurves(t *testing.T) {
	for _, c := range []struct {
		group                            ike.Group
		a, publicA, b, publicB, expected string
	}{
		{ike.Group31,
			"77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
			"8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
			"5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
			"de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
			"4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"},
		{ike.Group32,
			"9a8f4925d1519f5775cf46b04b5800d4ee9ee8bae8bc5565d498c28dd9c9baf574a9419744897391006382a6f127ab1d9ac2d8c0a598726b",
			"9b08f7cc31b7e3e67d22d5aea121074a273bd2b83de09c63faa73d2c22c5d9bbc836647241d953d40c5b12da88120d53177f80e532c41fa0",
			"1c306a7ac2a0e2e0990b294470cba339e6453772b075811d8fad0d1d6927c120bb5ee8972b0d3e21374c9c921b09d1b0366f10b65173992d",
			"3eb7a829b0cd20f5bcfc0b599b6feccf6da4627107bdb0d4f345b43027d8b972fc3e34fb4232a13ca706dcb57aec3dae07bdc1c67bf33609",
			"07fff4181ac6cc95ec1c16a94a0f74d12da232ce40a77552281d282bb60c0b56fd2464c335543936521c24403085d59a449a5037514a879d"},
	} {
		checkVector(t, c.group, c.a, c.publicA, c.publicB, c.expected)
		checkVector(t, c.group, c.b, c.publicB, c.publicA, c.expected)
	}
}

// ML-KEM: both sides agree, whichever ciphertext was tampered with does not, and what
// has the wrong form is refused. Its arithmetic is the standard library's, which is
// tested with NIST's vectors.
func TestMLKEM(t *testing.T) {
	for group, length := range map[ike.Group][2]int{ike.MLKEM768: {1184, 1088}, ike.MLKEM1024: {1568, 1568}} {
		k, err := NewKEM(group, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		secret, ciphertext, err := Encapsulate(group, k.Public())
		if err != nil || len(k.Public()) != length[0] || len(ciphertext) != length[1] || len(secret) != 32 {
			t.Fatalf("%v: %v, key of %d octets, ciphertext of %d, secret of %d", group, err, len(k.Public()), len(ciphertext), len(secret))
		}
		if got, err := k.Decapsulate(ciphertext); err != nil || !bytes.Equal(got, secret) || k.Group() != group {
			t.Errorf("%v: %x, want %x: %v", group, []byte(got), []byte(secret), err)
		}
		ciphertext[7] ^= 1
		if got, err := k.Decapsulate(ciphertext); err != nil || bytes.Equal(got, secret) {
			t.Errorf("%v: a changed ciphertext gives the secret, or %v", group, err)
		}
		if _, err := k.Decapsulate(ciphertext[1:]); err == nil {
			t.Errorf("%v took a short ciphertext", group)
		}
		for what, key := range map[string][]byte{"a short key": k.Public()[1:], "coefficients out of range": bytes.Repeat([]byte{0xff}, length[0])} {
			if _, _, err := Encapsulate(group, key); err == nil {
				t.Errorf("%v took %s", group, what)
			}
		}
		k.Wipe()
		if k.decapsulation != nil {
			t.Errorf("%v: the private key is kept", group)
		}
	}
	if _, err := NewKEM(ike.Group19, rand.Reader); err == nil {
		t.Error("a key pair of ML-KEM for group 19")
	}
	if _, _, err := Encapsulate(ike.Group19, nil); err == nil {
		t.Error("an encapsulation for group 19")
	}
}
