package ikev2

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/engine"
	"causeway.dev/ike/keys"
	"causeway.dev/ike/wire"
)

// Thaw goes on with what Freeze of a gate in another process has handed over, for a
// peer that SetPeer has added. It tells of nothing: the owner has the pairs from
// elsewhere. An attempt of ours that has come no further than IKE_SA_INIT is
// forgotten without a word; where our side may move, the peer is told where we are. An error changes nothing; the farewell is then still
// good to be sent.
func (g *Gate) Thaw(now time.Time, kept ike.Kept) error {
	state := g.peers[kept.Peer]
	switch {
	case kept.Version != ike.IKEv2:
		return fmt.Errorf("what is kept is of %v", kept.Version)
	case state == nil:
		return fmt.Errorf("peer %q is not configured", kept.Peer)
	case g.standing(kept.Peer, nil) != nil:
		return fmt.Errorf("an IKE SA stands with peer %s", kept.Peer)
	}
	var document frozen
	if err := engine.DecodeFrozen(kept.State, frozenFormat, &document); err != nil {
		return err
	}
	if n := len(document.Sessions); n == 0 || n > frozenSessionsMax {
		return fmt.Errorf("%d sessions", n)
	}
	t := &thawing{gate: g, now: now, peer: state.config, marks: document.Keys, ids: map[uint64]*session{}, spis: map[ike.SPI]bool{}}
	var sessions []*session
	for i := range document.Sessions {
		s, err := t.thaw(&document.Sessions[i])
		if err != nil {
			return fmt.Errorf("session %d: %w", i+1, err)
		}
		sessions = append(sessions, s)
	}
	if err := t.reserve(); err != nil {
		return err
	}
	state.rotation = document.Keys.Rotation(state.config)
	g.out = append(g.out, state.rotation.Tell(state.config)...)
	for _, s := range sessions {
		if s.phase == established {
			g.abandonAttempts(s, true)
		}
		state.sessions = append(state.sessions, s)
		g.attempt(s, func() {
			if s.phase == established && s.initiator && s.mobike { // we may have been about to say so
				s.tellAddress()
				s.pump(now)
			}
		})
	}
	return nil
}

// thawing makes sessions of a document. Until reserve, the gate knows of none.
type thawing struct {
	gate  *Gate
	now   time.Time
	peer  *ike.Peer
	marks engine.FrozenKeys

	ids  map[uint64]*session // by our SPIs of IKE SAs
	spis map[ike.SPI]bool    // inbound ones of ESP

	// Of the session that is being made.
	session *session
	sas     map[uint64]*ikeSA
	pairs   map[ike.SPI]*childSA
}

// reserve takes all SPIs, or none.
func (t *thawing) reserve() error {
	for id := range t.ids {
		if t.gate.bySPI[id] != nil {
			return errors.New("an SPI of an IKE SA is in use")
		}
	}
	var taken []ike.SPI
	for spi := range t.spis {
		if !t.gate.spis.Reserve(spi) {
			for _, own := range taken {
				t.gate.spis.Release(own)
			}
			return fmt.Errorf("SPI %08x is in use", uint32(spi))
		}
		taken = append(taken, spi)
	}
	for id, s := range t.ids {
		t.gate.bySPI[id] = s
	}
	return nil
}

func (t *thawing) takeIKE(spi uint64) error {
	if spi == 0 || t.ids[spi] != nil {
		return fmt.Errorf("our SPI %016x is zero or comes twice", spi)
	}
	t.ids[spi] = t.session
	return nil
}

func (t *thawing) takeESP(spi ike.SPI) error {
	if spi <= engine.SPIReservedMax || t.spis[spi] {
		return fmt.Errorf("inbound SPI %08x is reserved or comes twice", uint32(spi))
	}
	t.spis[spi] = true
	return nil
}

