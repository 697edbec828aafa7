package keys

import (
	"errors"
	"fmt"
	"io"

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
	copy() exchange
	secret() []byte // a copy of what draw has taken
	wipe()
}

// A method makes key pairs of one group.
type method interface {
	// draw takes a private value from rand.
	draw(rand io.Reader) (exchange, error)
	// validate says why a peer's value can't be used, if that is cheaply seen.
	validate(peer []byte) error
}

var methods = func() map[ike.Group]method {
	all := map[ike.Group]method{ike.Group31: x25519Method{}, ike.Group32: x448Method{}}
	for group, g := range modpGroups {
		all[group] = g
	}
	for group, curve := range ecpGroups {
		all[group] = curve
	}
	return all
}()

// NewDH draws a private value. It fails only for a group that is not ike's or if
// rand does. The costly part is left to the first call of Public, or to an
// [Agreement].
func NewDH(group ike.Group, rand io.Reader) (*DH, error) {
	m := methods[group]
	if m == nil {
		return nil, fmt.Errorf("unknown Diffie-Hellman group %d", group)
	}
	e, err := m.draw(rand)
	if err != nil {
		return nil, fmt.Errorf("make a key pair of Diffie-Hellman group %d: %w", group, err)
	}
	return &DH{group: group, exchange: e}, nil
}

// Group is the exchange's group.
func (d *DH) Group() ike.Group { return d.group }

// Public is the data of our KE payload. RFC 7296 section 3.4, RFC 5903 section 7,
// RFC 8031 section 2.
func (d *DH) Public() []byte { return d.exchange.public() }

// Shared is g^ir, given the data of the peer's KE payload. It refuses values of
// the wrong length, outside the group or of a small subgroup. RFC 6989 section 2,
// RFC 5903 section 7, RFC 8031 section 2.
func (d *DH) Shared(peer []byte) (ike.Secret, error) {
	s, err := d.exchange.shared(peer)
	if err != nil {
		return nil, fmt.Errorf("public value of the peer in Diffie-Hellman group %d: %w", d.group, err)
	}
	return s, nil
}

// ValidatePublic says why Shared would refuse the data of a peer's KE payload, as
// far as that costs a fraction of making a key pair: what it finds valid may yet
// be of a small subgroup in groups 22 to 24, 31 and 32.
func ValidatePublic(group ike.Group, peer []byte) error {
	m, err := methods[group], errors.New("unknown group")
	if m != nil {
		err = m.validate(peer)
	}
	if err != nil {
		return fmt.Errorf("public value of the peer in Diffie-Hellman group %d: %w", group, err)
	}
	return nil
}

// Wipe overwrites the private value where Go lets us.
func (d *DH) Wipe() { d.exchange.wipe() }
