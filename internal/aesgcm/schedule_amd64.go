//go:build !purego

package aesgcm

import (
	"encoding/binary"
	"fmt"
)

// A schedule is all that depends on the key alone. The assembly, which explains
// it, knows its layout.
type schedule struct {
	// powers are those of H, divided by x: of H^9 at index 1 to H itself at 9.
	powers [10]element
	// sums are, of each power, lower plus upper half, twice.
	sums      [10]element
	roundKeys [15][16]byte
	rounds    uint64 // 10, 12 or 14; 0 without a key
}

// set makes k the key's: in place, for what it is made of is secret.
func (k *schedule) set(key []byte) error {
	if len(key) != 16 && len(key) != 24 && len(key) != 32 {
		return fmt.Errorf("aesgcm: key of %d octets, want 16, 24 or 32", len(key))
	}
	k.expand(key)
	k.raise()
	return nil
}

// expand makes the round keys. FIPS 197 section 5.2; words are little endian here.
func (k *schedule) expand(key []byte) {
	keyWords := len(key) / 4
	k.rounds = uint64(keyWords + 6)
	word := func(i int) []byte { return k.roundKeys[i/4][i%4*4:][:4] }
	for i := range keyWords {
		copy(word(i), key[4*i:])
	}
	constant := uint32(1)
	for i := keyWords; i < 4*(int(k.rounds)+1); i++ {
		w := binary.LittleEndian.Uint32(word(i - 1))
		switch {
		case i%keyWords == 0:
			w = substituteWord(w>>8|w<<24) ^ constant
			constant = constant<<1 ^ constant>>7*0x11b
		case keyWords == 8 && i%keyWords == 4:
			w = substituteWord(w)
		}
		binary.LittleEndian.PutUint32(word(i), w^binary.LittleEndian.Uint32(word(i-keyWords)))
	}
}

// raise makes the powers of H, after expand.
func (k *schedule) raise() {
	// SP 800-38D section 7.1: H is the cipher of a block of zeros. Under a nonce
	// of zeros that is what counter 0 adds to a text; the tag is worthless without
	// powers, and not used.
	var block, tag [16]byte
	var nonce [nonceLen]byte
	sealWide(k, &tag[0], &block[0], &block[0], len(block), &nonce[0], ^uint32(0), 0, 0, 0)
	h := element{binary.BigEndian.Uint64(block[8:]), binary.BigEndian.Uint64(block[:8])}
	for i, power := len(k.powers)-1, h; i >= 1; i-- {
		p := power.overX()
		k.powers[i] = p
		k.sums[i] = element{p[0] ^ p[1], p[0] ^ p[1]}
		timesH(k, &power)
	}
}

// An element of GHASH's field is the lower and the upper half of a block turned
// round: bit 127-i of the 128 is the coefficient of x^i.
type element [2]uint64

// overX returns e divided by x. A coefficient of x^0 leaves 1/x, which is
// x^127 + x^6 + x + 1, for P = x^128 + x^7 + x^2 + x + 1 is zero. It takes the same
// time for all values.
func (e element) overX() element {
	odd := -(e[1] >> 63)
	return element{e[0]<<1 ^ odd&1, e[1]<<1 ^ e[0]>>63 ^ odd&0xc200000000000000}
}
