package netfabric

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv6"
)

// port6 is a port with further addresses; its subnet6 is 2001:db8:0:N::/64, where N
// is the third byte of the IPv4 address.
func port6(instance, address string, others []string, groups ...string) Interface {
	p := port(instance, address, groups...)
	p.Subnet6 = netip.MustParsePrefix(fmt.Sprintf("2001:db8:0:%d::/64", p.Address.As4()[2]))
	for _, o := range others {
		p.Others = append(p.Others, netip.MustParseAddr(o))
	}
	return p
}

// vpc6 is a vpc with 2001:db8::/56 besides, whose interfaces are members with all
// their addresses.
func vpc6(id string, groups []Group, ports ...Interface) Network {
	n := vpc(id, groups, ports...)
	n.Local = append(n.Local, netip.MustParsePrefix("2001:db8::/56"))
	for i := range n.Groups {
		for _, p := range ports {
			if slices.Contains(p.Groups, n.Groups[i].ID) {
				n.Groups[i].Members = append(n.Groups[i].Members, p.Others...)
			}
		}
	}
	return n
}

var (
	allOut6  = allow(true, -1, -1, -1, "::/0")
	pingsIn6 = allow(false, 58, 128, -1, "::/0")
)

// ping6 sends one request, under a source of one's own if one is given.
func (l *lab) ping6(from, source, to string, wait time.Duration) error {
	l.t.Helper()
	if source == "" {
		source = "::"
	}
	var conn *icmp.PacketConn
	l.in(from, func() (err error) {
		conn, err = icmp.ListenPacket("ip6:ipv6-icmp", source)
		return err
	})
	defer conn.Close()
	body := &icmp.Echo{ID: os.Getpid() & 0xffff, Seq: 1, Data: []byte("causeway")}
	request := icmp.Message{Type: ipv6.ICMPTypeEchoRequest, Body: body}
	data, err := request.Marshal(nil)
	if err != nil {
		return err
	}
	if _, err := conn.WriteTo(data, &net.IPAddr{IP: net.ParseIP(to)}); err != nil {
		return err
	}
	conn.SetReadDeadline(time.Now().Add(wait))
	buffer := make([]byte, 2000)
	for {
		n, peer, err := conn.ReadFrom(buffer)
		if os.IsTimeout(err) {
			return errLost
		}
		if err != nil {
			return err
		}
		m, err := icmp.ParseMessage(58, buffer[:n])
		if err != nil {
			return err
		}
		switch answer := m.Body.(type) {
		case *icmp.Echo:
			if m.Type == ipv6.ICMPTypeEchoReply && answer.ID == body.ID {
				return nil
			}
		case *icmp.DstUnreach:
			return fmt.Errorf("destination unreachable, code %d, says %v", m.Code, peer)
		}
	}
}

func (l *lab) mustPing6(from, to string) {
	l.t.Helper()
	l.mustPing6From(from, "", to)
}

// mustPing6From asks more than once: the kernel makes a new address its own some
// time after it has said that it has it.
func (l *lab) mustPing6From(from, source, to string) {
	l.t.Helper()
	err := errLost
	for deadline := time.Now().Add(20 * time.Second); err == errLost && time.Now().Before(deadline); {
		err = l.ping6(from, source, to, silence)
	}
	if err != nil {
		l.t.Fatalf("ping from %s to %s: %v\n%s", from, to, err, l.output(from, "ip", "-6", "route"))
	}
}

func (l *lab) mustNotPing6(from, to string) {
	l.t.Helper()
	if err := l.ping6(from, "", to, silence); err == nil {
		l.t.Fatalf("ping from %s to %s was answered", from, to)
	}
}

// dual are two instances of one subnet and one of another that may do everything.
func dual() Config {
	open := group("sg-open", allOut, allow(false, -1, -1, -1, "0.0.0.0/0"), allOut6, allow(false, -1, -1, -1, "::/0"))
	return Config{Networks: []Network{vpc6("vpc-1", []Group{open},
		port6("i-1", "10.0.1.4", []string{"10.0.1.20", "2001:db8:0:1::4", "2001:db8:0:1::5"}, "sg-open"),
		port6("i-2", "10.0.1.5", []string{"2001:db8:0:1::6"}, "sg-open"),
		port6("i-3", "10.0.2.4", []string{"2001:db8:0:2::4"}, "sg-open"))}}
}

