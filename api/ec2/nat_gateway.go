package ec2

import (
	"context"
	"errors"
	"net/netip"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/api/server"
	"causeway.dev/resource"
	"causeway.dev/store"
)

func (s *Service) natGatewayActions() actions {
	return actions{
		"CreateNatGateway":    server.Operation(s.CreateNatGateway),
		"DeleteNatGateway":    server.Operation(s.DeleteNatGateway),
		"DescribeNatGateways": server.Operation(s.DescribeNatGateways),
	}
}

// A natRequest is a checked CreateNatGateway.
type natRequest struct {
	connectivity string
	address      netip.Addr // zero: any
	tags         []resource.Tag
}

func readNAT(in *model.CreateNatGatewayInput) (natRequest, error) {
	q := natRequest{connectivity: val(in.ConnectivityType)}
	if q.connectivity == "" {
		q.connectivity = resource.ConnectivityPublic
	}
	if err := refuseUnbuilt(
		member{"AvailabilityMode regional", val(in.AvailabilityMode) == model.AvailabilityModeRegional},
		member{"AvailabilityZoneAddress", in.AvailabilityZoneAddresses != nil},
		member{"SecondaryAllocationId", in.SecondaryAllocationIds != nil},
		member{"SecondaryPrivateIpAddress", in.SecondaryPrivateIpAddresses != nil},
		member{"SecondaryPrivateIpAddressCount", in.SecondaryPrivateIpAddressCount != nil},
		member{"VpcId", in.VpcId != nil}, // of regional ones
	); err != nil {
		return q, err
	}
	switch {
	case in.SubnetId == nil:
		return q, resource.Missing("SubnetId")
	case q.connectivity == resource.ConnectivityPublic && in.AllocationId == nil:
		return q, resource.Missing("AllocationId")
	case q.connectivity == resource.ConnectivityPrivate && in.AllocationId != nil:
		return q, resource.Errorf(resource.CodeInvalidParameterCombination, "A NAT gateway with private connectivity has no elastic address: leave AllocationId out")
	}
	var err error
	if in.PrivateIpAddress != nil {
		if q.address, err = resource.ParseIPv4Address("PrivateIpAddress", *in.PrivateIpAddress); err != nil {
			return q, err
		}
	}
	tags, err := tagsFor(in.TagSpecifications, natGateways.kind)
	q.tags = tags[natGateways.kind]
	return q, err
}

// CreateNatGateway makes a NAT gateway in a subnet. Where it cannot be made though
// the request is right, it is there and says why.
func (s *Service) CreateNatGateway(ctx context.Context, c server.Caller, in *model.CreateNatGatewayInput) (*model.CreateNatGatewayOutput, error) {
	q, err := readNAT(in)
	if err != nil {
		return nil, err
	}
	parameters := *in
	parameters.ClientToken, parameters.DryRun = nil, nil
	out := model.CreateNatGatewayOutput{ClientToken: in.ClientToken}
	err = s.update(ctx, c, in.DryRun, func(w writer) error {
		created, err := s.idempotent(w.reader, "CreateNatGateway", in.ClientToken, parameters)
		if err != nil {
			return err
		}
		id := created.newID(natGateways.prefix, 0)
		if v, repeated := natGateways.table.Get(w.Reader, w.scope, id); repeated {
			out.NatGateway = s.natGatewayAnswer(w.reader, &v)
			return created.check(&v.Meta)
		}
		subnet, err := subnets.get(w.reader, *in.SubnetId)
		if err != nil {
			return err
		}
		var address *resource.Address
		if in.AllocationId != nil {
			found, err := addresses.get(w.reader, *in.AllocationId)
			if err != nil {
				return err
			}
			address = &found
		}
		if err := s.roomForNAT(w.reader, subnet.Zone); err != nil {
			return err
		}
		v := resource.NATGateway{Meta: w.newMeta(id, q.tags), VPC: subnet.VPC, Subnet: subnet.ID, Connectivity: q.connectivity}
		created.mark(&v.Meta)
		if address != nil {
			v.Allocation, v.PublicIP = address.ID, address.PublicIP
		}
		if err := s.makeNAT(w, &v, &subnet, address, q.address); err != nil {
			return err
		}
		natGateways.put(w, v)
		out.NatGateway = s.natGatewayAnswer(w.reader, &v)
		return nil
	})
	return &out, err
}

func (s *Service) roomForNAT(r reader, zone string) error {
	inZone := natGateways.count(r, func(v *resource.NATGateway) bool {
		subnet, ok := subnets.table.Get(r.Reader, r.scope, v.Subnet)
		return ok && subnet.Zone == zone && v.Works()
	})
	if inZone >= s.limits.NATGatewaysPerZone {
		return resource.Errorf("NatGatewayLimitExceeded", "The maximum number of NAT gateways in %s has been reached: %d", zone, s.limits.NATGatewaysPerZone)
	}
	return nil
}

