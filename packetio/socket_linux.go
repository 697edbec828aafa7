package packetio

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

const (
	// socketBuffer is what the kernel may queue for us and we for it, in
	// bytes: 4 MiB hold some 2,000 full packets or super-packets' worth, or 50
	// ms of 5 Gbit/s with bookkeeping.
	socketBuffer = 4 << 20

	// receiveMessages is how many messages one recvmmsg takes; with receive
	// offload each may hold 64 datagrams, so fewer do.
	receiveMessages        = 64
	receiveMessagesOffload = 8

	// segmentsMax and segmentedBytesMax bound a message with segmentation:
	// UDP_MAX_SEGMENTS of older kernels, and a UDP datagram's length.
	segmentsMax       = 64
	segmentedBytesMax = 65000

	messageMax = 65535
	controlLen = 64 // bytes of ancillary data: a TOS and a segment size, each in 24
)

// A KernelSocket is a UDP socket or a raw ESP socket.
type KernelSocket struct {
	descriptor
	local     netip.AddrPort
	isRaw     bool
	segments  atomic.Bool // UDP_SEGMENT works
	coalesces bool        // UDP_GRO works

	segmentationOff func(error) // nil: nobody wants to know
}

// ListenUDP binds a UDP socket in the network namespace of the calling thread.
// The kernel segments and coalesces datagrams where it is wanted and it can.
func ListenUDP(local netip.AddrPort, wanted Offloads) (*KernelSocket, error) {
	s, err := listen(local, unix.SOCK_DGRAM, 0, wanted)
	if err != nil {
		return nil, fmt.Errorf("listen on UDP %v: %w", local, err)
	}
	return s, nil
}

// ListenESP binds a raw socket for IP protocol 50 in the network namespace of
// the calling thread.
func ListenESP(local netip.Addr) (*KernelSocket, error) {
	s, err := listen(netip.AddrPortFrom(local, 0), unix.SOCK_RAW, unix.IPPROTO_ESP, Offloads{})
	if err != nil {
		return nil, fmt.Errorf("listen on ESP %v: %w", local, err)
	}
	return s, nil
}

func listen(local netip.AddrPort, kind, protocol int, wanted Offloads) (*KernelSocket, error) {
	local = netip.AddrPortFrom(local.Addr().Unmap(), local.Port())
	if !local.IsValid() {
		return nil, errors.New("address is missing")
	}
	family := unix.AF_INET
	if local.Addr().Is6() {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, kind|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		return nil, err
	}
	s := &KernelSocket{descriptor: descriptor{fd: fd}, isRaw: kind == unix.SOCK_RAW}
	if err := s.configure(fd, family, local, wanted); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *KernelSocket) configure(fd, family int, local netip.AddrPort, wanted Offloads) error {
	for _, buffer := range []struct{ force, ask int }{{unix.SO_RCVBUFFORCE, unix.SO_RCVBUF}, {unix.SO_SNDBUFFORCE, unix.SO_SNDBUF}} {
		// The second form is cut to the system's limit without an error.
		if unix.SetsockoptInt(fd, unix.SOL_SOCKET, buffer.force, socketBuffer) != nil {
			_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, buffer.ask, socketBuffer)
		}
	}
	options := [][3]int{
		// The outer DF flag stays clear, whatever the route's MTU is said to
		// be: RFC 4301 section 8.1 leaves the choice, and routers in the way
		// may fragment.
		{unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DONT},
		{unix.IPPROTO_IP, unix.IP_RECVTOS, 1},
	}
	if family == unix.AF_INET6 {
		options = [][3]int{
			{unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_DONT},
			{unix.IPPROTO_IPV6, unix.IPV6_RECVTCLASS, 1},
		}
	}
	if family == unix.AF_INET6 && !s.isRaw { // a raw one has a family's protocol only
		options = append(options, [3]int{unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1})
	}
	for _, o := range options {
		if err := unix.SetsockoptInt(fd, o[0], o[1], o[2]); err != nil {
			return fmt.Errorf("set socket option %d of %d: %w", o[1], o[0], err)
		}
	}
	s.setOffloads(fd, wanted)
	if err := unix.Bind(fd, sockaddr(local)); err != nil {
		return err
	}
	bound, err := unix.Getsockname(fd)
	if err != nil {
		return err
	}
	s.local = netip.AddrPortFrom(local.Addr(), 0)
	if !s.isRaw {
		s.local = netip.AddrPortFrom(local.Addr(), portOf(bound))
	}
	return nil
}

func (s *KernelSocket) setOffloads(fd int, wanted Offloads) {
	on := 0
	if wanted.SocketCoalescing {
		on = 1
	}
	s.coalesces = !s.isRaw && unix.SetsockoptInt(fd, unix.SOL_UDP, unix.UDP_GRO, on) == nil && wanted.SocketCoalescing
	s.segments.Store(wanted.SocketSegmentation && !s.isRaw && unix.SetsockoptInt(fd, unix.SOL_UDP, unix.UDP_SEGMENT, 0) == nil)
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}

func portOf(a unix.Sockaddr) uint16 {
	switch a := a.(type) {
	case *unix.SockaddrInet4:
		return uint16(a.Port)
	case *unix.SockaddrInet6:
		return uint16(a.Port)
	}
	return 0
}

// OnSegmentationOff has f called, by whoever sends, should the kernel refuse to
// segment what the route's device can't: then WriteBatch leaves it from then on. f
// must not block. It is set before the socket is used.
func (s *KernelSocket) OnSegmentationOff(f func(error)) { s.segmentationOff = f }

func (s *KernelSocket) endSegmentation(err error) {
	if s.segments.Swap(false) && s.segmentationOff != nil {
		s.segmentationOff(s.wrap("segment what is sent from", err))
	}
}

// Offloads are those that are in use.
func (s *KernelSocket) Offloads() Offloads {
	return Offloads{SocketSegmentation: s.segments.Load(), SocketCoalescing: s.coalesces}
}

// Local implements Socket.
func (s *KernelSocket) Local() netip.AddrPort { return s.local }

func (s *KernelSocket) wrap(what string, err error) error {
	return fmt.Errorf("%s %v: %w", what, s.local, err)
}

// putName writes a as a struct sockaddr_in or sockaddr_in6 and returns its
// length.
func putName(name *[unix.SizeofSockaddrInet6]byte, a netip.AddrPort) uint32 {
	clear(name[:])
	binary.BigEndian.PutUint16(name[2:], a.Port())
	if addr := a.Addr().Unmap(); addr.Is4() {
		binary.NativeEndian.PutUint16(name[:], unix.AF_INET)
		b := addr.As4()
		copy(name[4:], b[:])
		return unix.SizeofSockaddrInet4
	}
	binary.NativeEndian.PutUint16(name[:], unix.AF_INET6)
	b := a.Addr().As16()
	copy(name[8:], b[:])
	return unix.SizeofSockaddrInet6
}

func nameOf(name *[unix.SizeofSockaddrInet6]byte) netip.AddrPort {
	port := binary.BigEndian.Uint16(name[2:])
	if binary.NativeEndian.Uint16(name[:]) == unix.AF_INET {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(name[4:])), port)
	}
	return netip.AddrPortFrom(netip.AddrFrom16([16]byte(name[8:])), port)
}
