package tunnel

import (
	"errors"

	"causeway.dev/esp"
	"causeway.dev/ike"
	"causeway.dev/packet"
)

// A Sealer is the outbound half of a format of packets on the wire, keyed for
// one peer. It is not safe for concurrent use. ESP is one; the data channel of
// another protocol may be the next.
type Sealer interface {
	// Seal turns the n bytes at slot[offset:], a whole IP packet, into a
	// datagram's payload in place and returns it, a part of slot. There are
	// esp.HeadroomMax bytes before the packet and esp.TailroomMax behind it.
	Seal(slot []byte, offset, n int) ([]byte, error)

	// Sequence is the number of the packet sealed last, the first being 1.
	Sequence() uint64

	// Inside returns the largest IP packet in bytes whose payload is at most
	// room bytes.
	Inside(room int) int

	// Close wipes the keys.
	Close()
}

// An Opener is the inbound half.
type Opener interface {
	// Open checks the payload and turns it into the IP packet inside, in
	// place. The packet may have bytes behind its end. What it says of a
	// payload that it refuses is one of the errors of package esp.
	Open(payload []byte) (p []byte, err error)

	// Newest reports whether the packet opened last was sent after all that
	// were opened before.
	Newest() bool

	// Close wipes the keys.
	Close()
}

// InstallFormat is InstallChild for a format other than ESP: whose payloads begin
// with the SPI that their receiver chose, and which admits all addresses.
func (t *Tunnel) InstallFormat(inbound ike.SPI, opener Opener, outbound ike.SPI, sealer Sealer, path ike.Path) error {
	return t.install(&pair{inbound: &inboundSA{spi: inbound, opener: opener}, outbound: &outboundSA{spi: outbound, low: lowFor(false), sealer: sealer}}, path)
}

// errDummy is Open's for an authentic payload without a packet: RFC 4303
// section 2.6.
var errDummy = errors.New("tunnel: dummy packet")

// espSealer is ESP in tunnel mode.
type espSealer struct{ *esp.Sealer }

func (s espSealer) Seal(slot []byte, offset, n int) ([]byte, error) {
	nextHeader := byte(esp.NextHeaderIPv4)
	if packet.Version(slot[offset:offset+n]) == 6 {
		nextHeader = esp.NextHeaderIPv6
	}
	return s.Sealer.Seal(slot, offset, n, nextHeader)
}

type espOpener struct{ *esp.Opener }

func (o espOpener) Open(payload []byte) ([]byte, error) {
	p, nextHeader, err := o.Opener.Open(payload)
	switch {
	case err != nil:
		return nil, err
	case nextHeader == esp.NextHeaderDummy:
		return nil, errDummy
	case nextHeader == esp.NextHeaderIPv4 && packet.Version(p) == 4, nextHeader == esp.NextHeaderIPv6 && packet.Version(p) == 6:
		return p, nil
	}
	return nil, esp.ErrPadding
}