func (t *thawing) thaw(f *frozenSession) (*session, error) {
	s := &session{
		gate: t.gate, peer: t.peer, initiator: f.Initiator, provedBy: t.marks.Thaw(t.peer, f.ProvedBy),
		nonceLow: f.NonceLow, confirmed: f.Confirmed, mobike: f.MOBIKE, nat: NAT{Local: f.LocalNAT, Remote: f.RemoteNAT}, remoteID: f.RemoteID.Thaw(),
		created: f.Created, establishedAt: f.Established, lastHeard: f.LastHeard, hintedAt: f.HintedAt, askedAt: f.AskedAt, outdated: f.Outdated, endAt: f.EndAt,
	}
	if !engine.KeyEnd(t.peer, s.provedBy).IsZero() || !f.Outdated.IsZero() {
		s.graceEnd = f.GraceEnd
	}
	t.session, t.sas, t.pairs = s, map[uint64]*ikeSA{}, map[ike.SPI]*childSA{}
	var err error
	if s.phase, err = named(frozenPhases, f.Phase); err != nil {
		return nil, err
	}
	if s.path, err = f.Path.Thaw(); err != nil {
		return nil, err
	}
	if len(f.SAs) == 0 || len(f.SAs) > 2*sasMax || len(f.Children) > 2*childrenMax || len(f.Queue) > frozenTasksMax || len(f.NonceLow) > nonceLengthMax {
		return nil, fmt.Errorf("%d IKE SAs, %d pairs, %d tasks and a nonce of %d octets", len(f.SAs), len(f.Children), len(f.Queue), len(f.NonceLow))
	}
	if err := t.thawChildren(f); err != nil {
		return nil, err
	}
	if err := t.thawSAs(f); err != nil {
		return nil, err
	}
	return s, t.check(f)
}

// nonceLengthMax is the longest that a nonce may be. RFC 7296 section 3.9.
const nonceLengthMax = 256

// check says what of a session's parts do not go together.
func (t *thawing) check(f *frozenSession) error {
	s := t.session
	if s.phase == ending {
		if f.EndAt.IsZero() || len(f.Children) > 0 || len(f.Queue) > 0 {
			return errors.New("a session that ends without an end, or with pairs or tasks")
		}
		return nil
	}
	if s.current == nil || s.current.state != saUp || s.current.expiresAt.IsZero() {
		return errors.New("no IKE SA is up that would count and end")
	}
	return nil
}

func (t *thawing) thawChildren(f *frozenSession) error {
	s := t.session
	for _, c := range f.Children {
		child := &childSA{in: c.In, out: c.Out, rekeyAt: c.RekeyAt, expiresAt: c.ExpiresAt}
		var err error
		if child.state, err = named(frozenChildStates, c.State); err != nil {
			return err
		}
		if child.proposal, err = ike.ParseESPProposal(c.Proposal); err != nil {
			return err
		}
		if err := keys.ValidateESP(child.proposal); err != nil {
			return err
		}
		if err := t.takeESP(c.In); err != nil {
			return err
		}
		if c.Out == 0 || s.childByOutbound(c.Out) != nil || c.ExpiresAt.IsZero() {
			return fmt.Errorf("outbound SPI %08x is zero or comes twice, or its SA has no end", uint32(c.Out))
		}
		s.children = append(s.children, child)
		t.pairs[c.In] = child
	}
	for i, c := range f.Children {
		// What replaces a pair is younger: no chain is a ring.
		if c.Successor != 0 {
			j := slices.IndexFunc(s.children, func(next *childSA) bool { return next.in == c.Successor })
			if j <= i {
				return fmt.Errorf("SPI %08x is replaced by what is no younger pair", uint32(c.In))
			}
			s.children[i].successor = s.children[j]
		}
	}
	if f.Active != 0 {
		if s.active = t.pairs[f.Active]; s.active == nil || s.active.state == childDeleted {
			return errors.New("packets leave by a pair that is not there")
		}
	}
	return nil
}

// pair is that with an inbound SPI; one that has gone is deleted. None is nil.
func (t *thawing) pair(in ike.SPI) *childSA {
	switch child := t.pairs[in]; {
	case in == 0:
		return nil
	case child == nil:
		return &childSA{in: in, state: childDeleted}
	default:
		return child
	}
}

// thawSAs makes the IKE SAs first and then what is to happen on them, which may
// name any.
func (t *thawing) thawSAs(f *frozenSession) error {
	s := t.session
	for i := range f.SAs {
		sa, err := t.thawSA(&f.SAs[i])
		if err != nil {
			return fmt.Errorf("IKE SA %d: %w", i+1, err)
		}
		s.sas = append(s.sas, sa)
		t.sas[sa.local] = sa
	}
	s.current = t.sas[f.Current]
	for i, sa := range s.sas {
		if err := t.thawDuties(sa, &f.SAs[i]); err != nil {
			return fmt.Errorf("IKE SA %d: %w", i+1, err)
		}
	}
	for i := range f.Queue {
		task, err := t.thawTask(&f.Queue[i], false)
		if err != nil {
			return fmt.Errorf("task %d: %w", i+1, err)
		}
		s.queue = append(s.queue, task)
	}
	return nil
}

