package plan

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
)

// The order in which a packet's way is looked for in a router's namespace.
// Behind the kernel's own table of local addresses, at 0, comes what is attached
// to the namespace, so that only the overrides of a table precede it.
const (
	priorityOverrides   = 50
	priorityPorts       = 100
	priorityTables      = 200
	priorityUnreachable = 300
)

const defaultMTU = 1500 // bytes

// linkNextHop stands for the other end of a link in routes. It never appears in
// a packet. AWS reserves it, so that no tunnel has it as its inside address.
var linkNextHop = netip.AddrFrom4([4]byte{169, 254, 0, 1})

// Compile returns what the kernel shall hold so that it is as c says, while the
// tunnels in up, and no others, carry packets. What is wrong with one network is
// part of the error and keeps no other network from being compiled.
func Compile(c Config, up map[string]bool) (State, error) {
	if !validPrefix().MatchString(c.Prefix) {
		return State{}, fmt.Errorf("prefix %q is not 1 to 32 letters and digits", c.Prefix)
	}
	k := compiler{
		prefix: c.Prefix, up: up, underlay: c.Underlay, host: c.Host, routers: map[string]*router{}, instances: map[string]*Namespace{},
		foreigns: map[string]*Namespace{}, ports: map[string][]*Interface{},
	}
	if c.Underlay != nil {
		k.joint = &Joint{Underlay: *c.Underlay, Prefix: c.Prefix}
	}
	for _, id := range c.Instances {
		k.instance(id)
	}
	for _, n := range c.Networks {
		k.network(n)
	}
	for _, l := range c.Links {
		k.link(l)
	}
	for _, t := range c.TUNs {
		k.tun(t)
	}
	return k.state(), errors.Join(k.errs...)
}

// Around is c without what a network's own namespace does not depend on: what is
// left of the others is where links end.
func (c Config) Around(network string) Config {
	part := Config{Prefix: c.Prefix, Underlay: c.Underlay}
	near := map[string]bool{}
	for _, l := range c.Links {
		if l.Ends[0].Network == network || l.Ends[1].Network == network {
			part.Links = append(part.Links, l)
			near[l.Ends[0].Network], near[l.Ends[1].Network] = true, true
		}
	}
	for _, n := range c.Networks {
		if n.ID == network {
			part.Networks = append(part.Networks, n)
		} else if near[n.ID] {
			end := Network{ID: n.ID}
			for _, t := range n.Tables {
				end.Tables = append(end.Tables, Table{ID: t.ID})
			}
			end.Local = n.Local
			part.Networks = append(part.Networks, end)
		}
	}
	for _, t := range c.TUNs {
		if t.Network == network {
			part.TUNs = append(part.TUNs, t)
		}
	}
	return part
}

type compiler struct {
	prefix    string
	up        map[string]bool
	underlay  *Underlay
	joint     *Joint             // nil without an underlay
	routers   map[string]*router // by network id
	host      string             // the namespace of the devices of places
	instances map[string]*Namespace
	foreigns  map[string]*Namespace   // by name
	ports     map[string][]*Interface // by instance
	untouched []string
	errs      []error
}

// A router is the namespace of a network while it is compiled.
type router struct {
	Namespace
	network   Network
	names     map[string]bool       // of devices
	table     map[string]uint32     // kernel number by id
	overrides map[string]uint32     // the same, of tables that have some
	device    map[Target]string     // where targets lead
	via, via6 map[Target]netip.Addr // by family
	attach    []attachment
}

// An attachment is a device that packets come in by.
type attachment struct {
	device    string
	table     uint32     // 0 for none
	port      *Interface // nil for a link, TUN or outside
	isTUN     bool
	isOutside bool
	counted   bool         // its flows are
	answers   uint32       // table of a link's Answers; 0 for none
	tracked   bool         // flows through it always are
	addresses []netip.Addr // of the network's own that are behind a link
	inside    netip.Prefix // of a TUN; zero for none
	bgp       netip.Addr   // who may speak BGP behind a TUN; zero for nobody
}

