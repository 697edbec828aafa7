package netfabric

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"causeway.dev/netfabric/netns"
)

// twoInstances is a VPC with two instances that may do everything.
func twoInstances() Config {
	open := group("sg-open", allOut, allow(false, -1, -1, -1, "0.0.0.0/0"))
	return Config{Networks: []Network{vpc("vpc-1", []Group{open},
		port("i-1", "10.0.1.4", "sg-open"), port("i-2", "10.0.1.5", "sg-open"))}}
}

// site is a VPC with an instance, joined to a gateway with two tunnels to
// 192.168.0.0/16.
//
//	i-1 --- vpc-1 --- vgw-1 === vpn-1/1, vpn-1/2
func site() Config {
	c := twoInstances()
	c.Networks[0].Tables[0].Routes = []TableRoute{
		to("192.168.0.0/16", target(ToLink, "vgw-1:vpc-1")),
		to("172.16.0.0/16", target(ToLink, "vgw-1:vpc-1")), // which the gateway does not know
		to("198.51.100.0/24"),
	}
	c.Networks = append(c.Networks, Network{ID: "vgw-1", Tables: []Table{{ID: "gateway", Routes: []TableRoute{
		to("10.0.0.0/16", target(ToLink, "vgw-1:vpc-1")),
		to("192.168.0.0/16", target(ToTunnel, "vpn-1/1"), target(ToTunnel, "vpn-1/2")),
	}}}})
	c.Links = []Link{{ID: "vgw-1:vpc-1", Ends: [2]LinkEnd{{Network: "vgw-1", Table: "gateway"}, {Network: "vpc-1"}}}}
	c.TUNs = []TUN{
		{ID: "vpn-1/1", Network: "vgw-1", Table: "gateway", Inside: netip.MustParsePrefix("169.254.10.1/30"), MTU: 1400},
		{ID: "vpn-1/2", Network: "vgw-1", Table: "gateway", Inside: netip.MustParsePrefix("169.254.11.1/30"), MTU: 1400},
	}
	return c
}

func TestInstancesReachEachOther(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	c := twoInstances()
	c.Networks[0].Interfaces = append(c.Networks[0].Interfaces, port("i-3", "10.0.2.4", "sg-open"))
	l.apply(c)
	l.mustPing("i-1", "10.0.1.5") // of the same subnet, and yet routed
	l.mustPing("i-1", "10.0.2.4")
	l.mustNotPing("i-1", "10.0.1.9")
	l.mustNotPing("i-1", "10.0.1.1") // the gateway offers nothing, as AWS's
}

func TestNetworksWithEqualAddressesStayApart(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	c := twoInstances()
	other := vpc("vpc-2", []Group{group("sg-2", allOut, pingsIn)}, port("i-3", "10.0.1.4", "sg-2"), port("i-4", "10.0.3.9", "sg-2"))
	c.Networks = append(c.Networks, other)
	l.apply(c)
	l.mustPing("i-3", "10.0.3.9")
	l.mustNotPing("i-1", "10.0.3.9")
	l.mustNotPing("i-3", "10.0.1.5")
}

func TestGroupsAdmitWhatTheySay(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	web := group("sg-web", allOut, allow(false, 6, 80, 81, "10.0.1.0/24"), allow(false, 6, 22, 22, "sg-admin"), allow(false, 1, 8, -1, "sg-admin"))
	admin := group("sg-admin", allow(true, 6, 0, 65535, "0.0.0.0/0"), allow(true, 1, -1, -1, "sg-web"))
	mute := group("sg-mute", allow(false, -1, -1, -1, "0.0.0.0/0"))
	l.apply(Config{Networks: []Network{vpc("vpc-1", []Group{web, admin, mute},
		port("i-web", "10.0.1.4", "sg-web"), port("i-admin", "10.0.1.5", "sg-admin"),
		port("i-mute", "10.0.1.6", "sg-mute"), port("i-none", "10.0.2.7"), port("i-far", "10.0.2.8", "sg-admin"))}})
	for _, p := range []string{"22", "80", "81", "82"} {
		l.listen("i-web", "10.0.1.4:"+p)
	}
	for _, c := range []struct {
		from, port string
		passes     bool
		why        string
	}{
		{"i-admin", "22", true, "sg-web admits the members of sg-admin"},
		{"i-far", "22", true, "sg-web admits the members of sg-admin, wherever they are"},
		{"i-admin", "80", true, "sg-web admits the subnet"},
		{"i-admin", "81", true, "the range of ports has an end"},
		{"i-admin", "82", false, "no rule names the port"},
		{"i-far", "80", false, "no rule names the other subnet"},
		{"i-mute", "80", false, "sg-mute lets nothing out"},
		{"i-none", "80", false, "an interface without groups is closed"},
	} {
		timeout := silence
		if c.passes {
			timeout = wait
		}
		if _, err := l.dial(c.from, "10.0.1.4:"+c.port, timeout); (err == nil) != c.passes {
			t.Errorf("%s to port %s: %v; %s", c.from, c.port, err, c.why)
		}
	}
	l.mustPing("i-admin", "10.0.1.4")
	l.mustNotPing("i-web", "10.0.1.5") // a group lets answers in, not questions
	l.mustNotPing("i-web", "10.0.2.7")
	drops, err := l.Drops("vpc-1")
	if err != nil || drops["dropped-ingress"].Packets == 0 || drops["dropped-egress"].Packets == 0 {
		t.Errorf("Drops = %v, %v, want packets counted both ways", drops, err)
	}
}

