package ec2

import (
	"context"
	"maps"
	"net/netip"
	"reflect"
	"slices"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/api/server"
	"causeway.dev/control/routes"
	"causeway.dev/resource"
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
	members := append(slices.Sorted(maps.Keys(foreignTargets)), "GatewayId", "InstanceId", "NetworkInterfaceId")
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
	"CarrierGatewayId":            {"carrier gateway", "InvalidCarrierGatewayID.NotFound"},
	"CoreNetworkArn":              {"core network", "InvalidCoreNetworkArn.NotFound"},
	"EgressOnlyInternetGatewayId": {"egress-only internet gateway", "InvalidGatewayID.NotFound"},
	"LocalGatewayId":              {"local gateway", "InvalidLocalGatewayID.NotFound"},
	"NatGatewayId":                {"NAT gateway", "InvalidNatGatewayID.NotFound"},
	"OdbNetworkArn":               {"ODB network", "InvalidOdbNetworkArn.NotFound"},
	"TransitGatewayId":            {"transit gateway", "InvalidTransitGatewayID.NotFound"},
	"VpcEndpointId":               {"VPC endpoint", "InvalidVpcEndpointId.NotFound"},
	"VpcPeeringConnectionId":      {"VPC peering connection", "InvalidVpcPeeringConnectionID.NotFound"},
}

// resolveRoute checks where a route shall lead from a route table.
func resolveRoute(r reader, table *resource.RouteTable, destination netip.Prefix, targets []routeTarget) (resource.Route, error) {
	route := resource.Route{Destination: destination}
	if len(targets) == 0 {
		return route, resource.Errorf(resource.CodeMissingParameter, "The request must contain one target: GatewayId, InstanceId or NetworkInterfaceId")
	}
	if len(targets) > 1 {
		return route, resource.Errorf(resource.CodeInvalidParameterCombination, "The request must contain exactly one target; it has %s and %s", targets[0].member, targets[1].member)
	}
	id := targets[0].id
	switch member := targets[0].member; member {
	case "GatewayId":
		route.Gateway = id
		return route, checkGateway(r, table, id)
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
	vgw, ok := vpnGateways.table.Get(r.Reader, r.scope, id)
	if !ok || vgw.Deleted != nil {
		return resource.Errorf("InvalidGatewayID.NotFound", "The gateway ID '%s' does not exist", resource.Clip(id))
	}
	if routes.AttachedVPC(vgw) != table.VPC {
		return differentNetworks(table, "network gateway "+id)
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

// routeDestination reads the destination of a route, given in one of three ways.
func routeDestination(ipv4, ipv6, prefixList *string) (netip.Prefix, error) {
	switch {
	case val(ipv6) != "":
		return netip.Prefix{}, resource.Unsupported("The parameter DestinationIpv6CidrBlock")
	case val(prefixList) != "":
		return netip.Prefix{}, resource.Errorf("InvalidPrefixListID.NotFound", "The prefix list ID '%s' does not exist", resource.Clip(*prefixList))
	case val(ipv4) == "":
		return netip.Prefix{}, resource.Missing("DestinationCidrBlock")
	}
	return resource.ParseIPv4CIDR("destinationCidrBlock", *ipv4)
}

// checkDestination refuses routes to a VPC's own addresses, which stay inside.
func checkDestination(r reader, table *resource.RouteTable, destination netip.Prefix) error {
	vpc, err := vpcs.get(r, table.VPC)
	if err != nil {
		return err
	}
	for _, local := range routes.LocalRanges(vpc) {
		if local == destination {
			return routeExists(destination)
		}
	}
	if vpc.Contains(destination) {
		return resource.Errorf(resource.CodeInvalidParameterValue, "The destination CIDR block %s is equal to or more specific than one of this VPC's CIDR blocks. Routes between the addresses of a VPC can't be changed here", destination)
	}
	return nil
}

func routeExists(destination netip.Prefix) error {
	return resource.Errorf("RouteAlreadyExists", "The route identified by %s already exists.", destination)
}

// routeTo finds the route to a destination among those entered by hand.
func routeTo(table *resource.RouteTable, destination netip.Prefix) int {
	return slices.IndexFunc(table.Routes, func(route resource.Route) bool { return route.Destination == destination })
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
		if err := checkDestination(w.reader, &table, destination); err != nil {
			return err
		}
		if routeTo(&table, destination) >= 0 {
			return routeExists(destination)
		}
		if len(table.Routes) >= s.limits.RoutesPerRouteTable {
			return resource.Errorf("RouteLimitExceeded", "The maximum number of routes of a route table has been reached: %d", s.limits.RoutesPerRouteTable)
		}
		table.Routes = append(slices.Clone(table.Routes), route)
		sortRoutes(table.Routes)
		routeTables.put(w, table)
		return nil
	})
	return &model.CreateRouteOutput{Return: new(true)}, err
}

func sortRoutes(list []resource.Route) {
	slices.SortFunc(list, func(a, b resource.Route) int { return routes.ComparePrefixes(a.Destination, b.Destination) })
}

// ReplaceRoute lets a route that was entered by hand lead elsewhere.
func (s *Service) ReplaceRoute(ctx context.Context, c server.Caller, in *model.ReplaceRouteInput) (*model.ReplaceRouteOutput, error) {
	if err := refuseUnbuilt(member{"LocalTarget", val(in.LocalTarget)}); err != nil {
		return nil, err
	}
	destination, err := routeDestination(in.DestinationCidrBlock, in.DestinationIpv6CidrBlock, in.DestinationPrefixListId)
	if err != nil {
		return nil, err
	}
	targets := routeTargets(in)
	return nil, s.update(ctx, c, in.DryRun, func(w writer) error {
		table, err := routeTables.get(w.reader, val(in.RouteTableId))
		if err != nil {
			return err
		}
		at := routeTo(&table, destination)
		if at < 0 {
			return resource.Errorf(resource.CodeInvalidParameterValue, "There is no route defined for '%s' in the route table. Use CreateRoute instead.", destination)
		}
		route, err := resolveRoute(w.reader, &table, destination, targets)
		if err != nil {
			return err
		}
		table.Routes = slices.Clone(table.Routes)
		table.Routes[at] = route
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
		if at < 0 {
			return noRoute(w.reader, &table, destination)
		}
		table.Routes = slices.Delete(slices.Clone(table.Routes), at, at+1)
		routeTables.put(w, table)
		return nil
	})
}

// noRoute says why there is no route to delete.
func noRoute(r reader, table *resource.RouteTable, destination netip.Prefix) error {
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
