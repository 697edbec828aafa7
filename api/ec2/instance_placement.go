package ec2

import (
	"context"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/api/server"
	"causeway.dev/resource"
)

// ModifyInstancePlacement says where a stopped instance runs from its next start on:
// here, which is where all do. Groups and hosts of its own there are none.
func (s *Service) ModifyInstancePlacement(ctx context.Context, c server.Caller, in *model.ModifyInstancePlacementInput) (*model.ModifyInstancePlacementOutput, error) {
	if err := refuseUnbuilt(
		member{"Affinity " + val(in.Affinity), isOther(in.Affinity, model.AffinityDefault)},
		member{"HostResourceGroupArn", in.HostResourceGroupArn != nil},
		member{"PartitionNumber", in.PartitionNumber != nil},
		member{"Tenancy " + val(in.Tenancy), isOther(in.Tenancy, model.TenancyDefault)},
	); err != nil {
		return nil, err
	}
	switch {
	case val(in.GroupName) != "":
		return nil, resource.Errorf("InvalidPlacementGroup.Unknown", "The Placement Group '%s' is unknown.", resource.Clip(*in.GroupName))
	case val(in.GroupId) != "":
		return nil, resource.Errorf("InvalidPlacementGroup.Unknown", "The Placement Group '%s' is unknown.", resource.Clip(*in.GroupId))
	case val(in.HostId) != "":
		return nil, resource.Errorf("InvalidHostID.NotFound", "The host ID '%s' does not exist", resource.Clip(*in.HostId))
	case in.Affinity == nil && in.GroupName == nil && in.Tenancy == nil:
		return nil, resource.Errorf(resource.CodeMissingParameter, "The request must contain at least one of Affinity, GroupName, HostId and Tenancy")
	}
	err := s.update(ctx, c, nil, func(w writer) error {
		v, err := instances.get(w.reader, *in.InstanceId)
		if err != nil {
			return err
		}
		return checkStopped(w.reader, &v)
	})
	return &model.ModifyInstancePlacementOutput{Return: new(err == nil)}, err
}

// ResetInstanceAttribute gives an attribute of an instance its default again: whether
// the primary network interface looks at sources and destinations, or what the instance
// is booted by, which is never anything else here.
func (s *Service) ResetInstanceAttribute(ctx context.Context, c server.Caller, in *model.ResetInstanceAttributeInput) (*model.ResetInstanceAttributeOutput, error) {
	return nil, s.update(ctx, c, in.DryRun, func(w writer) error {
		v, err := instances.get(w.reader, *in.InstanceId)
		if err != nil {
			return err
		}
		switch *in.Attribute {
		case model.InstanceAttributeNameSourceDestCheck:
			if v.Wanted == resource.InstanceTerminated {
				return resource.Errorf(codeIncorrectInstanceState, "The instance '%s' is being terminated", v.ID)
			}
			return s.modifyInterface(w, v.Interfaces[0], &model.AttributeBooleanValue{Value: new(true)}, nil, nil, nil)
		case model.InstanceAttributeNameKernel, model.InstanceAttributeNameRamdisk:
			return checkStopped(w.reader, &v)
		}
		return resource.InvalidValue("attribute", *in.Attribute, "Those that can be reset are kernel, ramdisk and sourceDestCheck.")
	})
}
