package ec2

import (
	"cmp"
	"context"
	"net/netip"
	"strings"
	"time"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/api/server"
	"causeway.dev/control/usage"
	"causeway.dev/resource"
	"causeway.dev/store"
)

func (s *Service) vpnConnectionActions() actions {
	return actions{
		"CreateVpnConnection":        server.Operation(s.CreateVpnConnection),
		"DeleteVpnConnection":        server.Operation(s.DeleteVpnConnection),
		"DescribeVpnConnections":     server.Operation(s.DescribeVpnConnections),
		"ModifyVpnConnection":        server.Operation(s.ModifyVpnConnection),
		"ModifyVpnConnectionOptions": server.Operation(s.ModifyVpnConnectionOptions),
	}
}

// Values of a connection's options that are the only ones built.
const (
	outsideAddressPublic  = "PublicIpv4"
	insideVersionIPv4     = "ipv4"
	tunnelBandwidthNormal = "standard"
	anyIPv6               = "::/0" // the default of the IPv6 ranges, which mean nothing to IPv4
)

// CreateVpnConnection joins a customer gateway and a VPN gateway by two tunnels,
// whose outside addresses never change. Unless the caller asks for static routes only,
// both sides tell each other their routes by BGP; that never changes either. The
// connection is available at once; whether its tunnels are up is the telemetry's to say.
func (s *Service) CreateVpnConnection(ctx context.Context, c server.Caller, in *model.CreateVpnConnectionInput) (*model.CreateVpnConnectionOutput, error) {
	wanted, keys, err := s.newVPNConnection(in)
	if err != nil {
		return nil, err
	}
	tags, err := tagsFor(in.TagSpecifications, vpnConnections.kind)
	if err != nil {
		return nil, err
	}
	var out model.CreateVpnConnectionOutput
	err = s.update(ctx, c, in.DryRun, func(w writer) error {
		customer, err := customerGateways.live(w.reader, val(in.CustomerGatewayId))
		if err != nil {
			return err
		}
		gateway, err := vpnGateways.live(w.reader, val(in.VpnGatewayId))
		if err != nil {
			return err
		}
		v := wanted
		v.Meta = w.newMeta(s.newID(vpnConnections.prefix), tags[vpnConnections.kind])
		v.CustomerGateway, v.VPNGateway = customer.ID, gateway.ID
		if err := cmp.Or(v.ValidatePeers(customer, gateway), checkAuthentication(&customer, &v), s.checkTunnelLogs(w, v.Tunnels[:]...)); err != nil {
			return err
		}
		if err := s.checkVPNConnectionLimits(w.reader, gateway.ID); err != nil {
			return err
		}
		if err := s.completeTunnels(w, &v); err != nil {
			return err
		}
		if customer.Certificate != "" {
			for i := range v.Tunnels {
				v.Tunnels[i].PreSharedKey = ""
			}
		}
		if v.HasKeySecret() {
			s.putKeySecret(w, &v, keys)
		}
		vpnConnections.put(w, v)
		out.VpnConnection, err = vpnConnectionAnswer(w.reader, &v)
		return err
	})
	return &out, err
}

