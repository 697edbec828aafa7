package speaker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"causeway.dev/netfabric/netns"
)

// port is BGP's, RFC 4271 section 8.2.1.
const port = 179

// backlog bounds the connections of a peer that nobody has accepted yet, and as many
// half-open ones. Two are honest: one of a peer that has begun anew, and one that
// collides with it.
const backlog = 4

// A place is where the sockets of a session are.
type place struct {
	namespace     string
	device        string
	local, remote netip.Addr
}

// socket opens a TCP socket that sends and receives by the device only. Its packets
// do not get farther than to the peer, as is usual between neighbours of two ASes:
// what else has the peer's address elsewhere sees none of them.
func (p place) socket() (fd int, err error) {
	err = netns.Do(p.namespace, func() error {
		fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
		return err
	})
	if err != nil {
		return -1, fmt.Errorf("open socket: %w", err)
	}
	err = errors.Join(
		os.NewSyscallError("setsockopt SO_BINDTODEVICE", unix.BindToDevice(fd, p.device)),
		os.NewSyscallError("setsockopt IP_TTL", unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_TTL, 1)),
		os.NewSyscallError("setsockopt TCP_NODELAY", unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)),
	)
	if err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("prepare socket on %s: %w", p.device, err)
	}
	return fd, nil
}

// listen opens the socket that the peer connects to.
func (p place) listen() (fd int, err error) {
	if fd, err = p.socket(); err != nil {
		return -1, err
	}
	if err := p.prepareListener(fd); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func (p place) prepareListener(fd int) error {
	// Connections of before may not have run out yet. And the device may get its address
	// only later: who listens then need not look for it.
	for _, option := range []struct{ level, name int }{{unix.SOL_SOCKET, unix.SO_REUSEADDR}, {unix.IPPROTO_IP, unix.IP_FREEBIND}} {
		if err := unix.SetsockoptInt(fd, option.level, option.name, 1); err != nil {
			return fmt.Errorf("prepare listener: %w", err)
		}
	}
	if err := attach(fd, fromOnly(p.remote)); err != nil {
		return fmt.Errorf("filter packets: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Port: port, Addr: p.local.As4()}); err != nil {
		return fmt.Errorf("bind %v: %w", p.local, err)
	}
	if err := unix.Listen(fd, backlog); err != nil {
		return fmt.Errorf("listen at %v: %w", p.local, err)
	}
	return nil
}

// fromOnly lets through packets that are from an address. A listening socket that has
// it is not there for others: their SYNs are dropped before anything is kept of them.
func fromOnly(source netip.Addr) []bpf.Instruction {
	const (
		networkHeader = 0xfff00000 // SKF_NET_OFF of <linux/filter.h>
		sourceAt      = 12         // in IPv4's header
		whole         = 1 << 18    // longer than any packet
	)
	a := source.As4()
	return []bpf.Instruction{
		bpf.LoadAbsolute{Off: networkHeader + sourceAt, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(a[0])<<24 | uint32(a[1])<<16 | uint32(a[2])<<8 | uint32(a[3]), SkipTrue: 1},
		bpf.RetConstant{Val: whole},
		bpf.RetConstant{Val: 0},
	}
}

func attach(fd int, program []bpf.Instruction) error {
	assembled, err := bpf.Assemble(program)
	if err != nil {
		return err
	}
	filter := make([]unix.SockFilter, len(assembled))
	for i, instruction := range assembled {
		filter[i] = unix.SockFilter{Code: instruction.Op, Jt: instruction.Jt, Jf: instruction.Jf, K: instruction.K}
	}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]})
}

// dialMost bounds a dial: SYNs go out at once, after one second and after three.
const dialMost = 4 * time.Second

// dial connects to the peer by a socket that open returns. It takes no thread while it
// waits.
func (p place) dial(ctx context.Context, open func() (fd int, err error)) (*net.TCPConn, error) {
	fd, err := open()
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "BGP connection")
	defer file.Close() // FileConn has one of its own
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: p.local.As4()}); err != nil {
		return nil, fmt.Errorf("bind %v: %w", p.local, err)
	}
	if err := unix.Connect(fd, &unix.SockaddrInet4{Port: port, Addr: p.remote.As4()}); err != nil && !errors.Is(err, unix.EINPROGRESS) {
		return nil, fmt.Errorf("connect: %w", err)
	}
	if err := file.SetWriteDeadline(time.Now().Add(dialMost)); err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	defer context.AfterFunc(ctx, func() { _ = file.SetWriteDeadline(time.Unix(1, 0)) })() // an error means that it is closed
	if err := waitConnected(file); err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	c, err := net.FileConn(file)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	return c.(*net.TCPConn), nil
}

// waitConnected waits for the end of a connect that is under way.
func waitConnected(file *os.File) error {
	raw, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Write(func(fd uintptr) (done bool) {
		code, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
		if err != nil {
			failed = err
			return true
		}
		if code != 0 {
			failed = unix.Errno(code)
			return true
		}
		_, err = unix.Getpeername(int(fd))
		return err == nil
	})
	return errors.Join(err, failed)
}
