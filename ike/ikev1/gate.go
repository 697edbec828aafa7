package ikev1

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
	"causeway.dev/ike/wire/isakmp"
)

// Config is what a Gate needs of its owner.
type Config struct {
	// Rand is the source of keys, nonces and SPIs: crypto/rand.Reader, or in
	// a test a seeded one. The gate panics if it fails, as crypto/rand does.
	Rand io.Reader

	// SPIs is shared by the engines of one data path. Default: the gate's own.
	SPIs ike.SPIs
}

// A Gate is the IKEv1 of a set of peers: it answers what arrives, creates and
// ends SAs, and sees to it that each peer ends up with one pair of ESP SAs. It is
// not safe for concurrent use.
type Gate struct {
	rand     io.Reader
	spis     ike.SPIs
	sessions map[ike.PeerID]*session
	listed   engine.Directory

	// A cookie of ours leads to the main mode, or to the ISAKMP SA that came
	// of it.
	negotiations map[uint64]*negotiation
	sas          map[uint64]*isakmpSA

	schedule  engine.Schedule[actor]
	admission admission
	paused    bool // nothing new is begun: all is about to be handed over

	// computing is what has been handed out, computingInitial how much of it is
	// for main modes of peers; costly says for which groups that is worth it.
	computing        map[*keys.Agreement]waiting
	computingInitial int
	costly           func(ike.Group) bool

	out, spare []ike.Output
}

// An actor has something to do without a message: a negotiation or a session.
type actor interface {
	engine.Scheduled
	nextDeadline() time.Time
	advance(now time.Time)
	over() bool
	abandon(now time.Time, reason string)
}

// NewGate returns a gate without peers.
func NewGate(cfg Config) *Gate {
	if cfg.SPIs == nil {
		cfg.SPIs = engine.OwnSPIs{}
	}
	g := &Gate{
		rand:         cfg.Rand,
		spis:         cfg.SPIs,
		sessions:     map[ike.PeerID]*session{},
		listed:       engine.Directory{},
		negotiations: map[uint64]*negotiation{},
		sas:          map[uint64]*isakmpSA{},
		computing:    map[*keys.Agreement]waiting{},
		costly:       keys.Costly,
	}
	g.admission = newAdmission(g)
	return g
}

// Validate says what keeps a peer from IKEv1.
func Validate(p ike.Peer) error {
	switch {
	case len(accepted(&p)) == 0:
		return errors.New("IKEv1 has no AES-GCM and nothing newer in phase 1: allow AES-128 or AES-256 with SHA-1 or SHA-2 and one of the groups up to 24")
	case len(acceptedESP(&p)) == 0:
		return errors.New("none of the proposals for the child SA can be used with IKEv1")
	}
	_, err := methodOf(&p)
	return err
}

// SetPeer adds a peer, or replaces the configuration of the peer of that ID: SAs
// that stand stay as they are, what is negotiated from now on follows it. It
// refuses a peer that Validate refuses, one without a key and a certificate, or
// with proposals that can't be used.
func (g *Gate) SetPeer(p ike.Peer) error {
	if err := validate(p); err != nil {
		return fmt.Errorf("peer %s: %w", p.ID, err)
	}
	engine.OwnKeys(&p)
	s := g.sessions[p.ID]
	if s == nil {
		s = &session{gate: g}
		g.sessions[p.ID] = s
	} else {
		defer engine.WipeKeys(s.peer)
		g.listed.Remove(s.peer)
		nowProved := s.rotation.Replace(s.peer, &p)
		for _, sa := range s.sas {
			sa.provedBy = nowProved(sa.provedBy)
		}
		if s.attempt != nil { // its keys may have been derived
			s.attempt.provedBy = nowProved(s.attempt.provedBy)
		}
	}
	s.peer = &p
	for _, sa := range s.sas {
		s.limitByKey(sa)
	}
	g.touch(s)
	g.listed.Add(&p)
	return nil
}

