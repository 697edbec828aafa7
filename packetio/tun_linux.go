package packetio

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
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
	file   *os.File
	raw    syscall.RawConn
	name   string
	vnet   bool
	closed atomic.Bool

	reader tunReader
	writer tunWriter
}

// tunReader is owned by the one caller of ReadBatch.
type tunReader struct {
	buf     []byte // one virtio header and packet
	pending packet.Segments
	next    int // segment of pending
	batch   *Batch
	err     error
	drain   func(fd uintptr) bool
}

// tunWriter is guarded by mu.
type tunWriter struct {
	mu      sync.Mutex
	header  [vnetHeaderLen]byte
	iov     [1 + batchPackets]unix.Iovec
	packets [][]byte
	taken   int
	err     error
	write   func(fd uintptr) bool
}

// OpenTUN makes a TUN device in the network namespace of the calling thread.
// It is down and has no address; it goes when the TUN is closed. With
// segmentation offload, where the kernel has it, the stack hands over and takes
// packets of up to 64 KiB, whatever mtu (in bytes) says.
func OpenTUN(name string, mtu int) (*TUN, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open /dev/net/tun: %w", err)
	}
	t := &TUN{}
	if err := t.attach(fd, name); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("make TUN %q: %w", name, err)
	}
	if err := setMTU(t.name, mtu); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("set MTU of %s to %d: %w", t.name, mtu, err)
	}
	// Only now, attached, can the descriptor be polled.
	t.file = os.NewFile(uintptr(fd), "/dev/net/tun")
	if t.raw, err = t.file.SyscallConn(); err != nil {
		t.file.Close()
		return nil, fmt.Errorf("poll TUN %s: %w", t.name, err)
	}
	t.reader.buf = make([]byte, vnetHeaderLen+ipPacketMax)
	t.reader.drain = t.drain
	t.writer.write = t.write
	return t, nil
}

func (t *TUN) attach(fd int, name string) error {
	request, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
		return err
	}
	t.name = request.Name()
	const tcp = unix.TUN_F_CSUM | unix.TUN_F_TSO4 | unix.TUN_F_TSO6 | unix.TUN_F_TSO_ECN
	for _, offloads := range []int{tcp | unix.TUN_F_USO4 | unix.TUN_F_USO6, tcp} { // USO: since Linux 6.2
		if err := unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, offloads); err == nil {
			t.vnet = true
			break
		}
	}
	return nil
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

// Interrupt implements Device.
func (t *TUN) Interrupt() error { return t.file.SetReadDeadline(time.Unix(1, 0)) }

// Resume implements Device.
func (t *TUN) Resume() error { return t.file.SetReadDeadline(time.Time{}) }

// Close removes the device.
func (t *TUN) Close() error {
	t.closed.Store(true)
	return t.file.Close()
}

// ReadBatch implements Device.
func (t *TUN) ReadBatch(b *Batch) error {
	b.Reset()
	r := &t.reader
	r.takePending(b)
	if len(b.Packets) > 0 {
		return nil
	}
	r.batch, r.err = b, nil
	err := t.raw.Read(r.drain)
	if err == nil {
		err = r.err
	}
	if err == nil {
		return nil
	}
	if t.closed.Load() {
		err = os.ErrClosed
	}
	return fmt.Errorf("read TUN %s: %w", t.name, err)
}

// drain reads until nothing is left or the batch might not hold one more: it
// never waits to fill a batch. It returns false to be called again when there
// is something to read.
func (t *TUN) drain(fd uintptr) bool {
	r := &t.reader
	for r.batch.fits(1, ipPacketMax) && r.next == r.pending.Count() {
		n, err := unix.Read(int(fd), r.buf)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			return len(r.batch.Packets) > 0
		case err != nil:
			if len(r.batch.Packets) == 0 {
				r.err = err
			}
			return true
		}
		r.take(r.buf[:n])
	}
	return true
}

