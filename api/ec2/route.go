package ec2

import (
	"cmp"
	"context"
	"maps"
	"net/netip"
	"reflect"
	"slices"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/api/server"
	"causeway.dev/control/routes"
	"causeway.dev/resource"
	"causeway.dev/store"
)

func (s *Service) routeActions() actions {
	return actions{
		"CreateRoute":  server.Operation(s.CreateRoute),
		"ReplaceRoute": server.Operation(s.ReplaceRoute),
		"DeleteRoute":  server.Operation(s.DeleteRoute),
	}
}

// A routeTarget is one of the members of a request that name where a route
// leads.
type routeTarget struct{ member, id string }

// routeTargets returns the targets that a CreateRouteInput or ReplaceRouteInput
// names.
func routeTargets(in any) (targets []routeTarget) {
	members := append(slices.Sorted(maps.Keys(foreignTargets)), "EgressOnlyInternetGatewayId", "GatewayId", "InstanceId", "NatGatewayId", "NetworkInterfaceId")
	for _, member := range members {
		if id := reflect.ValueOf(in).Elem().FieldByName(member).Interface().(*string); val(id) != "" {
			targets = append(targets, routeTarget{member, *id})
		}
	}
	return targets
}

// foreignTargets are the kinds of targets that can't be created here, with the
// codes for one that does not exist: none of them does.
var foreignTargets = map[string]struct {
	noun     string
	notFound resource.Code
}{
	"CarrierGatewayId":       {"carrier gateway", "InvalidCarrierGatewayID.NotFound"},
	"CoreNetworkArn":         {"core network", "InvalidCoreNetworkArn.NotFound"},
	"LocalGatewayId":         {"local gateway", "InvalidLocalGatewayID.NotFound"},
	"OdbNetworkArn":          {"ODB network", "InvalidOdbNetworkArn.NotFound"},
	"TransitGatewayId":       {"transit gateway", "InvalidTransitGatewayID.NotFound"},
	"VpcEndpointId":          {"VPC endpoint", "InvalidVpcEndpointId.NotFound"},
	"VpcPeeringConnectionId": {"VPC peering connection", "InvalidVpcPeeringConnectionID.NotFound"},
}

// resolveRoute checks where a route shall lead from a route table.
func resolveRoute(r reader, table *resource.RouteTable, route resource.Route, targets []routeTarget) (resource.Route, error) {
	if len(targets) == 0 {
		return route, resource.Errorf(resource.CodeMissingParameter, "The request must contain one target: GatewayId, InstanceId, NatGatewayId or NetworkInterfaceId")
	}
	if len(targets) > 1 {
		return route, resource.Errorf(resource.CodeInvalidParameterCombination, "The request must contain exactly one target; it has %s and %s", targets[0].member, targets[1].member)
	}
	destination := route.Destination
	if list, ok := prefixLists.table.Get(r.Reader, r.scope, route.PrefixList); ok { // any of its family
		destination = anywhere
		if list.AddressFamily == resource.PrefixListIPv6 {
			destination = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
		}
	}
	id := targets[0].id
	switch member := targets[0].member; member {
	case "GatewayId":
		route.Gateway = id
		return route, checkRouteGateway(r, table, id, destination)
	case "InstanceId":
		route.Instance = id
		return route, checkInstanceTarget(r, table, id)
	case "NetworkInterfaceId":
		nic, err := networkInterfaces.get(r, id)
		if err == nil && nic.VPC != table.VPC {
			err = differentNetworks(table, "interface "+nic.ID)
		}
		route.NetworkInterface = id
		return route, err
	case "NatGatewayId":
		route.NATGateway = id
		return route, checkNATTarget(r, table, id, destination)
	case "EgressOnlyInternetGatewayId":
		route.EgressOnlyInternetGateway = id
		return route, checkEgressOnlyTarget(r, table, id, destination)
	default:
		foreign := foreignTargets[member]
		return route, resource.Errorf(foreign.notFound, "The %s '%s' does not exist", foreign.noun, resource.Clip(id))
	}
}

func differentNetworks(table *resource.RouteTable, target string) error {
	return resource.Errorf(resource.CodeInvalidParameterValue, "route table %s and %s belong to different networks", table.ID, target)
}

