package keys

import (
	"crypto/ecdh"
	"errors"
	"fmt"
	"io"
	"sync"

	"filippo.io/bigmod"

	"causeway.dev/ike"
)

// A DH is our half of a Diffie-Hellman exchange.
type DH struct {
	group    ike.Group
	exchange exchange
}

type exchange interface {
	public() []byte
	shared(peer []byte) ([]byte, error)
	wipe()
}

// NewDH makes a key pair. It fails only for a group that is not ike's or if rand
// does.
func NewDH(group ike.Group, rand io.Reader) (*DH, error) {
	var e exchange
	var err error
	switch {
	case modpGroups[group] != nil:
		e, err = newMODP(modpGroups[group], rand)
	case ecpGroups[group] != nil:
		e, err = newECP(ecpGroups[group], rand)
	default:
		return nil, fmt.Errorf("unknown Diffie-Hellman group %d", group)
	}
	if err != nil {
		return nil, fmt.Errorf("make a key pair of Diffie-Hellman group %d: %w", group, err)
	}
	return &DH{group: group, exchange: e}, nil
}

func knownGroup(g ike.Group) bool { return modpGroups[g] != nil || ecpGroups[g] != nil }

// Group is the exchange's group.
func (d *DH) Group() ike.Group { return d.group }

// Public is the data of our KE payload. RFC 7296 section 3.4, RFC 5903 section 7.
func (d *DH) Public() []byte { return d.exchange.public() }

// Shared is g^ir, given the data of the peer's KE payload. It refuses values of
// the wrong length, outside the group or of a trivial subgroup. RFC 6989 section
// 2, RFC 5903 section 7.
func (d *DH) Shared(peer []byte) (ike.Secret, error) {
	s, err := d.exchange.shared(peer)
	if err != nil {
		return nil, fmt.Errorf("public value of the peer in Diffie-Hellman group %d: %w", d.group, err)
	}
	return s, nil
}

// ValidatePublic says why Shared would refuse the data of a peer's KE payload. It
// costs a fraction of making a key pair.
func ValidatePublic(group ike.Group, peer []byte) error {
	var err error
	switch {
	case modpGroups[group] != nil:
		_, err = modpGroups[group].element(peer)
	case ecpGroups[group] != nil:
		_, err = ecpPoint(ecpGroups[group], peer)
	default:
		err = errors.New("unknown group")
	}
	if err != nil {
		return fmt.Errorf("public value of the peer in Diffie-Hellman group %d: %w", group, err)
	}
	return nil
}

// Wipe overwrites the private value where Go lets us.
func (d *DH) Wipe() { d.exchange.wipe() }

// A modpGroup is a group modulo a safe prime, with 2 as generator.
type modpGroup struct {
	bits     int
	constant int64 // c of the prime's formula, see modpPrime

	// exponentLength is the length of private values in octets: twice the
	// strength that RFC 3526 section 8 estimates at the most.
	exponentLength int

	modulus func() *bigmod.Modulus
}

// RFC 2409 section 6.2, RFC 3526.
var modpGroups = map[ike.Group]*modpGroup{
	ike.Group2:  newMODPGroup(1024, 129093, 32),
	ike.Group5:  newMODPGroup(1536, 741804, 32),
	ike.Group14: newMODPGroup(2048, 124476, 40),
	ike.Group15: newMODPGroup(3072, 1690314, 53),
	ike.Group16: newMODPGroup(4096, 240904, 60),
	ike.Group17: newMODPGroup(6144, 929484, 68),
	ike.Group18: newMODPGroup(8192, 4743158, 78),
}

func newMODPGroup(bits int, constant int64, exponentLength int) *modpGroup {
	g := &modpGroup{bits: bits, constant: constant, exponentLength: exponentLength}
	g.modulus = sync.OnceValue(func() *bigmod.Modulus {
		m, err := bigmod.NewModulus(modpPrime(bits, constant).Bytes())
		if err != nil {
			panic(err)
		}
		return m
	})
	return g
}

// modp is a key pair modulo a prime. Everything that depends on the private
// value takes constant time.
type modp struct {
	group   *modpGroup
	private []byte
	value   []byte
}

func newMODP(g *modpGroup, rand io.Reader) (*modp, error) {
	m := g.modulus()
	private := make([]byte, g.exponentLength)
	if _, err := io.ReadFull(rand, private); err != nil {
		return nil, err
	}
	two := bigmod.NewNat().SetUint(2).ExpandFor(m)
	return &modp{group: g, private: private, value: bigmod.NewNat().Exp(two, private, m).Bytes(m)}, nil
}

func (d *modp) public() []byte { return d.value }

func (d *modp) shared(peer []byte) ([]byte, error) {
	y, err := d.group.element(peer)
	if err != nil {
		return nil, err
	}
	m := d.group.modulus()
	return bigmod.NewNat().Exp(y, d.private, m).Bytes(m), nil
}

// element reads a public value of the group.
func (g *modpGroup) element(peer []byte) (*bigmod.Nat, error) {
	m := g.modulus()
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

func (d *modp) wipe() { clear(d.private) }

// RFC 5903.
var ecpGroups = map[ike.Group]ecdh.Curve{
	ike.Group19: ecdh.P256(),
	ike.Group20: ecdh.P384(),
	ike.Group21: ecdh.P521(),
}

// ecp is a key pair on a NIST curve.
type ecp struct {
	curve   ecdh.Curve
	private *ecdh.PrivateKey
}

// ecpScalar is the length of a curve's order in octets, with a mask for the bits
// of the first octet that the order has.
func ecpScalar(curve ecdh.Curve) (length int, mask byte) {
	switch curve {
	case ecdh.P256():
		return 32, 0xff
	case ecdh.P384():
		return 48, 0xff
	}
	return 66, 0x01
}

// newECP draws the private value itself: the standard library's generator does
// not take its randomness from a reader, and a run could not be replayed.
func newECP(curve ecdh.Curve, rand io.Reader) (*ecp, error) {
	length, mask := ecpScalar(curve)
	scalar := make([]byte, length)
	defer clear(scalar)
	// A value beyond the order comes up less than once in 2^31 draws.
	for range 16 {
		if _, err := io.ReadFull(rand, scalar); err != nil {
			return nil, err
		}
		scalar[0] &= mask
		if private, err := curve.NewPrivateKey(scalar); err == nil {
			return &ecp{curve: curve, private: private}, nil
		}
	}
	return nil, fmt.Errorf("the source of randomness yields no valid private value")
}

// uncompressedPoint precedes the two coordinates where IKE has none. SEC 1
// section 2.3.3.
const uncompressedPoint = 4

func (e *ecp) public() []byte { return e.private.PublicKey().Bytes()[1:] }

func (e *ecp) shared(peer []byte) ([]byte, error) {
	public, err := ecpPoint(e.curve, peer)
	if err != nil {
		return nil, err
	}
	// RFC 5903 section 7: the x coordinate alone.
	return e.private.ECDH(public)
}

// ecpPoint reads a public value of the curve.
func ecpPoint(curve ecdh.Curve, peer []byte) (*ecdh.PublicKey, error) {
	public, err := curve.NewPublicKey(append([]byte{uncompressedPoint}, peer...))
	if err != nil {
		return nil, errors.New("not a point of the curve")
	}
	return public, nil
}

func (e *ecp) wipe() { e.private = nil }
