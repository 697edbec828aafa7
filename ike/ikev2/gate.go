package ikev2

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/engine"
	"causeway.dev/ike/keys"
	"causeway.dev/ike/wire"
)

// Config is what a Gate needs of its owner.
type Config struct {
	// Rand is the source of keys, nonces and SPIs: crypto/rand.Reader, or in
	// a test a seeded one. The gate panics if it fails, as crypto/rand does.
	Rand io.Reader

	// SPIs is shared by gates of one data path. Default: the gate's own.
	SPIs ike.SPIs
}

// A Gate is the IKEv2 of a set of peers: it answers what arrives, creates and
// ends IKE SAs, and sees to it that each peer ends up with one. It is not safe
// for concurrent use.
type Gate struct {
	rand   io.Reader
	spis   ike.SPIs
	peers  map[ike.PeerID]*peerState
	listed engine.Directory

	// computing is what has been handed out, computingInitial how much of it is
	// for half-open SAs; costly says of which groups.
	computing        map[*keys.Agreement]waiting
	computingInitial int
	costly           func(ike.Group) bool

	bySPI     map[uint64]*session // by the SPIs that we chose
	schedule  engine.Schedule[*session]
	admission admission

	strays         strays
	fragmentOctets int // of messages to half-open SAs that have come in part

	// terminating is set while all sessions with a peer are ended, so that
	// none takes over from another.
	terminating bool

	paused bool // nothing new is begun: all is about to be handed over

	out, spare []Output
}

// A peerState is a configured peer and the sessions with it, half-open ones of
// responders excepted: those belong to nobody yet.
type peerState struct {
	config   *ike.Peer
	rotation engine.Rotation
	sessions []*session
	strayAt  time.Time // when the peer was last told that it sends to an SA that is not there
}

// NewGate returns a gate without peers.
func NewGate(cfg Config) *Gate {
	if cfg.SPIs == nil {
		cfg.SPIs = engine.OwnSPIs{}
	}
	return &Gate{
		rand:      cfg.Rand,
		spis:      cfg.SPIs,
		peers:     map[ike.PeerID]*peerState{},
		listed:    engine.Directory{},
		bySPI:     map[uint64]*session{},
		computing: map[*keys.Agreement]waiting{},
		costly:    keys.Costly,
		admission: newAdmission(),
	}
}

// Validate says what about a peer can't be used: that it has neither a key nor a
// certificate, a certificate that is not its key's, no proposals, or one that is
// not known.
func Validate(p *ike.Peer) error {
	if len(p.IKEProposals) == 0 || len(p.ESPProposals) == 0 {
		return errors.New("no proposals")
	}
	if err := errors.Join(validateCredentials(p), validateFragmentSize(p)); err != nil {
		return err
	}
	for _, proposal := range slices.Concat(p.IKEProposals, p.IKEOffers) {
		if err := keys.ValidateIKE(proposal); err != nil {
			return err
		}
	}
	for _, proposal := range slices.Concat(p.ESPProposals, p.ESPOffers) {
		if err := keys.ValidateESP(proposal); err != nil {
			return err
		}
	}
	return nil
}

// SetPeer adds a peer, or replaces the configuration of the peer of that ID: SAs
// that stand stay as they are, what is negotiated from now on follows it. It
// refuses a peer that Validate does.
func (g *Gate) SetPeer(p ike.Peer) error {
	if err := Validate(&p); err != nil {
		return fmt.Errorf("peer %s: %w", p.ID, err)
	}
	engine.OwnKeys(&p)
	state := g.peers[p.ID]
	if state == nil {
		state = &peerState{config: &p}
		g.peers[p.ID] = state
	} else {
		g.listed.Remove(state.config)
		g.replace(state, &p)
	}
	g.listed.Add(&p)
	return nil
}

