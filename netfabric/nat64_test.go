package netfabric

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"causeway.dev/nat64/carry"
	"causeway.dev/netfabric/netns"
	"causeway.dev/packetio"
)

const nat64ID = "nat-1/nat64"

// embedded is the world's address for hosts of IPv6.
const embedded = "64:ff9b::c000:20a"

// a nat64Lab has i-3, and i-6 without IPv4, in subnets that lead to the world of IPv4 by a
// translator, and i-1 in one that does not.
type nat64Lab struct {
	*gatewayLab
	config  Config
	service *carry.Service
}

func newNAT64Lab(t testing.TB) *nat64Lab {
	t.Helper()
	g := newGatewayLab(t)
	c := g.private(PortRange{First: 1024, Last: 65535}, elastic("198.51.100.7", "10.0.2.9"))
	vpc := dual().Networks[0]
	vpc.Tables = c.Networks[0].Tables
	vpc.Interfaces = append(vpc.Interfaces, only6("i-6", "10.0.6.4", []string{host6}, "sg-open"))
	vpc.Interfaces[2].Table, vpc.Interfaces[3].Table = "rtb-private", "rtb-private"
	vpc.Tables[1].Routes = append(vpc.Tables[1].Routes, to("64:ff9b::/96", target(ToLink, "nat-1:vpc-1")))
	c.Networks[0] = vpc
	nat := &c.Networks[2]
	embedding := Embedding{Prefix: netip.MustParsePrefix("64:ff9b::/96"), StandIns: netip.MustParsePrefix("240.0.0.0/5")}
	nat.Translator.IPv6 = &embedding
	nat.Tables[0].Routes = append(nat.Tables[0].Routes, to("2001:db8::/56", target(ToLink, "nat-1:vpc-1")))
	c.TUNs = []TUN{{ID: nat64ID, Network: "nat-1", Table: "gateway", Taken: []netip.Prefix{embedding.Prefix, embedding.StandIns}}}
	return &nat64Lab{gatewayLab: g, config: c}
}

// open translates, as a daemon that has just started does.
func (n *nat64Lab) open(hosts ...string) {
	n.t.Helper()
	n.service = carry.New(carry.Config{
		Opened:   func(string) error { return n.TUNOpened(n.t.Context(), nat64ID) },
		Offloads: packetio.Offloads{TUNSegmentation: true},
	})
	n.t.Cleanup(n.service.Close)
	n.translate(hosts...)
}

func (n *nat64Lab) translate(hosts ...string) {
	n.t.Helper()
	wanted := carry.Network{
		ID: "nat-1", Namespace: n.instance("nat-1"), Device: TUNName(nat64ID),
		Prefix: netip.MustParsePrefix("64:ff9b::/96"), StandIns: netip.MustParsePrefix("240.0.0.0/5"),
	}
	for _, h := range hosts {
		wanted.Hosts = append(wanted.Hosts, netip.MustParseAddr(h))
	}
	if err := n.service.Set([]carry.Network{wanted}, true); err != nil {
		n.t.Fatal(err)
	}
}

const (
	host3 = "2001:db8:0:2::4"
	host6 = "2001:db8:0:6::4"
)

