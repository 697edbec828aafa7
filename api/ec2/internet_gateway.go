package ec2

import (
	"context"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/api/server"
	"causeway.dev/resource"
)

func (s *Service) internetGatewayActions() actions {
	return actions{
		"CreateInternetGateway":    server.Operation(s.CreateInternetGateway),
		"DeleteInternetGateway":    server.Operation(s.DeleteInternetGateway),
		"AttachInternetGateway":    server.Operation(s.AttachInternetGateway),
		"DetachInternetGateway":    server.Operation(s.DetachInternetGateway),
		"DescribeInternetGateways": server.Operation(s.DescribeInternetGateways),

		"CreateEgressOnlyInternetGateway":    server.Operation(s.CreateEgressOnlyInternetGateway),
		"DeleteEgressOnlyInternetGateway":    server.Operation(s.DeleteEgressOnlyInternetGateway),
		"DescribeEgressOnlyInternetGateways": server.Operation(s.DescribeEgressOnlyInternetGateways),
	}
}

// CreateInternetGateway makes an internet gateway that is attached to nothing.
func (s *Service) CreateInternetGateway(ctx context.Context, c server.Caller, in *model.CreateInternetGatewayInput) (*model.CreateInternetGatewayOutput, error) {
	tags, err := tagsFor(in.TagSpecifications, internetGateways.kind)
	if err != nil {
		return nil, err
	}
	var out model.CreateInternetGatewayOutput
	err = s.update(ctx, c, in.DryRun, func(w writer) error {
		if internetGateways.total(w.reader) >= w.limits.InternetGateways {
			return resource.Errorf("InternetGatewayLimitExceeded", "The maximum number of internet gateways has been reached: %d", w.limits.InternetGateways)
		}
		v := resource.InternetGateway{Meta: w.newMeta(s.newID(internetGateways.prefix), tags[internetGateways.kind])}
		internetGateways.put(w, v)
		out.InternetGateway = internetGatewayAnswer(&v)
		return nil
	})
	return &out, err
}

// DeleteInternetGateway removes a gateway that is attached to nothing.
func (s *Service) DeleteInternetGateway(ctx context.Context, c server.Caller, in *model.DeleteInternetGatewayInput) (*model.DeleteInternetGatewayOutput, error) {
	return nil, s.update(ctx, c, in.DryRun, func(w writer) error {
		v, err := internetGateways.get(w.reader, val(in.InternetGatewayId))
		if err != nil {
			return err
		}
		if v.VPC != "" {
			return resource.Errorf(resource.CodeDependencyViolation, "The internetGateway '%s' has dependencies and cannot be deleted: it is attached to %s", v.ID, v.VPC)
		}
		internetGateways.delete(w, v.ID)
		return nil
	})
}

// AttachInternetGateway joins a VPC to the outside. A gateway has one VPC at most
// and a VPC one gateway.
func (s *Service) AttachInternetGateway(ctx context.Context, c server.Caller, in *model.AttachInternetGatewayInput) (*model.AttachInternetGatewayOutput, error) {
	return nil, s.update(ctx, c, in.DryRun, func(w writer) error {
		v, err := internetGateways.get(w.reader, val(in.InternetGatewayId))
		if err != nil {
			return err
		}
		vpc, err := vpcs.get(w.reader, val(in.VpcId))
		if err != nil {
			return err
		}
		if v.VPC != "" {
			return resource.Errorf(resource.CodeResourceAlreadyAssociated, "resource %s is already attached to network %s", v.ID, v.VPC)
		}
		if other := internetGatewayOf(w.reader, vpc.ID); other != "" {
			return resource.Errorf(resource.CodeInvalidParameterValue, "Network %s already has an internet gateway attached: %s", vpc.ID, other)
		}
		v.VPC = vpc.ID
		internetGateways.put(w, v)
		return nil
	})
}

// internetGatewayOf returns the gateway that is attached to a VPC, or "".
func internetGatewayOf(r reader, vpc string) string {
	for v := range internetGateways.list(r) {
		if v.VPC == vpc {
			return v.ID
		}
	}
	return ""
}

// notAttached refuses what counts on an internet gateway where there is none.
func notAttached(vpc string) *resource.Error {
	return resource.Errorf(resource.CodeGatewayNotAttached, "Network %s is not attached to any internet gateway", vpc)
}

