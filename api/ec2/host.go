package ec2

import (
	"context"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/api/server"
	"causeway.dev/resource"
)

func (s *Service) hostActions() actions {
	return actions{
		"DescribeImages":                server.Operation(s.DescribeImages),
		"DescribeImageAttribute":        server.Operation(s.DescribeImageAttribute),
		"DescribeInstanceTypes":         server.Operation(s.DescribeInstanceTypes),
		"DescribeInstanceTypeOfferings": server.Operation(s.DescribeInstanceTypeOfferings),
		"DescribeVolumes":               server.Operation(s.DescribeVolumes),
	}
}

// instanceTypeDefault is what an instance is for whose type nobody asked.
const instanceTypeDefault = "m1.small"

// readHost checks the image and the type that a launch asks for.
func (s *Service) readHost(v *resource.Instance) error {
	if v.Image == "" {
		return resource.Missing("ImageId")
	}
	if _, err := s.image(v.Account, v.Image); err != nil {
		return err
	}
	if v.InstanceType == "" {
		v.InstanceType = instanceTypeDefault
	}
	return checkInstanceType(v.InstanceType)
}

func checkInstanceType(name string) error {
	if _, ok := resource.InstanceTypeOf(name); !ok {
		return resource.Errorf(resource.CodeInvalidParameterValue, "Invalid value '%s' for InstanceType. DescribeInstanceTypes lists those that there are", resource.Clip(name))
	}
	return nil
}

// A volume is what no instance has; it gives the filters of volumes a type.
type volume struct{}

func (*volume) tags() []resource.Tag { return nil }

// DescribeVolumes lists no volumes: what an instance writes is kept by its host
// until it ends.
func (s *Service) DescribeVolumes(_ context.Context, _ server.Caller, in *model.DescribeVolumesInput) (*model.DescribeVolumesOutput, error) {
	const action = "DescribeVolumes"
	if _, err := (fields[volume]{}).compile(action, in.Filters); err != nil {
		return nil, err
	}
	if _, err := newPage(action, in.MaxResults, in.NextToken, in.VolumeIds); err != nil {
		return nil, err
	}
	if len(in.VolumeIds) > 0 {
		return nil, resource.Errorf("InvalidVolume.NotFound", "The volume '%s' does not exist.", resource.Clip(in.VolumeIds[0]))
	}
	return &model.DescribeVolumesOutput{}, checkDryRun(in.DryRun)
}
