package appliance

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"

	"causeway.dev/internal/netlab"
	"causeway.dev/netfabric/netns"
	"causeway.dev/packetio"
)

// A lab is a network namespace with TUNs "a" and "b" and another device "lan".
type lab struct {
	t    *testing.T
	name string
	tuns map[string]*packetio.TUN
}

func newLab(t *testing.T) *lab {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	random := make([]byte, 4)
	rand.Read(random)
	l := &lab{t: t, name: "cwt" + hex.EncodeToString(random), tuns: map[string]*packetio.TUN{}}
	if err := netns.Create(l.name); err != nil {
		t.Skipf("network namespaces cannot be made here: %v", err)
	}
	t.Cleanup(func() {
		for name := range l.tuns {
			l.close(name)
		}
		if err := netns.Delete(l.name); err != nil {
			t.Error(err)
		}
	})
	l.ip("link add lan type veth peer name lan2")
	l.ip("link set lan up")
	for i, name := range []string{"a", "b"} {
		l.in(func() error {
			device, err := packetio.OpenTUN(name, 1400, packetio.AllOffloads)
			if err != nil {
				return err
			}
			l.tuns[name] = device
			return setUp(name, netip.MustParsePrefix(fmt.Sprintf("169.254.1%d.2/30", i)))
		})
	}
	return l
}

func (l *lab) in(f func() error) {
	l.t.Helper()
	if err := netns.Do(l.name, f); err != nil {
		l.t.Fatal(err)
	}
}

func (l *lab) ip(arguments string) string {
	l.t.Helper()
	output, err := l.try(arguments)
	if err != nil {
		l.t.Fatal(err)
	}
	return output
}

func (l *lab) try(arguments string) (output string, err error) {
	err = netns.Do(l.name, func() (err error) {
		output, err = netlab.Output(append([]string{"ip"}, strings.Fields(arguments)...)...)
		return err
	})
	return output, err
}

func (l *lab) close(name string) {
	if err := l.tuns[name].Close(); err != nil {
		l.t.Error(err)
	}
	delete(l.tuns, name)
}

// follow sets the routes of both tunnels as they are up.
func (l *lab) follow(tunnels []Tunnel, up ...string) (err error) {
	l.t.Helper()
	state := map[string]bool{}
	for _, name := range up {
		state[name] = true
	}
	l.in(func() error {
		err = setRoutes(wantedRoutes(tunnels, state, nil), []string{"a", "b"}, nil)
		return nil
	})
	return err
}

func (l *lab) mustLead(destination, device string) {
	l.t.Helper()
	lines := strings.Fields(l.ip("-o route show " + destination + " proto 201"))
	if device == "" && len(lines) == 0 {
		return
	}
	if len(lines) < 3 || lines[2] != device {
		l.t.Errorf("%s leads over %v, want %q", destination, lines, device)
	}
}

func TestRoutesFollowTunnels(t *testing.T) {
	l := newLab(t)
	vpc, other := netip.MustParsePrefix("10.0.0.0/16"), netip.MustParsePrefix("10.9.0.0/16")
	tunnels := []Tunnel{{Name: "a", Routes: []netip.Prefix{vpc}}, {Name: "b", Routes: []netip.Prefix{vpc, other}}}
	for _, step := range []struct {
		up         []string
		vpc, other string
	}{
		{nil, "", ""},
		{[]string{"b"}, "b", "b"},
		{[]string{"a", "b"}, "a", "b"},
		{[]string{"a"}, "a", ""},
		{[]string{"a", "b"}, "a", "b"},
		{[]string{"b"}, "b", "b"},
		{nil, "", ""},
	} {
		if err := l.follow(tunnels, step.up...); err != nil {
			t.Errorf("up %v: %v", step.up, err)
		}
		l.mustLead("10.0.0.0/16", step.vpc)
		l.mustLead("10.9.0.0/16", step.other)
	}
}

