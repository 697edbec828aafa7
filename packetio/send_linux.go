package packetio

import (
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Sender is what a socket needs to send a batch. It has one owner, who may
// use it for one socket after the other.
type Sender struct {
	messages []unix.Mmsghdr
	names    [][unix.SizeofSockaddrInet6]byte
	control  [][controlLen]byte
	counts   []int // datagrams of each message
	iov      []unix.Iovec
}

// NewSender returns a Sender that hands the kernel up to so many messages a
// call. A message holds a run of datagrams where the socket segments, else one.
func NewSender(messages int) *Sender {
	t := &Sender{
		messages: make([]unix.Mmsghdr, messages),
		names:    make([][unix.SizeofSockaddrInet6]byte, messages),
		control:  make([][controlLen]byte, messages),
		counts:   make([]int, messages),
		iov:      make([]unix.Iovec, messages*2),
	}
	for i := range messages {
		h := &t.messages[i].Hdr
		h.Name, h.Control = &t.names[i][0], &t.control[i][0]
	}
	return t
}

// WriteBatch implements Socket.
func (s *KernelSocket) WriteBatch(t *Sender, datagrams []Datagram) (sent int, err error) {
	fd, err := s.hold()
	if err != nil {
		refuse(datagrams)
		return 0, s.wrap("send from", err)
	}
	defer s.release()
	plain := 0 // so many of the next go without segmentation
	var messages []unix.Mmsghdr
	first := 0 // of the messages that are still to be sent
	for len(datagrams) > 0 {
		if first == len(messages) {
			messages, first = t.gather(datagrams, plain, s.segments.Load()), 0
		}
		n, errno := rawSend(fd, messages[first:])
		count := t.counts[first]
		switch {
		case errno == unix.EINTR:
			continue
		case errno == 0:
			count = 0
			for _, c := range t.counts[first : first+n] {
				count += c
			}
			sent += count
			first += n
		case count > 1 && (errno == unix.EIO || errno == unix.EINVAL || errno == unix.EMSGSIZE):
			// Segments that exceed the route's MTU may be fragmented one by
			// one, but not as a super-packet; EIO means that the route's
			// device makes no checksums, and then it never works.
			if errno == unix.EIO {
				s.endSegmentation(errno)
			}
			plain, messages, first = count, nil, 0
			continue
		default:
			// EAGAIN is no exception: the kernel's queue for us is full, and
			// a router without room drops.
			if err == nil {
				err = s.wrap("send from", errno)
			}
			refuse(datagrams[:count])
			first++
		}
		datagrams, plain = datagrams[count:], max(plain-count, 0)
	}
	clear(t.iov)
	return sent, err
}

// refuse marks datagrams that were not sent, as Socket says.
func refuse(datagrams []Datagram) {
	for i := range datagrams {
		datagrams[i].Payload = nil
	}
}

// gather makes messages of the datagrams, as many as fit one call; the first
// plain ones go one by one. With segmentation, a run of datagrams to one peer,
// all of one length but for a shorter last, is one message.
func (t *Sender) gather(datagrams []Datagram, plain int, segments bool) []unix.Mmsghdr {
	iov := 0
	for i := range t.messages {
		if len(datagrams) == 0 || iov == len(t.iov) {
			return t.messages[:i]
		}
		run := 1
		if segments && plain == 0 {
			run = runLen(datagrams[:min(len(datagrams), len(t.iov)-iov)])
		}
		for j := range run {
			t.iov[iov+j].Base = unsafe.SliceData(datagrams[j].Payload)
			t.iov[iov+j].SetLen(len(datagrams[j].Payload))
		}
		h := &t.messages[i].Hdr
		h.Iov = &t.iov[iov]
		h.SetIovlen(run)
		h.Namelen = putName(&t.names[i], datagrams[0].Remote)
		h.SetControllen(putControl(&t.control[i], &datagrams[0], run > 1))
		t.counts[i] = run
		datagrams, plain, iov = datagrams[run:], max(plain-run, 0), iov+run
	}
	return t.messages
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
