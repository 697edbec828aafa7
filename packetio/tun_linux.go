package packetio

import (
	"encoding/binary"
	"fmt"
	"io"
	"unsafe"

	"golang.org/x/sys/unix"

	"causeway.dev/packet"
)

// A virtio-net header precedes each packet of a TUN opened with IFF_VNET_HDR
// and says what the stack left to the "hardware", that is: to us. In the
// byte order of the host:
//
//	0  flags 8 | GSO type 8 | header length 16 | segment size 16
//	6  checksum start 16 | checksum offset 16
const (
	vnetHeaderLen = 10

	vnetFlags          = 0
	vnetGSOType        = 1
	vnetHeaderLength   = 2
	vnetSegmentSize    = 4
	vnetChecksumStart  = 6
	vnetChecksumOffset = 8
)

const ipPacketMax = 65535

// A TUN is a network device whose wire is us.
type TUN struct {
	descriptor
	name     string
	offloads Offloads
}

// OpenTUN makes a TUN device in the network namespace of the calling thread.
// It is down and has no address; it goes when the TUN is closed. With
// segmentation offload, where it is wanted and the kernel has it, the stack
// hands over and takes packets of up to 64 KiB, whatever mtu (in bytes) says.
func OpenTUN(name string, mtu int, wanted Offloads) (*TUN, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open /dev/net/tun: %w", err)
	}
	t := &TUN{descriptor: descriptor{fd: fd}}
	if err := t.attach(name, wanted); err != nil {
		t.Close()
		return nil, fmt.Errorf("make TUN %q: %w", name, err)
	}
	if err := t.configure(mtu); err != nil {
		t.Close()
		return nil, err
	}
	return t, nil
}

func (t *TUN) attach(name string, wanted Offloads) error {
	request, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
	if err := unix.IoctlIfreq(t.fd, unix.TUNSETIFF, request); err != nil {
		return err
	}
	t.name = request.Name()
	return t.SetOffloads(wanted)
}

// queuePackets is what the kernel keeps for us. Its default, 500, is 5 ms at
// 100,000 packets a second: less than a busy machine's scheduler may keep us
// waiting.
const queuePackets = 2000

func (t *TUN) configure(mtu int) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("configure TUN %s: %w", t.name, err)
	}
	defer unix.Close(fd)
	for _, setting := range []struct {
		what    string
		request uint
		value   int
	}{{"MTU", unix.SIOCSIFMTU, mtu}, {"queue", unix.SIOCSIFTXQLEN, queuePackets}} {
		request, err := unix.NewIfreq(t.name)
		if err != nil {
			return fmt.Errorf("configure TUN %s: %w", t.name, err)
		}
		request.SetUint32(uint32(setting.value))
		if err := unix.IoctlIfreq(fd, setting.request, request); err != nil {
			return fmt.Errorf("set %s of TUN %s to %d: %w", setting.what, t.name, setting.value, err)
		}
	}
	return nil
}

// Offloads are those that are in use.
func (t *TUN) Offloads() Offloads { return t.offloads }

// Name is the device's name in its namespace.
func (t *TUN) Name() string { return t.name }

// ReadBatch implements Device: it reads until nothing is left or its turn might
// have no room for one more packet, and never waits to fill it.
func (t *TUN) ReadBatch(b *Batch) error {
	b.begin()
	fd, err := t.hold()
	if err != nil {
		b.forgetPending()
		return fmt.Errorf("read TUN %s: %w", t.name, err)
	}
	defer t.release()
	b.takePending()
	for !b.More() && b.fits(ipPacketMax) {
		n, errno := rawRead(fd, b.super)
		switch {
		case errno == unix.EINTR:
		case errno == unix.EAGAIN:
			return nil
		case errno != 0 && len(b.Turn()) > 0:
			return nil // it will be there again
		case errno != 0:
			return fmt.Errorf("read TUN %s: %w", t.name, errno)
		case n == 0: // a socket pair's other end is closed
			return fmt.Errorf("read TUN %s: %w", t.name, io.EOF)
		default:
			b.takeSuper(b.super[:n])
		}
	}
	return nil
}

