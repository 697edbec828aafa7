package speaker

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"causeway.dev/internal/netlab"
)

// A router is a real one at the far end.
type router interface {
	Kill()
	restart()
	has(route string) bool // learned from us
	withdraw()             // 192.168.1.0/24
	refresh()              // asks for our routes once more
	log() string
}

// kinds are the routers, each with the configuration that a test wants of it.
var kinds = map[string]func(*pair, settings) router{"BIRD": startBIRD, "FRR": startFRR}

// settings are what tests want of a router; zero is 0 routes more, and what us expects.
type settings struct {
	asn, peerASN uint32
	more         int    // routes of 172.16.0.0/12 besides 192.168.0.0/24 and 192.168.1.0/24
	line         string // in the neighbor's part of bird.conf
}

func (s settings) complete() settings {
	if s.asn == 0 {
		s.asn = theirASN
	}
	if s.peerASN == 0 {
		s.peerASN = ourASN
	}
	return s
}

func (s settings) others() (all []string) {
	for i := range s.more {
		all = append(all, fmt.Sprintf("172.16.%d.0/24", i))
	}
	return all
}

type bird struct {
	*netlab.BIRD
	p *pair
}

func startBIRD(p *pair, s settings) router {
	s = s.complete()
	more := ""
	for _, d := range s.others() {
		more += fmt.Sprintf(" route %s blackhole;", d)
	}
	return &bird{p: p, BIRD: p.far.StartBIRD(fmt.Sprintf(`log stderr all;
router id 169.254.10.2;
protocol device {}
protocol static fixed { ipv4; route 192.168.0.0/24 blackhole;%s }
protocol static second { ipv4; route 192.168.1.0/24 blackhole; }
protocol bgp causeway {
  local 169.254.10.2 as %d;
  neighbor 169.254.10.1 as %d;
  hold time 3;
  connect delay time 1;
  connect retry time 1;
  error wait time 1, 2;
  graceful restart on;
  %s
  ipv4 { import all; export where source = RTS_STATIC; };
}
`, more, s.asn, s.peerASN, s.line))}
}

func (b *bird) restart() { b.Start() }

func (b *bird) has(route string) bool {
	out, err := b.p.far.Try(netlab.BIRDDir+"/usr/sbin/birdc", "-s", b.Socket(), "show", "route", "protocol", "causeway", route)
	return err == nil && strings.Contains(out, route)
}
func (b *bird) withdraw()   { b.Control("disable", "second") }
func (b *bird) refresh()    { b.Control("reload", "in", "causeway") }
func (b *bird) log() string { return b.Log() }

type frr struct {
	*netlab.FRR
	p             *pair
	configuration string
}

func startFRR(p *pair, s settings) router {
	s = s.complete()
	more := ""
	for _, d := range s.others() {
		more += "  network " + d + "\n"
	}
	f := &frr{p: p, configuration: fmt.Sprintf(`router bgp %d
 bgp router-id 169.254.10.2
 no bgp ebgp-requires-policy
 no bgp network import-check
 bgp graceful-restart
 bgp graceful-restart preserve-fw-state
 timers bgp 1 3
 neighbor 169.254.10.1 remote-as %d
 neighbor 169.254.10.1 timers connect 1
 address-family ipv4 unicast
  network 192.168.0.0/24
  network 192.168.1.0/24
%s exit-address-family
`, s.asn, s.peerASN, more)}
	f.FRR = p.far.StartFRR(f.configuration)
	return f
}

func (f *frr) restart() { f.Start(f.configuration) }

// has looks into the kernel, where zebra puts what bgpd has taken.
func (f *frr) has(route string) bool {
	return strings.Contains(f.p.far.Run("ip", "route", "show", route), ours.String())
}

func (f *frr) withdraw() {
	f.Vtysh("configure", fmt.Sprintf("router bgp %d", uint32(theirASN)), "address-family ipv4 unicast", "no network 192.168.1.0/24")
}
func (f *frr) refresh()    { f.Vtysh("clear ip bgp 169.254.10.1 soft in") }
func (f *frr) log() string { return f.Log() }

// has waits until the router has a route of ours, or not.
func (p *pair) has(r router, route string, want bool) {
	p.t.Helper()
	p.lab.Eventually(12*time.Second, fmt.Sprintf("the router has %s: %v", route, want), func() error {
		if r.has(route) != want {
			return errors.New(tail(r.log()))
		}
		return nil
	})
}

func tail(log string) string { return log[max(0, len(log)-2000):] }

