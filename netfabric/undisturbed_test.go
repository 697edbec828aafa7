package netfabric

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"causeway.dev/netfabric/netns"
)

// answer sends back what comes to a UDP port of a namespace.
func (g *gatewayLab) answer(namespace, address string) {
	g.t.Helper()
	var listener net.PacketConn
	if err := netns.Do(namespace, func() (err error) {
		listener, err = net.ListenPacket("udp", address)
		return err
	}); err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { listener.Close() })
	go func() {
		buffer := make([]byte, 4096)
		for {
			n, from, err := listener.ReadFrom(buffer)
			if err != nil {
				return
			}
			listener.WriteTo(buffer[:n], from)
		}
	}()
}

// A traffic is datagrams that are answered. Each sender has one on its way at a time,
// so that no queue is ever full and none is lost but by rules.
type traffic struct {
	g         *gatewayLab
	stop      atomic.Bool
	senders   sync.WaitGroup
	exchanged atomic.Int64
	mu        sync.Mutex
	lost      []string // guarded by mu
}

// perFlow is how many datagrams are one flow of a sender that begins new ones.
const perFlow = 3

// send lets some go on from a namespace, half of them in one flow for ever.
func (f *traffic) send(namespace, to string, senders int) {
	for n := range senders {
		most := 0
		if n%2 == 1 {
			most = perFlow
		}
		f.senders.Add(1)
		go func() {
			defer f.senders.Done()
			for !f.stop.Load() {
				if err := f.flow(namespace, to, most); err != nil {
					f.mu.Lock()
					f.lost = append(f.lost, fmt.Sprintf("from %s to %s, flows of %d: %v", namespace, to, most, err))
					f.mu.Unlock()
					return
				}
			}
		}()
	}
}

// flow exchanges datagrams, as many as are said or, for 0, until the traffic ends.
func (f *traffic) flow(namespace, to string, most int) error {
	var conn net.Conn
	if err := netns.Do(namespace, func() (err error) {
		conn, err = net.Dial("udp", to)
		return err
	}); err != nil {
		return err
	}
	defer conn.Close()
	sent, got := make([]byte, 8), make([]byte, 100)
	for n := 1; !f.stop.Load() && (most == 0 || n <= most); n++ {
		binary.BigEndian.PutUint64(sent, uint64(n))
		if _, err := conn.Write(sent); err != nil {
			return err
		}
		conn.SetReadDeadline(time.Now().Add(wait))
		if read, err := conn.Read(got); err != nil || string(got[:read]) != string(sent) {
			return fmt.Errorf("datagram %d of %v: %w", n, conn.LocalAddr(), err)
		}
		f.exchanged.Add(1)
	}
	return nil
}

// end ends it, and fails the test if a datagram was lost.
func (f *traffic) end() {
	f.g.t.Helper()
	f.stop.Store(true)
	f.senders.Wait()
	for _, lost := range f.lost {
		f.g.t.Error(lost)
	}
	f.g.t.Logf("%d datagrams were answered", f.exchanged.Load())
}

