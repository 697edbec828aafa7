package appliance

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

func prefixes(texts ...string) (all []netip.Prefix) {
	for _, t := range texts {
		all = append(all, netip.MustParsePrefix(t))
	}
	return all
}

func TestAdvertised(t *testing.T) {
	networks := []network{
		{netip.MustParsePrefix("127.0.0.0/8"), "lo", true},
		{netip.MustParsePrefix("192.168.1.0/24"), "lan", true},
		{netip.MustParsePrefix("10.7.0.1/32"), "lo", true},
		{netip.MustParsePrefix("172.32.0.0/16"), "other", true},
		{netip.MustParsePrefix("172.16.0.0/11"), "wide", true}, // more than RFC 1918 has
		{netip.MustParsePrefix("10.8.0.0/24"), "off", false},
		{netip.MustParsePrefix("10.9.0.0/30"), "vpn1", true},
		{netip.MustParsePrefix("198.51.100.0/24"), "wan", true},
	}
	given := netip.MustParsePrefix("10.200.0.0/16")
	for _, c := range []struct {
		wanted []Advertisement
		want   []netip.Prefix
	}{
		{nil, nil},
		{[]Advertisement{{Network: given}}, prefixes("10.200.0.0/16")},
		{[]Advertisement{{Connected: true}, {Network: given}, {Connected: true}}, prefixes("10.7.0.1/32", "10.200.0.0/16", "192.168.1.0/24")},
	} {
		if got := advertised(c.wanted, networks, []string{"vpn1"}); !slices.Equal(got, c.want) {
			t.Errorf("%+v: %v, want %v", c.wanted, got, c.want)
		}
	}
}

// Given a tunnel that is to carry everything, then the gateways' addresses are reached
// by the way that leads there without it, whatever becomes of that way.
func TestGatewaysAreReachedBesideTheTunnels(t *testing.T) {
	l := newLab(t)
	far, near := netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("192.0.2.77")
	gone := netip.MustParseAddr("203.0.113.9")
	l.ip("addr add 192.0.2.10/24 dev lan")
	l.ip("link set lan2 up")
	set := func(tunnels map[netip.Prefix]string) {
		t.Helper()
		l.in(func() error {
			return setOver(tunnels, map[netip.Addr]bool{far: true, near: true, gone: false}, []string{"a", "b"}, nil)
		})
	}
	leads := func(to netip.Addr, want string) {
		t.Helper()
		if got := l.ip("route get " + to.String()); !strings.Contains(got, want) {
			t.Errorf("%v is reached by %q, want %q", to, got, want)
		}
	}
	everything := map[netip.Prefix]string{netip.MustParsePrefix("0.0.0.0/0"): "a", netip.MustParsePrefix("192.0.2.64/26"): "b"}

	l.ip("route add default via 192.0.2.1 dev lan metric 100")
	l.ip("route add 203.0.113.9/32 via 192.0.2.1 dev lan proto 202") // of the process before, which has ended badly
	set(everything)
	for range 2 {
		leads(far, "via 192.0.2.1 dev lan")
		leads(near, "192.0.2.77 dev lan")
		leads(netip.MustParseAddr("8.8.8.8"), "dev a")
		leads(netip.MustParseAddr("192.0.2.78"), "dev b")
		set(everything) // nothing is done twice
	}
	if n := strings.Count(l.ip("route show proto 202"), "\n"); n != 4 {
		t.Errorf("%d routes keep the ways, want two for each address:\n%s", n, l.ip("route show proto 202"))
	}

	// Another way, the metric of which is lower.
	l.ip("route add 203.0.113.0/24 via 192.0.2.2 dev lan")
	set(everything)
	leads(far, "via 192.0.2.2 dev lan")

	// The way goes away: better nowhere than into the tunnel.
	l.ip("link set lan down")
	nowhere := func() {
		t.Helper()
		if out, err := l.try("route get " + far.String()); err == nil || !strings.Contains(err.Error(), "No route to host") {
			t.Errorf("%v is reached by %q, %v", far, out, err)
		}
	}
	nowhere()
	set(everything)
	nowhere()
	l.ip("link set lan up")
	l.ip("route add default via 192.0.2.3 dev lan metric 50")
	set(everything)
	leads(far, "via 192.0.2.3 dev lan")
	leads(near, "192.0.2.77 dev lan")

	// Another program's route to one host is as good as ours.
	l.ip("route add 198.51.100.9/32 dev lan proto 202")
	set(map[netip.Prefix]string{netip.MustParsePrefix("10.0.0.0/8"): "a"})
	if routes := l.ip("route show proto 202"); strings.Count(routes, "\n") != 1 || !strings.Contains(routes, "198.51.100.9") {
		t.Errorf("ways that no route covers are left, or another's has gone:\n%s", routes)
	}
	leads(far, "via 192.0.2.3 dev lan")
}