func TestTwoGroupsAdmitWhatEitherAdmits(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.apply(Config{Networks: []Network{vpc("vpc-1",
		[]Group{group("sg-ping", pingsIn), group("sg-ssh", allow(false, 6, 22, 22, "0.0.0.0/0")), group("sg-out", allOut)},
		port("i-1", "10.0.1.4", "sg-ssh", "sg-ping"), port("i-2", "10.0.1.5", "sg-out"))}})
	l.listen("i-1", "10.0.1.4:22")
	l.mustPing("i-2", "10.0.1.4")
	if _, err := l.dial("i-2", "10.0.1.4:22", wait); err != nil {
		t.Errorf("dial: %v", err)
	}
	l.mustNotPing("i-1", "10.0.1.5")
}

func TestForgedSourceIsDropped(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	c := twoInstances()
	l.apply(c)
	l.mustPing("i-1", "10.0.1.5") // and knows the way; under a forged address nobody would answer its ARP
	// The instance takes an address that the network has not given it.
	for _, command := range []string{
		"ip address add 10.0.1.77/32 dev eth0",
		"ip route replace 10.0.1.0/24 dev eth0 src 10.0.1.77",
	} {
		l.output("i-1", strings.Fields(command)...)
	}
	l.mustNotPing("i-1", "10.0.1.5")
	drops, err := l.Drops("vpc-1")
	if err != nil || drops["dropped-source"].Packets == 0 {
		t.Errorf("Drops = %v, %v, want a packet with a forged source", drops, err)
	}
	// A filter that is loaded anew goes on counting.
	before := drops["dropped-source"].Packets
	c.Networks[0].Groups[0].Rules = c.Networks[0].Groups[0].Rules[:1]
	l.apply(c)
	if drops, err = l.Drops("vpc-1"); err != nil || drops["dropped-source"].Packets < before {
		t.Errorf("after a new filter: Drops = %v, %v, want at least %d", drops, err, before)
	}
}

func TestSecondApplyChangesNothing(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.apply(site())
	l.openTUN("vgw-1", "vpn-1/1")
	if err := l.SetTunnelUp(t.Context(), "vpn-1/1", true); err != nil {
		t.Fatal(err)
	}
	before := l.Changes()
	l.apply(site())
	if made := l.Changes() - before; before == 0 || made != 0 {
		t.Errorf("the second Apply made %d changes after %d", made, before)
	}
}

func TestNewLifeAdoptsWhatStands(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.apply(twoInstances())
	var wg sync.WaitGroup
	stop := make(chan struct{})
	sent, lost := 0, 0
	p := l.pinger("i-1")
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			sent++
			if err := p.ping("10.0.1.5", wait); err != nil {
				lost++
			}
		}
	})
	for range 5 {
		l.Fabric = New(Options{})
		l.apply(twoInstances())
		if n := l.Changes(); n != 0 {
			t.Errorf("a new life made %d changes", n)
		}
	}
	close(stop)
	wg.Wait()
	if lost > 0 || sent == 0 {
		t.Errorf("%d of %d pings were lost", lost, sent)
	}
}

func TestTunnelRoutesFollowTunnels(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.apply(site())
	first, second := reflectPings(l.openTUN("vgw-1", "vpn-1/1")), reflectPings(l.openTUN("vgw-1", "vpn-1/2"))
	p := l.pinger("i-1")
	if err := p.ping("192.168.1.1", wait); err == nil || errors.Is(err, errLost) {
		t.Errorf("with no tunnel up: %v, want unreachable", err)
	}
	for _, step := range []struct {
		tunnel string
		up     bool
		by     interface{ Load() int64 }
	}{
		{"vpn-1/2", true, second}, {"vpn-1/1", true, first}, {"vpn-1/1", false, second},
	} {
		start := time.Now()
		if err := l.SetTunnelUp(t.Context(), step.tunnel, step.up); err != nil {
			t.Fatal(err)
		}
		took, before := time.Since(start), step.by.Load()
		if err := p.ping("192.168.1.1", wait); err != nil {
			t.Fatalf("after tunnel %s up=%v: %v", step.tunnel, step.up, err)
		}
		if step.by.Load() != before+1 {
			t.Errorf("after tunnel %s up=%v the ping went the other way", step.tunnel, step.up)
		}
		t.Logf("tunnel %s up=%v: %v", step.tunnel, step.up, took)
	}
	if err := l.SetTunnelUp(t.Context(), "vpn-9/1", true); err == nil {
		t.Error("a tunnel of no network was set up")
	}
}

