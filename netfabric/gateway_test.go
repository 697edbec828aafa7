package netfabric

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"causeway.dev/internal/netlab"
	"causeway.dev/netfabric/netns"
)

// A gatewayLab is a fabric whose underlay has a world behind it:
//
//	world 192.0.2.10 --- wan 192.0.2.1 underlay === igw-1 --- vpc-1 --- i-1 10.0.1.4, i-2 10.0.1.5
//	                                                             \--- nat-1 10.0.2.9
type gatewayLab struct {
	*lab
	underlay, world string // namespaces
}

const worldAddress = "192.0.2.10"

func newGatewayLab(t testing.TB) *gatewayLab {
	t.Helper()
	l := newLab(t)
	g := &gatewayLab{lab: l, underlay: l.prefix + "u", world: l.prefix + "w"}
	for _, name := range []string{g.underlay, g.world} {
		if err := netns.Create(name); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { netns.Delete(name) })
	}
	g.at(g.underlay, "ip link add wan type veth peer name eth0 netns "+g.world)
	for _, command := range []string{"ip address add 192.0.2.1/24 dev wan", "ip link set wan up", "ip link set lo up"} {
		g.at(g.underlay, command)
	}
	for _, command := range []string{"ip address add 192.0.2.10/24 dev eth0", "ip link set eth0 up", "ip route add 198.51.100.0/24 via 192.0.2.1"} {
		g.at(g.world, command)
	}
	return g
}

// at runs a command in a namespace that is not the fabric's.
func (g *gatewayLab) at(namespace, command string) string {
	g.t.Helper()
	var output string
	err := netns.Do(namespace, func() (err error) {
		output, err = netlab.Output(strings.Fields(command)...)
		return err
	})
	if err != nil {
		g.t.Fatalf("in %s: %v", namespace, err)
	}
	return output
}

// reaches reports whether a TCP connection from a namespace is accepted, and as
// whom the other side sees it.
func (g *gatewayLab) reaches(namespace, address string, timeout time.Duration) (seenAs string, err error) {
	err = netns.Do(namespace, func() error {
		conn, err := net.DialTimeout("tcp", address, timeout)
		if err != nil {
			return err
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(wait))
		line := make([]byte, 100)
		n, err := conn.Read(line)
		if err == nil {
			seenAs, _, err = net.SplitHostPort(string(line[:n]))
		}
		return err
	})
	return seenAs, err
}

// greet accepts TCP connections in a namespace, tells each as whom it is seen, and
// sends back what it sends.
func (g *gatewayLab) greet(namespace, address string) {
	g.t.Helper()
	var listener net.Listener
	if err := netns.Do(namespace, func() (err error) {
		listener, err = net.Listen("tcp", address)
		return err
	}); err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			g.t.Cleanup(func() { conn.Close() })
			go func() {
				fmt.Fprint(conn, conn.RemoteAddr())
				io.Copy(conn, conn)
			}()
		}
	}()
}

func (g *gatewayLab) instance(id string) string { return NamespaceName(g.prefix, id) }

func elastic(outside, inside string) Elastic {
	return Elastic{Outside: netip.MustParseAddr(outside), Inside: netip.MustParseAddr(inside)}
}

// public is a VPC with an internet gateway and the pairs of addresses.
func (g *gatewayLab) public(pairs ...Elastic) Config {
	c := twoInstances()
	c.Underlay = Underlay{Namespace: g.underlay, Interface: "lo", Elastic: prefixes("198.51.100.0/24")}.Plan()
	c.Networks[0].Tables[0].Routes = []TableRoute{to("0.0.0.0/0", target(ToLink, "igw-1:vpc-1"))}
	c.Networks = append(c.Networks, Network{
		ID: "igw-1", Outside: &Outside{Table: "inward", Addresses: pairs},
		Tables: []Table{
			{ID: "inward", Routes: []TableRoute{to("10.0.0.0/16", target(ToLink, "igw-1:vpc-1"))}},
			{ID: "outward", Routes: []TableRoute{to("0.0.0.0/0", target(ToOutside, "igw-1"))}},
		},
	})
	c.Links = []Link{{ID: "igw-1:vpc-1", Ends: [2]LinkEnd{{Network: "igw-1", Table: "outward"}, {Network: "vpc-1"}}}}
	return c
}

