package speaker

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"causeway.dev/bgp/rib"
	"causeway.dev/bgp/session"
	"causeway.dev/bgp/wire"
)

// A notebook keeps what a journal tells.
type notebook struct {
	*journal
	t     *testing.T
	now   time.Time
	lines []string
}

func newNotebook(t *testing.T) *notebook {
	n := &notebook{t: t, now: time.Unix(1_800_000_000, 0)}
	n.journal = newJournal(func(e Event) {
		if e.Peer != "vpn-1/1" || !e.At.Equal(n.now) {
			t.Errorf("of %s at %v: %+v", e.Peer, e.At, e)
		}
		line := map[bool]string{true: "UP ", false: "DOWN "}[e.Established] + e.Details
		if e.Told != nil {
			line += fmt.Sprintf("%d %v", e.Told.What, e.Told.Route.Destination)
		}
		n.lines = append(n.lines, line)
	}, "vpn-1/1")
	n.begin(Peer{Log: true, Remote: theirs, MaxPrefixes: 100}, "connecting")
	return n
}

func (n *notebook) wrote(want ...string) {
	n.t.Helper()
	if !slices.Equal(n.lines, want) {
		n.t.Errorf("told\n%s\nwant\n%s", strings.Join(n.lines, "\n"), strings.Join(want, "\n"))
	}
	n.lines = nil
}

func (n *notebook) move(states ...session.State) {
	for _, to := range states {
		n.event(n.now, session.Moved{From: n.state, To: to})
	}
}

