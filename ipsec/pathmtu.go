package ipsec

import (
	"context"
	cryptorand "crypto/rand"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"causeway.dev/ike"
	"causeway.dev/packetio"
	"causeway.dev/tunnel"
)

// How the MTU of a path is measured: with echo requests through the child SA that
// nobody on the way may fragment, and that the peer's inside address answers. IKE
// takes no part, so that nothing that is lost disturbs its exchanges or dead peer
// detection.

const (
	// probeControl is the size of the small inner packet that goes with each
	// probe: only where that one is answered and the probe is not, it was the
	// size.
	probeControl = 100

	// probeAnswerMax is how long an answer takes at most.
	probeAnswerMax = time.Second

	// probeTries is how often a size has to be lost, while the small one is
	// answered, until it does not fit: one loss in twenty by chance makes a wrong
	// step one time in eight thousand.
	probeTries = 3

	// probeDeafMax is how many small ones go unanswered until the peer is one
	// that answers none.
	probeDeafMax = 4

	// probeGrain is how exactly the size is found, in bytes: ESP pads to 4 or 16.
	probeGrain = 4
)

// A search is for the largest inner packet that a path carries whole. It is a value
// without I/O.
type search struct {
	low, high int // the largest that has been answered; the smallest that was lost, or the most there can be and one

	size      int // being tried
	sent      time.Time
	tries     int // of it, with an answer to the small one
	deaf      int // tries without, in a row
	heard     bool
	next      uint16         // sequence number
	sizes     map[uint16]int // what was sent, by sequence number
	unanswers bool           // it has ended: the peer answers nothing
}

func newSearch(assumed int) *search {
	return &search{high: assumed + 1, size: assumed, sizes: map[uint16]int{}}
}

// answered takes an answer.
func (s *search) answered(sequence uint16) {
	size := s.sizes[sequence]
	if size == probeControl {
		s.heard = true
	}
	s.low = max(s.low, size)
}

// done reports that there is nothing more to find out.
func (s *search) done() bool {
	return s.unanswers || s.high-s.low <= probeGrain && s.low > probeControl || s.high <= probeControl+probeGrain
}

// advance returns the sizes to be sent now, by sequence number; none while answers
// are waited for, or at the end.
func (s *search) advance(now time.Time) (sizes []int, first uint16) {
	if !s.sent.IsZero() && s.low < s.size && now.Sub(s.sent) < probeAnswerMax {
		return nil, 0
	}
	switch {
	case s.sent.IsZero():
	case s.low >= s.size:
		s.choose()
	case s.heard:
		s.deaf = 0
		if s.tries++; s.tries == probeTries {
			s.tooLarge(s.size)
		}
	default:
		if s.deaf++; s.deaf == probeDeafMax {
			s.unanswers = true
		}
	}
	if s.done() {
		return nil, 0
	}
	s.sent, s.heard = now, false
	first = s.next
	for _, size := range []int{probeControl, s.size} {
		s.sizes[s.next] = size
		s.next++
		sizes = append(sizes, size)
	}
	return sizes, first
}

// tooLarge: a size does not fit.
func (s *search) tooLarge(size int) {
	s.high = min(s.high, size)
	s.choose()
}

func (s *search) choose() {
	s.size, s.tries, s.deaf = (max(s.low, probeControl)+s.high)/2, 0, 0
}

// A PathMTU is what probes have found out of a path.
type PathMTU struct {
	State PathMTUState `json:"state"`

	Measured time.Time `json:"measured,omitzero"`
	Outside  int       `json:"outside,omitempty"` // bytes of the largest datagram that arrived whole, with its IP header
	Inside   int       `json:"inside,omitempty"`  // bytes of the inner packet in it
	Assumed  int       `json:"assumed,omitempty"` // the inner packet that 1500 bytes outside have room for
	Reason   string    `json:"reason,omitempty"`  // why nothing is known
}

// A PathMTUState says how far a measurement is.
type PathMTUState string

// States of measurements.
const (
	PathMTUUnknown    PathMTUState = ""
	PathMTUMeasuring  PathMTUState = "measuring"
	PathMTUMeasured   PathMTUState = "measured"
	PathMTUUnanswered PathMTUState = "unanswered" // the peer does not answer echo requests to its inside address
	PathMTUImpossible PathMTUState = "impossible"
)