// take adds one read's packet, or the segments it stands for, to the batch.
// What the stack should not have made is left out.
func (r *tunReader) take(b []byte) {
	if len(b) < vnetHeaderLen {
		return
	}
	header, p := b[:vnetHeaderLen], b[vnetHeaderLen:]
	if header[vnetGSOType]&^unix.VIRTIO_NET_HDR_GSO_ECN != unix.VIRTIO_NET_HDR_GSO_NONE {
		segments, err := packet.NewSegments(p, int(binary.NativeEndian.Uint16(header[vnetSegmentSize:])))
		if err != nil {
			return
		}
		r.pending, r.next = segments, 0
		r.takePending(r.batch)
		return
	}
	if header[vnetFlags]&unix.VIRTIO_NET_HDR_F_NEEDS_CSUM != 0 {
		start, offset := binary.NativeEndian.Uint16(header[vnetChecksumStart:]), binary.NativeEndian.Uint16(header[vnetChecksumOffset:])
		if !packet.CompleteChecksum(p, int(start), int(offset)) {
			return
		}
	}
	copy(r.batch.Append(len(p)), p)
}

// takePending adds segments of the super-packet read last for which there was
// no room before.
func (r *tunReader) takePending(b *Batch) {
	for count := r.pending.Count(); r.next < count; r.next++ {
		slot := b.Append(r.pending.Len(r.next))
		if slot == nil {
			return
		}
		r.pending.Write(r.next, slot)
	}
}

// WriteBatch implements Device. Consecutive TCP segments of one flow go to the
// stack as one super-packet, gathered from where they lie.
func (t *TUN) WriteBatch(packets [][]byte) (int, error) {
	w := &t.writer
	w.mu.Lock()
	defer w.mu.Unlock()
	w.packets, w.taken, w.err = packets, 0, nil
	err := t.raw.Write(w.write)
	clear(w.iov[:])
	w.packets = nil
	if err == nil {
		err = w.err
	}
	if err == nil {
		return w.taken, nil
	}
	if t.closed.Load() {
		err = os.ErrClosed
	}
	return w.taken, fmt.Errorf("write TUN %s: %w", t.name, err)
}

func (t *TUN) write(fd uintptr) bool {
	w := &t.writer
	for len(w.packets) > 0 {
		count, iovLen := w.gather(t.vnet)
		_, _, errno := unix.Syscall(unix.SYS_WRITEV, fd, uintptr(unsafe.Pointer(&w.iov[0])), uintptr(iovLen))
		switch errno {
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			return false
		case 0:
			w.taken += count
		default:
			if w.err == nil {
				w.err = errno
			}
		}
		w.packets = w.packets[count:]
	}
	return true
}

// gather makes the vector of the next write: the first packet and those that
// continue it. It returns how many packets and elements those are.
func (w *tunWriter) gather(vnet bool) (count, iovLen int) {
	clear(w.header[:])
	w.setIOV(0, w.header[:])
	w.setIOV(1, w.packets[0])
	if !vnet || len(w.packets) == 1 {
		return 1, 2
	}
	first, ok := packet.NewTCPSegment(w.packets[0])
	if !ok {
		return 1, 2
	}
	size := len(first.Payload())
	payload, push, short := size, first.Push(), false
	for count = 1; count < min(len(w.packets), batchPackets) && !push && !short; count++ {
		next, ok := packet.NewTCPSegment(w.packets[count])
		if !ok || len(next.Payload()) > size || first.HeaderLen()+payload+len(next.Payload()) > ipPacketMax || !first.ContinuedBy(next, count, payload) {
			break
		}
		w.setIOV(1+count, next.Payload())
		payload += len(next.Payload())
		push, short = next.Push(), len(next.Payload()) < size // then it is the last
	}
	if count == 1 {
		return 1, 2
	}
	first.MakeSuper(payload, push)
	w.header[vnetFlags] = unix.VIRTIO_NET_HDR_F_NEEDS_CSUM
	w.header[vnetGSOType] = unix.VIRTIO_NET_HDR_GSO_TCPV4
	if packet.Version(w.packets[0]) == 6 {
		w.header[vnetGSOType] = unix.VIRTIO_NET_HDR_GSO_TCPV6
	}
	binary.NativeEndian.PutUint16(w.header[vnetHeaderLength:], uint16(first.HeaderLen()))
	binary.NativeEndian.PutUint16(w.header[vnetSegmentSize:], uint16(size))
	binary.NativeEndian.PutUint16(w.header[vnetChecksumStart:], uint16(first.TransportAt()))
	binary.NativeEndian.PutUint16(w.header[vnetChecksumOffset:], tcpChecksumOffset)
	return count, 1 + count
}

func (w *tunWriter) setIOV(i int, b []byte) {
	w.iov[i].Base = unsafe.SliceData(b)
	w.iov[i].SetLen(len(b))
}
