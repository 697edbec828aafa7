package rib

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"causeway.dev/bgp/wire"
)

// InConfig is what a peer's routes are judged by.
type InConfig struct {
	ASN, PeerASN uint32     // ours and the peer's
	Local        netip.Addr // our address: no next hop
	Max          int        // destinations that the peer can tell; 100 where zero

	// Told is called, where it is set, with what the peer says of each destination, unless
	// that is what it has said before.
	Told func(Told)
}

// Told is what a peer says of a destination.
type Told struct {
	What    Change
	Route   Route      // of Withdrawn only its destination
	NextHop netip.Addr // zero of Withdrawn
	Refused string     // why the route is not taken; empty: it is
}

// Change is what becomes of a route.
type Change uint8

// Changes.
const (
	Advertised Change = iota // there was none, or one that is stale
	Updated
	Withdrawn // by a word of the peer, or since it was stale and has not been told again
)

func (c InConfig) tell(t Told) {
	if c.Told != nil {
		c.Told(t)
	}
}

const (
	maxDefault = 100

	// pathMax bounds the ASNs in a path that is taken: what the peer tells is kept, and told
	// on to others.
	pathMax = 64
)

// In is what a peer has told and not taken back. Destinations whose routes are refused are
// kept, too, so that their number is bounded with the others; of their routes nothing is.
// Memory is bounded by twice Max destinations, the stale ones and their successors.
type In struct {
	config  InConfig
	told    map[netip.Prefix]entry
	fresh   int     // entries that are not stale
	refused int     // entries that are refused
	last    string  // why a route was refused last
	routes  []Route // of told, sorted; valid unless dirty
	dirty   bool
}

// An entry is one destination's.
type entry struct {
	route   Route
	refused bool
	stale   bool
}

// NewIn returns a table of nothing.
func NewIn(c InConfig) *In {
	if c.Max == 0 {
		c.Max = maxDefault
	}
	return &In{config: c, told: map[netip.Prefix]entry{}}
}

// ErrTooMany is that the peer tells more destinations than it may.
var ErrTooMany = errors.New("the peer tells too many routes")

// Update takes in what the peer says, and reports whether Routes has changed. After an
// error, which is ErrTooMany, the session has to end; what was told until then is there
// until Clear.
func (r *In) Update(u wire.Update) (changed bool, err error) {
	if u.Malformed != "" {
		r.last = u.Malformed
	}
	for _, p := range u.Withdrawn {
		if _, had := r.told[p]; had || u.Malformed != "" {
			r.config.tell(Told{What: Withdrawn, Route: Route{Destination: p}, Refused: u.Malformed})
		}
		changed = r.remove(p) || changed
	}
	if len(u.Announced) == 0 {
		return changed, nil
	}
	attributes := Route{Path: u.Path, Origin: uint8(u.Origin), MED: u.MED, HasMED: u.HasMED}
	if slices.Contains(u.Path, r.config.ASN) || slices.Contains(u.Sets, r.config.ASN) {
		// RFC 4271 section 9.1.2. Routers tell us our own routes back, as FRR does: that is no
		// fault of theirs, it takes none of their places, and it is not kept.
		for _, p := range u.Announced {
			old, had := r.told[p]
			r.config.tell(Told{change(had && !old.stale), attributes.to(p), u.NextHop, "as-path contains our own AS"})
			changed = r.remove(p) || changed
		}
		return changed, nil
	}
	fault := r.config.judge(u.Attributes)
	var refused netip.Prefix
	var reason string
	for _, p := range u.Announced {
		e, why := entry{}, fault
		if why == "" {
			why = special(p)
		}
		if e.refused = why != ""; e.refused {
			refused, reason = p, why
		} else {
			e.route = attributes
		}
		e.route.Destination = p
		old, had := r.told[p]
		c, ok := r.put(p, e)
		changed = changed || c
		if !ok {
			return changed, ErrTooMany
		}
		if had = had && !old.stale; !had || c {
			r.config.tell(Told{change(had), attributes.to(p), u.NextHop, why})
		}
	}
	if reason != "" {
		r.last = fmt.Sprintf("%v is not taken: %s", refused, reason)
	}
	return changed, nil
}

// change is what a route becomes that is told where there was one, or none.
func change(had bool) Change {
	if had {
		return Updated
	}
	return Advertised
}