// nobodysBusiness are changes that an owner of a VPC may make and that are no business
// of flows which run. Each adds something to a Config.
var nobodysBusiness = []func(*Config){
	func(c *Config) { // another elastic address
		o := c.Networks[1].Outside
		o.Addresses = append(o.Addresses, elastic("198.51.100.20", "10.0.1.20"))
	},
	func(c *Config) { // a route
		for i := range c.Networks[0].Tables {
			t := &c.Networks[0].Tables[i]
			t.Routes = append(t.Routes, to("203.0.113.0/24"))
		}
	},
	func(c *Config) { // a rule
		g := &c.Networks[0].Groups[0]
		g.Rules = append(g.Rules, allow(false, 6, 7000, 7010, "203.0.113.0/24"))
	},
	func(c *Config) { // a group
		n := &c.Networks[0]
		n.Groups = append(n.Groups, group("sg-more", allow(false, 6, 22, 22, "sg-more"), allow(true, 6, 22, 22, "203.0.113.0/24")))
		n.Groups[1].Members = append(n.Groups[1].Members, n.Interfaces[0].Address)
		n.Interfaces[0].Groups = append(n.Interfaces[0].Groups, "sg-more")
	},
	func(c *Config) { // an ACL's entry
		rules := append([]ACLRule{deny(false, 6, 22, 22, "203.0.113.0/24")}, everything...)
		guard(&c.Networks[0], "acl-1", rules, "10.0.1.0/24", "10.0.2.0/24", "10.0.3.0/24")
	},
	func(c *Config) { // an instance
		n := &c.Networks[0]
		n.Interfaces = append(n.Interfaces, port("i-3", "10.0.1.30", "sg-open"))
		n.Groups[0].Members = append(n.Groups[0].Members, n.Interfaces[2].Address)
	},
	func(c *Config) { // a peering
		peer := vpc("vpc-2", nil)
		peer.Local = prefixes("10.9.0.0/16")
		c.Networks = append(c.Networks, peer)
		c.Links = append(c.Links, Link{ID: "pcx-1", Ends: [2]LinkEnd{{Network: "vpc-1"}, {Network: "vpc-2"}}})
		n := &c.Networks[0]
		n.Tables[0].Routes = append(n.Tables[0].Routes, to("10.9.0.0/16", target(ToLink, "pcx-1")))
	},
	func(c *Config) { // flow logs
		for i := range c.Networks[0].Interfaces {
			c.Networks[0].Interfaces[i].Counted = true
		}
	},
	func(c *Config) { // IPv6
		n := &c.Networks[0]
		n.Local = append(n.Local, netip.MustParsePrefix("2001:db8::/56"))
		n.Interfaces[0] = port6("i-1", "10.0.1.4", []string{"2001:db8:0:1::4"}, n.Interfaces[0].Groups...)
	},
}

// natAddress gives the NAT gateway another address, under which, when it is leaving,
// no connection begins any more.
func natAddress(c *Config, leaving bool) {
	const inside = "10.0.2.10"
	c.Networks[1].Outside.Addresses = append(c.Networks[1].Outside.Addresses, elastic("198.51.100.8", inside))
	translator, end := c.Networks[2].Translator, &c.Links[1].Ends[1]
	end.Addresses = append(end.Addresses, netip.MustParseAddr(inside))
	if leaving {
		translator.Leaving = append(translator.Leaving, netip.MustParseAddr(inside))
	} else {
		translator.Addresses = append(translator.Addresses, netip.MustParseAddr(inside))
	}
}

// TestChangesUnderPackets changes, while datagrams go to and fro by an elastic address
// and by a NAT gateway, all that has nothing to do with them.
func TestChangesUnderPackets(t *testing.T) {
	t.Parallel()
	g := newGatewayLab(t)
	with := func(changes ...func(*Config)) Config {
		c := g.private(PortRange{First: 1024, Last: 65535}, elastic("198.51.100.6", "10.0.1.4"), elastic("198.51.100.7", "10.0.2.9"))
		for _, change := range changes {
			change(&c)
		}
		return c
	}
	g.apply(with())
	g.answer(g.world, worldAddress+":53")
	g.answer(g.instance("i-1"), "10.0.1.4:53")
	f := &traffic{g: g}
	f.send(g.instance("i-1"), worldAddress+":53", 4)
	f.send(g.world, "198.51.100.6:53", 4)
	f.send(g.instance("i-2"), worldAddress+":53", 4)
	f.send(g.instance("i-2"), "10.0.1.4:53", 2)
	before := func(*Config) {}
	for range 2 {
		for _, change := range nobodysBusiness {
			g.update(with(before, change))
			g.update(with(before))
		}
		g.update(with(func(c *Config) { natAddress(c, false) }))
		before = func(c *Config) { natAddress(c, true) } // connections go on under it
		g.update(with(before))
	}
	f.end()
	g.in("igw-1", func() error {
		connections, err := netlink.ConntrackTableList(netlink.ConntrackTable, unix.AF_INET)
		for _, c := range connections {
			if c.Zone == 0 {
				t.Errorf("a connection is in no zone of a pair of addresses: %v", c)
			}
		}
		return err
	})
}