func TestElasticAddressStandsForOneInside(t *testing.T) {
	t.Parallel()
	g := newGatewayLab(t)
	g.apply(g.public(elastic("198.51.100.7", "10.0.1.4")))
	g.greet(g.world, "0.0.0.0:80")
	g.greet(g.instance("i-1"), "0.0.0.0:80")
	g.mustPing("i-1", worldAddress)
	if as, err := g.reaches(g.instance("i-1"), worldAddress+":80", wait); as != "198.51.100.7" {
		t.Errorf("i-1 is seen as %q, %v", as, err)
	}
	if as, err := g.reaches(g.world, "198.51.100.7:80", wait); as != worldAddress {
		t.Errorf("the world is seen in i-1 as %q, %v", as, err)
	}
	g.mustNotPing("i-2", worldAddress) // it has no address outside
	if _, err := g.reaches(g.world, "198.51.100.8:80", silence); err == nil {
		t.Error("an address that stands for nobody is reached")
	}
	drops, err := g.Drops("igw-1")
	if err != nil || drops["dropped-unassociated"].Packets == 0 {
		t.Errorf("Drops = %v, %v, want a sender without an address", drops, err)
	}
	before := g.Changes()
	g.apply(g.public(elastic("198.51.100.7", "10.0.1.4")))
	if made := g.Changes() - before; made != 0 {
		t.Errorf("a second Apply made %d changes", made)
	}
}

func TestGroupsHoldForTheWorld(t *testing.T) {
	t.Parallel()
	g := newGatewayLab(t)
	c := g.public(elastic("198.51.100.7", "10.0.1.4"))
	c.Networks[0].Groups[0].Rules = []FilterRule{allOut, allow(false, 6, 80, 80, "192.0.2.0/24"), allow(false, 6, 81, 81, "198.51.100.0/24")}
	g.apply(c)
	for _, port := range []string{"80", "81", "82"} {
		g.greet(g.instance("i-1"), "0.0.0.0:"+port)
	}
	for port, admitted := range map[string]bool{"80": true, "81": false, "82": false} {
		timeout := silence
		if admitted {
			timeout = wait
		}
		if _, err := g.reaches(g.world, "198.51.100.7:"+port, timeout); (err == nil) != admitted {
			t.Errorf("port %s: %v, want admitted: %v", port, err, admitted)
		}
	}
}

// Two instances of one VPC reach each other by their outside addresses, and see
// each other's.
func TestElasticAddressesMeetOutside(t *testing.T) {
	t.Parallel()
	g := newGatewayLab(t)
	g.apply(g.public(elastic("198.51.100.7", "10.0.1.4"), elastic("198.51.100.8", "10.0.1.5")))
	g.greet(g.instance("i-2"), "0.0.0.0:80")
	if as, err := g.reaches(g.instance("i-1"), "198.51.100.8:80", wait); as != "198.51.100.7" {
		t.Errorf("i-1 is seen as %q, %v", as, err)
	}
}

// A flow that runs follows its address: it ends when the address goes, and one
// that goes on meanwhile leaves under the new one.
func TestFlowsEndWithTheirAddress(t *testing.T) {
	t.Parallel()
	g := newGatewayLab(t)
	g.apply(g.public(elastic("198.51.100.7", "10.0.1.4")))
	p := g.pinger("i-1")
	if err := p.ping(worldAddress, wait); err != nil {
		t.Fatal(err)
	}
	g.apply(g.public())
	if err := p.ping(worldAddress, silence); err == nil {
		t.Error("a flow goes on without its address")
	}
	g.apply(g.public(elastic("198.51.100.9", "10.0.1.4")))
	g.greet(g.world, "0.0.0.0:80")
	if err := p.ping(worldAddress, wait); err != nil {
		t.Errorf("the same flow under a new address: %v", err)
	}
	if as, err := g.reaches(g.instance("i-1"), worldAddress+":80", wait); as != "198.51.100.9" {
		t.Errorf("i-1 is seen as %q, %v", as, err)
	}
	g.apply(g.public(elastic("198.51.100.9", "10.0.1.5")))
	if err := p.ping(worldAddress, silence); err == nil {
		t.Error("a flow goes on under an address that stands for another now")
	}
	g.mustPing("i-2", worldAddress)
}

