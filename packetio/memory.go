package packetio

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
)

// memoryQueue bounds what an in-memory device or socket holds, in packets; the
// rest is lost, as it is in a kernel.
const memoryQueue = 1024

// A MemoryDevice is a Device without a kernel: a test is its network stack.
type MemoryDevice struct {
	doorbell // rings while fromStack holds something

	fromStack, toStack chan []byte
	failure            atomic.Pointer[error]
}

// NewMemoryDevice returns an empty device.
func NewMemoryDevice() *MemoryDevice {
	return &MemoryDevice{fromStack: make(chan []byte, memoryQueue), toStack: make(chan []byte, memoryQueue)}
}

// Put gives the device a copy of a packet as its stack would. It returns false
// if the queue is full.
func (d *MemoryDevice) Put(packet []byte) bool {
	select {
	case d.fromStack <- bytes.Clone(packet):
		d.ring()
		return true
	default:
		return false
	}
}

// Fail makes ReadBatch return err, as when a device is removed by somebody else.
func (d *MemoryDevice) Fail(err error) {
	d.failure.Store(&err)
	d.ring()
}

// Packets are those that WriteBatch handed to the stack.
func (d *MemoryDevice) Packets() <-chan []byte { return d.toStack }

// ReadBatch implements Device.
func (d *MemoryDevice) ReadBatch(b *Batch) error {
	b.begin()
	if d.closed() {
		return fmt.Errorf("read memory device: %w", os.ErrClosed)
	}
	if failure := d.failure.Load(); failure != nil {
		return fmt.Errorf("read memory device: %w", *failure)
	}
	d.silence() // first: what is put after this rings again
	for b.fits(ipPacketMax) {
		select {
		case p := <-d.fromStack:
			copy(b.Append(len(p)), p)
		default:
			return nil
		}
	}
	d.ring() // there may be more
	return nil
}

// WriteBatch implements Device.
func (d *MemoryDevice) WriteBatch(_ *Gatherer, packets [][]byte) (int, error) {
	if d.closed() {
		return 0, fmt.Errorf("write memory device: %w", os.ErrClosed)
	}
	for i, p := range packets {
		select {
		case d.toStack <- bytes.Clone(p):
		default:
			return i, fmt.Errorf("write memory device: queue of %d packets is full", memoryQueue)
		}
	}
	return len(packets), nil
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
	s := &MemorySocket{network: n, local: local, queue: make(chan Datagram, memoryQueue)}
	n.sockets[local] = s
	return s, nil
}

// A MemorySocket is a Socket without a kernel.
type MemorySocket struct {
	doorbell // rings while queue holds something

	network *MemoryNetwork
	local   netip.AddrPort
	queue   chan Datagram
}

// Local implements Socket.
func (s *MemorySocket) Local() netip.AddrPort { return s.local }

// ReadBatch implements Socket.
func (s *MemorySocket) ReadBatch(r *Receiver) error {
	r.Datagrams = r.Datagrams[:0]
	if s.closed() {
		return fmt.Errorf("receive on %v: %w", s.local, os.ErrClosed)
	}
	s.silence() // first: what comes after this rings again
	for {
		select {
		case d := <-s.queue:
			r.Datagrams = append(r.Datagrams, d)
		default:
			return nil
		}
	}
}

// WriteBatch implements Socket. As on a real network, what nobody listens for
// is lost without an error.
func (s *MemorySocket) WriteBatch(_ *Sender, datagrams []Datagram) (int, error) {
	if s.closed() {
		refuse(datagrams)
		return 0, fmt.Errorf("send from %v: %w", s.local, os.ErrClosed)
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
			to.ring()
		default:
		}
	}
	return len(datagrams), nil
}

// Close implements Socket.
func (s *MemorySocket) Close() error {
	s.network.mu.Lock()
	if s.network.sockets[s.local] == s {
		delete(s.network.sockets, s.local)
	}
	s.network.mu.Unlock()
	return s.doorbell.Close()
}
