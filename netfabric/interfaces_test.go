package netfabric

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net/netip"
	"os/exec"
	"strings"
	"testing"

	"causeway.dev/internal/netlab"
	"causeway.dev/netfabric/netns"
)

// second is another interface of an instance.
func second(p Interface, index int) Interface {
	p.ID += "-" + string(rune('0'+index))
	p.Index = index
	return p
}

// Answers leave by the interface that the question came in by, or else they would
// come from an address that the other one has not.
func TestAnswersLeaveByTheirInterface(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	all := []Group{group("sg-1", allOut, pingsIn)}
	first, other := port("i-two", "10.0.1.4", "sg-1"), second(port("i-two", "10.0.2.4", "sg-1"), 1)
	other.Others = []netip.Addr{netip.MustParseAddr("10.0.2.9")}
	far, near := port("i-far", "10.0.3.4", "sg-1"), port("i-near", "10.0.2.7", "sg-1")
	with := func(ports ...Interface) Config {
		return Config{Networks: []Network{vpc("vpc-1", all, append(ports, far, near)...)}, Instances: []string{"i-two", "i-far", "i-near"}}
	}
	l.apply(with(first))
	l.mustNotPing("i-far", "10.0.2.4")

	l.apply(with(first, other)) // while the instance runs
	for _, address := range []string{"10.0.1.4", "10.0.2.4", "10.0.2.9"} {
		l.mustPing("i-far", address)
		l.mustPing("i-near", address) // of the second one's subnet, also to the first
	}
	l.output("i-two", "ip", "rule", "del", "from", "10.0.2.4")
	l.mustNotPing("i-far", "10.0.2.4")
	l.apply(with(first, other))
	l.mustPing("i-far", "10.0.2.4")

	l.apply(with(first))
	l.mustNotPing("i-far", "10.0.2.4")
	l.mustPing("i-far", "10.0.1.4")
	if links, rules := l.output("i-two", "ip", "-br", "link"), l.output("i-two", "ip", "rule"); strings.Contains(links, "eth1") || strings.Contains(rules, "10.0.2.4") {
		t.Errorf("of what was detached there is left:\n%s%s", links, rules)
	}
	for line := range strings.Lines(l.output("i-two", "ip", "route", "show", "table", "all")) {
		if strings.Contains(line, "table 1000") {
			t.Errorf("there is a route for a choice of interfaces that is none any more: %s", line)
		}
	}
	before := l.Changes()
	if l.apply(with(first)); l.Changes() != before {
		t.Errorf("to apply it again makes %d changes", l.Changes()-before)
	}
}

// The same for IPv6, whose answers would be dropped as forged if they left by the other
// interface; and what an instance begins leaves by the first that has IPv6, which need
// not be its first one.
func TestIPv6AnswersLeaveByTheirInterface(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	open := group("sg-1", allOut, allOut6, pingsIn6)
	with := func(first []string, others ...Interface) Config {
		ports := append([]Interface{port6("i-two", "10.0.1.4", first, "sg-1"), port6("i-far", "10.0.3.4", []string{"2001:db8:0:3::4"}, "sg-1")}, others...)
		return Config{Networks: []Network{vpc6("vpc-1", []Group{open}, ports...)}, Instances: []string{"i-two", "i-far"}}
	}
	other := second(port6("i-two", "10.0.2.4", []string{"2001:db8:0:2::4", "2001:db8:0:2::9"}, "sg-1"), 1)
	both := with([]string{"2001:db8:0:1::4"}, other)
	l.apply(both)
	for _, address := range []string{"2001:db8:0:1::4", "2001:db8:0:2::4", "2001:db8:0:2::9"} {
		l.mustPing6("i-far", address)
		l.mustPing6From("i-two", address, "2001:db8:0:3::4")
	}
	l.mustPing6("i-two", "2001:db8:0:3::4")
	l.output("i-two", "ip", "-6", "rule", "del", "from", "2001:db8:0:2::4")
	l.mustNotPing6("i-far", "2001:db8:0:2::4")
	l.apply(both)
	l.mustPing6("i-far", "2001:db8:0:2::4")
	l.mustStand(both)

	l.apply(with([]string{"2001:db8:0:1::4"})) // the other one goes while the instance runs
	l.mustNotPing6("i-far", "2001:db8:0:2::4")
	l.mustPing6("i-two", "2001:db8:0:3::4")

	l.apply(Config{})
	only := with(nil, other)
	l.apply(only)
	l.mustPing6("i-far", "2001:db8:0:2::9")
	l.mustPing6("i-two", "2001:db8:0:3::4")
	l.mustStand(only)
}