// put sets an entry; ok is whether there was room.
func (r *In) put(p netip.Prefix, e entry) (changed, ok bool) {
	old, had := r.told[p]
	if !had || old.stale {
		if r.fresh >= r.config.Max {
			return false, false
		}
		r.fresh++
	}
	r.refused += count(e.refused) - count(had && old.refused)
	r.told[p] = e
	shown := had && !old.refused
	if shown == !e.refused && (!shown || old.route.Equal(e.route)) {
		return false, true
	}
	r.dirty = true
	return true, true
}

func (r *In) remove(p netip.Prefix) (changed bool) {
	old, had := r.told[p]
	if !had {
		return false
	}
	delete(r.told, p)
	r.fresh -= count(!old.stale)
	r.refused -= count(old.refused)
	r.dirty = r.dirty || !old.refused
	return !old.refused
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

// judge is why routes with the attributes are refused, or empty.
func (c InConfig) judge(a wire.Attributes) string {
	switch next := a.NextHop; {
	case len(a.Path) == 0 || a.Path[0] != c.PeerASN: // RFC 4271 section 6.3
		return fmt.Sprintf("its path does not begin with the peer's AS %d", c.PeerASN)
	case len(a.Path) > pathMax:
		return fmt.Sprintf("its path has %d ASNs, at most %d are taken", len(a.Path), pathMax)
	case next == c.Local: // RFC 4271 section 6.3
		return fmt.Sprintf("its next hop %v is our own address", next)
	case !next.Is4() || next.IsUnspecified() || next.IsLoopback() || reserved.Contains(next):
		return fmt.Sprintf("its next hop %v is no host's address", next)
	}
	return ""
}

var (
	everything = netip.MustParsePrefix("0.0.0.0/0")
	thisNet    = netip.MustParsePrefix("0.0.0.0/8")
	loopback   = netip.MustParsePrefix("127.0.0.0/8")
	linkLocal  = netip.MustParsePrefix("169.254.0.0/16")
	reserved   = netip.MustParsePrefix("224.0.0.0/3") // multicast and class E
)

// special is why a destination is refused, or empty. Larger ones that only hold such
// addresses among others are fine: they are how default routes are split.
func special(p netip.Prefix) string {
	for _, s := range [...]struct {
		prefix netip.Prefix
		what   string
	}{{thisNet, "this network"}, {loopback, "loopback"}, {linkLocal, "link-local addresses"}, {reserved, "multicast and reserved addresses"}} {
		if p != everything && p.Bits() >= s.prefix.Bits() && s.prefix.Contains(p.Addr()) {
			return "no route leads to " + s.what
		}
	}
	return ""
}

// Stale marks all as what a peer has told that is gone for a while, RFC 4724 section 4.2:
// it is kept until it is told anew, or Sweep. What was marked before goes, and whether
// something did is reported.
func (r *In) Stale() (changed bool) {
	changed = r.Sweep()
	for p, e := range r.told {
		e.stale = true
		r.told[p] = e
	}
	r.fresh = 0
	return changed
}

// Sweep drops what is stale, and reports whether Routes has changed.
func (r *In) Sweep() (changed bool) {
	if r.fresh == len(r.told) {
		return false
	}
	for _, p := range slices.SortedFunc(maps.Keys(r.told), comparePrefixes) {
		if r.told[p].stale {
			r.config.tell(Told{What: Withdrawn, Route: Route{Destination: p}})
			changed = r.remove(p) || changed
		}
	}
	return changed
}

// Clear drops all, and reports whether Routes has changed.
func (r *In) Clear() (changed bool) {
	changed = len(r.told) > r.refused
	*r = In{config: r.config, told: map[netip.Prefix]entry{}}
	return changed
}

// Routes are those that are taken, sorted by destination. They are shared, and never
// changed afterwards.
func (r *In) Routes() []Route {
	if r.dirty {
		r.dirty, r.routes = false, make([]Route, 0, len(r.told)-r.refused)
		for _, e := range r.told {
			if !e.refused {
				r.routes = append(r.routes, e.route)
			}
		}
		slices.SortFunc(r.routes, compare)
	}
	return r.routes
}

// Len is how many destinations the peer has told, refused ones among them: what Max bounds.
func (r *In) Len() int { return r.fresh }

// Refused is how many of them are refused, and why one was refused last, or what was wrong
// with a message, since Clear; empty if nothing was.
func (r *In) Refused() (count int, last string) { return r.refused, r.last }