// Real routers get our routes and we theirs, each side takes some back, and the router
// gets all once more when it asks.
func TestRouters(t *testing.T) {
	t.Parallel()
	for kind, start := range kinds {
		t.Run(kind, func(t *testing.T) {
			p := newPair(t)
			r := start(p, settings{})
			us := p.start("us", p.us())
			us.learns("192.168.0.0/24", "192.168.1.0/24")
			p.has(r, "10.0.0.0/16", true)

			r.withdraw()
			us.learns("192.168.0.0/24")
			peer := p.us()
			peer.Advertised = routes("10.1.0.0/16")
			us.set(peer)
			p.has(r, "10.1.0.0/16", true)
			p.has(r, "10.0.0.0/16", false)

			before := us.status().Sent
			r.refresh()
			us.until("sends all once more", func(st Status) bool { return st.Established && st.Sent > before })
			p.has(r, "10.1.0.0/16", true)
		})
	}
}

// RFC 4724, both ways: a router that crashes and comes back, and our own restart. Nobody
// is without routes in between.
func TestRoutersRestart(t *testing.T) {
	t.Parallel()
	for kind, start := range kinds {
		t.Run(kind, func(t *testing.T) {
			p := newPair(t)
			r := start(p, settings{})
			us := p.start("us", p.us())
			us.learns("192.168.0.0/24", "192.168.1.0/24")
			p.has(r, "10.0.0.0/16", true)

			r.Kill()
			us.until("keeps what it has learned", func(st Status) bool { return !st.Established && st.Pending && len(st.Routes) == 2 })
			r.restart()
			us.until("has told all again", func(st Status) bool { return st.Established && !st.Pending && len(st.Routes) == 2 })
			p.has(r, "10.0.0.0/16", true)

			us.Close(t.Context(), true)
			// The router knows of the end before the next process comes.
			for range 10 {
				if !r.has("10.0.0.0/16") {
					t.Fatalf("the router has dropped our routes:\n%s", tail(r.log()))
				}
				time.Sleep(20 * time.Millisecond)
			}
			peer := p.us()
			peer.Adopted = true
			us = p.start("us, anew", peer)
			if st := us.status(); !st.Pending {
				t.Errorf("not pending: %+v", st)
			}
			us.until("has all again", func(st Status) bool {
				if !r.has("10.0.0.0/16") {
					t.Fatalf("the router has dropped our routes:\n%s", tail(r.log()))
				}
				return st.Established && !st.Pending && len(st.Routes) == 2
			})
		})
	}
}

// What is wrong with a router is said in words for people.
func TestRoutersRefused(t *testing.T) {
	t.Parallel()
	for kind, start := range kinds {
		t.Run(kind+"/wrong AS", func(t *testing.T) {
			p := newPair(t)
			start(p, settings{asn: 65001})
			p.start("us", p.us()).until("names both ASNs", func(st Status) bool {
				return strings.Contains(st.Message, "the peer's AS is 65001, the customer gateway's BGP ASN is 4200000001")
			})
		})
		t.Run(kind+"/expects another AS", func(t *testing.T) {
			p := newPair(t)
			start(p, settings{peerASN: 65001})
			p.start("us", p.us()).until("says what the device has to expect", func(st Status) bool {
				return strings.Contains(st.Message, "the peer refuses our AS: the device has to expect 64512 of this neighbor")
			})
		})
		t.Run(kind+"/too many routes", func(t *testing.T) {
			p := newPair(t)
			start(p, settings{more: 9})
			peer := p.us()
			peer.MaxPrefixes = 10
			us := p.start("us", peer)
			us.until("says so", func(st Status) bool {
				return !st.Established && len(st.Routes) == 0 && st.Message ==
					"The customer gateway advertises more than 10 routes: the session was ended; summarize or filter what it advertises"
			})
			peer.MaxPrefixes = 13
			us.set(peer)
			us.until("counts", func(st Status) bool {
				return st.Established && strings.Contains(st.Message, "11 routes are learned; the customer gateway advertises 11 of 13 routes that it may")
			})
		})
	}
}

// RFC 6793: a router that knows ASNs of two octets only gets AS_TRANS for others, and
// those beside it.
func TestRouterOfTwoOctetASNs(t *testing.T) {
	p := newPair(t)
	r := startBIRD(p, settings{asn: 65001, line: "enable as4 off;"})
	peer := p.us()
	peer.PeerASN = 65001
	peer.Advertised[0].Path = []uint32{theirASN, 65002}
	us := p.start("us", peer)
	st := us.learns("192.168.0.0/24", "192.168.1.0/24")
	if path := st.Routes[0].Path; !slices.Equal(path, []uint32{65001}) {
		t.Errorf("learned by the path %v", path)
	}
	p.has(r, "10.0.0.0/16", true)
	if out := r.(*bird).Control("show", "route", "all", "10.0.0.0/16"); !strings.Contains(out, "BGP.as_path: 64512 4200000001 65002\n") {
		t.Errorf("BIRD does not put the path together:\n%s", out)
	}
}
