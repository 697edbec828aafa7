package plan

import (
	"fmt"
	"net"
	"net/netip"
	"reflect"
	"strings"
)

// State is what the kernel shall hold under one prefix.
type State struct {
	Prefix     string
	Namespaces []Namespace // by name
	Joint      *Joint      // nil: the underlay is left alone

	// Untouched are names of namespaces that stay as they are, because what
	// Config says of them makes no sense.
	Untouched []string
}

// A Namespace is what one network namespace shall hold.
type Namespace struct {
	Name string

	// Router says that the namespace is ours alone, so that what is not listed
	// is removed. In the others, the instances', we only see to it that what is
	// listed is there.
	Router bool

	// Foreign says that somebody else makes and removes the namespace.
	Foreign bool

	Sysctls    []Sysctl
	Devices    []Device
	Addresses  []Address
	Neighbours []Neighbour
	Rules      []Rule
	Routes     []Route
	Filter     Filter
}

// Equal reports whether two namespaces shall hold the same. Where a Compiler has
// compiled neither anew, which their devices tell that are one slice, it costs nothing.
func (ns *Namespace) Equal(other *Namespace) bool {
	if len(ns.Devices) > 0 && len(ns.Devices) == len(other.Devices) && &ns.Devices[0] == &other.Devices[0] {
		return true
	}
	return reflect.DeepEqual(*ns, *other)
}

// A Sysctl is a value below net, such as "ipv4.ip_forward".
type Sysctl struct{ Key, Value string }

// DeviceKind says what a device is.
type DeviceKind string

// Kinds of devices.
const (
	Loopback DeviceKind = "loopback"
	Veth     DeviceKind = "veth"
	TUNKind  DeviceKind = "tun"     // opened by somebody else, and absent until then
	MACVLAN  DeviceKind = "macvlan" // an address of its own on a device of another namespace
)

// A Device is a network device of a namespace. All are up.
type Device struct {
	Name  string
	Kind  DeviceKind
	Alias string // what it stands for, for people who look

	MAC net.HardwareAddr // of a veth or macvlan
	MTU int              // in bytes; 0 means as it is

	// Peer is the other end of a veth, or the device below a macvlan. Creator is
	// set at the end that both are made from.
	Peer    Peer
	Creator bool
}

// A Peer is the other end of a veth.
type Peer struct {
	Namespace string
	Name      string
	MAC       net.HardwareAddr

	// Foreign says that the namespace is not ours: an empty name is that of the
	// process.
	Foreign bool
}

// An Address is one of a namespace's own. The kernel derives a route to the
// rest of its prefix from it only if Connected is set.
type Address struct {
	Device    string
	Prefix    netip.Prefix
	Connected bool
}

// A Neighbour is a permanent entry of the neighbour table, so that nobody has
// to be asked and nobody can lie.
type Neighbour struct {
	Device  string
	Address netip.Addr
	MAC     net.HardwareAddr
}

// A Rule sends packets to a table by their mark, which is that table's number or,
// for overrides, that of the table they belong to; with neither it sends them back
// as unreachable. In an instance it goes by their source.
type Rule struct {
	Priority int
	Mark     uint32     // 0 matches every packet
	From     netip.Addr // zero matches every packet
	Table    uint32     // 0 is unreachable
	IPv6     bool       // whose packets
}

// RouteKind says what becomes of a route's packets.
type RouteKind string

// Kinds of routes.
const (
	Unicast     RouteKind = "unicast"
	Unreachable RouteKind = "unreachable" // answered with an ICMP error
	Blackhole   RouteKind = "blackhole"   // dropped in silence
)

// A Route is an entry of a kernel's route table.
type Route struct {
	Table       uint32
	Destination netip.Prefix
	Kind        RouteKind
	Device      string     // of Unicast
	Gateway     netip.Addr // zero where the device leads to the destination itself
}

// MainTable is the kernel's own, the one that instances use.
const MainTable = 254

