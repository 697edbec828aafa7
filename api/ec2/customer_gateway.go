package ec2

import (
	"context"
	"math"
	"net/netip"
	"strconv"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/api/server"
	"causeway.dev/resource"
	"causeway.dev/store"
)

func (s *Service) customerGatewayActions() actions {
	return actions{
		"CreateCustomerGateway":    server.Operation(s.CreateCustomerGateway),
		"DeleteCustomerGateway":    server.Operation(s.DeleteCustomerGateway),
		"DescribeCustomerGateways": server.Operation(s.DescribeCustomerGateways),
	}
}

// CreateCustomerGateway tells of a device at a site. Asked again for the same
// device (type, address, certificate, ASN and name), it answers with the gateway
// that is there already, as AWS does. A device with a certificate may have any
// address.
func (s *Service) CreateCustomerGateway(ctx context.Context, c server.Caller, in *model.CreateCustomerGatewayInput) (*model.CreateCustomerGatewayOutput, error) {
	address, err := customerAddress(in)
	if err != nil {
		return nil, err
	}
	asn, err := customerASN(in)
	if err != nil {
		return nil, err
	}
	tags, err := tagsFor(in.TagSpecifications, customerGateways.kind)
	if err != nil {
		return nil, err
	}
	var out model.CreateCustomerGatewayOutput
	err = s.update(ctx, c, in.DryRun, func(w writer) error {
		v := resource.CustomerGateway{
			Meta:       w.newMeta(s.newID(customerGateways.prefix), tags[customerGateways.kind]),
			State:      resource.StateAvailable,
			Type:       val(in.Type),
			Address:    address,
			ASN:        asn,
			DeviceName: val(in.DeviceName),
		}
		if v.Certificate, err = customerCertificate(w, in.CertificateArn); err != nil {
			return err
		}
		if err := v.Validate(); err != nil {
			return err
		}
		alive := customerGateways.where(w.reader, isLive)
		for i := range alive {
			if g := &alive[i]; g.Type == v.Type && g.Address == v.Address && g.Certificate == v.Certificate && g.ASN == v.ASN && g.DeviceName == v.DeviceName {
				out.CustomerGateway = customerGatewayAnswer(g)
				return nil
			}
		}
		if len(alive) >= w.limits.CustomerGateways {
			return resource.Errorf("CustomerGatewayLimitExceeded", "The maximum number of customer gateways has been reached: %d", w.limits.CustomerGateways)
		}
		customerGateways.put(w, v)
		out.CustomerGateway = customerGatewayAnswer(&v)
		return nil
	})
	return &out, err
}

// customerCertificate returns the id of the certificate that an ARN names: one
// that a device can prove itself with.
func customerCertificate(w writer, arn *string) (id string, err error) {
	if val(arn) == "" {
		return "", nil
	}
	id, ok := resource.ParseCertificateARN(*arn, w.scope.Account, w.scope.Region)
	certificate, found := store.Certificates.Get(w.Reader, w.scope, id)
	switch {
	case !ok || !found:
		return "", resource.InvalidValue("CertificateArn", *arn, "It is the ARN of no certificate of this account and region.")
	case certificate.Status(w.now) != resource.CertificateIssued:
		return "", resource.InvalidValue("CertificateArn", *arn, "The certificate is "+certificate.Status(w.now)+"; use one that is valid.")
	case certificate.Type == resource.CertificateAmazonIssued && !certificate.Exportable:
		return "", resource.InvalidValue("CertificateArn", *arn, "The certificate cannot be exported to the device. Request it with a CertificateAuthorityArn, as a private one.")
	}
	return id, nil
}

// checkAuthentication refuses what a connection to a customer gateway with a
// certificate can't have: pre-shared keys, and, where nobody knows its address, a
// tunnel that our side begins.
func checkAuthentication(g *resource.CustomerGateway, v *resource.VPNConnection) error {
	if g.Certificate == "" {
		return nil
	}
	for _, t := range v.Tunnels {
		switch {
		case t.PreSharedKey != "":
			return resource.Errorf(resource.CodeInvalidParameterCombination, "The customer gateway %s authenticates by its certificate; leave PreSharedKey out", g.ID)
		case t.KeysInSecret():
			return resource.Errorf(resource.CodeInvalidParameterCombination, "The customer gateway %s authenticates by its certificate; leave PreSharedKeyStorage out", g.ID)
		case t.StartupAction == resource.StartupActionStart && !g.Address.IsValid():
			return resource.Errorf(resource.CodeInvalidParameterCombination, "The customer gateway %s has no IP address, so its device must begin; StartupAction must be %s", g.ID, resource.StartupActionAdd)
		}
	}
	return nil
}