// checkGateway checks a gateway as the target of a route: it must be attached to
// the VPC of the table.
func checkGateway(r reader, table *resource.RouteTable, id string) error {
	if id == routes.LocalTarget {
		return resource.Errorf(resource.CodeInvalidParameterValue, "The target local is that of the VPC's own ranges only, whose routes always exist")
	}
	if routes.IsInternetGateway(id) {
		return checkInternetGateway(r, table, id)
	}
	vgw, ok := vpnGateways.table.Get(r.Reader, r.scope, id)
	if !ok || vgw.Deleted != nil {
		return noGateway(id)
	}
	if routes.AttachedVPC(vgw) != table.VPC {
		return differentNetworks(table, "network gateway "+id)
	}
	return nil
}

// checkRouteGateway checks a gateway as the target of a route to a destination.
func checkRouteGateway(r reader, table *resource.RouteTable, id string, destination netip.Prefix) error {
	err := checkGateway(r, table, id)
	if err == nil && destination.Addr().Is6() && !routes.IsInternetGateway(id) {
		return resource.Errorf(resource.CodeInvalidParameterValue, "The VPN gateway %s takes IPv4 only: it cannot be the target of a route to %s", id, destination)
	}
	return err
}

// checkEgressOnlyTarget checks an egress-only internet gateway as the target of a
// route.
func checkEgressOnlyTarget(r reader, table *resource.RouteTable, id string, destination netip.Prefix) error {
	v, err := egressOnlyInternetGateways.get(r, id)
	switch {
	case err != nil:
		return err
	case v.VPC != table.VPC:
		return differentNetworks(table, "egress-only internet gateway "+id)
	case destination.Addr().Is4():
		return resource.Errorf(resource.CodeInvalidParameterValue, "The egress-only internet gateway %s takes IPv6 only: it cannot be the target of a route to %s", id, destination)
	}
	return nil
}

// checkNATTarget checks a NAT gateway as the target of a route.
func checkNATTarget(r reader, table *resource.RouteTable, id string, destination netip.Prefix) error {
	v, ok := natGateways.table.Get(r.Reader, r.scope, id)
	switch {
	case !ok:
		return resource.Errorf("InvalidNatGatewayID.NotFound", "The natGateway ID '%s' does not exist", resource.Clip(id))
	case v.VPC != table.VPC:
		return differentNetworks(table, "NAT gateway "+id)
	case !v.Works():
		return resource.Errorf(resource.CodeInvalidParameterValue, "The NAT gateway %s is %s", id, natGatewayState(r, &v))
	case destination.Addr().Is6() && destination != resource.NAT64Prefix:
		return resource.Errorf(resource.CodeInvalidParameterValue, "The NAT gateway %s takes IPv4, and of IPv6 %s: it cannot be the target of a route to %s", id, resource.NAT64Prefix, destination)
	}
	return nil
}

// checkInstanceTarget checks an instance as the target of a route.
func checkInstanceTarget(r reader, table *resource.RouteTable, id string) error {
	v, err := instances.get(r, id)
	if err != nil {
		return err
	}
	if v.VPC != table.VPC {
		return differentNetworks(table, "instance "+id)
	}
	if !routes.Wanted(v) {
		return resource.Errorf("IncorrectInstanceState", "The instance '%s' is not in the 'running' state", id)
	}
	return nil
}

// routeDestination reads the destination of a route, given in one of three ways. The
// route has no target yet.
func routeDestination(ipv4, ipv6, prefixList *string) (route resource.Route, err error) {
	if val(prefixList) != "" && val(ipv4)+val(ipv6) != "" {
		return route, resource.Errorf(resource.CodeInvalidParameterCombination, "The request must contain exactly one destination; it has DestinationPrefixListId and %s", val(ipv4)+val(ipv6))
	}
	switch {
	case val(ipv6) != "" && val(ipv4) != "":
		return route, resource.Errorf(resource.CodeInvalidParameterCombination, "Give DestinationCidrBlock or DestinationIpv6CidrBlock, not both")
	case val(ipv6) != "":
		route.Destination, err = resource.ParseIPv6CIDR("destinationIpv6CidrBlock", *ipv6)
		return route, err
	case val(prefixList) != "":
		return resource.Route{PrefixList: *prefixList}, prefixLists.checkID(*prefixList)
	case val(ipv4) == "":
		return route, resource.Missing("DestinationCidrBlock")
	}
	route.Destination, err = resource.ParseIPv4CIDR("destinationCidrBlock", *ipv4)
	return route, err
}

// checkListRoute checks a new route to the ranges of a prefix list.
func checkListRoute(r reader, table *resource.RouteTable, route *resource.Route) error {
	if _, err := prefixLists.get(r, route.PrefixList); err != nil {
		return err
	}
	if isEdge(table) {
		return resource.Errorf(resource.CodeInvalidParameterValue, "Route table %s is associated with a gateway: its routes lead to parts of the VPC, not to the prefix list %s", table.ID, route.PrefixList)
	}
	return nil
}

