package ec2

import (
	"context"
	"slices"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/api/server"
	"causeway.dev/control/routes"
	"causeway.dev/resource"
	"causeway.dev/store"
)

func (s *Service) routeTableActions() actions {
	return actions{
		"CreateRouteTable":             server.Operation(s.CreateRouteTable),
		"DeleteRouteTable":             server.Operation(s.DeleteRouteTable),
		"DescribeRouteTables":          server.Operation(s.DescribeRouteTables),
		"AssociateRouteTable":          server.Operation(s.AssociateRouteTable),
		"DisassociateRouteTable":       server.Operation(s.DisassociateRouteTable),
		"ReplaceRouteTableAssociation": server.Operation(s.ReplaceRouteTableAssociation),
	}
}

// associationPrefix begins the ids of what ties a subnet, or a VPC's rest, to a
// route table.
const associationPrefix = "rtbassoc"

// makeMain makes a route table the one that all subnets of its VPC use that are
// associated with no other. It returns the id of that association.
func (s *Service) makeMain(table *resource.RouteTable) (association string) {
	table.Main, table.MainAssociation = true, s.newID(associationPrefix)
	return table.MainAssociation
}

// CreateRouteTable makes a route table that knows the VPC's own ranges only.
func (s *Service) CreateRouteTable(ctx context.Context, c server.Caller, in *model.CreateRouteTableInput) (*model.CreateRouteTableOutput, error) {
	tags, err := tagsFor(in.TagSpecifications, routeTables.kind)
	if err != nil {
		return nil, err
	}
	parameters := *in
	parameters.ClientToken, parameters.DryRun = nil, nil
	out := model.CreateRouteTableOutput{ClientToken: in.ClientToken}
	err = s.update(ctx, c, in.DryRun, func(w writer) error {
		created, err := s.idempotent(w.reader, "CreateRouteTable", in.ClientToken, parameters)
		if err != nil {
			return err
		}
		id := created.newID(routeTables.prefix, 0)
		if v, repeated := routeTables.table.Get(w.Reader, w.scope, id); repeated {
			out.RouteTable = newRouteTableView(w.reader).answer(&v)
			return created.check(&v.Meta)
		}
		vpc, err := vpcs.get(w.reader, val(in.VpcId))
		if err != nil {
			return err
		}
		if len(routeTables.found(w.reader, store.ByVPC, vpc.ID)) >= w.limits.RouteTablesPerVPC {
			return resource.Errorf("RouteTableLimitExceeded", "The maximum number of route tables of a VPC has been reached: %d", w.limits.RouteTablesPerVPC)
		}
		v := resource.RouteTable{Meta: w.newMeta(id, tags[routeTables.kind]), VPC: vpc.ID}
		created.mark(&v.Meta)
		routeTables.put(w, v)
		out.RouteTable = newRouteTableView(w.reader).answer(&v)
		return nil
	})
	return &out, err
}

// DeleteRouteTable removes a route table that no subnet or gateway uses.
func (s *Service) DeleteRouteTable(ctx context.Context, c server.Caller, in *model.DeleteRouteTableInput) (*model.DeleteRouteTableOutput, error) {
	return nil, s.update(ctx, c, in.DryRun, func(w writer) error {
		v, err := routeTables.get(w.reader, val(in.RouteTableId))
		if err != nil {
			return err
		}
		switch {
		case v.Main:
			return resource.Errorf(resource.CodeDependencyViolation, "The routeTable '%s' has dependencies and cannot be deleted: it is the main route table of %s", v.ID, v.VPC)
		case len(v.Associations) > 0:
			return resource.Errorf(resource.CodeDependencyViolation, "The routeTable '%s' has dependencies and cannot be deleted: %s is associated with it", v.ID, v.Associations[0].Subnet+v.Associations[0].Gateway)
		}
		routeTables.delete(w, v.ID)
		return nil
	})
}