// Lower reports whether the path carries less than is assumed.
func (p PathMTU) Lower() bool { return p.State == PathMTUMeasured && p.Inside < p.Assumed-probeGrain }

// insideMTUMin is the least that a measurement brings the inside MTU to: IPv6 needs
// it. Below, datagrams are fragmented outside.
const insideMTUMin = 1280

// outer is what is to be set as the tunnel's outer MTU; 0: what is assumed.
func (p PathMTU) outer() int {
	if p.Lower() && p.Inside >= insideMTUMin {
		return p.Outside
	}
	return 0
}

// A Prober sends datagrams that nobody may fragment. packetio.WholeSocket is one.
type Prober interface {
	// Send sends in UDP between these ports, or in IP protocol 50 where remote's
	// is zero.
	Send(localPort uint16, remote netip.AddrPort, payload []byte) error
	Close() error
}

// probeReport is an answer that the hot path has seen.
type probeReport struct {
	id       ike.PeerID
	sequence uint16
}

const (
	// probeInterval is how often a path is measured that seems not to have
	// changed; probeFuzz spreads that.
	probeInterval = 10 * time.Minute
	probeFuzz     = time.Minute

	// probeSettle is how long a tunnel stands before its path is measured.
	probeSettle = 2 * time.Second

	// probeTick is how soon the next step follows an answer.
	probeTick = 250 * time.Millisecond

	// probeLook is how often somebody looks for tunnels to be measured while
	// none is: nothing is awaited, and an idle gateway shall cost nothing.
	probeLook = 2 * time.Second

	// probesAtOnce bounds the tunnels whose paths are measured at a time: two
	// datagrams each a tick.
	probesAtOnce = 32
)

// measurement is the probing of one tunnel. The measuring loop owns it.
type measurement struct {
	id     ike.PeerID
	local  netip.Addr
	due    time.Time
	path   ike.Path
	search *search // nil: none is under way
	outer  map[int]int
}

// A measurer measures the paths of a host's tunnels, one goroutine.
type measurer struct {
	host    *Host
	of      map[*life]*measurement
	probers map[netip.Addr]Prober
	active  int
}

func (h *Host) measurePaths(ctx context.Context) error {
	m := &measurer{host: h, of: map[*life]*measurement{}, probers: map[netip.Addr]Prober{}}
	defer func() {
		for _, p := range m.probers {
			_ = p.Close() // nothing is on its way in it
		}
	}()
	next := time.NewTimer(0)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case answer := <-h.answers:
			m.take(answer)
		case now := <-next.C:
			m.look(now)
			if m.active > 0 {
				next.Reset(probeTick)
			} else {
				next.Reset(probeLook)
			}
		}
	}
}

func (m *measurer) take(answer probeReport) {
	m.host.mu.Lock()
	l := m.host.tunnels[answer.id]
	m.host.mu.Unlock()
	if p := m.of[l]; p != nil && p.search != nil {
		p.search.answered(answer.sequence)
	}
}

// look begins, goes on with and ends measurements.
func (m *measurer) look(now time.Time) {
	type standing struct {
		id    ike.PeerID
		local netip.Addr
		up    bool
		path  ike.Path
	}
	all := map[*life]standing{}
	m.host.mu.Lock()
	for id, l := range m.host.tunnels {
		all[l] = standing{id, l.config.Peer.Local, l.tracker.up, l.tracker.path}
	}
	m.host.mu.Unlock()
	for l, p := range m.of {
		if s, ok := all[l]; !ok || !s.up {
			m.abandon(l, p)
			delete(m.of, l)
		}
	}
	for l, s := range all {
		if !s.up {
			continue
		}
		p := m.of[l]
		if p == nil || p.path != s.path {
			if p != nil {
				m.abandon(l, p)
			}
			p = &measurement{id: s.id, local: s.local, due: now.Add(probeSettle), path: s.path}
			m.of[l] = p
			if !l.isMeasured {
				m.publish(l, s.id, PathMTU{})
			}
			l.isMeasured = false
		}
		m.advance(now, l, p)
	}
}