// An instance with an interface in each of two subnets carries packets between
// them, if sources and destinations are not checked and it forwards.
func TestInstanceRoutesBetweenSubnets(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	all := []Group{group("sg-1", allOut, pingsIn)}
	config := func(anySource bool) Config {
		a, b := port("i-a", "10.0.1.4", "sg-1"), port("i-b", "10.0.2.4", "sg-1")
		left, right := port("i-router", "10.0.1.5", "sg-1"), second(port("i-router", "10.0.2.5", "sg-1"), 1)
		left.AnySource, right.AnySource = anySource, anySource
		a.Table, b.Table = "rtb-a", "rtb-b"
		network := vpc("vpc-1", all, a, b, left, right)
		network.Tables = append(network.Tables,
			Table{ID: "rtb-a", Overrides: []TableRoute{to("10.0.2.0/24", target(ToInterface, left.ID))}},
			Table{ID: "rtb-b", Overrides: []TableRoute{to("10.0.1.0/24", target(ToInterface, right.ID))}})
		return Config{Networks: []Network{network}, Instances: []string{"i-a", "i-b", "i-router"}}
	}
	l.apply(config(true))
	l.output("i-router", "sysctl", "-qw", "net.ipv4.ip_forward=0")
	l.mustNotPing("i-a", "10.0.2.4")
	l.output("i-router", "sysctl", "-qw", "net.ipv4.ip_forward=1")
	l.mustPing("i-a", "10.0.2.4")
	l.mustPing("i-b", "10.0.1.4")
	l.apply(config(false))
	l.mustNotPing("i-a", "10.0.2.4")
}

// A host is a namespace with devices, where others than instances are.
type host struct {
	*lab
	name string
}

func newHost(l *lab) *host {
	l.t.Helper()
	random := make([]byte, 4)
	rand.Read(random)
	h := &host{lab: l, name: "cwhost" + hex.EncodeToString(random)}
	h.create(h.name)
	return h
}

func (h *host) create(name string) {
	h.t.Helper()
	if err := netns.Create(name); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() {
		if err := netns.Delete(name); err != nil {
			h.t.Error(err)
		}
	})
}

