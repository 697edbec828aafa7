package packetio

import (
	"encoding/binary"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"

	"causeway.dev/packet"
)

// receiver is owned by the one caller of ReadBatch.
type receiver struct {
	messages  []unix.Mmsghdr
	iov       []unix.Iovec
	names     [][unix.SizeofSockaddrInet6]byte
	control   [][controlLen]byte
	buf       []byte
	datagrams []Datagram
	used      int // messages to be made ready again
	err       error
	receive   func(fd uintptr) bool
}

func (s *KernelSocket) initReceiver(messages int) {
	r := &s.rx
	r.messages = make([]unix.Mmsghdr, messages)
	r.iov = make([]unix.Iovec, messages)
	r.names = make([][unix.SizeofSockaddrInet6]byte, messages)
	r.control = make([][controlLen]byte, messages)
	// Only the pages that a message ever reached are really there.
	r.buf = make([]byte, messages*messageMax)
	r.datagrams = make([]Datagram, 0, messages*segmentsMax)
	for i := range messages {
		r.iov[i].Base = &r.buf[i*messageMax]
		r.iov[i].SetLen(messageMax)
		h := &r.messages[i].Hdr
		h.Iov, h.Name, h.Control = &r.iov[i], &r.names[i][0], &r.control[i][0]
		h.SetIovlen(1)
	}
	r.used = messages
	r.receive = s.receive
}

// ReadBatch implements Socket.
func (s *KernelSocket) ReadBatch() ([]Datagram, error) {
	r := &s.rx
	for {
		for i := range r.used {
			h := &r.messages[i].Hdr
			h.Namelen, h.Flags = unix.SizeofSockaddrInet6, 0
			h.SetControllen(controlLen)
		}
		r.used, r.err = 0, nil
		err := s.raw.Read(r.receive)
		if err == nil {
			err = r.err
		}
		if err != nil {
			return nil, s.wrap("receive on", err)
		}
		r.datagrams = r.datagrams[:0]
		for i := range r.used {
			s.take(i)
		}
		if len(r.datagrams) > 0 {
			return r.datagrams, nil
		}
	}
}

func (s *KernelSocket) receive(fd uintptr) bool {
	r := &s.rx
	for {
		n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&r.messages[0])), uintptr(len(r.messages)), unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			r.used = int(n)
			return true
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			return false
		default:
			r.err = errno
			return true
		}
	}
}

// take adds the datagrams of message i; what was cut off is left out.
func (s *KernelSocket) take(i int) {
	r := &s.rx
	m := &r.messages[i]
	if m.Hdr.Flags&unix.MSG_TRUNC != 0 {
		return
	}
	payload := r.buf[i*messageMax : i*messageMax+int(m.Len)]
	remote := nameOf(&r.names[i])
	tos, size := parseControl(r.control[i][:min(int(m.Hdr.Controllen), controlLen)])
	if s.isRaw {
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
		r.datagrams = append(r.datagrams, Datagram{Remote: remote, TOS: tos, Payload: payload[:len(payload):len(payload)]})
		return
	}
	for len(payload) > 0 {
		n := min(size, len(payload))
		r.datagrams = append(r.datagrams, Datagram{Remote: remote, TOS: tos, Payload: payload[:n:n]})
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