// checkRouteLimit applies the limit to a table's routes. One to a prefix list counts
// for as many as the list may have entries.
func (s *Service) checkRouteLimit(r reader, table *resource.RouteTable) error {
	count := 0
	for _, route := range table.Routes {
		count++
		if list, ok := prefixLists.table.Get(r.Reader, r.scope, route.PrefixList); ok {
			count += int(list.MaxEntries) - 1
		}
	}
	if count > r.limits.RoutesPerRouteTable {
		return resource.Errorf("RouteLimitExceeded", "The maximum number of routes of a route table has been reached: %d", r.limits.RoutesPerRouteTable)
	}
	return nil
}

// checkRoute checks a new route against its table. Within the VPC's own ranges a
// route can lead exactly a subnet's through an interface or NAT gateway; a range
// as a whole is the local route's, which can only be replaced.
func checkRoute(r reader, table *resource.RouteTable, route *resource.Route) error {
	if route.PrefixList != "" {
		return checkListRoute(r, table, route)
	}
	vpc, err := vpcs.get(r, table.VPC)
	if err != nil {
		return err
	}
	if isEdge(table) {
		if err := checkEdgeRoute(&vpc, table, route); err != nil {
			return err
		}
	}
	if !vpc.Contains(route.Destination) || slices.Contains(routes.LocalRanges(vpc), route.Destination) {
		return nil
	}
	if route.Gateway != "" || route.EgressOnlyInternetGateway != "" {
		return resource.Errorf(resource.CodeInvalidParameterValue, "The destination CIDR block %s is equal to or more specific than one of this VPC's CIDR blocks. This route can target only an interface or an instance.", route.Destination)
	}
	if !slices.ContainsFunc(subnets.found(r, store.ByVPC, vpc.ID), func(v resource.Subnet) bool {
		return v.CIDR == route.Destination || resource.AssociatedCIDR(v.IPv6) == route.Destination
	}) {
		return resource.Errorf(resource.CodeInvalidParameterValue, "The destination CIDR block %s is within this VPC's CIDR blocks, and no subnet has exactly that", route.Destination)
	}
	return nil
}

// isLocalRoute reports whether a destination is a whole range of the table's VPC.
func isLocalRoute(r reader, table *resource.RouteTable, destination netip.Prefix) bool {
	vpc, ok := vpcs.table.Get(r.Reader, r.scope, table.VPC)
	return ok && slices.Contains(routes.LocalRanges(vpc), destination)
}

func routeExists(route *resource.Route) error {
	return resource.Errorf("RouteAlreadyExists", "The route identified by %s already exists.", route.To())
}

// routeTo finds the route to a destination among those entered by hand.
func routeTo(table *resource.RouteTable, to resource.Route) int {
	return slices.IndexFunc(table.Routes, func(route resource.Route) bool {
		return route.Destination == to.Destination && route.PrefixList == to.PrefixList
	})
}

// CreateRoute enters a route into a route table.
func (s *Service) CreateRoute(ctx context.Context, c server.Caller, in *model.CreateRouteInput) (*model.CreateRouteOutput, error) {
	destination, err := routeDestination(in.DestinationCidrBlock, in.DestinationIpv6CidrBlock, in.DestinationPrefixListId)
	if err != nil {
		return nil, err
	}
	targets := routeTargets(in)
	err = s.update(ctx, c, in.DryRun, func(w writer) error {
		table, err := routeTables.get(w.reader, val(in.RouteTableId))
		if err != nil {
			return err
		}
		route, err := resolveRoute(w.reader, &table, destination, targets)
		if err != nil {
			return err
		}
		if routeTo(&table, destination) >= 0 || isLocalRoute(w.reader, &table, destination.Destination) {
			return routeExists(&destination)
		}
		if err := checkRoute(w.reader, &table, &route); err != nil {
			return err
		}
		table.Routes = append(slices.Clone(table.Routes), route)
		sortRoutes(table.Routes)
		if err := s.checkRouteLimit(w.reader, &table); err != nil {
			return err
		}
		routeTables.put(w, table)
		return nil
	})
	return &model.CreateRouteOutput{Return: new(true)}, err
}

func sortRoutes(list []resource.Route) {
	slices.SortFunc(list, func(a, b resource.Route) int {
		return cmp.Or(routes.ComparePrefixes(a.Destination, b.Destination), cmp.Compare(a.PrefixList, b.PrefixList))
	})
}

