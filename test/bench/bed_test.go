// Package bench compares VPNs, and plain forwarding, over the same hops in one
// run. Each bed is four namespaces and one process of a VPN on each gateway:
//
//	10.1.0.2                  192.0.2.1   192.0.2.2                  10.2.0.2
//	 host A ──── 10.1.0.1 gateway A ═══ underlay ═══ gateway B 10.2.0.1 ──── host B
//
// Both hosts, both gateways and the load's two ends share this machine's
// processors: a figure is what the whole chain does.
package bench

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"causeway.dev/internal/netlab"
)

// innerMTU is that of the hosts' links and the tunnels' devices, of a bed
// without a tunnel too. It fits every cipher into 1500 bytes, so nothing is
// fragmented.
const innerMTU = 1400

var (
	addressA = netip.MustParseAddr("10.1.0.2")
	addressB = netip.MustParseAddr("10.2.0.2")

	// outside are the gateways' addresses on the underlay, lans the networks
	// behind them.
	outside = [2]netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")}
	lans    = [2]string{"10.1.0.0/24", "10.2.0.0/24"}
)

// A peer is a VPN that can be between the two gateways.
type peer interface {
	// prepare builds or finds the peer's programs. Its error says what is
	// missing here; the peer's kinds are then left out.
	prepare(w *workshop) error

	// start runs the peer on both gateways of a bed, with the routes that lead
	// through it and no other route across, and adds its processes to the bed.
	start(w *workshop, s *bed)
}

// A bed is one kind in namespaces of its own.
type bed struct {
	kind     kind
	tb       testing.TB
	lab      *netlab.Lab
	a, b     *netlab.Host
	gateways [2]*netlab.Host

	// processes are the VPN's ids, of gateway A first; none where the kernel
	// forwards.
	processes []int

	established time.Duration // until all tunnels were up, if several

	stop func() // ends the VPN's processes early, where a peer sets it
}

// newBed builds a bed and waits until host A reaches host B.
func newBed(tb testing.TB, lab *netlab.Lab, w *workshop, sweep *sweeper, number int, k kind) *bed {
	tb.Helper()
	name := func(role string) string { return fmt.Sprintf("%d%s", number, role) }
	s := &bed{kind: k, tb: tb, lab: lab, a: lab.Host(name("a")), b: lab.Host(name("b"))}
	left, right := lab.Host(name("l")).Forward(), lab.Host(name("r")).Forward()
	s.gateways = [2]*netlab.Host{left, right}
	sweep.add(s)
	lab.Connect(s.a, "eth0", addressA.String()+"/24", left, "lan", "10.1.0.1/24")
	lab.Connect(s.b, "eth0", addressB.String()+"/24", right, "lan", "10.2.0.1/24")
	lab.Connect(left, "wan", outside[0].String()+"/24", right, "wan", outside[1].String()+"/24")
	s.a.Run("ip", "route", "add", "default", "via", "10.1.0.1")
	s.b.Run("ip", "route", "add", "default", "via", "10.2.0.1")
	for _, end := range []struct {
		host *netlab.Host
		link string
	}{{s.a, "eth0"}, {left, "lan"}, {s.b, "eth0"}, {right, "lan"}} {
		end.host.Run("ip", "link", "set", end.link, "mtu", strconv.Itoa(innerMTU))
	}
	if !k.uncut {
		for _, gateway := range s.gateways {
			gateway.Run("ethtool", "-K", "wan", "tso", "off", "tx-udp-segmentation", "off", "gro", "on")
		}
	}
	if k.peer == nil {
		left.Run("ip", "route", "add", lans[1], "via", outside[1].String())
		right.Run("ip", "route", "add", lans[0], "via", outside[0].String())
		s.addBehind()
		left.Run("ip", "route", "add", behindNetworks[1], "via", outside[1].String())
		right.Run("ip", "route", "add", behindNetworks[0], "via", outside[0].String())
	} else {
		k.peer.start(w, s)
	}
	lab.Eventually(15*time.Second, "host A reaches host B over "+k.name, func() error {
		_, err := s.a.Try("ping", "-n", "-c", "1", "-W", "1", addressB.String())
		return err
	})
	server := s.b.Start("iperf3", "iperf3", "--server", "--forceflush")
	lab.Eventually(5*time.Second, "iperf3 listens", func() error {
		if !strings.Contains(server.Log(), "listening") {
			return errors.New("it has not said so")
		}
		return nil
	})
	return s
}