func (k *compiler) fail(format string, args ...any) {
	k.errs = append(k.errs, fmt.Errorf(format, args...))
}

func (k *compiler) name(id string) string { return NamespaceName(k.prefix, id) }

func (k *compiler) instance(id string) *Namespace {
	if ns := k.instances[id]; ns != nil {
		return ns
	}
	if !validID().MatchString(id) {
		k.fail("instance id %q is malformed", id)
		return nil
	}
	ns := &Namespace{Name: k.name(id), Devices: []Device{{Name: "lo", Kind: Loopback}}}
	k.instances[id] = ns
	return ns
}

func (k *compiler) network(n Network) {
	if !validID().MatchString(n.ID) || k.routers[n.ID] != nil {
		k.fail("network id %q is malformed or not unique", n.ID)
		return
	}
	if err := n.check(); err != nil {
		k.fail("network %s: %w", n.ID, err)
		k.untouched = append(k.untouched, k.name(n.ID))
		for _, i := range n.Interfaces {
			if i.Instance != "" {
				k.instance(i.Instance) // nothing is ever taken away from it
			}
		}
		return
	}
	r := &router{network: n, names: map[string]bool{}, overrides: map[string]uint32{}, device: map[Target]string{}, via: map[Target]netip.Addr{}, via6: map[Target]netip.Addr{}}
	r.Name, r.Router = k.name(n.ID), true
	r.Sysctls = slices.Concat(routerSysctls, withoutIPv6Sysctls)
	if n.ipv6() {
		r.Sysctls = slices.Concat(routerSysctls, ipv6Sysctls)
	}
	r.add(Device{Name: "lo", Kind: Loopback})
	var ids []string
	for _, t := range n.Tables {
		ids = append(ids, n.ID+" "+t.ID)
	}
	for i, t := range n.Tables {
		if len(t.Overrides) > 0 {
			ids = append(ids, ids[i]+overriding)
		}
	}
	numbers := tableNumbers(ids)
	r.table = map[string]uint32{"": 0}
	for i, t := range n.Tables {
		r.table[t.ID] = numbers[ids[i]]
		if number, ok := numbers[ids[i]+overriding]; ok {
			r.overrides[t.ID] = number
		}
	}
	gateways := map[netip.Addr]bool{}
	for i := range n.Interfaces {
		if port := &n.Interfaces[i]; port.plugged() {
			k.port(r, port)
			if port.hasIPv4() {
				gateways[gateway(port.Subnet)] = true
			}
			if port.Subnet6.IsValid() {
				gateways[gateway(port.Subnet6)] = true // the sender of our ICMPv6 errors
			}
		}
	}
	// All ports answer for the gateways of all subnets, so the addresses need
	// no device each.
	for _, a := range slices.SortedFunc(maps.Keys(gateways), netip.Addr.Compare) {
		r.Addresses = append(r.Addresses, Address{Device: "lo", Prefix: netip.PrefixFrom(a, a.BitLen())})
	}
	if t := n.Translator; t != nil {
		r.Sysctls = append(r.Sysctls, translatorSysctls...)
		for _, a := range t.all() {
			r.Addresses = append(r.Addresses, Address{Device: "lo", Prefix: netip.PrefixFrom(a, a.BitLen())})
		}
	}
	r.services()
	k.outside(r)
	k.routers[n.ID] = r
}

// overriding ends the id that the kernel number of a table's overrides follows from.
const overriding = " overrides"

