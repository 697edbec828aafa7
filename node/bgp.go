package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"causeway.dev/bgp/rib"
	"causeway.dev/bgp/speaker"
	"causeway.dev/ipsec"
	"causeway.dev/netfabric"
	"causeway.dev/nodespec"
	"causeway.dev/tunnel"
)

// bgpPause is the time between two looks at the tunnels because of what BGP sessions
// tell: a peer that tells a hundred routes, or takes them back and tells them again,
// makes one report of it.
const bgpPause = 100 * time.Millisecond

// A bgpHost keeps BGP sessions: a speaker.Host.
type bgpHost interface {
	Set(peers []speaker.Peer) error
	Status() []speaker.Status
	Close(ctx context.Context, restarting bool)
}

// Sessions are the BGP sessions of tunnels. The path of a session is its tunnel's IPsec:
// while that stands the session is kept, and when it ends the session does, too. It is
// safe for concurrent use.
type sessions struct {
	host    bgpHost
	changed chan struct{} // some session says something else

	peers memo[bgpSource, bgpPeer] // owned by the goroutine that applies

	telling sync.Mutex       // one Set of host at a time; it may wait for goodbyes to leave
	wanted  []speaker.Peer   // by id, without Path and Adopted; guarded by telling
	paths   map[string]epoch // where IPsec stands; guarded by telling

	mu      sync.Mutex      // never held while host is told
	dynamic map[string]bool // tunnels of the Desired that is applied, or was last, with BGP; guarded by mu
	adopted map[string]bool // tunnels of a process before that have not left since; guarded by mu
}

// An epoch of a path is since when it has stood.
type epoch = time.Time

func newSessions() *sessions {
	return &sessions{changed: make(chan struct{}, 1), paths: map[string]epoch{}, adopted: map[string]bool{}}
}

// adopt says before everything else which tunnels a process before has handed over.
// What was learned over them holds until their peers have told it again.
func (s *sessions) adopt(tunnels []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range tunnels {
		s.adopted[id] = true
	}
}

// A bgpSource is what a peer follows from, in the words of nodespec.
type bgpSource struct {
	network string
	inside  netip.Prefix
	bgp     *nodespec.BGP
}

// A bgpPeer is a peer, or why there is none.
type bgpPeer struct {
	peer speaker.Peer
	err  error
}

// begin says which tunnels are to have sessions, and ends the sessions of all others:
// these tunnels are about to end, and their peers get a Cease while it still can be
// carried. It returns the peers for set.
func (s *sessions) begin(prefix string, tunnels []nodespec.Tunnel) (peers []speaker.Peer, err error) {
	s.peers.turn()
	var errs []error
	dynamic := map[string]bool{}
	for _, t := range tunnels {
		if t.BGP == nil {
			continue
		}
		dynamic[t.ID] = true
		made := s.peers.get(t.ID, bgpSource{t.Network, t.Inside, t.BGP}, func(from bgpSource) bgpPeer {
			return translatePeer(prefix, t.ID, from)
		})
		if made.err != nil {
			errs = append(errs, made.err)
			continue
		}
		peers = append(peers, made.peer)
	}
	slices.SortFunc(peers, func(a, b speaker.Peer) int { return cmp.Compare(a.ID, b.ID) })
	s.mu.Lock()
	s.dynamic = dynamic
	s.mu.Unlock()

	s.telling.Lock()
	defer s.telling.Unlock()
	left := slices.DeleteFunc(slices.Clone(s.wanted), func(was speaker.Peer) bool {
		at, ok := slices.BinarySearchFunc(peers, was.ID, func(p speaker.Peer, id string) int { return cmp.Compare(p.ID, id) })
		return !ok || !sameWay(was, peers[at])
	})
	if len(left) < len(s.wanted) {
		s.mu.Lock()
		maps.DeleteFunc(s.adopted, func(id string, _ bool) bool { // of one that comes back the device is another one
			named := func(p speaker.Peer) bool { return p.ID == id }
			return slices.ContainsFunc(s.wanted, named) && !slices.ContainsFunc(left, named)
		})
		s.mu.Unlock()
		s.wanted = left
		errs = append(errs, s.tell())
	}
	return peers, errors.Join(errs...)
}

