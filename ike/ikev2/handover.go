package ikev2

import (
	"maps"
	"slices"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/engine"
	"causeway.dev/ike/wire"
)

// Hand-over: what stands with each peer becomes a document, of which a gate in
// another process makes it anew (thaw.go). To the peer it looks like a network that
// was slow for a moment: message ids go on where they were, what has been asked is
// asked again octet by octet and completed by the answer, and what has been
// answered is answered again.
//
// Left out is what the peer brings again: requests that wait for a computation,
// messages of which only some fragments have come, follow-ups of the peer's, and
// half-open IKE SAs.

// frozenFormat is the version of the document. Whatever changes its meaning or its
// shape raises it.
const frozenFormat = 1

type frozen struct {
	Format   int               `json:"format"`
	Keys     engine.FrozenKeys `json:"keys"`
	Sessions []frozenSession   `json:"sessions"`
}

type frozenSession struct {
	Phase       string                `json:"phase"` // established or ending
	Initiator   bool                  `json:"initiator,omitempty"`
	ProvedBy    []byte                `json:"provedBy,omitempty"` // the mark of the key
	NonceLow    []byte                `json:"nonceLow,omitempty"`
	Confirmed   bool                  `json:"confirmed,omitempty"`
	MOBIKE      bool                  `json:"mobike,omitempty"`
	Path        engine.FrozenPath     `json:"path"`
	LocalNAT    bool                  `json:"localNAT,omitempty"`
	RemoteNAT   bool                  `json:"remoteNAT,omitempty"`
	RemoteID    engine.FrozenIdentity `json:"remoteID"`
	Created     time.Time             `json:"created,omitzero"`
	Established time.Time             `json:"established,omitzero"`
	LastHeard   time.Time             `json:"lastHeard,omitzero"`
	HintedAt    time.Time             `json:"hintedAt,omitzero"`
	AskedAt     time.Time             `json:"askedAt,omitzero"`
	Outdated    time.Time             `json:"outdated,omitzero"`
	GraceEnd    time.Time             `json:"graceEnd,omitzero"`
	EndAt       time.Time             `json:"endAt,omitzero"`
	SAs         []frozenSA            `json:"sas"`
	Current     uint64                `json:"current,omitempty"` // our SPI of the one that counts
	Children    []frozenChild         `json:"children,omitempty"`
	Active      ike.SPI               `json:"active,omitempty"` // the inbound one of the pair that packets leave by
	Queue       []frozenTask          `json:"queue,omitempty"`
}

type frozenSA struct {
	State         string          `json:"state"`
	Initiator     bool            `json:"initiator,omitempty"`
	Local         uint64          `json:"local"`
	Remote        uint64          `json:"remote"`
	Proposal      string          `json:"proposal"`
	D             []byte          `json:"d"`
	Ai            []byte          `json:"ai,omitempty"`
	Ar            []byte          `json:"ar,omitempty"`
	Ei            []byte          `json:"ei"`
	Er            []byte          `json:"er"`
	Sealed        uint64          `json:"sealed"` // messages, from which the IVs follow
	Fragmentation bool            `json:"fragmentation,omitempty"`
	NextID        uint32          `json:"nextID"`
	ExpectID      uint32          `json:"expectID"`
	Pending       *frozenExchange `json:"pending,omitempty"`
	Then          *frozenTask     `json:"then,omitempty"`
	Reply         [][]byte        `json:"reply,omitempty"`
	RekeyAt       time.Time       `json:"rekeyAt,omitzero"`
	ExpiresAt     time.Time       `json:"expiresAt,omitzero"`
}

type frozenExchange struct {
	ID       uint32            `json:"id"`
	Exchange wire.ExchangeType `json:"exchange"`
	Packets  [][]byte          `json:"packets"`
	Task     frozenTask        `json:"task"`
}

type frozenChild struct {
	In        ike.SPI   `json:"in"`
	Out       ike.SPI   `json:"out"`
	State     string    `json:"state"`
	Proposal  string    `json:"proposal"`
	Successor ike.SPI   `json:"successor,omitempty"` // its inbound one
	RekeyAt   time.Time `json:"rekeyAt,omitzero"`
	ExpiresAt time.Time `json:"expiresAt"`
}