// routerSysctls hold for all devices of a router's namespace, those to come
// included.
var routerSysctls = []Sysctl{
	{"ipv4.ip_forward", "1"},
	{"ipv4.conf.all.rp_filter", "0"}, // sources are checked by the filter
	{"ipv4.conf.default.rp_filter", "0"},
	{"ipv4.conf.all.proxy_arp", "1"}, // hosts of one subnet reach each other through us
	{"ipv4.conf.all.send_redirects", "0"},
	{"ipv4.conf.default.send_redirects", "0"},
	{"ipv4.conf.all.accept_redirects", "0"},
	{"ipv4.conf.default.accept_redirects", "0"},
	// New namespaces inherit the host's, and a hardened host's would keep us from
	// answering for the gateways, which no port has as its own.
	{"ipv4.conf.all.arp_ignore", "0"},
	{"ipv4.conf.default.arp_ignore", "0"},
	{"ipv4.conf.all.arp_filter", "0"},
	{"ipv4.conf.default.arp_filter", "0"},
	{"ipv4.conf.all.accept_source_route", "0"},
	{"ipv4.conf.default.accept_source_route", "0"},
	// What we answer to a packet is routed by the table that the packet was
	// routed by.
	{"ipv4.fwmark_reflect", "1"},
	// A router sees packets that end hosts take and it would call out of window.
	{"netfilter.nf_conntrack_tcp_be_liberal", "1"},
}

// port plugs an interface into its instance:
//
//	router  p3f…  ---------------  eth0  instance
//	        no address,             address/24,
//	        route to the /32        default route via the subnet's first host
//	IPv6:   fe80::1, routes         addresses/128,
//	        to the /128s            default route via fe80::1
//
// Without an address of IPv4 the second half is all there is.
func (k *compiler) port(r *router, i *Interface) {
	if i.behindDevice() {
		k.portOnDevice(r, i)
		return
	}
	name, peer := PortName(i.ID), instanceDevice(i)
	var host *Namespace
	if i.Place != nil {
		host, peer = k.foreign(i.Place.Name), i.Place.Device
	} else {
		host = k.instance(i.Instance)
	}
	if host == nil || r.names[name] || slices.ContainsFunc(host.Devices, func(d Device) bool { return d.Name == peer }) {
		k.fail("interface %s: %s of %s is taken", i.ID, peer, cmp.Or(i.Instance, "its namespace"))
		return
	}
	mac, _ := net.ParseMAC(i.MAC) // checked
	mtu := cmp.Or(i.MTU, defaultMTU)
	port := Device{
		Name: name, Kind: Veth, Alias: i.ID, MAC: deviceMAC(i.ID), MTU: mtu, Creator: true,
		Peer: Peer{Namespace: host.Name, Name: peer, MAC: mac, Foreign: host.Foreign},
	}
	r.add(port)
	k.attach(r, i, name, func(netip.Addr) bool { return true }, mac)
	k.plug(r, host, i, peer, port)
}

// attach lets packets reach an interface by a device. Of the addresses that are
// known the MAC address is mac; of others whoever has them says it.
func (k *compiler) attach(r *router, i *Interface, name string, known func(netip.Addr) bool, mac net.HardwareAddr) {
	// Without it the kernel answers after up to 0.8 s, to let the true owner
	// answer first; here there is none.
	r.Sysctls = append(r.Sysctls, Sysctl{"ipv4.neigh." + name + ".proxy_delay", "0"})
	for _, a := range i.addresses() {
		if known(a) {
			r.Neighbours = append(r.Neighbours, Neighbour{Device: name, Address: a, MAC: mac})
		}
		r.Routes = append(r.Routes, Route{Table: tablePorts, Destination: netip.PrefixFrom(a, a.BitLen()), Kind: Unicast, Device: name})
	}
	r.portIPv6(name, i, mac)
	target := Target{ToInterface, i.ID}
	r.device[target] = name
	if i.hasIPv4() {
		r.via[target] = i.Address
	}
	r.attach = append(r.attach, attachment{device: name, table: r.table[i.Table], port: i, counted: i.Counted})
}

