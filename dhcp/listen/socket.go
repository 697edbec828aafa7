package listen

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"causeway.dev/dhcp"
	"causeway.dev/dhcp/dhcp6"
)

// questions lets through IPv4's frames with UDP for the servers' port, but no fragments.
// Frames begin with the Ethernet header.
var questions = []bpf.Instruction{
	bpf.LoadAbsolute{Off: 14 + 9, Size: 1}, // protocol
	bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.IPPROTO_UDP, SkipTrue: 6},
	bpf.LoadAbsolute{Off: 14 + 6, Size: 2}, // flags and offset
	bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: 0x3fff, SkipTrue: 4},
	bpf.LoadMemShift{Off: 14}, // length of the IP header
	bpf.LoadIndirect{Off: 14 + 2, Size: 2},
	bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: dhcp.ServerPort, SkipTrue: 1},
	bpf.RetConstant{Val: frameMax},
	bpf.RetConstant{Val: 0},
}

// questions6 lets through IPv6's frames with UDP for the servers' port, and what hosts ask
// of neighbour discovery: solicitations of routers (133) and of neighbours (135).
var questions6 = []bpf.Instruction{
	bpf.LoadAbsolute{Off: 14 + 6, Size: 1}, // next header
	bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.IPPROTO_ICMPV6, SkipTrue: 3},
	bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.IPPROTO_UDP, SkipTrue: 6},
	bpf.LoadAbsolute{Off: 14 + 40 + 2, Size: 2},
	bpf.JumpIf{Cond: bpf.JumpEqual, Val: dhcp6.ServerPort, SkipTrue: 3, SkipFalse: 4},
	bpf.LoadAbsolute{Off: 14 + 40, Size: 1}, // type
	bpf.JumpIf{Cond: bpf.JumpEqual, Val: 133, SkipTrue: 1},
	bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 135, SkipTrue: 1},
	bpf.RetConstant{Val: frameMax},
	bpf.RetConstant{Val: 0},
}

// frameMax is above every frame that is looked at.
const frameMax = 2048

// openSocket opens a socket for the frames of one protocol of a device of the calling
// thread's namespace, of which it sees those that questions lets through. It sees what
// comes before any filter of the namespace does, and what it sends meets none.
func openSocket(index int, protocol uint16, questions []bpf.Instruction) (*os.File, error) {
	// Bound to no protocol yet, it receives nothing before its filter is there.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open packet socket: %w", err)
	}
	socket := os.NewFile(uintptr(fd), "packet socket")
	program, err := bpf.Assemble(questions)
	if err != nil {
		return nil, errors.Join(err, socket.Close())
	}
	filter := make([]unix.SockFilter, len(program))
	for i, instruction := range program {
		filter[i] = unix.SockFilter{Code: instruction.Op, Jt: instruction.Jt, Jf: instruction.Jf, K: instruction.K}
	}
	if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}); err != nil {
		return nil, errors.Join(fmt.Errorf("filter packets: %w", err), socket.Close())
	}
	inOrder := protocol<<8 | protocol>>8 // of the network
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: inOrder, Ifindex: index}); err != nil {
		return nil, errors.Join(fmt.Errorf("bind packet socket: %w", err), socket.Close())
	}
	return socket, nil
}

// join has a device take frames for a group's MAC address, as long as the socket is open.
func join(socket *os.File, index int, group [6]byte) error {
	raw, err := socket.SyscallConn()
	if err != nil {
		return fmt.Errorf("join group of a link: %w", err)
	}
	membership := unix.PacketMreq{Ifindex: int32(index), Type: unix.PACKET_MR_MULTICAST, Alen: uint16(len(group))}
	copy(membership.Address[:], group[:])
	var refused error
	if err := raw.Control(func(fd uintptr) {
		refused = unix.SetsockoptPacketMreq(int(fd), unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &membership)
	}); err != nil || refused != nil {
		return fmt.Errorf("join group of a link: %w", errors.Join(err, refused))
	}
	return nil
}