// DetachInternetGateway takes a gateway from its VPC. Routes to it stay, as black
// holes, and so does the route table of what it let in, for nobody.
func (s *Service) DetachInternetGateway(ctx context.Context, c server.Caller, in *model.DetachInternetGatewayInput) (*model.DetachInternetGatewayOutput, error) {
	return nil, s.update(ctx, c, in.DryRun, func(w writer) error {
		v, err := internetGateways.get(w.reader, val(in.InternetGatewayId))
		if err != nil {
			return err
		}
		vpc, err := vpcs.get(w.reader, val(in.VpcId))
		if err != nil {
			return err
		}
		if v.VPC != vpc.ID {
			return resource.Errorf(resource.CodeGatewayNotAttached, "resource %s is not attached to network %s", v.ID, vpc.ID)
		}
		for address := range addresses.list(w.reader) {
			nic, ok := networkInterfaces.table.Get(w.Reader, w.scope, address.NetworkInterface)
			if ok && nic.VPC == vpc.ID {
				return resource.Errorf(resource.CodeDependencyViolation, "Network %s has some mapped public address(es), such as %s on %s. Please unmap those public address(es) before detaching the gateway.", vpc.ID, address.PublicIP, nic.ID)
			}
		}
		if table, at := edgeAssociation(w.reader, v.ID); at >= 0 {
			disassociate(w, table, at)
		}
		v.VPC = ""
		internetGateways.put(w, v)
		return nil
	})
}

// DescribeInternetGateways lists internet gateways.
func (s *Service) DescribeInternetGateways(_ context.Context, c server.Caller, in *model.DescribeInternetGatewaysInput) (*model.DescribeInternetGatewaysOutput, error) {
	found, next, err := describe(s.read(c), internetGateways, internetGatewayFields, query{"DescribeInternetGateways", in.DryRun, in.InternetGatewayIds, in.Filters, in.MaxResults, in.NextToken})
	if err != nil {
		return nil, err
	}
	return &model.DescribeInternetGatewaysOutput{InternetGateways: answers(found, internetGatewayAnswer), NextToken: next}, nil
}

// attachedAnswer is how an internet gateway's attachment is shown: AWS calls its
// state available, not attached.
func attachedAnswer(vpc string) []model.InternetGatewayAttachment {
	if vpc == "" {
		return nil
	}
	return []model.InternetGatewayAttachment{{State: new(resource.StateAvailable), VpcId: &vpc}}
}

func internetGatewayAnswer(v *resource.InternetGateway) *model.InternetGateway {
	return &model.InternetGateway{Attachments: attachedAnswer(v.VPC), InternetGatewayId: &v.ID, OwnerId: &v.Account, Tags: tagSet(v.Tags)}
}

var internetGatewayFields = fields[resource.InternetGateway]{
	"attachment.state": func(_ reader, v *resource.InternetGateway) []string {
		return mapped(attachedAnswer(v.VPC), func(a *model.InternetGatewayAttachment) string { return *a.State })
	},
	"attachment.vpc-id":   func(_ reader, v *resource.InternetGateway) []string { return one(v.VPC) },
	"internet-gateway-id": func(_ reader, v *resource.InternetGateway) []string { return one(v.ID) },
	"owner-id":            func(_ reader, v *resource.InternetGateway) []string { return one(v.Account) },
}

// CreateEgressOnlyInternetGateway makes a gateway for a VPC's IPv6 addresses.
func (s *Service) CreateEgressOnlyInternetGateway(ctx context.Context, c server.Caller, in *model.CreateEgressOnlyInternetGatewayInput) (*model.CreateEgressOnlyInternetGatewayOutput, error) {
	tags, err := tagsFor(in.TagSpecifications, egressOnlyInternetGateways.kind)
	if err != nil {
		return nil, err
	}
	parameters := *in
	parameters.ClientToken, parameters.DryRun = nil, nil
	out := model.CreateEgressOnlyInternetGatewayOutput{ClientToken: in.ClientToken}
	err = s.update(ctx, c, in.DryRun, func(w writer) error {
		created, err := s.idempotent(w.reader, "CreateEgressOnlyInternetGateway", in.ClientToken, parameters)
		if err != nil {
			return err
		}
		id := created.newID(egressOnlyInternetGateways.prefix, 0)
		if v, repeated := egressOnlyInternetGateways.table.Get(w.Reader, w.scope, id); repeated {
			out.EgressOnlyInternetGateway = egressOnlyAnswer(&v)
			return created.check(&v.Meta)
		}
		vpc, err := vpcs.get(w.reader, val(in.VpcId))
		if err != nil {
			return err
		}
		if egressOnlyInternetGateways.total(w.reader) >= w.limits.EgressOnlyInternetGateways {
			return resource.Errorf("EgressOnlyInternetGatewayLimitExceeded", "The maximum number of egress-only internet gateways has been reached: %d", w.limits.EgressOnlyInternetGateways)
		}
		v := resource.EgressOnlyInternetGateway{Meta: w.newMeta(id, tags[egressOnlyInternetGateways.kind]), VPC: vpc.ID}
		created.mark(&v.Meta)
		egressOnlyInternetGateways.put(w, v)
		out.EgressOnlyInternetGateway = egressOnlyAnswer(&v)
		return nil
	})
	return &out, err
}

