package ec2

import (
	"context"
	"math"
	"slices"
	"strconv"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/api/server"
	"causeway.dev/resource"
	"causeway.dev/store"
)

// Codes of VPN gateways and their attachments.
const (
	codeVPNGatewayAttachmentNotFound      resource.Code = "InvalidVpnGatewayAttachment.NotFound"
	codeVPNGatewayAttachmentLimitExceeded resource.Code = "VpnGatewayAttachmentLimitExceeded"
	codeVPNGatewayLimitExceeded           resource.Code = "VpnGatewayLimitExceeded"
)

func (s *Service) vpnGatewayActions() actions {
	return actions{
		"CreateVpnGateway":    server.Operation(s.CreateVpnGateway),
		"AttachVpnGateway":    server.Operation(s.AttachVpnGateway),
		"DetachVpnGateway":    server.Operation(s.DetachVpnGateway),
		"DeleteVpnGateway":    server.Operation(s.DeleteVpnGateway),
		"DescribeVpnGateways": server.Operation(s.DescribeVpnGateways),
	}
}

// CreateVpnGateway makes a virtual private gateway, attached to nothing.
func (s *Service) CreateVpnGateway(ctx context.Context, c server.Caller, in *model.CreateVpnGatewayInput) (*model.CreateVpnGatewayOutput, error) {
	asn := int64(resource.DefaultAmazonSideASN)
	if in.AmazonSideAsn != nil {
		asn = *in.AmazonSideAsn
	}
	if asn < 0 || asn > math.MaxUint32 {
		asn = 0 // as invalid as any other that is not private
	}
	if zone := val(in.AvailabilityZone); zone != "" {
		if _, err := s.chooseZone(c.Region, zone, ""); err != nil {
			return nil, err
		}
	}
	tags, err := tagsFor(in.TagSpecifications, vpnGateways.kind)
	if err != nil {
		return nil, err
	}
	var out model.CreateVpnGatewayOutput
	err = s.update(ctx, c, in.DryRun, func(w writer) error {
		v := resource.VPNGateway{
			Meta:          w.newMeta(s.newID(vpnGateways.prefix), tags[vpnGateways.kind]),
			State:         resource.StateAvailable,
			Type:          val(in.Type),
			AmazonSideASN: uint32(asn),
			Zone:          val(in.AvailabilityZone),
		}
		if err := v.Validate(); err != nil {
			return err
		}
		if vpnGateways.count(w.reader, isLive) >= w.limits.VPNGateways {
			return resource.Errorf(codeVPNGatewayLimitExceeded, "The maximum number of virtual private gateways has been reached: %d", w.limits.VPNGateways)
		}
		vpnGateways.put(w, v)
		out.VpnGateway = vpnGatewayAnswer(&v)
		return nil
	})
	return &out, err
}

// AttachVpnGateway puts a gateway in front of a VPC. A gateway has one VPC at
// most and a VPC one gateway. Attaching again what is attached changes nothing.
func (s *Service) AttachVpnGateway(ctx context.Context, c server.Caller, in *model.AttachVpnGatewayInput) (*model.AttachVpnGatewayOutput, error) {
	var out model.AttachVpnGatewayOutput
	err := s.update(ctx, c, in.DryRun, func(w writer) error {
		v, err := vpnGateways.live(w.reader, val(in.VpnGatewayId))
		if err != nil {
			return err
		}
		vpc, err := vpcs.live(w.reader, val(in.VpcId))
		if err != nil {
			return err
		}
		if v.VPC != "" && v.VPC != vpc.ID {
			return resource.Errorf(codeVPNGatewayAttachmentLimitExceeded, "The virtual private gateway %s is attached to %s; detach it first", v.ID, v.VPC)
		}
		for other := range vpnGateways.list(w.reader) {
			if other.ID != v.ID && other.VPC == vpc.ID && isLive(&other) {
				return resource.Errorf(codeVPNGatewayAttachmentLimitExceeded, "The vpc %s has the virtual private gateway %s; detach that one first", vpc.ID, other.ID)
			}
		}
		v.VPC, v.AttachmentState = vpc.ID, resource.StateAttached
		vpnGateways.put(w, v)
		out.VpcAttachment = &model.VpcAttachment{State: &v.AttachmentState, VpcId: &v.VPC}
		return nil
	})
	return &out, err
}

