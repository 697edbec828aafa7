package interop

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"causeway.dev/appliance"
	"causeway.dev/internal/netlab"
)

const (
	otherAddress = "198.51.100.1" // of a second gateway
	oursASN      = "64512"
	theirsASN    = "65000"
)

// yaml is the whole configuration of an appliance.
type yaml string

func (y yaml) String() string { return string(y) }

// A session is a tunnel with BGP, of an appliance.
type session struct {
	name, remote, inside string
	asn, peerASN         string
	start                bool
}

func (s session) String() string {
	return fmt.Sprintf(`  - name: %s
    remote: %s
    psk: %q
    inside: %s
    start: %v
    bgp: {asn: %s, peer_asn: %s, hold_time: 3s}
`, s.name, s.remote, key, s.inside, s.start, s.asn, s.peerASN)
}

// speaking is an appliance's configuration with sessions; more are further lines.
func speaking(local, more string, sessions ...session) yaml {
	text := "local: " + local + "\n" + more + "tunnels:\n"
	for _, s := range sessions {
		text += s.String()
	}
	return yaml(text)
}

// oursSpeaking is a gateway of one tunnel.
func oursSpeaking(local, inside, more string) yaml {
	return speaking(local, more, session{"vpn1", peerAddress, inside, oursASN, theirsASN, false})
}

// theirsSpeaking is the customer's side with a tunnel to each gateway.
func theirsSpeaking(more string, gateways ...string) yaml {
	var all []session
	for i, remote := range gateways {
		all = append(all, session{fmt.Sprintf("vpn%d", i+1), remote, fmt.Sprintf("169.254.1%d.2/30", i), theirsASN, oursASN, true})
	}
	return speaking(peerAddress, more, all...)
}

// stateOf is the last that the appliance said of a tunnel.
func (g gateway) stateOf(tunnel string) (last appliance.State) {
	for line := range strings.Lines(g.Log()) {
		var s appliance.State
		if json.Unmarshal([]byte(line), &s) == nil && s.Tunnel == tunnel {
			last = s
		}
	}
	return last
}

// waitSession waits until a tunnel's session stands and so many routes were learned.
func (g gateway) waitSession(tunnel string, routes int) {
	g.lab.Eventually(soon, fmt.Sprintf("%d routes by %s", routes, tunnel), func() error {
		if s := g.stateOf(tunnel); s.BGP == nil || !s.Up || !s.BGP.Established || s.BGP.Routes != routes {
			return fmt.Errorf("%+v %+v", s, s.BGP)
		}
		return nil
	})
}

// leads waits until a network is reached by a device, or by none.
func leads(lab *netlab.Lab, host *netlab.Host, network, device string) {
	lab.Eventually(soon, fmt.Sprintf("%s leads to %q", network, device), func() error {
		out := host.Run("ip", "route", "show", network, "proto", "201")
		if is := strings.Fields(out + " none none none")[2]; is != device && (device != "" || out != "") {
			return fmt.Errorf("%q", out)
		}
		return nil
	})
}