// A packet that is too big further on is answered with what fits, which its sender
// takes for an answer to its own.
func TestPathMTUIsLearntThroughGateway(t *testing.T) {
	t.Parallel()
	g := newGatewayLab(t)
	g.apply(g.public(elastic("198.51.100.7", "10.0.1.4")))
	g.at(g.underlay, "ip link set wan mtu 1300")
	g.mustPing("i-1", worldAddress)
	out, _ := exec.Command("ip", "netns", "exec", g.instance("i-1"), "ping", "-n", "-c", "2", "-i", "0.2", "-W", "1", "-M", "do", "-s", "1400", worldAddress).CombinedOutput()
	if !strings.Contains(string(out), "mtu = 1300") && !strings.Contains(string(out), "mtu=1300") {
		t.Errorf("ping says:\n%s", out)
	}
}

// The underlay was no router: for others it is none now either, and none at all
// once the last gateway is gone. Where it was one, it stays one.
func TestUnderlayForwardsForGatewaysOnly(t *testing.T) {
	t.Parallel()
	g := newGatewayLab(t)
	other := g.prefix + "o"
	if err := netns.Create(other); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { netns.Delete(other) })
	g.at(g.underlay, "ip link add lan type veth peer name eth0 netns "+other)
	g.at(g.underlay, "ip address add 203.0.113.1/24 dev lan")
	g.at(g.underlay, "ip link set lan up")
	g.at(other, "ip address add 203.0.113.9/24 dev eth0")
	g.at(other, "ip link set eth0 up")
	g.at(other, "ip route add default via 203.0.113.1")
	g.at(g.world, "ip route add 203.0.113.0/24 via 192.0.2.1")
	g.greet(other, "0.0.0.0:80")
	forwards := func(when string, want bool) {
		t.Helper()
		timeout := silence
		if want {
			timeout = wait
		}
		if _, err := g.reaches(g.world, "203.0.113.9:80", timeout); (err == nil) != want {
			t.Errorf("%s the underlay forwards for others: %v, want %v", when, err, want)
		}
	}
	without := twoInstances()
	without.Underlay = g.public().Underlay

	g.apply(g.public(elastic("198.51.100.7", "10.0.1.4")))
	g.mustPing("i-1", worldAddress)
	g.mustPing("i-1", "203.0.113.9")
	forwards("with a gateway", false)
	g.apply(without)
	forwards("without one", false)
	for _, device := range []string{"wan", "lan"} {
		if got := strings.TrimSpace(g.at(g.underlay, "cat /proc/sys/net/ipv4/conf/"+device+"/forwarding")); got != "0" {
			t.Errorf("%s goes on forwarding: %s", device, got)
		}
	}
	if got := g.at(g.underlay, "nft list ruleset") + g.at(g.underlay, "ip -o link show type veth"); strings.Contains(got, "causeway") || strings.Contains(got, "cwo") {
		t.Errorf("left in the underlay: %s", got)
	}

	g.at(g.underlay, "sysctl -q -w net.ipv4.ip_forward=1")
	g.apply(g.public(elastic("198.51.100.7", "10.0.1.4")))
	g.mustPing("i-1", worldAddress)
	forwards("as a router with a gateway", true)
	g.apply(without)
	forwards("as a router", true)
}

