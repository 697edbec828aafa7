package packetio

import (
	"encoding/binary"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sender is guarded by mu.
type sender struct {
	mu       sync.Mutex
	messages [sendMessages]unix.Mmsghdr
	names    [sendMessages][unix.SizeofSockaddrInet6]byte
	control  [sendMessages][controlLen]byte
	counts   [sendMessages]int // datagrams of each message
	iov      [sendMessages * 4]unix.Iovec

	left  []Datagram
	plain int // so many of left go without segmentation
	sent  int
	err   error
	send  func(fd uintptr) bool
}

func (s *KernelSocket) initSender() {
	for i := range s.tx.messages {
		h := &s.tx.messages[i].Hdr
		h.Name, h.Control = &s.tx.names[i][0], &s.tx.control[i][0]
	}
	s.tx.send = s.send
}

// WriteBatch implements Socket.
func (s *KernelSocket) WriteBatch(datagrams []Datagram) (int, error) {
	t := &s.tx
	t.mu.Lock()
	defer t.mu.Unlock()
	t.left, t.plain, t.sent, t.err = datagrams, 0, 0, nil
	err := s.raw.Write(t.send)
	t.left = nil
	clear(t.iov[:])
	if err == nil {
		err = t.err
	}
	if err != nil {
		return t.sent, s.wrap("send from", err)
	}
	return t.sent, nil
}

func (s *KernelSocket) send(fd uintptr) bool {
	t := &s.tx
	for len(t.left) > 0 {
		messages := s.gather()
		n, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&t.messages[0])), uintptr(messages), unix.MSG_DONTWAIT, 0, 0)
		switch {
		case errno == unix.EINTR:
		case errno == unix.EAGAIN:
			return false
		case errno == 0:
			for _, count := range t.counts[:n] {
				t.sent += count
				t.advance(count)
			}
		case t.counts[0] > 1 && (errno == unix.EIO || errno == unix.EINVAL || errno == unix.EMSGSIZE):
			// Segments that exceed the route's MTU may be fragmented one by
			// one, but not as a super-packet; EIO means that the route's
			// device makes no checksums, and then it never works.
			if errno == unix.EIO {
				s.segments = false
			}
			t.plain = t.counts[0]
		default:
			if t.err == nil {
				t.err = errno
			}
			t.advance(t.counts[0])
		}
	}
	return true
}

func (t *sender) advance(count int) {
	t.left = t.left[count:]
	t.plain = max(t.plain-count, 0)
}

// gather makes messages of the datagrams that are left, as many as fit one
// call, and returns their number. With segmentation, a run of datagrams to one
// peer, all of one length but for a shorter last, is one message.
func (s *KernelSocket) gather() int {
	t := &s.tx
	left, plain, iov := t.left, t.plain, 0
	for i := range t.messages {
		if len(left) == 0 || iov == len(t.iov) {
			return i
		}
		run := 1
		if s.segments && plain == 0 {
			run = runLen(left[:min(len(left), len(t.iov)-iov)])
		}
		for j := range run {
			t.iov[iov+j].Base = unsafe.SliceData(left[j].Payload)
			t.iov[iov+j].SetLen(len(left[j].Payload))
		}
		h := &t.messages[i].Hdr
		h.Iov = &t.iov[iov]
		h.SetIovlen(run)
		h.Namelen = putName(&t.names[i], left[0].Remote)
		h.SetControllen(putControl(&t.control[i], &left[0], run > 1))
		t.counts[i] = run
		left, plain, iov = left[run:], max(plain-run, 0), iov+run
	}
	return len(t.messages)
}

// runLen returns how many of the datagrams from the first on can be one
// message.
func runLen(d []Datagram) int {
	size, total := len(d[0].Payload), len(d[0].Payload)
	if size == 0 {
		return 1
	}
	for n := 1; n < len(d); n++ {
		length := len(d[n].Payload)
		if n == segmentsMax || length == 0 || length > size || total+length > segmentedBytesMax || d[n].TOS != d[0].TOS || d[n].Remote != d[0].Remote {
			return n
		}
		if total += length; length < size {
			return n + 1
		}
	}
	return len(d)
}

// putControl writes the ancillary data of a message: the type of service, and
// with segments the size to cut at.
func putControl(b *[controlLen]byte, d *Datagram, segments bool) int {
	n := 0
	if d.TOS != 0 {
		level, kind := uint32(unix.IPPROTO_IP), uint32(unix.IP_TOS)
		if !d.Remote.Addr().Unmap().Is4() {
			level, kind = unix.IPPROTO_IPV6, unix.IPV6_TCLASS
		}
		putControlHeader(b[n:], 4, level, kind)
		binary.NativeEndian.PutUint32(b[n+unix.SizeofCmsghdr:], uint32(d.TOS))
		n += unix.CmsgSpace(4)
	}
	if segments {
		putControlHeader(b[n:], 2, unix.SOL_UDP, unix.UDP_SEGMENT)
		binary.NativeEndian.PutUint16(b[n+unix.SizeofCmsghdr:], uint16(len(d.Payload)))
		n += unix.CmsgSpace(2)
	}
	return n
}

func putControlHeader(b []byte, length int, level, kind uint32) {
	binary.NativeEndian.PutUint64(b, uint64(unix.CmsgLen(length)))
	binary.NativeEndian.PutUint32(b[8:], level)
	binary.NativeEndian.PutUint32(b[12:], kind)
}