// Given a site with a tunnel to each of two gateways, behind which is the same host,
// then each side learns the other's networks; packets take the first tunnel, the second
// when the first one's session ends, by its hold time or by word of the peer, and the
// first again; what is withdrawn goes.
func TestBGPFailover(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	other := s.lab.Host("other")
	s.lab.Connect(other, "wan", otherAddress+"/24", s.wire, "other", "198.51.100.254/24")
	other.Run("ip", "route", "add", "default", "via", "198.51.100.254")
	other.Run("ip", "addr", "add", ourInside+"/32", "dev", "lo")
	const theirMore = "advertise: [connected, 172.16.0.0/24]\n"
	const ourMore = "advertise: [10.0.0.0/16]\n"
	first := startAppliance(s.lab, s.our, "first", oursSpeaking(ourAddress, "169.254.10.1/30", ourMore))
	second := startAppliance(s.lab, other, "second", oursSpeaking(otherAddress, "169.254.11.1/30", ourMore))
	site := startAppliance(s.lab, s.peer, "site", theirsSpeaking(theirMore, ourAddress, otherAddress))
	site.waitSession("vpn1", 1)
	site.waitSession("vpn2", 1)
	first.waitSession("vpn1", 2)
	second.waitSession("vpn1", 2)
	for _, host := range []*netlab.Host{s.our, other} {
		leads(s.lab, host, "172.16.0.0/24", "vpn1")
		leads(s.lab, host, peerInside, "vpn1")
	}
	leads(s.lab, s.peer, "10.0.0.0/16", "vpn1")
	pings(t, s.peer, peerInside, ourInside)
	pings(t, s.our, ourInside, peerInside)

	// The peer falls silent.
	ping := s.peer.Start("ping", "ping", "-n", "-i", "0.05", "-I", peerInside, ourInside)
	first.Signal(unix.SIGSTOP)
	leads(s.lab, s.peer, "10.0.0.0/16", "vpn2")
	pings(t, s.peer, peerInside, ourInside)
	if state := site.stateOf("vpn1"); state.Up || !strings.HasPrefix(state.Message, "IPsec is up, BGP is not: ") {
		t.Errorf("of the tunnel whose session has ended it says %+v", state)
	}
	first.Signal(unix.SIGCONT)
	site.waitSession("vpn1", 1)
	leads(s.lab, s.peer, "10.0.0.0/16", "vpn1")

	// The peer says that it ends: nothing is waited for.
	_, before := netlab.Answered(ping.Log())
	first.Stop()
	leads(s.lab, s.peer, "10.0.0.0/16", "vpn2")
	s.lab.Eventually(soon, "requests are still answered", func() error {
		if _, last := netlab.Answered(ping.Log()); last < before+60 {
			return fmt.Errorf("the last answer was to request %d, 60 after %d are awaited", last, before)
		}
		return nil
	})
	ping.Stop()
	answered, last := netlab.Answered(ping.Log())
	lost := 0
	for n := before; n < last; n++ {
		if !answered[n] {
			lost++
		}
	}
	t.Logf("%d of %d requests lost while the gateway ended", lost, last-before)
	if lost > 20 { // a second
		t.Errorf("%d requests were lost", lost)
	}
	leads(s.lab, s.our, peerInside, "")
	again := startAppliance(s.lab, s.our, "again", oursSpeaking(ourAddress, "169.254.10.1/30", ""))
	site.waitSession("vpn1", 0)
	again.waitSession("vpn1", 2)
	leads(s.lab, s.peer, "10.0.0.0/16", "vpn2") // which this one does not tell
	s.peer.Run("ip", "addr", "del", peerInside+"/32", "dev", "lo")
	again.waitSession("vpn1", 1)
	leads(s.lab, s.our, peerInside, "")
	leads(s.lab, s.our, "172.16.0.0/24", "vpn1")
}

// birdConfiguration is a BIRD that tells what routes says, by a tunnel whose inside
// address is 169.254.10.1.
func birdConfiguration(routes string) string {
	return `log stderr all;
router id 169.254.10.1;
protocol device { scan time 1; }
protocol static told { ipv4; ` + routes + ` }
protocol bgp site {
  local 169.254.10.1 as ` + oursASN + `;
  neighbor 169.254.10.2 as ` + theirsASN + `;
  hold time 9;
  connect retry time 1;
  connect delay time 1;
  error wait time 1, 2;
  ipv4 { import all; export where source = RTS_STATIC; };
}
`
}

// birdScene is a site's appliance with a tunnel to a host where an appliance carries
// the packets and BIRD speaks BGP.
func birdScene(t *testing.T, more, routes string) (scene, gateway, *netlab.BIRD) {
	t.Helper()
	s := newScene(t)
	bird := s.our.StartBIRD(birdConfiguration(routes))
	carrier := ours()
	carrier.route = peerInside + "/32"
	startAppliance(s.lab, s.our, "carrier", carrier)
	site := startAppliance(s.lab, s.peer, "site", theirsSpeaking(more, ourAddress))
	return s, site, bird
}

