package ikev1

import (
	"maps"
	"slices"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/engine"
	"causeway.dev/ike/wire"
	"causeway.dev/ike/wire/isakmp"
)

// Hand-over: what stands with each peer becomes a document, of which a gate in
// another process makes it anew (thaw.go). To the peer it looks like a network that
// was slow for a moment: quick modes go on where they were, octet by octet.
//
// Left out are main modes: a peer's is begun anew by the peer, one of ours by the
// gate that goes on.

// frozenFormat is the version of the document. Whatever changes its meaning or its
// shape raises it.
const frozenFormat = 2

type frozen struct {
	Format    int                   `json:"format"`
	Keys      engine.FrozenKeys     `json:"keys"`
	Path      engine.FrozenPath     `json:"path"`
	LocalNAT  bool                  `json:"localNAT,omitempty"`
	RemoteNAT bool                  `json:"remoteNAT,omitempty"`
	RemoteID  engine.FrozenIdentity `json:"remoteID"`
	Announced bool                  `json:"announced,omitempty"`
	Orphaned  bool                  `json:"orphaned,omitempty"`
	LastHeard time.Time             `json:"lastHeard,omitzero"`
	Outdated  time.Time             `json:"outdated,omitzero"`
	GraceEnd  time.Time             `json:"graceEnd,omitzero"`
	SAs       []frozenSA            `json:"sas,omitempty"`      // the newest last
	Children  []frozenChild         `json:"children,omitempty"` // the newest last
	Active    ike.SPI               `json:"active,omitempty"`   // the inbound one of the pair that packets leave by
	Probe     *frozenProbe          `json:"probe,omitempty"`
	Farewells []frozenFarewell      `json:"farewells,omitempty"`
}

type frozenSA struct {
	Initiator   bool          `json:"initiator,omitempty"`
	SPIi        uint64        `json:"spii"`
	SPIr        uint64        `json:"spir"`
	Proposal    string        `json:"proposal"`
	D           []byte        `json:"d"`
	A           []byte        `json:"a"`
	Key         []byte        `json:"key"`
	LastBlock   []byte        `json:"lastBlock"`
	NATT        []byte        `json:"natt,omitempty"` // the vendor id of the version of NAT traversal
	DPD         bool          `json:"dpd,omitempty"`
	ProvedBy    []byte        `json:"provedBy,omitempty"` // the mark of the key
	Created     time.Time     `json:"created,omitzero"`
	Established time.Time     `json:"established,omitzero"`
	RekeyAt     time.Time     `json:"rekeyAt,omitzero"`
	ExpiresAt   time.Time     `json:"expiresAt"`
	Received    []byte        `json:"received,omitempty"`
	Answer      []byte        `json:"answer,omitempty"`
	Exchanges   []frozenQuick `json:"exchanges,omitempty"`
	Over        []uint32      `json:"over,omitempty"`
	Sequence    uint32        `json:"sequence"`
	Heard       *uint32       `json:"heard,omitempty"`
}

// A frozenQuick is a quick mode. Pairs are named by their inbound SPIs.
type frozenQuick struct {
	ID        uint32      `json:"id"`
	Initiator bool        `json:"initiator,omitempty"`
	Awaits    message     `json:"awaits,omitempty"`
	Yielded   bool        `json:"yielded,omitempty"`
	EndAt     time.Time   `json:"endAt"`
	Old       ike.SPI     `json:"old,omitempty"`
	Groups    []ike.Group `json:"groups,omitempty"`
	Ni        []byte      `json:"ni"`
	Nr        []byte      `json:"nr,omitempty"`
	Private   []byte      `json:"private,omitempty"`
	In        ike.SPI     `json:"in"`
	Child     ike.SPI     `json:"child,omitempty"`
	IV        []byte      `json:"iv"`
	Sent      []byte      `json:"sent"`
	Received  []byte      `json:"received,omitempty"`
}

