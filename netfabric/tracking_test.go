package netfabric

import (
	"net"
	"testing"
	"time"
)

// TestUntrackedFlowsEndWithTheirRule has "Untracked connections" of the EC2 user
// guide. What a rule admits from everywhere ends when that rule goes, or the one that
// admits its answers to everywhere, at either of the two interfaces. What is tracked
// goes on.
func TestUntrackedFlowsEndWithTheirRule(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	const everybody, subnet = "0.0.0.0/0", "10.0.1.0/24"
	in := func(port int, peer string) FilterRule { return allow(false, 6, port, port, peer) }
	put := func(client []FilterRule, server ...FilterRule) {
		l.apply(Config{Networks: []Network{vpc("vpc-1", []Group{group("sg-closed", allOut), group("sg-open", client...), group("sg-server", server...)},
			port("i-closed", "10.0.1.4", "sg-closed"), port("i-open", "10.0.1.5", "sg-open"), port("i-server", "10.0.2.4", "sg-server"))}})
	}
	open := []FilterRule{allOut, allow(false, 6, 0, 65535, everybody)}
	put(open, allOut, in(80, everybody), in(81, subnet), in(82, everybody))
	type flow struct{ from, port string }
	conns := map[flow]net.Conn{}
	for _, port := range []string{"80", "81", "82"} {
		l.listen("i-server", "10.0.2.4:"+port)
		for _, from := range []string{"i-closed", "i-open"} {
			conn, err := l.dial(from, "10.0.2.4:"+port, wait)
			if err != nil {
				t.Fatal(err)
			}
			conns[flow{from, port}] = conn
		}
	}
	goesOn := func(want bool, from, port, why string) {
		t.Helper()
		limit := silence
		if want {
			limit = wait
		}
		if err := echoWithin(conns[flow{from, port}], "still here", limit); (err == nil) != want {
			t.Errorf("the connection of %s to port %s: %v, but %s", from, port, err, why)
		}
	}
	for f := range conns {
		goesOn(true, f.from, f.port, "nothing has changed")
	}

	put(open, allOut, in(82, subnet))
	goesOn(false, "i-closed", "80", "the rule that let everybody in is gone")
	goesOn(true, "i-closed", "81", "it was tracked, as its rule was not for everybody")
	goesOn(true, "i-closed", "82", "the rule that is left admits it")
	goesOn(true, "i-open", "81", "the rules of its own side have not changed")

	put([]FilterRule{allOut}, allOut, in(82, subnet))
	goesOn(false, "i-open", "81", "nothing lets the answers in that were not tracked")
	goesOn(true, "i-closed", "81", "another group has changed")

	put([]FilterRule{allOut}, in(82, subnet))
	goesOn(false, "i-closed", "82", "nothing lets the answers out that were not tracked")
	goesOn(true, "i-closed", "81", "answers of what is tracked need no rule")

	put(open, allOut, in(81, subnet), in(82, subnet))
	goesOn(true, "i-closed", "82", "the rules are back")
	goesOn(true, "i-open", "81", "the rules are back")
}

// TestFlowsThroughTranslatorsAreTracked: what leaves by a NAT gateway goes on when a
// rule for everybody goes; what leaves by an internet gateway does not.
func TestFlowsThroughTranslatorsAreTracked(t *testing.T) {
	t.Parallel()
	g := newGatewayLab(t)
	c := g.private(PortRange{First: 1024, Last: 65535}, elastic("198.51.100.6", "10.0.1.4"), elastic("198.51.100.7", "10.0.2.9"))
	g.apply(c)
	g.greet(g.world, worldAddress+":80")
	conns := map[string]net.Conn{}
	for _, id := range []string{"i-1", "i-2"} {
		conn, err := g.dial(id, worldAddress+":80", wait)
		if err == nil {
			conn.SetDeadline(time.Now().Add(wait))
			_, err = conn.Read(make([]byte, 100)) // the greeting
		}
		if err != nil {
			t.Fatal(err)
		}
		conns[id] = conn
	}
	c.Networks[0].Groups[0].Rules = nil
	g.apply(c)
	if err := echo(conns["i-2"], "after"); err != nil {
		t.Errorf("by the translator: %v", err)
	}
	if err := echoWithin(conns["i-1"], "after", silence); err == nil {
		t.Error("by the internet gateway it goes on, though nothing admits it any more")
	}
}