func TestEveryAddressOfAnInterfaceIsReached(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.apply(dual())
	for _, address := range []string{"10.0.1.4", "10.0.1.20"} {
		l.mustPing("i-2", address)
		l.mustPing("i-3", address)
	}
	for _, address := range []string{"2001:db8:0:1::4", "2001:db8:0:1::5"} {
		l.mustPing6("i-2", address) // of the same subnet, and yet routed
		l.mustPing6("i-3", address)
	}
	l.mustPing6("i-1", "2001:db8:0:2::4")
	for _, source := range []string{"2001:db8:0:1::4", "2001:db8:0:1::5"} {
		l.mustPing6From("i-1", source, "2001:db8:0:2::4")
	}
	l.mustNotPing6("i-2", "2001:db8:0:1::1") // the router offers nothing
	err := l.ping6("i-2", "", "2001:db8:0:1::99", wait)
	if err == nil || !strings.Contains(err.Error(), "2001:db8:0:1::1") {
		t.Errorf("ping to nobody = %v, want an answer of the subnet's router", err)
	}
	if err := l.ping6("i-2", "", "2001:db9::1", wait); err == nil || err == errLost {
		t.Errorf("ping to where no route leads = %v, want unreachable", err)
	}
	l.mustStand(dual())
}

func TestAddressesChangeUnderConnections(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	c := dual()
	l.apply(c)
	l.listen("i-1", "10.0.1.4:80")
	conn, err := l.dial("i-2", "10.0.1.4:80", wait)
	if err != nil {
		t.Fatal(err)
	}
	c = dual()
	c.Networks[0].Interfaces[0].Others = []netip.Addr{netip.MustParseAddr("10.0.1.30"), netip.MustParseAddr("2001:db8:0:1::5"), netip.MustParseAddr("2001:db8:0:1::7")}
	l.update(c)
	if err := echo(conn, "still here"); err != nil {
		t.Errorf("over the connection that was there: %v", err)
	}
	l.mustPing("i-2", "10.0.1.30")
	l.mustPing6("i-2", "2001:db8:0:1::7")
	l.mustPing6("i-2", "2001:db8:0:1::5")
	l.mustNotPing("i-2", "10.0.1.20")
	l.mustNotPing6("i-2", "2001:db8:0:1::4")
	if addresses := l.output("i-1", "ip", "address", "show", "eth0"); strings.Contains(addresses, "10.0.1.20") || strings.Contains(addresses, ":1::4/") {
		t.Errorf("the instance has kept addresses that were taken from it: %s", addresses)
	}
	l.mustStand(c)
}

// What an instance gives itself is its own affair, but nobody listens to it.
func TestForgedIPv6SourceIsDropped(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.apply(dual())
	l.output("i-1", "ip", "address", "add", "2001:db8:0:1::77/64", "dev", "eth0", "nodad")
	l.mustPing6From("i-1", "2001:db8:0:1::5", "2001:db8:0:2::4")
	if err := l.ping6("i-1", "2001:db8:0:1::77", "2001:db8:0:2::4", silence); err != errLost {
		t.Errorf("ping under a forged address = %v", err)
	}
	drops, err := l.Drops("vpc-1")
	if err != nil || drops["dropped-source"].Packets == 0 {
		t.Errorf("Drops = %v, %v, want a packet with a forged source", drops, err)
	}
	l.mustStand(dual())
}

// An instance that forgets its neighbours asks for its router and finds it again.
func TestNeighbourDiscoveryPassesClosedGroups(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.apply(Config{Networks: []Network{vpc6("vpc-1", []Group{group("sg-ping", pingsIn6), group("sg-out", allOut6)},
		port6("i-1", "10.0.1.4", []string{"2001:db8:0:1::4"}, "sg-out"), port6("i-2", "10.0.1.5", []string{"2001:db8:0:1::5"}, "sg-ping"))}})
	for range 2 {
		l.mustPing6("i-1", "2001:db8:0:1::5")
		for _, instance := range []string{"i-1", "i-2"} {
			l.output(instance, "ip", "neighbour", "del", "fe80::1", "dev", "eth0")
		}
	}
	l.mustNotPing6("i-2", "2001:db8:0:1::4")
	if neighbours := l.output("vpc-1", "ip", "-6", "neighbour", "show", "nud", "all"); strings.Contains(neighbours, "REACHABLE") || strings.Contains(neighbours, "STALE") {
		t.Errorf("an instance has filled the router's neighbour table: %s", neighbours)
	}
}

func TestGroupsAdmitIPv6(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	web := group("sg-web", allow(false, 6, 80, 80, "2001:db8:0:2::/64"), allow(false, 6, 22, 22, "sg-admin"), allow(false, 58, 128, -1, "sg-admin"), allow(false, 1, -1, -1, "sg-admin"))
	admin := group("sg-admin", allow(true, 6, 0, 65535, "::/0"), allow(true, -1, -1, -1, "sg-web"))
	l.apply(Config{Networks: []Network{vpc6("vpc-1", []Group{web, admin, group("sg-all", allOut6, allOut)},
		port6("i-web", "10.0.1.4", []string{"2001:db8:0:1::4"}, "sg-web"),
		port6("i-admin", "10.0.1.5", []string{"2001:db8:0:1::5", "2001:db8:0:1::6"}, "sg-admin"),
		port6("i-far", "10.0.2.5", []string{"2001:db8:0:2::5"}, "sg-all"))}})
	for _, p := range []string{"22", "80"} {
		l.listen("i-web", "[2001:db8:0:1::4]:"+p)
	}
	for _, c := range []struct {
		from, port string
		passes     bool
		why        string
	}{
		{"i-admin", "22", true, "sg-web admits the members of sg-admin"},
		{"i-admin", "80", false, "sg-web admits another subnet there"},
		{"i-far", "80", true, "sg-web admits the subnet"},
		{"i-far", "22", false, "it is no member of sg-admin"},
	} {
		timeout := silence
		if c.passes {
			timeout = wait
		}
		if _, err := l.dial(c.from, "[2001:db8:0:1::4]:"+c.port, timeout); (err == nil) != c.passes {
			t.Errorf("%s to port %s: %v; %s", c.from, c.port, err, c.why)
		}
	}
	l.mustPing6("i-admin", "2001:db8:0:1::4")
	l.mustPing("i-admin", "10.0.1.4")
	l.mustNotPing6("i-far", "2001:db8:0:1::4")
}