// DetachVpnGateway takes a gateway from its VPC. It then propagates into none
// of the VPC's route tables; routes entered by hand stay, as black holes.
func (s *Service) DetachVpnGateway(ctx context.Context, c server.Caller, in *model.DetachVpnGatewayInput) (*model.DetachVpnGatewayOutput, error) {
	return nil, s.update(ctx, c, in.DryRun, func(w writer) error {
		v, err := vpnGateways.live(w.reader, val(in.VpnGatewayId))
		if err != nil {
			return err
		}
		vpc := val(in.VpcId)
		if err := vpcs.checkID(vpc); err != nil {
			return err
		}
		if v.VPC != vpc { // nor to one that has been deleted since: Terraform goes on at this code only
			return resource.Errorf(codeVPNGatewayAttachmentNotFound, "The virtual private gateway %s is not attached to %s", v.ID, vpc)
		}
		for table := range routeTables.of(w.reader, vpc) {
			if slices.Contains(table.PropagatingVGWs, v.ID) {
				table.PropagatingVGWs = without(table.PropagatingVGWs, v.ID)
				routeTables.put(w, table)
			}
		}
		if table, at := edgeAssociation(w.reader, v.ID); at >= 0 {
			disassociate(w, table, at)
		}
		v.VPC, v.AttachmentState = "", ""
		vpnGateways.put(w, v)
		return nil
	})
}

// DeleteVpnGateway removes a gateway that is attached to nothing and has no
// connections. It stays visible for a while.
func (s *Service) DeleteVpnGateway(ctx context.Context, c server.Caller, in *model.DeleteVpnGatewayInput) (*model.DeleteVpnGatewayOutput, error) {
	return nil, s.update(ctx, c, in.DryRun, func(w writer) error {
		v, err := vpnGateways.live(w.reader, val(in.VpnGatewayId))
		if err != nil {
			return err
		}
		if v.VPC != "" {
			return resource.Errorf(resource.CodeIncorrectState, "The virtual private gateway %s is attached to %s; detach it first", v.ID, v.VPC)
		}
		for connection := range vpnConnections.table.Find(w.Reader, w.scope, store.ByGateway, v.ID) {
			if isLive(connection) {
				return resource.Errorf(resource.CodeIncorrectState, "The virtual private gateway %s is in use by %s; delete the VPN connection first", v.ID, connection.ID)
			}
		}
		v.State, v.Deleted = resource.StateDeleted, w.deletedNow()
		vpnGateways.put(w, v)
		return nil
	})
}

// DescribeVpnGateways lists virtual private gateways.
func (s *Service) DescribeVpnGateways(_ context.Context, c server.Caller, in *model.DescribeVpnGatewaysInput) (*model.DescribeVpnGatewaysOutput, error) {
	found, _, err := describe(s.read(c), vpnGateways, vpnGatewayFields, query{action: "DescribeVpnGateways", dryRun: in.DryRun, ids: in.VpnGatewayIds, filters: in.Filters})
	if err != nil {
		return nil, err
	}
	return &model.DescribeVpnGatewaysOutput{VpnGateways: answers(found, vpnGatewayAnswer)}, nil
}

func vpnGatewayAnswer(v *resource.VPNGateway) *model.VpnGateway {
	a := &model.VpnGateway{
		AmazonSideAsn:    new(int64(v.AmazonSideASN)),
		AvailabilityZone: str(v.Zone),
		State:            &v.State,
		Tags:             tagSet(v.Tags),
		Type:             &v.Type,
		VpnGatewayId:     &v.ID,
	}
	if v.VPC != "" {
		a.VpcAttachments = []model.VpcAttachment{{State: &v.AttachmentState, VpcId: &v.VPC}}
	}
	return a
}

var vpnGatewayFields = fields[resource.VPNGateway]{
	"amazon-side-asn": func(_ reader, v *resource.VPNGateway) []string {
		return one(strconv.FormatUint(uint64(v.AmazonSideASN), 10))
	},
	"attachment.state":  func(_ reader, v *resource.VPNGateway) []string { return one(v.AttachmentState) },
	"attachment.vpc-id": func(_ reader, v *resource.VPNGateway) []string { return one(v.VPC) },
	"availability-zone": func(_ reader, v *resource.VPNGateway) []string { return one(v.Zone) },
	"state":             func(_ reader, v *resource.VPNGateway) []string { return one(v.State) },
	"type":              func(_ reader, v *resource.VPNGateway) []string { return one(v.Type) },
	"vpn-gateway-id":    func(_ reader, v *resource.VPNGateway) []string { return one(v.ID) },
}

// without returns a new list that lacks one value.
func without[T comparable](list []T, gone T) []T {
	return slices.DeleteFunc(slices.Clone(list), func(v T) bool { return v == gone })
}