// advance takes the next step of one tunnel.
func (m *measurer) advance(now time.Time, l *life, p *measurement) {
	if p.search == nil {
		if now.Before(p.due) || m.active >= probesAtOnce {
			return
		}
		if err := m.begin(now, l, p); err != nil {
			m.put(l, PathMTU{State: PathMTUImpossible, Reason: err.Error()})
			return
		}
	}
	sizes, first := p.search.advance(now)
	for i, size := range sizes {
		switch err := m.send(l, p, first+uint16(i), size); {
		case errors.Is(err, packetio.ErrTooLarge):
			p.search.tooLarge(size)
		case err != nil:
			m.abandon(l, p)
			m.put(l, PathMTU{State: PathMTUImpossible, Reason: err.Error()})
			return
		}
	}
	if p.search.done() {
		m.finish(now, l, p)
	}
}

func (m *measurer) begin(now time.Time, l *life, p *measurement) error {
	p.due = now.Add(probeInterval + time.Duration(rand.Int64N(int64(probeFuzz))))
	if m.probers[p.local] == nil {
		prober, err := m.host.cfg.OpenProber(p.local)
		if err != nil {
			return err
		}
		m.probers[p.local] = prober
	}
	var cookie tunnel.ProbeCookie
	if _, err := cryptorand.Read(cookie[:]); err != nil {
		return fmt.Errorf("make a cookie for probes: %w", err)
	}
	if err := l.tunnel.StartProbing(cookie); err != nil {
		return err
	}
	p.search, p.outer = newSearch(l.tunnel.AssumedInsideMTU()), map[int]int{}
	m.active++
	return nil
}

func (m *measurer) send(l *life, p *measurement, sequence uint16, size int) error {
	probe, err := l.tunnel.SealProbe(sequence, size)
	if err != nil {
		return err
	}
	p.outer[size] = probe.Size
	return m.probers[p.local].Send(probe.Local.Port(), probe.Remote, probe.Payload)
}

// abandon ends a measurement without a result.
func (m *measurer) abandon(l *life, p *measurement) {
	if p.search != nil {
		l.tunnel.StopProbing()
		p.search = nil
		m.active--
	}
}

func (m *measurer) finish(now time.Time, l *life, p *measurement) {
	s, outer := p.search, p.outer
	m.abandon(l, p)
	switch {
	case s.unanswers:
		m.put(l, PathMTU{State: PathMTUUnanswered, Reason: "the peer does not answer echo requests to its inside address"})
		return
	case s.low <= probeControl:
		m.put(l, PathMTU{State: PathMTUUnanswered, Reason: "the peer answers small echo requests only"})
		return
	}
	m.publish(l, p.id, PathMTU{State: PathMTUMeasured, Measured: now, Inside: s.low, Outside: outer[s.low], Assumed: l.tunnel.AssumedInsideMTU()})
}

// put shows why nothing is known, unless something is from before.
func (m *measurer) put(l *life, result PathMTU) {
	m.host.mu.Lock()
	defer m.host.mu.Unlock()
	if l.pathMTU.State != PathMTUMeasured {
		l.pathMTU = result
	}
}

// publish makes a result be used and seen.
func (m *measurer) publish(l *life, id ike.PeerID, result PathMTU) {
	l.tunnel.SetOuterMTU(result.outer())
	m.host.mu.Lock()
	before := l.pathMTU
	l.pathMTU = result
	entry := LogEntry{Tunnel: id, At: result.Measured, IKE: SAEstablished, Child: SAEstablished, UDP: l.tracker.path.UDP}
	m.host.mu.Unlock()
	if !result.Lower() || before.Lower() && before.Outside == result.Outside {
		return
	}
	entry.Details = fmt.Sprintf("path MTU: datagrams of %d bytes arrive whole, larger ones do not; inside that is %d bytes instead of %d", result.Outside, result.Inside, result.Assumed)
	m.host.log.Warn("the path's MTU is low", "tunnel", string(id), "outside", result.Outside, "inside", result.Inside)
	if m.host.cfg.Log != nil {
		m.host.cfg.Log(entry)
	}
}
