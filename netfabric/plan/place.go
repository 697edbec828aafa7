package plan

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"sync"
)

// A Place is somewhere that is no instance's, where an interface can be plugged in.
type Place struct {
	Kind PlaceKind

	// Name is a device's of the host, or a network namespace's: its name as "ip
	// netns" knows it or the path of its file.
	Name string

	Device string // what the interface is called in a namespace
	Inode  uint64 // of the only namespace that is meant; 0: any of that name
}

// PlaceKind says what a place is.
type PlaceKind string

// Kinds of places.
const (
	InNamespace PlaceKind = "netns"
	OnBridge    PlaceKind = "bridge"
	OnTAP       PlaceKind = "tap"
	OnInterface PlaceKind = "interface" // any other device of the host
)

var (
	validDevice    = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,14}$`) })
	validNamespace = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9/][A-Za-z0-9/._-]{0,254}$`) })
)

// Check says what makes no sense of a place, whatever there is on the host.
func (p *Place) Check() error {
	switch p.Kind {
	case InNamespace:
		if !validNamespace().MatchString(p.Name) {
			return fmt.Errorf("%q is no name of a network namespace", p.Name)
		}
		if !validDevice().MatchString(p.Device) {
			return fmt.Errorf("%q is no name of a device", p.Device)
		}
	case OnBridge, OnTAP, OnInterface:
		if !validDevice().MatchString(p.Name) {
			return fmt.Errorf("%q is no name of a device", p.Name)
		}
	default:
		return fmt.Errorf("there is no kind of place %q", p.Kind)
	}
	return nil
}

// plugged reports whether the interface is part of the network now.
func (i Interface) plugged() bool { return i.Instance != "" || i.Place != nil }

// behindDevice reports whether the interface is reached by a device of the host.
func (i Interface) behindDevice() bool { return i.Place != nil && i.Place.Kind != InNamespace }

// portOnDevice plugs an interface into a device of the host. Whoever has the
// interface's addresses behind the device answers for them, with a MAC address of
// its own:
//
//	router  p3f…  ---  macvlan on a bridge, TAP or network card  ---  whoever
//	        the gateway's address
func (k *compiler) portOnDevice(r *router, i *Interface) {
	name := PortName(i.ID)
	if r.names[name] {
		k.fail("interface %s: its id is not unique", i.ID)
		return
	}
	r.add(Device{
		Name: name, Kind: MACVLAN, Alias: i.ID, MAC: deviceMAC(i.ID), MTU: i.MTU, Creator: true,
		Peer: Peer{Namespace: k.host, Name: i.Place.Name, Foreign: true},
	})
	// What is asked is asked under the gateway's address: hosts may answer nobody else.
	if i.hasIPv4() {
		r.Addresses = append(r.Addresses, Address{Device: name, Prefix: netip.PrefixFrom(gateway(i.Subnet), 32)})
	}
	mac, _ := net.ParseMAC(i.MAC) // checked
	k.attach(r, i, name, func(a netip.Addr) bool { return a.Is6() }, mac)
}

// foreign is the namespace of somebody else that interfaces are plugged into.
func (k *compiler) foreign(name string) *Namespace {
	ns := k.foreigns[name]
	if ns == nil {
		ns = &Namespace{Name: name, Foreign: true}
		k.foreigns[name] = ns
	}
	return ns
}

// The tables of an instance's interfaces, and the priority of the rules that lead
// to them, are numbered from here on, as Amazon Linux numbers them.
const instanceTables = 10000

// IsInstanceTable tells the tables that are ours from others in an instance, and by their
// priority, which is the same, the rules that lead to them.
func IsInstanceTable(number int) bool {
	return number >= instanceTables && number <= instanceTables+interfaceIndexMax
}

// instanceDevice is what an interface is called in its instance.
func instanceDevice(i *Interface) string { return fmt.Sprintf("eth%d", i.Index) }

// routeBySource lets what an instance sends from an address leave by the interface
// that has it, so that answers go the way that the questions came. What it sends from
// no address yet leaves by the first interface that speaks the protocol.
func (n *Namespace) routeBySource(ports []*Interface) {
	slices.SortFunc(ports, func(a, b *Interface) int { return cmp.Compare(a.Index, b.Index) })
	if at := slices.IndexFunc(ports, func(i *Interface) bool { return i.hasIPv4() }); at >= 0 {
		n.Routes = append(n.Routes, ports[at].defaultRoute(MainTable, instanceDevice(ports[at])))
	}
	if at := slices.IndexFunc(ports, func(i *Interface) bool { return i.hasIPv6() }); at >= 0 {
		n.Routes = append(n.Routes, defaultRoute6(MainTable, instanceDevice(ports[at])))
	}
	if len(ports) < 2 {
		return // all leaves by the only one
	}
	for _, i := range ports {
		table, device := uint32(instanceTables+i.Index), instanceDevice(i)
		if i.hasIPv4() {
			n.Routes = append(n.Routes, Route{Table: table, Destination: i.Subnet.Masked(), Kind: Unicast, Device: device}, i.defaultRoute(table, device))
		}
		if i.hasIPv6() {
			n.Routes = append(n.Routes, defaultRoute6(table, device))
		}
		for _, a := range i.addresses() {
			n.Rules = append(n.Rules, Rule{Priority: instanceTables + i.Index, From: a, Table: table, IPv6: a.Is6()})
		}
	}
}
