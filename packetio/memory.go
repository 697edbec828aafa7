package packetio

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"sync"
)

// memoryQueue bounds what an in-memory device or socket holds, in packets; the
// rest is lost, as it is in a kernel.
const memoryQueue = 1024

// An interrupter is what Interrupt and Resume of the in-memory kinds share.
type interrupter struct {
	mu          sync.Mutex
	interrupted chan struct{} // closed by Interrupt; guarded by mu
}

func (i *interrupter) signal() <-chan struct{} {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.interrupted
}

// Interrupt implements Device and Socket.
func (i *interrupter) Interrupt() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	select {
	case <-i.interrupted:
	default:
		close(i.interrupted)
	}
	return nil
}

// Resume implements Device and Socket.
func (i *interrupter) Resume() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.interrupted = make(chan struct{})
	return nil
}

// A MemoryDevice is a Device without a kernel: a test is its network stack.
type MemoryDevice struct {
	interrupter
	fromStack, toStack chan []byte
	closed             chan struct{}
	closeOnce          sync.Once
}

// NewMemoryDevice returns an empty device.
func NewMemoryDevice() *MemoryDevice {
	return &MemoryDevice{
		interrupter: interrupter{interrupted: make(chan struct{})},
		fromStack:   make(chan []byte, memoryQueue),
		toStack:     make(chan []byte, memoryQueue),
		closed:      make(chan struct{}),
	}
}

// Put gives the device a copy of a packet as its stack would. It returns false
// if the queue is full.
func (d *MemoryDevice) Put(packet []byte) bool {
	select {
	case d.fromStack <- bytes.Clone(packet):
		return true
	default:
		return false
	}
}

// Packets are those that WriteBatch handed to the stack.
func (d *MemoryDevice) Packets() <-chan []byte { return d.toStack }

// ReadBatch implements Device.
func (d *MemoryDevice) ReadBatch(b *Batch) error {
	b.Reset()
	interrupted := d.signal()
	select {
	case <-interrupted:
		return fmt.Errorf("read memory device: %w", os.ErrDeadlineExceeded)
	default:
	}
	select {
	case <-interrupted:
		return fmt.Errorf("read memory device: %w", os.ErrDeadlineExceeded)
	case <-d.closed:
		return fmt.Errorf("read memory device: %w", os.ErrClosed)
	case p := <-d.fromStack:
		copy(b.Append(len(p)), p)
	}
	for b.fits(1, ipPacketMax) {
		select {
		case p := <-d.fromStack:
			copy(b.Append(len(p)), p)
		default:
			return nil
		}
	}
	return nil
}

// WriteBatch implements Device.
func (d *MemoryDevice) WriteBatch(packets [][]byte) (int, error) {
	for i, p := range packets {
		select {
		case <-d.closed:
			return i, fmt.Errorf("write memory device: %w", os.ErrClosed)
		case d.toStack <- bytes.Clone(p):
		default:
			return i, fmt.Errorf("write memory device: queue of %d packets is full", memoryQueue)
		}
	}
	return len(packets), nil
}

// Close implements Device.
func (d *MemoryDevice) Close() error {
	d.closeOnce.Do(func() { close(d.closed) })
	return nil
}

// A MemoryNetwork carries datagrams between the MemorySockets on it.
type MemoryNetwork struct {
	mu      sync.RWMutex
	sockets map[netip.AddrPort]*MemorySocket // guarded by mu
}

// NewMemoryNetwork returns a network without sockets.
func NewMemoryNetwork() *MemoryNetwork {
	return &MemoryNetwork{sockets: map[netip.AddrPort]*MemorySocket{}}
}

// Listen puts a socket on the network. Port 0 stands for raw ESP, as it does
// in Datagram.
func (n *MemoryNetwork) Listen(local netip.AddrPort) (*MemorySocket, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.sockets[local] != nil {
		return nil, fmt.Errorf("listen on %v: address is in use", local)
	}
	s := &MemorySocket{interrupter: interrupter{interrupted: make(chan struct{})}, network: n, local: local, queue: make(chan Datagram, memoryQueue), closed: make(chan struct{})}
	n.sockets[local] = s
	return s, nil
}

// A MemorySocket is a Socket without a kernel.
type MemorySocket struct {
	interrupter
	network   *MemoryNetwork
	local     netip.AddrPort
	queue     chan Datagram
	taken     []Datagram // owned by the reader
	closed    chan struct{}
	closeOnce sync.Once
}

// Local implements Socket.
func (s *MemorySocket) Local() netip.AddrPort { return s.local }

// ReadBatch implements Socket.
func (s *MemorySocket) ReadBatch() ([]Datagram, error) {
	s.taken = s.taken[:0]
	select {
	case <-s.signal():
		return nil, fmt.Errorf("receive on %v: %w", s.local, os.ErrDeadlineExceeded)
	case <-s.closed:
		return nil, fmt.Errorf("receive on %v: %w", s.local, os.ErrClosed)
	case d := <-s.queue:
		s.taken = append(s.taken, d)
	}
	for {
		select {
		case d := <-s.queue:
			s.taken = append(s.taken, d)
		default:
			return s.taken, nil
		}
	}
}

// WriteBatch implements Socket. As on a real network, what nobody listens for
// is lost without an error.
func (s *MemorySocket) WriteBatch(datagrams []Datagram) (int, error) {
	select {
	case <-s.closed:
		return 0, fmt.Errorf("send from %v: %w", s.local, os.ErrClosed)
	default:
	}
	s.network.mu.RLock()
	defer s.network.mu.RUnlock()
	for _, d := range datagrams {
		to := s.network.sockets[d.Remote]
		if to == nil {
			continue
		}
		select {
		case to.queue <- Datagram{Remote: s.local, TOS: d.TOS, Payload: bytes.Clone(d.Payload)}:
		default:
		}
	}
	return len(datagrams), nil
}

// Close implements Socket.
func (s *MemorySocket) Close() error {
	s.closeOnce.Do(func() {
		close(s.closed)
		s.network.mu.Lock()
		defer s.network.mu.Unlock()
		delete(s.network.sockets, s.local)
	})
	return nil
}
