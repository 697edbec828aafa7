package keys

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/big"
	"sync"

	"filippo.io/bigmod"

	"causeway.dev/ike"
)

// A modpGroup is a group modulo a prime.
type modpGroup struct {
	bits int

	// exponentLength is the length of private values in octets: for a safe
	// prime twice the strength that RFC 7919 appendix A estimates of one of its
	// size, else that of the subgroup's order. See decision 25.
	exponentLength int

	// order is that of the generator's subgroup, if there are smaller ones.
	order []byte

	parameters func() modpParameters
}

type modpParameters struct {
	modulus   *bigmod.Modulus
	generator *bigmod.Nat
}

// RFC 2409 section 6.2, RFC 3526, RFC 5114.
var modpGroups = map[ike.Group]*modpGroup{
	ike.Group2:  safePrimeGroup(1024, 129093, 32),
	ike.Group5:  safePrimeGroup(1536, 741804, 32),
	ike.Group14: safePrimeGroup(2048, 124476, 32),
	ike.Group15: safePrimeGroup(3072, 1690314, 35),
	ike.Group16: safePrimeGroup(4096, 240904, 41),
	ike.Group17: safePrimeGroup(6144, 929484, 47),
	ike.Group18: safePrimeGroup(8192, 4743158, 50),
	ike.Group22: subgroup(1024, modp1024s160Prime, modp1024s160Generator, modp1024s160Order),
	ike.Group23: subgroup(2048, modp2048s224Prime, modp2048s224Generator, modp2048s224Order),
	ike.Group24: subgroup(2048, modp2048s256Prime, modp2048s256Generator, modp2048s256Order),
}

// safePrimeGroup has 2 as its generator; for the constant see modpPrime.
func safePrimeGroup(bits int, constant int64, exponentLength int) *modpGroup {
	return &modpGroup{bits: bits, exponentLength: exponentLength, parameters: sync.OnceValue(func() modpParameters {
		return newParameters(modpPrime(bits, constant).Bytes(), []byte{2})
	})}
}

func subgroup(bits int, prime, generator, order string) *modpGroup {
	q := mustHex(order)
	return &modpGroup{bits: bits, exponentLength: len(q), order: q, parameters: sync.OnceValue(func() modpParameters {
		return newParameters(mustHex(prime), mustHex(generator))
	})}
}

func newParameters(prime, generator []byte) modpParameters {
	m, err := bigmod.NewModulus(prime)
	if err != nil {
		panic(err)
	}
	g, err := bigmod.NewNat().SetBytes(new(big.Int).SetBytes(generator).FillBytes(make([]byte, len(prime))), m)
	if err != nil {
		panic(err)
	}
	return modpParameters{m, g}
}

func mustHex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

// modp is a key pair modulo a prime. Everything that depends on the private
// value takes constant time.
type modp struct {
	group   *modpGroup
	private []byte
	value   []byte // computed by the first call of public
}

func (g *modpGroup) draw(rand io.Reader) (exchange, error) {
	private := make([]byte, g.exponentLength)
	if _, err := io.ReadFull(rand, private); err != nil {
		return nil, err
	}
	return &modp{group: g, private: private}, nil
}

func (g *modpGroup) validate(peer []byte) error {
	_, err := g.element(peer)
	return err
}

func (d *modp) public() []byte {
	if d.value == nil {
		d.value = d.group.power(d.group.parameters().generator, d.private)
	}
	return d.value
}

func (d *modp) shared(peer []byte) ([]byte, error) {
	y, err := d.group.element(peer)
	if err != nil {
		return nil, err
	}
	if d.group.order != nil && !d.group.inSubgroup(y) {
		return nil, errors.New("not of the group's subgroup")
	}
	return d.group.power(y, d.private), nil
}

// power is base to the exponent, as long as the prime.
func (g *modpGroup) power(base *bigmod.Nat, exponent []byte) []byte {
	m := g.parameters().modulus
	power := bigmod.NewNat().Exp(base, exponent, m)
	defer clear(power.Bits())
	return power.Bytes(m)
}

// inSubgroup: RFC 6989 section 2.2: an element of another order would tell the
// private value's remainder modulo that order.
func (g *modpGroup) inSubgroup(y *bigmod.Nat) bool {
	return bigmod.NewNat().Exp(y, g.order, g.parameters().modulus).IsOne() == 1
}

// element reads a public value of the group.
func (g *modpGroup) element(peer []byte) (*bigmod.Nat, error) {
	m := g.parameters().modulus
	// RFC 7296 section 3.4: as long as the prime, zeros in front if need be.
	if len(peer) != m.Size() {
		return nil, fmt.Errorf("%d octets instead of %d", len(peer), m.Size())
	}
	y, err := bigmod.NewNat().SetBytes(peer, m)
	if err != nil || y.IsZero() == 1 || y.IsOne() == 1 || y.IsMinusOne(m) == 1 {
		return nil, errors.New("not between 1 and the prime less 1")
	}
	return y, nil
}

func (d *modp) copy() exchange {
	return &modp{group: d.group, private: append([]byte(nil), d.private...), value: d.value}
}

func (d *modp) secret() []byte { return bytes.Clone(d.private) }

func (d *modp) wipe() { clear(d.private) }