// DeleteEgressOnlyInternetGateway removes an egress-only internet gateway.
func (s *Service) DeleteEgressOnlyInternetGateway(ctx context.Context, c server.Caller, in *model.DeleteEgressOnlyInternetGatewayInput) (*model.DeleteEgressOnlyInternetGatewayOutput, error) {
	err := s.update(ctx, c, in.DryRun, func(w writer) error {
		v, err := egressOnlyInternetGateways.get(w.reader, val(in.EgressOnlyInternetGatewayId))
		if err == nil {
			egressOnlyInternetGateways.delete(w, v.ID)
		}
		return err
	})
	return &model.DeleteEgressOnlyInternetGatewayOutput{ReturnCode: new(true)}, err
}

// DescribeEgressOnlyInternetGateways lists egress-only internet gateways.
func (s *Service) DescribeEgressOnlyInternetGateways(_ context.Context, c server.Caller, in *model.DescribeEgressOnlyInternetGatewaysInput) (*model.DescribeEgressOnlyInternetGatewaysOutput, error) {
	found, next, err := describe(s.read(c), egressOnlyInternetGateways, fields[resource.EgressOnlyInternetGateway]{},
		query{"DescribeEgressOnlyInternetGateways", in.DryRun, in.EgressOnlyInternetGatewayIds, in.Filters, in.MaxResults, in.NextToken})
	if err != nil {
		return nil, err
	}
	return &model.DescribeEgressOnlyInternetGatewaysOutput{EgressOnlyInternetGateways: answers(found, egressOnlyAnswer), NextToken: next}, nil
}

func egressOnlyAnswer(v *resource.EgressOnlyInternetGateway) *model.EgressOnlyInternetGateway {
	attachments := attachedAnswer(v.VPC)
	attachments[0].State = new(resource.StateAttached)
	return &model.EgressOnlyInternetGateway{Attachments: attachments, EgressOnlyInternetGatewayId: &v.ID, Tags: tagSet(v.Tags)}
}

// checkInternetGateway checks an internet gateway as the target of a route.
func checkInternetGateway(r reader, table *resource.RouteTable, id string) error {
	v, ok := internetGateways.table.Get(r.Reader, r.scope, id)
	if !ok {
		return noGateway(id)
	}
	if v.VPC != table.VPC {
		return differentNetworks(table, "network gateway "+v.ID)
	}
	return nil
}

func noGateway(id string) error {
	return resource.Errorf("InvalidGatewayID.NotFound", "The gateway ID '%s' does not exist", resource.Clip(id))
}

// checkEdge checks a gateway that a route table is to be associated with, so that
// what it lets into the VPC is routed by it.
func checkEdge(r reader, table *resource.RouteTable, id string) error {
	if err := checkGateway(r, table, id); err != nil {
		return err
	}
	if len(table.PropagatingVGWs) > 0 {
		return resource.Errorf(resource.CodeInvalidParameterValue, "Route table %s cannot be associated with a gateway: %s propagates routes into it", table.ID, table.PropagatingVGWs[0])
	}
	vpc, err := vpcs.get(r, table.VPC)
	if err != nil {
		return err
	}
	for _, route := range table.Routes {
		if err := checkEdgeRoute(&vpc, table, &route); err != nil {
			return err
		}
	}
	return nil
}

// checkEdgeRoute checks a route of a table that is associated with a gateway: it
// leads a part of the VPC, or all of it, through an interface.
func checkEdgeRoute(vpc *resource.VPC, table *resource.RouteTable, route *resource.Route) error {
	if !vpc.Contains(route.Destination) {
		return resource.Errorf(resource.CodeInvalidParameterValue, "Route table %s is associated with a gateway: the destination %s is not within %s, where all that comes in goes", table.ID, route.Destination, vpc.ID)
	}
	if gateway := route.Gateway + route.NATGateway + route.EgressOnlyInternetGateway; gateway != "" {
		return resource.Errorf(resource.CodeInvalidParameterValue, "Route table %s is associated with a gateway: its routes can lead to an instance or a network interface only, not to %s", table.ID, gateway)
	}
	return nil
}

// isEdge reports whether a route table is associated with a gateway.
func isEdge(table *resource.RouteTable) bool {
	for _, a := range table.Associations {
		if a.Gateway != "" {
			return true
		}
	}
	return false
}

// edgeAssociation finds the route table that a gateway is associated with, and
// where in its list the association stands; -1 if there is none.
func edgeAssociation(r reader, gateway string) (table resource.RouteTable, at int) {
	for v := range routeTables.list(r) {
		for at, a := range v.Associations {
			if a.Gateway == gateway {
				return v, at
			}
		}
	}
	return table, -1
}
