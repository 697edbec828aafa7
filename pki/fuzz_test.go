package pki

import (
	"testing"
)

func FuzzParseCRL(f *testing.F) {
	h := newHierarchy(f)
	f.Add(h.crl(f, now, h.leaf).Raw())
	f.Add([]byte{0x30, 0})
	f.Fuzz(func(t *testing.T, der []byte) {
		if list, err := ParseCRL(der); err == nil {
			list.Covers(h.leaf, h.issuer.Certificate)
			list.Lookup(h.leaf)
		}
	})
}

func FuzzParsePEM(f *testing.F) {
	h := newHierarchy(f)
	f.Add([]byte(EncodePEM(h.leaf.Raw)))
	key, err := KeyPEM(h.key)
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(key))
	f.Fuzz(func(t *testing.T, text []byte) {
		if chain, err := ParseChainPEM(text); err == nil && (len(chain) == 0 || len(chain) > ChainLengthMax) {
			t.Errorf("a chain of %d", len(chain))
		}
		if key, err := ParseKeyPEM(text); err == nil {
			if again, err := KeyPEM(key); err != nil || len(again) == 0 {
				t.Errorf("a key that was read can't be written: %v", err)
			}
		}
	})
}

func FuzzParseOCSP(f *testing.F) {
	h := newHierarchy(f)
	f.Add([]byte{0x30, 3, 0x0a, 1, 1})
	f.Fuzz(func(t *testing.T, answer []byte) {
		if status, _, err := ParseOCSP(answer, h.leaf, h.issuer.Certificate, now); err == nil {
			t.Errorf("an answer that nobody signed says %+v", status)
		}
	})
}

// Whatever a peer sends, only a chain of our root's is believed.
func FuzzVerify(f *testing.F) {
	h := newHierarchy(f)
	f.Add(h.leaf.Raw, h.issuer.Certificate.Raw)
	f.Add([]byte("x"), []byte{})
	trust := h.trust()
	f.Fuzz(func(t *testing.T, leaf, other []byte) {
		verified, err := trust.Verify([][]byte{leaf, other}, now)
		if err == nil && verified.Leaf.CheckSignatureFrom(verified.Chain[1]) != nil {
			t.Error("a chain without a signature is believed")
		}
	})
}