func (t *thawing) thawSA(f *frozenSA) (*ikeSA, error) {
	state, err := named(frozenSAStates, f.State)
	if err != nil {
		return nil, err
	}
	proposal, err := ike.ParseIKEProposal(f.Proposal)
	if err != nil {
		return nil, err
	}
	if err := keys.ValidateIKE(proposal); err != nil {
		return nil, err
	}
	suite := keys.SuiteKeys{D: f.D, Ai: f.Ai, Ar: f.Ar, Ei: f.Ei, Er: f.Er}
	if err := suite.Validate(proposal); err != nil {
		return nil, err
	}
	if err := t.takeIKE(f.Local); err != nil {
		return nil, err
	}
	if f.Remote == 0 || f.Sealed > keys.SealedMax {
		return nil, errors.New("the peer's SPI is zero, or all IVs are used up")
	}
	sa := newSA(f.Initiator, f.Local, f.Remote, proposal, suite)
	sa.state, sa.fragmentation, sa.nextID, sa.expectID = state, f.Fragmentation, f.NextID, f.ExpectID
	sa.rekeyAt, sa.expiresAt = f.RekeyAt, f.ExpiresAt
	// Whoever took this document before us and then came to grief may have sealed
	// messages by it: ours have IVs far from theirs.
	sa.seal.SetSealed(f.Sealed + binary.BigEndian.Uint64(t.gate.random(8))>>sealedLeapShift)
	if len(f.Reply) > 0 {
		if sa.reply, err = thawSealed(f.Reply); err != nil {
			return nil, err
		}
	}
	return sa, nil
}

// sealedLeapShift makes 48 bits of 64, by which an IKE SA that goes on elsewhere
// leaps over IVs: a thousand leaps pass over at most 2^58 of 2^64.
const sealedLeapShift = 16

// thawDuties makes what an IKE SA waits for, and what follows.
func (t *thawing) thawDuties(sa *ikeSA, f *frozenSA) error {
	if sa.state == saClosed && (f.Pending != nil || f.Then != nil) {
		return errors.New("duties on an IKE SA that is closed")
	}
	var err error
	if e := f.Pending; e != nil {
		if e.ID != f.NextID-1 {
			return fmt.Errorf("request %d is under way, the next is %d", e.ID, f.NextID)
		}
		sa.pending = &exchange{id: e.ID, exchange: e.Exchange, Retransmission: engine.Resumed(t.now)}
		if sa.pending.message, err = thawSealed(e.Packets); err != nil {
			return err
		}
		if sa.pending.task, err = t.thawTask(&e.Task, true); err != nil {
			return err
		}
	}
	if f.Then != nil {
		if f.Then.Kind != kindDeleteIKE {
			return fmt.Errorf("%q follows a request", f.Then.Kind)
		}
		sa.then = &deleteIKE{notify: f.Then.Notify}
	}
	return nil
}

// thawSealed is a message that can only be sent as it is: not in smaller pieces.
func thawSealed(packets [][]byte) (*sealed, error) {
	octets := 0
	for _, p := range packets {
		if len(p) < wire.HeaderLength {
			return nil, fmt.Errorf("a datagram of %d octets", len(p))
		}
		octets += len(p)
	}
	if len(packets) == 0 || len(packets) > fragmentsMax || octets > sealedOctetsMax {
		return nil, fmt.Errorf("a message of %d octets in %d datagrams", octets, len(packets))
	}
	return &sealed{packets: packets, sends: sendsBeforeSmall + 1}, nil
}

// sealedOctetsMax bounds a message of ours: the longest has two KE payloads of a
// thousand octets and a few hundred beside.
const sealedOctetsMax = 64 << 10

// thawTask makes a task. One that is under way has been built.
func (t *thawing) thawTask(f *frozenTask, underWay bool) (task, error) {
	built := len(f.Nonce) > 0
	switch f.Kind {
	case kindLiveness:
		if len(f.Cookie) > cookie2LengthMax {
			return nil, fmt.Errorf("a cookie of %d octets", len(f.Cookie))
		}
		return &liveness{cookie: f.Cookie}, nil
	case kindDeleteIKE:
		return &deleteIKE{notify: f.Notify}, nil
	case kindDeleteChild:
		if f.In <= engine.SPIReservedMax {
			return nil, fmt.Errorf("SPI %08x to be deleted", uint32(f.In))
		}
		if f.Reserved {
			if err := t.takeESP(f.In); err != nil {
				return nil, err
			}
		}
		return &deleteChild{child: t.pair(f.Child), in: f.In, reserve: f.Reserved}, nil
	case kindCreateChild, kindRekeyIKE:
		if built != underWay || len(f.Nonce) > nonceLengthMax {
			return nil, fmt.Errorf("%s with a nonce of %d octets, under way: %t", f.Kind, len(f.Nonce), underWay)
		}
	default:
		return nil, fmt.Errorf("%q is no task", f.Kind)
	}
	pair, err := thawKeyPair(f)
	if err != nil {
		return nil, err
	}
	follows, err := f.Follows.thaw()
	if err != nil {
		return nil, err
	}
	if f.Kind == kindRekeyIKE {
		return t.thawRekeyIKE(f, pair, follows, built)
	}
	return t.thawCreateChild(f, pair, follows, built)
}

