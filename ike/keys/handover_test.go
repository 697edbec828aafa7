package keys

import (
	"bytes"
	"crypto/rand"
	"testing"

	"causeway.dev/ike"
	"causeway.dev/ike/wire"
)

// A key pair that another process goes on with is the same.
func TestRestore(t *testing.T) {
	for group := range methods {
		d, err := NewDH(group, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		private := d.Private()
		restored, err := RestoreDH(group, private)
		if err != nil || !bytes.Equal(restored.Public(), d.Public()) || restored.Group() != group {
			t.Errorf("%v is not the same: %v", group, err)
		}
		for name, private := range map[string]ike.Secret{"short": private[1:], "long": append(private, 1), "empty": nil} {
			if _, err := RestoreDH(group, private); err == nil {
				t.Errorf("%v of a %s private value is restored", group, name)
			}
		}
	}
	for _, group := range []ike.Group{ike.MLKEM768, ike.MLKEM1024} {
		k, err := NewKEM(group, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		seed := k.Private()
		restored, err := RestoreKEM(group, seed)
		if err != nil || !bytes.Equal(restored.Public(), k.Public()) {
			t.Errorf("%v is not the same: %v", group, err)
		}
		for name, seed := range map[string]ike.Secret{"short": seed[1:], "long": append(seed, 1), "empty": nil} {
			if _, err := RestoreKEM(group, seed); err == nil {
				t.Errorf("%v of a %s seed is restored", group, name)
			}
		}
	}
	if _, err := RestoreDH(999, nil); err == nil {
		t.Error("a group that is none is restored")
	}
}

// A protector that goes on where another has come to takes none of its IVs.
func TestSetSealed(t *testing.T) {
	p, err := ike.ParseIKEProposal("aes128gcm16-prfsha256-group19")
	if err != nil {
		t.Fatal(err)
	}
	key := ike.Secret("0123456789abcdefsalt")
	h := wire.Header{SPIi: 1, SPIr: 2, Major: 2, Exchange: wire.Informational}
	first, second := NewProtector(p, key, nil), NewProtector(p, key, nil)
	a, b := first.Seal(nil, h, nil), second.Seal(nil, h, nil)
	if !bytes.Equal(a, b) {
		t.Fatal("the same IV has been expected")
	}
	second.SetSealed(first.Sealed())
	c := second.Seal(nil, h, nil)
	d := first.Seal(nil, h, nil)
	if bytes.Equal(a, c) || !bytes.Equal(c, d) {
		t.Error("the second does not go on where the first was")
	}
}

// Marks tell keys apart, under one salt.
func TestMark(t *testing.T) {
	a, b := ike.Secret("one key"), ike.Secret("another")
	if !bytes.Equal(Mark([]byte("salt"), a), Mark([]byte("salt"), a)) || bytes.Equal(Mark([]byte("salt"), a), Mark([]byte("salt"), b)) ||
		bytes.Equal(Mark([]byte("salt"), a), Mark([]byte("pepper"), a)) {
		t.Error("a mark is not that of its key and salt alone")
	}
}
