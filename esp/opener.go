package esp

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"

	"causeway.dev/ike"
)

// An Opener is the inbound half of a security association. It is not safe for
// concurrent use.
type Opener struct {
	transform
	window   Window
	counters Counters
	newest   bool

	cbc      blockMode
	isClosed bool
}

// NewOpener returns an Opener that has seen no packet.
func NewOpener(p Params) (*Opener, error) {
	if p.ReplayWindow == 0 {
		p.ReplayWindow = ReplayWindowDefault
	}
	if p.ReplayWindow < ReplayWindowMin || p.ReplayWindow > ReplayWindowMax {
		return nil, fmt.Errorf("esp: replay window of %d packets, want %d to %d", p.ReplayWindow, ReplayWindowMin, ReplayWindowMax)
	}
	t, block, err := newTransform(p)
	if err != nil {
		return nil, err
	}
	o := &Opener{transform: t, window: NewWindow(p.ReplayWindow)}
	if t.aead == nil {
		var iv [aes.BlockSize]byte
		o.cbc = cipher.NewCBCDecrypter(block, iv[:]).(blockMode)
	}
	return o, nil
}

// SPI returns the association's index.
func (o *Opener) SPI() ike.SPI { return o.params.SPI }

// Counters returns the use so far: authenticated packets only.
func (o *Opener) Counters() Counters { return o.counters }

// ParseSPI returns the SPI of an ESP packet, by which the receiver finds the
// association; false if the packet is too short for any cipher.
func ParseSPI(packet []byte) (ike.SPI, bool) {
	if len(packet) < headerLen+8+4+12 {
		return 0, false
	}
	return ike.SPI(binary.BigEndian.Uint32(packet)), true
}

// Open checks and decrypts an ESP packet in place and returns its payload, a
// part of packet, and the next header. On an error the content of packet is
// undefined. Dummy packets (RFC 4303 section 2.6) come back as any other, with
// NextHeaderDummy.
func (o *Opener) Open(packet []byte) (payload []byte, nextHeader byte, err error) {
	ivEnd := headerLen + o.ivLen
	bodyEnd := len(packet) - o.icvLen
	// A body is at least one block, for it has a trailer, and whole blocks.
	if bodyEnd-ivEnd < o.block || (bodyEnd-ivEnd)%o.block != 0 {
		return nil, 0, ErrShort
	}
	if o.isClosed {
		return nil, 0, ErrClosed
	}
	// RFC 4303 section 3.4.3: the window is looked at before the costly check
	// of the ICV, and moved only after it.
	sequence := o.sequence(packet)
	if !o.window.Fresh(sequence) {
		return nil, 0, ErrReplay
	}
	body := packet[ivEnd:bodyEnd]
	if o.aead != nil {
		copy(o.nonce[4:], packet[headerLen:ivEnd])
		if _, err := o.aead.Open(body[:0], o.nonce[:], packet[ivEnd:], o.associated(packet[:headerLen], sequence)); err != nil {
			return nil, 0, ErrAuthentication
		}
	} else {
		if !o.verify(packet[:bodyEnd], packet[bodyEnd:], sequence) {
			return nil, 0, ErrAuthentication
		}
		o.cbc.SetIV(packet[headerLen:ivEnd])
		o.cbc.CryptBlocks(body, body)
	}
	o.newest = sequence > o.window.top
	o.window.Mark(sequence)
	n := len(body) - trailerLen - int(body[len(body)-2])
	if n < 0 || !paddingValid(body[n:len(body)-trailerLen]) {
		return nil, 0, ErrPadding
	}
	o.counters.Packets++
	o.counters.Bytes += uint64(n)
	return body[:n:n], body[len(body)-1], nil
}

// sequence is the number of a packet, whose upper half it does not carry.
func (o *Opener) sequence(packet []byte) uint64 {
	low := binary.BigEndian.Uint32(packet[4:])
	if o.params.ExtendedSequence {
		return o.window.Extended(low)
	}
	return uint64(low)
}

// Newest reports whether the packet opened last had the highest sequence number
// so far.
func (o *Opener) Newest() bool { return o.newest }

// paddingValid proves RFC 4303 section 2.4: padding counts 1, 2, 3, ... The
// packet is authenticated by now, so time says nothing to an attacker.
func paddingValid(padding []byte) bool {
	for i, b := range padding {
		if b != byte(i+1) {
			return false
		}
	}
	return true
}

// Close wipes the keys; later calls of Open return ErrClosed.
func (o *Opener) Close() {
	o.isClosed = true
	o.wipe()
	o.cbc = nil
}
