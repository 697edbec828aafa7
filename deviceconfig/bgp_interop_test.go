package deviceconfig

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"causeway.dev/bgp/rib"
	"causeway.dev/bgp/speaker"
	"causeway.dev/internal/netlab"
)

// A router is a real FRR or BIRD that runs its sample.
type router struct {
	vendor string
	start  func(h *netlab.Host, sample string) (stop func())
}

var routers = []router{
	{"FRRouting", func(h *netlab.Host, sample string) func() { return h.StartFRR(sample).Stop }},
	{"BIRD", func(h *netlab.Host, sample string) func() { return h.StartBIRD(sample).Stop }},
}

// A bgpSite is a customer gateway with its tunnels, which are cables here, and a BIRD
// for our side at the other end of each, with the same instance behind both:
//
//	host ------- cgw ------- gw1, gw2
//	192.168.1.10     169.254.21.0/30, 169.254.22.0/30     10.0.1.10
type bgpSite struct {
	lab       *netlab.Lab
	host, cgw *netlab.Host
	gateways  [2]*netlab.BIRD
	config    Config
}

// ourSide tells the VPC's range and another site's network with the MED of its
// tunnel, and what no device may take: a default route, a route that covers the
// outside addresses, and the site's own network.
const ourSide = `log stderr all;
router id %[1]s;
protocol device { }
protocol kernel { ipv4 { export where source = RTS_BGP; }; }
protocol static {
  ipv4;
  route 10.0.0.0/16 blackhole;
  route 172.16.9.0/24 blackhole { bgp_path.prepend(65010); };
  route 0.0.0.0/0 blackhole;
  route 203.0.113.0/24 blackhole;
  route 192.168.1.0/24 blackhole { preference = 1; };
}
protocol bgp cgw {
  local %[1]s as 64512;
  neighbor %[2]s as 65000;
  hold time 30;
  connect delay time 1;
  connect retry time 5;
  error wait time 1, 5;
  graceful restart on;
  ipv4 {
    import all;
    export filter { if source = RTS_STATIC then { bgp_med = %[3]d00; accept; } reject; };
  };
}
`

// newBGPSite runs the router of the site. What speaks BGP for our side is started by
// the last argument for each tunnel; nil: a BIRD.
func newBGPSite(t *testing.T, r router, speak func(g *netlab.Host, tunnel Tunnel)) *bgpSite {
	t.Helper()
	if testing.Short() {
		t.Skip("real BGP speakers take seconds")
	}
	t.Parallel()
	lab := netlab.New(t, "ping")
	s := &bgpSite{lab: lab, host: lab.Host("host"), cgw: lab.Host("cgw").Forward(), config: newConfig(t, withBGP)}
	lab.Connect(s.host, "eth0", "192.168.1.10/24", s.cgw, "lan0", "192.168.1.1/24")
	s.host.Run("ip", "route", "add", "default", "via", "192.168.1.1")
	// What must not be advertised: the underlay, and a network in the VPC's range.
	internet := lab.Host("net")
	lab.Connect(s.cgw, "wan0", "198.51.100.7/24", internet, "cgw", "198.51.100.1/24")
	lab.Connect(s.cgw, "odd0", "10.0.5.1/24", internet, "odd0", "")
	s.cgw.Run("ip", "route", "add", "default", "via", "198.51.100.1")
	// As the samples of the tunnels have it.
	s.cgw.Run("ip", "route", "add", "unreachable", "10.0.0.0/16", "metric", fmt.Sprint(view{Config: s.config}.LastMetric()))
	for i, tunnel := range s.config.Tunnels {
		g := lab.Host(fmt.Sprintf("gw%d", tunnel.Number)).Forward()
		lab.Connect(g, "cgw", tunnel.CloudInside.String()+"/30", s.cgw, fmt.Sprintf("vpn%d", tunnel.Number), tunnel.CustomerInsidePrefix().String())
		g.Run("ip", "addr", "add", "10.0.1.10/32", "dev", "lo")
		if speak != nil {
			speak(g, tunnel)
			continue
		}
		s.gateways[i] = g.StartBIRD(fmt.Sprintf(ourSide, tunnel.CloudInside, tunnel.CustomerInside, tunnel.Number))
	}
	r.start(s.cgw, sampleOf(t, r.vendor, s.config))
	return s
}

