package ikev2

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/wire"
)

// What is said and heard outside of an IKE SA, RFC 7296 sections 1.5, 2.4 and
// 2.21: a side that has lost its SAs says so, and the other asks at once whether
// that is true instead of waiting for its turn. Anybody could have said it, so it
// proves nothing: only that our own requests stay without an answer does.

const (
	// straysMax bounds what we say to strangers in a second, and each peer hears
	// of it once in strayInterval. It is never longer than what it answers.
	straysMax     = 20
	strayInterval = 2 * time.Second

	// strayAnswerLength is what an answer to a request takes; a protected one is longer.
	strayAnswerLength = wire.HeaderLength + 8

	// hintInterval is how often a session lets itself be led to ask.
	hintInterval = 10 * time.Second

	// hintTimeout is how long a peer may leave our requests unanswered that is
	// said to have lost the SA: 0.5, 1.5, 3.5 and 7.5 s after the first it has
	// been asked four more times.
	hintTimeout = 8 * time.Second

	// hintCandidatesMax bounds the peers that an unprotected message is looked
	// up with.
	hintCandidatesMax = 64
)

// strays counts what was said to strangers in the second that began at from.
type strays struct {
	from time.Time
	said int
}

func (c *strays) admit(now time.Time) bool {
	if now.Sub(c.from) >= time.Second || now.Before(c.from) {
		*c = strays{from: now}
	}
	c.said++
	return c.said <= straysMax
}

// answerStray tells a configured peer that we don't know the IKE SA of its
// request. RFC 7296 section 1.5: by a response without protection. A peer with
// which an IKE SA stands knows that one.
func (g *Gate) answerStray(now time.Time, d ike.Datagram, h wire.Header) {
	if h.Flags.Response() || h.SPIi == 0 || h.SPIr == 0 || len(d.Payload) < strayAnswerLength {
		return
	}
	_, state := g.neighbour(d.Local.Addr(), d.Remote)
	if !g.mayTell(now, state) {
		return
	}
	answer := wire.Header{SPIi: h.SPIi, SPIr: h.SPIr, Major: 2, Exchange: h.Exchange, Flags: wire.FlagResponse, MessageID: h.MessageID}
	if !h.Flags.Initiator() {
		answer.Flags |= wire.FlagInitiator
	}
	g.say(d.Local, d.Remote, answer, &wire.Notify{Type: wire.InvalidIKESPI})
}

// StrayESP tells the peer at remote that ESP of it has come to local with an SPI
// that nobody has: if an IKE SA stands with it by that, otherwise without
// protection. RFC 7296 section 1.5. Where the packet came in IP protocol 50 the
// ports are zero.
func (g *Gate) StrayESP(now time.Time, local, remote netip.AddrPort, spi ike.SPI) {
	n := &wire.Notify{Type: wire.InvalidSPI, Data: spiOctets(spi)}
	s, state := g.neighbour(local.Addr(), remote)
	if s != nil {
		if len(s.queue) == 0 && g.mayTell(now, g.peers[s.peer.ID]) {
			g.attempt(s, func() {
				s.enqueue(&tellPeer{n})
				s.pump(now)
			})
		}
		return
	}
	if !g.mayTell(now, state) {
		return
	}
	if local.Port() == 0 || remote.Port() == 0 {
		local, remote = at(local.Addr(), portIKE), at(remote.Addr(), portIKE)
	}
	// There is no IKE SA whose SPIs would mean something.
	g.say(local, remote, wire.Header{Major: 2, Exchange: wire.Informational, Flags: wire.FlagInitiator}, n)
}

// mayTell reports whether it is time to tell a peer something, and counts it.
func (g *Gate) mayTell(now time.Time, state *peerState) bool {
	if state == nil || now.Sub(state.strayAt) < strayInterval || !g.strays.admit(now) {
		return false
	}
	state.strayAt = now
	return true
}

