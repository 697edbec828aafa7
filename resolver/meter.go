package resolver

import (
	"net/netip"
	"time"
)

// Bounds of what one interface can have done for it.
const (
	packetsPerSecond = 1024 // AWS's ("DNS quotas" in the VPC user guide)
	waitingMax       = 32   // questions that others are asked at a time
	streamsMax       = 8    // TCP connections
)

// A Meter bounds what each interface of a network can ask. The zero value is ready.
type Meter struct {
	callers map[netip.Addr]*caller
}

type caller struct {
	packets float64 // that it may send now
	at      time.Time
	waiting int
	streams int
}

func (m *Meter) of(port netip.Addr) *caller {
	if m.callers == nil {
		m.callers = map[netip.Addr]*caller{}
	}
	c := m.callers[port]
	if c == nil {
		c = &caller{packets: packetsPerSecond}
		m.callers[port] = c
	}
	return c
}

// Packet reports whether an interface may send a packet now.
func (m *Meter) Packet(now time.Time, from netip.Addr) bool {
	c := m.of(from)
	if !c.at.IsZero() {
		c.packets = min(packetsPerSecond, c.packets+now.Sub(c.at).Seconds()*packetsPerSecond)
	}
	c.at = now
	if c.packets < 1 {
		return false
	}
	c.packets--
	return true
}

// Wait reports whether a question of an interface may wait for others' answers.
// If so, Done is called afterwards.
func (m *Meter) Wait(from netip.Addr) bool { return take(&m.of(from).waiting, waitingMax) }

// Done ends what Wait began.
func (m *Meter) Done(from netip.Addr) { m.of(from).waiting-- }

// Stream reports whether an interface may have one more connection. If so, Closed
// is called afterwards.
func (m *Meter) Stream(from netip.Addr) bool { return take(&m.of(from).streams, streamsMax) }

// Closed ends what Stream began.
func (m *Meter) Closed(from netip.Addr) { m.of(from).streams-- }

func take(count *int, most int) bool {
	if *count >= most {
		return false
	}
	*count++
	return true
}

// Forget drops those who have nothing under way and are not interfaces of the
// table any more.
func (m *Meter) Forget(t *Table) {
	for from, c := range m.callers {
		if _, ok := t.callers[from]; !ok && c.waiting == 0 && c.streams == 0 {
			delete(m.callers, from)
		}
	}
}
