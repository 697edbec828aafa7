package ec2

import (
	"context"
	"errors"
	"net/netip"
	"slices"

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

		"AssociateNatGatewayAddress":       server.Operation(s.AssociateNatGatewayAddress),
		"DisassociateNatGatewayAddress":    server.Operation(s.DisassociateNatGatewayAddress),
		"AssignPrivateNatGatewayAddress":   server.Operation(s.AssignPrivateNatGatewayAddress),
		"UnassignPrivateNatGatewayAddress": server.Operation(s.UnassignPrivateNatGatewayAddress),
	}
}

// A natRequest is a checked CreateNatGateway.
type natRequest struct {
	connectivity string
	address      netip.Addr // zero: any
	secondary    natAddressWish
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
	private := q.connectivity == resource.ConnectivityPrivate
	var err error
	if q.secondary, err = readNATAddressWish(private, in.SecondaryAllocationIds, in.SecondaryPrivateIpAddresses, in.SecondaryPrivateIpAddressCount); err != nil {
		return q, err
	}
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
		if subnet.IPv6Only() {
			return noIPv4(subnet.ID)
		}
		var allocations []string // of the primary address first
		if in.AllocationId != nil {
			allocations = append([]string{*in.AllocationId}, q.secondary.allocations...)
		}
		elastic, err := distinctAddresses(w.reader, allocations)
		if err != nil {
			return err
		}
		if err := checkNATAddresses(w.limits, q.connectivity, 1+q.secondary.size()); err != nil {
			return err
		}
		if err := s.roomForNAT(w.reader, subnet.Zone); err != nil {
			return err
		}
		v := resource.NATGateway{Meta: w.newMeta(id, q.tags), VPC: subnet.VPC, Subnet: subnet.ID, Connectivity: q.connectivity}
		created.mark(&v.Meta)
		if len(elastic) > 0 {
			v.Allocation, v.PublicIP = elastic[0].ID, elastic[0].PublicIP
		}
		if err := s.makeNAT(w, &v, &subnet, elastic, &q); err != nil {
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
	if inZone >= r.limits.NATGatewaysPerZone {
		return resource.Errorf("NatGatewayLimitExceeded", "The maximum number of NAT gateways in %s has been reached: %d", zone, r.limits.NATGatewaysPerZone)
	}
	return nil
}

// makeNAT gives a gateway its interface and its addresses, or says in it why not.
func (s *Service) makeNAT(w writer, v *resource.NATGateway, subnet *resource.Subnet, elastic []resource.Address, q *natRequest) error {
	fail := func(e *resource.Error) error {
		v.FailureCode, v.FailureMessage, v.Deleted = e.Code, e.Message, w.deletedNow()
		return nil
	}
	if len(elastic) > 0 && internetGatewayOf(w.reader, v.VPC) == "" {
		return fail(resource.Errorf(resource.CodeGatewayNotAttached, "Network %s has no Internet gateway attached", v.VPC))
	}
	if err := checkUnassociated(elastic); err != nil {
		return fail(err)
	}
	wish := addressWish{primary: q.address, secondary: q.secondary.addresses, count: q.secondary.size() - len(q.secondary.addresses)}
	if err := checkTwice(append(slices.Clone(wish.secondary), wish.primary)); err != nil {
		return err
	}
	primary, others, err := wish.allocate(subnet, takenAddresses(w.reader, subnet.ID))
	var refused *resource.Error
	if errors.As(err, &refused) && refused.Code == codeSubnetFull {
		return fail(refused)
	}
	if err != nil {
		return err
	}
	nic := resource.NetworkInterface{
		Meta: w.newMeta(s.newID(networkInterfaces.prefix), nil), VPC: v.VPC, Subnet: subnet.ID, Zone: subnet.Zone, Address: primary, MAC: s.newMAC(w.reader),
		Description: "Interface for NAT Gateway " + v.ID, NATGateway: v.ID,
	}
	nic.Attach(s.newID(attachmentPrefix), w.now)
	v.NetworkInterface, v.PrivateAddress = nic.ID, primary
	if len(elastic) > 0 {
		v.Association = s.mapAddress(w, &elastic[0], nic.ID, primary)
		elastic = elastic[1:]
	}
	s.addNATAddresses(w, v, &nic, others, elastic)
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
	return &model.NatGateway{
		AvailabilityMode: new(model.AvailabilityModeZonal), ConnectivityType: &v.Connectivity, CreateTime: timestamp(v.Created), DeleteTime: v.Deleted,
		FailureCode: str(string(v.FailureCode)), FailureMessage: str(v.FailureMessage), NatGatewayAddresses: natAddressAnswers(r, v),
		NatGatewayId: &v.ID, State: new(natGatewayState(r, v)), SubnetId: &v.Subnet, Tags: tagSet(v.Tags), VpcId: &v.VPC,
	}
}
