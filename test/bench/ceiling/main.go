// Command ceiling carries packets between a TUN and one fixed UDP peer and does
// nothing else: no cryptography, no keys, no lookup, no window against replays,
// no checksum proved; 16 bytes before each packet stand for ESP. It is the
// benchmark's ruler: what the kernel's TUN and sockets leave to a program that
// copies nothing.
//
//	TUN ─ read, as long as there is something ─▶ cut, 16 bytes ─▶ sendmmsg with UDP_SEGMENT ─ socket
//	TUN ◀ writev of a gathered super-packet ─── less 16 bytes ◀── recvmmsg with UDP_GRO ──── socket
//
// Each direction is a thread with blocking system calls. IPv4 and TCP only are
// cut and gathered.
package main

import (
	"context"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"causeway.dev/internal/run"
)

// headerLen bytes precede each packet, as SPI, sequence number and IV of ESP do.
const headerLen = 16

func main() {
	device := flag.String("tun", "tun0", "name of the TUN to make")
	local := flag.String("local", "", "own address and port")
	remote := flag.String("remote", "", "the peer's address and port")
	flag.Parse()
	if err := carry(*device, *local, *remote); err != nil {
		fmt.Fprintln(os.Stderr, "ceiling:", err)
		os.Exit(1)
	}
}

func carry(device, local, remote string) error {
	tun, err := openTUN(device)
	if err != nil {
		return fmt.Errorf("make TUN %s: %w", device, err)
	}
	socket, err := openSocket(local, remote)
	if err != nil {
		return fmt.Errorf("open socket %s to %s: %w", local, remote, err)
	}
	g := run.New(context.Background())
	g.Go("outbound", onThread(func() error { return outbound(tun, socket) }))
	g.Go("inbound", onThread(func() error { return inbound(tun, socket) }))
	<-g.Context().Done() // the other blocks in the kernel and ends with the process
	return context.Cause(g.Context())
}

func onThread(f func() error) func(context.Context) error {
	return func(context.Context) error {
		runtime.LockOSThread()
		return f()
	}
}

// openTUN makes a TUN with a virtio-net header and TCP segmentation left to us.
func openTUN(name string) (int, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	request, err := unix.NewIfreq(name)
	if err != nil {
		return 0, err
	}
	request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
		return 0, err
	}
	return fd, unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, unix.TUN_F_CSUM|unix.TUN_F_TSO4)
}

// openSocket returns a connected UDP socket that receives gathered datagrams.
func openSocket(local, remote string) (int, error) {
	from, err := netip.ParseAddrPort(local)
	if err != nil {
		return 0, err
	}
	to, err := netip.ParseAddrPort(remote)
	if err != nil {
		return 0, err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	const bufferBytes = 8 << 20
	for _, option := range []struct{ level, name, value int }{
		{unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, bufferBytes},
		{unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, bufferBytes},
		{unix.IPPROTO_UDP, unix.UDP_GRO, 1},
	} {
		if err := unix.SetsockoptInt(fd, option.level, option.name, option.value); err != nil {
			return 0, err
		}
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: from.Addr().As4(), Port: int(from.Port())}); err != nil {
		return 0, err
	}
	return fd, unix.Connect(fd, &unix.SockaddrInet4{Addr: to.Addr().As4(), Port: int(to.Port())})
}
