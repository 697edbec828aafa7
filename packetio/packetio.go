// Package packetio moves packets between the kernel and us in batches: TUN
// devices with virtio headers, UDP sockets with segmentation offload, raw ESP
// sockets; and stand-ins for all of them in memory, a pcap writer and a fault
// injector. Whatever an offload did to a packet is undone here, so that its
// users see plain packets only.
package packetio

import (
	"net/netip"

	"causeway.dev/packet"
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

// A Batch is a number of packets in one buffer, read from one device or from
// several in turn. It is owned by one goroutine and used again and again.
type Batch struct {
	Packets []Packet

	headroom, tailroom int
	buf                []byte
	used               int

	// turn is where the present device's packets begin, packetsEnd and usedEnd
	// are how far they may go.
	turn, packetsEnd, usedEnd int

	// super is where a device reads one virtio-net header and packet;
	// pending are the segments of it for which there was no room, from next on.
	super   []byte
	pending packet.Segments
	next    int
}

// turnPackets and turnBytes bound what one device adds at a time: what a few TUN
// super-packets of 64 KiB split into, with the room around each packet. More cost
// less a packet: of 64, 128 and 256, side by side, 256 took the least processor
// time, and 384 and 512 no less (docs/performance.md). A batch has room for another
// such turn when it is not yet full, so that all devices' turns are alike.
const (
	turnPackets = 256
	turnBytes   = 512 << 10

	batchPackets = 2 * turnPackets
	batchBytes   = 2 * turnBytes
)

// NewBatch returns an empty batch whose packets have at least the given room.
func NewBatch(headroom, tailroom int) *Batch {
	b := &Batch{
		Packets:  make([]Packet, 0, batchPackets),
		headroom: headroom,
		tailroom: tailroom,
		buf:      make([]byte, batchBytes),
		super:    make([]byte, vnetHeaderLen+ipPacketMax),
	}
	b.begin()
	return b
}

// Reset empties the batch; packets taken from it are no longer valid.
func (b *Batch) Reset() {
	b.Packets = b.Packets[:0]
	b.used = 0
	b.begin()
}

// begin is called by a device before it adds packets.
func (b *Batch) begin() {
	b.turn = len(b.Packets)
	b.packetsEnd = min(b.turn+turnPackets, cap(b.Packets))
	b.usedEnd = min(b.used+turnBytes, len(b.buf))
}

// Turn are the packets that the last ReadBatch added.
func (b *Batch) Turn() []Packet { return b.Packets[b.turn:] }

// Full reports whether there is no room for a whole turn: the batch has to be
// emptied before the next.
func (b *Batch) Full() bool {
	return len(b.Packets) > cap(b.Packets)-turnPackets || b.used > len(b.buf)-turnBytes
}

// Append adds a packet of n bytes of undefined content and returns it to be
// filled, or nil if the turn is over.
func (b *Batch) Append(n int) []byte {
	size := b.headroom + n + b.tailroom
	if len(b.Packets) >= b.packetsEnd || b.used+size > b.usedEnd {
		return nil
	}
	slot := b.buf[b.used : b.used+size : b.used+size]
	b.used += size
	b.Packets = append(b.Packets, Packet{Slot: slot, Offset: b.headroom, Length: n})
	return slot[b.headroom : b.headroom+n]
}

// More reports whether the device's last packet had more segments than its turn
// has room: its next ReadBatch begins with them, and must come before another
// device's.
func (b *Batch) More() bool { return b.next < b.pending.Count() }

// takePending adds the segments that are left.
func (b *Batch) takePending() {
	for count := b.pending.Count(); b.next < count; b.next++ {
		slot := b.Append(b.pending.Len(b.next))
		if slot == nil {
			return
		}
		b.pending.Write(b.next, slot)
	}
}

// forgetPending keeps a device's segments from the next device's batch.
func (b *Batch) forgetPending() { b.pending, b.next = packet.Segments{}, 0 }

// fits reports whether one more packet of n bytes can be appended.
func (b *Batch) fits(n int) bool {
	return len(b.Packets) < b.packetsEnd && b.used+b.headroom+n+b.tailroom <= b.usedEnd
}

// A Datagram is the payload of one UDP datagram or raw IP packet. Payload is
// valid until the next read.
type Datagram struct {
	Remote  netip.AddrPort // the port is 0 on a raw socket
	TOS     uint8          // outer DSCP and ECN: IPv4 type of service or IPv6 traffic class
	Payload []byte
}

// A Source is something that can become readable.
type Source interface {
	// Descriptor is what the kernel polls for readability; -1 after Close.
	Descriptor() int
}

// A Poller waits for many sources at once, without a goroutine or a buffer for
// each.
type Poller interface {
	// Add makes Wait return key, which is not negative, as long as the source
	// is readable. One that is closed leaves by itself.
	Add(s Source, key int) error

	// Remove undoes Add. A Wait that has returned already may have named it.
	Remove(Source) error

	// Wait waits until sources are readable or Wake is called, and returns
	// their keys, appended to keys. It has one caller at a time.
	Wait(keys []int) ([]int, error)

	// Wake ends the present Wait, or the next.
	Wake()

	// Close frees the poller; nobody may be in Wait.
	Close() error
}

// A Socket sends and receives datagrams in batches and never waits. Its methods
// are safe for concurrent use, each with a Receiver or Sender of its own.
type Socket interface {
	Source

	// ReadBatch takes datagrams that have come: r.Datagrams, valid until r is
	// used again; none if none have. It returns os.ErrClosed, wrapped, after
	// Close.
	ReadBatch(r *Receiver) error

	// WriteBatch sends the datagrams in order and returns how many were
	// handed to the network; the error is that of the first that was not, and
	// the Payload of each that was not is nil afterwards. One that is refused,
	// or for which the kernel has no room, does not keep back those after it.
	WriteBatch(s *Sender, datagrams []Datagram) (int, error)

	// Local is the address that the socket is bound to.
	Local() netip.AddrPort

	Close() error
}

// A Device carries IP packets to and from a network stack and never waits.
type Device interface {
	Source

	// ReadBatch adds what is there to the batch, up to a turn's worth, or
	// nothing. It returns os.ErrClosed, wrapped, after Close. It has one caller
	// at a time.
	ReadBatch(*Batch) error

	// WriteBatch hands the packets to the stack, those of one flow in order, and
	// returns how many it took; the error is that of the first that it did
	// not. It may alter the packets' headers. It may be called from anywhere,
	// each with a Gatherer of its own.
	WriteBatch(w *Gatherer, packets [][]byte) (int, error)

	Close() error
}
