package packetio

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The calls of the hot path tell the runtime nothing (RawSyscall6): they never
// wait, and take a processor for as long as Go code of the same length would. A
// call that the runtime knows of costs its scheduler's attention: one that
// takes longer than 20 µs, as a full batch does, has its P taken away, and
// another thread is woken for it: a tenth of the processor time of a tunnel.
// The price is that a collection of garbage waits for a batch in the kernel
// (some 100 µs).

func rawRead(fd uintptr, b []byte) (int, syscall.Errno) {
	n, _, errno := unix.RawSyscall(unix.SYS_READ, fd, uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	return int(n), errno
}

func rawWritev(fd uintptr, iov []unix.Iovec) syscall.Errno {
	_, _, errno := unix.RawSyscall(unix.SYS_WRITEV, fd, uintptr(unsafe.Pointer(unsafe.SliceData(iov))), uintptr(len(iov)))
	return errno
}

func rawReceive(fd uintptr, messages []unix.Mmsghdr) (int, syscall.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(unsafe.SliceData(messages))), uintptr(len(messages)), unix.MSG_DONTWAIT, 0, 0)
	return int(n), errno
}

func rawSend(fd uintptr, messages []unix.Mmsghdr) (int, syscall.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(unsafe.SliceData(messages))), uintptr(len(messages)), unix.MSG_DONTWAIT, 0, 0)
	return int(n), errno
}