func validate(p ike.Peer) error {
	if len(p.PreSharedKey) == 0 && p.Certificate == nil {
		return errors.New("no pre-shared key and no certificate")
	}
	if p.Certificate != nil && p.Verifier == nil {
		return errors.New("a certificate of ours, but nothing that the peer's is verified by")
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
	return Validate(p)
}

// RemovePeer deletes all SAs with the peer, with notice to it, and forgets its
// configuration.
func (g *Gate) RemovePeer(now time.Time, id ike.PeerID, reason string) {
	s := g.sessions[id]
	if s == nil {
		return
	}
	g.listed.Remove(s.peer)
	g.attempt(now, s, func() { s.terminate(now, reason) })
	engine.WipeKeys(s.peer)
	delete(g.sessions, id)
	g.touch(s)
}

// Receive handles a datagram of a peer. It copies what it keeps.
func (g *Gate) Receive(now time.Time, d ike.Datagram) ike.Drop {
	h, err := wire.ParseHeader(d.Payload)
	switch {
	case err != nil:
		return ike.DropMalformed
	case h.Major != 1:
		return ike.DropVersion
	case h.SPIr == 0 && g.negotiations[h.SPIi] == nil:
		return g.receiveFirst(now, d, h)
	}
	for _, side := range []struct {
		cookie    uint64
		initiator bool
	}{{h.SPIi, true}, {h.SPIr, false}} {
		if n := g.negotiations[side.cookie]; n != nil && n.initiator == side.initiator && n.named(h) {
			var drop ike.Drop
			g.attempt(now, n, func() { drop = n.receive(now, d, h) })
			return drop
		}
		if sa := g.sas[side.cookie]; sa != nil && sa.initiator == side.initiator && sa.spii == h.SPIi && sa.spir == h.SPIr {
			var drop ike.Drop
			g.attempt(now, sa.session, func() { drop = sa.session.receive(now, sa, d, h) })
			return drop
		}
	}
	if u := g.admission.unheard.byCookie[h.SPIr]; u != nil && u.origin.spi == h.SPIi {
		return g.hear(now, d, h, u)
	}
	return ike.DropUnknownSPI
}

// Command carries out what the owner asks for. An error says that the command
// makes no sense now, for example a rekey where no SA stands; Initiate where an
// SA stands or an attempt of ours is under way does nothing.
func (g *Gate) Command(now time.Time, id ike.PeerID, c ike.Command) error {
	s := g.sessions[id]
	if s == nil {
		return fmt.Errorf("peer %q is not configured", id)
	}
	var err error
	g.attempt(now, s, func() { err = s.command(now, c) })
	return err
}

// Advance fires what is due.
func (g *Gate) Advance(now time.Time) {
	for {
		a, due := g.schedule.Due(now)
		if !due {
			return
		}
		g.attempt(now, a, func() { a.advance(now) })
	}
}

// Deadline is when Advance is next due; false if nothing is scheduled.
func (g *Gate) Deadline() (time.Time, bool) { return g.schedule.Next() }

// TakeOutput hands over what has been produced since, in the order in which it
// is to be carried out. The slice is valid until TakeOutput is called again.
func (g *Gate) TakeOutput() []ike.Output {
	out := g.out
	clear(g.spare)
	g.out, g.spare = g.spare[:0], out
	return out
}

// Status returns what stands with a peer.
func (g *Gate) Status(id ike.PeerID) ike.Status {
	s := g.sessions[id]
	if s == nil {
		return ike.Status{}
	}
	status := ike.Status{Connecting: s.attempt != nil, Child: s.heir() != nil}
	if sa := s.current(); sa != nil {
		status.Established, status.Version = true, ike.IKEv1
		status.Path, status.NAT, status.LastHeard, status.RemoteID = s.path, s.nat, s.lastHeard, s.remoteID
		status.Proposal, status.RekeyAt, status.ExpiresAt = sa.proposal, sa.rekeyAt, sa.expiresAt
	}
	return status
}

// Closing reports whether a graceful stop has to wait: never, since nobody answers
// a DELETE of IKEv1.
func (g *Gate) Closing() bool { return false }

// Sessions is the number of negotiations, and of peers with SAs. Those of strangers,
// and those of configured addresses, whose third message has not come count as one.
func (g *Gate) Sessions() int { return g.schedule.Len() }

// touch puts an actor where its deadline belongs, or takes it off the books.
func (g *Gate) touch(a actor) {
	if a.over() {
		g.schedule.Remove(a)
		return
	}
	g.schedule.Set(a, a.nextDeadline())
}

func (g *Gate) random(n int) []byte { return engine.Random(g.rand, n) }

// newDH makes a key pair in one of the groups that SetPeer has accepted.
func (g *Gate) newDH(group ike.Group) *keys.DH {
	dh, err := keys.NewDH(group, g.rand)
	if err != nil {
		panic("ikev1: " + err.Error())
	}
	return dh
}

// newCookie draws a cookie of ours.
func (g *Gate) newCookie() uint64 {
	for {
		cookie := binary.BigEndian.Uint64(g.random(8))
		if cookie != 0 && g.negotiations[cookie] == nil && g.admission.unheard.byCookie[cookie] == nil && g.sas[cookie] == nil {
			return cookie
		}
	}
}

// newMessageID draws the id of an exchange after phase 1, which is never zero.
func (g *Gate) newMessageID() uint32 {
	for {
		if id := binary.BigEndian.Uint32(g.random(4)); id != 0 {
			return id
		}
	}
}

func (g *Gate) newESPSPI() ike.SPI { return engine.DrawSPI(g.rand, g.spis) }

func (g *Gate) emit(id ike.PeerID, e ike.Event) {
	g.out = append(g.out, ike.Output{Peer: id, Event: e})
}

func (g *Gate) transmit(id ike.PeerID, path ike.Path, payload []byte) {
	g.out = append(g.out, ike.Output{Peer: id, Datagram: ike.Datagram{Local: path.Local, Remote: path.Remote, Payload: payload}})
}

// notifyPlain sends a notification that nothing protects: a stranger can't be told
// otherwise what is wrong. It is shorter than any message that it answers.
func (g *Gate) notifyPlain(id ike.PeerID, path ike.Path, spii, spir uint64, t isakmp.NotifyType) {
	g.transmit(id, path, isakmp.Message{
		Header:   wire.Header{SPIi: spii, SPIr: spir, Major: 1, Exchange: isakmp.Informational, MessageID: g.newMessageID()},
		Payloads: []isakmp.Payload{&isakmp.Notify{Type: t, Protocol: wire.ProtocolIKE}},
	}.Append(nil))
}
