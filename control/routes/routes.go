// Package routes answers which routes a route table has in effect: those
// entered by hand, the local ones, and those that gateways propagate. The API
// shows them, and plan compiles them. It also says which of a VPN gateway's tunnels is
// preferred for a destination, as BGP's decision process does.
package routes

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"causeway.dev/resource"
	"causeway.dev/store"
)

// LocalTarget is the target of the routes to a VPC's own ranges.
const LocalTarget = "local"

// Origin says how a route came into its table, in AWS's words.
type Origin string

// Origins of routes.
const (
	OriginCreateRouteTable Origin = "CreateRouteTable"          // local: came with the table
	OriginCreateRoute      Origin = "CreateRoute"               // entered by hand
	OriginPropagation      Origin = "EnableVgwRoutePropagation" // learned from a gateway
)

// State says whether a route carries packets, in AWS's words.
type State string

// States of routes.
const (
	StateActive    State = "active"
	StateBlackhole State = "blackhole" // its target can't take packets: they are dropped
)

// An EffectiveRoute is a route as DescribeRouteTables shows it.
type EffectiveRoute struct {
	Destination netip.Prefix
	PrefixList  string // "pl-…": all its ranges, where there is no Destination

	// Exactly one of these says where the route leads, except that a route to
	// an instance also names the network interface that it means.
	Gateway          string // "local", "igw-…" or "vgw-…"
	Instance         string // "i-…"
	NetworkInterface string // "eni-…"
	NATGateway       string // "nat-…"

	EgressOnlyInternetGateway string // "eigw-…"

	Origin Origin
	State  State
}

// Routes computes the effective routes of the tables of one scope. What gateways
// propagate it reads once, when it first needs it. It belongs to one goroutine.
type Routes struct {
	reader store.Reader
	scope  store.Scope

	propagated map[string][]netip.Prefix // by gateway, of those that were needed
}

// New returns the Routes of a scope, as r shows it.
func New(r store.Reader, s store.Scope) *Routes {
	return &Routes{reader: r, scope: s, propagated: make(map[string][]netip.Prefix)}
}

// Effective returns the routes of a table, sorted by destination:
//
//   - the VPC's own ranges, where no route entered by hand has replaced theirs;
//   - the routes entered by hand, in state blackhole where the gateway is not
//     attached to the VPC, or the instance or network interface is gone or is
//     not wanted running, or the NAT gateway or egress-only internet gateway is gone;
//   - for each attached gateway that propagates into the table, the static
//     routes of its connections that have a tunnel up, and what customer gateways
//     have told by BGP over tunnels that are up, once each. A route
//     entered by hand for the same destination wins, and so do the VPC's own
//     ranges for all that lies in them.
//
// A table of a VPC that is gone has no routes.
func (r *Routes) Effective(table resource.RouteTable) []EffectiveRoute {
	return r.effective(table, false)
}

// Expanded is Effective with a route for each range of the prefix lists that routes
// name, where none entered by hand for the same range precedes it. Of two lists
// with one range the first by id decides.
func (r *Routes) Expanded(table resource.RouteTable) []EffectiveRoute {
	return r.effective(table, true)
}

