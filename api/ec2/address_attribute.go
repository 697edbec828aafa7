package ec2

import (
	"context"
	"slices"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/api/server"
	"causeway.dev/resource"
)

// DescribeAddressesAttribute tells what addresses are called: those that are called
// something.
func (s *Service) DescribeAddressesAttribute(_ context.Context, c server.Caller, in *model.DescribeAddressesAttributeInput) (*model.DescribeAddressesAttributeOutput, error) {
	p, err := newPage("DescribeAddressesAttribute", in.MaxResults, in.NextToken, nil)
	if err != nil {
		return nil, err
	}
	found, err := namedAddresses(s.read(c), in.AllocationIds, nil)
	if err != nil {
		return nil, err
	}
	if err := checkDryRun(in.DryRun); err != nil {
		return nil, err
	}
	found = slices.DeleteFunc(found, func(v resource.Address) bool { return v.DomainName == "" })
	shown, next := take(p, slices.Values(found), func(v *resource.Address) string { return v.ID })
	return &model.DescribeAddressesAttributeOutput{NextToken: next, Addresses: mapped(shown, addressAttribute)}, nil
}

func addressAttribute(v *resource.Address) model.AddressAttribute {
	return model.AddressAttribute{AllocationId: &v.ID, PublicIp: addressText(v.PublicIP), PtrRecord: absolute(v.DomainName)}
}

// absolute ends a domain name with a dot, as records have it.
func absolute(name string) *string {
	if name == "" {
		return nil
	}
	return str(name + ".")
}

// ModifyAddressAttribute says what an address is called. The resolver of the VPC in
// which it stands for somebody tells so.
func (s *Service) ModifyAddressAttribute(ctx context.Context, c server.Caller, in *model.ModifyAddressAttributeInput) (*model.ModifyAddressAttributeOutput, error) {
	if val(in.DomainName) == "" {
		return nil, resource.Missing("DomainName")
	}
	name, err := resource.ParseDomainName(*in.DomainName)
	if err != nil {
		return nil, err
	}
	changed, err := s.callAddress(ctx, c, in.AllocationId, in.DryRun, name)
	return &model.ModifyAddressAttributeOutput{Address: changed}, err
}

// ResetAddressAttribute lets an address be called nothing.
func (s *Service) ResetAddressAttribute(ctx context.Context, c server.Caller, in *model.ResetAddressAttributeInput) (*model.ResetAddressAttributeOutput, error) {
	if in.Attribute == nil {
		return nil, resource.Missing("Attribute") // there is one only, which the model checks
	}
	changed, err := s.callAddress(ctx, c, in.AllocationId, in.DryRun, "")
	return &model.ResetAddressAttributeOutput{Address: changed}, err
}

// callAddress gives an address a name and describes it: with the one that it had, and
// the one that it gets.
func (s *Service) callAddress(ctx context.Context, c server.Caller, allocation *string, dryRun *bool, name string) (*model.AddressAttribute, error) {
	var answer model.AddressAttribute
	err := s.update(ctx, c, dryRun, func(w writer) error {
		v, err := addresses.get(w.reader, val(allocation))
		if err != nil {
			return err
		}
		answer = addressAttribute(&v)
		if v.DomainName == name {
			return nil
		}
		answer.PtrRecordUpdate = &model.PtrUpdateStatus{Value: absolute(name), Status: new("PENDING")}
		v.DomainName = name
		addresses.put(w, v)
		return nil
	})
	return &answer, err
}
