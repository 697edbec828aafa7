package ipsec

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"causeway.dev/ike"
	"causeway.dev/internal/run"
	"causeway.dev/keeper"
	"causeway.dev/packetio"
	"causeway.dev/tunnel"
)

// A host that ends hands its tunnels to a keeper, and the host that comes after it
// claims them there: see package keeper. What it knows of a tunnel that the keeper
// need not understand goes along as a document.

// freezingMax bounds how long IKE exchanges that are under way are waited for.
const freezingMax = time.Second

// negotiated is what a host knows of a tunnel that stands.
type negotiated struct {
	Place         string
	Inside        netip.Prefix
	MTU           int
	Local, Remote netip.Addr
	Replacements  int64

	IKE []ike.Kept // without farewells

	// What a tracker and a journal have to have seen.
	PathMTU     PathMTU
	Since       time.Time
	Established *ike.Established // but for RemoteID; nil: no IKE SA stands
	RemoteID    identity
	Pairs       []installed // in their order
	Active      ike.SPI     // inbound; 0: none
}

type installed struct {
	Inbound, Outbound ike.SPI
	Proposal          ike.ESPProposal
}

// An identity is an ike.Identity, whose bytes need not be text.
type identity struct {
	Type ike.IDType
	Data []byte
}

func identityOf(i ike.Identity) identity { return identity{i.Type, []byte(i.Data)} }

func (i identity) identity() ike.Identity { return ike.Identity{Type: i.Type, Data: string(i.Data)} }

// Kept returns the tunnels that a keeper carries until the first Set that has
// tunnels.
func (h *Host) Kept() []ike.PeerID {
	if h.cfg.Keeper == "" {
		return nil
	}
	all, err := keeper.Peek(h.cfg.Keeper, h.log)
	if errors.Is(err, keeper.ErrNone) {
		return nil
	}
	if err != nil {
		h.log.Warn("look for tunnels that are kept", "err", err)
	}
	var up []ike.PeerID
	for _, t := range all {
		if t.Up {
			up = append(up, t.ID)
		}
	}
	return up
}

// HandOver gives the tunnels that stand to a keeper, which carries their packets
// until another host claims them, for wait at most. Where none is up, or it does
// not work, all tunnels end as by Close.
func (h *Host) HandOver(ctx context.Context, wait time.Duration) error {
	h.setting.Lock()
	defer h.setting.Unlock()
	if !h.anyUp() || h.cfg.Keeper == "" || wait <= 0 {
		return h.close(ctx)
	}
	started, err := keeper.Start() // first: it takes longer than all the rest
	if err != nil {
		h.log.Error("tunnels are not handed over", "err", err)
		return h.close(ctx)
	}
	freezing, cancel := context.WithTimeout(ctx, freezingMax)
	defer cancel()
	kept, err := h.daemon.HandOver(freezing)
	if err != nil {
		h.log.Warn("hand IKE over", "err", err)
	}
	h.stopCarrying()
	state := h.freeze(kept)
	if err := started.Keep(state, h.cfg.Keeper, wait); err != nil {
		h.log.Error("tunnels are not handed over: their peers are told that they end", "err", err)
		h.bid(state.Tunnels)
		state.Wipe()
	} else {
		h.log.Info("tunnels are handed over", "tunnels", len(state.Tunnels))
	}
	return h.free()
}

func (h *Host) anyUp() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, l := range h.tunnels {
		if l.tracker.up {
			return true
		}
	}
	return false
}

// stopCarrying leaves packets in the kernel's queues.
func (h *Host) stopCarrying() {
	h.mu.Lock()
	var groups []*run.Group
	for _, l := range h.tunnels {
		groups = append(groups, l.group)
	}
	for _, l := range h.endpoints {
		groups = append(groups, l.group)
	}
	h.mu.Unlock()
	for _, g := range groups {
		g.Stop(nil)
	}
	for _, g := range groups {
		if err := g.Wait(); err != nil {
			h.log.Debug("end of what was carried", "err", err)
		}
	}
}