// makeNAT gives a gateway its interface and its address, or says in it why not.
func (s *Service) makeNAT(w writer, v *resource.NATGateway, subnet *resource.Subnet, address *resource.Address, wanted netip.Addr) error {
	fail := func(e *resource.Error) error {
		v.FailureCode, v.FailureMessage, v.Deleted = e.Code, e.Message, w.deletedNow()
		return nil
	}
	if address != nil {
		switch {
		case internetGatewayOf(w.reader, v.VPC) == "":
			return fail(resource.Errorf(resource.CodeGatewayNotAttached, "Network %s has no Internet gateway attached", v.VPC))
		case address.NetworkInterface != "":
			return fail(resource.Errorf(resource.CodeResourceAlreadyAssociated, "Elastic IP address [%s] is already associated", address.ID))
		}
	}
	private, err := allocateAddress(subnet, takenAddresses(w.reader, subnet.ID), wanted)
	var refused *resource.Error
	if errors.As(err, &refused) && refused.Code == codeSubnetFull {
		return fail(refused)
	}
	if err != nil {
		return err
	}
	nic := resource.NetworkInterface{
		Meta: w.newMeta(s.newID(networkInterfaces.prefix), nil), VPC: v.VPC, Subnet: subnet.ID, Zone: subnet.Zone, Address: private, MAC: s.newMAC(w.reader),
		Description: "Interface for NAT Gateway " + v.ID, NATGateway: v.ID,
	}
	nic.Attach(s.newID(attachmentPrefix), w.now)
	networkInterfaces.put(w, nic)
	v.NetworkInterface, v.PrivateAddress = nic.ID, private
	if address != nil {
		address.Association, address.NetworkInterface, address.PrivateAddress = s.newID(addressAssociationPrefix), nic.ID, private
		addresses.put(w, *address)
		v.Association = address.Association
	}
	return nil
}

// DeleteNatGateway removes a NAT gateway with its interface, and frees its
// address. Routes to it stay, as black holes, and it stays visible for a while.
func (s *Service) DeleteNatGateway(ctx context.Context, c server.Caller, in *model.DeleteNatGatewayInput) (*model.DeleteNatGatewayOutput, error) {
	out := model.DeleteNatGatewayOutput{NatGatewayId: in.NatGatewayId}
	return &out, s.update(ctx, c, in.DryRun, func(w writer) error {
		v, err := natGateways.get(w.reader, val(in.NatGatewayId))
		if err != nil || !v.Works() {
			return err
		}
		freeAddressesOf(w, v.NetworkInterface)
		networkInterfaces.delete(w, v.NetworkInterface)
		v.Deleted = w.deletedNow()
		natGateways.put(w, v)
		return nil
	})
}

// natGatewayState is what was asked of a gateway with what was seen of it: it is
// available when a node has it, and deleted when none has.
func natGatewayState(r reader, v *resource.NATGateway) string {
	status, _ := store.NATGatewayStatuses.Get(r.Reader, r.scope, v.ID)
	switch {
	case v.FailureCode != "":
		return resource.StateFailed
	case v.Deleted != nil && status.Stands:
		return resource.StateDeleting
	case v.Deleted != nil:
		return resource.StateDeleted
	case status.Stands:
		return resource.StateAvailable
	}
	return resource.StatePending
}

var natGatewayFields = fields[resource.NATGateway]{
	"nat-gateway-id": func(_ reader, v *resource.NATGateway) []string { return one(v.ID) },
	"state":          func(r reader, v *resource.NATGateway) []string { return one(natGatewayState(r, v)) },
	"subnet-id":      func(_ reader, v *resource.NATGateway) []string { return one(v.Subnet) },
	"vpc-id":         func(_ reader, v *resource.NATGateway) []string { return one(v.VPC) },
}

// DescribeNatGateways lists NAT gateways.
func (s *Service) DescribeNatGateways(_ context.Context, c server.Caller, in *model.DescribeNatGatewaysInput) (*model.DescribeNatGatewaysOutput, error) {
	r := s.read(c)
	found, next, err := describe(r, natGateways, natGatewayFields, query{"DescribeNatGateways", in.DryRun, in.NatGatewayIds, in.Filter, in.MaxResults, in.NextToken})
	if err != nil {
		return nil, err
	}
	answer := func(v *resource.NATGateway) *model.NatGateway { return s.natGatewayAnswer(r, v) }
	return &model.DescribeNatGatewaysOutput{NatGateways: answers(found, answer), NextToken: next}, nil
}

func (s *Service) natGatewayAnswer(r reader, v *resource.NATGateway) *model.NatGateway {
	address := model.NatGatewayAddress{
		AllocationId: str(v.Allocation), AssociationId: str(v.Association), IsPrimary: new(true), NetworkInterfaceId: str(v.NetworkInterface),
		PrivateIp: addressText(v.PrivateAddress), PublicIp: addressText(v.PublicIP), Status: new(model.NatGatewayAddressStatusSucceeded),
	}
	if v.FailureCode != "" {
		address.Status, address.FailureMessage = new(model.NatGatewayAddressStatusFailed), &v.FailureMessage
	}
	return &model.NatGateway{
		AvailabilityMode: new(model.AvailabilityModeZonal), ConnectivityType: &v.Connectivity, CreateTime: timestamp(v.Created), DeleteTime: v.Deleted,
		FailureCode: str(string(v.FailureCode)), FailureMessage: str(v.FailureMessage), NatGatewayAddresses: []model.NatGatewayAddress{address},
		NatGatewayId: &v.ID, State: new(natGatewayState(r, v)), SubnetId: &v.Subnet, Tags: tagSet(v.Tags), VpcId: &v.VPC,
	}
}
