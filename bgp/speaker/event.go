package speaker

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"causeway.dev/bgp/rib"
	"causeway.dev/bgp/session"
	"causeway.dev/bgp/wire"
)

// An Event is something that a session does, for its log.
type Event struct {
	Peer        string // its id
	At          time.Time
	Established bool

	// Details goes on after the name of our side, in AWS's words where it has some:
	// "sent an End-of-RIB message to neighbor 169.254.10.2". It is empty where Told is set.
	Details string

	Told *rib.Told // what the peer says of a destination
}

// What a log gets of a session and what of its routes is bounded each for itself: at
// once what it takes to see a session come up twice and all its routes with it, and in
// the long run one event in five seconds, so that a peer that changes its routes all the
// time, or comes and goes, costs a log some 5 MB a day, and 15 MB with the longest paths.
const (
	sessionBurst = 100
	routeBurst   = 250
	eventEvery   = 5 * time.Second

	// resumeAt is how many events there has to be room for, where there was none, before
	// one is told again: a log has some of them in a row then, and not a word on every one
	// that is missing.
	resumeAt = 20
)

// A budget bounds events.
type budget struct {
	burst   int
	used    float64
	at      time.Time
	missing uint64 // events since the last one that there was room for
}

// room reports whether there is room for an event, and how many are missing before it.
func (b *budget) room(now time.Time) (missing uint64, ok bool) {
	b.pass(now)
	if left := float64(b.burst) - b.used; left < 1 || b.missing > 0 && left < resumeAt {
		b.missing++
		return 0, false
	}
	b.used++
	missing, b.missing = b.missing, 0
	return missing, true
}

// pass has time make room.
func (b *budget) pass(now time.Time) {
	b.used = max(b.used-max(now.Sub(b.at), 0).Seconds()/eventEvery.Seconds(), 0)
	b.at = now
}

// due is when it is to be said that events are missing; zero: none are.
func (b *budget) due() time.Time {
	if b.missing == 0 {
		return time.Time{}
	}
	return b.at.Add(time.Duration((b.used - float64(b.burst-resumeAt)) * float64(eventEvery)))
}

// A journal says what the sessions of one peer do. It outlives the loops, one of which
// owns it at a time: a path that comes and goes makes no new room.
type journal struct {
	tell     func(Event) // nil: nobody listens
	id       string
	neighbor netip.Addr

	on       bool // somebody wants to know
	sessions budget
	routes   budget

	state   session.State
	reason  string          // why there is no session, as it was said last
	said    map[string]bool // since something was said on a connection
	warned  bool            // that the peer tells nearly as many routes as it may
	maximum int
}

func newJournal(tell func(Event), id string) *journal {
	return &journal{tell: tell, id: id, sessions: budget{burst: sessionBurst}, routes: budget{burst: routeBurst}}
}

// begin is for a loop.
func (j *journal) begin(p Peer, reason string) {
	j.on, j.neighbor, j.maximum = p.Log && j.tell != nil, p.Remote, p.MaxPrefixes
	j.state, j.reason, j.said, j.warned = session.Idle, reason, map[string]bool{}, false
}

// event is what a session tells of itself.
func (j *journal) event(now time.Time, e session.Event) {
	switch e := e.(type) {
	case session.Moved:
		j.moved(now, e)
	case session.Opened:
		j.opened(now, e)
	case session.Noted:
		j.noted(now, e)
	}
}

func (j *journal) moved(now time.Time, e session.Moved) {
	j.state = e.To
	details := fmt.Sprintf("BGP session state has changed from %v to %v with neighbor %v", e.From, e.To, j.neighbor)
	if max(e.From, e.To) <= session.Active {
		j.repeated(now, details)
		return
	}
	clear(j.said)
	j.session(now, details)
}

func (j *journal) opened(now time.Time, e session.Opened) {
	clear(j.said)
	what := fmt.Sprintf("received an OPEN message from neighbor %v", j.neighbor)
	if e.Sent {
		what = fmt.Sprintf("sent an OPEN message to neighbor %v", j.neighbor)
	}
	j.session(now, fmt.Sprintf("%s - version %d, AS %d, holdtime %d, router-id %v", what, wire.Version, e.ASN, e.HoldTime/time.Second, e.Identifier))
}

// wrongAS is an OPEN of another AS than the peer's.
func (j *journal) wrongAS(now time.Time, is, expected uint32) {
	j.session(now, fmt.Sprintf("detected a bad OPEN message from neighbor %v - remote AS is %d, expected %d", j.neighbor, is, expected))
}

func (j *journal) noted(now time.Time, e session.Noted) {
	before, after := "received", "from"
	if e.Sent {
		before, after = "sent a", "to"
	}
	what := "notification " + notificationName(e.Notification)
	if e.Code == wire.CodeHoldTimer {
		what = "Hold Timer Expired notification"
	}
	// That of a second connection ends nothing.
	established := j.state == session.Established && e.Notification.Code == wire.CodeCease && e.Subcode == wire.CollisionResolution
	j.say(now, &j.sessions, Event{Established: established, Details: fmt.Sprintf("%s %s %s neighbor %v", before, what, after, j.neighbor)})
}