// A Filter is the rules of a namespace in nftables' language: the body of the
// table "inet causeway", the body of "arp causeway", and names of the counters
// that the former uses. Counted are the devices, by name, whose flows are counted
// behind it. One that is Last, where another stands, takes its place when all
// namespaces are as they shall be: it begins connections under addresses that others
// have to know before.
type Filter struct {
	Inet     string
	ARP      string
	Counters []string
	Counted  []string
	Last     bool
}

// String is the state as text, for people and for tests.
func (s State) String() string {
	var b strings.Builder
	for _, n := range s.Namespaces {
		n.append(&b)
	}
	if s.Joint != nil {
		s.Joint.append(&b)
	}
	for _, name := range s.Untouched {
		fmt.Fprintf(&b, "namespace %s untouched\n", name)
	}
	return b.String()
}

func (n Namespace) append(b *strings.Builder) {
	role := "instance"
	if n.Foreign {
		role = "foreign"
	}
	if n.Router {
		role = "router"
	}
	fmt.Fprintf(b, "namespace %s %s\n", n.Name, role)
	appendEach(b, n.Sysctls)
	appendEach(b, n.Devices)
	appendEach(b, n.Addresses)
	appendEach(b, n.Neighbours)
	appendEach(b, n.Rules)
	appendEach(b, n.Routes)
	n.Filter.append(b)
}

func (j *Joint) append(b *strings.Builder) {
	if len(j.Devices) == 0 {
		return
	}
	fmt.Fprintf(b, "underlay %q by %s\n", j.Namespace, j.Interface)
	appendEach(b, j.Devices)
	appendEach(b, j.Neighbours)
	appendEach(b, j.Routes)
}

func appendEach[T fmt.Stringer](b *strings.Builder, list []T) {
	for _, v := range list {
		fmt.Fprintf(b, "  %v\n", v)
	}
}

func (f Filter) append(b *strings.Builder) {
	for _, table := range []struct{ family, body string }{{"inet", f.Inet}, {"arp", f.ARP}} {
		if table.body == "" {
			continue
		}
		fmt.Fprintf(b, "  filter %s\n", table.family)
		for line := range strings.Lines(table.body) {
			b.WriteString("    " + line)
		}
	}
	if len(f.Counters) > 0 {
		fmt.Fprintf(b, "  counters %s\n", strings.Join(f.Counters, " "))
	}
	if len(f.Counted) > 0 {
		fmt.Fprintf(b, "  count flows of %s\n", strings.Join(f.Counted, " "))
	}
}

func (s Sysctl) String() string { return "sysctl net." + s.Key + " " + s.Value }

func (d Device) String() string {
	text := fmt.Sprintf("device %s %s", d.Name, d.Kind)
	if d.MTU != 0 {
		text += fmt.Sprintf(" mtu %d", d.MTU)
	}
	if d.Kind == Veth || d.Kind == MACVLAN {
		text += fmt.Sprintf(" mac %v peer %s %s", d.MAC, d.Peer.Namespace, d.Peer.Name)
	}
	if d.Alias != "" {
		text += " alias " + d.Alias
	}
	return text
}

func (a Address) String() string {
	text := fmt.Sprintf("address %v dev %s", a.Prefix, a.Device)
	if a.Connected {
		text += " connected"
	}
	return text
}

func (n Neighbour) String() string {
	return fmt.Sprintf("neighbour %v dev %s mac %v", n.Address, n.Device, n.MAC)
}

func (r Rule) String() string {
	text := fmt.Sprintf("rule %d", r.Priority)
	if r.IPv6 {
		text += " ipv6"
	}
	if r.Mark != 0 {
		text += fmt.Sprintf(" mark %#x", r.Mark)
	}
	if r.From.IsValid() {
		text += fmt.Sprintf(" from %v", r.From)
	}
	if r.Table == 0 {
		return text + " unreachable"
	}
	return text + fmt.Sprintf(" table %d", r.Table)
}

func (r Route) String() string {
	text := fmt.Sprintf("route table %d %v", r.Table, r.Destination)
	if r.Kind != Unicast {
		return text + " " + string(r.Kind)
	}
	if r.Gateway.IsValid() {
		text += fmt.Sprintf(" via %v", r.Gateway)
	}
	return text + " dev " + r.Device
}
