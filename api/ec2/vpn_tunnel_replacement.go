package ec2

import (
	"context"
	"time"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/api/server"
	"causeway.dev/resource"
	"causeway.dev/store"
)

func (s *Service) vpnTunnelReplacementActions() actions {
	return actions{
		"GetActiveVpnTunnelStatus":      server.Operation(s.GetActiveVpnTunnelStatus),
		"GetVpnTunnelReplacementStatus": server.Operation(s.GetVpnTunnelReplacementStatus),
		"ReplaceVpnTunnel":              server.Operation(s.ReplaceVpnTunnel),
	}
}

// findTunnel finds the tunnel of an outside address and its number, 1 or 2.
func findTunnel(v *resource.VPNConnection, outside *string) (*resource.VPNTunnel, int, error) {
	if val(outside) == "" {
		return nil, 0, resource.Missing("VpnTunnelOutsideIpAddress")
	}
	for i := range v.Tunnels {
		if v.Tunnels[i].OutsideAddress.String() == *outside {
			return &v.Tunnels[i], i + 1, nil
		}
	}
	return nil, 0, resource.InvalidValue("VpnTunnelOutsideIpAddress", *outside, "The VPN connection "+v.ID+" has no tunnel with this outside address.")
}

// GetActiveVpnTunnelStatus tells what the SAs of a tunnel run with. While it is
// down it names no algorithm, and the reason says why.
func (s *Service) GetActiveVpnTunnelStatus(_ context.Context, c server.Caller, in *model.GetActiveVpnTunnelStatusInput) (*model.GetActiveVpnTunnelStatusOutput, error) {
	r := s.read(c)
	v, err := vpnConnections.live(r, val(in.VpnConnectionId))
	if err != nil {
		return nil, err
	}
	_, number, err := findTunnel(&v, in.VpnTunnelOutsideIpAddress)
	if err != nil {
		return nil, err
	}
	if err := checkDryRun(in.DryRun); err != nil {
		return nil, err
	}
	seen, ok := store.TunnelStatuses.Get(r.Reader, r.scope, resource.TunnelID(v.ID, number))
	a := &model.ActiveVpnTunnelStatus{ProvisioningStatus: new(model.VpnTunnelProvisioningStatusAvailable)}
	switch n := seen.Negotiated; {
	case !ok:
		a.ProvisioningStatus = new(model.VpnTunnelProvisioningStatusPending)
		a.ProvisioningStatusReason = new("The tunnel is being set up")
	case !seen.Up:
		a.ProvisioningStatusReason = str(seen.Message)
	default:
		a.IkeVersion = str(n.IKEVersion)
		a.Phase1EncryptionAlgorithm, a.Phase1IntegrityAlgorithm, a.Phase1DHGroup = str(n.Phase1.Encryption), str(n.Phase1.Integrity), positive(n.Phase1.DHGroup)
		a.Phase2EncryptionAlgorithm, a.Phase2IntegrityAlgorithm, a.Phase2DHGroup = str(n.Phase2.Encryption), str(n.Phase2.Integrity), positive(n.Phase2.DHGroup)
	}
	return &model.GetActiveVpnTunnelStatusOutput{ActiveVpnTunnelStatus: a}, nil
}

// ReplaceVpnTunnel has a tunnel negotiate everything anew beside what carries
// its packets now, which ends once the new SAs do. No maintenance is ever
// pending here, so that there is none to apply with it.
func (s *Service) ReplaceVpnTunnel(ctx context.Context, c server.Caller, in *model.ReplaceVpnTunnelInput) (*model.ReplaceVpnTunnelOutput, error) {
	err := s.update(ctx, c, in.DryRun, func(w writer) error {
		v, err := vpnConnections.live(w.reader, val(in.VpnConnectionId))
		if err != nil {
			return err
		}
		t, _, err := findTunnel(&v, in.VpnTunnelOutsideIpAddress)
		if err != nil {
			return err
		}
		t.Replacements++
		t.ReplacedAt = w.now.UTC().Truncate(time.Second)
		vpnConnections.put(w, v)
		return nil
	})
	return &model.ReplaceVpnTunnelOutput{Return: new(true)}, err
}

// GetVpnTunnelReplacementStatus tells when a tunnel was last replaced.
func (s *Service) GetVpnTunnelReplacementStatus(_ context.Context, c server.Caller, in *model.GetVpnTunnelReplacementStatusInput) (*model.GetVpnTunnelReplacementStatusOutput, error) {
	r := s.read(c)
	v, err := vpnConnections.live(r, val(in.VpnConnectionId))
	if err != nil {
		return nil, err
	}
	t, _, err := findTunnel(&v, in.VpnTunnelOutsideIpAddress)
	if err != nil {
		return nil, err
	}
	if err := checkDryRun(in.DryRun); err != nil {
		return nil, err
	}
	return &model.GetVpnTunnelReplacementStatusOutput{
		CustomerGatewayId:         &v.CustomerGateway,
		MaintenanceDetails:        &model.MaintenanceDetails{LastMaintenanceApplied: timestamp(t.ReplacedAt), PendingMaintenance: new("")},
		VpnConnectionId:           &v.ID,
		VpnGatewayId:              &v.VPNGateway,
		VpnTunnelOutsideIpAddress: in.VpnTunnelOutsideIpAddress,
	}, nil
}
