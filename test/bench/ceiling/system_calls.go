package main

import (
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A virtio-net header precedes each packet of the TUN, in the byte order of the
// host: flags 8, GSO type 8, header length 16, segment size 16, checksum start
// 16, checksum offset 16.
const vnetLen = 10

type vnetHeader []byte

func (h vnetHeader) segmentSize() int    { return int(binary.NativeEndian.Uint16(h[4:])) }
func (h vnetHeader) checksumStart() int  { return int(binary.NativeEndian.Uint16(h[6:])) }
func (h vnetHeader) checksumOffset() int { return int(binary.NativeEndian.Uint16(h[8:])) }
func (h vnetHeader) isTCPv4() bool {
	return h[1]&^unix.VIRTIO_NET_HDR_GSO_ECN == unix.VIRTIO_NET_HDR_GSO_TCPV4
}
func (h vnetHeader) needsChecksum() bool { return h[0]&unix.VIRTIO_NET_HDR_F_NEEDS_CSUM != 0 }

// setTCPv4 says: segments of size bytes behind so many bytes of IP and TCP
// header, checksums to be made.
func (h vnetHeader) setTCPv4(ipLen, headerLen, size int) {
	h[0], h[1] = unix.VIRTIO_NET_HDR_F_NEEDS_CSUM, unix.VIRTIO_NET_HDR_GSO_TCPV4
	for i, v := range []int{headerLen, size, ipLen, tcpChecksum} {
		binary.NativeEndian.PutUint16(h[2+2*i:], uint16(v))
	}
}

// A control is a control message with a segment size: of UDP_SEGMENT or UDP_GRO.
type control struct {
	header unix.Cmsghdr
	size   [8]byte // 16 bits to send, 32 received, in the byte order of the host
}

const controlLen = uint64(unsafe.Sizeof(control{}))

func setIOV(iov *unix.Iovec, b []byte) {
	iov.Base, iov.Len = &b[0], uint64(len(b))
}

// read waits for a packet.
func read(fd int, b []byte) (int, error) {
	for {
		n, _, errno := unix.Syscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
		if errno == 0 {
			return int(n), nil
		}
		if errno != unix.EINTR {
			return 0, errno
		}
	}
}

// readNow returns 0 if there is nothing to be read: RWF_NOWAIT asks for that in
// one call only, so that the same descriptor can also wait.
func readNow(fd int, b []byte) (int, error) {
	iov := unix.Iovec{Base: &b[0], Len: uint64(len(b))}
	const currentPosition = ^uintptr(0)
	n, _, errno := unix.RawSyscall6(unix.SYS_PREADV2, uintptr(fd), uintptr(unsafe.Pointer(&iov)), 1, currentPosition, currentPosition, unix.RWF_NOWAIT)
	switch errno {
	case 0:
		return int(n), nil
	case unix.EAGAIN, unix.EINTR:
		return 0, nil
	}
	return 0, errno
}

func writeVector(fd int, iov []unix.Iovec) error {
	for {
		_, _, errno := unix.Syscall(unix.SYS_WRITEV, uintptr(fd), uintptr(unsafe.Pointer(&iov[0])), uintptr(len(iov)))
		if errno == 0 {
			return nil
		}
		if errno != unix.EINTR {
			return errno
		}
	}
}

func sendMessages(fd int, m []unix.Mmsghdr) error {
	for len(m) > 0 {
		n, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&m[0])), uintptr(len(m)), 0, 0, 0)
		switch errno {
		case 0:
			m = m[n:]
		case unix.EINTR:
		case unix.ECONNREFUSED, unix.ENOBUFS: // the peer is not there yet; there is no room
			m = m[1:]
		default:
			return errno
		}
	}
	return nil
}

// receiveMessages waits for one and takes what else is there.
func receiveMessages(fd int, m []unix.Mmsghdr) (int, error) {
	for {
		n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&m[0])), uintptr(len(m)), unix.MSG_WAITFORONE, 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR, unix.ECONNREFUSED:
		default:
			return 0, errno
		}
	}
}