func sampleOf(t *testing.T, vendor string, c Config) string {
	t.Helper()
	for _, d := range Devices() {
		if d.Vendor == vendor {
			sample, err := d.Sample(c, Recommended)
			if err != nil {
				t.Fatal(err)
			}
			return sample
		}
	}
	t.Fatalf("there is no device of %s", vendor)
	return ""
}

// leads waits until packets to the VPC and to the other site take a tunnel. With 0,
// until those to the VPC take none, nor the way to the internet.
func (s *bgpSite) leads(tunnel int, within time.Duration) {
	s.lab.Eventually(within, fmt.Sprintf("traffic takes tunnel %d", tunnel), func() error {
		routes := s.cgw.Run("ip", "-4", "route", "get", "172.16.9.1")
		if vpc, err := s.cgw.Try("ip", "-4", "route", "get", "10.0.1.10"); err == nil {
			routes += vpc
		} else if tunnel == 0 && strings.Contains(vpc, "No route to host") {
			return nil // as a route says that is unreachable
		}
		if tunnel == 0 || strings.Count(routes, fmt.Sprintf("dev vpn%d ", tunnel)) != 2 {
			return fmt.Errorf("%s\nof\n%s", routes, s.cgw.Run("ip", "-4", "route"))
		}
		return nil
	})
}

// TestRouterSamples runs FRR and BIRD with their samples as they are downloaded.
func TestRouterSamples(t *testing.T) {
	for _, r := range routers {
		t.Run(r.vendor, func(t *testing.T) {
			s := newBGPSite(t, r, nil)
			s.leads(1, 20*time.Second)
			table := s.cgw.Run("ip", "-4", "route")
			for _, never := range []string{"203.0.113.0/24", "192.168.1.0/24 via", "default via 169.254"} {
				if strings.Contains(table, never) {
					t.Errorf("%s was taken:\n%s", never, table)
				}
			}
			for i, g := range s.gateways {
				s.lab.Eventually(10*time.Second, "the site's networks are advertised, and nothing else", func() error {
					if told := g.Control("show", "route", "protocol", "cgw"); !strings.Contains(told, "192.168.1.0/24") || strings.Count(told, "unicast") != 1 {
						return fmt.Errorf("gateway %d was told\n%s", i+1, told)
					}
					return nil
				})
			}
			if s.host.Ping("10.0.1.10", 2, "0.2") != 2 {
				t.Error("the VPC does not answer")
			}

			s.gateways[0].Control("disable", "cgw")
			s.leads(2, 5*time.Second)
			s.gateways[0].Control("enable", "cgw")
			s.leads(1, 20*time.Second)

			// As the samples of the tunnels do when a tunnel is down.
			s.cgw.Run("ip", "link", "set", "vpn1", "down")
			s.leads(2, 5*time.Second)
			s.cgw.Run("ip", "link", "set", "vpn2", "down")
			s.leads(0, 5*time.Second)
			s.cgw.Run("ip", "link", "set", "vpn1", "up")
			s.cgw.Run("ip", "link", "set", "vpn2", "up")
			s.leads(1, 30*time.Second)
		})
	}
}

// TestRouterSamplesHelpRestart: what our side has told holds while that restarts
// without a word (RFC 4724 section 4.2), and is told anew.
func TestRouterSamplesHelpRestart(t *testing.T) {
	for _, r := range routers {
		t.Run(r.vendor, func(t *testing.T) {
			s := newBGPSite(t, r, nil)
			s.leads(1, 20*time.Second)
			s.gateways[0].Kill()
			for range 10 {
				time.Sleep(100 * time.Millisecond)
				s.leads(1, time.Second)
			}
			s.gateways[0].Start()
			s.lab.Eventually(20*time.Second, "the session stands again", func() error {
				if told := s.gateways[0].Control("show", "route", "protocol", "cgw"); !strings.Contains(told, "192.168.1.0/24") {
					return fmt.Errorf("told %s", told)
				}
				return nil
			})
			s.leads(1, time.Second)
		})
	}
}