func (t *thawing) thawCreateChild(f *frozenTask, pair keyPair, follows followup, built bool) (task, error) {
	c := &createChild{keyPair: pair, followup: follows, nonce: f.Nonce, old: t.pair(f.Child)}
	if built {
		c.in = f.In
		if err := t.takeESP(f.In); err != nil {
			return nil, err
		}
	}
	if f.Rival != nil {
		if f.Rival.Child == 0 {
			return nil, errors.New("a rekey of the peer's without a pair")
		}
		c.rival = &rivalChild{nonceLow: f.Rival.NonceLow, child: t.pair(f.Rival.Child)}
	}
	return c, nil
}

func (t *thawing) thawRekeyIKE(f *frozenTask, pair keyPair, follows followup, built bool) (task, error) {
	if pair.group == ike.GroupNone {
		return nil, errors.New("a rekey of the IKE SA without a group")
	}
	r := &rekeyIKE{keyPair: pair, followup: follows, nonce: f.Nonce}
	if built {
		r.spi = f.SPI
		if err := t.takeIKE(f.SPI); err != nil {
			return nil, err
		}
	}
	if f.Rival != nil {
		r.rival = &rivalIKE{nonceLow: f.Rival.NonceLow, sa: t.sas[f.Rival.SA]}
		if r.rival.sa == nil { // it has gone meanwhile
			r.rival.sa = &ikeSA{state: saClosed, local: f.Rival.SA}
		}
	}
	return r, nil
}

func thawKeyPair(f *frozenTask) (keyPair, error) {
	k := keyPair{group: f.Group}
	if f.Group == ike.GroupNone && len(f.Private) > 0 || f.Group != ike.GroupNone && len(f.Nonce) > 0 && len(f.Private) == 0 {
		return k, errors.New("a private value without a group, or a group without one")
	}
	if f.Group == ike.GroupNone {
		return k, nil
	}
	if err := keys.ValidateESP(ike.ESPProposal{Encryption: ike.AES128GCM16, Group: f.Group}); err != nil {
		return k, err
	}
	if len(f.Private) == 0 {
		return k, nil
	}
	var err error
	k.dh, err = keys.RestoreDH(f.Group, f.Private)
	return k, err
}

func (f *frozenFollowing) thaw() (followup, error) {
	if f == nil {
		return followup{}, nil
	}
	if len(f.Left) == 0 || len(f.Left)+len(f.Secrets) > ike.AdditionalGroupsMax || len(f.Link) == 0 || len(f.Answer) > sealedOctetsMax {
		return followup{}, fmt.Errorf("%d key exchanges to follow %d, by a link of %d octets", len(f.Left), len(f.Secrets), len(f.Link))
	}
	for _, g := range f.Left {
		if !g.KEM() {
			return followup{}, fmt.Errorf("%v is to follow", g)
		}
	}
	payloads, err := wire.ParsePayloads(f.First, f.Answer)
	if err != nil {
		return followup{}, fmt.Errorf("the answer to CREATE_CHILD_SA: %w", err)
	}
	m := sortPayloads(payloads)
	m.message = wire.Message{First: f.First, Inside: f.Answer, Payloads: payloads}
	kem, err := keys.RestoreKEM(f.Left[0], f.Private)
	if err != nil {
		return followup{}, err
	}
	thawed := followup{answer: &m, left: f.Left, link: f.Link, kem: kem, secret: f.Secret}
	for _, secret := range f.Secrets {
		thawed.secrets = append(thawed.secrets, secret)
	}
	return thawed, nil
}

// named is the value that a document has a name for.
func named[V comparable](names map[V]string, name string) (V, error) {
	for value, n := range names {
		if n == name {
			return value, nil
		}
	}
	var none V
	return none, fmt.Errorf("%q is no state", name)
}