func TestGatewaysOfIPv6AreReachedBesideTheTunnels(t *testing.T) {
	l := newLab(t)
	far := netip.MustParseAddr("2001:db8:1::1")
	l.ip("addr add 2001:db8::10/64 dev lan nodad")
	l.ip("link set lan2 up")
	l.ip("-6 route add 2001:db8:1::/48 via 2001:db8::1 dev lan")
	set := func(tunnels map[netip.Prefix]string) {
		t.Helper()
		l.in(func() error { return setOver(tunnels, map[netip.Addr]bool{far: true}, []string{"a", "b"}, nil) })
	}
	for range 2 {
		set(map[netip.Prefix]string{netip.MustParsePrefix("::/0"): "a", netip.MustParsePrefix("2001:db8:1::/64"): "a"})
		if got := l.ip("-6 route get " + far.String()); !strings.Contains(got, "via 2001:db8::1 dev lan") {
			t.Errorf("%v is reached by %q", far, got)
		}
		if n := strings.Count(l.ip("-6 route show proto 202"), "\n"); n != 2 {
			t.Errorf("%d routes keep the way:\n%s", n, l.ip("-6 route show proto 202"))
		}
	}
	l.ip("-6 route del 2001:db8:1::/48")
	set(map[netip.Prefix]string{netip.MustParsePrefix("::/0"): "a"})
	if out, err := l.try("-6 route get " + far.String()); err == nil && !strings.Contains(out, "unreachable") {
		t.Errorf("without a way it is reached by %q", out)
	}
	set(nil)
	if routes := l.ip("-6 route show proto 202"); routes != "" {
		t.Errorf("ways are left:\n%s", routes)
	}
}

// The way is the one that the kernel would take: the longest, then the lowest metric, and
// none that is dead.
func TestWayTo(t *testing.T) {
	route := func(link int, to string, metric, flags int) netlink.Route {
		r := netlink.Route{LinkIndex: link, Family: unix.AF_INET, Priority: metric, Flags: flags, Type: unix.RTN_UNICAST}
		if to != "" {
			r.Dst = ipNet(netip.MustParsePrefix(to))
		}
		return r
	}
	lost := route(9, "203.0.113.0/24", 0, 0)
	lost.Type = unix.RTN_BLACKHOLE
	for name, c := range map[string]struct {
		routes []netlink.Route
		want   int // link; 0: none
	}{
		"none":             {nil, 0},
		"the default":      {[]netlink.Route{route(1, "", 0, 0)}, 1},
		"the lower metric": {[]netlink.Route{route(1, "", 100, 0), route(2, "", 50, 0), route(3, "", 70, 0)}, 2},
		"the longer one":   {[]netlink.Route{route(1, "203.0.113.0/24", 100, 0), route(2, "", 50, 0)}, 1},
		"elsewhere":        {[]netlink.Route{route(1, "203.0.112.0/24", 0, 0)}, 0},
		"no carrier":       {[]netlink.Route{route(1, "", 0, unix.RTNH_F_LINKDOWN), route(2, "", 50, 0)}, 2},
		"dead":             {[]netlink.Route{route(1, "", 0, unix.RTNH_F_DEAD)}, 0},
		"nowhere":          {[]netlink.Route{lost, route(2, "", 50, 0)}, 2},
	} {
		way, known := wayTo(netip.MustParseAddr("203.0.113.1"), c.routes)
		if way.LinkIndex != c.want || known != (c.want != 0) {
			t.Errorf("%s: by link %d, %v, want %d", name, way.LinkIndex, known, c.want)
		}
	}
}