// replace gives the sessions with a peer its new configuration.
func (g *Gate) replace(state *peerState, p *ike.Peer) {
	old := state.config
	nowProved := state.rotation.Replace(old, p)
	state.config = p
	for _, s := range state.sessions {
		s.peer, s.provedBy = p, nowProved(s.provedBy)
		if engine.KeyEnd(p, s.provedBy).IsZero() && s.outdated.IsZero() {
			s.graceEnd = time.Time{}
		}
		g.touch(s)
	}
	engine.WipeKeys(old)
}

// RemovePeer deletes all SAs with the peer, with notice to it, and forgets its
// configuration.
func (g *Gate) RemovePeer(now time.Time, id ike.PeerID, reason string) {
	state := g.peers[id]
	if state == nil {
		return
	}
	g.listed.Remove(state.config)
	g.terminate(now, state, reason)
	engine.WipeKeys(state.config)
	delete(g.peers, id)
}

func (g *Gate) terminate(now time.Time, state *peerState, reason string) {
	g.terminating = true
	defer func() { g.terminating = false }()
	for _, s := range slices.Clone(state.sessions) {
		g.attempt(s, func() { s.terminate(now, reason) })
	}
}

// Receive handles a datagram of a peer. It copies what it keeps.
func (g *Gate) Receive(now time.Time, d Datagram) Drop {
	h, err := wire.ParseHeader(d.Payload)
	switch {
	case err != nil:
		return ike.DropMalformed
	case h.Major != 2:
		return ike.DropVersion
	}
	ours := h.SPIr
	if !h.Flags.Initiator() {
		ours = h.SPIi
	}
	if h.Exchange == wire.IKESAInit && h.Flags.Initiator() && !h.Flags.Response() {
		return g.receiveInit(now, d, h)
	}
	s := g.bySPI[ours]
	if s == nil && h.SPIi == 0 && h.SPIr == 0 && h.Exchange == wire.Informational {
		return g.hearStray(now, d)
	}
	if s == nil {
		g.answerStray(now, d, h)
		return ike.DropUnknownSPI
	}
	var drop Drop
	g.attempt(s, func() { drop = s.receive(now, d, h) })
	return drop
}

// Command carries out what the owner asks for. An error says that the command
// makes no sense now, for example a rekey where no SA stands; Initiate where an
// SA stands or an attempt of ours is under way does nothing.
func (g *Gate) Command(now time.Time, id ike.PeerID, c ike.Command) error {
	state := g.peers[id]
	if state == nil {
		return fmt.Errorf("peer %q is not configured", id)
	}
	switch c := c.(type) {
	case ike.Initiate:
		p := state.config
		if !p.Local.IsValid() || !p.Remote.IsValid() {
			return fmt.Errorf("initiate to peer %s: its address or ours is not known", id)
		}
		g.connect(now, state)
		return nil
	case ike.Reauthenticate:
		return g.reauthenticate(now, state)
	case ike.Terminate:
		g.terminate(now, state, c.Reason)
		return nil
	case ike.InboundUsed:
		for _, s := range state.sessions {
			if s.phase == established {
				s.inboundUsed(c.Inbound)
			}
		}
		return nil
	case ike.InboundMoved:
		for _, s := range state.sessions {
			s.inboundMoved(c.Inbound, c.Remote)
		}
		return nil
	case ike.Move:
		for _, s := range state.sessions {
			if s != g.standing(id, nil) && s.phase == established { // what is about to end
				_ = s.move(c.Local)
				g.touch(s)
			}
		}
	}
	s := g.standing(id, nil)
	if s == nil {
		return errors.New("no IKE SA stands with the peer")
	}
	var err error
	g.attempt(s, func() { err = s.command(now, c) })
	return err
}

// connect initiates, unless an SA stands or an attempt of ours is under way.
func (g *Gate) connect(now time.Time, state *peerState) {
	busy := slices.ContainsFunc(state.sessions, func(s *session) bool { return s.phase == connecting || s.phase == established })
	if !busy && !g.paused {
		g.initiate(now, state.config, engine.ByCurrentKey)
	}
}