func TestRoutesThatLeadNowhere(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.apply(site())
	p := l.pinger("i-1")
	for _, c := range []struct {
		to, want string
		within   time.Duration
	}{
		{"203.0.113.1", "unreachable", wait},   // no route of the VPC
		{"172.16.0.1", "unreachable", wait},    // no route of the gateway
		{"198.51.100.1", "no answer", silence}, // a route without targets
	} {
		if err := p.ping(c.to, c.within); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("ping %s: %v, want %s", c.to, err, c.want)
		}
	}
}

// TestPathMTU proves that the gateway tells an instance how much fits into a
// tunnel, and that the VPC's filter lets that through.
func TestPathMTU(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.apply(site())
	reflectPings(l.openTUN("vgw-1", "vpn-1/1"))
	if err := l.SetTunnelUp(t.Context(), "vpn-1/1", true); err != nil {
		t.Fatal(err)
	}
	var fd int
	l.in("i-1", func() (err error) {
		fd, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		return err
	})
	defer unix.Close(fd)
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DO); err != nil {
		t.Fatal(err)
	}
	if err := unix.Connect(fd, &unix.SockaddrInet4{Port: 9, Addr: [4]byte{192, 168, 1, 1}}); err != nil {
		t.Fatal(err)
	}
	unix.Write(fd, make([]byte, 1450))
	deadline := time.Now().Add(wait)
	for {
		mtu, err := unix.GetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MTU)
		if err == nil && mtu == 1400 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("path MTU is %d, %v, want 1400", mtu, err)
		}
		time.Sleep(time.Millisecond)
	}
}

func TestPingOfTheInsideAddressIsAnswered(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.apply(site())
	file := l.openTUN("vgw-1", "vpn-1/1")
	// From 169.254.10.2 to 169.254.10.1, echo request.
	request := []byte{
		0x45, 0, 0, 28, 0, 1, 0, 0, 64, 1, 0, 0, 169, 254, 10, 2, 169, 254, 10, 1,
		8, 0, 0xf7, 0xfd, 0, 1, 0, 1,
	}
	checksum(request[:20], 10)
	if _, err := file.Write(request); err != nil {
		t.Fatal(err)
	}
	file.SetReadDeadline(time.Now().Add(wait))
	answer := make([]byte, 100)
	n, err := file.Read(answer)
	if err != nil || n != 28 || answer[20] != 0 || answer[19] != 2 {
		t.Fatalf("answer % x, %v, want an echo reply to 169.254.10.2", answer[:n], err)
	}
}

// TestForgedInsideSourceIsDropped proves that a site cannot use an address of
// the VPC, which groups that name groups would trust.
func TestForgedInsideSourceIsDropped(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.apply(site())
	file := l.openTUN("vgw-1", "vpn-1/1")
	request := []byte{
		0x45, 0, 0, 28, 0, 1, 0, 0, 64, 1, 0, 0, 10, 0, 1, 5, 10, 0, 1, 4,
		8, 0, 0xf7, 0xfd, 0, 1, 0, 1,
	}
	checksum(request[:20], 10)
	if _, err := file.Write(request); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(wait); ; time.Sleep(time.Millisecond) {
		drops, err := l.Drops("vpc-1")
		if err != nil {
			t.Fatal(err)
		}
		if drops["dropped-source"].Packets == 1 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("Drops = %v, want one forged source", drops)
		}
	}
}

func TestRouteThroughAnInstance(t *testing.T) {
	t.Parallel()
	for _, anySource := range []bool{false, true} {
		t.Run(fmt.Sprintf("AnySource=%v", anySource), func(t *testing.T) {
			l := newLab(t)
			c := twoInstances()
			c.Networks[0].Interfaces[1].AnySource = anySource
			c.Networks[0].Tables[0].Routes = []TableRoute{to("203.0.113.0/24", target(ToInterface, "eni-i-2"))}
			l.apply(c)
			l.output("i-2", "ip", "address", "add", "203.0.113.7/32", "dev", "lo")
			if anySource {
				l.mustPing("i-1", "203.0.113.7")
			} else {
				l.mustNotPing("i-1", "203.0.113.7")
			}
		})
	}
}