// A frozenTask has of its fields those of its kind. Pairs are named by their inbound
// SPIs, IKE SAs by ours.
type frozenTask struct {
	Kind     string          `json:"kind"`
	Cookie   []byte          `json:"cookie,omitempty"`   // liveness
	Notify   wire.NotifyType `json:"notify,omitempty"`   // deleteIKE
	Child    ike.SPI         `json:"child,omitempty"`    // deleteChild, and createChild: that it replaces
	In       ike.SPI         `json:"in,omitempty"`       // deleteChild, createChild
	Reserved bool            `json:"reserved,omitempty"` // deleteChild
	SPI      uint64          `json:"spi,omitempty"`      // rekeyIKE

	// Of createChild and rekeyIKE.
	Nonce   []byte           `json:"nonce,omitempty"` // of a request that has been built
	Group   ike.Group        `json:"group,omitempty"`
	Private []byte           `json:"private,omitempty"`
	Rival   *frozenRival     `json:"rival,omitempty"`
	Follows *frozenFollowing `json:"follows,omitempty"`
}

type frozenRival struct {
	NonceLow []byte  `json:"nonceLow"`
	Child    ike.SPI `json:"child,omitempty"`
	SA       uint64  `json:"sa,omitempty"`
}

// frozenFollowing is where a sequence of additional key exchanges has come to.
type frozenFollowing struct {
	First   wire.PayloadType `json:"first"`  // of the answer to CREATE_CHILD_SA
	Answer  []byte           `json:"answer"` // its payloads
	Left    []ike.Group      `json:"left"`
	Link    []byte           `json:"link"`
	Private []byte           `json:"private"` // of the first that is left
	Secret  []byte           `json:"secret,omitempty"`
	Secrets [][]byte         `json:"secrets,omitempty"`
}

const (
	kindLiveness    = "liveness"
	kindDeleteChild = "deleteChild"
	kindDeleteIKE   = "deleteIKE"
	kindCreateChild = "createChild"
	kindRekeyIKE    = "rekeyIKE"
)

var (
	frozenPhases      = map[phase]string{established: "established", ending: "ending"}
	frozenSAStates    = map[saState]string{saUp: "up", saReplaced: "replaced", saClosed: "closed"}
	frozenChildStates = map[childState]string{childUp: "up", childReplaced: "replaced", childRedundant: "redundant", childDeleted: "deleted"}
)

// What is kept of one peer: a session stands, another may be about to take over,
// and a few that have ended still answer.
const (
	frozenSessionsMax = 16
	frozenTasksMax    = 2 * childrenMax
)

// Pause has the gate begin no new exchange, while those under way go on, as long as
// the peers answer. It does so until Freeze.
func (g *Gate) Pause() { g.paused = true }

// Busy reports whether exchanges are under way whose ends a hand-over had better
// wait for.
func (g *Gate) Busy() bool {
	return slices.ContainsFunc(g.schedule.All(), func(s *session) bool {
		answered := len(s.sas) > 0 || s.peer != nil && g.standing(s.peer.ID, s) != nil // the peer is there
		return s.following != nil || s.phase == connecting && s.initiator && answered ||
			slices.ContainsFunc(s.sas, func(sa *ikeSA) bool { return sa.state != saHalfOpen && (sa.held || sa.pending != nil) })
	})
}

// Freeze hands over what stands, and what has ended but still has to be said or
// answered, for the Thaw of a gate in another process. The gate forgets all of it
// and its peers without a word: nothing else is to be asked of it.
func (g *Gate) Freeze(now time.Time) []ike.Kept {
	told := len(g.out)
	var kept []ike.Kept
	for _, id := range slices.Sorted(maps.Keys(g.peers)) {
		if k, any := g.freezePeer(g.peers[id]); any {
			kept = append(kept, k)
		}
	}
	for _, s := range slices.Clone(g.schedule.All()) {
		g.vanish(s)
	}
	for _, state := range g.peers {
		engine.WipeKeys(state.config)
	}
	clear(g.peers)
	clear(g.listed)
	clear(g.computing)
	g.out = g.out[:told]
	return kept
}