// plug gives an instance, or a namespace of somebody else, the other end of a port.
func (k *compiler) plug(r *router, host *Namespace, i *Interface, peer string, port Device) {
	host.Devices = append(host.Devices, Device{
		Name: peer, Kind: Veth, MAC: port.Peer.MAC, MTU: port.MTU,
		Peer: Peer{Namespace: r.Name, Name: port.Name, MAC: port.MAC},
	})
	if i.hasIPv4() {
		host.Addresses = append(host.Addresses, Address{
			Device: peer, Prefix: netip.PrefixFrom(i.Address, i.Subnet.Bits()), Connected: true,
		})
	}
	for _, a := range i.Others {
		host.Addresses = append(host.Addresses, Address{Device: peer, Prefix: netip.PrefixFrom(a, a.BitLen())})
	}
	if i.hasIPv6() {
		host.Neighbours = append(host.Neighbours, Neighbour{Device: peer, Address: routerLinkLocal, MAC: port.MAC})
	}
	if i.Place == nil {
		k.ports[i.Instance] = append(k.ports[i.Instance], i) // all of them are asked: routeBySource
		return
	}
	if i.Index != 0 || len(host.Devices) > 1 {
		return
	}
	if i.hasIPv4() {
		host.Routes = append(host.Routes, i.defaultRoute(MainTable, peer))
	}
	if i.hasIPv6() {
		host.Routes = append(host.Routes, defaultRoute6(MainTable, peer))
	}
}

// defaultRoute leads all of IPv4 from an interface's own side to its router.
func (i Interface) defaultRoute(table uint32, device string) Route {
	return Route{Table: table, Destination: netip.PrefixFrom(netip.IPv4Unspecified(), 0), Kind: Unicast, Device: device, Gateway: gateway(i.Subnet)}
}

// defaultRoute6 is the same for IPv6.
func defaultRoute6(table uint32, device string) Route {
	return Route{Table: table, Destination: netip.PrefixFrom(netip.IPv6Unspecified(), 0), Kind: Unicast, Device: device, Gateway: routerLinkLocal}
}

// link joins two routers:
//
//	router 0  l7a…  ---------------  l7a…  router 1
func (k *compiler) link(l Link) {
	name := LinkName(l.ID)
	if err := checkMTU(l.MTU); err != nil || !validPathID().MatchString(l.ID) {
		k.fail("link %q: its id or its MTU of %d bytes is malformed", l.ID, l.MTU)
		return
	}
	var ends [2]*router
	for i, end := range l.Ends {
		ends[i] = k.end("link", l.ID, end.Network, end.Table, name)
		if r := ends[i]; r != nil && end.Answers != "" && (r.table[end.Answers] == 0 || r.network.Outside == nil) {
			k.fail("link %s: network %s has no table %q, or no outside", l.ID, end.Network, end.Answers)
			return
		}
	}
	if ends[0] == nil || ends[1] == nil {
		return
	}
	if ends[0] == ends[1] {
		k.fail("link %s: both ends are in network %s", l.ID, l.Ends[0].Network)
		return
	}
	for i, r := range ends {
		for at, a := range l.Ends[i].Addresses {
			if !a.Is4() || !containedIn(a, r.network.Local) || r.has(a) || slices.Contains(l.Ends[i].Addresses[:at], a) {
				k.fail("link %s: address %v is not free in the ranges of network %s", l.ID, a, l.Ends[i].Network)
				return
			}
		}
		if id := l.Ends[i].Interface; id != "" && !(validID().MatchString(id) && len(l.Ends[i].Addresses) > 0) || l.Ends[i].Counted && id == "" {
			k.fail("link %s: interface id %q is malformed, or there is no address that it has", l.ID, id)
			return
		}
	}
	macs := [2]net.HardwareAddr{deviceMAC(l.ID + " 0"), deviceMAC(l.ID + " 1")}
	for i, r := range ends {
		other := 1 - i
		r.add(Device{
			Name: name, Kind: Veth, Alias: linkAlias(l.ID, l.Ends[i]), MAC: macs[i], MTU: cmp.Or(l.MTU, defaultMTU), Creator: i == 0,
			Peer: Peer{Namespace: ends[other].Name, Name: name, MAC: macs[other]},
		})
		r.Neighbours = append(r.Neighbours, Neighbour{Device: name, Address: linkNextHop, MAC: macs[other]})
		target := Target{ToLink, l.ID}
		r.device[target], r.via[target] = name, linkNextHop
		if ends[0].network.ipv6() && ends[1].network.ipv6() {
			r.Neighbours = append(r.Neighbours, Neighbour{Device: name, Address: linkNextHop6, MAC: macs[other]})
			r.via6[target] = linkNextHop6
		}
		for _, a := range l.Ends[i].Addresses {
			r.Routes = append(r.Routes, Route{Table: tablePorts, Destination: netip.PrefixFrom(a, a.BitLen()), Kind: Unicast, Device: name, Gateway: linkNextHop})
		}
		r.attach = append(r.attach, attachment{
			device: name, table: r.table[l.Ends[i].Table], counted: l.Ends[i].Counted, addresses: l.Ends[i].Addresses, answers: r.table[l.Ends[i].Answers],
			tracked: ends[other].network.Translator != nil || l.Ends[other].Answers != "",
		})
	}
}