// newVPNConnection reads what a caller chose of a connection, and of the keys that
// are to be in a secret.
func (s *Service) newVPNConnection(in *model.CreateVpnConnectionInput) (resource.VPNConnection, [2]resource.KeySecretTunnel, error) {
	options := in.Options
	if options == nil {
		options = &model.VpnConnectionOptionsSpecification{}
	}
	var none resource.VPNConnection
	var keys [2]resource.KeySecretTunnel
	if err := cmp.Or(refuseUnbuiltConnection(in, options), checkKeyStorage(in.PreSharedKeyStorage)); err != nil {
		return none, keys, err
	}
	if val(in.VpnGatewayId) == "" {
		return none, keys, resource.Missing("VpnGatewayId")
	}
	v := resource.VPNConnection{State: resource.StateAvailable, Type: val(in.Type), StaticRoutesOnly: val(options.StaticRoutesOnly), LocalIPv4CIDR: resource.AnyIPv4, RemoteIPv4CIDR: resource.AnyIPv4}
	if err := setNetworkCIDRs(&v, options.LocalIpv4NetworkCidr, options.RemoteIpv4NetworkCidr); err != nil {
		return none, keys, err
	}
	if len(options.TunnelOptions) > len(v.Tunnels) {
		return none, keys, resource.Errorf(resource.CodeInvalidParameterValue, "TunnelOptions has %d entries; a VPN connection has %d tunnels", len(options.TunnelOptions), len(v.Tunnels))
	}
	for i, given := range options.TunnelOptions {
		if err := setTunnelOptions(&v.Tunnels[i], model.ModifyVpnTunnelOptionsSpecification(given)); err != nil {
			return none, keys, err
		}
	}
	if val(in.PreSharedKeyStorage) == resource.KeyStorageSecretsManager {
		for i := range v.Tunnels {
			given := v.Tunnels[i].PreSharedKey
			if err := s.checkKeyValue(given); err != nil {
				return none, keys, err
			}
			v.Tunnels[i].KeyStorage, v.Tunnels[i].PreSharedKey = resource.KeyStorageSecretsManager, ""
			keys[i].Put(given, resource.TunnelKeys{}, time.Time{})
		}
	}
	return v, keys, v.Validate()
}

func refuseUnbuiltConnection(in *model.CreateVpnConnectionInput, options *model.VpnConnectionOptionsSpecification) error {
	return refuseUnbuilt(
		member{"TransitGatewayId", val(in.TransitGatewayId) != ""},
		member{"VpnConcentratorId", val(in.VpnConcentratorId) != ""},
		member{"Options.EnableAcceleration", val(options.EnableAcceleration)},
		member{"Options.OutsideIpAddressType " + val(options.OutsideIpAddressType), isOther(options.OutsideIpAddressType, outsideAddressPublic)},
		member{"Options.TunnelInsideIpVersion " + val(options.TunnelInsideIpVersion), isOther(options.TunnelInsideIpVersion, insideVersionIPv4)},
		member{"Options.TunnelBandwidth " + val(options.TunnelBandwidth), isOther(options.TunnelBandwidth, tunnelBandwidthNormal)},
		member{"Options.TransportTransitGatewayAttachmentId", val(options.TransportTransitGatewayAttachmentId) != ""},
		member{"Options.LocalIpv6NetworkCidr", isOther(options.LocalIpv6NetworkCidr, anyIPv6)},
		member{"Options.RemoteIpv6NetworkCidr", isOther(options.RemoteIpv6NetworkCidr, anyIPv6)},
	)
}

// isOther reports whether a member asks for another value than the one that is built.
func isOther(given *string, built string) bool { return val(given) != "" && *given != built }

// setNetworkCIDRs changes the traffic selectors that a caller names.
func setNetworkCIDRs(v *resource.VPNConnection, local, remote *string) error {
	for _, set := range []struct {
		name   string
		given  *string
		prefix *netip.Prefix
	}{{"LocalIpv4NetworkCidr", local, &v.LocalIPv4CIDR}, {"RemoteIpv4NetworkCidr", remote, &v.RemoteIPv4CIDR}} {
		if val(set.given) == "" {
			continue
		}
		parsed, err := netip.ParsePrefix(*set.given)
		if err != nil {
			return resource.InvalidValue(set.name, *set.given, "This is not a valid CIDR block.")
		}
		*set.prefix = parsed
	}
	return nil
}

func (s *Service) checkVPNConnectionLimits(r reader, gateway string) error {
	if vpnConnections.count(r, isLive) >= r.limits.VPNConnections {
		return resource.Errorf(codeVPNConnectionLimitExceeded, "The maximum number of VPN connections has been reached: %d", r.limits.VPNConnections)
	}
	return s.checkVPNConnectionsOfGateway(r, gateway)
}