// customerAddress reads the device's address, which has an older name too. A
// device with a certificate need not have one.
func customerAddress(in *model.CreateCustomerGatewayInput) (netip.Addr, error) {
	text := val(in.IpAddress)
	if older := val(in.PublicIp); text == "" {
		text = older
	} else if older != "" && older != text {
		return netip.Addr{}, resource.Errorf(resource.CodeInvalidParameterCombination, "IpAddress and PublicIp are different; give IpAddress only")
	}
	if text == "" && val(in.CertificateArn) != "" {
		return netip.Addr{}, nil
	}
	if text == "" {
		return netip.Addr{}, resource.Missing("IpAddress")
	}
	address, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}, resource.InvalidValue("IpAddress", text, "This is not a valid IP address.")
	}
	return address, nil
}

// customerASN reads the site's ASN. AWS has a member for each half of the range.
func customerASN(in *model.CreateCustomerGatewayInput) (uint32, error) {
	switch {
	case in.BgpAsn != nil && in.BgpAsnExtended != nil:
		return 0, resource.Errorf(resource.CodeInvalidParameterCombination, "Give BgpAsn or BgpAsnExtended, not both")
	case in.BgpAsn != nil:
		if *in.BgpAsn < 1 {
			return 0, resource.InvalidValue("BgpAsn", strconv.Itoa(int(*in.BgpAsn)), "Give 1 to 2147483647; BgpAsnExtended is for larger numbers.")
		}
		return uint32(*in.BgpAsn), nil
	case in.BgpAsnExtended != nil:
		if *in.BgpAsnExtended <= math.MaxInt32 || *in.BgpAsnExtended > math.MaxUint32 {
			return 0, resource.InvalidValue("BgpAsnExtended", strconv.FormatInt(*in.BgpAsnExtended, 10), "Give 2147483648 to 4294967295; BgpAsn is for smaller numbers.")
		}
		return uint32(*in.BgpAsnExtended), nil
	}
	return resource.DefaultCustomerASN, nil
}

// DeleteCustomerGateway removes a customer gateway that no connection uses. It
// stays visible for a while.
func (s *Service) DeleteCustomerGateway(ctx context.Context, c server.Caller, in *model.DeleteCustomerGatewayInput) (*model.DeleteCustomerGatewayOutput, error) {
	return nil, s.update(ctx, c, in.DryRun, func(w writer) error {
		v, err := customerGateways.live(w.reader, val(in.CustomerGatewayId))
		if err != nil {
			return err
		}
		for connection := range vpnConnections.list(w.reader) {
			if connection.CustomerGateway == v.ID && isLive(&connection) {
				return resource.Errorf(resource.CodeIncorrectState, "The customer gateway %s is in use by %s; delete the VPN connection first", v.ID, connection.ID)
			}
		}
		v.State, v.Deleted = resource.StateDeleted, w.deletedNow()
		customerGateways.put(w, v)
		return nil
	})
}

// DescribeCustomerGateways lists customer gateways.
func (s *Service) DescribeCustomerGateways(_ context.Context, c server.Caller, in *model.DescribeCustomerGatewaysInput) (*model.DescribeCustomerGatewaysOutput, error) {
	found, _, err := describe(s.read(c), customerGateways, customerGatewayFields, query{action: "DescribeCustomerGateways", dryRun: in.DryRun, ids: in.CustomerGatewayIds, filters: in.Filters})
	if err != nil {
		return nil, err
	}
	return &model.DescribeCustomerGatewaysOutput{CustomerGateways: answers(found, customerGatewayAnswer)}, nil
}

func customerGatewayAnswer(v *resource.CustomerGateway) *model.CustomerGateway {
	a := &model.CustomerGateway{
		CertificateArn:    certificateARN(v),
		CustomerGatewayId: &v.ID,
		DeviceName:        str(v.DeviceName),
		IpAddress:         addressText(v.Address),
		State:             &v.State,
		Tags:              tagSet(v.Tags),
		Type:              &v.Type,
	}
	if asn := strconv.FormatUint(uint64(v.ASN), 10); v.ASN <= math.MaxInt32 {
		a.BgpAsn = &asn
	} else {
		a.BgpAsnExtended = &asn
	}
	return a
}

func certificateARN(v *resource.CustomerGateway) *string {
	if v.Certificate == "" {
		return nil
	}
	return str(resource.CertificateARN(v.Account, v.Region, v.Certificate))
}

var customerGatewayFields = fields[resource.CustomerGateway]{
	"bgp-asn": func(_ reader, v *resource.CustomerGateway) []string {
		return one(strconv.FormatUint(uint64(v.ASN), 10))
	},
	"customer-gateway-id": func(_ reader, v *resource.CustomerGateway) []string { return one(v.ID) },
	"ip-address":          func(_ reader, v *resource.CustomerGateway) []string { return one(val(addressText(v.Address))) },
	"state":               func(_ reader, v *resource.CustomerGateway) []string { return one(v.State) },
	"type":                func(_ reader, v *resource.CustomerGateway) []string { return one(v.Type) },
}
