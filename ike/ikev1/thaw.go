package ikev1

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/engine"
	"causeway.dev/ike/keys"
	"causeway.dev/ike/wire"
)

// Thaw goes on with what Freeze of a gate in another process has handed over, for a
// peer that SetPeer has added. It tells of nothing: the owner has the pairs from
// elsewhere. A main mode of ours that has begun since is forgotten without a word.
// An error changes nothing; the farewell is then still good to be sent.
func (g *Gate) Thaw(now time.Time, kept ike.Kept) error {
	s := g.sessions[kept.Peer]
	switch {
	case kept.Version != ike.IKEv1:
		return fmt.Errorf("what is kept is of %v", kept.Version)
	case s == nil:
		return fmt.Errorf("peer %q is not configured", kept.Peer)
	case !s.over():
		return fmt.Errorf("an SA stands with peer %s", kept.Peer)
	}
	var document frozen
	if err := engine.DecodeFrozen(kept.State, frozenFormat, &document); err != nil {
		return err
	}
	t := &thawing{gate: g, now: now, session: s, pairs: map[ike.SPI]*child{}}
	if err := t.thaw(&document); err != nil {
		return err
	}
	path, err := document.Path.Thaw()
	if err != nil {
		return err
	}
	if err := t.reserve(); err != nil {
		return err
	}
	if s.attempt != nil {
		s.attempt.end()
	}
	s.sas, s.children, s.active, s.probe, s.farewells, s.wanted, s.making = t.sas, t.children, t.active, t.probe, t.farewells, nil, nil
	s.path, s.nat, s.remoteID = path, ike.NAT{Local: document.LocalNAT, Remote: document.RemoteNAT}, document.RemoteID.Thaw()
	s.announced, s.orphaned, s.lastHeard = document.Announced, document.Orphaned, document.LastHeard
	s.outdated, s.graceEnd = document.Outdated, document.GraceEnd
	s.rotation = document.Keys.Rotation(s.peer)
	g.out = append(g.out, s.rotation.Tell(s.peer)...)
	for _, sa := range s.sas {
		g.sas[sa.local()] = sa
		s.limitByKey(sa)
	}
	g.touch(s)
	return nil
}

// thawing makes what a session has. Until Thaw takes it over, nobody knows of it.
type thawing struct {
	gate    *Gate
	now     time.Time
	session *session

	sas       []*isakmpSA
	children  []*child
	active    *child
	probe     *probe
	farewells []farewell

	pairs    map[ike.SPI]*child // by inbound SPI
	reserved []ike.SPI          // of quick modes that have no pair yet
}

// reserve takes all SPIs, or none.
func (t *thawing) reserve() error {
	spis := t.reserved
	for _, c := range t.children {
		spis = append(spis, c.in)
	}
	for i, spi := range spis {
		if spi <= engine.SPIReservedMax || !t.gate.spis.Reserve(spi) {
			for _, own := range spis[:i] {
				t.gate.spis.Release(own)
			}
			return fmt.Errorf("SPI %08x is reserved or in use", uint32(spi))
		}
	}
	return nil
}

func (t *thawing) thaw(f *frozen) error {
	if n := len(f.SAs) + len(f.Children) + len(f.Farewells); n == 0 || len(f.SAs) > sasMax || len(f.Children) > 2*childrenMax || len(f.Farewells) > frozenFarewellsMax {
		return fmt.Errorf("%d ISAKMP SAs, %d pairs and %d farewells", len(f.SAs), len(f.Children), len(f.Farewells))
	}
	for i := range f.Children {
		c, err := thawChild(&f.Children[i])
		if err != nil {
			return fmt.Errorf("pair %d: %w", i+1, err)
		}
		if t.pairs[c.in] != nil || slices.ContainsFunc(t.children, func(o *child) bool { return o.out == c.out }) {
			return fmt.Errorf("pair %d: an SPI that comes twice", i+1)
		}
		t.children, t.pairs[c.in] = append(t.children, c), c
	}
	if f.Active != 0 {
		if t.active = t.pairs[f.Active]; t.active == nil {
			return errors.New("packets leave by a pair that is not there")
		}
	}
	for i := range f.SAs {
		sa, err := t.thawSA(&f.SAs[i], f.Keys)
		if err != nil {
			return fmt.Errorf("ISAKMP SA %d: %w", i+1, err)
		}
		t.sas = append(t.sas, sa)
	}
	if f.Probe != nil {
		i := slices.IndexFunc(t.sas, func(sa *isakmpSA) bool { return sa.local() == f.Probe.SA })
		if i < 0 {
			return errors.New("a question on an ISAKMP SA that is not there")
		}
		t.probe = &probe{sa: t.sas[i], sequence: f.Probe.Sequence, Retransmission: engine.Resumed(t.now)}
	}
	for _, bye := range f.Farewells {
		path, err := bye.Path.Thaw()
		if err != nil {
			return err
		}
		if len(bye.Message) < wire.HeaderLength || len(bye.Message) > messageOctetsMax || bye.Left < 1 || bye.Left > farewellRepeats || bye.At.IsZero() {
			return fmt.Errorf("a farewell of %d octets, to be said %d times", len(bye.Message), bye.Left)
		}
		t.farewells = append(t.farewells, farewell{path: path, message: bye.Message, at: bye.At, left: bye.Left})
	}
	return nil
}