// The words of AWS's page, which filters look for.
func TestJournal(t *testing.T) {
	n := newNotebook(t)
	open := wire.Open{ASN: 65001, HoldTime: 90 * time.Second, Identifier: netip.MustParseAddr("10.0.0.1")}
	n.move(session.Connect)
	n.dials(n.now)
	n.event(n.now, session.Opened{Open: open, Sent: true})
	n.move(session.OpenSent)
	n.event(n.now, session.Opened{Open: open})
	n.wrongAS(n.now, 65001, 65000)
	n.event(n.now, session.Noted{Notification: wire.Notification{Code: wire.CodeOpen, Subcode: wire.BadPeerAS}, Sent: true})
	n.move(session.Idle)
	n.because(n.now, "the peer's AS is 65001")
	n.wrote(
		"DOWN BGP session state has changed from Idle to Connect with neighbor 169.254.10.2",
		"DOWN is initiating a connection (via Connect) to neighbor 169.254.10.2",
		"DOWN sent an OPEN message to neighbor 169.254.10.2 - version 4, AS 65001, holdtime 90, router-id 10.0.0.1",
		"DOWN BGP session state has changed from Connect to OpenSent with neighbor 169.254.10.2",
		"DOWN received an OPEN message from neighbor 169.254.10.2 - version 4, AS 65001, holdtime 90, router-id 10.0.0.1",
		"DOWN detected a bad OPEN message from neighbor 169.254.10.2 - remote AS is 65001, expected 65000",
		"DOWN sent a notification 2/2 (OPEN Message Error/Bad Peer AS) to neighbor 169.254.10.2",
		"DOWN BGP session state has changed from OpenSent to Idle with neighbor 169.254.10.2",
		"DOWN has no session with neighbor 169.254.10.2: the peer's AS is 65001",
	)
	n.move(session.OpenConfirm, session.Established)
	n.because(n.now, "")
	n.endOfRIB(n.now)
	n.updated(n.now, wire.Update{Announced: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, Attributes: wire.Attributes{Path: []uint32{65000, 65002}}})
	n.updated(n.now, wire.Update{Withdrawn: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
	n.told(n.now, rib.Told{What: rib.Withdrawn, Route: rib.Route{Destination: netip.MustParsePrefix("10.0.0.0/8")}})
	for _, count := range []int{79, 80, 81, 79, 82} {
		n.count(n.now, count)
	}
	n.tooMany(n.now, 101)
	n.event(n.now, session.Noted{Notification: wire.Cease(wire.CollisionResolution), Sent: true}) // another connection
	n.event(n.now, session.Noted{Notification: wire.Cease(wire.PeerDeconfigured)})
	n.event(n.now, session.Noted{Notification: wire.Notification{Code: wire.CodeHoldTimer}, Sent: true})
	n.event(n.now, session.Noted{Notification: wire.Notification{Code: 77, Subcode: 1}})
	n.event(n.now, session.Noted{Notification: wire.Notification{Code: wire.CodeUpdate}})
	n.wrote(
		"DOWN BGP session state has changed from Idle to OpenConfirm with neighbor 169.254.10.2",
		"UP BGP session state has changed from OpenConfirm to Established with neighbor 169.254.10.2",
		"UP sent an End-of-RIB message to neighbor 169.254.10.2",
		"UP received update with attributes from neighbor 169.254.10.2 - AS path: 65000 65002",
		"UP 2 10.0.0.0/8",
		"UP is reporting a maximum prefix limit warning - received 80 prefixes from neighbor 169.254.10.2, limit is 100",
		"UP is reporting a maximum prefix limit warning - received 82 prefixes from neighbor 169.254.10.2, limit is 100",
		"DOWN detected the maximum prefix limit was exceeded - received 101 prefixes from neighbor 169.254.10.2, limit is 100",
		"UP sent a notification 6/7 (Cease/Connection Collision Resolution) to neighbor 169.254.10.2",
		"DOWN received notification 6/3 (Cease/Peer Unconfigured) from neighbor 169.254.10.2",
		"DOWN sent a Hold Timer Expired notification to neighbor 169.254.10.2",
		"DOWN received notification 77/1 from neighbor 169.254.10.2",
		"DOWN received notification 3/0 (UPDATE Message Error) from neighbor 169.254.10.2",
	)
}

// A device that does not answer is told of once, not each five seconds.
func TestJournalOfNobody(t *testing.T) {
	n := newNotebook(t)
	for range 100 {
		n.move(session.Connect)
		n.dials(n.now)
		n.move(session.Active)
		n.because(n.now, "nobody answers")
		n.now = n.now.Add(5 * time.Second)
	}
	n.wrote(
		"DOWN BGP session state has changed from Idle to Connect with neighbor 169.254.10.2",
		"DOWN is initiating a connection (via Connect) to neighbor 169.254.10.2",
		"DOWN BGP session state has changed from Connect to Active with neighbor 169.254.10.2",
		"DOWN has no session with neighbor 169.254.10.2: nobody answers",
		"DOWN BGP session state has changed from Active to Connect with neighbor 169.254.10.2",
	)
}

// A peer that changes its routes all the time gets a bounded number of lines, each gap is
// told of once, and what its session does has its own room.
func TestJournalIsBounded(t *testing.T) {
	n := newNotebook(t)
	n.move(session.Established)
	n.lines = nil
	const day = 24 * time.Hour
	began, changes, missing, gaps := n.now, 0, 0, 0
	for n.now.Sub(began) < day {
		n.advance(n.now)
		for i := range 100 {
			n.told(n.now, rib.Told{What: rib.Updated, Route: rib.Route{Destination: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i), 0, 0}), 16)}})
			changes++
		}
		n.now = n.now.Add(time.Second)
	}
	// Then it is quiet, and the last gap is told of all the same.
	for at := n.due(); !at.IsZero(); at = n.due() {
		n.now = at
		n.advance(n.now)
	}
	lines := 0
	for _, line := range n.lines {
		var count int
		if _, err := fmt.Sscanf(line, "UP left out %d messages about neighbor 169.254.10.2 before this: routes change", &count); err == nil {
			missing, gaps = missing+count, gaps+1
		} else {
			lines++
		}
	}
	if most := routeBurst + int(day/eventEvery); lines > most || lines < most-2*resumeAt || lines+missing != changes || gaps > most/resumeAt+1 {
		t.Errorf("%d lines and %d missing in %d gaps, of %d", lines, missing, gaps, changes)
	}
	n.lines = nil
	n.move(session.Idle)
	n.wrote("DOWN BGP session state has changed from Established to Idle with neighbor 169.254.10.2")
}

