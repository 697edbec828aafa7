package ec2

import (
	"cmp"
	"context"
	"net/netip"
	"slices"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/api/server"
	"causeway.dev/control/certificates"
	"causeway.dev/control/routes"
	"causeway.dev/deviceconfig"
	"causeway.dev/pki"
	"causeway.dev/resource"
	"causeway.dev/store"
)

func (s *Service) deviceConfigurationActions() actions {
	return actions{
		"GetVpnConnectionDeviceTypes":               server.Operation(s.GetVpnConnectionDeviceTypes),
		"GetVpnConnectionDeviceSampleConfiguration": server.Operation(s.GetVpnConnectionDeviceSampleConfiguration),
	}
}

// GetVpnConnectionDeviceTypes lists the devices for which there is a sample
// configuration, on one page.
func (s *Service) GetVpnConnectionDeviceTypes(_ context.Context, _ server.Caller, in *model.GetVpnConnectionDeviceTypesInput) (*model.GetVpnConnectionDeviceTypesOutput, error) {
	if _, err := newPage("GetVpnConnectionDeviceTypes", in.MaxResults, in.NextToken, nil); err != nil {
		return nil, err
	}
	if err := checkDryRun(in.DryRun); err != nil {
		return nil, err
	}
	return &model.GetVpnConnectionDeviceTypesOutput{
		VpnConnectionDeviceTypes: mapped(deviceconfig.Devices(), func(d *deviceconfig.Device) model.VpnConnectionDeviceType {
			return model.VpnConnectionDeviceType{Platform: &d.Platform, Software: &d.Software, Vendor: &d.Vendor, VpnConnectionDeviceTypeId: &d.ID}
		}),
	}, nil
}

// GetVpnConnectionDeviceSampleConfiguration writes a device's configuration for
// a connection as it is now. The version of IKE is ikev2 where the tunnels allow it,
// and each tunnel's own where they have none in common, unless the caller says
// otherwise (AWS's default is ikev1). Without a SampleType
// it has the strongest algorithms for that version; "recommended" is for ikev2 only,
// as AWS's is.
func (s *Service) GetVpnConnectionDeviceSampleConfiguration(_ context.Context, c server.Caller, in *model.GetVpnConnectionDeviceSampleConfigurationInput) (*model.GetVpnConnectionDeviceSampleConfigurationOutput, error) {
	version := val(in.InternetKeyExchangeVersion)
	if version != "" && !slices.Contains(resource.IKEVersions, version) {
		return nil, resource.InvalidValue("InternetKeyExchangeVersion", version, "Give ikev1 or ikev2.")
	}
	given := deviceconfig.SampleType(val(in.SampleType))
	if given != "" && given != deviceconfig.Recommended && given != deviceconfig.Compatible {
		return nil, resource.InvalidValue("SampleType", string(given), "Give compatibility or recommended.")
	}
	device, ok := deviceconfig.Find(val(in.VpnConnectionDeviceTypeId))
	if !ok {
		return nil, resource.InvalidValue("VpnConnectionDeviceTypeId", *in.VpnConnectionDeviceTypeId, "GetVpnConnectionDeviceTypes lists those that exist.")
	}
	r := s.read(c)
	v, err := vpnConnections.live(r, val(in.VpnConnectionId))
	if err != nil {
		return nil, err
	}
	if err := checkDryRun(in.DryRun); err != nil {
		return nil, err
	}
	config, err := deviceConfiguration(r, v)
	if err != nil {
		return nil, err
	}
	if version != "" {
		if config, err = config.For(version); err != nil {
			return nil, err
		}
	}
	if given == deviceconfig.Recommended && config.Uses(resource.IKEv1) {
		return nil, resource.Errorf(resource.CodeUnsupportedOperation, "A sample for ikev1 is not recommended: ask for the SampleType compatibility, for none, or for ikev2")
	}
	sample, err := device.Sample(config, cmp.Or(given, deviceconfig.Recommended))
	if err != nil {
		return nil, err
	}
	return &model.GetVpnConnectionDeviceSampleConfigurationOutput{VpnConnectionDeviceSampleConfiguration: &sample}, nil
}

// deviceConfiguration collects what the device at the other end of a connection
// needs to know.
func deviceConfiguration(r reader, v resource.VPNConnection) (deviceconfig.Config, error) {
	gateway, err := vpnGateways.get(r, v.VPNGateway)
	if err != nil {
		return deviceconfig.Config{}, err
	}
	customer, err := customerGateways.get(r, v.CustomerGateway)
	if err != nil {
		return deviceconfig.Config{}, err
	}
	var cloud []netip.Prefix
	if vpc, ok := vpcs.table.Get(r.Reader, r.scope, gateway.VPC); ok {
		cloud = routes.IPv4Ranges(vpc)
	}
	return deviceconfig.New(v, gateway, customer, deviceCertificate(r, &customer), cloud)
}

// deviceCertificate is what the device at a customer gateway has to install; nil
// where it has pre-shared keys.
func deviceCertificate(r reader, customer *resource.CustomerGateway) *deviceconfig.Certificate {
	if customer.Certificate == "" {
		return nil
	}
	c := &deviceconfig.Certificate{ARN: *certificateARN(customer)}
	if installed, ok := store.Certificates.Get(r.Reader, r.scope, customer.Certificate); ok {
		family := certificates.Family(pki.KeyAlgorithm(installed.KeyAlgorithm))
		// The first certificate of a tunnel makes the authority, moments later.
		if authority, ok := store.CertificateAuthorities.Get(r.Reader, r.scope, family); ok {
			c.Authorities = []string{pki.EncodePEM(authority.Issuer.Certificate), pki.EncodePEM(authority.Root.Certificate)}
		}
	}
	return c
}