// sameWay reports whether two peers are in the same place: its device does not end.
func sameWay(a, b speaker.Peer) bool {
	return a.Namespace == b.Namespace && a.Device == b.Device && a.Local == b.Local && a.Remote == b.Remote
}

// set makes the sessions these. It comes when the networks are as they are to be: what
// peers are told, the gateways carry already.
func (s *sessions) set(peers []speaker.Peer, standing map[string]epoch) error {
	s.telling.Lock()
	defer s.telling.Unlock()
	s.wanted = peers
	s.move(standing)
	return s.tell()
}

// follow lets the sessions follow their paths. It does not wait: where the host is being
// told something just now it does nothing and returns false.
func (s *sessions) follow(standing map[string]epoch) (done bool, err error) {
	if !s.telling.TryLock() {
		return false, nil
	}
	defer s.telling.Unlock()
	if s.move(standing) {
		err = s.tell()
	}
	return true, err
}

// move brings the paths up to date and reports whether the host is to be told.
func (s *sessions) move(standing map[string]epoch) (moved bool) {
	paths := make(map[string]epoch, len(s.paths))
	for _, p := range s.wanted {
		if since, stands := standing[p.ID]; stands {
			paths[p.ID] = since
		}
	}
	moved = !maps.Equal(paths, s.paths)
	s.paths = paths
	return moved
}

// tell makes the host's peers those that are wanted.
func (s *sessions) tell() error {
	s.mu.Lock()
	peers := slices.Clone(s.wanted)
	for i := range peers {
		peers[i].Path = s.paths[peers[i].ID]
		peers[i].Adopted = s.adopted[peers[i].ID]
	}
	s.mu.Unlock()
	return s.host.Set(peers)
}

// peer is that of a tunnel.
func (s *sessions) peer(tunnel string) (speaker.Peer, bool) {
	s.telling.Lock()
	defer s.telling.Unlock()
	at, ok := slices.BinarySearchFunc(s.wanted, tunnel, func(p speaker.Peer, id string) int { return cmp.Compare(p.ID, id) })
	if !ok {
		return speaker.Peer{}, false
	}
	return s.wanted[at], true
}

// over lays the states of sessions over those of their tunnels: a tunnel with BGP is up
// while both stand, or while what was learned is kept, and its message names the layer
// that fails. It returns the sessions by tunnel.
func (s *sessions) over(tunnels []ipsec.Status) map[string]speaker.Status {
	s.mu.Lock()
	dynamic, adopted := s.dynamic, maps.Clone(s.adopted)
	s.mu.Unlock()
	if len(dynamic) == 0 {
		return nil
	}
	states := make(map[string]speaker.Status, len(dynamic))
	for _, state := range s.host.Status() {
		states[state.ID] = state
	}
	for i := range tunnels {
		t := &tunnels[i]
		id := string(t.ID)
		if !dynamic[id] {
			continue
		}
		state, ok := states[id]
		if !ok { // the tunnel has begun, or was adopted, a moment ago
			state = speaker.Status{ID: id, Message: "its session is about to begin", Pending: adopted[id]}
			states[id] = state
		}
		t.Up, t.Since, t.Message = state.Over(t.Up, t.Since, t.Message)
	}
	return states
}

// standing is since when the IPsec of each tunnel that is up stands.
func standing(tunnels []ipsec.Status) map[string]epoch {
	paths := map[string]epoch{}
	for _, t := range tunnels {
		if t.Up {
			paths[string(t.ID)] = t.Since
		}
	}
	return paths
}