func (r *Routes) effective(table resource.RouteTable, expand bool) []EffectiveRoute {
	vpc, ok := store.VPCs.Get(r.reader, r.scope, table.VPC)
	if !ok || vpc.Deleted != nil {
		return nil
	}
	known := len(table.Routes)
	for _, gateway := range table.PropagatingVGWs {
		if r.attached(gateway, vpc.ID) {
			known += len(r.propagatedBy(gateway))
		}
	}
	taken := make(map[netip.Prefix]bool, known)
	routes := make([]EffectiveRoute, 0, known)
	add := func(route EffectiveRoute) {
		if !taken[route.Destination] {
			taken[route.Destination] = true
			routes = append(routes, route)
		}
	}
	local := LocalRanges(vpc)
	for _, route := range table.Routes {
		if slices.Contains(local, route.Destination) { // entered in place of the local one
			add(r.manual(vpc, route))
		}
	}
	for _, prefix := range local {
		add(EffectiveRoute{Destination: prefix, Gateway: LocalTarget, Origin: OriginCreateRouteTable, State: StateActive})
	}
	for _, route := range table.Routes {
		if route.PrefixList == "" {
			add(r.manual(vpc, route))
		}
	}
	for _, route := range table.Routes { // by the lists' ids
		if route.PrefixList == "" {
			continue
		}
		effective := r.manual(vpc, route)
		if !expand {
			effective.PrefixList = route.PrefixList
			routes = append(routes, effective)
			continue
		}
		list, _ := store.PrefixLists.Get(r.reader, r.scope, route.PrefixList)
		for _, entry := range list.Entries {
			if effective.Destination = entry.CIDR; !Within(entry.CIDR, local) {
				add(effective)
			}
		}
	}
	for _, gateway := range table.PropagatingVGWs {
		if !r.attached(gateway, vpc.ID) {
			continue
		}
		for _, prefix := range r.propagatedBy(gateway) {
			if !Within(prefix, local) {
				add(EffectiveRoute{Destination: prefix, Gateway: gateway, Origin: OriginPropagation, State: StateActive})
			}
		}
	}
	slices.SortFunc(routes, func(a, b EffectiveRoute) int {
		return cmp.Or(ComparePrefixes(a.Destination, b.Destination), cmp.Compare(a.PrefixList, b.PrefixList))
	})
	return routes
}

func (r *Routes) manual(vpc resource.VPC, route resource.Route) EffectiveRoute {
	effective := EffectiveRoute{
		Destination: route.Destination, Gateway: route.Gateway, Instance: route.Instance, NetworkInterface: route.NetworkInterface,
		NATGateway: route.NATGateway, EgressOnlyInternetGateway: route.EgressOnlyInternetGateway,
		Origin: OriginCreateRoute, State: StateBlackhole,
	}
	if route.Gateway != "" {
		if r.attached(route.Gateway, vpc.ID) {
			effective.State = StateActive
		}
		return effective
	}
	if route.EgressOnlyInternetGateway != "" {
		gateway, ok := store.EgressOnlyInternetGateways.Get(r.reader, r.scope, route.EgressOnlyInternetGateway)
		if ok && gateway.VPC == vpc.ID {
			effective.State = StateActive
		}
		return effective
	}
	if route.NATGateway != "" {
		nat, ok := store.NATGateways.Get(r.reader, r.scope, route.NATGateway)
		if ok && nat.VPC == vpc.ID && nat.Works() {
			effective.State = StateActive
		}
		return effective
	}
	if route.Instance != "" {
		instance, _ := store.Instances.Get(r.reader, r.scope, route.Instance)
		if len(instance.Interfaces) > 0 {
			effective.NetworkInterface = instance.Interfaces[0] // the primary one
		}
	}
	if r.usable(vpc.ID, effective.NetworkInterface) {
		effective.State = StateActive
	}
	return effective
}

// usable reports whether packets can be sent to a network interface: it is part
// of the VPC and its instance is wanted running.
func (r *Routes) usable(vpc, id string) bool {
	nic, ok := store.NetworkInterfaces.Get(r.reader, r.scope, id)
	if !ok || nic.VPC != vpc || nic.Deleted != nil || nic.Detaching {
		return false
	}
	instance, ok := store.Instances.Get(r.reader, store.InstanceScope(&nic), nic.Instance)
	return nic.Place != nil || ok && Wanted(instance)
}

// attached reports whether a gateway is attached to a VPC.
func (r *Routes) attached(gateway, vpc string) bool {
	if IsInternetGateway(gateway) {
		igw, ok := store.InternetGateways.Get(r.reader, r.scope, gateway)
		return ok && igw.VPC == vpc
	}
	vgw, ok := store.VPNGateways.Get(r.reader, r.scope, gateway)
	return ok && AttachedVPC(vgw) == vpc
}