// freeze returns all that stands.
func (h *Host) freeze(kept []ike.Kept) *keeper.State {
	h.mu.Lock()
	defer h.mu.Unlock()
	byPeer := map[ike.PeerID][]ike.Kept{}
	for _, k := range kept {
		byPeer[k.Peer] = append(byPeer[k.Peer], k)
	}
	state := new(keeper.State)
	used := map[netip.Addr]bool{}
	for id, kept := range byPeer {
		l := h.tunnels[id]
		if l == nil || l.tracker.broken != nil {
			continue
		}
		t, err := l.freeze(kept)
		if err != nil {
			h.log.Error("tunnel is not handed over", "tunnel", string(id), "err", err)
			continue
		}
		used[t.Local] = true
		state.Tunnels = append(state.Tunnels, t)
	}
	for local, l := range h.endpoints {
		if used[local] {
			s := l.endpoint.Sockets()
			state.Endpoints = append(state.Endpoints, keeper.Endpoint{Local: local, IKE: socketOf(s.IKE), NATT: socketOf(s.NATT), ESP: socketOf(s.ESP)})
		}
	}
	return state
}

func socketOf(s packetio.Socket) keeper.Socket {
	kept := keeper.Socket{Descriptor: s.Descriptor()}
	if k, ok := s.(interface{ Offloads() packetio.Offloads }); ok {
		kept.Offloads = k.Offloads()
	}
	return kept
}

func (l *life) freeze(kept []ike.Kept) (keeper.Tunnel, error) {
	t := keeper.Tunnel{
		ID: l.config.Peer.ID, Up: l.tracker.up, Local: l.config.Peer.Local,
		Device: l.device.Descriptor(), MTU: l.config.MTU, Inside: l.config.Inside,
	}
	if d, ok := l.device.(*packetio.TUN); ok {
		t.DeviceName, t.Offloads = d.Name(), d.Offloads()
	}
	doc := negotiated{
		Place: l.config.Place, Inside: l.config.Inside, MTU: l.config.MTU, Replacements: l.config.Replacements,
		Local: l.config.Peer.Local, Remote: l.config.Peer.Remote,
		PathMTU: l.pathMTU, Since: l.tracker.since, Active: l.tracker.active,
	}
	for _, k := range kept {
		t.Farewell = append(t.Farewell, k.Farewell...)
		k.Farewell = nil
		doc.IKE = append(doc.IKE, k)
	}
	if r := l.tracker; r.established {
		doc.RemoteID = identityOf(r.proved.identity)
		doc.Established = &ike.Established{Version: r.version, Path: r.path, Proposal: r.proposal, RemoteChain: r.proved.chain, FormerKey: r.formerKey}
	}
	for _, p := range l.tracker.pairs {
		doc.Pairs = append(doc.Pairs, installed{p.inbound, p.outbound, p.proposal})
	}
	var err error
	if t.Negotiated, err = json.Marshal(doc); err != nil {
		return t, err
	}
	for _, k := range doc.IKE {
		k.Wipe()
	}
	t.SAs, err = l.tunnel.Freeze()
	return t, err
}

// claim goes on with the tunnels that a keeper has carried, as far as they are
// wanted as they are. The peers of others are told that they end; so do all if it
// does not work.
func (h *Host) claim(wanted map[ike.PeerID]Tunnel) {
	if h.claimed || h.cfg.Keeper == "" || len(wanted) == 0 {
		return
	}
	h.claimed = true
	claim, err := keeper.Claimed(h.cfg.Keeper)
	if errors.Is(err, keeper.ErrNone) {
		return
	}
	if err == nil {
		err = h.takeOver(claim, wanted)
		claim.Close()
	}
	if err != nil {
		h.log.Error("tunnels that were kept begin anew", "err", err)
		if err := keeper.End(h.cfg.Keeper); err != nil {
			h.log.Error("tunnels that were kept", "err", err)
		}
	}
}

// A resumption is a tunnel on its way from a keeper.
type resumption struct {
	kept     keeper.Tunnel
	endpoint *tunnel.Endpoint // nil: it can't be used
	lane     *tunnel.Lane
	device   *packetio.TUN

	doc  negotiated
	life *life // nil: the tunnel does not go on
}