// Advance fires what is due.
func (g *Gate) Advance(now time.Time) {
	for {
		s, due := g.schedule.Due(now)
		if !due {
			return
		}
		g.attempt(s, func() { s.advance(now) })
	}
}

// Deadline is when Advance is next due; false if nothing is scheduled.
func (g *Gate) Deadline() (time.Time, bool) { return g.schedule.Next() }

// TakeOutput hands over what has been produced since, in the order in which it
// is to be carried out. The slice is valid until TakeOutput is called again.
func (g *Gate) TakeOutput() []Output {
	out := g.out
	clear(g.spare)
	g.out, g.spare = g.spare[:0], out
	return out
}

// Status returns what stands with a peer.
func (g *Gate) Status(id ike.PeerID) Status {
	var status Status
	state := g.peers[id]
	if state == nil {
		return status
	}
	for _, s := range state.sessions {
		status.Connecting = status.Connecting || s.phase == connecting
	}
	if s := g.standing(id, nil); s != nil {
		status.Established, status.Version = true, ike.IKEv2
		status.Child = s.newestChild() != nil || s.active != nil
		status.Path, status.NAT, status.LastHeard, status.RemoteID = s.path, s.nat, s.lastHeard, s.remoteID
		status.Proposal, status.RekeyAt, status.ExpiresAt = s.current.proposal, s.current.rekeyAt, s.current.expiresAt
		status.MOBIKE, status.Fragments = s.mobike, s.current.fragmentation
	}
	return status
}

// Closing reports whether a DELETE of ours still waits for its answer, which a
// graceful stop allows for.
func (g *Gate) Closing() bool {
	return slices.ContainsFunc(g.schedule.All(), func(s *session) bool {
		return s.phase == ending && slices.ContainsFunc(s.sas, func(sa *ikeSA) bool { return sa.pending != nil })
	})
}

// Sessions is the number of IKE SA lineages, half-open and ending ones included.
func (g *Gate) Sessions() int { return g.schedule.Len() }

// standing returns the established session of a peer other than except: of two,
// the one that is not doomed.
func (g *Gate) standing(id ike.PeerID, except *session) *session {
	state := g.peers[id]
	if state == nil {
		return nil
	}
	var best *session
	for _, s := range state.sessions {
		if s != except && s.phase == established && (best == nil || !best.endAt.IsZero()) {
			best = s
		}
	}
	return best
}

func (g *Gate) newSession(now time.Time) *session {
	return &session{gate: g, created: now}
}

// touch puts a session where its deadline belongs, or takes it off the books.
func (g *Gate) touch(s *session) {
	if s.phase == ended {
		g.schedule.Remove(s)
		if s.peer != nil && g.peers[s.peer.ID] != nil {
			state := g.peers[s.peer.ID]
			state.sessions = slices.DeleteFunc(state.sessions, func(have *session) bool { return have == s })
		}
		return
	}
	g.schedule.Set(s, s.nextDeadline())
}

func (g *Gate) random(n int) []byte { return engine.Random(g.rand, n) }

// newDH makes a key pair in one of the groups that SetPeer has accepted.
func (g *Gate) newDH(group ike.Group) *keys.DH {
	dh, err := keys.NewDH(group, g.rand)
	if err != nil {
		panic("ikev2: " + err.Error())
	}
	return dh
}

// newIKESPI draws an SPI for an IKE SA and routes what carries it to s.
func (g *Gate) newIKESPI(s *session) uint64 {
	for {
		spi := binary.BigEndian.Uint64(g.random(8))
		if spi != 0 && g.bySPI[spi] == nil {
			g.bySPI[spi] = s
			return spi
		}
	}
}

func (g *Gate) releaseIKESPI(spi uint64) { delete(g.bySPI, spi) }

// newESPSPI draws an SPI for an inbound ESP SA.
func (g *Gate) newESPSPI() ike.SPI { return engine.DrawSPI(g.rand, g.spis) }

func (g *Gate) releaseSPI(spi ike.SPI) { g.spis.Release(spi) }