// A routeTableView shows route tables with the routes that are in effect.
type routeTableView struct {
	reader reader
	routes *routes.Routes
}

func newRouteTableView(r reader) routeTableView {
	return routeTableView{reader: r, routes: routes.New(r.Reader, r.scope)}
}

func (view routeTableView) answer(v *resource.RouteTable) *model.RouteTable {
	effective := view.routes.Effective(*v)
	return &model.RouteTable{
		Associations:    associationAnswers(v),
		OwnerId:         &v.Account,
		PropagatingVgws: mapped(v.PropagatingVGWs, func(id *string) model.PropagatingVgw { return model.PropagatingVgw{GatewayId: id} }),
		RouteTableId:    &v.ID,
		Routes:          mapped(effective, view.route),
		Tags:            tagSet(v.Tags),
		VpcId:           &v.VPC,
	}
}

func (view routeTableView) route(route *routes.EffectiveRoute) model.Route {
	answer := model.Route{
		EgressOnlyInternetGatewayId: str(route.EgressOnlyInternetGateway),
		GatewayId:                   str(route.Gateway),
		InstanceId:                  str(route.Instance),
		NatGatewayId:                str(route.NATGateway),
		NetworkInterfaceId:          str(route.NetworkInterface),
		Origin:                      new(string(route.Origin)),
		State:                       new(string(route.State)),
	}
	switch {
	case route.PrefixList != "":
		answer.DestinationPrefixListId = &route.PrefixList
	case route.Destination.Addr().Is4():
		answer.DestinationCidrBlock = new(route.Destination.String())
	default:
		answer.DestinationIpv6CidrBlock = new(route.Destination.String())
	}
	if nic, ok := networkInterfaces.table.Get(view.reader.Reader, view.reader.scope, route.NetworkInterface); ok && nic.Instance != "" {
		answer.InstanceId, answer.InstanceOwnerId = &nic.Instance, new(nic.InstanceAccount())
	}
	return answer
}

func associationAnswers(v *resource.RouteTable) []model.RouteTableAssociation {
	list := make([]model.RouteTableAssociation, 0, 1+len(v.Associations))
	if v.Main {
		list = append(list, model.RouteTableAssociation{
			AssociationState: associated(), Main: new(true), RouteTableAssociationId: &v.MainAssociation, RouteTableId: &v.ID,
		})
	}
	for i := range v.Associations {
		a := &v.Associations[i]
		list = append(list, model.RouteTableAssociation{
			AssociationState: associated(), Main: new(false), RouteTableAssociationId: &a.ID, RouteTableId: &v.ID, SubnetId: str(a.Subnet), GatewayId: str(a.Gateway),
		})
	}
	return list
}

func associated() *model.RouteTableAssociationState {
	return &model.RouteTableAssociationState{State: new(model.RouteTableAssociationStateCodeAssociated)}
}