// On the interface that the world comes in by we answer for the addresses in use.
func TestUnderlayAnswersForElasticAddresses(t *testing.T) {
	t.Parallel()
	g := newGatewayLab(t)
	g.at(g.world, "ip route replace 198.51.100.0/24 dev eth0") // as a neighbour on the same wire
	c := g.public(elastic("198.51.100.7", "10.0.1.4"))
	c.Underlay.Interface = "wan"
	g.greet(g.instanceAfter(c, "i-1"), "0.0.0.0:80")
	if _, err := g.reaches(g.world, "198.51.100.7:80", wait); err != nil {
		t.Errorf("from the same wire: %v", err)
	}
	if _, err := g.reaches(g.world, "198.51.100.8:80", silence); err == nil {
		t.Error("an address that is not in use is answered for")
	}
	c = g.public(elastic("198.51.100.8", "10.0.1.4"))
	c.Underlay.Interface = "wan"
	g.apply(c)
	if got := g.at(g.underlay, "ip neighbour show proxy"); !strings.Contains(got, "198.51.100.8") || strings.Contains(got, "198.51.100.7 ") {
		t.Errorf("proxies: %s", got)
	}
}

// instanceAfter applies a Config and names an instance's namespace.
func (g *gatewayLab) instanceAfter(c Config, id string) string {
	g.t.Helper()
	g.apply(c)
	return g.instance(id)
}

// private adds a NAT gateway with the address 10.0.2.9, to which i-2 in a subnet of
// its own is led.
func (g *gatewayLab) private(ports PortRange, pairs ...Elastic) Config {
	c := g.public(pairs...)
	c.Networks[0].Interfaces[1] = port("i-2", "10.0.3.5", "sg-open")
	c.Networks[0].Interfaces[1].Table = "rtb-private"
	c.Networks[0].Tables = append(c.Networks[0].Tables, Table{ID: "rtb-private", Routes: []TableRoute{to("0.0.0.0/0", target(ToLink, "nat-1:vpc-1"))}})
	address := netip.MustParseAddr("10.0.2.9")
	c.Networks = append(c.Networks, Network{
		ID: "nat-1", Translator: &Translator{Addresses: []netip.Addr{address}, Ports: ports},
		Tables: []Table{{ID: "gateway", Routes: []TableRoute{to("0.0.0.0/0", target(ToLink, "nat-1:vpc-1"))}}},
	})
	c.Links = append(c.Links, Link{ID: "nat-1:vpc-1", Ends: [2]LinkEnd{{Network: "nat-1", Table: "gateway"}, {Network: "vpc-1", Table: "rtb-main", Addresses: []netip.Addr{address}}}})
	return c
}

func TestTranslatorLetsOutAndNotIn(t *testing.T) {
	t.Parallel()
	g := newGatewayLab(t)
	c := g.private(PortRange{First: 1024, Last: 65535}, elastic("198.51.100.7", "10.0.2.9"))
	g.apply(c)
	g.greet(g.world, "0.0.0.0:80")
	g.greet(g.instance("i-1"), "0.0.0.0:80")
	g.greet(g.instance("i-2"), "0.0.0.0:80")
	g.mustPing("i-2", worldAddress)
	if as, err := g.reaches(g.instance("i-2"), worldAddress+":80", wait); as != "198.51.100.7" {
		t.Errorf("i-2 is seen as %q, %v", as, err)
	}
	if _, err := g.reaches(g.world, "198.51.100.7:80", silence); err == nil {
		t.Error("the world gets in by the translator")
	}
	if as, err := g.reaches(g.instance("i-2"), "10.0.1.4:80", wait); as != "10.0.3.5" {
		t.Errorf("within the VPC i-2 is seen as %q, %v", as, err)
	}
	g.mustNotPing("i-1", worldAddress) // its table leads to the internet gateway, where nothing stands for it
	drops, err := g.Drops("nat-1")
	if err != nil || drops["dropped-unsolicited"].Packets == 0 {
		t.Errorf("Drops = %v, %v, want what the world began", drops, err)
	}
	before := g.Changes()
	g.apply(c)
	if made := g.Changes() - before; made != 0 {
		t.Errorf("a second Apply made %d changes", made)
	}
}

