package keys

import (
	"crypto/aes"
	"fmt"

	"causeway.dev/ike/wire"
)

// Fragmentation of messages, RFC 7383. Each fragment is protected by itself, so
// that a forged one is never kept.

// FragmentLengthMin is the least length in octets that SealWithin can be asked
// for: room for the headers and 100 octets of content in each fragment.
const FragmentLengthMin = wire.HeaderLength + 8 + 2*aes.BlockSize + 32 + 100

// SealWithin returns the message that Seal makes, in fragments of at most most
// octets if it is longer than that. Each call takes new IVs; to retransmit, send
// the same octets again, or all of it in smaller fragments. RFC 7383 section 2.5.
func (p *Protector) SealWithin(h wire.Header, payloads []wire.Payload, most int) [][]byte {
	if most < FragmentLengthMin {
		panic("keys: fragments without room")
	}
	plain := wire.AppendPayloads(nil, payloads)
	const payloadHeader, fragmentHeader = 4, 4
	room := most - wire.HeaderLength - payloadHeader - p.ivLength() - p.icvLength
	if p.paddedLength(len(plain)) <= room {
		return [][]byte{p.Seal(nil, h, payloads)}
	}
	room -= fragmentHeader
	if p.aead == nil {
		room -= room % aes.BlockSize
	}
	room -= padLengthLength
	total := (len(plain) + room - 1) / room
	fragments := make([][]byte, 0, total)
	for number := 1; number <= total; number++ {
		part := plain[:min(room, len(plain))]
		plain = plain[len(part):]
		next := wire.PayloadNone
		if number == 1 {
			next = wire.FirstPayload(payloads)
		}
		fragments = append(fragments, p.seal(nil, h, part, func(body []byte) wire.Payload {
			return &wire.Fragment{Next: next, Number: uint16(number), Total: uint16(total), Body: body}
		}))
	}
	return fragments
}

// paddedLength is how many octets the cipher makes of n, without IV and ICV.
func (p *Protector) paddedLength(n int) int {
	n += padLengthLength
	if p.aead == nil {
		n += (aes.BlockSize - n%aes.BlockSize) % aes.BlockSize
	}
	return n
}

// OpenFragment checks and decrypts a message that ends with a fragment. The
// fragment that it returns has the plain text as its Body and shares no memory
// with datagram. Its errors are those of Open.
func (p *Protector) OpenFragment(datagram []byte) (wire.Header, *wire.Fragment, error) {
	datagram = append([]byte(nil), datagram...)
	message, err := wire.Parse(datagram)
	if err != nil {
		return wire.Header{}, nil, fmt.Errorf("%w: %v", ErrUnauthenticated, err)
	}
	if len(message.Payloads) == 0 {
		return wire.Header{}, nil, fmt.Errorf("%w: no payload", ErrUnauthenticated)
	}
	f, ok := message.Payloads[len(message.Payloads)-1].(*wire.Fragment)
	if !ok {
		return wire.Header{}, nil, fmt.Errorf("%w: no fragment", ErrUnauthenticated)
	}
	f.Body, err = p.open(datagram, f.Body)
	if err != nil {
		return wire.Header{}, nil, err
	}
	return message.Header, f, nil
}
