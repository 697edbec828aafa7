package keys

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strings"
	"testing"

	"causeway.dev/ike"
)

var groups = []ike.Group{
	ike.Group2, ike.Group5, ike.Group14, ike.Group15, ike.Group16, ike.Group17, ike.Group18,
	ike.Group19, ike.Group20, ike.Group21, ike.Group22, ike.Group23, ike.Group24, ike.Group31, ike.Group32,
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// RFC 2409 section 6.2, RFC 3526: the digits at both ends, the length and the
// property by which the constants of the formula were chosen.
func TestMODPPrimes(t *testing.T) {
	for group, tail := range map[ike.Group]string{
		ike.Group2:  "ee386bfb5a899fa5ae9f24117c4b1fe649286651ece65381ffffffffffffffff",
		ike.Group5:  "670c354e4abc9804f1746c08ca237327ffffffffffffffff",
		ike.Group14: "15728e5a8aacaa68ffffffffffffffff",
		ike.Group15: "4b82d120a93ad2caffffffffffffffff",
		ike.Group16: "4df435c934063199ffffffffffffffff",
		ike.Group17: "e694f91e6dcc4024ffffffffffffffff",
		ike.Group18: "60c980dd98edd3dfffffffffffffffff",
	} {
		g := modpGroups[group]
		p := prime(g)
		digits := p.Text(16)
		if p.BitLen() != g.bits || !strings.HasPrefix(digits, "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd1") || !strings.HasSuffix(digits, tail) {
			t.Errorf("prime of group %d is %s, want it to end in %s", group, digits, tail)
		}
		if g.bits > 3072 {
			continue // seconds, and the formula is the same
		}
		if half := new(big.Int).Rsh(p, 1); !p.ProbablyPrime(0) || !half.ProbablyPrime(0) {
			t.Errorf("prime of group %d is not a safe prime", group)
		}
	}
}

// prime is the group's, for math/big.
func prime(g *modpGroup) *big.Int {
	return new(big.Int).SetBytes(g.parameters().modulus.Nat().Bytes(g.parameters().modulus))
}

func generator(g *modpGroup) *big.Int {
	return new(big.Int).SetBytes(g.parameters().generator.Bytes(g.parameters().modulus))
}

// RFC 5114 sections 2.1 to 2.3: what the digits have to be to be right: a prime
// order that divides the prime less one, and a generator of that order.
func TestSubgroups(t *testing.T) {
	for group, bits := range map[ike.Group][2]int{ike.Group22: {1024, 160}, ike.Group23: {2048, 224}, ike.Group24: {2048, 256}} {
		g := modpGroups[group]
		p, q, one := prime(g), new(big.Int).SetBytes(g.order), big.NewInt(1)
		if p.BitLen() != bits[0] || q.BitLen() != bits[1] || !p.ProbablyPrime(0) || !q.ProbablyPrime(0) {
			t.Errorf("group %d: %d and %d bits, or not prime", group, p.BitLen(), q.BitLen())
		}
		if new(big.Int).Mod(new(big.Int).Sub(p, one), q).Sign() != 0 {
			t.Errorf("group %d: the order does not divide the prime less one", group)
		}
		if g := generator(g); g.Cmp(one) <= 0 || new(big.Int).Exp(g, q, p).Cmp(one) != 0 {
			t.Errorf("group %d: the generator is not of that order", group)
		}
		// RFC 6989 section 2.2: 2 generates more than the subgroup.
		dh, err := NewDH(group, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := dh.Shared(big.NewInt(2).FillBytes(make([]byte, g.bits/8))); err == nil {
			t.Errorf("group %d took an element outside of its subgroup", group)
		}
	}
}

// RFC 5903 section 8: private values of both sides, their public values and the
// shared x coordinate.
func TestECP(t *testing.T) {
	for _, c := range []struct {
		group                  ike.Group
		i, gi, r, gr, expected string
	}{
		{ike.Group19,
			"c88f01f510d9ac3f70a292daa2316de544e9aab8afe84049c62a9c57862d1433",
			`dad0b65394221cf9b051e1feca5787d098dfe637fc90b9ef945d0c3772581180
			 5271a0461cdb8252d61f1c456fa3e59ab1f45b33accf5f58389e0577b8990bb3`,
			"c6ef9c5d78ae012a011164acb397ce2088685d8f06bf9be0b283ab46476bee53",
			`d12dfb5289c8d4f81208b70270398c342296970a0bccb74c736fc7554494bf63
			 56fbf3ca366cc23e8157854c13c58d6aac23f046ada30f8353e74f33039872ab`,
			"d6840f6b42f6edafd13116e0e12565202fef8e9ece7dce03812464d04b9442de"},
		{ike.Group20,
			"099f3c7034d4a2c699884d73a375a67f7624ef7c6b3c0f160647b67414dce655e35b538041e649ee3faef896783ab194",
			`667842d7d180ac2cde6f74f37551f55755c7645c20ef73e31634fe72b4c55ee6de3ac808acb4bdb4c88732aee95f41aa
			 9482ed1fc0eeb9cafc4984625ccfc23f65032149e0e144ada024181535a0f38eeb9fcff3c2c947dae69b4c634573a81c`,
			"41cb0779b4bdb85d47846725fbec3c9430fab46cc8dc5060855cc9bda0aa2942e0308312916b8ed2960e4bd55a7448fc",
			`e558dbef53eecde3d3fccfc1aea08a89a987475d12fd950d83cfa41732bc509d0d1ac43a0336def96fda41d0774a3571
			 dcfbec7aacf3196472169e838430367f66eebe3c6e70c416dd5f0c68759dd1fff83fa40142209dff5eaad96db9e6386c`,
			"11187331c279962d93d604243fd592cb9d0a926f422e47187521287e7156c5c4d603135569b9e9d09cf5d4a270f59746"},
		{ike.Group21,
			`0037ade9319a89f4dabdb3ef411aaccca5123c61acab57b5393dce47608172a095aa85a30fe1c2952c6771d937ba9777
			 f5957b2639bab072462f68c27a57382d4a52`,
			`0015417e84dbf28c0ad3c278713349dc7df153c897a1891bd98bab4357c9ecbee1e3bf42e00b8e380aeae57c2d107564
			 941885942af5a7f4601723c4195d176ced3e
			 017cae20b6641d2eeb695786d8c946146239d099e18e1d5a514c739d7cb4a10ad8a788015ac405d7799dc75e7b7d5b6c
			 f2261a6a7f1507438bf01beb6ca3926f9582`,
			`0145ba99a847af43793fdd0e872e7cdfa16be30fdc780f97bccc3f078380201e9c677d600b343757a3bdbf2a3163e4c2
			 f869cca7458aa4a4effc311f5cb151685eb9`,
			`00d0b3975ac4b799f5bea16d5e13e9af971d5e9b984c9f39728b5e5739735a219b97c356436adc6e95bb0352f6be64a6
			 c2912d4ef2d0433ced2b6171640012d9460f
			 015c68226383956e3bd066e797b623c27ce0eac2f551a10c2c724d9852077b87220b6536c5c408a1d2aebb8e86d678ae
			 49cb57091f4732296579ab44fcd17f0fc56a`,
			`01144c7d79ae6956bc8edb8e7c787c4521cb086fa64407f97894e5e6b2d79b04d1427e73ca4baa240a34786859810c06
			 b3c715a3a8cc3151f2bee417996d19f3ddea`},
	} {
		checkVector(t, c.group, c.i, c.gi, c.gr, c.expected)
		checkVector(t, c.group, c.r, c.gr, c.gi, c.expected)
	}
}

// checkVector has one side of a published exchange compute what it publishes and
// what both share; all values are in hexadecimal.
func checkVector(t *testing.T, group ike.Group, private, public, peer, expected string) {
	t.Helper()
	dh, err := NewDH(group, bytes.NewReader(unhex(t, private)))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(dh.Public(), unhex(t, public)) {
		t.Errorf("group %d: public value %x, want %s", group, dh.Public(), public)
	}
	if shared, err := dh.Shared(unhex(t, peer)); err != nil || !bytes.Equal(shared, unhex(t, expected)) {
		t.Errorf("group %d: shared secret %x, %v, want %s", group, []byte(shared), err, expected)
	}
}

// The constant-time arithmetic agrees with math/big, and results keep the zeros
// in front that RFC 7296 section 2.14 asks for.
func TestMODPArithmetic(t *testing.T) {
	for group, g := range modpGroups {
		p := prime(g)
		private := make([]byte, g.exponentLength)
		rand.Read(private)
		dh, err := NewDH(group, bytes.NewReader(private))
		if err != nil {
			t.Fatal(err)
		}
		length := g.bits / 8
		x := new(big.Int).SetBytes(private)
		public := new(big.Int).Exp(generator(g), x, p).FillBytes(make([]byte, length))
		if !bytes.Equal(dh.Public(), public) {
			t.Errorf("group %d: g^x differs from math/big for x = %x", group, private)
		}
		y := new(big.Int).Exp(generator(g), big.NewInt(3), p)
		want := new(big.Int).Exp(y, x, p).FillBytes(make([]byte, length))
		if shared, err := dh.Shared(y.FillBytes(make([]byte, length))); err != nil || !bytes.Equal(shared, want) {
			t.Errorf("group %d: y^x differs from math/big for x = %x: %v", group, private, err)
		}
	}
	// 2^1 in 1024 bits is 127 octets of zero and a two.
	one := append(make([]byte, modpGroups[ike.Group2].exponentLength-1), 1)
	dh, err := NewDH(ike.Group2, bytes.NewReader(one))
	if err != nil {
		t.Fatal(err)
	}
	if want := append(make([]byte, 127), 2); !bytes.Equal(dh.Public(), want) {
		t.Errorf("2^1 is %x", dh.Public())
	}
}

func TestBothSidesAgree(t *testing.T) {
	for _, group := range groups {
		ours, err := NewDH(group, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := NewDH(group, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		a, errA := ours.Shared(theirs.Public())
		b, errB := theirs.Shared(ours.Public())
		if errA != nil || errB != nil || !bytes.Equal(a, b) || len(a) == 0 {
			t.Errorf("group %d: %v, %v, secrets of %d and %d octets", group, errA, errB, len(a), len(b))
		}
		if ours.Group() != group {
			t.Errorf("Group = %d, want %d", ours.Group(), group)
		}
	}
}

// RFC 6989 section 2, RFC 5903 section 7: values that would make the secret
// guessable, or give the private value away, are refused.
func TestPublicValueValidation(t *testing.T) {
	for _, group := range groups {
		dh, err := NewDH(group, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		good := dh.Public()
		zero := make([]byte, len(good))
		bad := map[string][]byte{
			"nothing":        nil,
			"an octet short": good[1:],
			"an octet more":  append([]byte{0}, good...),
		}
		if group == ike.Group31 || group == ike.Group32 {
			// Any octets are a point; zero is one of small order.
			if _, err := dh.Shared(zero); err == nil {
				t.Errorf("group %d took zero", group)
			}
		} else {
			bad["zero"], bad["all ones"] = zero, bytes.Repeat([]byte{0xff}, len(good))
		}
		if g := modpGroups[group]; g != nil {
			p := prime(g)
			bad["one"] = append(bytes.Clone(zero[1:]), 1)
			bad["the prime"] = p.Bytes()
			bad["the prime less one"] = new(big.Int).Sub(p, big.NewInt(1)).Bytes()
			bad["the prime and one"] = new(big.Int).Add(p, big.NewInt(1)).Bytes()
		} else if ecpGroups[group] != nil {
			off := bytes.Clone(good)
			off[len(off)-1] ^= 1
			bad["a point off the curve"] = off
			bad["a compressed point"] = append([]byte{2}, good[:len(good)/2]...)
		}
		for what, value := range bad {
			if _, err := dh.Shared(value); err == nil {
				t.Errorf("group %d took %s", group, what)
			}
			if ValidatePublic(group, value) == nil {
				t.Errorf("group %d finds %s valid", group, what)
			}
		}
		if err := ValidatePublic(group, good); err != nil {
			t.Error(err)
		}
	}
}

func TestNewDHFails(t *testing.T) {
	if ValidatePublic(25, []byte{1}) == nil {
		t.Error("a value of a group that ike does not name is valid")
	}
	if _, err := NewDH(25, rand.Reader); err == nil {
		t.Error("NewDH made a key pair of a group that ike does not name")
	}
	for _, group := range groups {
		if _, err := NewDH(group, bytes.NewReader([]byte{1})); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("group %d with one octet of randomness: %v", group, err)
		}
	}
	// Zero is no private value of a curve, however often it is drawn.
	if _, err := NewDH(ike.Group19, bytes.NewReader(make([]byte, 1<<12))); err == nil {
		t.Error("NewDH took zero for a private value")
	}
}

func BenchmarkDH(b *testing.B) {
	for _, group := range groups {
		b.Run(fmt.Sprintf("group-%d", group), func(b *testing.B) {
			peer, err := NewDH(group, rand.Reader)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				dh, err := NewDH(group, rand.Reader)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := dh.Shared(peer.Public()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestDHWipe(t *testing.T) {
	for _, group := range groups {
		dh, err := NewDH(group, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		dh.Wipe()
		left := false
		switch e := dh.exchange.(type) {
		case *modp:
			left = !bytes.Equal(e.private, make([]byte, len(e.private)))
		case *ecp:
			left = e.private != nil
		case *x25519:
			left = e.private != nil
		case *x448Pair:
			left = !bytes.Equal(e.private[:], make([]byte, len(e.private)))
		default:
			t.Errorf("group %d: %T", group, e)
		}
		if left {
			t.Errorf("group %d: the private value can still be read", group)
		}
	}
}