// propagatedBy returns where a gateway's connections lead now: their static routes, if
// they have a tunnel up, and what was learned over tunnels that are up.
func (r *Routes) propagatedBy(gateway string) []netip.Prefix {
	known, ok := r.propagated[gateway]
	if ok {
		return known
	}
	for connection := range store.VPNConnections.Find(r.reader, r.scope, store.ByGateway, gateway) {
		if connection.State != resource.StateAvailable || connection.Deleted != nil {
			continue
		}
		up := false
		for number := 1; number <= len(connection.Tunnels); number++ {
			status, _ := store.TunnelStatuses.Get(r.reader, r.scope, resource.TunnelID(connection.ID, number))
			up = up || status.Up
			for _, learned := range Learned(connection, &status) {
				known = append(known, learned.Destination)
			}
		}
		if up {
			known = append(known, StaticRoutes(*connection)...)
		}
	}
	slices.SortFunc(known, ComparePrefixes)
	known = slices.Compact(known) // both tunnels have learned the same
	r.propagated[gateway] = known
	return known
}

// IsInternetGateway tells an internet gateway from other gateways by its id.
func IsInternetGateway(id string) bool { return strings.HasPrefix(id, "igw-") }

// LocalRanges returns the ranges of a VPC, IPv4's before IPv6's and the primary one
// first.
func LocalRanges(vpc resource.VPC) []netip.Prefix { return append(IPv4Ranges(vpc), IPv6Ranges(vpc)...) }

// IPv4Ranges returns the IPv4 ranges of a VPC, the primary one first.
func IPv4Ranges(vpc resource.VPC) []netip.Prefix { return associated(vpc.CIDRs) }

// IPv6Ranges returns the IPv6 ranges of a VPC.
func IPv6Ranges(vpc resource.VPC) []netip.Prefix { return associated(vpc.IPv6) }

func associated(associations []resource.CIDRAssociation) []netip.Prefix {
	var ranges []netip.Prefix
	for _, association := range associations {
		if association.State == resource.StateAssociated {
			ranges = append(ranges, association.Prefix)
		}
	}
	return ranges
}

// AttachedVPC returns the VPC that a gateway is attached to, or "".
func AttachedVPC(vgw resource.VPNGateway) string {
	if vgw.Deleted != nil || vgw.AttachmentState != resource.StateAttached {
		return ""
	}
	return vgw.VPC
}

// StaticRoutes returns the prefixes behind a connection's customer gateway that
// are in use.
func StaticRoutes(connection resource.VPNConnection) []netip.Prefix {
	prefixes := make([]netip.Prefix, 0, len(connection.Routes))
	for _, route := range connection.Routes {
		if route.State != resource.StateDeleting && route.State != resource.StateDeleted {
			prefixes = append(prefixes, route.Destination)
		}
	}
	return prefixes
}

// Learned returns what a tunnel of a connection has learned by BGP that is in use:
// nothing while it is down.
func Learned(connection *resource.VPNConnection, status *resource.TunnelStatus) []resource.LearnedRoute {
	if connection.StaticRoutesOnly || !status.Up {
		return nil
	}
	return status.Routes
}

// Wanted reports whether an instance is wanted running.
func Wanted(instance resource.Instance) bool {
	return instance.Wanted == resource.InstanceRunning && instance.Deleted == nil
}

// ComparePrefixes orders prefixes by address, then by length, shorter first.
func ComparePrefixes(a, b netip.Prefix) int {
	return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
}

// Within reports whether one of the ranges contains all of a prefix.
func Within(prefix netip.Prefix, ranges []netip.Prefix) bool {
	return slices.ContainsFunc(ranges, func(local netip.Prefix) bool {
		return local.Bits() <= prefix.Bits() && local.Contains(prefix.Addr())
	})
}