// checkVPNConnectionsOfGateway: one more must find room on a VPN gateway.
func (s *Service) checkVPNConnectionsOfGateway(r reader, gateway string) error {
	here := 0
	for other := range vpnConnections.table.Find(r.Reader, r.scope, store.ByGateway, gateway) {
		if isLive(other) {
			here++
		}
	}
	if here >= r.limits.VPNConnectionsPerVPNGateway {
		return resource.Errorf(codeVPNConnectionLimitExceeded, "The maximum number of VPN connections of a virtual private gateway has been reached: %d", r.limits.VPNConnectionsPerVPNGateway)
	}
	return nil
}

// DeleteVpnConnection ends a connection. It stays visible for a while, without
// its keys; its addresses are free for others.
func (s *Service) DeleteVpnConnection(ctx context.Context, c server.Caller, in *model.DeleteVpnConnectionInput) (*model.DeleteVpnConnectionOutput, error) {
	return nil, s.update(ctx, c, in.DryRun, func(w writer) error {
		v, err := vpnConnections.live(w.reader, val(in.VpnConnectionId))
		if err != nil {
			return err
		}
		for i := range v.Tunnels {
			v.Tunnels[i].PreSharedKey = ""
			store.TunnelStatuses.Delete(w.tx, w.scope, resource.TunnelID(v.ID, i+1))
		}
		store.KeySecrets.Delete(w.tx, w.scope, v.ID)
		v.State, v.Deleted, v.Routes = resource.StateDeleted, w.deletedNow(), nil
		vpnConnections.put(w, v)
		usage.End(w.tx, v, *v.Deleted)
		return nil
	})
}

// ModifyVpnConnectionOptions changes the traffic selectors of a connection.
// Both tunnels negotiate anew.
func (s *Service) ModifyVpnConnectionOptions(ctx context.Context, c server.Caller, in *model.ModifyVpnConnectionOptionsInput) (*model.ModifyVpnConnectionOptionsOutput, error) {
	if err := refuseUnbuilt(
		member{"LocalIpv6NetworkCidr", isOther(in.LocalIpv6NetworkCidr, anyIPv6)},
		member{"RemoteIpv6NetworkCidr", isOther(in.RemoteIpv6NetworkCidr, anyIPv6)},
		member{"TunnelBandwidth " + val(in.TunnelBandwidth), isOther(in.TunnelBandwidth, tunnelBandwidthNormal)},
	); err != nil {
		return nil, err
	}
	var out model.ModifyVpnConnectionOptionsOutput
	err := s.update(ctx, c, in.DryRun, func(w writer) error {
		v, err := vpnConnections.live(w.reader, val(in.VpnConnectionId))
		if err != nil {
			return err
		}
		if err := setNetworkCIDRs(&v, in.LocalIpv4NetworkCidr, in.RemoteIpv4NetworkCidr); err != nil {
			return err
		}
		if err := v.Validate(); err != nil {
			return err
		}
		vpnConnections.put(w, v)
		out.VpnConnection, err = vpnConnectionAnswer(w.reader, &v)
		return err
	})
	return &out, err
}

// ModifyVpnConnection gives a connection another customer gateway, VPN gateway or
// both. Its id, outside and inside addresses, keys and routes stay; where the new
// customer gateway authenticates in another way than the one before, keys come or
// go with it.
func (s *Service) ModifyVpnConnection(ctx context.Context, c server.Caller, in *model.ModifyVpnConnectionInput) (*model.ModifyVpnConnectionOutput, error) {
	if err := refuseUnbuilt(member{"TransitGatewayId", val(in.TransitGatewayId) != ""}); err != nil {
		return nil, err
	}
	if val(in.CustomerGatewayId) == "" && val(in.VpnGatewayId) == "" {
		return nil, resource.Errorf(resource.CodeInvalidParameterCombination, "The request must name a new target: CustomerGatewayId, VpnGatewayId or both")
	}
	var out model.ModifyVpnConnectionOutput
	err := s.update(ctx, c, in.DryRun, func(w writer) error {
		v, err := vpnConnections.live(w.reader, val(in.VpnConnectionId))
		if err != nil {
			return err
		}
		if err := s.moveToVPNGateway(w, &v, val(in.VpnGatewayId)); err != nil {
			return err
		}
		if err := s.moveToCustomerGateway(w, &v, val(in.CustomerGatewayId)); err != nil {
			return err
		}
		if err := checkPeers(w.reader, &v); err != nil {
			return err
		}
		vpnConnections.put(w, v)
		out.VpnConnection, err = vpnConnectionAnswer(w.reader, &v)
		return err
	})
	return &out, err
}

