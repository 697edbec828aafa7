package netfabric

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"causeway.dev/netfabric/netns"
)

func (l *lab) update(c Config) {
	l.t.Helper()
	c.Prefix = l.prefix
	if err := l.Update(l.t.Context(), c); err != nil {
		l.t.Fatalf("Update: %v", err)
	}
}

func (l *lab) mustStand(c Config) {
	l.t.Helper()
	before := l.Changes()
	l.apply(c)
	if made := l.Changes() - before; made != 0 {
		l.t.Errorf("after it a full look made %d changes", made)
	}
}

// TestUpdateLooksAtWhatChanges proves that an Update leaves alone what its Config
// says nothing new of, and that the next Apply repairs what was broken there.
func TestUpdateLooksAtWhatChanges(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	c := manyInstances(3)
	l.update(c) // the first has to look everywhere
	l.mustStand(c)
	l.output("i-2", "ip", "route", "del", "default")
	c = manyInstances(4)
	l.update(c)
	l.mustPing("i-4", "10.0.1.4")
	if routes := l.output("i-2", "ip", "route", "show", "default"); routes != "" {
		t.Errorf("the Update has looked at an instance that it was not about: %s", routes)
	}
	l.apply(c)
	if routes := l.output("i-2", "ip", "route", "show", "default"); routes == "" {
		t.Error("Apply has not repaired the route")
	}
	c = manyInstances(3)
	l.update(c)
	if netns.Exists(NamespaceName(l.prefix, "i-4")) {
		t.Error("the Update has left an instance")
	}
	l.mustStand(c)
}

// TestUpdateFollowsDevicesToTheirOtherEnds takes away a device of an instance
// that an Update is not about.
func TestUpdateFollowsDevicesToTheirOtherEnds(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.apply(manyInstances(3))
	l.output("i-2", "ip", "link", "del", "eth0")
	c := manyInstances(4)
	l.update(c)
	l.mustPing("i-2", "10.0.1.4")
	l.mustStand(c)
}

// TestUpdateGoesOnAfterFailure breaks an Update off before a change of each kind;
// the next one must do what is left.
func TestUpdateGoesOnAfterFailure(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	moved := site()
	moved.Networks[0].Interfaces[0].Instance = "i-5"
	moved.Networks[0].Tables[0].Routes = moved.Networks[0].Tables[0].Routes[1:]
	moved.Prefix = l.prefix
	refused := errors.New("refused")
	kinds := map[string]bool{}
	for step, text := range l.stepsOf(site(), moved) {
		kind := strings.Join(strings.Fields(text)[1:3], " ")
		if kinds[kind] {
			continue
		}
		kinds[kind] = true
		l.Fabric = New(Options{})
		l.apply(site())
		done := 0
		l.beforeChange = func(string) error {
			if done++; done == step+1 {
				return refused
			}
			return nil
		}
		if err := l.Update(t.Context(), moved); !errors.Is(err, refused) {
			t.Fatalf("step %d: Update = %v, want it refused", step, err)
		}
		l.beforeChange = nil
		l.update(moved)
		l.mustStand(moved)
	}
}

// TestTunnelThatFailedToFollowIsTriedAgain lets the change of a route fail once.
func TestTunnelThatFailedToFollowIsTriedAgain(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.apply(site())
	seen := reflectPings(l.openTUN("vgw-1", "vpn-1/1"))
	refused := errors.New("refused")
	l.beforeChange = func(string) error { return refused }
	if err := l.SetTunnelUp(t.Context(), "vpn-1/1", true); !errors.Is(err, refused) {
		t.Fatalf("SetTunnelUp = %v, want it refused", err)
	}
	l.beforeChange = nil
	for range 2 { // the second has nothing to do
		if err := l.SetTunnelUp(t.Context(), "vpn-1/1", true); err != nil {
			t.Fatal(err)
		}
	}
	l.mustPing("i-1", "192.168.1.1")
	if seen.Load() == 0 {
		t.Error("the ping did not go through the tunnel")
	}
	if err := l.SetTunnelUp(t.Context(), "vpn-9/1", true); !errors.Is(err, ErrNoTunnel) {
		t.Errorf("SetTunnelUp of an unknown tunnel = %v", err)
	}
}

