package packetio

import (
	"bytes"
	"math/rand/v2"
	"sync"
)

// Faults are what may happen to a datagram on its way, each a probability from
// 0 to 1. The same seed does the same to the same datagrams.
type Faults struct {
	Lose, Duplicate, Corrupt float64
	Delay                    float64 // until the next WriteBatch, that is: reordered
	Seed                     uint64
}

// A FaultySocket does Faults to what is sent through it.
type FaultySocket struct {
	Socket
	faults Faults

	mu      sync.Mutex
	random  *rand.Rand // guarded by mu
	delayed []Datagram // guarded by mu
}

// NewFaultySocket wraps s.
func NewFaultySocket(s Socket, f Faults) *FaultySocket {
	return &FaultySocket{Socket: s, faults: f, random: rand.New(rand.NewPCG(f.Seed, 0))}
}

// Unwrap returns the socket inside, for a poller in memory.
func (s *FaultySocket) Unwrap() Socket { return s.Socket }

// WriteBatch implements Socket. What is lost or delayed counts as sent.
func (s *FaultySocket) WriteBatch(sender *Sender, datagrams []Datagram) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	late := s.delayed
	s.delayed = nil
	var out []Datagram
	for _, d := range datagrams {
		if s.random.Float64() < s.faults.Lose {
			continue
		}
		if s.random.Float64() < s.faults.Corrupt && len(d.Payload) > 0 {
			d.Payload = bytes.Clone(d.Payload)
			d.Payload[s.random.IntN(len(d.Payload))] ^= 1 << s.random.IntN(8)
		}
		if s.random.Float64() < s.faults.Duplicate {
			out = append(out, d)
		}
		if s.random.Float64() < s.faults.Delay {
			d.Payload = bytes.Clone(d.Payload) // the caller uses its buffer again
			s.delayed = append(s.delayed, d)
			continue
		}
		out = append(out, d)
	}
	if _, err := s.Socket.WriteBatch(sender, append(out, late...)); err != nil {
		refuse(datagrams)
		return 0, err
	}
	return len(datagrams), nil
}
