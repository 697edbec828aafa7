package keys

import (
	"bytes"
	"crypto/ecdh"
	"errors"
	"fmt"
	"io"

	"github.com/cloudflare/circl/dh/x448"

	"causeway.dev/ike"
)

// RFC 5903.
var ecpGroups = map[ike.Group]*ecpGroup{
	ike.Group19: {ecdh.P256(), 32, 0xff},
	ike.Group20: {ecdh.P384(), 48, 0xff},
	ike.Group21: {ecdh.P521(), 66, 0x01},
}

// An ecpGroup is a NIST curve with the length of its order in octets, and a mask
// for the bits of the first octet that the order has.
type ecpGroup struct {
	curve  ecdh.Curve
	length int
	mask   byte
}

// ecp is a key pair on a NIST curve.
type ecp struct {
	group   *ecpGroup
	private *ecdh.PrivateKey
}

// draw takes the private value from rand itself: the standard library's generator
// does not take its randomness from a reader, and a run could not be replayed.
func (g *ecpGroup) draw(rand io.Reader) (exchange, error) {
	scalar := make([]byte, g.length)
	defer clear(scalar)
	// A value beyond the order comes up less than once in 2^31 draws.
	for range 16 {
		if _, err := io.ReadFull(rand, scalar); err != nil {
			return nil, err
		}
		scalar[0] &= g.mask
		if private, err := g.curve.NewPrivateKey(scalar); err == nil {
			return &ecp{g, private}, nil
		}
	}
	return nil, fmt.Errorf("the source of randomness yields no valid private value")
}

func (g *ecpGroup) validate(peer []byte) error {
	_, err := g.point(peer)
	return err
}

// uncompressedPoint precedes the two coordinates where IKE has none. SEC 1
// section 2.3.3.
const uncompressedPoint = 4

// point reads a public value of the curve.
func (g *ecpGroup) point(peer []byte) (*ecdh.PublicKey, error) {
	public, err := g.curve.NewPublicKey(append([]byte{uncompressedPoint}, peer...))
	if err != nil {
		return nil, errors.New("not a point of the curve")
	}
	return public, nil
}

func (e *ecp) public() []byte { return e.private.PublicKey().Bytes()[1:] }

func (e *ecp) shared(peer []byte) ([]byte, error) {
	public, err := e.group.point(peer)
	if err != nil {
		return nil, err
	}
	// RFC 5903 section 7: the x coordinate alone.
	return e.private.ECDH(public)
}

func (e *ecp) copy() exchange { return &ecp{e.group, e.private} }

func (e *ecp) secret() []byte { return e.private.Bytes() }

func (e *ecp) wipe() { e.private = nil }

// Curve25519 and Curve448, RFC 8031. Any octets are a private value, and any of
// the right length a public one; those of small order give a secret of zeros,
// which RFC 8031 section 2 refuses.

type x25519Method struct{}

type x25519 struct{ private *ecdh.PrivateKey }

func (x25519Method) draw(rand io.Reader) (exchange, error) {
	scalar := make([]byte, 32)
	defer clear(scalar)
	if _, err := io.ReadFull(rand, scalar); err != nil {
		return nil, err
	}
	private, err := ecdh.X25519().NewPrivateKey(scalar)
	return &x25519{private}, err
}

func (x25519Method) validate(peer []byte) error {
	_, err := ecdh.X25519().NewPublicKey(peer)
	return err
}

func (x *x25519) public() []byte { return x.private.PublicKey().Bytes() }

func (x *x25519) shared(peer []byte) ([]byte, error) {
	public, err := ecdh.X25519().NewPublicKey(peer)
	if err != nil {
		return nil, err
	}
	return x.private.ECDH(public)
}

func (x *x25519) copy() exchange { return &x25519{x.private} }

func (x *x25519) secret() []byte { return x.private.Bytes() }

func (x *x25519) wipe() { x.private = nil }

type x448Method struct{}

type x448Pair struct {
	private x448.Key
	value   []byte
}

func (x448Method) draw(rand io.Reader) (exchange, error) {
	var x x448Pair
	if _, err := io.ReadFull(rand, x.private[:]); err != nil {
		return nil, err
	}
	var public x448.Key
	x448.KeyGen(&public, &x.private)
	x.value = public[:]
	return &x, nil
}

func (x448Method) validate(peer []byte) error {
	if len(peer) != x448.Size {
		return fmt.Errorf("%d octets instead of %d", len(peer), x448.Size)
	}
	return nil
}

func (x *x448Pair) public() []byte { return x.value }

func (x *x448Pair) shared(peer []byte) ([]byte, error) {
	if err := (x448Method{}).validate(peer); err != nil {
		return nil, err
	}
	var public, secret x448.Key
	copy(public[:], peer)
	if !x448.Shared(&secret, &x.private, &public) {
		return nil, errors.New("a point of small order")
	}
	return secret[:], nil
}

func (x *x448Pair) copy() exchange { return &x448Pair{private: x.private, value: x.value} }

func (x *x448Pair) secret() []byte { return bytes.Clone(x.private[:]) }

func (x *x448Pair) wipe() { clear(x.private[:]) }