func (k *compiler) tun(t TUN) {
	name := TUNName(t.ID)
	if err := checkMTU(t.MTU); err != nil || !validPathID().MatchString(t.ID) {
		k.fail("tunnel %q: its id or its MTU of %d bytes is malformed", t.ID, t.MTU)
		return
	}
	if t.Inside.IsValid() && !t.Inside.Addr().Is4() {
		k.fail("tunnel %s: inside address %v is not IPv4", t.ID, t.Inside)
		return
	}
	if t.BGP.IsValid() && (!t.Inside.IsValid() || !t.Inside.Contains(t.BGP) || t.BGP == t.Inside.Addr()) {
		k.fail("tunnel %s: who speaks BGP, %v, is no other host of the inside range %v", t.ID, t.BGP, t.Inside)
		return
	}
	r := k.end("tunnel", t.ID, t.Network, t.Table, name)
	if r == nil {
		return
	}
	r.add(Device{Name: name, Kind: TUNKind, Alias: t.ID, MTU: t.MTU})
	if t.Inside.IsValid() {
		r.Addresses = append(r.Addresses, Address{Device: name, Prefix: t.Inside})
		r.Routes = append(r.Routes, Route{Table: tablePorts, Destination: t.Inside.Masked(), Kind: Unicast, Device: name})
	}
	for _, p := range t.Taken {
		r.Routes = append(r.Routes, Route{Table: tablePorts, Destination: p.Masked(), Kind: Unicast, Device: name})
	}
	if k.up[t.ID] {
		r.device[Target{ToTunnel, t.ID}] = name
	}
	r.attach = append(r.attach, attachment{device: name, table: r.table[t.Table], isTUN: true, inside: t.Inside, bgp: t.BGP})
}

// end finds the router that a link or tunnel ends in.
func (k *compiler) end(what, id, network, table, device string) *router {
	r := k.routers[network]
	if r == nil {
		k.fail("%s %s: there is no network %q", what, id, network)
		return nil
	}
	if _, ok := r.table[table]; !ok || r.names[device] {
		k.fail("%s %s: there is no table %q in network %s, or the id is not unique", what, id, table, network)
		return nil
	}
	return r
}

// has reports whether an interface or link has an address already.
func (r *router) has(a netip.Addr) bool {
	return slices.ContainsFunc(r.attach, func(other attachment) bool {
		return slices.Contains(other.addresses, a) || other.port != nil && slices.Contains(other.port.addresses(), a)
	})
}