// checkPeers refuses gateways whose ASNs don't let them speak BGP with each other.
func checkPeers(r reader, v *resource.VPNConnection) error {
	customer, err := customerGateways.get(r, v.CustomerGateway)
	if err != nil {
		return err
	}
	gateway, err := vpnGateways.get(r, v.VPNGateway)
	if err != nil {
		return err
	}
	return v.ValidatePeers(customer, gateway)
}

// moveToVPNGateway lets a connection end on a gateway; "" is the one it has.
func (s *Service) moveToVPNGateway(w writer, v *resource.VPNConnection, id string) error {
	if id == "" || id == v.VPNGateway {
		return nil
	}
	gateway, err := vpnGateways.live(w.reader, id)
	if err != nil {
		return err
	}
	if err := s.checkVPNConnectionsOfGateway(w.reader, gateway.ID); err != nil {
		return err
	}
	used := insideCIDRsOf(w.reader, gateway.ID, v.ID)
	for _, t := range v.Tunnels {
		if used[t.InsideCIDR] {
			return insideCIDRInUse(t.InsideCIDR, gateway.ID)
		}
	}
	v.VPNGateway = gateway.ID
	return nil
}

// moveToCustomerGateway lets a connection lead to a device; "" is the one it has.
func (s *Service) moveToCustomerGateway(w writer, v *resource.VPNConnection, id string) error {
	if id == "" || id == v.CustomerGateway {
		return nil
	}
	customer, err := customerGateways.live(w.reader, id)
	if err != nil {
		return err
	}
	v.CustomerGateway = customer.ID
	for i := range v.Tunnels {
		t := &v.Tunnels[i]
		switch {
		case customer.Certificate != "":
			t.SetKeys(resource.TunnelKeys{})
			t.KeyStorage = ""
			store.KeySecrets.Delete(w.tx, w.scope, v.ID)
		case t.PreSharedKey == "" && !t.KeysInSecret():
			t.PreSharedKey = s.newPreSharedKey()
		}
	}
	return checkAuthentication(&customer, v)
}

// DescribeVpnConnections lists connections, with the state of their tunnels.
func (s *Service) DescribeVpnConnections(_ context.Context, c server.Caller, in *model.DescribeVpnConnectionsInput) (*model.DescribeVpnConnectionsOutput, error) {
	r := s.read(c)
	found, _, err := describe(r, vpnConnections, vpnConnectionFields, query{action: "DescribeVpnConnections", dryRun: in.DryRun, ids: in.VpnConnectionIds, filters: in.Filters})
	if err != nil {
		return nil, err
	}
	out := &model.DescribeVpnConnectionsOutput{VpnConnections: make([]model.VpnConnection, len(found))}
	for i := range found {
		a, err := vpnConnectionAnswer(r, &found[i])
		if err != nil {
			return nil, err
		}
		out.VpnConnections[i] = *a
	}
	return out, nil
}