// takeOver prepares everything before the keeper is told to carry no more, and
// what it does after that can fail for single tunnels only.
func (h *Host) takeOver(claim *keeper.Claim, wanted map[ike.PeerID]Tunnel) error {
	endpoints := map[netip.Addr]*listening{}
	for i, e := range claim.State.Endpoints {
		// Lanes have nothing to do yet that would tell which has least.
		if l := h.adoptEndpoint(e, h.lanes[i%len(h.lanes)]); l != nil {
			endpoints[e.Local] = l
		}
	}
	var all []*resumption
	for i, kept := range claim.State.Tunnels {
		r := &resumption{kept: kept, lane: h.lanes[i%len(h.lanes)], device: packetio.AdoptTUN(kept.Device, kept.DeviceName, kept.Offloads)}
		all = append(all, r)
		err := errors.New("its endpoint can't be adopted")
		if l := endpoints[kept.Local]; l != nil {
			r.endpoint = l.endpoint
			if l.users == 0 {
				r.lane = l.lane // both directions in one
			}
			if err = h.prepare(r, wanted); err == nil {
				l.users++
			}
		}
		if err != nil {
			h.log.Warn("tunnel that was kept does not go on", "tunnel", string(kept.ID), "reason", err)
		}
	}
	err := claim.Take()
	if err == nil {
		h.goOn(all, endpoints)
	}
	if slices.ContainsFunc(all, func(r *resumption) bool { return r.life == nil }) {
		claim.AwaitEnd() // or else what begins anew finds its addresses in use
	}
	for _, r := range all {
		for i := range r.doc.IKE {
			r.doc.IKE[i].Wipe()
		}
		if r.life != nil && err == nil {
			continue
		}
		if r.life != nil {
			r.life.tunnel.Close()
		}
		if closeErr := r.device.Close(); closeErr != nil {
			h.log.Debug("device closed", "tunnel", string(r.kept.ID), "err", closeErr)
		}
	}
	for local, l := range endpoints {
		if l.users > 0 && err == nil {
			continue
		}
		if closeErr := l.endpoint.Close(); closeErr != nil {
			h.log.Debug("endpoint closed", "local", local, "err", closeErr)
		}
	}
	return err
}

// adoptEndpoint returns nil where Listen is to open other sockets.
func (h *Host) adoptEndpoint(e keeper.Endpoint, lane *tunnel.Lane) *listening {
	sockets, err := e.Adopt()
	if err == nil {
		l := h.newListening(tunnel.NewEndpoint(h.endpointConfig(e.Local, lane), sockets), lane)
		if h.cfg.AdoptSocket == nil {
			return l
		}
		err = errors.Join(h.cfg.AdoptSocket(sockets.IKE), h.cfg.AdoptSocket(sockets.NATT), h.cfg.AdoptSocket(sockets.ESP))
		if err == nil {
			return l
		}
		err = errors.Join(err, l.endpoint.Close())
	}
	h.log.Warn("sockets that were kept can't be used", "local", e.Local, "err", err)
	return nil
}

// prepare makes the tunnel of a resumption, or says why it does not go on.
func (h *Host) prepare(r *resumption, wanted map[ike.PeerID]Tunnel) error {
	if err := json.Unmarshal(r.kept.Negotiated, &r.doc); err != nil {
		return fmt.Errorf("read what was negotiated: %w", err)
	}
	was := Tunnel{Place: r.doc.Place, Inside: r.doc.Inside, MTU: r.doc.MTU, Replacements: r.doc.Replacements}
	was.Peer.Local, was.Peer.Remote = r.doc.Local, r.doc.Remote
	t, ok := wanted[r.kept.ID]
	switch {
	case !ok:
		return errors.New("it has been removed")
	case !sameDevice(was, t):
		return errors.New("its addresses or its device have changed")
	}
	if h.cfg.AdoptDevice != nil {
		if err := h.cfg.AdoptDevice(t, r.device); err != nil {
			return err
		}
	}
	was.Peer = t.Peer
	for i := range r.kept.SAs.Pairs {
		p := &r.kept.SAs.Pairs[i]
		p.Inbound.StandardAES, p.Outbound.StandardAES = h.cfg.StandardAES, h.cfg.StandardAES
	}
	life, err := h.newLife(was, r.device, r.endpoint, r.lane)
	if err != nil {
		return err
	}
	if err := life.tunnel.Thaw(r.kept.SAs); err != nil {
		life.tunnel.Close()
		return err
	}
	life.remember(r.doc)
	r.life = life
	return nil
}