func (view routeTableView) fields() fields[resource.RouteTable] {
	type table = resource.RouteTable
	association := func(f func(*model.RouteTableAssociation) string) func(reader, *table) []string {
		return func(_ reader, v *table) []string { return mapped(associationAnswers(v), f) }
	}
	route := func(f func(*model.Route) *string) func(reader, *table) []string {
		return func(_ reader, v *table) (values []string) {
			for _, effective := range view.routes.Effective(*v) {
				answer := view.route(&effective)
				values = append(values, one(val(f(&answer)))...)
			}
			return values
		}
	}
	return fields[table]{
		"association.gateway-id": func(_ reader, v *table) (values []string) {
			for _, a := range v.Associations {
				values = append(values, one(a.Gateway)...)
			}
			return values
		},
		"association.main": func(_ reader, v *table) []string {
			return mapped(associationAnswers(v), func(a *model.RouteTableAssociation) string { return truth(*a.Main)[0] })
		},
		"association.route-table-association-id": association(func(a *model.RouteTableAssociation) string { return *a.RouteTableAssociationId }),
		"association.route-table-id":             association(func(a *model.RouteTableAssociation) string { return *a.RouteTableId }),
		"association.subnet-id":                  association(func(a *model.RouteTableAssociation) string { return val(a.SubnetId) }),
		"owner-id":                               func(_ reader, v *table) []string { return one(v.Account) },
		"route-table-id":                         func(_ reader, v *table) []string { return one(v.ID) },
		"route.destination-cidr-block":           route(func(r *model.Route) *string { return r.DestinationCidrBlock }),
		"route.destination-ipv6-cidr-block":      route(func(r *model.Route) *string { return r.DestinationIpv6CidrBlock }),
		"route.egress-only-internet-gateway-id":  route(func(r *model.Route) *string { return r.EgressOnlyInternetGatewayId }),
		"route.destination-prefix-list-id":       route(func(r *model.Route) *string { return r.DestinationPrefixListId }),
		"route.gateway-id":                       route(func(r *model.Route) *string { return r.GatewayId }),
		"route.instance-id":                      route(func(r *model.Route) *string { return r.InstanceId }),
		"route.nat-gateway-id":                   route(func(r *model.Route) *string { return r.NatGatewayId }),
		"route.origin":                           route(func(r *model.Route) *string { return r.Origin }),
		"route.state":                            route(func(r *model.Route) *string { return r.State }),
		"vpc-id":                                 func(_ reader, v *table) []string { return one(v.VPC) },
	}
}

// DescribeRouteTables lists route tables.
func (s *Service) DescribeRouteTables(_ context.Context, c server.Caller, in *model.DescribeRouteTablesInput) (*model.DescribeRouteTablesOutput, error) {
	r := s.read(c)
	view := newRouteTableView(r)
	found, next, err := describe(r, routeTables, view.fields(), query{"DescribeRouteTables", in.DryRun, in.RouteTableIds, in.Filters, in.MaxResults, in.NextToken})
	if err != nil {
		return nil, err
	}
	return &model.DescribeRouteTablesOutput{RouteTables: answers(found, view.answer), NextToken: next}, nil
}

// AssociateRouteTable ties a subnet to a route table, or a gateway, whose packets
// into the VPC it routes then.
func (s *Service) AssociateRouteTable(ctx context.Context, c server.Caller, in *model.AssociateRouteTableInput) (*model.AssociateRouteTableOutput, error) {
	if err := refuseUnbuilt(member{"PublicIpv4Pool", in.PublicIpv4Pool != nil}); err != nil {
		return nil, err
	}
	subnetID, gateway := val(in.SubnetId), val(in.GatewayId)
	switch {
	case subnetID == "" && gateway == "":
		return nil, resource.Missing("SubnetId")
	case subnetID != "" && gateway != "":
		return nil, resource.Errorf(resource.CodeInvalidParameterCombination, "Give SubnetId or GatewayId, not both")
	}
	out := model.AssociateRouteTableOutput{AssociationState: associated()}
	err := s.update(ctx, c, in.DryRun, func(w writer) error {
		v, err := routeTables.get(w.reader, val(in.RouteTableId))
		if err != nil {
			return err
		}
		a := resource.RouteTableAssociation{Subnet: subnetID, Gateway: gateway}
		if gateway != "" {
			err = checkEdge(w.reader, &v, gateway)
		} else {
			err = checkTableSubnet(w.reader, &v, subnetID)
		}
		if err != nil {
			return err
		}
		for other := range routeTables.of(w.reader, v.VPC) {
			if slices.ContainsFunc(other.Associations, func(o resource.RouteTableAssociation) bool { return o.Subnet == a.Subnet && o.Gateway == a.Gateway }) {
				return resource.Errorf(resource.CodeResourceAlreadyAssociated, "the specified association for route table %s conflicts with an existing association: %s is associated with %s", v.ID, subnetID+gateway, other.ID)
			}
		}
		out.AssociationId = new(s.associate(w, v, a))
		return nil
	})
	return &out, err
}

