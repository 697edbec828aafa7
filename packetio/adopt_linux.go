package packetio

import (
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// What one process has opened another may go on with: a descriptor that it was
// sent is the same device or socket, with all that waits in it.

// AdoptTUN makes a TUN of any non-blocking descriptor that carries one
// virtio-net header and packet a read or write: a TUN that another process has
// opened, with the offloads that are in use there, or one of a pair of
// SOCK_SEQPACKET sockets whose other end stands for the kernel. The TUN closes
// it.
func AdoptTUN(fd int, name string, offloads Offloads) *TUN {
	return &TUN{descriptor: descriptor{fd: fd}, name: name, offloads: offloads}
}

// SetOffloads changes the offloads to those of the wanted ones that the kernel
// has.
func (t *TUN) SetOffloads(wanted Offloads) error {
	fd, err := t.hold()
	if err != nil {
		return fmt.Errorf("set offloads of TUN %s: %w", t.name, err)
	}
	defer t.release()
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
		if err = unix.IoctlSetInt(int(fd), unix.TUNSETOFFLOAD, try.flags); err == nil {
			t.offloads = try.offloads
			return nil
		}
	}
	return fmt.Errorf("set offloads of TUN %s: %w", t.name, err)
}

// Namespace identifies the network namespace that the device is in, by its inode.
// A device that has been taken away is an error. It needs Linux 5.2.
func (t *TUN) Namespace() (uint64, error) {
	return t.namespace("TUN "+t.name, unix.TUNGETDEVNETNS)
}

// AdoptSocket makes a KernelSocket of a descriptor that another process has had
// from ListenUDP or ListenESP, with the offloads that are in use there. The
// socket closes it, unless it returns an error.
func AdoptSocket(fd int, offloads Offloads) (*KernelSocket, error) {
	bound, err := unix.Getsockname(fd)
	if err != nil {
		return nil, fmt.Errorf("adopt socket %d: %w", fd, err)
	}
	kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return nil, fmt.Errorf("adopt socket %d: %w", fd, err)
	}
	s := &KernelSocket{descriptor: descriptor{fd: fd}, isRaw: kind == unix.SOCK_RAW, coalesces: offloads.SocketCoalescing}
	s.segments.Store(offloads.SocketSegmentation)
	switch a := bound.(type) {
	case *unix.SockaddrInet4:
		s.local = netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *unix.SockaddrInet6:
		s.local = netip.AddrPortFrom(netip.AddrFrom16(a.Addr), uint16(a.Port))
	default:
		return nil, fmt.Errorf("adopt socket %d: it is not of IP", fd)
	}
	if s.isRaw { // the kernel shows the protocol where a port would be
		s.local = netip.AddrPortFrom(s.local.Addr(), 0)
	}
	return s, nil
}

// SetOffloads changes the offloads to those of the wanted ones that the kernel
// has. Nobody may be reading.
func (s *KernelSocket) SetOffloads(wanted Offloads) error {
	fd, err := s.hold()
	if err != nil {
		return s.wrap("set offloads of", err)
	}
	defer s.release()
	s.setOffloads(int(fd), wanted)
	return nil
}

// Namespace identifies the network namespace that the socket is in, by its inode.
func (s *KernelSocket) Namespace() (uint64, error) {
	return s.namespace(fmt.Sprintf("socket %v", s.local), unix.SIOCGSKNS)
}

// namespace asks the kernel by a call that returns a descriptor of the namespace.
func (d *descriptor) namespace(what string, request uint) (uint64, error) {
	fd, err := d.hold()
	if err != nil {
		return 0, fmt.Errorf("find namespace of %s: %w", what, err)
	}
	defer d.release()
	ns, err := unix.IoctlRetInt(int(fd), request)
	if err != nil {
		return 0, fmt.Errorf("find namespace of %s: %w", what, err)
	}
	defer unix.Close(ns)
	var st unix.Stat_t
	if err := unix.Fstat(ns, &st); err != nil {
		return 0, fmt.Errorf("find namespace of %s: %w", what, err)
	}
	return st.Ino, nil
}