type frozenChild struct {
	In         ike.SPI   `json:"in"`
	Out        ike.SPI   `json:"out"`
	State      string    `json:"state"`
	Initiator  bool      `json:"initiator,omitempty"`
	Local      []string  `json:"local"`
	Remote     []string  `json:"remote"`
	Extended   bool      `json:"extended,omitempty"`
	Installed  time.Time `json:"installed"`
	ActivateAt time.Time `json:"activateAt,omitzero"`
	RekeyAt    time.Time `json:"rekeyAt,omitzero"`
	DeleteAt   time.Time `json:"deleteAt,omitzero"`
	ExpiresAt  time.Time `json:"expiresAt"`
}

type frozenProbe struct {
	SA       uint64 `json:"sa"` // our cookie
	Sequence uint32 `json:"sequence"`
}

type frozenFarewell struct {
	Path    engine.FrozenPath `json:"path"`
	Message []byte            `json:"message"`
	At      time.Time         `json:"at"`
	Left    int               `json:"left"`
}

var frozenChildStates = map[childState]string{childOffered: "offered", childUp: "up", childReplaced: "replaced", childDeleted: "deleted"}

// frozenFarewellsMax bounds what is still to be said thrice.
const frozenFarewellsMax = 64

// Pause has the gate begin no new exchange, while those under way go on, as long as
// the peers answer. It does so until Freeze.
func (g *Gate) Pause() { g.paused = true }

// Busy reports whether exchanges are under way whose ends a hand-over had better
// wait for.
func (g *Gate) Busy() bool {
	for _, s := range g.sessions {
		if s.attempt != nil || s.making != nil || s.held || s.exchange(func(q *quickMode) bool { return q.awaits != 0 && !q.yielded }) != nil {
			return true
		}
	}
	return false
}

// Freeze hands over what stands, and what still has to be said, for the Thaw of a
// gate in another process. The gate forgets all of it and its peers without a word:
// nothing else is to be asked of it.
func (g *Gate) Freeze(now time.Time) []ike.Kept {
	told := len(g.out)
	var kept []ike.Kept
	for _, id := range slices.Sorted(maps.Keys(g.sessions)) {
		s := g.sessions[id]
		if s.over() {
			continue
		}
		s.leaveAttempt(now)
		document := s.freeze(engine.FreezeKeys(g.rand, s.peer, s.rotation))
		kept = append(kept, ike.Kept{
			Peer: id, Version: ike.IKEv1, Path: s.espPath(s.path.UDP),
			State: engine.EncodeFrozen(document), Farewell: s.farewell(),
		})
	}
	g.admission.unheard.clear()
	for _, a := range slices.Clone(g.schedule.All()) {
		if n, halfOpen := a.(*negotiation); halfOpen {
			n.end()
		}
	}
	for _, a := range slices.Clone(g.schedule.All()) {
		a.(*session).vanish()
		g.schedule.Remove(a)
	}
	for _, s := range g.sessions {
		engine.WipeKeys(s.peer)
	}
	clear(g.sessions)
	clear(g.listed)
	clear(g.computing)
	g.out = g.out[:told]
	return kept
}

// vanish forgets a session that goes on elsewhere.
func (s *session) vanish() {
	for _, sa := range s.sas {
		for _, q := range sa.exchanges {
			q.abandon()
		}
		sa.forget()
	}
	for _, c := range s.children {
		s.gate.spis.Release(c.in)
	}
	s.sas, s.children, s.farewells, s.active, s.probe, s.wanted, s.making = nil, nil, nil, nil, nil, nil, nil
}

// leaveAttempt: what a main mode of ours was to bring about is due anew, and a quick
// mode that has no key pair yet.
func (s *session) leaveAttempt(now time.Time) {
	if s.making != nil && s.making.old != nil {
		s.making.old.rekeyAt = now
	}
	if s.attempt == nil {
		return
	}
	sa := s.current()
	if sa != nil {
		sa.rekeyAt = now
	}
	if c := s.heir(); c != nil && (sa == nil || s.wanted != nil) {
		c.rekeyAt = now
	}
}