// vanish ends a session that goes on elsewhere.
func (g *Gate) vanish(s *session) {
	s.dropFollowing()
	for _, t := range s.queue {
		t.release(g)
	}
	for _, c := range s.children {
		g.releaseSPI(c.in)
	}
	s.forget()
	g.admission.leave(s, ended)
	s.phase = ended
	g.touch(s)
}

func (g *Gate) freezePeer(state *peerState) (ike.Kept, bool) {
	var sessions []*session
	for _, s := range state.sessions {
		halfOpen := slices.ContainsFunc(s.sas, func(sa *ikeSA) bool { return sa.state == saHalfOpen })
		if (s.phase == established || s.phase == ending) && !halfOpen && len(s.sas) > 0 {
			sessions = append(sessions, s)
		}
	}
	if len(sessions) == 0 {
		return ike.Kept{}, false
	}
	slices.SortStableFunc(sessions, func(a, b *session) int { return int(a.phase) - int(b.phase) })
	sessions = sessions[:min(len(sessions), frozenSessionsMax)]
	kept := ike.Kept{Peer: state.config.ID, Version: ike.IKEv2, Path: sessions[0].espPath()}
	if s := g.standing(state.config.ID, nil); s != nil {
		kept.Path = s.espPath()
	}
	document := frozen{Format: frozenFormat, Keys: engine.FreezeKeys(g.rand, state.config, state.rotation)}
	attempted := slices.ContainsFunc(state.sessions, func(s *session) bool { return s.phase == connecting && s.initiator })
	for _, s := range sessions {
		if attempted { // what was to take over is begun anew: renew
			s.graceEnd = time.Time{}
		}
		kept.Farewell = append(kept.Farewell, s.farewell()...) // before its IVs are counted
		document.Sessions = append(document.Sessions, s.freeze(document.Keys))
	}
	kept.State = engine.EncodeFrozen(document)
	return kept, true
}

// farewell deletes the IKE SAs that the peer may use, should nobody go on with
// them, the one that counts last. Where a request is under way the peer may have it
// or not: one DELETE takes its id, for a peer that waits for that, and one the next.
// A peer that has just agreed to a new IKE SA, which we do not know yet, keeps it
// until it finds us dead.
func (s *session) farewell() []Datagram {
	var messages []Datagram
	say := func(packets [][]byte) {
		for _, p := range packets {
			messages = append(messages, Datagram{Local: s.path.Local, Remote: s.path.Remote, Payload: p})
		}
	}
	end := func(sa *ikeSA) {
		if sa.pending != nil {
			if _, said := sa.pending.task.(*deleteIKE); said {
				say(sa.pending.message.packets)
				return
			}
		}
		if !sa.live() {
			return
		}
		ids := []uint32{sa.nextID}
		if sa.pending != nil {
			ids = []uint32{sa.pending.id, sa.nextID}
		}
		for _, id := range ids {
			say(s.seal(sa, sa.header(wire.Informational, id, false), []wire.Payload{&wire.Delete{Protocol: wire.ProtocolIKE}}).packets)
		}
	}
	for _, sa := range s.sas {
		if sa != s.current {
			end(sa)
		}
	}
	if slices.Contains(s.sas, s.current) { // at the end it may be gone
		end(s.current)
	}
	return messages
}

func (s *session) freeze(marks engine.FrozenKeys) frozenSession {
	f := frozenSession{
		Phase: frozenPhases[s.phase], Initiator: s.initiator, ProvedBy: marks.Mark(s.peer, s.provedBy),
		NonceLow: s.nonceLow, Confirmed: s.confirmed, MOBIKE: s.mobike,
		Path: engine.FreezePath(s.path), LocalNAT: s.nat.Local, RemoteNAT: s.nat.Remote, RemoteID: engine.FreezeIdentity(s.remoteID),
		Created: s.created, Established: s.establishedAt, LastHeard: s.lastHeard, HintedAt: s.hintedAt, AskedAt: s.askedAt,
		Outdated: s.outdated, GraceEnd: s.graceEnd, EndAt: s.endAt,
	}
	for _, sa := range s.sas {
		f.SAs = append(f.SAs, s.freezeSA(sa))
		if sa == s.current {
			f.Current = sa.local
		}
	}
	for _, c := range s.children {
		f.Children = append(f.Children, s.freezeChild(c))
	}
	if s.active != nil {
		f.Active = s.active.in
	}
	for _, t := range s.queue[:min(len(s.queue), frozenTasksMax)] {
		f.Queue = append(f.Queue, freezeTask(t))
	}
	return f
}