func TestWhatIsNotNamedIsRemoved(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	c := site()
	l.apply(c)
	c.Networks = c.Networks[:1]
	c.Networks[0].Interfaces = c.Networks[0].Interfaces[:1]
	c.Networks[0].Tables[0].Routes = nil
	c.Links, c.TUNs = nil, nil
	l.apply(c)
	names, err := netns.List(l.prefix)
	if want := fmt.Sprint([]string{l.prefix + "-i-1", l.prefix + "-vpc-1"}); err != nil || fmt.Sprint(names) != want {
		t.Errorf("namespaces are %v, %v, want %v", names, err, want)
	}
	devices := l.output("vpc-1", "ip", "-o", "link", "show")
	if n := strings.Count(devices, "\n"); n != 2 {
		t.Errorf("want lo and one port in the network, got\n%s", devices)
	}
	if routes := l.output("vpc-1", "ip", "route", "show", "table", "all", "type", "unicast"); strings.Count(routes, "\n") != 1 {
		t.Errorf("want one route, got\n%s", routes)
	}
}

// TestKilledAtEachStep breaks Apply off before its changes, as a kill does, and
// lets a new life go on from there. Of each kind of change it takes two.
func TestKilledAtEachStep(t *testing.T) {
	t.Parallel()
	moved := site() // everything changes: an interface moves, one goes, one comes
	moved.Networks[0].Interfaces[0].Instance = "i-5"
	moved.Networks[0].Interfaces[1] = port("i-6", "10.0.2.5", "sg-open")
	moved.Links[0].Ends[0], moved.Links[0].Ends[1] = moved.Links[0].Ends[1], moved.Links[0].Ends[0]
	for _, c := range []struct {
		name       string
		from, then Config
		ping, to   string
	}{
		{"from nothing", Config{}, site(), "i-1", "10.0.1.5"},
		{"from another", site(), moved, "i-5", "10.0.2.5"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			c.then.Prefix = l.prefix
			kinds := map[string]int{}
			for step, text := range l.stepsOf(c.from, c.then) {
				kind := strings.Join(strings.Fields(text)[1:3], " ")
				if kinds[kind]++; kinds[kind] > 2 {
					continue
				}
				l.apply(Config{}) // nothing, to start from
				l.apply(c.from)
				l.killAt(step, c.then)
				l.Fabric = New(Options{})
				l.apply(c.then)
				before := l.Changes()
				l.apply(c.then)
				if made := l.Changes() - before; made != 0 {
					t.Errorf("killed before %q: the Apply after the next still made %d changes", text, made)
				}
				if err := l.pinger(c.ping).ping(c.to, wait); err != nil {
					t.Fatalf("killed before %q: %v", text, err)
				}
			}
		})
	}
}

// stepsOf returns the changes that lead from one configuration to another.
func (l *lab) stepsOf(from, then Config) []string {
	l.t.Helper()
	l.apply(from)
	l.Fabric = New(Options{})
	var texts []string
	l.beforeChange = func(text string) error {
		texts = append(texts, text)
		return nil
	}
	l.apply(then)
	l.beforeChange = nil
	return texts
}

// killAt applies c and ends before the numbered change.
func (l *lab) killAt(step int, c Config) {
	l.t.Helper()
	killed, done := errors.New("killed"), 0
	l.Fabric = New(Options{})
	l.beforeChange = func(string) error {
		if done == step { // and for ever after: who is dead does nothing more
			return killed
		}
		done++
		return nil
	}
	if err := l.Apply(l.t.Context(), c); !errors.Is(err, killed) {
		l.t.Fatalf("Apply = %v, want it killed", err)
	}
}

func TestWrongNetworkHarmsNoOther(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	c := twoInstances()
	c.Networks = append(c.Networks, vpc("vpc-2", []Group{group("sg-2", allOut, pingsIn)}, port("i-3", "10.0.1.4", "sg-2"), port("i-4", "10.0.1.5", "sg-2")))
	l.apply(c)
	c.Prefix = l.prefix
	c.Networks[0].Interfaces[0].Address = netip.MustParseAddr("10.9.9.9")
	c.Networks[1].Interfaces = append(c.Networks[1].Interfaces, port("i-5", "10.0.1.6", "sg-2"))
	if err := l.Apply(t.Context(), c); err == nil || !strings.Contains(err.Error(), "vpc-1") {
		t.Errorf("Apply = %v, want an error about vpc-1", err)
	}
	l.mustPing("i-1", "10.0.1.5") // as it was
	l.mustPing("i-5", "10.0.1.4")
}

func checksum(header []byte, at int) {
	var sum uint32
	for i := 0; i < len(header); i += 2 {
		sum += uint32(header[i])<<8 | uint32(header[i+1])
	}
	sum = sum>>16 + sum&0xffff
	sum += sum >> 16
	header[at], header[at+1] = ^byte(sum>>8), ^byte(sum)
}
