// Package bench compares a tunnel with plain forwarding over the same hops, in
// one run. Each bed is four namespaces, and where it has a tunnel, two
// `causeway appliance` processes that differ from the product's gateways in
// nothing that a packet meets:
//
//	10.1.0.2                  192.0.2.1   192.0.2.2                  10.2.0.2
//	 host A ──── 10.1.0.1 gateway A ═══ underlay ═══ gateway B 10.2.0.1 ──── host B
//
// Both hosts, both gateways and the load's two ends share this machine's
// processors: a figure is what the whole chain does.
package bench

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"causeway.dev/appliance"
	"causeway.dev/internal/netlab"
)

// innerMTU is that of the hosts' links, of a bed without a tunnel too. It fits
// every cipher into 1500 bytes, so nothing is fragmented.
const innerMTU = 1400

var (
	addressA = netip.MustParseAddr("10.1.0.2")
	addressB = netip.MustParseAddr("10.2.0.2")
)

// A kind is what is between the two gateways.
type kind struct {
	name  string
	esp   string // proposal; empty: nothing but forwarding
	encap string // "auto" is plain ESP here, since there is no NAT; "always" is UDP

	// wire makes the underlay cut what leaves it into packets of its MTU, as a
	// network card does. Without it a veth hands super-packets of 64 KiB over
	// whole, which flatters all who send them.
	wire bool
}

func (k kind) tunnel() bool { return k.esp != "" }

// A bed is one kind in namespaces of its own.
type bed struct {
	kind     kind
	a, b     *netlab.Host
	gateways []*netlab.Process
}

// newBed builds a bed, with gateways that run program, and waits until host A
// reaches host B.
func newBed(lab *netlab.Lab, program string, number int, k kind) *bed {
	name := func(role string) string { return fmt.Sprintf("%d%s", number, role) }
	s := &bed{kind: k, a: lab.Host(name("a")), b: lab.Host(name("b"))}
	left, right := lab.Host(name("l")).Forward(), lab.Host(name("r")).Forward()
	lab.Connect(s.a, "eth0", addressA.String()+"/24", left, "lan", "10.1.0.1/24")
	lab.Connect(s.b, "eth0", addressB.String()+"/24", right, "lan", "10.2.0.1/24")
	lab.Connect(left, "wan", "192.0.2.1/24", right, "wan", "192.0.2.2/24")
	s.a.Run("ip", "route", "add", "default", "via", "10.1.0.1")
	s.b.Run("ip", "route", "add", "default", "via", "10.2.0.1")
	for _, end := range []struct {
		host *netlab.Host
		link string
	}{{s.a, "eth0"}, {left, "lan"}, {s.b, "eth0"}, {right, "lan"}} {
		end.host.Run("ip", "link", "set", end.link, "mtu", strconv.Itoa(innerMTU))
	}
	if k.wire {
		for _, gateway := range []*netlab.Host{left, right} {
			gateway.Run("ethtool", "-K", "wan", "tso", "off", "tx-udp-segmentation", "off", "gro", "on")
		}
	}
	if !k.tunnel() {
		left.Run("ip", "route", "add", "10.2.0.0/24", "via", "192.0.2.2")
		right.Run("ip", "route", "add", "10.1.0.0/24", "via", "192.0.2.1")
	} else {
		// No other route leads across: what arrives came through the tunnel.
		for i, gateway := range []*netlab.Host{left, right} {
			file := lab.File(name("gateway")+strconv.Itoa(i)+".yaml", k.configuration(i))
			s.gateways = append(s.gateways, gateway.Start(name("gateway"), program, "appliance", "--status", "--config", file))
		}
		for _, g := range s.gateways {
			lab.Eventually(15*time.Second, k.name+" is up", func() error { return isUp(g) })
		}
	}
	lab.Eventually(5*time.Second, "host A reaches host B over "+k.name, func() error {
		_, err := s.a.Try("ping", "-n", "-c", "1", "-W", "1", addressB.String())
		return err
	})
	return s
}

// configuration is that of the gateway on side 0 or 1.
func (k kind) configuration(side int) string {
	return fmt.Sprintf(`local: 192.0.2.%d
tunnels:
  - name: vpn1
    remote: 192.0.2.%d
    psk: "a.key.for.benchmarks"
    ike_proposals: [aes128-sha256-group19]
    esp_proposals: [%s]
    start: %v
    encap: %s
    inside: 169.254.10.%d/30
    mtu: %d
    routes: [10.%d.0.0/24]
`, 1+side, 2-side, k.esp, side == 0, k.encap, 1+side, innerMTU, 2-side)
}

// isUp reads the last that an appliance said of its tunnel.
func isUp(g *netlab.Process) error {
	var last appliance.State
	for line := range strings.Lines(g.Log()) {
		var s appliance.State
		if json.Unmarshal([]byte(line), &s) == nil && s.Tunnel != "" {
			last = s
		}
	}
	if !last.Up {
		return fmt.Errorf("%+v", last)
	}
	return nil
}

// gatewayCPU is the processor time that the tunnel's two processes have used.
func (s *bed) gatewayCPU(tb testing.TB) (used time.Duration) {
	tb.Helper()
	const perSecond = 100 // USER_HZ, the unit of /proc/PID/stat
	for _, g := range s.gateways {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", g.Pid()))
		if err != nil {
			tb.Fatalf("a gateway of %s has ended: %v", s.kind.name, err)
		}
		// The name, in parentheses, may contain anything; utime is the 12th
		// field after it, stime the 13th (proc(5)).
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		for _, field := range fields[11:13] {
			ticks, err := strconv.ParseInt(field, 10, 64)
			if err != nil {
				tb.Fatal(err)
			}
			used += time.Duration(ticks) * time.Second / perSecond
		}
	}
	return used
}
