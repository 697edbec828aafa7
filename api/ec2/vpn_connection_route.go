package ec2

import (
	"context"
	"net/netip"
	"slices"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/api/server"
	"causeway.dev/resource"
)

// Codes of VPN connections.
const (
	codeVPNConnectionInvalidState  resource.Code = "InvalidVpnConnection.InvalidState"
	codeVPNConnectionInvalidType   resource.Code = "InvalidVpnConnection.InvalidType"
	codeVPNConnectionLimitExceeded resource.Code = "VpnConnectionLimitExceeded"
	codeRouteLimitExceeded         resource.Code = "RouteLimitExceeded"
	codeRouteNotFound              resource.Code = "InvalidRoute.NotFound"
)

func (s *Service) vpnConnectionRouteActions() actions {
	return actions{
		"CreateVpnConnectionRoute": server.Operation(s.CreateVpnConnectionRoute),
		"DeleteVpnConnectionRoute": server.Operation(s.DeleteVpnConnectionRoute),
	}
}

// CreateVpnConnectionRoute adds a prefix that lies behind the customer gateway.
// Adding it again changes nothing.
func (s *Service) CreateVpnConnectionRoute(ctx context.Context, c server.Caller, in *model.CreateVpnConnectionRouteInput) (*model.CreateVpnConnectionRouteOutput, error) {
	destination, err := resource.ParseStaticRoute(val(in.DestinationCidrBlock))
	if err != nil {
		return nil, err
	}
	return nil, s.update(ctx, c, nil, func(w writer) error {
		v, err := vpnConnections.live(w.reader, val(in.VpnConnectionId))
		if err != nil {
			return err
		}
		switch {
		case v.State != resource.StateAvailable:
			return resource.Errorf(codeVPNConnectionInvalidState, "The VPN connection %s is %s; it must be available", v.ID, v.State)
		case !v.StaticRoutesOnly:
			return refuseStaticRoute(v.ID)
		case routeIndex(v, destination) >= 0:
			return nil
		case len(v.Routes) >= w.limits.StaticRoutesPerVPNConnection:
			return resource.Errorf(codeRouteLimitExceeded, "The maximum number of static routes of a VPN connection has been reached: %d", w.limits.StaticRoutesPerVPNConnection)
		}
		v.Routes = append(slices.Clone(v.Routes), resource.VPNStaticRoute{Destination: destination, State: resource.StateAvailable})
		vpnConnections.put(w, v)
		return nil
	})
}

// DeleteVpnConnectionRoute removes a static route.
func (s *Service) DeleteVpnConnectionRoute(ctx context.Context, c server.Caller, in *model.DeleteVpnConnectionRouteInput) (*model.DeleteVpnConnectionRouteOutput, error) {
	destination, err := resource.ParseStaticRoute(val(in.DestinationCidrBlock))
	if err != nil {
		return nil, err
	}
	return nil, s.update(ctx, c, nil, func(w writer) error {
		v, err := vpnConnections.live(w.reader, val(in.VpnConnectionId))
		if err != nil {
			return err
		}
		if !v.StaticRoutesOnly {
			return refuseStaticRoute(v.ID)
		}
		at := routeIndex(v, destination)
		if at < 0 {
			return resource.Errorf(codeRouteNotFound, "The VPN connection %s has no static route to %s", v.ID, destination)
		}
		v.Routes = slices.Delete(slices.Clone(v.Routes), at, at+1)
		vpnConnections.put(w, v)
		return nil
	})
}

// refuseStaticRoute is for a connection that learns its routes.
func refuseStaticRoute(id string) error {
	return resource.Errorf(codeVPNConnectionInvalidType, "The VPN connection %s has dynamic routing and no static routes: let the customer gateway advertise its prefixes by BGP, or create a connection with StaticRoutesOnly", id)
}

// routeIndex finds a static route, or is less than 0.
func routeIndex(v resource.VPNConnection, destination netip.Prefix) int {
	return slices.IndexFunc(v.Routes, func(r resource.VPNStaticRoute) bool { return r.Destination == destination })
}
