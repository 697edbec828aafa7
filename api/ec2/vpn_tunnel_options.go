package ec2

import (
	"cmp"
	"context"
	"net/netip"
	"strconv"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/api/server"
	"causeway.dev/resource"
)

func (s *Service) vpnTunnelOptionsActions() actions {
	return actions{
		"ModifyVpnTunnelOptions": server.Operation(s.ModifyVpnTunnelOptions),
	}
}

// ModifyVpnTunnelOptions changes options of one tunnel; those that the caller
// leaves out stay. The other tunnel is not touched.
func (s *Service) ModifyVpnTunnelOptions(ctx context.Context, c server.Caller, in *model.ModifyVpnTunnelOptionsInput) (*model.ModifyVpnTunnelOptionsOutput, error) {
	if err := cmp.Or(refuseUnbuilt(member{"SkipTunnelReplacement", val(in.SkipTunnelReplacement)}), checkKeyStorage(in.PreSharedKeyStorage)); err != nil {
		return nil, err
	}
	var out model.ModifyVpnTunnelOptionsOutput
	err := s.update(ctx, c, in.DryRun, func(w writer) error {
		v, err := vpnConnections.live(w.reader, val(in.VpnConnectionId))
		if err != nil {
			return err
		}
		tunnel, number, err := findTunnel(&v, in.VpnTunnelOutsideIpAddress)
		if err != nil {
			return err
		}
		customer, err := customerGateways.get(w.reader, v.CustomerGateway)
		if err != nil {
			return err
		}
		before, key := tunnel.InsideCIDR, tunnel.PreSharedKey
		if err := setTunnelOptions(tunnel, *in.TunnelOptions); err != nil {
			return err
		}
		tunnel.PreSharedKey = key
		if err := s.changeKeys(w, &v, number-1, &customer, val(in.PreSharedKeyStorage), val(in.TunnelOptions.PreSharedKey)); err != nil {
			return err
		}
		if err := v.Validate(); err != nil {
			return err
		}
		if err := s.checkTunnelLogs(w, *tunnel); err != nil {
			return err
		}
		if err := checkAuthentication(&customer, &v); err != nil {
			return err
		}
		if tunnel.InsideCIDR != before && insideCIDRsOf(w.reader, v.VPNGateway, v.ID)[tunnel.InsideCIDR] {
			return insideCIDRInUse(tunnel.InsideCIDR, v.VPNGateway)
		}
		vpnConnections.put(w, v)
		out.VpnConnection, err = vpnConnectionAnswer(w.reader, &v)
		return err
	})
	return &out, err
}

// setTunnelOptions puts what a caller set into a tunnel. Values are checked by
// the resource, but for those that it could not tell from not being set.
func setTunnelOptions(t *resource.VPNTunnel, given model.ModifyVpnTunnelOptionsSpecification) error {
	if err := refuseUnbuiltTunnelOptions(given); err != nil {
		return err
	}
	if text := val(given.TunnelInsideCidr); text != "" {
		inside, err := netip.ParsePrefix(text)
		if err != nil {
			return resource.InvalidValue("TunnelInsideCidr", text, "This is not a valid CIDR block.")
		}
		t.InsideCIDR = inside
	}
	if key := val(given.PreSharedKey); key != "" {
		t.PreSharedKey = key
	}
	for _, n := range []struct {
		name  string
		given *int32
		value *int32
	}{
		{"Phase1LifetimeSeconds", given.Phase1LifetimeSeconds, &t.Phase1LifetimeSeconds},
		{"Phase2LifetimeSeconds", given.Phase2LifetimeSeconds, &t.Phase2LifetimeSeconds},
		{"RekeyMarginTimeSeconds", given.RekeyMarginTimeSeconds, &t.RekeyMarginTimeSeconds},
		{"ReplayWindowSize", given.ReplayWindowSize, &t.ReplayWindowSize},
		{"DPDTimeoutSeconds", given.DPDTimeoutSeconds, &t.DPDTimeoutSeconds},
	} {
		if n.given == nil {
			continue
		}
		if *n.given <= 0 {
			return resource.InvalidValue(n.name, strconv.Itoa(int(*n.given)), "It must be positive; leave it out for the default.")
		}
		*n.value = *n.given
	}
	if given.RekeyFuzzPercentage != nil {
		t.RekeyFuzzPercentage = given.RekeyFuzzPercentage
	}
	if given.EnableTunnelLifecycleControl != nil {
		t.LifecycleControl = given.EnableTunnelLifecycleControl
	}
	for _, text := range []struct{ given, value *string }{{given.DPDTimeoutAction, &t.DPDTimeoutAction}, {given.StartupAction, &t.StartupAction}} {
		if val(text.given) != "" {
			*text.value = *text.given
		}
	}
	setList(&t.Phase1EncryptionAlgorithms, given.Phase1EncryptionAlgorithms, func(v *model.Phase1EncryptionAlgorithmsRequestListValue) string { return val(v.Value) })
	setList(&t.Phase2EncryptionAlgorithms, given.Phase2EncryptionAlgorithms, func(v *model.Phase2EncryptionAlgorithmsRequestListValue) string { return val(v.Value) })
	setList(&t.Phase1IntegrityAlgorithms, given.Phase1IntegrityAlgorithms, func(v *model.Phase1IntegrityAlgorithmsRequestListValue) string { return val(v.Value) })
	setList(&t.Phase2IntegrityAlgorithms, given.Phase2IntegrityAlgorithms, func(v *model.Phase2IntegrityAlgorithmsRequestListValue) string { return val(v.Value) })
	setList(&t.Phase1DHGroupNumbers, given.Phase1DHGroupNumbers, func(v *model.Phase1DHGroupNumbersRequestListValue) int32 { return val(v.Value) })
	setList(&t.Phase2DHGroupNumbers, given.Phase2DHGroupNumbers, func(v *model.Phase2DHGroupNumbersRequestListValue) int32 { return val(v.Value) })
	setTunnelLog(t, given.LogOptions)
	setList(&t.IKEVersions, given.IKEVersions, func(v *model.IKEVersionsRequestListValue) string { return val(v.Value) })
	return nil
}