// messageOctetsMax bounds a message of ours; the longest proves us by a chain of
// certificates.
const messageOctetsMax = 64 << 10

func thawChild(f *frozenChild) (*child, error) {
	c := &child{
		in: f.In, out: f.Out, initiator: f.Initiator, extended: f.Extended,
		installed: f.Installed, activateAt: f.ActivateAt, rekeyAt: f.RekeyAt, deleteAt: f.DeleteAt, expiresAt: f.ExpiresAt,
	}
	known := false
	for state, name := range frozenChildStates {
		if name == f.State {
			c.state, known = state, true
		}
	}
	if !known || c.in == 0 || c.out == 0 || c.expiresAt.IsZero() {
		return nil, fmt.Errorf("%q is no state, an SPI is zero, or there is no end", f.State)
	}
	var err error
	if c.local, err = thawPrefixes(f.Local); err != nil {
		return nil, err
	}
	c.remote, err = thawPrefixes(f.Remote)
	return c, err
}

func thawPrefixes(texts []string) ([]netip.Prefix, error) {
	if len(texts) == 0 || len(texts) > engine.SelectorsMax {
		return nil, fmt.Errorf("%d selectors", len(texts))
	}
	var prefixes []netip.Prefix
	for _, text := range texts {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, err
		}
		prefixes = append(prefixes, p)
	}
	return prefixes, nil
}

func (t *thawing) thawSA(f *frozenSA, marks engine.FrozenKeys) (*isakmpSA, error) {
	proposal, err := ike.ParseIKEProposal(f.Proposal)
	if err != nil {
		return nil, err
	}
	if err := keys.ValidateIKE(proposal); err != nil {
		return nil, err
	}
	if proposal.Encryption.AEAD() {
		return nil, fmt.Errorf("proposal %s is not IKEv1's", f.Proposal)
	}
	sa := &isakmpSA{
		session: t.session, initiator: f.Initiator, spii: f.SPIi, spir: f.SPIr, proposal: proposal,
		lastBlock: f.LastBlock, extensions: extensions{dpd: f.DPD}, provedBy: marks.Thaw(t.session.peer, f.ProvedBy),
		created: f.Created, established: f.Established, rekeyAt: f.RekeyAt, expiresAt: f.ExpiresAt,
		answer: f.Answer, exchanges: map[uint32]*quickMode{}, over: map[uint32]struct{}{}, sequence: f.Sequence,
	}
	if sa.keys, err = keys.RestorePhase1(proposal, f.D, f.A, f.Key); err != nil {
		return nil, err
	}
	inUse := t.gate.sas[sa.local()] != nil || t.gate.negotiations[sa.local()] != nil || t.gate.admission.unheard.byCookie[sa.local()] != nil ||
		slices.ContainsFunc(t.sas, func(o *isakmpSA) bool { return o.local() == sa.local() })
	switch {
	case f.SPIi == 0 || f.SPIr == 0 || inUse:
		return nil, errors.New("a cookie that is zero or in use")
	case len(f.LastBlock) != keys.IVLength || f.ExpiresAt.IsZero():
		return nil, fmt.Errorf("a last block of %d octets, or no end", len(f.LastBlock))
	case max(len(f.Exchanges), len(f.Over)) > quickModesMax || len(f.Answer) > messageOctetsMax:
		return nil, fmt.Errorf("%d quick modes, %d that are over, an answer of %d octets", len(f.Exchanges), len(f.Over), len(f.Answer))
	case f.Answer != nil && (len(f.Answer) < wire.HeaderLength || len(f.Received) != sha256.Size):
		return nil, errors.New("an answer to nothing")
	}
	copy(sa.received[:], f.Received)
	if f.NATT != nil {
		i := slices.IndexFunc(natTraversals, func(n *natTraversal) bool { return bytes.Equal(n.id, f.NATT) })
		if i < 0 {
			return nil, errors.New("NAT traversal of an unknown version")
		}
		sa.extensions.natt = natTraversals[i]
	}
	if f.Heard != nil {
		sa.heard, sa.anyHeard = *f.Heard, true
	}
	for _, id := range f.Over {
		sa.over[id] = struct{}{}
	}
	for i := range f.Exchanges {
		q, err := t.thawQuick(sa, &f.Exchanges[i])
		if err != nil {
			return nil, fmt.Errorf("quick mode %d: %w", i+1, err)
		}
		sa.exchanges[q.id] = q
	}
	return sa, nil
}

