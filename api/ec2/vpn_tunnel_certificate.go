package ec2

import (
	"context"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/api/server"
	"causeway.dev/resource"
	"causeway.dev/store"
)

func (s *Service) vpnTunnelCertificateActions() actions {
	return actions{
		"ModifyVpnTunnelCertificate": server.Operation(s.ModifyVpnTunnelCertificate),
	}
}

// ModifyVpnTunnelCertificate has our side's certificate of a tunnel replaced now
// rather than when it would be. The next authentication uses the new one; nothing
// is lost.
func (s *Service) ModifyVpnTunnelCertificate(ctx context.Context, c server.Caller, in *model.ModifyVpnTunnelCertificateInput) (*model.ModifyVpnTunnelCertificateOutput, error) {
	var out model.ModifyVpnTunnelCertificateOutput
	err := s.update(ctx, c, in.DryRun, func(w writer) error {
		v, err := vpnConnections.live(w.reader, val(in.VpnConnectionId))
		if err != nil {
			return err
		}
		t, number, err := findTunnel(&v, in.VpnTunnelOutsideIpAddress)
		if err != nil {
			return err
		}
		present, ok := store.TunnelCertificates.Get(w.Reader, w.scope, resource.TunnelID(v.ID, number))
		if !ok {
			return resource.Errorf(resource.CodeInvalidParameterCombination, "The tunnel %s of %s authenticates by a pre-shared key; ModifyVpnTunnelOptions changes it", t.OutsideAddress, v.ID)
		}
		present.Replace = true
		store.TunnelCertificates.Put(w.tx, present)
		out.VpnConnection, err = vpnConnectionAnswer(w.reader, &v)
		return err
	})
	return &out, err
}
