package daemon

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"causeway.dev/ike"
)

// What a change of the configuration means for what stands: nothing, or another pair
// that takes over before the old one ends, in both versions and on either side.
func TestChangesOfTheConfiguration(t *testing.T) {
	for _, c := range []struct {
		name   string
		anew   bool
		change func(p *ike.Peer)
	}{
		{"timers", false, func(p *ike.Peer) { p.DPDTimeout, p.RekeyMargin, p.RekeyFuzz = time.Minute, time.Minute, 50 }},
		{"DPD action", false, func(p *ike.Peer) { p.DPDAction = ike.DPDRestart }},
		{"start", false, func(p *ike.Peer) { p.Start = !p.Start }},
		{"offers", false, func(p *ike.Peer) { p.ESPOffers = p.ESPProposals }},
		{"lifetime", true, func(p *ike.Peer) { p.ChildLifetime = 2 * time.Hour }},
		{"selectors", true, func(p *ike.Peer) { p.RemoteSelectors = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")} }},
		{"another key", true, func(p *ike.Peer) { p.PreSharedKey = ike.Secret("another") }},
		{"proposals", true, func(p *ike.Peer) {
			p.IKEProposals = []ike.IKEProposal{{Encryption: ike.AES256CBC, Integrity: ike.HMACSHA256, PRF: ike.PRFHMACSHA256, Group: ike.Group20}}
			p.ESPProposals = []ike.ESPProposal{{Encryption: ike.AES256CBC, Integrity: ike.HMACSHA512}}
		}},
	} {
		for _, v := range versions {
			t.Run(v.String()+" "+c.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					n := newNetwork(t)
					a, b := n.start(west), n.start(east)
					pa, pb := starting(a.peer("b", east)), b.peer("a", west)
					pa.Versions, pb.Versions = ike.VersionsOf(v), ike.VersionsOf(v)
					set(t, b, pb)
					set(t, a, pa)
					time.Sleep(time.Second)
					requireUp(t, a, "b", b, "a")
					first := a.childOf("b").Inbound
					a.told("b")
					b.told("a")
					c.change(&pb)
					set(t, b, pb) // its first attempt comes too early
					time.Sleep(100 * time.Millisecond)
					c.change(&pa)
					set(t, a, pa)
					time.Sleep(time.Minute)
					requireUp(t, a, "b", b, "a")
					if anew := a.childOf("b").Inbound != first; anew != c.anew {
						t.Errorf("made anew: %t", anew)
					}
					for _, lines := range [][]string{a.told("b"), b.told("a")} {
						closed := func(line string) bool { return strings.HasPrefix(line, "Closed") }
						if slices.ContainsFunc(lines, closed) || !c.anew && len(lines) > 0 {
							t.Errorf("it broke: %q", lines)
						}
						activated, removed := slices.Index(lines, "ChildActivated"), slices.Index(lines, "ChildRemoved")
						if c.anew && (activated < 0 || removed < activated) {
							t.Errorf("the old pair did not end after the new one was in use: %q", lines)
						}
					}
				})
			})
		}
	}
}

// A change that the peer does not follow ends what stands, after a while.
func TestChangeThatThePeerDoesNotFollow(t *testing.T) {
	for _, v := range versions {
		t.Run(v.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork(t)
				a, b := n.start(west), n.start(east)
				pa, pb := starting(a.peer("b", east)), b.peer("a", west)
				pa.Versions, pb.Versions = ike.VersionsOf(v), ike.VersionsOf(v)
				set(t, b, pb)
				set(t, a, pa)
				time.Sleep(time.Second)
				pa.ESPProposals = []ike.ESPProposal{{Encryption: ike.AES256CBC, Integrity: ike.HMACSHA512}}
				set(t, a, pa)
				time.Sleep(20 * time.Second)
				requireUp(t, a, "b", b, "a")
				time.Sleep(20 * time.Second)
				if a.childOf("b") != nil {
					t.Error("what was made by another configuration stands")
				}
				time.Sleep(time.Minute)
				pb.ESPProposals = pa.ESPProposals
				set(t, b, pb)
				time.Sleep(2 * time.Minute)
				requireUp(t, a, "b", b, "a")
			})
		})
	}
}

// The owner can have everything made anew.
func TestReauthenticate(t *testing.T) {
	for _, v := range versions {
		t.Run(v.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork(t)
				a, b := n.start(west), n.start(east)
				pa, pb := starting(a.peer("b", east)), b.peer("a", west)
				pa.Versions, pb.Versions = ike.VersionsOf(v), ike.VersionsOf(v)
				set(t, b, pb)
				set(t, a, pa)
				time.Sleep(time.Second)
				for _, s := range []struct {
					h  *host
					id ike.PeerID
				}{{a, "b"}, {b, "a"}} {
					before := s.h.childOf(s.id).Inbound
					a.told("b")
					if err := s.h.Command(s.id, ike.Reauthenticate{}); err != nil {
						t.Fatal(err)
					}
					time.Sleep(time.Minute)
					requireUp(t, a, "b", b, "a")
					if s.h.childOf(s.id).Inbound == before {
						t.Error("the pair is the old one")
					}
					if lines := a.told("b"); !slices.Contains(lines, "Established") || slices.ContainsFunc(lines, func(line string) bool { return strings.HasPrefix(line, "Closed") }) {
						t.Errorf("told %q", lines)
					}
				}
				if err := a.Command("b", ike.Terminate{}); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Second)
				if err := a.Command("b", ike.Reauthenticate{}); err != nil { // as Initiate
					t.Fatal(err)
				}
				time.Sleep(time.Minute)
				requireUp(t, a, "b", b, "a")
			})
		})
	}
}

// An own address that may change does not end what stands, if nothing else changes too.
func TestEffectOfAnotherAddress(t *testing.T) {
	old := ike.Peer{ID: "b", Local: west, Remote: east, PreSharedKey: ike.Secret("key"), Mobile: true}
	for name, c := range map[string]struct {
		change func(*ike.Peer)
		want   effect
	}{
		"the address":                   {func(*ike.Peer) {}, moves},
		"the address and a lifetime":    {func(p *ike.Peer) { p.IKELifetime = time.Hour }, replaces},
		"an address that does not move": {func(p *ike.Peer) { p.Mobile = false }, replaces},
		"both addresses":                {func(p *ike.Peer) { p.Remote = netip.MustParseAddr("192.0.2.99") }, replaces},
	} {
		config := old
		config.Local = netip.MustParseAddr("192.0.2.77")
		c.change(&config)
		if got := effectOf(old, config); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