// TestRouterSamplesWithOurSpeaker has our own speaker in our place, and restarts it as a
// daemon does that hands its tunnels over: the routes hold on the device meanwhile, and
// the next speaker soon knows that it has been told all.
func TestRouterSamplesWithOurSpeaker(t *testing.T) {
	for _, r := range routers {
		t.Run(r.vendor, func(t *testing.T) {
			var peers []speaker.Peer
			s := newBGPSite(t, r, func(g *netlab.Host, tunnel Tunnel) {
				peers = append(peers, speaker.Peer{
					ID: fmt.Sprint(tunnel.Number), Namespace: g.Name, Device: "cgw", Local: tunnel.CloudInside, Remote: tunnel.CustomerInside,
					ASN: 64512, PeerASN: 65000, HoldTime: 30 * time.Second, MaxPrefixes: 100, Path: time.Unix(1, 0),
					Advertised: []rib.Route{
						{Destination: netip.MustParsePrefix("10.0.0.0/16"), MED: 100 * uint32(tunnel.Number), HasMED: true},
						{Destination: netip.MustParsePrefix("172.16.9.0/24"), Path: []uint32{65010}, MED: 100 * uint32(tunnel.Number), HasMED: true},
					},
				})
			})
			h := startSpeaker(t, peers)
			s.learned(h)
			s.leads(1, 5*time.Second)

			h.Close(t.Context(), true)
			for i := range peers {
				peers[i].Adopted = true
			}
			s.leads(1, time.Second)
			h = startSpeaker(t, peers)
			s.learned(h)
			s.leads(1, time.Second)
		})
	}
}

func startSpeaker(t *testing.T, peers []speaker.Peer) *speaker.Host {
	t.Helper()
	h := speaker.New(speaker.Config{Logger: slog.New(slog.DiscardHandler), Changed: func() {}})
	t.Cleanup(func() { h.Close(context.Background(), false) })
	if err := h.Set(peers); err != nil {
		t.Fatal(err)
	}
	return h
}

// learned waits until the speaker has learned the site's network by both tunnels, and
// nothing else, and awaits no more.
func (s *bgpSite) learned(h *speaker.Host) {
	s.lab.Eventually(20*time.Second, "the site's network is learned", func() error {
		for _, p := range h.Status() {
			if !p.Established || p.Pending || len(p.Routes) != 1 || p.Routes[0].Destination.String() != "192.168.1.0/24" {
				return fmt.Errorf("tunnel %s: %s, pending: %v, routes: %v", p.ID, p.Message, p.Pending, p.Routes)
			}
		}
		return nil
	})
}

// TestRouterSamplesAreRead: BIRD and FRR know every line of any of their samples.
func TestRouterSamplesAreRead(t *testing.T) {
	if _, err := os.Stat(netlab.BIRDDir + "/usr/sbin/bird"); err != nil {
		t.Skip("BIRD is not unpacked: make setup")
	}
	connection, gateway, customer, routes := example()
	withBGP(&connection)
	lab := netlab.New(t)
	for name, change := range map[string]func(){
		"as it is": func() {}, "no VPC": func() { routes = nil }, "private underlay": func() { connection.Tunnels[0].OutsideAddress = routes[0].Addr().Next() },
		"long AS numbers": func() { customer.ASN, gateway.AmazonSideASN = 4200000123, 4200000456 },
	} {
		connection, gateway, customer, routes = example()
		withBGP(&connection)
		change()
		config, err := New(connection, gateway, customer, nil, routes)
		if err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(netlab.BIRDDir+"/usr/sbin/bird", "-p", "-c", lab.File("bird.conf", sampleOf(t, "BIRD", config))).CombinedOutput(); err != nil {
			t.Errorf("%s: bird -p: %v\n%s", name, err, out)
		}
		lab.Host(strings.ReplaceAll(name, " ", "-")).StartFRR(sampleOf(t, "FRRouting", config))
	}
}
