// Package packetio moves packets between the kernel and us in batches: TUN
// devices with virtio headers, UDP sockets with segmentation offload, raw ESP
// sockets; and stand-ins for all of them in memory, a pcap writer and a fault
// injector. Whatever an offload did to a packet is undone here, so that its
// users see plain packets only.
package packetio

import (
	"net/netip"
)

// A Packet is one IP packet inside a slot that has room before and behind it,
// so that headers and trailers can be written in place.
//
//	Slot: [ headroom | packet | tailroom ]
//	                 Offset   Offset+Length
type Packet struct {
	Slot           []byte
	Offset, Length int
}

// Bytes returns the packet without the room around it.
func (p Packet) Bytes() []byte { return p.Slot[p.Offset : p.Offset+p.Length] }

// A Batch is a number of packets in one buffer. It is owned by one goroutine
// and used again for each read.
type Batch struct {
	Packets []Packet

	headroom, tailroom int
	buf                []byte
	used               int
}

// batchPackets and batchBytes bound a batch: what one TUN super-packet of
// 64 KiB splits into at the smallest useful segment, and its bytes with the
// room around each packet.
const (
	batchPackets = 128
	batchBytes   = 256 << 10
)

// NewBatch returns an empty batch whose packets have at least the given room.
func NewBatch(headroom, tailroom int) *Batch {
	return &Batch{
		Packets:  make([]Packet, 0, batchPackets),
		headroom: headroom,
		tailroom: tailroom,
		buf:      make([]byte, batchBytes),
	}
}

// Reset empties the batch; packets taken from it are no longer valid.
func (b *Batch) Reset() {
	b.Packets = b.Packets[:0]
	b.used = 0
}

// Append adds a packet of n bytes of undefined content and returns it to be
// filled, or nil if the batch is full.
func (b *Batch) Append(n int) []byte {
	size := b.headroom + n + b.tailroom
	if len(b.Packets) == cap(b.Packets) || b.used+size > len(b.buf) {
		return nil
	}
	slot := b.buf[b.used : b.used+size : b.used+size]
	b.used += size
	b.Packets = append(b.Packets, Packet{Slot: slot, Offset: b.headroom, Length: n})
	return slot[b.headroom : b.headroom+n]
}

// fits reports whether count more packets of n bytes each can be appended.
func (b *Batch) fits(count, n int) bool {
	return len(b.Packets)+count <= cap(b.Packets) && b.used+count*(b.headroom+n+b.tailroom) <= len(b.buf)
}

// A Datagram is the payload of one UDP datagram or raw IP packet. Payload is
// valid until the next read.
type Datagram struct {
	Remote  netip.AddrPort // the port is 0 on a raw socket
	TOS     uint8          // outer DSCP and ECN: IPv4 type of service or IPv6 traffic class
	Payload []byte
}

// A Socket sends and receives datagrams in batches. ReadBatch has one caller
// at a time; WriteBatch may be called from anywhere.
type Socket interface {
	// ReadBatch waits for at least one datagram and returns all that it took.
	// They are valid until the next call. After Close it returns
	// os.ErrClosed, wrapped, and after Interrupt os.ErrDeadlineExceeded.
	ReadBatch() ([]Datagram, error)

	// Interrupt ends the present ReadBatch and all later ones.
	Interrupt() error

	// Resume undoes Interrupt.
	Resume() error

	// WriteBatch sends the datagrams in order and returns how many were
	// handed to the network; the error is that of the first that was not. One
	// that is refused does not keep back those after it.
	WriteBatch([]Datagram) (int, error)

	// Local is the address that the socket is bound to.
	Local() netip.AddrPort

	Close() error
}

// A Device carries IP packets to and from a network stack. ReadBatch has one
// caller at a time; WriteBatch may be called from anywhere.
type Device interface {
	// ReadBatch empties the batch, waits for at least one packet and fills it
	// with what is there. It returns os.ErrClosed, wrapped, after Close and
	// os.ErrDeadlineExceeded, wrapped, after Interrupt.
	ReadBatch(*Batch) error

	// WriteBatch hands the packets to the stack in order and returns how many
	// it took; the error is that of the first that it did not. It may alter
	// the packets' headers.
	WriteBatch(packets [][]byte) (int, error)

	// Interrupt ends the present ReadBatch and all later ones.
	Interrupt() error

	// Resume undoes Interrupt.
	Resume() error

	Close() error
}