func vpnConnectionAnswer(r reader, v *resource.VPNConnection) (*model.VpnConnection, error) {
	a := &model.VpnConnection{
		Category:                new("VPN"),
		CustomerGatewayId:       &v.CustomerGateway,
		GatewayAssociationState: new(model.GatewayAssociationStateAssociated),
		Options: &model.VpnConnectionOptions{
			EnableAcceleration:    new(false),
			LocalIpv4NetworkCidr:  new(v.LocalIPv4CIDR.String()),
			OutsideIpAddressType:  new(outsideAddressPublic),
			RemoteIpv4NetworkCidr: new(v.RemoteIPv4CIDR.String()),
			StaticRoutesOnly:      &v.StaticRoutesOnly,
			TunnelBandwidth:       new(tunnelBandwidthNormal),
			TunnelInsideIpVersion: new(insideVersionIPv4),
		},
		Routes: mapped(v.Routes, func(route *resource.VPNStaticRoute) model.VpnStaticRoute {
			return model.VpnStaticRoute{DestinationCidrBlock: new(route.Destination.String()), Source: new(model.VpnStaticRouteSourceStatic), State: &route.State}
		}),
		State:           &v.State,
		Tags:            tagSet(v.Tags),
		Type:            &v.Type,
		VpnConnectionId: &v.ID,
		VpnGatewayId:    &v.VPNGateway,
	}
	if isDeleted(v) {
		a.GatewayAssociationState = new(model.GatewayAssociationStateNotAssociated)
		return a, nil
	}
	config, err := deviceConfiguration(r, *v)
	if err != nil {
		return nil, err
	}
	document, err := config.XML()
	if err != nil {
		return nil, err
	}
	a.CustomerGatewayConfiguration = &document
	if v.HasKeySecret() {
		a.PreSharedKeyArn = new(resource.KeySecretARN(v.Account, v.Region, v.ID))
	}
	for i := range v.Tunnels {
		a.Options.TunnelOptions = append(a.Options.TunnelOptions, tunnelOptionsAnswer(&v.Tunnels[i]))
		a.VgwTelemetry = append(a.VgwTelemetry, telemetryAnswer(r, v, i))
	}
	return a, nil
}

// telemetryAnswer tells what was last seen of a tunnel. The count of accepted
// routes is, while the tunnel is up, that of the static routes or of what the customer
// gateway has told by BGP, and 0 while it is down: what can be sent through it.
func telemetryAnswer(r reader, v *resource.VPNConnection, index int) model.VgwTelemetry {
	a := model.VgwTelemetry{
		AcceptedRouteCount: new(int32(0)),
		LastStatusChange:   timestamp(v.Created),
		OutsideIpAddress:   addressText(v.Tunnels[index].OutsideAddress),
		Status:             new(model.TelemetryStatusDOWN),
		StatusMessage:      new("The tunnel is being set up"),
	}
	if seen, ok := store.TunnelStatuses.Get(r.Reader, r.scope, resource.TunnelID(v.ID, index+1)); ok {
		a.LastStatusChange, a.StatusMessage = timestamp(seen.Since), str(seen.Message)
		if seen.Up {
			a.Status, a.AcceptedRouteCount = new(model.TelemetryStatusUP), new(int32(len(v.Routes)+len(seen.Routes)))
		}
	}
	if said := keyProblem(r, v, index); said != "" {
		a.StatusMessage = new(strings.TrimPrefix(val(a.StatusMessage)+". "+said, ". "))
	}
	return a
}

var vpnConnectionFields = fields[resource.VPNConnection]{
	"bgp-asn": func(r reader, v *resource.VPNConnection) []string {
		customer, ok := customerGateways.table.Get(r.Reader, r.scope, v.CustomerGateway)
		if !ok {
			return nil
		}
		return customerGatewayFields["bgp-asn"](r, &customer)
	},
	"customer-gateway-configuration": func(r reader, v *resource.VPNConnection) []string {
		if isDeleted(v) {
			return nil
		}
		a, err := vpnConnectionAnswer(r, v)
		if err != nil {
			return nil
		}
		return one(*a.CustomerGatewayConfiguration)
	},
	"customer-gateway-id":       func(_ reader, v *resource.VPNConnection) []string { return one(v.CustomerGateway) },
	"option.static-routes-only": func(_ reader, v *resource.VPNConnection) []string { return truth(v.StaticRoutesOnly) },
	"route.destination-cidr-block": func(_ reader, v *resource.VPNConnection) []string {
		return mapped(v.Routes, func(route *resource.VPNStaticRoute) string { return route.Destination.String() })
	},
	"state":             func(_ reader, v *resource.VPNConnection) []string { return one(v.State) },
	"type":              func(_ reader, v *resource.VPNConnection) []string { return one(v.Type) },
	"vpn-connection-id": func(_ reader, v *resource.VPNConnection) []string { return one(v.ID) },
	"vpn-gateway-id":    func(_ reader, v *resource.VPNConnection) []string { return one(v.VPNGateway) },
}