// nonceLengthMax is the longest that a nonce may be. RFC 2409 section 5.
const nonceLengthMax = 256

// groupsMax bounds the groups of a quick mode, whatever the configuration was that it
// was begun by: there are not as many.
const groupsMax = 32

func (t *thawing) thawQuick(sa *isakmpSA, f *frozenQuick) (*quickMode, error) {
	q := &quickMode{
		sa: sa, id: f.ID, initiator: f.Initiator, awaits: f.Awaits, yielded: f.Yielded, endAt: f.EndAt,
		old: t.pair(f.Old), groups: f.Groups, ni: f.Ni, nr: f.Nr, in: f.In, child: t.pair(f.Child),
		ids: t.session.proposedTraffic(), iv: f.IV, sent: f.Sent, Retransmission: engine.Resumed(t.now),
	}
	answered := f.Initiator && f.Awaits == 0 || !f.Initiator && f.Awaits == 3
	_, over := sa.over[f.ID]
	switch {
	case f.ID == 0 || over || sa.exchanges[f.ID] != nil:
		return nil, errors.New("an id that is zero or comes twice")
	case !answered && (!f.Initiator || f.Awaits != 2):
		return nil, fmt.Errorf("message %d is awaited", f.Awaits)
	case answered != (f.Child != 0) || answered && len(f.Nr) == 0:
		return nil, errors.New("a pair or a nonce too many or too few")
	case len(f.Ni) == 0 || len(f.Ni) > nonceLengthMax || len(f.Nr) > nonceLengthMax || len(f.IV) != keys.IVLength:
		return nil, fmt.Errorf("nonces of %d and %d octets and an IV of %d", len(f.Ni), len(f.Nr), len(f.IV))
	case len(f.Sent) < wire.HeaderLength || len(f.Sent) > messageOctetsMax || len(f.Received) != sha256.Size || f.EndAt.IsZero():
		return nil, fmt.Errorf("a message of %d octets, or no end", len(f.Sent))
	case len(f.Groups) > groupsMax:
		return nil, fmt.Errorf("%d groups", len(f.Groups))
	}
	for _, g := range f.Groups {
		if err := keys.ValidateESP(ike.ESPProposal{Encryption: ike.AES128GCM16, Group: g}); err != nil {
			return nil, err
		}
	}
	copy(q.received[:], f.Received)
	if answered {
		return q, nil
	}
	// The answer has as long to come as if the question were new.
	q.endAt = engine.Latest(q.endAt, t.now.Add(quickTimeout))
	t.reserved = append(t.reserved, f.In)
	if len(f.Groups) == 0 || (f.Groups[0] != ike.GroupNone) != (len(f.Private) > 0) {
		return nil, errors.New("a private value without a group, or a group without one")
	}
	if f.Groups[0] != ike.GroupNone {
		var err error
		if q.dh, err = keys.RestoreDH(f.Groups[0], f.Private); err != nil {
			return nil, err
		}
	}
	return q, nil
}

// pair is that with an inbound SPI; one that has gone is deleted. None is nil.
func (t *thawing) pair(in ike.SPI) *child {
	switch c := t.pairs[in]; {
	case in == 0:
		return nil
	case c == nil:
		return &child{in: in, state: childDeleted}
	default:
		return c
	}
}
