package packetio

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"

	"causeway.dev/packet"
)

// A Receiver is where datagrams are received. It has one owner, who may use it
// for one socket after the other.
type Receiver struct {
	Datagrams []Datagram

	messages []unix.Mmsghdr
	iov      []unix.Iovec
	names    [][unix.SizeofSockaddrInet6]byte
	control  [][controlLen]byte
	buf      []byte
	used     int // messages to be made ready again
}

// NewReceiver returns a Receiver of 4 MiB, of which only the pages that a
// message ever reached are really there.
func NewReceiver() *Receiver {
	const messages = receiveMessages
	r := &Receiver{
		Datagrams: make([]Datagram, 0, receiveMessagesOffload*segmentsMax),
		messages:  make([]unix.Mmsghdr, messages),
		iov:       make([]unix.Iovec, messages),
		names:     make([][unix.SizeofSockaddrInet6]byte, messages),
		control:   make([][controlLen]byte, messages),
		buf:       make([]byte, messages*messageMax),
		used:      messages,
	}
	for i := range messages {
		r.iov[i].Base = &r.buf[i*messageMax]
		r.iov[i].SetLen(messageMax)
		h := &r.messages[i].Hdr
		h.Iov, h.Name, h.Control = &r.iov[i], &r.names[i][0], &r.control[i][0]
		h.SetIovlen(1)
	}
	return r
}

// prepare makes all messages ready for the kernel.
func (r *Receiver) prepare() {
	for i := range r.used {
		h := &r.messages[i].Hdr
		h.Namelen, h.Flags = unix.SizeofSockaddrInet6, 0
		h.SetControllen(controlLen)
	}
	r.used = 0
	r.Datagrams = r.Datagrams[:0]
}

// ReadBatch implements Socket: one call of recvmmsg.
func (s *KernelSocket) ReadBatch(r *Receiver) error {
	r.prepare()
	fd, err := s.hold()
	if err != nil {
		return s.wrap("receive on", err)
	}
	defer s.release()
	messages := receiveMessages
	if s.coalesces {
		messages = receiveMessagesOffload
	}
	n, errno := rawReceive(fd, r.messages[:messages])
	for errno == unix.EINTR {
		n, errno = rawReceive(fd, r.messages[:messages])
	}
	if errno == unix.EAGAIN {
		return nil
	}
	if errno != 0 {
		return s.wrap("receive on", errno)
	}
	r.used = n
	for i := range n {
		r.take(i, s.isRaw)
	}
	return nil
}

// take adds the datagrams of message i; what was cut off is left out.
func (r *Receiver) take(i int, isRaw bool) {
	m := &r.messages[i]
	if m.Hdr.Flags&unix.MSG_TRUNC != 0 {
		return
	}
	payload := r.buf[i*messageMax : i*messageMax+int(m.Len)]
	remote := nameOf(&r.names[i])
	tos, size := parseControl(r.control[i][:min(int(m.Hdr.Controllen), controlLen)])
	if isRaw {
		remote = netip.AddrPortFrom(remote.Addr(), 0)
		if remote.Addr().Is4() {
			// A raw IPv4 socket hands the header over too. (A raw IPv6 one does not.)
			p, err := packet.ParseIPv4(payload)
			if err != nil {
				return
			}
			payload, tos = p.Payload(), p.TOS()
		}
	}
	if size <= 0 || size >= len(payload) {
		r.Datagrams = append(r.Datagrams, Datagram{Remote: remote, TOS: tos, Payload: payload[:len(payload):len(payload)]})
		return
	}
	for len(payload) > 0 {
		n := min(size, len(payload))
		r.Datagrams = append(r.Datagrams, Datagram{Remote: remote, TOS: tos, Payload: payload[:n:n]})
		payload = payload[n:]
	}
}

// parseControl finds the type of service (or traffic class) and the size that
// receive offload cut at, 0 for none, in a message's ancillary data.
func parseControl(b []byte) (tos uint8, size int) {
	for len(b) >= unix.SizeofCmsghdr {
		// struct cmsghdr of a 64-bit machine: length 8, level 4, type 4.
		length := int(binary.NativeEndian.Uint64(b))
		level, kind := int32(binary.NativeEndian.Uint32(b[8:])), int32(binary.NativeEndian.Uint32(b[12:]))
		if length < unix.SizeofCmsghdr || length > len(b) {
			return tos, size
		}
		switch data := b[unix.SizeofCmsghdr:length]; {
		case level == unix.IPPROTO_IP && kind == unix.IP_TOS && len(data) >= 1:
			tos = data[0]
		case level == unix.IPPROTO_IPV6 && kind == unix.IPV6_TCLASS && len(data) >= 4:
			tos = uint8(binary.NativeEndian.Uint32(data))
		case level == unix.SOL_UDP && kind == unix.UDP_GRO && len(data) >= 4:
			size = int(binary.NativeEndian.Uint32(data))
		}
		b = b[min(unix.CmsgSpace(length-unix.SizeofCmsghdr), len(b)):]
	}
	return tos, size
}