// translatePeer says with whom a tunnel's session is.
func translatePeer(prefix, id string, from bgpSource) bgpPeer {
	remote := tunnel.PeerInside(from.inside)
	if !remote.Is4() {
		return bgpPeer{err: fmt.Errorf("tunnel %s: there is no BGP without an inside range of IPv4, and it is %v", id, from.inside)}
	}
	p := speaker.Peer{
		ID: id, Namespace: netfabric.NamespaceName(prefix, from.network), Device: netfabric.TUNName(id), Local: from.inside.Addr(), Remote: remote,
		ASN: from.bgp.ASN, PeerASN: from.bgp.PeerASN, HoldTime: from.bgp.HoldTime, MaxPrefixes: from.bgp.MaxPrefixes, Log: from.bgp.Log,
	}
	for _, a := range from.bgp.Advertised {
		p.Advertised = append(p.Advertised, rib.Route{Destination: a.Destination, Path: a.Path, MED: a.MED, HasMED: true})
	}
	return bgpPeer{peer: p}
}

// bgpPeerOf is who may speak BGP with the inside address of a tunnel; zero: nobody.
func bgpPeerOf(t nodespec.Tunnel) netip.Addr {
	if t.BGP == nil {
		return netip.Addr{}
	}
	return tunnel.PeerInside(t.Inside)
}

// A learned is what was made of a peer's routes. They are shared and never changed, so
// that who compares two reports finds the same slice where nothing is new.
type learned struct {
	from []rib.Route
	made []nodespec.Learned
}

// learnedRoutes keeps them by tunnel. It belongs to one goroutine.
type learnedRoutes struct{ before, now map[string]learned }

// turn begins a report: what is not asked for in it is forgotten.
func (l *learnedRoutes) turn() {
	l.before, l.now = l.now, make(map[string]learned, len(l.now))
}

func (l *learnedRoutes) of(id string, routes []rib.Route) []nodespec.Learned {
	if len(routes) == 0 {
		return nil
	}
	known := l.before[id]
	if len(known.from) != len(routes) || &known.from[0] != &routes[0] {
		known = learned{routes, make([]nodespec.Learned, len(routes))}
		for i, r := range routes {
			known.made[i] = nodespec.Learned{Destination: r.Destination, Path: r.Path, Origin: nodespec.BGPOrigin(r.Origin), MED: r.MED}
		}
	}
	l.now[id] = known
	return known.made
}

// bgpStatus says a session's state in the words of nodespec.
func (l *learnedRoutes) bgpStatus(s speaker.Status) *nodespec.BGPStatus {
	return &nodespec.BGPStatus{Established: s.Established, Since: s.Since, Message: s.Message, Pending: s.Pending, Routes: l.of(s.ID, s.Routes)}
}

// Sessions are all BGP sessions as they are now, by their tunnels.
func (n *Node) Sessions() []speaker.Status { return n.bgp.host.Status() }

// Session is that of a tunnel as it is to be and as it is; false where it has none.
func (n *Node) Session(tunnel string) (speaker.Peer, speaker.Status, bool) {
	p, ok := n.bgp.peer(tunnel)
	if !ok {
		return p, speaker.Status{}, false
	}
	states := n.Sessions()
	at, ok := slices.BinarySearchFunc(states, tunnel, func(s speaker.Status, id string) int { return cmp.Compare(s.ID, id) })
	if !ok {
		return p, speaker.Status{}, false
	}
	return p, states[at], true
}

var routeChanges = map[rib.Change]nodespec.RouteChange{
	rib.Advertised: nodespec.RouteAdvertised, rib.Updated: nodespec.RouteUpdated, rib.Withdrawn: nodespec.RouteWithdrawn,
}

// tellBGP hands an entry of the log of a tunnel's session on.
func (n *Node) tellBGP(e speaker.Event) {
	if n.cfg.Log == nil {
		return
	}
	entry := nodespec.TunnelLogEntry{Tunnel: e.Peer, At: e.At, Details: e.Details, BGP: &nodespec.BGPLogEntry{Established: e.Established}}
	if t := e.Told; t != nil {
		route := &nodespec.LoggedBGPRoute{Change: routeChanges[t.What], Destination: t.Route.Destination, Path: speaker.PathText(t.Route.Path), NextHop: t.NextHop}
		if t.Route.HasMED {
			route.MED = &t.Route.MED
		}
		entry.Details, entry.BGP.Route = t.Refused, route
	}
	n.cfg.Log(entry)
}