func (s *session) freezeSA(sa *ikeSA) frozenSA {
	f := frozenSA{
		State: frozenSAStates[sa.state], Initiator: sa.initiator, Local: sa.local, Remote: sa.remote, Proposal: sa.proposal.String(),
		D: sa.keys.D, Ai: sa.keys.Ai, Ar: sa.keys.Ar, Ei: sa.keys.Ei, Er: sa.keys.Er,
		Sealed: sa.seal.Sealed(), Fragmentation: sa.fragmentation, NextID: sa.nextID, ExpectID: sa.expectID,
		RekeyAt: sa.rekeyAt, ExpiresAt: sa.expiresAt,
	}
	if e := sa.pending; e != nil {
		f.Pending = &frozenExchange{ID: e.id, Exchange: e.exchange, Packets: e.message.packets, Task: freezeTask(e.task)}
	}
	if sa.then != nil && isDelete(sa.then) {
		t := freezeTask(sa.then)
		f.Then = &t
	}
	if sa.reply != nil {
		f.Reply = sa.reply.packets
	}
	return f
}

func (s *session) freezeChild(c *childSA) frozenChild {
	f := frozenChild{In: c.in, Out: c.out, State: frozenChildStates[c.state], Proposal: c.proposal.String(), RekeyAt: c.rekeyAt, ExpiresAt: c.expiresAt}
	for next := c.successor; next != nil; next = next.successor {
		if slices.Contains(s.children, next) { // others have gone meanwhile
			f.Successor = next.in
			break
		}
	}
	return f
}

func freezeTask(t task) frozenTask {
	switch t := t.(type) {
	case *deleteChild:
		f := frozenTask{Kind: kindDeleteChild, In: t.in, Reserved: t.reserve}
		if t.child != nil {
			f.Child = t.child.in
		}
		return f
	case *deleteIKE:
		return frozenTask{Kind: kindDeleteIKE, Notify: t.notify}
	case *createChild:
		f := frozenTask{Kind: kindCreateChild, Nonce: t.nonce, In: t.in, Follows: t.followup.freeze()}
		f.Group, f.Private = t.keyPair.freeze()
		if t.old != nil {
			f.Child = t.old.in
		}
		if t.rival != nil {
			f.Rival = &frozenRival{NonceLow: t.rival.nonceLow, Child: t.rival.child.in}
		}
		return f
	case *rekeyIKE:
		f := frozenTask{Kind: kindRekeyIKE, Nonce: t.nonce, SPI: t.spi, Follows: t.followup.freeze()}
		f.Group, f.Private = t.keyPair.freeze()
		if t.rival != nil {
			f.Rival = &frozenRival{NonceLow: t.rival.nonceLow, SA: t.rival.sa.local}
		}
		return f
	case *liveness:
		return frozenTask{Kind: kindLiveness, Cookie: t.cookie}
	}
	return frozenTask{Kind: kindLiveness} // nothing follows from its answer
}

func (k *keyPair) freeze() (ike.Group, []byte) {
	if k.dh == nil {
		return k.group, nil
	}
	return k.group, k.dh.Private()
}

func (f *followup) freeze() *frozenFollowing {
	if !f.underWay() {
		return nil
	}
	frozen := &frozenFollowing{
		First: f.answer.message.First, Answer: f.answer.message.Inside, Left: f.left, Link: f.link, Private: f.kem.Private(), Secret: f.secret,
	}
	for _, s := range f.secrets {
		frozen.Secrets = append(frozen.Secrets, s)
	}
	return frozen
}
