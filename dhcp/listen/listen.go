// Package listen carries the questions of hosts behind devices to package dhcp: it
// listens on the devices themselves, inside the namespaces of networks, so that what
// filters packets there neither sees nor stops them.
package listen

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"reflect"
	"sync/atomic"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"causeway.dev/dhcp"
	"causeway.dev/internal/run"
	"causeway.dev/internal/servers"
	"causeway.dev/netfabric/netns"
)

// A Port is where one host is answered.
type Port struct {
	Interface string // whose host it is: "eni-…"
	Namespace string // the name of the network's namespace
	Device    string // in it
	dhcp.Lease
}

// A Service answers the hosts at all ports of one machine. It is safe for concurrent
// use.
type Service struct {
	counts [outcomes]atomic.Uint64
	ports  *servers.Roster[Port]
}

// Outcomes of what is received.
const (
	offered = iota
	acknowledged
	refused
	ignored // of other hosts, or malformed
	limited // too much of it
	outcomes
)

var outcomeNames = [outcomes]string{"offer", "ack", "nak", "ignored", "limited"}

// New returns a service that answers nobody yet.
func New() *Service {
	s := &Service{}
	s.ports = servers.New(servers.Kind[Port]{Name: "DHCP for interface", ID: func(p Port) string { return p.Interface }, Open: s.open})
	return s
}

// Counts is what became of the messages that were received.
func (s *Service) Counts() map[string]uint64 {
	all := map[string]uint64{}
	for i, name := range outcomeNames {
		all[name] = s.counts[i].Load()
	}
	return all
}

// Set makes these ports those that are answered, as servers.Roster does. A device that
// is not there is waited for until the next Set.
func (s *Service) Set(ports []Port) error { return s.ports.Set(ports, true) }

// Close answers nobody any more.
func (s *Service) Close() { s.ports.Close() }

// find looks for a port's device, and where that is; nil if it is not there. f, if
// there is one, is called there then.
func find(p Port, f func(*net.Interface) error) (device *net.Interface, place netns.Place, err error) {
	place, err = netns.Settle(p.Namespace, func() error {
		var missing error
		if device, missing = net.InterfaceByName(p.Device); missing != nil {
			device = nil // net does not tell why; there is none in all probability
		}
		if device == nil || f == nil {
			return nil
		}
		return f(device)
	})
	if errors.Is(err, os.ErrNotExist) {
		return nil, place, nil
	}
	return device, place, err
}

// A server answers the host at one port.
type server struct {
	service *Service
	place   netns.Place
	index   int // of the device
	mac     [6]byte
	lease   atomic.Pointer[dhcp.Lease]
	socket  *os.File
	group   *run.Group
	meter   dhcp.Meter // owned by serve
}

// open begins to answer at a port, if its device is there.
func (s *Service) open(p Port) (servers.Server[Port], error) {
	var socket *os.File
	device, place, err := find(p, func(device *net.Interface) (err error) {
		if len(device.HardwareAddr) != 6 {
			return fmt.Errorf("device %s carries no Ethernet frames", p.Device)
		}
		socket, err = openSocket(device.Index)
		return err
	})
	if device == nil || err != nil {
		return nil, err
	}
	made := &server{service: s, place: place, index: device.Index, mac: [6]byte(device.HardwareAddr), socket: socket, group: run.New(context.Background())}
	made.learn(p.Lease, device)
	made.group.Go("dhcp", made.serve)
	return made, nil
}

// learn makes a lease the one that is given over a device.
func (s *server) learn(l dhcp.Lease, device *net.Interface) {
	l.MTU = min(l.MTU, device.MTU)
	if known := s.lease.Load(); known == nil || !reflect.DeepEqual(*known, l) {
		s.lease.Store(&l)
	}
}

// Follow implements servers.Server.
func (s *server) Follow(p Port, _ bool) (stays bool, err error) {
	device, place, err := find(p, nil)
	if err != nil || device == nil || device.Index != s.index || place != s.place {
		return false, err
	}
	s.learn(p.Lease, device)
	return true, nil
}

// End implements servers.Server.
func (s *server) End() {
	s.group.Stop(nil)
	s.socket.Close()
	s.group.Wait()
}

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

// frameMax is above every frame that is looked at.
const frameMax = 2048

// openSocket opens a socket for the frames of a device of the calling thread's
// namespace. It sees what comes before any filter of the namespace does, and what it
// sends meets none.
func openSocket(index int) (*os.File, error) {
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
	const ipv4 = unix.ETH_P_IP<<8&0xff00 | unix.ETH_P_IP>>8 // in the network's order
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: ipv4, Ifindex: index}); err != nil {
		return nil, errors.Join(fmt.Errorf("bind packet socket: %w", err), socket.Close())
	}
	return socket, nil
}

// pauseAfterError is the wait after nothing could be read, as while a device is down.
const pauseAfterError = 100 * time.Millisecond

func (s *server) serve(ctx context.Context) error {
	buffer := make([]byte, frameMax)
	for {
		n, err := s.socket.Read(buffer)
		switch {
		case errors.Is(err, os.ErrClosed):
			return nil
		case err != nil:
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(pauseAfterError):
			}
		default:
			s.service.counts[s.handle(buffer[:n])].Add(1)
		}
	}
}

// handle answers one frame and tells what became of it.
func (s *server) handle(frame []byte) (outcome int) {
	payload, ok := dhcp.Payload(frame)
	if !ok {
		return ignored
	}
	m, err := dhcp.Parse(payload)
	if err != nil {
		return ignored
	}
	lease := s.lease.Load()
	reply, ok := lease.Answer(m)
	if !ok {
		return ignored
	}
	if !s.meter.Admit(time.Now()) {
		return limited
	}
	if _, err := s.socket.Write(lease.Frame(s.mac, reply)); err != nil {
		return ignored // it asks again
	}
	switch reply.Type {
	case dhcp.Offer:
		return offered
	case dhcp.ACK:
		return acknowledged
	default:
		return refused
	}
}