// notificationName is AWS's: "6/1 (Cease/Maximum Number of Prefixes Reached)".
func notificationName(n wire.Notification) string {
	code, sub := n.Names()
	if n.Code == wire.CodeCease && n.Subcode == wire.PeerDeconfigured {
		sub = "Peer Unconfigured"
	}
	name := fmt.Sprintf("%d/%d", n.Code, n.Subcode)
	if code == "" {
		return name
	}
	return fmt.Sprintf("%s (%s)", name, strings.TrimSuffix(code+"/"+sub, "/"))
}

// dials is that our side begins to connect.
func (j *journal) dials(now time.Time) {
	j.repeated(now, fmt.Sprintf("is initiating a connection (via Connect) to neighbor %v", j.neighbor))
}

// because is why there is no session; empty: there is one.
func (j *journal) because(now time.Time, reason string) {
	if reason == j.reason {
		return
	}
	j.reason = reason
	if reason != "" {
		j.repeated(now, fmt.Sprintf("has no session with neighbor %v: %s", j.neighbor, reason))
	}
}

// endOfRIB is that the peer has been told all routes.
func (j *journal) endOfRIB(now time.Time) {
	j.session(now, fmt.Sprintf("sent an End-of-RIB message to neighbor %v", j.neighbor))
}

// updated is an UPDATE that tells routes. One that only takes some back has no attributes.
func (j *journal) updated(now time.Time, u wire.Update) {
	if len(u.Announced) == 0 || !j.on {
		return
	}
	j.say(now, &j.routes, Event{Established: true, Details: fmt.Sprintf("received update with attributes from neighbor %v - AS path: %s", j.neighbor, PathText(u.Path))})
}

// told is what the peer says of a destination.
func (j *journal) told(now time.Time, t rib.Told) {
	j.say(now, &j.routes, Event{Established: j.state == session.Established, Told: &t})
}

// count warns once when the peer comes near its limit, and again after it was away from it.
func (j *journal) count(now time.Time, told int) {
	near := told*10 >= j.maximum*8
	if near && !j.warned {
		j.session(now, fmt.Sprintf("is reporting a maximum prefix limit warning - received %d prefixes from neighbor %v, limit is %d", told, j.neighbor, j.maximum))
	}
	j.warned = near
}

// tooMany is that the peer is beyond its limit.
func (j *journal) tooMany(now time.Time, told int) {
	j.say(now, &j.sessions, Event{Details: fmt.Sprintf("detected the maximum prefix limit was exceeded - received %d prefixes from neighbor %v, limit is %d", told, j.neighbor, j.maximum)})
}

// repeated is what comes again and again while nobody answers: it is said once until
// something else was.
func (j *journal) repeated(now time.Time, details string) {
	if j.said[details] {
		return
	}
	if len(j.said) < sessionBurst { // reasons have words of the system in them
		j.said[details] = true
	}
	j.session(now, details)
}

func (j *journal) session(now time.Time, details string) {
	j.say(now, &j.sessions, Event{Established: j.state == session.Established, Details: details})
}

// say tells of an event if there is room.
func (j *journal) say(now time.Time, b *budget, e Event) {
	if !j.on {
		return
	}
	missing, ok := b.room(now)
	if !ok {
		return
	}
	if missing > 0 {
		j.tell(Event{Peer: j.id, At: now, Established: e.Established, Details: j.left(b, missing)})
	}
	e.Peer, e.At = j.id, now
	j.tell(e)
}

// left is that events are missing.
func (j *journal) left(b *budget, missing uint64) string {
	what := "the session changes"
	if b == &j.routes {
		what = "routes change"
	}
	return fmt.Sprintf("left out %d messages about neighbor %v before this: %s faster than is logged", missing, j.neighbor, what)
}

// due is when it is to be said that events are missing; zero: none are.
func (j *journal) due() time.Time {
	a, b := j.sessions.due(), j.routes.due()
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// advance says that events are missing when nothing has come for a while after them.
func (j *journal) advance(now time.Time) {
	for _, b := range [...]*budget{&j.sessions, &j.routes} {
		if at := b.due(); at.IsZero() || now.Before(at) {
			continue
		}
		missing := b.missing
		b.pass(now)
		b.missing = 0
		if j.on {
			j.tell(Event{Peer: j.id, At: now, Established: j.state == session.Established, Details: j.left(b, missing)})
		}
	}
}

// pathMost is how many ASNs of a path are written: more are in none that is taken, and a
// thousand have room in a message.
const pathMost = 64

// PathText writes a path as AWS does: ASNs with spaces between, the peer's first. An
// AS_SET is "{}". What is beyond 64 ASNs is "...".
func PathText(path []uint32) string {
	var texts []string
	for _, asn := range path[:min(len(path), pathMost)] {
		text := "{}"
		if asn != 0 {
			text = strconv.FormatUint(uint64(asn), 10)
		}
		texts = append(texts, text)
	}
	if len(path) > pathMost {
		texts = append(texts, "...")
	}
	return strings.Join(texts, " ")
}
