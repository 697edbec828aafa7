package netfabric

import (
	"cmp"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A flowBook keeps what a fabric tells of flows.
type flowBook struct {
	mu  sync.Mutex
	all []Flows
}

func (b *flowBook) take(f Flows) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all = append(b.all, f)
}

// lines empties the book and returns its flows in order, without what varies.
func (b *flowBook) lines() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var lines []string
	for _, told := range b.all {
		for _, f := range told.Flows {
			verdict, direction := "rejected", "in"
			if f.Accepted {
				verdict = "accepted"
			}
			if f.Egress {
				direction = "out"
			}
			port := ""
			if f.Protocol != 1 { // of the two, the one that was not chosen at random
				port = fmt.Sprintf(" port %d flags %d", min(f.SourcePort, f.DestinationPort), f.TCPFlags)
			}
			packets := fmt.Sprint(f.Packets)
			if f.Protocol == 6 {
				packets = "some" // what is not answered in time is repeated
			}
			lines = append(lines, fmt.Sprintf("%s %s %v -> %v protocol %d%s: %s %s", f.Interface, direction, f.Source, f.Destination, f.Protocol, port, packets, verdict))
		}
	}
	b.all = nil
	slices.Sort(lines)
	return lines
}

// turned ends the window and returns what it held.
func (b *flowBook) turned(t *testing.T, l *lab) []string {
	t.Helper()
	if err := l.TurnFlows(t.Context()); err != nil {
		t.Fatal(err)
	}
	return b.lines()
}

// expect waits for what the kernel carries late, under load.
func (b *flowBook) expect(t *testing.T, l *lab, want ...string) {
	t.Helper()
	b.expectOf(t, l, "", want...)
}