// Given a BIRD that tells whatever harms, then a site keeps its own networks, its way
// to the internet and its tunnel; what it takes it takes, and loses what is withdrawn.
func TestBIRDTellsWhatHarms(t *testing.T) {
	t.Parallel()
	harm := ""
	for _, p := range []string{
		"0.0.0.0/0", "0.0.0.0/1", "203.0.113.0/24", ourAddress + "/32", peerAddress + "/32", "192.0.2.0/24", // by which the gateway is reached
		"192.168.7.0/24", "192.168.7.128/25", peerInside + "/32", "172.16.5.0/24", // its own
		"169.254.0.0/16", "169.254.10.0/30", "127.0.0.0/8", "224.0.0.0/4", "10.0.0.0/16", "10.1.0.0/16",
	} {
		harm += "route " + p + " unreachable; "
	}
	s, site, bird := birdScene(t, "advertise: [172.16.5.0/24, connected]\n", "route 10.0.0.0/16 unreachable;")
	s.peer.Run("ip", "link", "add", "lan", "type", "veth", "peer", "name", "lan2")
	s.peer.Run("ip", "link", "set", "lan2", "up")
	s.peer.Run("ip", "addr", "add", "192.168.7.1/24", "dev", "lan")
	s.peer.Run("ip", "link", "set", "lan", "up")
	site.waitSession("vpn1", 1)
	leads(s.lab, s.peer, "10.0.0.0/16", "vpn1")
	pings(t, s.peer, peerInside, ourInside)
	s.lab.Eventually(soon, "BIRD has the site's networks", func() error {
		for _, p := range []string{peerInside + "/32", "192.168.7.0/24", "172.16.5.0/24"} {
			if out := bird.Control("show", "route", p, "protocol", "site"); !strings.Contains(out, "AS"+theirsASN) {
				return fmt.Errorf("%s: %s", p, out)
			}
		}
		return nil
	})

	ping := s.peer.StartPing(ourInside, "0.02", "-I", peerInside, "-c", "200")
	bird.Configure(birdConfiguration(harm))
	leads(s.lab, s.peer, "10.1.0.0/16", "vpn1")
	if sent, answered := ping.Wait(); sent != answered {
		t.Errorf("%d sent, %d answered", sent, answered)
	}
	if routes := strings.Fields(s.peer.Run("ip", "-br", "route", "show", "proto", "201")); strings.Join(routes, " ") != "10.0.0.0/16 dev vpn1 scope link 10.1.0.0/16 dev vpn1 scope link" {
		t.Errorf("taken: %v", routes)
	}
	for _, words := range []string{"routes of gateways are not taken", "0.0.0.0/0 by vpn1: it lies in no network that accept names"} {
		if !strings.Contains(site.Log(), words) {
			t.Errorf("the log does not say %q", words)
		}
	}
	said := s.peer.Run(program, "doctor", "--appliance", filepath.Join(s.lab.Dir(), "site.yaml"), "vpn1")
	for _, words := range []string{"vpn1 is UP", "> BGP: yes", "BGP       Established", "10.1.0.0/16 by AS " + oursASN, "not taken: 192.168.7.128/25: it lies in 192.168.7.0/24, which lan is connected to", "not taken: 172.16.5.0/24: we advertise the same network"} {
		if !strings.Contains(said, words) {
			t.Errorf("doctor does not say %q:\n%s", words, said)
		}
	}
	bird.Control("disable", "told")
	site.waitSession("vpn1", 0)
	leads(s.lab, s.peer, "10.1.0.0/16", "")

	// More than is borne ends the session.
	many := ""
	for i := range 1001 {
		many += fmt.Sprintf("route 10.%d.%d.0/24 unreachable; ", i/256, i%256)
	}
	bird.Configure(birdConfiguration(many))
	bird.Control("enable", "told")
	s.lab.Eventually(soon, "the session ends", func() error {
		if state := site.stateOf("vpn1"); state.Up || !strings.Contains(state.Message, "1000") {
			return fmt.Errorf("%+v", state)
		}
		return nil
	})
	leads(s.lab, s.peer, "10.1.0.0/16", "")
}