// When no port is left, a connection is refused and counted; others go on.
func TestExhaustedPortsStopNobodyElse(t *testing.T) {
	t.Parallel()
	g := newGatewayLab(t)
	g.apply(g.private(PortRange{First: 2000, Last: 2007}, elastic("198.51.100.7", "10.0.2.9")))
	g.greet(g.world, "0.0.0.0:80")
	g.greet(g.world, "0.0.0.0:81")
	for port := range 8 {
		if _, err := g.dial("i-2", worldAddress+":80", wait); err != nil {
			t.Fatalf("of 8 ports, connection %d: %v", port+1, err)
		}
	}
	for range 4 {
		if _, err := g.dial("i-2", worldAddress+":80", silence); err == nil {
			t.Error("one more connection than there are ports")
		}
	}
	if _, err := g.reaches(g.instance("i-2"), worldAddress+":81", wait); err != nil {
		t.Errorf("another port of the world: %v", err)
	}
	g.mustPing("i-2", worldAddress)
	if n, err := g.Exhaustion("nat-1"); err != nil || n < 4 {
		t.Errorf("Exhaustion = %d, %v, want at least the 4 that found no port", n, err)
	}
}

// spreading is private with several addresses for the translator, of which each has
// one outside, and some are leaving.
func (g *gatewayLab) spreading(ports PortRange, leaving ...string) Config {
	c := g.private(ports, elastic("198.51.100.7", "10.0.2.9"), elastic("198.51.100.8", "10.0.2.10"))
	translator, end := c.Networks[2].Translator, &c.Links[1].Ends[1]
	end.Addresses = []netip.Addr{netip.MustParseAddr("10.0.2.9"), netip.MustParseAddr("10.0.2.10")}
	translator.Addresses = nil
	for _, a := range end.Addresses {
		if slices.Contains(leaving, a.String()) {
			translator.Leaving = append(translator.Leaving, a)
		} else {
			translator.Addresses = append(translator.Addresses, a)
		}
	}
	return c
}

// patience is how long a connection may take that begins anew a few times.
const patience = 20 * time.Second

// met dials the world from i-2 and returns as whom it is seen.
func (g *gatewayLab) met(most time.Duration) (conn net.Conn, as string, err error) {
	g.t.Helper()
	if conn, err = g.dial("i-2", worldAddress+":80", most); err != nil {
		return nil, "", err
	}
	conn.SetDeadline(time.Now().Add(patience))
	line := make([]byte, 100)
	n, err := conn.Read(line)
	as, _, _ = strings.Cut(string(line[:n]), ":")
	return conn, as, err
}

// Connections are spread over a translator's addresses. A destination for which one
// has no port left goes on by the others, and when all are exhausted, by none.
func TestTranslatorSpreadsOverItsAddresses(t *testing.T) {
	t.Parallel()
	g := newGatewayLab(t)
	c := g.spreading(PortRange{First: 2000, Last: 2003})
	g.apply(c)
	g.greet(g.world, "0.0.0.0:80")
	seen := map[string]int{}
	for range 8 {
		_, as, err := g.met(patience)
		if err != nil {
			t.Fatalf("after %v: %v", seen, err)
		}
		seen[as]++
	}
	if seen["198.51.100.7"] != 4 || seen["198.51.100.8"] != 4 {
		t.Errorf("connections are seen as %v, want one a port of each address", seen)
	}
	if _, as, err := g.met(2 * silence); err == nil {
		t.Errorf("one more than there are ports is seen as %s", as)
	}
	g.mustPing("i-2", worldAddress)
	g.mustNotPing("i-1", worldAddress)
	before := g.Changes()
	g.apply(c)
	if made := g.Changes() - before; made != 0 {
		t.Errorf("a second Apply made %d changes", made)
	}
}