func TestHostsOfIPv6ReachTheWorldOfIPv4(t *testing.T) {
	t.Parallel()
	n := newNAT64Lab(t)
	n.apply(n.config)
	n.open(host3)
	n.greet(n.world, "0.0.0.0:80")
	as, err := n.reachesSoon(n.instance("i-3"), "["+embedded+"]:80")
	if err != nil || as != "198.51.100.7" {
		t.Errorf("i-3 is seen as %q, %v", as, err)
	}
	n.pingEnds(embedded, "answer", func(err error) bool { return err == nil })
	// IPv4 goes on beside it, by the same address.
	if as, err := n.reachesSoon(n.instance("i-3"), worldAddress+":80"); err != nil || as != "198.51.100.7" {
		t.Errorf("by IPv4 i-3 is seen as %q, %v", as, err)
	}
	if _, err := n.reaches(n.instance("i-1"), "["+embedded+"]:80", silence); err == nil {
		t.Error("i-1 is let through though no route leads there")
	}
	if _, err := n.reaches(n.instance("i-6"), "["+embedded+"]:80", silence); err == nil {
		t.Error("i-6 is translated for, though nobody has named it")
	}
	n.translate(host3, host6)
	if as, err := n.reachesSoon(n.instance("i-6"), "["+embedded+"]:80"); err != nil || as != "198.51.100.7" {
		t.Errorf("without IPv4 i-6 is seen as %q, %v", as, err)
	}
	// One of the VPC's own hosts that speaks IPv4.
	n.greet(n.instance("i-1"), "10.0.1.4:80")
	if as, err := n.reachesSoon(n.instance("i-3"), "[64:ff9b::10.0.1.4]:80"); err != nil || as != "10.0.2.9" {
		t.Errorf("within the VPC i-3 is seen as %q, %v", as, err)
	}
	for _, refused := range []string{"[64:ff9b::127.0.0.1]:80", "[64:ff9b::10.0.2.9]:80", "[64:ff9b::240.0.0.1]:80"} {
		if _, err := n.reaches(n.instance("i-3"), refused, silence); err == nil {
			t.Errorf("i-3 has reached %s", refused)
		}
	}
	n.datagrams(t)
	// Errors come back: nobody listens there, and nobody is there.
	if _, err := n.reaches(n.instance("i-3"), "["+embedded+"]:81", 20*time.Second); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("a port that nobody listens at: %v", err)
	}
	n.at(n.world, "sysctl -w net.ipv4.ip_forward=1")
	n.at(n.world, "ip route add unreachable 203.0.113.0/24")
	n.at(n.underlay, "ip route add 203.0.113.0/24 via "+worldAddress)
	n.pingEnds("64:ff9b::203.0.113.9", "an error from "+embedded, func(err error) bool { return err != nil && strings.Contains(err.Error(), embedded) })
	n.mustStand(n.config)
	n.translate() // for nobody
	if _, err := n.reaches(n.instance("i-3"), "["+embedded+"]:80", silence); err == nil {
		t.Error("i-3 is still translated for")
	}
	soon(t, "both reasons are counted", func() bool {
		drops := n.service.Drops()
		return drops["stranger"] > 0 && drops["unreachable"] > 0
	})
	if err := n.service.Keep(nil); err != nil {
		t.Error(err)
	}
	soon(t, "the device is gone", func() bool { return !strings.Contains(n.output("nat-1", "ip", "link"), TUNName(nat64ID)) })
}

// pingEnds pings from i-3 until that ends as it shall.
func (n *nat64Lab) pingEnds(to, want string, as func(error) bool) {
	n.t.Helper()
	var err error
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		if err = n.ping6("i-3", "", to, wait); as(err) {
			return
		}
	}
	n.t.Errorf("ping to %s = %v, want %s", to, err, want)
}

// soon waits until something is true.
func soon(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}

// datagrams sends datagrams to the world, also ones that have to be fragmented.
func (n *nat64Lab) datagrams(t *testing.T) {
	t.Helper()
	var listener net.PacketConn
	if err := netns.Do(n.world, func() (err error) {
		listener, err = net.ListenPacket("udp4", "0.0.0.0:53")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		buffer := make([]byte, 4096)
		for {
			got, from, err := listener.ReadFrom(buffer)
			if err != nil {
				return
			}
			listener.WriteTo(buffer[:got], from)
		}
	}()
	var conn net.Conn
	n.in("i-3", func() (err error) {
		conn, err = net.Dial("udp6", "["+embedded+"]:53")
		return err
	})
	defer conn.Close()
	for _, size := range []int{1, 1452, 3000} {
		sent, got := make([]byte, size), make([]byte, 4096)
		rand.Read(sent)
		var read int
		err := errors.New("nothing was tried")
		for deadline := time.Now().Add(20 * time.Second); err != nil && time.Now().Before(deadline); {
			if _, err = conn.Write(sent); err == nil {
				conn.SetReadDeadline(time.Now().Add(wait))
				read, err = conn.Read(got)
			}
		}
		if err != nil || !bytes.Equal(got[:read], sent) {
			t.Errorf("of %d bytes %d come back: %v", size, read, err)
		}
	}
}

// TestTranslationOutlivesItsDaemon breaks off a large transfer by closing the device, as
// the end of a process does, and goes on with another service. Paths are shorter than
// their ends think.
func TestTranslationOutlivesItsDaemon(t *testing.T) {
	t.Parallel()
	n := newNAT64Lab(t)
	n.apply(n.config)
	n.open(host3)
	n.greet(n.world, "0.0.0.0:80")
	// What leaves the underlay for the world, or comes from it, is less than its ends send.
	n.at(n.underlay, "ip route replace 192.0.2.10/32 dev wan mtu 1300")
	n.at(n.world, "ip route replace 198.51.100.0/24 via 192.0.2.1")
	conn, err := n.dialSoon("i-3", "["+embedded+"]:80")
	if err != nil {
		t.Fatal(err)
	}
	greeting := make([]byte, len("198.51.100.7:"))
	conn.SetDeadline(time.Now().Add(60 * time.Second))
	if _, err := io.ReadFull(conn, greeting); err != nil || !strings.HasPrefix(string(greeting), "198.51.100.7:") {
		t.Fatalf("the world greets %q, %v", greeting, err)
	}
	sent := make([]byte, 8<<20)
	rand.Read(sent)
	failed := make(chan error, 1)
	go func() {
		_, err := conn.Write(sent)
		failed <- err
	}()
	// The rest of the greeting, a port, comes before what is sent back.
	got := make([]byte, 1<<20)
	if _, err := io.ReadFull(conn, got); err != nil {
		t.Fatal(err)
	}
	n.service.Close()
	if _, err := n.reaches(n.instance("i-3"), "["+embedded+"]:80", silence); err == nil {
		t.Error("a connection is made while nobody translates")
	}
	n.open("2001:db8:0:1::4", host3)
	all := make([]byte, len(sent))
	rest, err := io.ReadFull(conn, all[:len(sent)-len(got)])
	if err != nil {
		t.Fatalf("%d bytes, and then %d, come back: %v", len(got), rest, err)
	}
	if err := <-failed; err != nil {
		t.Error(err)
	}
	port := bytes.Index(got, sent[:32])
	if whole := slices.Concat(got, all[:rest]); port < 1 || port > len("65535") || !bytes.Equal(whole[port:], sent[:len(whole)-port]) {
		t.Errorf("what comes back, after a port of %d bytes, is something else", port)
	}
}

// dialSoon connects from an instance as soon as it can.
func (n *nat64Lab) dialSoon(id, address string) (conn net.Conn, err error) {
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		if conn, err = n.dial(id, address, wait); err == nil {
			return conn, nil
		}
	}
	return nil, fmt.Errorf("connect to %s: %w", address, err)
}

