package bench

import (
	"fmt"
	"net/netip"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The load's system calls are its own, raw: what is measured must not measure
// itself, and the load has to be far cheaper than what carries it.

func sendMessages(fd int, m []unix.Mmsghdr) (int, error) {
	n, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&m[0])), uintptr(len(m)), 0, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

func receiveMessages(fd int, m []unix.Mmsghdr) (int, error) {
	n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&m[0])), uintptr(len(m)), unix.MSG_DONTWAIT|unix.MSG_TRUNC, 0, 0)
	switch errno {
	case 0:
		return int(n), nil
	case unix.EAGAIN, unix.EINTR:
		return 0, nil
	}
	return 0, errno
}

// bufferBytes hold a tenth of a second of the highest rate there may be.
const bufferBytes = 32 << 20

// An option is one of a socket, switched on.
type option struct{ level, name int }

var (
	// superPackets stay whole until they are received, and are counted by their
	// length.
	superPackets = option{unix.IPPROTO_UDP, unix.UDP_GRO}
	// timestamps say when the kernel had a datagram.
	timestamps = option{unix.SOL_SOCKET, unix.SO_TIMESTAMPNS}
)

// openUDP binds a blocking UDP socket in the namespace of the calling thread;
// with a remote address it is connected.
func openUDP(local, remote netip.AddrPort, options ...option) (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	for _, buffer := range []int{unix.SO_RCVBUFFORCE, unix.SO_SNDBUFFORCE} {
		if err == nil {
			err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, buffer, bufferBytes)
		}
	}
	for _, o := range options {
		if err == nil {
			err = unix.SetsockoptInt(fd, o.level, o.name, 1)
		}
	}
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrInet4{Addr: local.Addr().As4(), Port: int(local.Port())})
	}
	if err == nil && remote.IsValid() {
		err = unix.Connect(fd, &unix.SockaddrInet4{Addr: remote.Addr().As4(), Port: int(remote.Port())})
	}
	if err != nil {
		unix.Close(fd)
		return 0, fmt.Errorf("open UDP socket %v to %v: %w", local, remote, err)
	}
	return fd, nil
}

// sleepUntil sleeps to a time of the monotonic clock, to a few microseconds if
// the thread's timer slack is small.
func sleepUntil(t time.Duration) {
	at := unix.NsecToTimespec(int64(t))
	for unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &at, nil) == unix.EINTR {
	}
}

// monotonic is that clock.
func monotonic() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		panic(err) // the clock exists
	}
	return time.Duration(t.Nano())
}