// remember shows a tracker and a journal what has become of the tunnel before.
func (l *life) remember(doc negotiated) {
	observe := func(e ike.Event) {
		l.tracker.observe(doc.Since, e)
		l.journal.observe(doc.Since, l.config.Peer.ID, e)
	}
	path := ike.Path{}
	if doc.Established != nil {
		doc.Established.RemoteID = doc.RemoteID.identity()
		path = doc.Established.Path
		observe(*doc.Established)
	}
	for _, p := range doc.Pairs {
		observe(ike.ChildInstalled{Child: ike.ChildSA{Inbound: p.Inbound, Outbound: p.Outbound, Proposal: p.Proposal, Path: path}})
		if p.Inbound == doc.Active {
			observe(ike.ChildActivated{Outbound: p.Outbound})
		}
	}
	l.tracker.since = doc.Since
	l.pathMTU, l.isMeasured = doc.PathMTU, true
}

// goOn carries the packets, and speaks with the peers, of what has been taken over.
func (h *Host) goOn(all []*resumption, endpoints map[netip.Addr]*listening) {
	h.mu.Lock()
	for local, l := range endpoints {
		if l.users > 0 {
			h.endpoints[local] = l
		}
	}
	for _, r := range all {
		if r.life != nil {
			h.add(r.life)
		}
	}
	h.mu.Unlock()
	resumed := 0
	for _, r := range all {
		if r.life == nil {
			h.farewell(r.endpoint, r.kept)
			continue
		}
		err := h.daemon.SetPeer(r.life.config.Peer)
		if err == nil {
			err = h.daemon.Resume(r.doc.IKE)
		}
		if err == nil {
			resumed++
			continue
		}
		h.log.Error("tunnel that was kept does not go on", "tunnel", string(r.kept.ID), "reason", err)
		h.farewell(r.endpoint, r.kept)
		_ = h.daemon.RemovePeer(r.kept.ID) // there is nothing to be told of
		h.end(r.kept.ID)
	}
	// IKE knows the SAs now that datagrams may come.
	for local, l := range endpoints {
		if h.listens(local) == l {
			h.receive(local, l)
		}
	}
	for _, r := range all {
		if r.life != nil {
			h.carry(r.life)
			h.tellMissed(r)
		}
	}
	h.log.Info("tunnels go on that were kept", "tunnels", resumed, "of", len(all))
	h.wake()
}

func (h *Host) listens(local netip.Addr) *listening {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.endpoints[local]
}

// tellMissed tells IKE what the hot path may have seen while IKE was away.
func (h *Host) tellMissed(r *resumption) {
	for i, p := range r.kept.SAs.Pairs {
		if p.Used && p.Inbound.SPI != r.doc.Active {
			h.command(r.kept.ID, ike.InboundUsed{Inbound: p.Inbound.SPI})
		}
		if i == r.kept.SAs.Active && p.SequenceLow() {
			h.command(r.kept.ID, ike.RekeyChild{})
		}
	}
}

// bid tells the peers of tunnels that are not handed over after all.
func (h *Host) bid(tunnels []keeper.Tunnel) {
	for _, t := range tunnels {
		if l := h.listens(t.Local); l != nil {
			h.farewell(l.endpoint, t)
		}
	}
}

// farewell tells a peer that its SAs are deleted, by messages that were sealed for
// that.
func (h *Host) farewell(endpoint *tunnel.Endpoint, t keeper.Tunnel) {
	if endpoint == nil {
		return
	}
	for _, d := range slices.Clone(t.Farewell) {
		if err := endpoint.SendIKE(d.Local, d.Remote, d.Payload); err != nil {
			h.log.Warn("the peer is not told that its tunnel ends", "tunnel", string(t.ID), "err", err)
		}
	}
}