// takeSuper adds one read's packet, or the segments it stands for. What the
// stack should not have made is left out.
func (b *Batch) takeSuper(read []byte) {
	if len(read) < vnetHeaderLen {
		return
	}
	header, p := read[:vnetHeaderLen], read[vnetHeaderLen:]
	if header[vnetGSOType]&^unix.VIRTIO_NET_HDR_GSO_ECN != unix.VIRTIO_NET_HDR_GSO_NONE {
		segments, err := packet.NewSegments(p, int(binary.NativeEndian.Uint16(header[vnetSegmentSize:])))
		if err != nil {
			return
		}
		b.pending, b.next = segments, 0
		b.takePending()
		return
	}
	if header[vnetFlags]&unix.VIRTIO_NET_HDR_F_NEEDS_CSUM != 0 {
		start, offset := binary.NativeEndian.Uint16(header[vnetChecksumStart:]), binary.NativeEndian.Uint16(header[vnetChecksumOffset:])
		if !packet.CompleteChecksum(p, int(start), int(offset)) {
			return
		}
	}
	copy(b.Append(len(p)), p)
}

// A Gatherer is what a device needs to hand packets to the stack. It has one
// owner, who may use it for one device after the other.
type Gatherer struct {
	coalescer packet.Coalescer
	parts     [][]byte
	header    [vnetHeaderLen]byte
	iov       []unix.Iovec
}

// WriteBatch implements Device. Segments of one TCP or UDP flow go to the stack
// as super-packets, gathered from where they lie.
func (t *TUN) WriteBatch(w *Gatherer, packets [][]byte) (taken int, err error) {
	fd, err := t.hold()
	if err != nil {
		return 0, fmt.Errorf("write TUN %s: %w", t.name, err)
	}
	defer t.release()
	for group := range w.coalescer.Gather(packets, t.offloads.TUNSegmentation, t.offloads.TUNUDPSegmentation) {
		count, iov := w.gather(group, packets)
		errno := rawWritev(fd, iov)
		for errno == unix.EINTR {
			errno = rawWritev(fd, iov)
		}
		if errno == 0 {
			taken += count
		} else if err == nil {
			err = fmt.Errorf("write TUN %s: %w", t.name, errno)
		}
	}
	clear(w.iov)
	clear(w.parts)
	return taken, err
}

// gather makes the vector of a group's write and returns how many packets those
// are.
func (w *Gatherer) gather(group int, packets [][]byte) (count int, iov []unix.Iovec) {
	var s packet.Super
	s, w.parts = w.coalescer.Super(group, w.parts[:0])
	clear(w.header[:])
	w.iov = w.iov[:0]
	w.add(w.header[:])
	if s.Count == 1 {
		w.add(packets[s.First])
		return 1, w.iov
	}
	w.add(s.Packet())
	for _, part := range w.parts {
		w.add(part)
	}
	w.header[vnetFlags] = unix.VIRTIO_NET_HDR_F_NEEDS_CSUM
	w.header[vnetGSOType] = gsoType(s.Segment)
	binary.NativeEndian.PutUint16(w.header[vnetHeaderLength:], uint16(s.HeaderLen()))
	binary.NativeEndian.PutUint16(w.header[vnetSegmentSize:], uint16(s.Size))
	binary.NativeEndian.PutUint16(w.header[vnetChecksumStart:], uint16(s.TransportAt()))
	binary.NativeEndian.PutUint16(w.header[vnetChecksumOffset:], uint16(s.ChecksumOffset()))
	return s.Count, w.iov
}

func gsoType(s packet.Segment) byte {
	switch {
	case s.Protocol() == packet.ProtocolUDP:
		return unix.VIRTIO_NET_HDR_GSO_UDP_L4
	case packet.Version(s.Packet()) == 6:
		return unix.VIRTIO_NET_HDR_GSO_TCPV6
	}
	return unix.VIRTIO_NET_HDR_GSO_TCPV4
}

func (w *Gatherer) add(b []byte) {
	v := unix.Iovec{Base: unsafe.SliceData(b)}
	v.SetLen(len(b))
	w.iov = append(w.iov, v)
}