// run runs commands in a namespace of the host, one a line.
func (h *host) run(namespace, script string) string {
	h.t.Helper()
	var output string
	err := netns.Do(namespace, func() (err error) {
		output, err = netlab.Output("sh", "-ec", script)
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return output
}

// guest is a namespace behind a veth whose other end is a device of the host.
func (h *host) guest(device, address string) string {
	h.t.Helper()
	name := h.name + device
	h.create(name)
	h.run(h.name, "ip link add "+device+" up type veth peer name eth0 netns "+name)
	h.run(name, "ip link set lo up; ip link set eth0 up; ip addr add "+address+"/24 dev eth0; ip route add default via 10.0.1.1")
	return name
}

// pings reports whether a namespace gets an answer within some seconds.
func (h *host) pings(namespace, to, seconds string, options ...string) bool {
	h.t.Helper()
	err := netns.Do(namespace, func() error {
		return exec.Command("ping", append(options, "-n", "-c1", "-W"+seconds, to)...).Run()
	})
	return err == nil
}

// short is how many seconds are waited for an answer that ought not to come.
const short = "0.2"

// eventuallyPings is pings where the first packets may still wait for an address.
func (h *host) eventuallyPings(namespace, to string) {
	h.t.Helper()
	for range 20 {
		if h.pings(namespace, to, "1") {
			return
		}
	}
	h.t.Fatalf("%s gets no answer from %s", namespace, to)
}

// at is an interface at a place.
func at(kind PlaceKind, name, address string, groups ...string) Interface {
	p := port("x", address, groups...)
	p.ID, p.Instance = "eni-at-"+name, ""
	p.Place = &Place{Kind: kind, Name: name}
	if kind == InNamespace {
		p.Place.Device = "eth0"
	}
	return p
}

// Interfaces are plugged in where no instance is: each is pinged, pings, is filtered by
// its group and cannot take the address of another.
func TestPlaces(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	h := newHost(l)
	container := h.name + "c"
	h.create(container)
	onBridge, onNIC := h.guest("port0", "10.0.1.11"), h.guest("nic0", "10.0.1.12")
	h.run(h.name, "ip link add br0 up type bridge; ip link set port0 master br0")
	places := []Interface{
		at(InNamespace, container, "10.0.1.10", "sg-open"), at(OnBridge, "br0", "10.0.1.11", "sg-open"), at(OnInterface, "nic0", "10.0.1.12", "sg-open"),
	}
	guests := []string{container, onBridge, onNIC}
	groups := func() []Group { return []Group{group("sg-open", allOut, pingsIn), group("sg-shut", allOut)} }
	config := func(places ...Interface) Config {
		return Config{
			Networks: []Network{vpc("vpc-1", groups(), append(places, port("i-1", "10.0.1.4", "sg-open"))...)}, Instances: []string{"i-1"}, Host: h.name,
		}
	}
	l.apply(config())
	if h.pings(onBridge, "10.0.1.4", short) {
		t.Error("before it is attached, what is on the bridge reaches the network")
	}
	l.apply(config(places...))
	for i, guest := range guests {
		h.eventuallyPings(guest, "10.0.1.4")
		l.mustPing("i-1", places[i].Address.String())
		h.eventuallyPings(guest, places[(i+1)%len(places)].Address.String())
		h.run(guest, "ip addr add 10.0.1.99/32 dev eth0")
		if h.pings(guest, "10.0.1.4", short, "-I", "10.0.1.99") {
			t.Errorf("%s can take the address of another", guest)
		}
		if plugged, err := l.Plugged("vpc-1", places[i]); !plugged || err != nil {
			t.Errorf("%s: %v, %v", guest, plugged, err)
		}
	}
	shut := make([]Interface, len(places))
	for i, p := range places {
		p.Groups = []string{"sg-shut"}
		shut[i] = p
	}
	l.apply(config(shut...))
	for i, p := range shut {
		if h.pings(NamespaceName(l.prefix, "i-1"), p.Address.String(), short) { // another flow than those before
			t.Errorf("%s is reached, though its group admits nobody", p.ID)
		}
		h.eventuallyPings(guests[i], "10.0.1.4") // answers pass
	}

	// A new life finds what stands, and what stands no more is told.
	again := New(Options{})
	c := config(places...)
	c.Prefix = l.prefix
	l.apply(c)
	if err := again.Apply(t.Context(), c); err != nil || again.Changes() != 0 {
		t.Errorf("a new life makes %d changes: %v", again.Changes(), err)
	}
	h.run(h.name, "ip link del br0")
	if err := again.Apply(t.Context(), c); err != nil {
		t.Errorf("without a place: %v", err)
	}
	if plugged, err := again.Plugged("vpc-1", places[1]); plugged || !errors.Is(err, ErrNoPlace) || !strings.Contains(err.Error(), "br0") {
		t.Errorf("without the bridge: %v, %v", plugged, err)
	}
	l.mustPing("i-1", "10.0.1.12") // the others stand

	l.apply(config())
	if links := h.run(container, "ip -br link"); strings.Contains(links, "eth0") {
		t.Errorf("detached, the container has\n%s", links)
	}
	if h.pings(onNIC, "10.0.1.4", short) {
		t.Error("detached, the LAN reaches the network")
	}
}

// What is asked for where nothing can be is refused in words.
func TestPlacesThatAreNone(t *testing.T) { // not beside others, which take threads elsewhere: one place is the process's own
	l := newLab(t)
	h := newHost(l)
	h.run(h.name, `ip link add br0 up type bridge
		ip link add port0 up type veth peer name port1; ip link set port0 master br0
		ip link add down0 type veth peer name down1; ip tuntap add tun0 mode tun; ip tuntap add tap0 mode tap; ip link set tap0 up`)
	taken := h.name + "t"
	h.create(taken)
	h.run(taken, "ip link add eth0 type veth peer name eth1")
	inode, err := netns.ID(taken)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		place Place
		says  string // "" for a place that is one
	}{
		{Place{Kind: OnBridge, Name: "br0"}, ""},
		{Place{Kind: OnTAP, Name: "tap0"}, ""},
		{Place{Kind: InNamespace, Name: taken, Device: "eth7", Inode: inode}, ""},
		{Place{Kind: OnBridge, Name: "br1"}, "there is no device br1"},
		{Place{Kind: OnBridge, Name: "port0"}, "no bridge"},
		{Place{Kind: OnInterface, Name: "br0"}, "is a bridge"},
		{Place{Kind: OnInterface, Name: "port0"}, "port of another"},
		{Place{Kind: OnInterface, Name: "down0"}, "is down"},
		{Place{Kind: OnInterface, Name: "lo"}, "no Ethernet"},
		{Place{Kind: OnTAP, Name: "tun0"}, "no TAP"},
		{Place{Kind: OnTAP, Name: "../tap0"}, "no name of a device"},
		{Place{Kind: InNamespace, Name: h.name + "none", Device: "eth0"}, "there is no network namespace"},
		{Place{Kind: InNamespace, Name: taken, Device: "eth0"}, "has a device eth0 already"},
		{Place{Kind: InNamespace, Name: taken, Device: "eth7", Inode: inode + 1}, "another network namespace"},
		{Place{Kind: InNamespace, Name: taken, Device: "a device"}, "no name of a device"},
		{Place{Kind: InNamespace, Name: "/proc/self/ns/net", Device: "eth0"}, "host's own"},
		{Place{Kind: "moon", Name: "x"}, "no kind"},
	} {
		err := CheckPlace(h.name, test.place, "02:00:00:00:00:01")
		if test.says == "" && err != nil || test.says != "" && (!errors.Is(err, ErrNoPlace) || !strings.Contains(err.Error(), test.says)) {
			t.Errorf("%+v: %v, want %q", test.place, err, test.says)
		}
	}
}

// A program behind a TAP device, as a virtual machine is one, answers.
func TestPlaceOnTAP(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	h := newHost(l)
	machine := openTAP(t, h.name, "tap0")
	h.run(h.name, "ip link set tap0 up")
	go machine.answer(netip.MustParseAddr("10.0.1.13"))
	p := at(OnTAP, "tap0", "10.0.1.13", "sg-1")
	c := Config{
		Networks:  []Network{vpc("vpc-1", []Group{group("sg-1", allOut, pingsIn)}, p, port("i-1", "10.0.1.4", "sg-1"))},
		Instances: []string{"i-1"}, Host: h.name, Prefix: l.prefix,
	}
	if err := l.Apply(context.Background(), c); err != nil {
		t.Fatal(err)
	}
	l.mustPing("i-1", "10.0.1.13")
}
