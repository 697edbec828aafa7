package appliance

import (
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"causeway.dev/bgp/speaker"
	"causeway.dev/ike"
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

// Each gateway is told the same networks, each with a MED of its own; a tunnel that was
// handed over is so until it is down for the first time.
func TestSessionsFollowTheTunnels(t *testing.T) {
	d := newDialogue(t, "vpn1", "vpn2")
	d.networks = []network{
		{netip.MustParsePrefix("10.3.0.0/24"), "lan", true},
		{netip.MustParsePrefix("169.254.10.0/30"), "vpn1", true},
	}
	summary := func(peers []speaker.Peer) (all []string) {
		for _, p := range peers {
			line := p.ID + " " + p.Device + " " + p.Local.String() + " " + p.Remote.String()
			if p.Up {
				line += " up"
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
	for _, c := range []struct {
		up   map[string]bool
		want []string
	}{
		{map[string]bool{"vpn1": true}, []string{"vpn1 vpn1 169.254.10.2 169.254.10.1 up adopted" + told, "vpn2 vpn2 169.254.11.2 169.254.11.1" + told}},
		{map[string]bool{"vpn1": true, "vpn2": true}, []string{"vpn1 vpn1 169.254.10.2 169.254.10.1 up adopted" + told, "vpn2 vpn2 169.254.11.2 169.254.11.1 up" + told}},
	} {
		peers := d.wanted(c.up)
		if got := summary(peers); !slices.Equal(got, c.want) {
			t.Errorf("up %v:\n%q, want\n%q", c.up, got, c.want)
		}
		if a, b := peers[0].Advertised[0], peers[1].Advertised[0]; a.MED != 100 || b.MED != 200 || !a.HasMED || !b.HasMED {
			t.Errorf("MEDs of %+v and %+v", a, b)
		}
	}
}

// A tunnel that was down between two looks ends its session, though both find it up.
func TestSessionDoesNotOutliveItsPath(t *testing.T) {
	d := newDialogue(t)
	early, late := time.Unix(100, 0), time.Unix(200, 0)
	up := func(name ike.PeerID, since time.Time) ipsec.Status {
		return ipsec.Status{ID: name, Up: true, Since: since}
	}
	for i, c := range []struct {
		tunnels []ipsec.Status
		broken  bool
		up      []string
	}{
		{[]ipsec.Status{up("vpn1", early), {ID: "vpn2"}}, false, []string{"vpn1"}},
		{[]ipsec.Status{up("vpn1", early), up("vpn2", early)}, false, []string{"vpn1", "vpn2"}},
		{[]ipsec.Status{up("vpn1", late), up("vpn2", early)}, true, []string{"vpn2"}},
		{[]ipsec.Status{up("vpn1", late), {ID: "vpn2", Since: late}}, false, []string{"vpn1"}},
		{[]ipsec.Status{up("vpn1", late), up("vpn2", late)}, false, []string{"vpn1", "vpn2"}},
	} {
		is, broken := d.unbroken(c.tunnels)
		var names []string
		for name, up := range is {
			if up {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		if broken != c.broken || !slices.Equal(names, c.up) {
			t.Errorf("look %d: up %v, broken %v; want %v, %v", i, names, broken, c.up, c.broken)
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