// TestFlowsOfEmbeddedAddressesAreCounted has a host of IPv6 that reaches one of IPv4: at
// both interfaces its flows are of IPv6, and beyond the translator they are IPv4's. What
// the translator makes of them in between is nobody's flow.
func TestFlowsOfEmbeddedAddressesAreCounted(t *testing.T) {
	n, b := newNAT64Lab(t), new(flowBook)
	n.Fabric = New(Options{Flows: b.take})
	c := n.config
	c.Networks[0].Interfaces[2].Counted = true
	nat := &c.Links[1].Ends[1]
	nat.Interface, nat.Counted = "eni-nat", true
	n.apply(c)
	n.open(host3)
	n.greet(n.world, "0.0.0.0:80")
	if _, err := n.reachesSoon(n.instance("i-3"), "["+embedded+"]:80"); err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{}
	for _, line := range []string{
		"eni-i-3 out 2001:db8:0:2::4 -> 64:ff9b::c000:20a", "eni-i-3 in 64:ff9b::c000:20a -> 2001:db8:0:2::4",
		"eni-nat in 2001:db8:0:2::4 -> 64:ff9b::c000:20a", "eni-nat out 64:ff9b::c000:20a -> 2001:db8:0:2::4",
		"eni-nat out 10.0.2.9 -> 192.0.2.10", "eni-nat in 192.0.2.10 -> 10.0.2.9",
	} {
		want[line] = true
	}
	got := map[string]bool{}
	soon(t, "all flows are told", func() bool {
		for _, line := range b.turned(t, n.lab) {
			flow, rest, _ := strings.Cut(line, " protocol 6 ")
			if !strings.HasPrefix(rest, "port 80 ") || !strings.HasSuffix(rest, " accepted") || !want[flow] {
				t.Errorf("another flow is told: %s", line)
			}
			got[flow] = true
		}
		return len(got) == len(want)
	})
}

// BenchmarkTranslator sends a stream to the world and back, by a translator: from IPv4,
// which the kernel does alone, and from IPv6.
func BenchmarkTranslator(b *testing.B) {
	n := newNAT64Lab(b)
	n.apply(n.config)
	n.open(host3)
	n.greet(n.world, "0.0.0.0:80")
	for name, address := range map[string]string{"IPv4": worldAddress, "IPv6": embedded} {
		b.Run(name, func(b *testing.B) {
			conn, err := n.dialSoon("i-3", net.JoinHostPort(address, "80"))
			if err != nil {
				b.Fatal(err)
			}
			chunk, back := make([]byte, 1<<20), make([]byte, 1<<20)
			b.SetBytes(int64(len(chunk)))
			for b.Loop() {
				sent := make(chan error, 1)
				go func() {
					_, err := conn.Write(chunk)
					sent <- err
				}()
				if _, err := io.ReadFull(conn, back); err != nil {
					b.Fatal(err)
				}
				if err := <-sent; err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