func checkTableSubnet(r reader, table *resource.RouteTable, id string) error {
	subnet, err := subnets.get(r, id)
	if err == nil && subnet.VPC != table.VPC {
		err = resource.Errorf(resource.CodeInvalidParameterValue, "Route table %s and subnet %s belong to different networks", table.ID, subnet.ID)
	}
	return err
}

// associate ties a subnet or gateway to a route table and returns the
// association's id.
func (s *Service) associate(w writer, table resource.RouteTable, a resource.RouteTableAssociation) string {
	a.ID = s.newID(associationPrefix)
	table.Associations = append(slices.Clone(table.Associations), a)
	routeTables.put(w, table)
	return a.ID
}

// disassociate takes an association from a route table.
func disassociate(w writer, table resource.RouteTable, at int) {
	table.Associations = slices.Delete(slices.Clone(table.Associations), at, at+1)
	routeTables.put(w, table)
}

// associationByID finds the route table of an association, and where in its list
// the association stands: -1 for that of a main route table.
func associationByID(r reader, id string) (table resource.RouteTable, at int, err error) {
	for v := range routeTables.list(r) {
		if v.Main && v.MainAssociation == id {
			return v, -1, nil
		}
		if at := slices.IndexFunc(v.Associations, func(a resource.RouteTableAssociation) bool { return a.ID == id }); at >= 0 {
			return v, at, nil
		}
	}
	return table, 0, resource.Errorf("InvalidAssociationID.NotFound", "The association ID '%s' does not exist", resource.Clip(id))
}

// DisassociateRouteTable lets a subnet use the main route table again, or a
// gateway's packets go to the VPC's interfaces.
func (s *Service) DisassociateRouteTable(ctx context.Context, c server.Caller, in *model.DisassociateRouteTableInput) (*model.DisassociateRouteTableOutput, error) {
	return nil, s.update(ctx, c, in.DryRun, func(w writer) error {
		v, at, err := associationByID(w.reader, val(in.AssociationId))
		if err != nil {
			return err
		}
		if at < 0 {
			return resource.Errorf(resource.CodeInvalidParameterValue, "cannot disassociate the main route table association %s: replace it, so that another route table becomes the main one", v.MainAssociation)
		}
		disassociate(w, v, at)
		return nil
	})
}

// ReplaceRouteTableAssociation ties a subnet or gateway to another route table, or makes
// another route table the main one.
func (s *Service) ReplaceRouteTableAssociation(ctx context.Context, c server.Caller, in *model.ReplaceRouteTableAssociationInput) (*model.ReplaceRouteTableAssociationOutput, error) {
	out := model.ReplaceRouteTableAssociationOutput{AssociationState: associated()}
	err := s.update(ctx, c, in.DryRun, func(w writer) error {
		from, at, err := associationByID(w.reader, val(in.AssociationId))
		if err != nil {
			return err
		}
		to, err := routeTables.get(w.reader, val(in.RouteTableId))
		if err != nil {
			return err
		}
		if to.VPC != from.VPC {
			return resource.Errorf(resource.CodeInvalidParameterValue, "Route table %s and association %s belong to different networks", to.ID, val(in.AssociationId))
		}
		if to.ID == from.ID {
			return resource.Errorf(resource.CodeResourceAlreadyAssociated, "the association %s is with route table %s already", val(in.AssociationId), to.ID)
		}
		if at < 0 {
			from.Main, from.MainAssociation = false, ""
			routeTables.put(w, from)
			out.NewAssociationId = new(s.makeMain(&to))
			routeTables.put(w, to)
			return nil
		}
		moved := from.Associations[at]
		if moved.Gateway != "" {
			if err := checkEdge(w.reader, &to, moved.Gateway); err != nil {
				return err
			}
		}
		disassociate(w, from, at)
		out.NewAssociationId = new(s.associate(w, to, moved))
		return nil
	})
	return &out, err
}