// ReplaceRoute lets a route lead elsewhere: one that was entered by hand, or the
// local one, which can lead through an interface or NAT gateway and back to where
// it was.
func (s *Service) ReplaceRoute(ctx context.Context, c server.Caller, in *model.ReplaceRouteInput) (*model.ReplaceRouteOutput, error) {
	destination, err := routeDestination(in.DestinationCidrBlock, in.DestinationIpv6CidrBlock, in.DestinationPrefixListId)
	if err != nil {
		return nil, err
	}
	targets := routeTargets(in)
	if val(in.LocalTarget) && len(targets) > 0 {
		return nil, resource.Errorf(resource.CodeInvalidParameterCombination, "The request must contain exactly one target; it has LocalTarget and %s", targets[0].member)
	}
	return nil, s.update(ctx, c, in.DryRun, func(w writer) error {
		table, err := routeTables.get(w.reader, val(in.RouteTableId))
		if err != nil {
			return err
		}
		at, local := routeTo(&table, destination), isLocalRoute(w.reader, &table, destination.Destination)
		switch {
		case at < 0 && !local:
			return resource.Errorf(resource.CodeInvalidParameterValue, "There is no route defined for '%s' in the route table. Use CreateRoute instead.", destination.To())
		case val(in.LocalTarget) && !local:
			return resource.Errorf(resource.CodeInvalidParameterValue, "The target local is that of the VPC's own ranges only, and %s is none of them", destination.To())
		case val(in.LocalTarget):
			table.Routes = slices.DeleteFunc(slices.Clone(table.Routes), func(r resource.Route) bool { return r.Destination == destination.Destination })
			routeTables.put(w, table)
			return nil
		}
		route, err := resolveRoute(w.reader, &table, destination, targets)
		if err != nil {
			return err
		}
		if local && (route.Gateway != "" || route.EgressOnlyInternetGateway != "") {
			return resource.Errorf(resource.CodeInvalidParameterValue, "The local route %s can lead through an instance, a network interface or a NAT gateway only", destination.To())
		}
		if err := checkRoute(w.reader, &table, &route); err != nil {
			return err
		}
		table.Routes = slices.Clone(table.Routes)
		if at < 0 {
			table.Routes = append(table.Routes, route)
			sortRoutes(table.Routes)
		} else {
			table.Routes[at] = route
		}
		routeTables.put(w, table)
		return nil
	})
}

// DeleteRoute removes a route that was entered by hand.
func (s *Service) DeleteRoute(ctx context.Context, c server.Caller, in *model.DeleteRouteInput) (*model.DeleteRouteOutput, error) {
	destination, err := routeDestination(in.DestinationCidrBlock, in.DestinationIpv6CidrBlock, in.DestinationPrefixListId)
	if err != nil {
		return nil, err
	}
	return nil, s.update(ctx, c, in.DryRun, func(w writer) error {
		table, err := routeTables.get(w.reader, val(in.RouteTableId))
		if err != nil {
			return err
		}
		at := routeTo(&table, destination)
		if at >= 0 && isLocalRoute(w.reader, &table, destination.Destination) {
			return resource.Errorf(resource.CodeInvalidParameterValue, "cannot remove local route %s in route table %s: give it back its target by ReplaceRoute", destination.To(), table.ID)
		}
		if at < 0 {
			return noRoute(w.reader, &table, destination)
		}
		table.Routes = slices.Delete(slices.Clone(table.Routes), at, at+1)
		routeTables.put(w, table)
		return nil
	})
}

// noRoute says why there is no route to delete.
func noRoute(r reader, table *resource.RouteTable, to resource.Route) error {
	if to.PrefixList != "" {
		return resource.Errorf("InvalidRoute.NotFound", "no route with destination-prefix-list-id %s in route table %s", to.PrefixList, table.ID)
	}
	destination := to.Destination
	for _, route := range routes.New(r.Reader, r.scope).Effective(*table) {
		if route.Destination != destination {
			continue
		}
		if route.Gateway == routes.LocalTarget {
			return resource.Errorf(resource.CodeInvalidParameterValue, "cannot remove local route %s in route table %s", destination, table.ID)
		}
		return resource.Errorf(resource.CodeInvalidParameterValue, "cannot remove route %s in route table %s: %s propagates it. Disable the propagation instead", destination, table.ID, route.Gateway)
	}
	return resource.Errorf("InvalidRoute.NotFound", "no route with destination-cidr-block %s in route table %s", destination, table.ID)
}