func TestAbsentTUNsAreTold(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.apply(site())
	l.openTUN("vgw-1", "vpn-1/2")
	if absent, err := l.AbsentTUNs(); err != nil || !slices.Equal(absent, []string{"vpn-1/1"}) {
		t.Errorf("AbsentTUNs = %v, %v, want the one that is not open", absent, err)
	}
	l.output("vgw-1", "ip", "link", "del", TUNName("vpn-1/2"))
	if absent, err := l.AbsentTUNs(); err != nil || len(absent) != 2 {
		t.Errorf("AbsentTUNs = %v, %v, want both", absent, err)
	}
}

// TestDoubtLeadsUpdatesAround breaks something in every namespace; the Updates of one
// round of doubt repair all of it, a part each.
func TestDoubtLeadsUpdatesAround(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	c := manyInstances(3)
	l.apply(c)
	if size := l.Size(); size != 4 {
		t.Fatalf("%d namespaces stand, want a network and three instances", size)
	}
	instances := []string{"i-1", "i-2", "i-3"}
	for _, id := range instances {
		l.output(id, "ip", "route", "del", "default")
	}
	l.output("vpc-1", "ip", "route", "flush", "table", "all", "proto", "static")
	l.output("vpc-1", "sysctl", "-qw", "net.ipv4.conf.all.proxy_arp=0")
	var seen []string
	for round := false; !round; {
		var names []string
		names, round = l.Doubt(1)
		seen = append(seen, names...)
		before := l.Changes()
		l.update(c)
		if l.Changes() == before {
			t.Errorf("nothing was repaired in %v", names)
		}
	}
	want := []string{l.prefix + "-i-1", l.prefix + "-i-2", l.prefix + "-i-3", l.prefix + "-vpc-1"}
	if !slices.Equal(seen, want) {
		t.Errorf("a round led to %v, want %v", seen, want)
	}
	l.mustStand(c)
	if names, _ := l.Doubt(1); !slices.Equal(names, want[:1]) {
		t.Errorf("the next round begins with %v", names)
	}
}

// TestDoubtFindsWhatIsGone takes a whole instance's namespace away. Updates say that
// something is wrong there, so that their caller may look at everything, until one has
// found the other end.
func TestDoubtFindsWhatIsGone(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	c := manyInstances(3)
	l.apply(c)
	l.removeNamespace(t.Context(), l.prefix+"-i-2")
	for round := false; !round; {
		_, round = l.Doubt(1)
		c.Prefix = l.prefix
		if err := l.Update(t.Context(), c); err != nil {
			t.Log(err)
		}
	}
	l.mustPing("i-1", "10.0.1.5")
	l.mustStand(c)
}

// TestRulesChangeUnderPackets changes rules, and what sets and maps name, while a
// connection that they allow all the time carries packets.
func TestRulesChangeUnderPackets(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	with := func(instances, rules int) Config {
		c := manyInstances(instances)
		for port := range rules {
			c.Networks[0].Groups[0].Rules = append(c.Networks[0].Groups[0].Rules, FilterRule{Protocol: 6, FromPort: 7000 + port, ToPort: 7000 + port, Peer: netip.MustParsePrefix("198.51.100.0/24")})
		}
		return c
	}
	l.apply(with(2, 1))
	l.mustPing("i-1", "10.0.1.5")
	stop := make(chan struct{})
	lost := make(chan error, 1)
	go func() {
		p := l.pinger("i-1")
		for {
			select {
			case <-stop:
				lost <- nil
				return
			default:
			}
			if err := p.ping("10.0.1.5", wait); err != nil {
				lost <- err
				return
			}
		}
	}()
	for n := range 40 {
		l.update(with(2+n%2, n%3))
	}
	close(stop)
	if err := <-lost; err != nil {
		t.Errorf("of a ping that was allowed all the time: %v", err)
	}
	l.mustStand(with(3, 0))
}
