package packetio

import (
	"encoding/binary"
	"fmt"
	"io"
	"sync"
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

	tcpChecksumOffset = 16
)

const ipPacketMax = 65535

// A TUN is a network device whose wire is us.
type TUN struct {
	descriptor
	name     string
	offloads Offloads
	writer   tunWriter
}

// tunWriter is guarded by mu.
type tunWriter struct {
	mu     sync.Mutex
	header [vnetHeaderLen]byte
	iov    [1 + batchPackets]unix.Iovec
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
	if err := setMTU(t.name, mtu); err != nil {
		t.Close()
		return nil, fmt.Errorf("set MTU of %s to %d: %w", t.name, mtu, err)
	}
	return t, nil
}

// AdoptTUN makes a TUN of any non-blocking descriptor that carries one
// virtio-net header and packet a read or write, such as one of a pair of
// SOCK_SEQPACKET sockets whose other end stands for the kernel. The TUN closes
// it.
func AdoptTUN(fd int, name string, offloads Offloads) *TUN {
	return &TUN{descriptor: descriptor{fd: fd}, name: name, offloads: offloads}
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
	// Checksums left to us cost nothing that the stack would not pay, and are
	// what the rest builds on.
	const tcp, udp = unix.TUN_F_TSO4 | unix.TUN_F_TSO6 | unix.TUN_F_TSO_ECN, unix.TUN_F_USO4 | unix.TUN_F_USO6
	for _, try := range []struct {
		flags    int
		offloads Offloads
	}{
		{unix.TUN_F_CSUM | tcp | udp, Offloads{TUNSegmentation: true, TUNUDPSegmentation: true}}, // USO: since Linux 6.2
		{unix.TUN_F_CSUM | tcp, Offloads{TUNSegmentation: true}},
		{unix.TUN_F_CSUM | udp, Offloads{TUNUDPSegmentation: true}},
		{0, Offloads{}},
	} {
		if try.offloads.And(wanted) != try.offloads {
			continue
		}
		if err = unix.IoctlSetInt(t.fd, unix.TUNSETOFFLOAD, try.flags); err == nil {
			t.offloads = try.offloads
			return nil
		}
	}
	return fmt.Errorf("set offloads: %w", err)
}

func setMTU(name string, mtu int) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	request, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	request.SetUint32(uint32(mtu))
	return unix.IoctlIfreq(fd, unix.SIOCSIFMTU, request)
}

// Name is the device's name in its namespace.
func (t *TUN) Name() string { return t.name }

// ReadBatch implements Device: it reads until nothing is left or the batch might
// not hold one more packet, and never waits to fill it.
func (t *TUN) ReadBatch(b *Batch) error {
	b.Reset()
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
		case errno != 0 && len(b.Packets) > 0:
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

// WriteBatch implements Device. Consecutive TCP segments of one flow go to the
// stack as one super-packet, gathered from where they lie.
func (t *TUN) WriteBatch(packets [][]byte) (taken int, err error) {
	w := &t.writer
	w.mu.Lock()
	defer w.mu.Unlock()
	fd, err := t.hold()
	if err != nil {
		return 0, fmt.Errorf("write TUN %s: %w", t.name, err)
	}
	defer t.release()
	for len(packets) > 0 {
		count, iov := w.gather(packets, t.offloads)
		errno := rawWritev(fd, iov)
		for errno == unix.EINTR {
			errno = rawWritev(fd, iov)
		}
		if errno == 0 {
			taken += count
		} else if err == nil {
			err = fmt.Errorf("write TUN %s: %w", t.name, errno)
		}
		packets = packets[count:]
	}
	clear(w.iov[:])
	return taken, err
}

// gather makes the vector of the next write: the first packet and those that
// continue it. It returns how many packets those are.
func (w *tunWriter) gather(packets [][]byte, offloads Offloads) (count int, iov []unix.Iovec) {
	clear(w.header[:])
	w.setIOV(0, w.header[:])
	w.setIOV(1, packets[0])
	if !offloads.TUNSegmentation || len(packets) == 1 {
		return 1, w.iov[:2]
	}
	first, ok := packet.NewTCPSegment(packets[0])
	if !ok {
		return 1, w.iov[:2]
	}
	size := len(first.Payload())
	payload, push, short := size, first.Push(), false
	for count = 1; count < min(len(packets), batchPackets) && !push && !short; count++ {
		next, ok := packet.NewTCPSegment(packets[count])
		if !ok || len(next.Payload()) > size || first.HeaderLen()+payload+len(next.Payload()) > ipPacketMax || !first.ContinuedBy(next, count, payload) {
			break
		}
		w.setIOV(1+count, next.Payload())
		payload += len(next.Payload())
		push, short = next.Push(), len(next.Payload()) < size // then it is the last
	}
	if count == 1 {
		return 1, w.iov[:2]
	}
	first.MakeSuper(payload, push)
	w.header[vnetFlags] = unix.VIRTIO_NET_HDR_F_NEEDS_CSUM
	w.header[vnetGSOType] = unix.VIRTIO_NET_HDR_GSO_TCPV4
	if packet.Version(packets[0]) == 6 {
		w.header[vnetGSOType] = unix.VIRTIO_NET_HDR_GSO_TCPV6
	}
	binary.NativeEndian.PutUint16(w.header[vnetHeaderLength:], uint16(first.HeaderLen()))
	binary.NativeEndian.PutUint16(w.header[vnetSegmentSize:], uint16(size))
	binary.NativeEndian.PutUint16(w.header[vnetChecksumStart:], uint16(first.TransportAt()))
	binary.NativeEndian.PutUint16(w.header[vnetChecksumOffset:], tcpChecksumOffset)
	return count, w.iov[:1+count]
}

func (w *tunWriter) setIOV(i int, b []byte) {
	w.iov[i].Base = unsafe.SliceData(b)
	w.iov[i].SetLen(len(b))
}
