package ec2

import (
	"context"
	"slices"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/api/server"
	"causeway.dev/resource"
)

func (s *Service) routePropagationActions() actions {
	return actions{
		"EnableVgwRoutePropagation":  server.Operation(s.EnableVgwRoutePropagation),
		"DisableVgwRoutePropagation": server.Operation(s.DisableVgwRoutePropagation),
	}
}

// EnableVgwRoutePropagation lets the routes that a gateway knows appear in a
// route table of its VPC. Enabling it again changes nothing.
func (s *Service) EnableVgwRoutePropagation(ctx context.Context, c server.Caller, in *model.EnableVgwRoutePropagationInput) (*model.EnableVgwRoutePropagationOutput, error) {
	return nil, s.update(ctx, c, in.DryRun, func(w writer) error {
		table, err := routeTables.live(w.reader, val(in.RouteTableId))
		if err != nil {
			return err
		}
		gateway, err := vpnGateways.live(w.reader, val(in.GatewayId))
		if err != nil {
			return err
		}
		if gateway.VPC != table.VPC {
			return resource.Errorf(resource.CodeGatewayNotAttached, "The virtual private gateway %s is not attached to %s, the vpc of %s", gateway.ID, table.VPC, table.ID)
		}
		if isEdge(&table) {
			return resource.Errorf(resource.CodeInvalidParameterValue, "The route table %s is associated with a gateway: no routes are propagated into such", table.ID)
		}
		if !slices.Contains(table.PropagatingVGWs, gateway.ID) {
			table.PropagatingVGWs = append(slices.Clone(table.PropagatingVGWs), gateway.ID)
			routeTables.put(w, table)
		}
		return nil
	})
}

// DisableVgwRoutePropagation takes a gateway's routes out of a route table.
func (s *Service) DisableVgwRoutePropagation(ctx context.Context, c server.Caller, in *model.DisableVgwRoutePropagationInput) (*model.DisableVgwRoutePropagationOutput, error) {
	return nil, s.update(ctx, c, in.DryRun, func(w writer) error {
		table, err := routeTables.live(w.reader, val(in.RouteTableId))
		if err != nil {
			return err
		}
		gateway, err := vpnGateways.get(w.reader, val(in.GatewayId))
		if err != nil {
			return err
		}
		if slices.Contains(table.PropagatingVGWs, gateway.ID) {
			table.PropagatingVGWs = without(table.PropagatingVGWs, gateway.ID)
			routeTables.put(w, table)
		}
		return nil
	})
}
