package packetio

import (
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"causeway.dev/packet"
)

// A WholeSocket sends datagrams that nobody may fragment, this host included. It
// makes their IP headers itself, and receives nothing.
type WholeSocket struct {
	descriptor
	local netip.Addr
}

// ErrTooLarge is Send's for what this host knows not to fit the path.
var ErrTooLarge = errors.New("the datagram does not fit the path")

// ListenWhole opens a socket that sends from local, in the network namespace of
// the calling thread.
func ListenWhole(local netip.Addr) (*WholeSocket, error) {
	local = local.Unmap()
	family := unix.AF_INET
	if local.Is6() {
		family = unix.AF_INET6
	}
	// raw(7): IPPROTO_RAW implies that the header is included, and receives nothing.
	fd, err := unix.Socket(family, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err != nil {
		return nil, fmt.Errorf("open a socket for whole datagrams of %v: %w", local, err)
	}
	s := &WholeSocket{descriptor: descriptor{fd: fd}, local: local}
	// What the kernel believes of the path's MTU must not keep a probe back.
	level, option, value := unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_PROBE
	if family == unix.AF_INET6 {
		level, option, value = unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_PROBE
	}
	if err := unix.SetsockoptInt(fd, level, option, value); err != nil {
		s.Close()
		return nil, fmt.Errorf("let a socket of %v probe: %w", local, err)
	}
	if err := unix.Bind(fd, sockaddr(netip.AddrPortFrom(local, 0))); err != nil {
		s.Close()
		return nil, fmt.Errorf("bind a socket for whole datagrams to %v: %w", local, err)
	}
	return s, nil
}

// dontFragment is the flag in the seventh byte of an IPv4 header.
const dontFragment = 0x40

// Send sends payload in UDP between these ports, or in IP protocol 50 where
// remote's is zero.
func (s *WholeSocket) Send(localPort uint16, remote netip.AddrPort, payload []byte) error {
	remote = netip.AddrPortFrom(remote.Addr().Unmap(), remote.Port())
	var p []byte
	if remote.Port() == 0 {
		p = packet.AppendIP(nil, s.local, remote.Addr(), 0, unix.IPPROTO_ESP, payload)
	} else {
		p = packet.AppendUDP(nil, netip.AddrPortFrom(s.local, localPort), remote, 0, payload)
	}
	if s.local.Is4() {
		p[6] |= dontFragment // the kernel makes the checksum anew
	}
	fd, err := s.hold()
	if err != nil {
		return err
	}
	defer s.release()
	// A raw socket of IPv6 takes no port.
	switch err := unix.Sendto(int(fd), p, 0, sockaddr(netip.AddrPortFrom(remote.Addr(), 0))); {
	case errors.Is(err, unix.EMSGSIZE):
		return ErrTooLarge
	case err != nil:
		return fmt.Errorf("send a whole datagram to %v: %w", remote, err)
	}
	return nil
}
