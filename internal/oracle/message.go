package oracle

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// A Message is what a TUN's descriptor carries at once: a virtio-net header
// and a packet. Virtio 1.2 section 5.1.6; in the byte order of the host.
type Message struct {
	Flags, Type                   uint8
	HeaderLen, SegmentSize        uint16
	ChecksumStart, ChecksumOffset uint16
	Packet                        []byte
}

// MessageHeaderLen is the length of the header in bytes.
const MessageHeaderLen = 10

// Flags and types of a Message.
const (
	NeedsChecksum = 1 // the rest of the checksum is left to the reader
	TypeNone      = 0
	TypeTCP4      = 1
	TypeTCP6      = 4
	TypeUDP       = 5
	TypeECN       = 0x80 // beside TypeTCP4 and TypeTCP6: CWR is set
	tcpChecksumAt = 16
	udpChecksumAt = 6
)

// ParseMessage returns false if b is shorter than a header. The packet is b's.
func ParseMessage(b []byte) (Message, bool) {
	if len(b) < MessageHeaderLen {
		return Message{}, false
	}
	number := func(at int) uint16 { return binary.NativeEndian.Uint16(b[at:]) }
	return Message{b[0], b[1], number(2), number(4), number(6), number(8), b[MessageHeaderLen:]}, true
}

// Bytes are what is read or written.
func (m Message) Bytes() []byte {
	b := []byte{m.Flags, m.Type}
	for _, n := range []uint16{m.HeaderLen, m.SegmentSize, m.ChecksumStart, m.ChecksumOffset} {
		b = binary.NativeEndian.AppendUint16(b, n)
	}
	return append(b, m.Packet...)
}

// IsSuper reports whether the message stands for more than its packet.
func (m Message) IsSuper() bool { return m.Type&^TypeECN != TypeNone }

// Packets are those that the message stands for, each as it would be on a
// wire; none if it stands for nothing. Whether it is to be cut is the header's
// word, how is the packet's own.
func (m Message) Packets() [][]byte {
	if m.IsSuper() {
		return m.segments()
	}
	p := bytes.Clone(m.Packet)
	if m.Flags&NeedsChecksum != 0 {
		start, at := int(m.ChecksumStart), int(m.ChecksumStart)+int(m.ChecksumOffset)
		if at+2 > len(p) {
			return nil
		}
		// The field holds the sum of the pseudo-header, which so gets in.
		sum := checksum(p[start:])
		if sum == 0 {
			sum = 0xffff
		}
		binary.BigEndian.PutUint16(p[at:], sum)
	}
	return [][]byte{p}
}

func (m Message) segments() (all [][]byte) {
	v, ok := decode(m.Packet)
	if !ok || v.payloadAt == 0 || m.SegmentSize == 0 {
		return nil
	}
	header, payload, size := v.packet[:v.payloadAt], v.packet[v.payloadAt:], int(m.SegmentSize)
	for from := 0; from < len(payload); from += size {
		to := min(from+size, len(payload))
		p := append(bytes.Clone(header), payload[from:to]...)
		if v.version == 4 {
			binary.BigEndian.PutUint16(p[4:], v.id+uint16(len(all)))
		}
		if v.protocol == tcp {
			sequence := binary.BigEndian.Uint32(p[v.at+4:])
			binary.BigEndian.PutUint32(p[v.at+4:], sequence+uint32(from))
			if from > 0 {
				p[v.at+13] &^= cwr
			}
			if to < len(payload) {
				p[v.at+13] &^= fin | psh
			}
		}
		finish(p)
		all = append(all, p)
	}
	return all
}

// Check reports what a network stack would find wrong with a message that is
// written to it.
func (m Message) Check() error {
	v, ok := decode(m.Packet)
	switch {
	case !ok || len(v.packet) != len(m.Packet):
		return fmt.Errorf("no whole packet: %s", excerpt(m.Packet))
	case m.Flags&^NeedsChecksum != 0:
		return fmt.Errorf("flags %#x", m.Flags)
	case m.Flags == 0 && !m.IsSuper():
		if m.Type != 0 || m.HeaderLen != 0 || m.SegmentSize != 0 || m.ChecksumStart != 0 || m.ChecksumOffset != 0 {
			return fmt.Errorf("fields that mean nothing: %+v", m.header())
		}
		return nil
	case m.Flags == 0:
		return fmt.Errorf("a super-packet whose checksum is not left to the stack: %+v", m.header())
	case v.payloadAt == 0:
		return fmt.Errorf("neither TCP nor UDP: %s", excerpt(m.Packet))
	case int(m.ChecksumStart) != v.at || int(m.ChecksumStart)+int(m.ChecksumOffset) != v.checksumAt:
		return fmt.Errorf("checksum at %d+%d, TCP or UDP header at %d: %s", m.ChecksumStart, m.ChecksumOffset, v.at, excerpt(m.Packet))
	case binary.BigEndian.Uint16(m.Packet[v.checksumAt:]) != ^checksum(v.pseudoHeader()):
		return fmt.Errorf("checksum field %x is not the pseudo-header's sum %x", m.Packet[v.checksumAt:v.checksumAt+2], ^checksum(v.pseudoHeader()))
	case v.version == 4 && checksum(m.Packet[:v.headerLen]) != 0:
		return fmt.Errorf("header checksum: %s", excerpt(m.Packet))
	}
	return m.checkSuper(v)
}

func (m Message) checkSuper(v view) error {
	want := uint8(TypeUDP)
	switch {
	case !m.IsSuper():
		return nil
	case v.protocol == tcp && v.version == 4:
		want = TypeTCP4
	case v.protocol == tcp:
		want = TypeTCP6
	}
	switch {
	case m.Type&^TypeECN != want || m.Type == TypeUDP|TypeECN:
		return fmt.Errorf("type %#x of %s", m.Type, excerpt(m.Packet))
	case int(m.HeaderLen) != v.payloadAt:
		return fmt.Errorf("header of %d bytes, said to be %d", v.payloadAt, m.HeaderLen)
	case m.SegmentSize == 0 || int(m.SegmentSize) >= len(v.packet)-v.payloadAt:
		return fmt.Errorf("segments of %d bytes in %d", m.SegmentSize, len(v.packet)-v.payloadAt)
	case v.protocol == udp && int(binary.BigEndian.Uint16(v.packet[v.at+4:])) != len(v.packet)-v.at:
		return fmt.Errorf("UDP length %x in %s", v.packet[v.at+4:v.at+6], excerpt(m.Packet))
	}
	return nil
}

func (m Message) header() Message {
	m.Packet = nil
	return m
}

// excerpt keeps messages short: all that decides is at the beginning.
func excerpt(p []byte) string {
	return fmt.Sprintf("%d bytes %x", len(p), p[:min(len(p), 80)])
}
