package appliance

import (
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"causeway.dev/bgp/speaker"
	"causeway.dev/ipsec"
)

func newDialogue(t *testing.T, adopted ...string) *dialogue {
	t.Helper()
	c, err := ParseConfig([]byte(dynamicExample))
	if err != nil {
		t.Fatal(err)
	}
	d := &dialogue{config: c, adopted: map[string]bool{}}
	for _, name := range adopted {
		d.adopted[name] = true
	}
	return d
}

// Each gateway is told the same networks, each with a MED of its own, by the path that
// stands.
func TestSessionsFollowTheTunnels(t *testing.T) {
	d := newDialogue(t, "vpn1")
	d.networks = []network{
		{netip.MustParsePrefix("10.3.0.0/24"), "lan", true},
		{netip.MustParsePrefix("169.254.10.0/30"), "vpn1", true},
	}
	summary := func(peers []speaker.Peer) (all []string) {
		for _, p := range peers {
			line := p.ID + " " + p.Device + " " + p.Local.String() + " " + p.Remote.String()
			if !p.Path.IsZero() {
				line += fmt.Sprint(" up ", p.Path.Unix())
			}
			if p.Adopted {
				line += " adopted"
			}
			for _, a := range p.Advertised {
				line += " " + a.Destination.String()
			}
			all = append(all, line)
		}
		return all
	}
	told := " 10.3.0.0/24 192.168.0.0/16"
	first, second := time.Unix(1, 0), time.Unix(2, 0)
	for _, c := range []struct {
		tunnels []ipsec.Status
		want    []string
	}{
		{[]ipsec.Status{{ID: "vpn1", Up: true, Since: first}, {ID: "vpn2", Since: second}}, []string{"vpn1 vpn1 169.254.10.2 169.254.10.1 up 1 adopted" + told, "vpn2 vpn2 169.254.11.2 169.254.11.1" + told}},
		{[]ipsec.Status{{ID: "vpn2", Up: true, Since: second}}, []string{"vpn1 vpn1 169.254.10.2 169.254.10.1 adopted" + told, "vpn2 vpn2 169.254.11.2 169.254.11.1 up 2" + told}},
	} {
		peers := d.wanted(c.tunnels)
		if got := summary(peers); !slices.Equal(got, c.want) {
			t.Errorf("%v:\n%q, want\n%q", c.tunnels, got, c.want)
		}
		if a, b := peers[0].Advertised[0], peers[1].Advertised[0]; a.MED != 100 || b.MED != 200 || !a.HasMED || !b.HasMED {
			t.Errorf("MEDs of %+v and %+v", a, b)
		}
	}
}

// What is not taken is logged once, and not as often as a gateway changes its mind.
func TestRefusedRoutesAreLoggedOnce(t *testing.T) {
	d := newDialogue(t)
	var log strings.Builder
	d.log = slog.New(slog.NewTextHandler(&log, nil))
	now := time.Unix(1000, 0)
	told := func(n int) (not []refused) {
		for i := range n {
			not = append(not, refused{"vpn1", netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i), 0, 0}), 16), "no"})
		}
		return not
	}
	for i, c := range []struct {
		after time.Duration
		not   []refused
		lines int
	}{
		{0, nil, 0},
		{0, told(1), 1},
		{complainEvery, told(1), 1},
		{complainEvery, told(20), 2},
		{time.Second, told(3), 2},
		{time.Second, told(20), 2},
		{complainEvery, told(3), 3},
		{complainEvery, nil, 3},
		{complainEvery, told(3), 4},
	} {
		now = now.Add(c.after)
		d.complain(c.not, now)
		if got := strings.Count(log.String(), "\n"); got != c.lines {
			t.Errorf("look %d: %d lines, want %d:\n%s", i, got, c.lines, log.String())
		}
	}
	if !strings.Contains(log.String(), "routes=20") || strings.Contains(log.String(), "10.5.0.0/16") {
		t.Errorf("it says:\n%s", log.String())
	}
}