// The log of a session over real sockets: from when it is switched on, with the session
// left alone, until it is switched off.
func TestEvents(t *testing.T) {
	p := newPair(t)
	events := make(chan Event, 1000)
	host := New(Config{Log: func(e Event) { events <- e }})
	t.Cleanup(func() { host.Close(t.Context(), false) })
	near := &side{Host: host, p: p, name: "near"}
	us := p.us()
	us.Log = true
	near.set(us)
	far := p.start("far", p.them())
	await := func(what string) {
		t.Helper()
		limit := time.After(20 * time.Second)
		for {
			select {
			case e := <-events:
				got := e.Details
				if e.Told != nil {
					got = fmt.Sprintf("%d %v %v %v", e.Told.What, e.Told.Route.Destination, PathText(e.Told.Route.Path), e.Told.NextHop)
				}
				if e.Peer == us.ID && strings.Contains(got, what) {
					return
				}
			case <-limit:
				t.Fatalf("nobody says %q", what)
			}
		}
	}
	await("from OpenConfirm to Established")
	await("0 192.168.0.0/24 4200000001 169.254.10.2")
	them := p.them()
	them.Advertised = routes("192.168.1.0/24", "192.168.2.0/24")
	far.set(them)
	await("0 192.168.2.0/24 4200000001 169.254.10.2")

	// listens switches the log, and waits until the loop has seen that.
	listens := func(on bool) {
		t.Helper()
		us.Log = on
		near.set(us)
		l := near.entry(us.ID).loop // which Set alone replaces
		p.lab.Eventually(10*time.Second, "the loop obeys", func() error {
			l.mu.Lock()
			defer l.mu.Unlock()
			if l.orders.log != nil {
				return errors.New("it has not looked")
			}
			return nil
		})
	}
	listens(false)
	for len(events) > 0 {
		<-events // from before: two connections that collide can be two sessions
	}
	far.set(p.them())
	p.lab.Eventually(10*time.Second, "the route is back", func() error {
		if s := near.Status()[0]; len(s.Routes) != 2 || s.Routes[0].Destination.String() != "192.168.0.0/24" {
			return fmt.Errorf("it has %v", s.Routes)
		}
		return nil
	})
	listens(true)
	them.Advertised = nil
	far.set(them)
	for found := false; !found; {
		select {
		case e := <-events:
			if e.Told != nil && e.Told.What == rib.Advertised && e.Told.Route.Destination == netip.MustParsePrefix("192.168.0.0/24") {
				t.Error("what was told while nobody wanted to know is told")
			}
			found = e.Told != nil && e.Told.What == rib.Withdrawn && e.Told.Route.Destination == netip.MustParsePrefix("192.168.1.0/24")
		case <-time.After(20 * time.Second):
			t.Fatal("nobody says that a route is taken back")
		}
	}
	far.Close(t.Context(), false)
	await("received notification 6/2 (Cease/Administrative Shutdown) from neighbor 169.254.10.2")
	await("has no session with neighbor 169.254.10.2: ")
}

// However long the path that a peer tells, a line of it is not.
func TestPathText(t *testing.T) {
	for _, test := range []struct {
		path []uint32
		want string
	}{
		{nil, ""},
		{[]uint32{65000, 0, 4200000001}, "65000 {} 4200000001"},
		{slices.Repeat([]uint32{7}, 64), strings.TrimSpace(strings.Repeat("7 ", 64))},
		{slices.Repeat([]uint32{7}, 1000), strings.Repeat("7 ", 64) + "..."},
	} {
		if got := PathText(test.path); got != test.want {
			t.Errorf("%d ASNs: %s", len(test.path), got)
		}
	}
}