func refuseUnbuiltTunnelOptions(given model.ModifyVpnTunnelOptionsSpecification) error {
	return refuseUnbuilt(member{"TunnelOptions.TunnelInsideIpv6Cidr", val(given.TunnelInsideIpv6Cidr) != ""})
}

// setList replaces a list if a caller gave one: no entries mean that it stays.
func setList[T, U any](list *[]U, given []T, value func(*T) U) {
	if len(given) > 0 {
		*list = mapped(given, value)
	}
}

// tunnelOptionsAnswer shows a tunnel's options. What the caller did not set is
// left out: clients that compare with what they asked for, as Terraform does,
// would else see a difference for ever.
func tunnelOptionsAnswer(t *resource.VPNTunnel) model.TunnelOption {
	return model.TunnelOption{
		OutsideIpAddress: addressText(t.OutsideAddress),
		PreSharedKey:     str(t.PreSharedKey),
		TunnelInsideCidr: str(t.InsideCIDR.String()),

		DpdTimeoutAction:       str(t.DPDTimeoutAction),
		DpdTimeoutSeconds:      positive(t.DPDTimeoutSeconds),
		Phase1LifetimeSeconds:  positive(t.Phase1LifetimeSeconds),
		Phase2LifetimeSeconds:  positive(t.Phase2LifetimeSeconds),
		RekeyFuzzPercentage:    t.RekeyFuzzPercentage,
		RekeyMarginTimeSeconds: positive(t.RekeyMarginTimeSeconds),
		ReplayWindowSize:       positive(t.ReplayWindowSize),
		StartupAction:          str(t.StartupAction),

		EnableTunnelLifecycleControl: t.LifecycleControl,
		LogOptions:                   tunnelLogAnswer(t),

		IkeVersions: mapped(t.IKEVersions, func(v *string) model.IKEVersionsListValue { return model.IKEVersionsListValue{Value: v} }),
		Phase1DHGroupNumbers: mapped(t.Phase1DHGroupNumbers, func(v *int32) model.Phase1DHGroupNumbersListValue {
			return model.Phase1DHGroupNumbersListValue{Value: v}
		}),
		Phase2DHGroupNumbers: mapped(t.Phase2DHGroupNumbers, func(v *int32) model.Phase2DHGroupNumbersListValue {
			return model.Phase2DHGroupNumbersListValue{Value: v}
		}),
		Phase1EncryptionAlgorithms: mapped(t.Phase1EncryptionAlgorithms, func(v *string) model.Phase1EncryptionAlgorithmsListValue {
			return model.Phase1EncryptionAlgorithmsListValue{Value: v}
		}),
		Phase2EncryptionAlgorithms: mapped(t.Phase2EncryptionAlgorithms, func(v *string) model.Phase2EncryptionAlgorithmsListValue {
			return model.Phase2EncryptionAlgorithmsListValue{Value: v}
		}),
		Phase1IntegrityAlgorithms: mapped(t.Phase1IntegrityAlgorithms, func(v *string) model.Phase1IntegrityAlgorithmsListValue {
			return model.Phase1IntegrityAlgorithmsListValue{Value: v}
		}),
		Phase2IntegrityAlgorithms: mapped(t.Phase2IntegrityAlgorithms, func(v *string) model.Phase2IntegrityAlgorithmsListValue {
			return model.Phase2IntegrityAlgorithmsListValue{Value: v}
		}),
	}
}

// positive makes a member of an answer; 0 is absent.
func positive(n int32) *int32 {
	if n == 0 {
		return nil
	}
	return &n
}
