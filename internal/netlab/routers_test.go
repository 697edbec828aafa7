package netlab

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// BIRD and FRR tell each other a prefix, each puts the other's into its host, and
// a change by the control program of one is seen in the other's host.
func TestRouters(t *testing.T) {
	if testing.Short() {
		t.Skip("real daemons take seconds")
	}
	t.Parallel()
	lab := New(t)
	a, b := lab.Host("a").Forward(), lab.Host("b").Forward()
	lab.Connect(a, "eth0", "192.0.2.1/30", b, "eth0", "192.0.2.2/30")
	bird := a.StartBIRD(`log stderr all;
router id 192.0.2.1;
protocol device { scan time 1; }
protocol kernel { ipv4 { export all; }; }
protocol static prefixes { ipv4; route 198.51.100.0/24 unreachable; }
protocol bgp peer {
  local 192.0.2.1 as 65002;
  neighbor 192.0.2.2 as 65001;
  connect retry time 1;
  connect delay time 1;
  ipv4 { import all; export where source = RTS_STATIC; };
}
`)
	frr := b.StartFRR(`router bgp 65001
 no bgp ebgp-requires-policy
 no bgp network import-check
 neighbor 192.0.2.1 remote-as 65002
 neighbor 192.0.2.1 timers connect 1
 address-family ipv4 unicast
  network 203.0.113.0/24
 exit-address-family
`)
	route := func(h *Host, prefix string, want bool) {
		t.Helper()
		lab.Eventually(20*time.Second, "the route is there or not", func() error {
			if out := h.Run("ip", "route", "show", prefix); strings.Contains(out, "via 192.0.2.") != want {
				return errors.New(out + bird.Control("show", "protocols", "all", "peer") + frr.Vtysh("show bgp summary"))
			}
			return nil
		})
	}
	route(a, "203.0.113.0/24", true)
	route(b, "198.51.100.0/24", true)
	bird.Control("disable", "prefixes")
	route(b, "198.51.100.0/24", false)
	frr.Vtysh("configure", "router bgp 65001", "address-family ipv4 unicast", "no network 203.0.113.0/24")
	route(a, "203.0.113.0/24", false)
	for name, log := range map[string]string{"BIRD": bird.Log(), "FRR": frr.Log()} {
		if log == "" {
			t.Errorf("%s has logged nothing", name)
		}
	}

	// What crashes can be started anew.
	frr.Kill()
	frr.Start("router bgp 65001\n neighbor 192.0.2.1 remote-as 65002\n neighbor 192.0.2.1 timers connect 1\n no bgp ebgp-requires-policy\n")
	bird.Kill()
	bird.Start()
	route(b, "198.51.100.0/24", true)
	bird.Stop()
	frr.Stop()
}