// farewell deletes what the peer may use, should nobody go on with it. The ISAKMP SA
// that counts goes last.
func (s *session) farewell() []ike.Datagram {
	var messages []ike.Datagram
	say := func(payload []byte) {
		messages = append(messages, ike.Datagram{Local: s.path.Local, Remote: s.path.Remote, Payload: payload})
	}
	for _, f := range s.farewells {
		messages = append(messages, ike.Datagram{Local: f.path.Local, Remote: f.path.Remote, Payload: f.message})
	}
	current := s.current()
	if current == nil {
		return messages
	}
	pairs := &isakmp.Delete{Protocol: wire.ProtocolESP}
	for _, c := range s.children {
		if c.state != childDeleted {
			pairs.SPIs = append(pairs.SPIs, spiOctets(c.in))
		}
	}
	if len(pairs.SPIs) > 0 {
		say(current.inform(pairs))
	}
	for _, sa := range s.sas {
		say(sa.inform(&isakmp.Delete{Protocol: wire.ProtocolIKE, SPIs: [][]byte{cookies(sa.spii, sa.spir)}}))
	}
	return messages
}

func (s *session) freeze(marks engine.FrozenKeys) frozen {
	f := frozen{
		Format: frozenFormat, Keys: marks, Path: engine.FreezePath(s.path), LocalNAT: s.nat.Local, RemoteNAT: s.nat.Remote,
		RemoteID: engine.FreezeIdentity(s.remoteID), Announced: s.announced, Orphaned: s.orphaned, LastHeard: s.lastHeard,
		Outdated: s.outdated, GraceEnd: s.graceEnd,
	}
	for _, sa := range s.sas {
		f.SAs = append(f.SAs, sa.freeze(marks.Mark(s.peer, sa.provedBy)))
	}
	for _, c := range s.children {
		f.Children = append(f.Children, c.freeze())
	}
	if s.active != nil {
		f.Active = s.active.in
	}
	if s.probe != nil {
		f.Probe = &frozenProbe{SA: s.probe.sa.local(), Sequence: s.probe.sequence}
	}
	for _, bye := range s.farewells[max(0, len(s.farewells)-frozenFarewellsMax):] {
		f.Farewells = append(f.Farewells, frozenFarewell{Path: engine.FreezePath(bye.path), Message: bye.message, At: bye.at, Left: bye.left})
	}
	return f
}

func (sa *isakmpSA) freeze(mark []byte) frozenSA {
	f := frozenSA{
		Initiator: sa.initiator, SPIi: sa.spii, SPIr: sa.spir, Proposal: sa.proposal.String(),
		D: sa.keys.D, A: sa.keys.A, Key: sa.keys.Key, LastBlock: sa.lastBlock,
		DPD: sa.extensions.dpd, ProvedBy: mark,
		Created: sa.created, Established: sa.established, RekeyAt: sa.rekeyAt, ExpiresAt: sa.expiresAt,
		Answer: sa.answer, Over: slices.Sorted(maps.Keys(sa.over)), Sequence: sa.sequence,
	}
	if sa.extensions.natt != nil {
		f.NATT = sa.extensions.natt.id
	}
	if sa.answer != nil {
		f.Received = sa.received[:]
	}
	if sa.anyHeard {
		f.Heard = &sa.heard
	}
	for _, q := range sa.ordered() {
		f.Exchanges = append(f.Exchanges, q.freeze())
	}
	return f
}

func (q *quickMode) freeze() frozenQuick {
	f := frozenQuick{
		ID: q.id, Initiator: q.initiator, Awaits: q.awaits, Yielded: q.yielded, EndAt: q.endAt, Groups: q.groups,
		Ni: q.ni, Nr: q.nr, In: q.in, IV: q.iv, Sent: q.sent, Received: q.received[:],
	}
	if q.old != nil {
		f.Old = q.old.in
	}
	if q.child != nil {
		f.Child = q.child.in
	}
	if q.dh != nil && q.awaits == 2 {
		f.Private = q.dh.Private()
	}
	return f
}

func (c *child) freeze() frozenChild {
	f := frozenChild{
		In: c.in, Out: c.out, State: frozenChildStates[c.state], Initiator: c.initiator, Extended: c.extended,
		Installed: c.installed, ActivateAt: c.activateAt, RekeyAt: c.rekeyAt, DeleteAt: c.deleteAt, ExpiresAt: c.expiresAt,
	}
	for _, p := range c.local {
		f.Local = append(f.Local, p.String())
	}
	for _, p := range c.remote {
		f.Remote = append(f.Remote, p.String())
	}
	return f
}