func (r *router) add(d Device) {
	r.Devices = append(r.Devices, d)
	r.names[d.Name] = true
}

func (k *compiler) state() State {
	s := State{Prefix: k.prefix, Joint: k.joint}
	for _, r := range k.routers {
		r.finish()
		s.Namespaces = append(s.Namespaces, r.Namespace)
	}
	slices.Sort(k.untouched)
	s.Untouched = slices.Compact(k.untouched)
	for id, ns := range k.instances {
		ns.routeBySource(k.ports[id])
		s.Namespaces = append(s.Namespaces, *ns)
	}
	for _, ns := range k.foreigns {
		s.Namespaces = append(s.Namespaces, *ns)
	}
	slices.SortFunc(s.Namespaces, func(a, b Namespace) int { return cmp.Compare(a.Name, b.Name) })
	if s.Joint != nil {
		s.Joint.sort()
	}
	return s
}

// finish adds what depends on everything that is attached to the router.
func (r *router) finish() {
	for _, p := range r.network.Local {
		r.Routes = append(r.Routes, Route{Table: tablePorts, Destination: p.Masked(), Kind: Unreachable})
	}
	r.rule(Rule{Priority: priorityPorts, Table: tablePorts})
	for _, t := range r.network.Tables {
		number := r.table[t.ID]
		r.rule(Rule{Priority: priorityTables, Mark: number, Table: number})
		for _, route := range t.Routes {
			if made, ok := r.route(number, route); ok {
				r.Routes = append(r.Routes, made)
			}
		}
		if overriding, ok := r.overrides[t.ID]; ok {
			r.rule(Rule{Priority: priorityOverrides, Mark: number, Table: overriding})
			for _, route := range t.Overrides {
				if made, ok := r.route(overriding, route); ok {
					r.Routes = append(r.Routes, made)
				}
			}
		}
	}
	r.rule(Rule{Priority: priorityUnreachable})
	r.Routes = uniqueRoutes(r.Routes)
	r.Filter = r.filter()
}

// rule adds a rule for each protocol that is spoken.
func (r *router) rule(rule Rule) {
	r.Rules = append(r.Rules, rule)
	if r.network.ipv6() {
		rule.IPv6 = true
		r.Rules = append(r.Rules, rule)
	}
}

func (r *router) route(table uint32, route TableRoute) (Route, bool) {
	made := Route{Table: table, Destination: route.Destination.Masked(), Kind: Blackhole}
	if isIPv6(made.Destination) && !r.network.ipv6() {
		return made, false
	}
	waiting, via := false, r.via
	if isIPv6(made.Destination) {
		via = r.via6
	}
	for _, target := range route.Targets {
		_, spoken := via[target]
		withoutHops := target.Kind == ToTunnel && !isIPv6(made.Destination)
		if device, ok := r.device[target]; ok && (spoken || withoutHops) {
			made.Kind, made.Device, made.Gateway = Unicast, device, via[target]
			return made, true
		}
		waiting = waiting || target.Kind == ToTunnel
	}
	return made, !waiting
}

// uniqueRoutes sorts routes; of those with one destination in one table it keeps
// what was there first.
func uniqueRoutes(routes []Route) []Route {
	compare := func(a, b Route) int {
		return cmp.Or(cmp.Compare(a.Table, b.Table), a.Destination.Addr().Compare(b.Destination.Addr()),
			cmp.Compare(a.Destination.Bits(), b.Destination.Bits()))
	}
	slices.SortStableFunc(routes, compare)
	return slices.CompactFunc(routes, func(a, b Route) bool { return compare(a, b) == 0 })
}

// deviceMAC is the locally administered address of a device of ours.
func deviceMAC(id string) net.HardwareAddr {
	sum := sha256.Sum256([]byte("mac " + id))
	return net.HardwareAddr{0x02, sum[0], sum[1], sum[2], sum[3], sum[4]}
}