// TestACLsFilterIPv6 guards the second subnet with an ACL that allows pings of
// both protocols in, and answers out, but IPv6's only of half of the first subnet.
func TestACLsFilterIPv6(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	c := dual()
	rule := func(egress, deny bool, peer string) ACLRule {
		return ACLRule{FilterRule: allow(egress, -1, -1, -1, peer), Deny: deny}
	}
	c.Networks[0].Borders = []Border{{Subnet: netip.MustParsePrefix("10.0.2.0/24"), ACL: "acl-1"}}
	c.Networks[0].ACLs = []ACL{{ID: "acl-1", Rules: []ACLRule{rule(false, false, "0.0.0.0/0"), rule(true, false, "0.0.0.0/0")}}}
	l.apply(c)
	l.mustPing("i-1", "10.0.2.4")
	l.mustNotPing6("i-1", "2001:db8:0:2::4") // what no rule names is denied
	c.Networks[0].ACLs[0].Rules = append(c.Networks[0].ACLs[0].Rules,
		rule(false, true, "2001:db8:0:1::6/128"), rule(false, false, "::/0"), rule(true, false, "::/0"))
	l.apply(c)
	l.mustPing6("i-1", "2001:db8:0:2::4")
	l.mustNotPing6("i-2", "2001:db8:0:2::4")
	c.Networks[0].ACLs[0].Rules = c.Networks[0].ACLs[0].Rules[:4] // no answers any more
	l.apply(c)
	l.mustNotPing6("i-1", "2001:db8:0:2::4")
}

// TestIPv6ComesAndGoes gives a network IPv6 that stood without, and takes it back.
func TestIPv6ComesAndGoes(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.apply(twoInstances())
	l.mustPing("i-1", "10.0.1.5")
	with := dual()
	with.Networks[0].Interfaces = with.Networks[0].Interfaces[:2]
	l.apply(with)
	l.mustPing6("i-1", "2001:db8:0:1::6")
	l.mustStand(with)
	l.apply(twoInstances())
	l.mustNotPing6("i-1", "2001:db8:0:1::6")
	l.mustPing("i-1", "10.0.1.5")
	l.mustStand(twoInstances())
	l.apply(with)
	l.mustPing6("i-1", "2001:db8:0:1::6")
}

// received counts the packets that have come to an instance's eth0.
func (l *lab) received(instance string) int {
	l.t.Helper()
	_, line, _ := strings.Cut(l.output(instance, "cat", "/proc/net/dev"), "eth0:")
	fields := strings.Fields(line)
	if len(fields) < 2 {
		l.t.Fatalf("%s has no eth0", instance)
	}
	count, err := strconv.Atoi(fields[1]) // behind the bytes
	if err != nil {
		l.t.Fatal(err)
	}
	return count
}

// TestIPv6RoutesLeadThroughAnInterface sends a prefix to a router, whose source is
// not checked.
func TestIPv6RoutesLeadThroughAnInterface(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	c := dual()
	c.Networks[0].Tables[0].Routes = []TableRoute{to("2001:db8:ffff::/48", target(ToInterface, "eni-i-2")), to("2001:db8:fffe::/48")}
	l.apply(c)
	l.output("i-2", "ip", "address", "add", "2001:db8:ffff::1/128", "dev", "lo")
	l.mustNotPing6("i-1", "2001:db8:ffff::1")
	c.Networks[0].Interfaces[1].AnySource = true
	l.apply(c)
	l.mustPing6("i-1", "2001:db8:ffff::1")
	if err := l.ping6("i-1", "", "2001:db8:fffe::1", silence); err != errLost {
		t.Errorf("ping to where a route drops = %v", err)
	}

	// What a router sends by a route that leads back to it comes back, again and again:
	// nobody tells it that the destination is on its link, or it would look for it there.
	before := l.received("i-2")
	const pings = 10
	for range pings {
		l.ping6("i-2", "2001:db8:0:1::6", "2001:db8:ffff:1::1", time.Millisecond)
	}
	for deadline := time.Now().Add(20 * time.Second); l.received("i-2") < before+pings; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("of %d packets %d came back", pings, l.received("i-2")-before)
		}
	}
}