// neighbour finds whom something may have come from: the session that stands with
// a peer there, or else a peer that is configured there, or may be
// anywhere, and has none. A port of zero is any.
func (g *Gate) neighbour(local netip.Addr, remote netip.AddrPort) (*session, *peerState) {
	var without, roaming *peerState
	candidates := g.listed.Candidates(local, remote.Addr())
	for _, p := range candidates[:min(len(candidates), hintCandidatesMax)] {
		s := g.standing(p.ID, nil)
		switch {
		case s != nil && s.path.Remote.Addr() == remote.Addr() && (remote.Port() == 0 || !s.path.UDP || s.path.Remote == remote):
			return s, nil
		case s == nil && p.Remote == remote.Addr() && without == nil:
			without = g.peers[p.ID]
		case s == nil && !p.Remote.IsValid() && roaming == nil:
			roaming = g.peers[p.ID]
		}
	}
	if without == nil {
		without = roaming
	}
	return nil, without
}

func (g *Gate) say(local, remote netip.AddrPort, h wire.Header, n *wire.Notify) {
	message := wire.Message{Header: h, Payloads: []wire.Payload{n}}.Append(nil)
	g.out = append(g.out, ike.Output{Datagram: ike.Datagram{Local: local, Remote: remote, Payload: message}})
}

// hearStray takes what is said about ESP without protection: it must never be
// answered, and only a session whose peer is there and has that SPI asks.
func (g *Gate) hearStray(now time.Time, d ike.Datagram) ike.Drop {
	spi, ok := strayNotice(d.Payload, wire.InvalidSPI)
	if !ok {
		return ike.DropUnknownSPI
	}
	candidates := g.listed.Candidates(d.Local.Addr(), d.Remote.Addr())
	for _, p := range candidates[:min(len(candidates), hintCandidatesMax)] {
		for _, s := range slices.Clone(g.peers[p.ID].sessions) {
			if s.phase == established && s.path.Remote.Addr() == d.Remote.Addr() && s.childByOutbound(spi) != nil {
				g.attempt(s, func() { s.hint(now) })
				return ike.DropUnauthentic
			}
		}
	}
	return ike.DropUnknownSPI
}

// strayNotice reads a message that is nothing but one notification, without
// protection.
func strayNotice(payload []byte, t wire.NotifyType) (spi ike.SPI, ok bool) {
	m, err := wire.Parse(payload)
	if err != nil || len(m.Payloads) != 1 {
		return 0, false
	}
	n, ok := m.Payloads[0].(*wire.Notify)
	if !ok || n.Type != t {
		return 0, false
	}
	if t == wire.InvalidSPI {
		if len(n.Data) != 4 {
			return 0, false
		}
		spi = ike.SPI(binary.BigEndian.Uint32(n.Data))
	}
	return spi, true
}

// receiveStray takes an unprotected answer to a request of ours on this session.
func (s *session) receiveStray(now time.Time, d ike.Datagram) ike.Drop {
	if _, ok := strayNotice(d.Payload, wire.InvalidIKESPI); !ok || s.phase != established || d.Remote.Addr() != s.path.Remote.Addr() {
		return ike.DropUnprotected
	}
	s.hint(now)
	s.pump(now)
	return ike.DropUnauthentic
}

// hint is a word that the peer may have lost the SA. RFC 7296 section 2.4: it is a
// reason to ask, and nothing else.
func (s *session) hint(now time.Time) {
	s.hintedAt = now
	if s.current.pending == nil && len(s.queue) == 0 && now.Sub(s.askedAt) >= hintInterval {
		s.askedAt = now
		s.enqueue(&liveness{})
		s.pump(now)
	}
}

// tellPeer says something in an INFORMATIONAL request.
type tellPeer struct{ notify *wire.Notify }

func (t *tellPeer) build(*session, *ikeSA, time.Time) (wire.ExchangeType, []wire.Payload, bool) {
	return wire.Informational, []wire.Payload{t.notify}, true
}

func (*tellPeer) process(*session, *ikeSA, time.Time, parts) {} // nothing follows

func (*tellPeer) release(*Gate) {}

// heardInvalidSPI acts on what a peer says inside of the IKE SA: that it has lost
// a child SA, which a rekey finds out for sure and makes good. RFC 7296 section
// 2.25: it is answered with CHILD_SA_NOT_FOUND, and a new one is made.
func (s *session) heardInvalidSPI(now time.Time, m parts) {
	n := m.notify(wire.InvalidSPI)
	if n == nil || len(n.Data) != 4 || s.phase != established || now.Sub(s.askedAt) < hintInterval {
		return
	}
	if child := s.childByOutbound(ike.SPI(binary.BigEndian.Uint32(n.Data))); child != nil && child == s.active {
		s.askedAt = now
		s.rekeyChildNow(now, child)
	}
}