func TestForeignRoutesAreLeftAlone(t *testing.T) {
	l := newLab(t)
	l.ip("route add 10.0.0.0/16 dev lan")
	l.ip("route add 10.5.0.0/16 dev a proto 201 metric 7") // of a tunnel, but nobody wants it
	l.ip("route add 10.6.0.0/16 dev lan proto 201")        // of another program with our number
	l.ip("route add default dev lan")
	tunnels := []Tunnel{{Name: "a", Routes: []netip.Prefix{
		netip.MustParsePrefix("10.0.0.0/16"), netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("0.0.0.0/0"),
	}}}
	for range 2 {
		if err := l.follow(tunnels, "a"); err == nil || strings.Count(err.Error(), "not ours") != 2 {
			t.Errorf("got %v, want to be told of two routes in the way", err)
		}
		l.mustLead("10.1.0.0/16", "a")
	}
	if err := l.follow(tunnels); err != nil {
		t.Error(err)
	}
	routes := l.ip("route show")
	for _, want := range []string{"10.0.0.0/16 dev lan", "10.6.0.0/16 dev lan", "default dev lan"} {
		if !strings.Contains(routes, want) {
			t.Errorf("%s has gone:\n%s", want, routes)
		}
	}
	if strings.Contains(routes, "10.1.0.0/16") || strings.Contains(routes, "10.5.0.0/16") {
		t.Errorf("a route has been left:\n%s", routes)
	}
}

// TestLostDeviceKeepsNoOtherFromFollowing takes tunnel a's TUN away, with its
// routes.
func TestLostDeviceKeepsNoOtherFromFollowing(t *testing.T) {
	l := newLab(t)
	vpc := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16")}
	tunnels := []Tunnel{{Name: "a", Routes: vpc}, {Name: "b", Routes: vpc}}
	if err := l.follow(tunnels, "a", "b"); err != nil {
		t.Fatal(err)
	}
	l.close("a")
	if err := l.follow(tunnels, "b"); err != nil {
		t.Error(err)
	}
	l.mustLead("10.0.0.0/16", "b")
	l.close("b")
	if err := l.follow(tunnels, "a", "b"); err != nil {
		t.Error(err)
	}
	if routes := l.ip("route show proto 201"); routes != "" {
		t.Errorf("routes are left:\n%s", routes)
	}
}

// Given routes of a session whose peer is awaited anew, then they stay as they are
// until it has told all again.
func TestRoutesOfAPendingSessionStay(t *testing.T) {
	l := newLab(t)
	first, second, third := netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("10.2.0.0/16"), netip.MustParsePrefix("10.3.0.0/16")
	set := func(wanted map[netip.Prefix]string, kept ...string) {
		t.Helper()
		pending := map[string]bool{}
		for _, name := range kept {
			pending[name] = true
		}
		l.in(func() error { return setRoutes(wanted, []string{"a", "b"}, pending) })
	}
	set(map[netip.Prefix]string{first: "a", second: "a"})
	set(map[netip.Prefix]string{first: "b", third: "b"}, "a")
	l.mustLead("10.1.0.0/16", "a")
	l.mustLead("10.2.0.0/16", "a")
	l.mustLead("10.3.0.0/16", "b")
	set(map[netip.Prefix]string{first: "b", third: "b"})
	l.mustLead("10.1.0.0/16", "b")
	l.mustLead("10.2.0.0/16", "")
}

// Given a gateway that tells many networks to which there are other routes, then each
// look says the same of them, and not much.
func TestManyRoutesInTheWayAreCounted(t *testing.T) {
	l := newLab(t)
	wanted := map[netip.Prefix]string{}
	for i := range byte(20) {
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, i, 0, 0}), 16)
		wanted[p] = "a"
		l.ip("route add " + p.String() + " dev lan")
	}
	said := map[string]bool{}
	for range 5 {
		var err error
		l.in(func() error {
			err = setRoutes(wanted, []string{"a", "b"}, nil)
			return nil
		})
		if err == nil || !strings.Contains(err.Error(), "10.0.0.0/16 over a") || !strings.Contains(err.Error(), "and 15 more routes") {
			t.Fatalf("it says %v", err)
		}
		said[err.Error()] = true
	}
	if len(said) != 1 {
		t.Errorf("it says %d different things", len(said))
	}
}