// expectOf is expect for the flows whose line has a text.
func (b *flowBook) expectOf(t *testing.T, l *lab, text string, want ...string) {
	t.Helper()
	var got []string
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		got = append(got, b.turned(t, l)...)
		got = slices.DeleteFunc(got, func(line string) bool { return !strings.Contains(line, text) })
		if len(got) >= len(want) || time.Now().After(deadline) {
			break
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("flows were\n%s\nnot\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func newFlowLab(t *testing.T) (*lab, *flowBook) {
	l, b := newLab(t), new(flowBook)
	l.Fabric = New(Options{Flows: b.take})
	return l, b
}

func countedPort(instance, address string, groups ...string) Interface {
	p := port(instance, address, groups...)
	p.Counted = true
	return p
}

var allIn = allow(false, -1, -1, -1, "0.0.0.0/0")

// TestFlowsAreCounted has an instance whose flows are counted, one whose are not,
// and one behind an ACL.
func TestFlowsAreCounted(t *testing.T) {
	l, b := newFlowLab(t)
	apply := func(ports ...Interface) {
		n := vpc("vpc-1", []Group{group("sg-open", allOut, allIn), group("sg-pings", allOut, pingsIn), group("sg-mute", allIn)}, ports...)
		guard(&n, "acl-1", []ACLRule{deny(true, 1, 0, -1, "10.0.1.0/24"), everything[0], everything[1]}, "10.0.2.0/24")
		l.apply(Config{Networks: []Network{n}})
	}
	one, two, three := countedPort("i-1", "10.0.1.4", "sg-pings"), port("i-2", "10.0.1.5", "sg-open"), countedPort("i-3", "10.0.2.4", "sg-open")
	apply(one, two, three)
	b.lines() // what came by itself as devices came up

	l.output("vpc-1", "nft", "list", "ruleset") // people's nft gets along with it
	l.mustPing("i-2", "10.0.1.4")
	b.expect(t, l,
		"eni-i-1 in 10.0.1.5 -> 10.0.1.4 protocol 1: 1 accepted",
		"eni-i-1 out 10.0.1.4 -> 10.0.1.5 protocol 1: 1 accepted")
	b.expect(t, l) // told once

	// Rejected by the group of the one that it is for.
	if conn, err := l.dial("i-2", "10.0.1.4:22", silence); err == nil {
		t.Fatalf("%v was reached", conn.RemoteAddr())
	}
	b.expect(t, l, "eni-i-1 in 10.0.1.5 -> 10.0.1.4 protocol 6 port 22 flags 2: some rejected")

	// The question passes both, but the ACL of the third one's subnet has no room
	// for the answer: it knows no connections.
	l.mustNotPing("i-1", "10.0.2.4")
	b.expect(t, l,
		"eni-i-1 out 10.0.1.4 -> 10.0.2.4 protocol 1: 1 accepted",
		"eni-i-3 in 10.0.1.4 -> 10.0.2.4 protocol 1: 1 accepted",
		"eni-i-3 out 10.0.2.4 -> 10.0.1.4 protocol 1: 1 rejected")

	l.listen("i-3", "10.0.2.4:80")
	conn, err := l.dial("i-1", "10.0.2.4:80", wait)
	if err != nil {
		t.Fatal(err)
	}
	conn.(*net.TCPConn).CloseWrite()
	if _, err := conn.Read(make([]byte, 1)); err != io.EOF {
		t.Fatalf("the end of a connection is %v", err)
	}
	var flags []string
	for _, line := range b.turned(t, l) {
		flags = append(flags, line[:strings.LastIndex(line, ":")])
	}
	if want := []string{
		"eni-i-1 in 10.0.2.4 -> 10.0.1.4 protocol 6 port 80 flags 19",
		"eni-i-1 out 10.0.1.4 -> 10.0.2.4 protocol 6 port 80 flags 3",
		"eni-i-3 in 10.0.1.4 -> 10.0.2.4 protocol 6 port 80 flags 3",
		"eni-i-3 out 10.0.2.4 -> 10.0.1.4 protocol 6 port 80 flags 19",
	}; !slices.Equal(flags, want) {
		t.Errorf("of a connection there are\n%s", strings.Join(flags, "\n"))
	}

	// Rejected by the group of the one that it comes from: nobody else hears of it.
	one.Groups = []string{"sg-mute"}
	apply(one, two, three)
	if conn, err := l.dial("i-1", "10.0.2.4:81", silence); err == nil {
		t.Fatalf("%v was reached", conn.RemoteAddr())
	}
	b.expectOf(t, l, "port 81", "eni-i-1 out 10.0.1.4 -> 10.0.2.4 protocol 6 port 81 flags 2: some rejected") // others are the last words of that one

	// An interface that is counted no more, and one that is gone: what was counted
	// until then is told.
	l.mustPing("i-2", "10.0.1.4")
	one.Counted = false
	apply(one, two, three)
	if got := b.lines(); len(got) != 2 {
		t.Errorf("when an interface is counted no more, its flows are %q", got)
	}
	l.mustNotPing("i-2", "10.0.2.4")
	apply(one, two)
	if got := b.lines(); len(got) != 2 || !strings.HasPrefix(got[0], "eni-i-3 ") {
		t.Errorf("when an interface goes, its flows are %q", got)
	}
	l.mustPing("i-2", "10.0.1.4")
	b.expect(t, l)
	if tables := l.output("vpc-1", "nft", "list", "tables"); strings.Contains(tables, "flows") {
		t.Errorf("where nothing is counted there is still %s", tables)
	}
}

func TestFlowsTellTimesAndSizes(t *testing.T) {
	l, b := newFlowLab(t)
	before := time.Now().Add(-time.Millisecond)
	n := vpc("vpc-1", []Group{group("sg-open", allOut, allIn)}, countedPort("i-1", "10.0.1.4", "sg-open"), port("i-2", "10.0.1.5", "sg-open"))
	l.apply(Config{Networks: []Network{n}})
	sent := time.Now()
	l.mustPing("i-2", "10.0.1.4")
	turning := time.Now()
	if err := l.TurnFlows(t.Context()); err != nil {
		t.Fatal(err)
	}
	// The kernel counts in jiffies, and tells how long ago the first packet came some
	// time after it was asked.
	inexact := 50*time.Millisecond + time.Since(turning)
	last := b.all[len(b.all)-1]
	if last.Network != "vpc-1" || last.From.Before(before) || last.Until.Before(last.From) || !slices.Equal(last.Interfaces, []string{"eni-i-1"}) || len(last.Flows) != 2 {
		t.Fatalf("told was %+v", last)
	}
	for _, f := range last.Flows {
		if f.Bytes != 20+8+8 || f.First.Before(sent.Add(-inexact)) || f.First.After(time.Now().Add(50*time.Millisecond)) {
			t.Errorf("a ping of 8 bytes, sent after %v, is %+v", sent, f)
		}
	}
}

// TestNewLifeTellsOldFlows counts flows for one fabric and has them told by another,
// as after kill -9.
func TestNewLifeTellsOldFlows(t *testing.T) {
	l, b := newFlowLab(t)
	n := vpc("vpc-1", []Group{group("sg-open", allOut, allIn)}, countedPort("i-1", "10.0.1.4", "sg-open"), port("i-2", "10.0.1.5", "sg-open"))
	l.apply(Config{Networks: []Network{n}})
	b.lines()
	l.mustPing("i-2", "10.0.1.4")
	l.Fabric = New(Options{Flows: b.take})
	l.mustPing("i-2", "10.0.1.4")
	l.apply(Config{Networks: []Network{n}})
	if l.Changes() != 0 {
		t.Errorf("the new life made %d changes", l.Changes())
	}
	b.expect(t, l,
		"eni-i-1 in 10.0.1.5 -> 10.0.1.4 protocol 1: 2 accepted",
		"eni-i-1 out 10.0.1.4 -> 10.0.1.5 protocol 1: 2 accepted")

	// A network that goes tells its last.
	l.mustPing("i-2", "10.0.1.4")
	l.apply(Config{})
	if got := b.lines(); len(got) != 2 {
		t.Errorf("a network that went told %q", got)
	}
}

// TestFlowsWithoutRoomAreCounted sends to more ports than there is room for flows.
func TestFlowsWithoutRoomAreCounted(t *testing.T) {
	l, b := newFlowLab(t)
	n := vpc("vpc-1", []Group{group("sg-mute", allIn), group("sg-open", allOut, allIn)}, countedPort("i-1", "10.0.1.4", "sg-mute"), port("i-2", "10.0.1.5", "sg-open"))
	l.apply(Config{Networks: []Network{n}})
	b.lines()
	var conn net.PacketConn
	l.in("i-1", func() (err error) {
		conn, err = net.ListenPacket("udp4", "10.0.1.4:0")
		return err
	})
	defer conn.Close()
	// Twice, as some of the first wait for the neighbour's address and are dropped; and
	// many more than there is room for, as a busy machine drops others.
	const ports, room = 45_000, 32_768
	for p := range 2 * ports {
		if _, err := conn.WriteTo([]byte{1}, &net.UDPAddr{IP: net.IPv4(10, 0, 1, 5), Port: p%ports + 1}); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.TurnFlows(t.Context()); err != nil {
		t.Fatal(err)
	}
	told := b.all[len(b.all)-1]
	slices.SortFunc(told.Flows, func(a, b Flow) int { return cmp.Compare(a.DestinationPort, b.DestinationPort) })
	if len(told.Flows) != room || told.Flows[0].Accepted {
		t.Errorf("%d flows were told, the first %+v", len(told.Flows), told.Flows[0])
	}
	counted := uint64(0)
	for _, f := range told.Flows {
		counted += f.Packets
	}
	if skipped := told.Skipped["eni-i-1"]; skipped == 0 || counted+skipped > 2*ports {
		t.Errorf("%d packets were counted and %d found no room, of %d", counted, skipped, 2*ports)
	}
}

func TestFlowsOfIPv6AreCounted(t *testing.T) {
	l, b := newFlowLab(t)
	one, two := port6("i-1", "10.0.1.4", []string{"2001:db8:0:1::4"}, "sg-mute"), only6("i-2", "10.0.2.5", []string{"2001:db8:0:2::5"}, "sg-open")
	one.Counted, two.Counted = true, true
	n := vpc6("vpc-1", []Group{group("sg-open", allOut, allOut6), group("sg-mute", allOut6)}, one, two)
	l.apply(Config{Networks: []Network{n}})
	b.lines()
	l.mustNotPing6("i-2", "2001:db8:0:1::4")
	b.expectOf(t, l, "2001:", // others are of the link
		"eni-i-1 in 2001:db8:0:2::5 -> 2001:db8:0:1::4 protocol 58 port 0 flags 0: 1 rejected",
		"eni-i-2 out 2001:db8:0:2::5 -> 2001:db8:0:1::4 protocol 58 port 0 flags 0: 1 accepted")
}

// TestFlowsOfTranslatorsAreCounted has an instance ask the world by a translator, past
// whose interface each packet comes twice: with the instance's address, and with its
// own. What others begin passes the interface, and the translator drops it.
func TestFlowsOfTranslatorsAreCounted(t *testing.T) {
	g, b := newGatewayLab(t), new(flowBook)
	g.Fabric = New(Options{Flows: b.take})
	c := g.private(PortRange{First: 1024, Last: 65535}, elastic("198.51.100.7", "10.0.2.9"))
	nat := &c.Links[1].Ends[1]
	nat.Interface, nat.Counted = "eni-nat", true
	g.apply(c)
	b.lines()
	g.mustPing("i-2", worldAddress)
	b.expect(t, g.lab,
		"eni-nat in 10.0.3.5 -> 192.0.2.10 protocol 1: 1 accepted",
		"eni-nat in 192.0.2.10 -> 10.0.2.9 protocol 1: 1 accepted",
		"eni-nat out 10.0.2.9 -> 192.0.2.10 protocol 1: 1 accepted",
		"eni-nat out 192.0.2.10 -> 10.0.3.5 protocol 1: 1 accepted")
	if _, err := g.reaches(g.world, "198.51.100.7:80", silence); err == nil {
		t.Error("the world gets in by the translator")
	}
	b.expect(t, g.lab, "eni-nat in 192.0.2.10 -> 10.0.2.9 protocol 6 port 80 flags 2: some accepted")

	// The ACL of its subnet lets the world's answers in no more.
	guard(&c.Networks[0], "acl-1", []ACLRule{deny(false, -1, -1, -1, "192.0.2.0/24"), everything[0], everything[1]}, "10.0.2.0/24")
	g.apply(c)
	g.mustNotPing("i-2", worldAddress)
	b.expect(t, g.lab,
		"eni-nat in 10.0.3.5 -> 192.0.2.10 protocol 1: 1 accepted",
		"eni-nat in 192.0.2.10 -> 10.0.2.9 protocol 1: 1 rejected",
		"eni-nat out 10.0.2.9 -> 192.0.2.10 protocol 1: 1 accepted")
	g.mustStand(c)

	nat.Counted = false
	g.apply(c)
	g.mustNotPing("i-2", worldAddress)
	b.expect(t, g.lab)
}