// Under an address that is leaving what runs goes on, nothing begins, and it is seen
// when the last connection has ended. What still runs when it has left ends.
func TestTranslatorLosesAnAddress(t *testing.T) {
	t.Parallel()
	g := newGatewayLab(t)
	ports := PortRange{First: 1024, Last: 65535}
	g.apply(g.spreading(ports))
	g.greet(g.world, "0.0.0.0:80")
	leaving := netip.MustParseAddr("10.0.2.10")
	var kept []net.Conn
	for len(kept) < 2 {
		conn, as, err := g.met(patience)
		if err != nil {
			t.Fatal(err)
		}
		if as == "198.51.100.8" {
			kept = append(kept, conn)
		}
	}
	g.apply(g.spreading(ports, leaving.String()))
	for range 12 {
		if _, as, err := g.met(patience); as != "198.51.100.7" {
			t.Errorf("a connection begins as %s, %v", as, err)
		}
	}
	for _, conn := range kept {
		if err := echo(conn, "still here"); err != nil {
			t.Errorf("a connection that runs: %v", err)
		}
	}
	g.waitUntil("connections are seen", func() bool { return g.uses(leaving) })
	c := g.private(ports, elastic("198.51.100.7", "10.0.2.9"))
	breakOff(kept[0])
	g.apply(c)
	if err := echoWithin(kept[1], "gone", silence); err == nil {
		t.Error("a connection outlives its address")
	}
	if _, as, err := g.met(patience); as != "198.51.100.7" {
		t.Errorf("afterwards a connection begins as %s, %v", as, err)
	}
	g.apply(g.spreading(ports, leaving.String()))
	breakOff(kept[1])
	g.waitUntil("no connection is seen", func() bool { return !g.uses(leaving) })
}

// breakOff ends a connection at once for both sides.
func breakOff(conn net.Conn) {
	conn.(*net.TCPConn).SetLinger(0)
	conn.Close()
}

// uses reports whether a connection of the translator runs under an address.
func (g *gatewayLab) uses(address netip.Addr) bool {
	g.t.Helper()
	used, err := g.Used("nat-1", []netip.Addr{address})
	if err != nil {
		g.t.Fatal(err)
	}
	return len(used) > 0
}

func (g *gatewayLab) waitUntil(what string, holds func() bool) {
	g.t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			g.t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// Packets of the translator that are led back to it end there.
func TestTranslatorThatLeadsToItself(t *testing.T) {
	t.Parallel()
	g := newGatewayLab(t)
	c := g.private(PortRange{First: 1024, Last: 65535})
	c.Links[1].Ends[1].Table = "rtb-private"
	g.apply(c)
	g.mustNotPing("i-2", worldAddress)
	drops, err := g.Drops("nat-1")
	if err != nil || drops["dropped-source"].Packets == 0 || drops["dropped-source"].Packets > 3 {
		t.Errorf("Drops = %v, %v, want each packet dropped once", drops, err)
	}
}

// What comes in by a gateway, and what one subnet sends to another, is led through
// an interface if the table says so, though both are local.
func TestOverridesLeadThroughAnInterface(t *testing.T) {
	t.Parallel()
	g := newGatewayLab(t)
	c := g.public(elastic("198.51.100.7", "10.0.3.5"))
	c.Networks[0].Interfaces[1] = port("i-2", "10.0.3.5", "sg-open")
	c.Networks[0].Interfaces[1].Table = "rtb-behind"
	c.Networks[0].Interfaces[0].AnySource = true // i-1 is the appliance
	through := target(ToInterface, "eni-i-1")
	c.Networks[0].Tables = append(c.Networks[0].Tables,
		Table{ID: "rtb-edge", Overrides: []TableRoute{to("10.0.3.0/24", through)}},
		Table{ID: "rtb-behind", Routes: []TableRoute{to("0.0.0.0/0", through)}})
	c.Links[0].Ends[1].Table = "rtb-edge"
	g.apply(c)
	g.greet(g.instance("i-2"), "0.0.0.0:80")
	if _, err := g.reaches(g.world, "198.51.100.7:80", silence); err == nil {
		t.Error("the appliance, which forwards nothing yet, is passed by")
	}
	g.at(g.instance("i-1"), "sysctl -q -w net.ipv4.ip_forward=1 net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.eth0.send_redirects=0")
	if as, err := g.reaches(g.world, "198.51.100.7:80", wait); as != worldAddress {
		t.Errorf("through the appliance the world is seen as %q, %v", as, err)
	}
	g.mustPing("i-2", worldAddress)
}