// Given a site that takes a default route, then all leads into the tunnel, but the
// tunnel's own packets; and that has not changed when another way leads there.
func TestDefaultRouteByBGP(t *testing.T) {
	t.Parallel()
	const internet = "8.8.8.8"
	s, site, bird := birdScene(t, "accept: [0.0.0.0/0]\nadvertise: [connected]\n", "route 0.0.0.0/0 unreachable; route 203.0.113.0/25 unreachable;")
	s.our.Run("ip", "addr", "add", internet+"/32", "dev", "lo")
	s.peer.Run("ip", "route", "del", "default")
	s.peer.Run("ip", "route", "add", "default", "via", "192.0.2.1", "metric", "100")
	site.waitSession("vpn1", 2)
	leads(s.lab, s.peer, "default", "vpn1")
	leads(s.lab, s.peer, "203.0.113.0/25", "vpn1")
	pings(t, s.peer, peerInside, internet)
	downs := strings.Count(site.Log(), `"up":false`)
	s.wire.Run("ip", "addr", "add", "192.0.2.3/24", "dev", "peer")
	s.peer.Run("ip", "route", "add", "default", "via", "192.0.2.3", "metric", "50")
	s.peer.Run("ip", "route", "del", "default", "via", "192.0.2.1")
	s.lab.Eventually(soon, "the gateway is reached by the other way", func() error {
		if out := s.peer.Run("ip", "route", "get", ourAddress); !strings.Contains(out, "via 192.0.2.3 dev wan") {
			return fmt.Errorf("%s", out)
		}
		return nil
	})
	pings(t, s.peer, peerInside, internet)
	if state := site.stateOf("vpn1"); !state.Up || strings.Count(site.Log(), `"up":false`) != downs {
		t.Errorf("the tunnel was down: %+v", state)
	}
	bird.Control("disable", "told")
	leads(s.lab, s.peer, "default", "")
	s.lab.Eventually(soon, "the gateway needs no way of its own", func() error {
		if out := s.peer.Run("ip", "route", "show", "proto", "202"); out != "" {
			return fmt.Errorf("%s", out)
		}
		return nil
	})
	bird.Control("enable", "told")
	leads(s.lab, s.peer, "default", "vpn1")
	site.Stop()
	if out := s.peer.Run("ip", "route", "show"); strings.Contains(out, "proto 20") {
		t.Errorf("routes are left:\n%s", out)
	}
}

// Given a ping through a tunnel with BGP, when the appliance is stopped and started
// with hand_over, then nothing is lost on either side: BIRD keeps what it has learned,
// and the site's routes stay until BIRD has told them again.
func TestBGPHandOver(t *testing.T) {
	t.Parallel()
	const more = "hand_over: 10s\nadvertise: [connected]\n"
	s, site, bird := birdScene(t, more, "route 10.0.0.0/16 unreachable; route 10.5.0.0/16 unreachable;")
	site.waitSession("vpn1", 2)
	leads(s.lab, s.peer, "10.5.0.0/16", "vpn1")
	learned := func() {
		t.Helper()
		if out := bird.Control("show", "route", "protocol", "site"); !strings.Contains(out, peerInside) {
			t.Errorf("BIRD has lost what it has learned: %s", out)
		}
	}
	learned()
	changes := s.peer.Start("changes", "ip", "monitor", "route")
	ping := s.peer.Start("ping", "ping", "-n", "-i", "0.01", "-I", peerInside, ourInside)
	time.Sleep(300 * time.Millisecond)
	site.Signal(unix.SIGTERM)
	site.Stop()
	learned()
	leads(s.lab, s.peer, "10.5.0.0/16", "vpn1")
	bird.Configure(birdConfiguration("route 10.0.0.0/16 unreachable;")) // withdrawn while nobody listens
	learned()
	next := startAppliance(s.lab, s.peer, "site", theirsSpeaking(more, ourAddress))
	next.waitSession("vpn1", 1)
	learned()
	leads(s.lab, s.peer, "10.5.0.0/16", "")
	leads(s.lab, s.peer, "10.0.0.0/16", "vpn1")
	_, then := netlab.Answered(ping.Log())
	var answered map[int]bool
	var last int
	s.lab.Eventually(soon, "requests are still answered", func() error {
		if answered, last = netlab.Answered(ping.Log()); last < then+50 {
			return fmt.Errorf("the last answer was to request %d", last)
		}
		return nil
	})
	ping.Stop()
	t.Logf("%d of %d requests lost", last-len(answered), last)
	if last-len(answered) > 5 {
		t.Errorf("%d of %d requests were answered", len(answered), last)
	}
	if strings.Contains(changes.Log(), "Deleted 10.0.0.0/16") {
		t.Errorf("the route was away for a while:\n%s", changes.Log())
	}
	if strings.Contains(next.Log(), `"up":false`) {
		t.Errorf("the next one says that it was down:\n%s", next.Log())
	}
	next.Signal(unix.SIGINT)
	s.lab.Eventually(soon, "BIRD has forgotten", func() error {
		if out := bird.Control("show", "route", "protocol", "site"); strings.Contains(out, peerInside) {
			return fmt.Errorf("%s", out)
		}
		return nil
	})
}
