package ec2

import (
	"context"
	"slices"

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

// HostImage is the only image: the root file system of the host, of which each
// instance has a copy of its own that ends with it.
const HostImage = "ami-00000000000000001"

const (
	hostImageName        = "causeway-host-root"
	hostImageDescription = "The root file system of the host. What an instance changes in it is the instance's alone, and goes with it."
)

// instanceTypeDefault is what an instance is for whose type nobody asked.
const instanceTypeDefault = "m1.small"

// readHost checks the image and the type that a launch asks for.
func (s *Service) readHost(v *resource.Instance) error {
	if v.Image == "" {
		return resource.Missing("ImageId")
	}
	if err := checkImage(v.Image); err != nil {
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

func noImage(id string) error {
	return resource.Errorf("InvalidAMIID.NotFound", "The image id '[%s]' does not exist. The only image is %s", id, HostImage)
}

// image is the only image; it has no tags.
type image struct{}

func (*image) tags() []resource.Tag { return nil }

// DescribeImages lists the only image. It is public and belongs to whoever asks.
func (s *Service) DescribeImages(_ context.Context, c server.Caller, in *model.DescribeImagesInput) (*model.DescribeImagesOutput, error) {
	r := s.read(c)
	always := func(value string) func(reader, *image) []string {
		return func(reader, *image) []string { return one(value) }
	}
	chosen, err := fields[image]{
		"architecture":     always(s.config.Host.Architecture),
		"description":      always(hostImageDescription),
		"image-id":         always(HostImage),
		"image-type":       always(model.ImageTypeValuesMachine),
		"is-public":        always("true"),
		"name":             always(hostImageName),
		"owner-id":         always(c.Account),
		"root-device-type": always(model.RootDeviceTypeInstanceStore),
		"state":            always(model.ImageStateAvailable),
	}.compile("DescribeImages", in.Filters)
	if err != nil {
		return nil, err
	}
	if _, err := newPage("DescribeImages", in.MaxResults, in.NextToken, in.ImageIds); err != nil {
		return nil, err
	}
	for _, id := range in.ImageIds {
		if err := checkImage(id); err != nil {
			return nil, err
		}
	}
	if err := checkDryRun(in.DryRun); err != nil {
		return nil, err
	}
	owned := len(in.Owners) == 0 || slices.Contains(in.Owners, "self") || slices.Contains(in.Owners, c.Account)
	runnable := len(in.ExecutableUsers) == 0 || slices.ContainsFunc(in.ExecutableUsers, func(user string) bool { return user == "all" || user == "self" || user == c.Account })
	if !owned || !runnable || !chosen.matches(r, &image{}) {
		return &model.DescribeImagesOutput{}, nil
	}
	return &model.DescribeImagesOutput{Images: []model.Image{{
		Architecture:   str(s.config.Host.Architecture),
		Description:    new(hostImageDescription),
		ImageId:        new(HostImage),
		ImageLocation:  new(c.Account + "/" + hostImageName),
		ImageType:      new(model.ImageTypeValuesMachine),
		ImdsSupport:    new(model.ImdsSupportValuesV20),
		Name:           new(hostImageName),
		OwnerId:        &c.Account,
		Public:         new(true),
		RootDeviceType: new(model.RootDeviceTypeInstanceStore),
		State:          new(model.ImageStateAvailable),
	}}}, nil
}

// DescribeImageAttribute tells one attribute of the only image, which all may launch.
func (s *Service) DescribeImageAttribute(_ context.Context, _ server.Caller, in *model.DescribeImageAttributeInput) (*model.DescribeImageAttributeOutput, error) {
	if err := checkImage(val(in.ImageId)); err != nil {
		return nil, err
	}
	if err := checkDryRun(in.DryRun); err != nil {
		return nil, err
	}
	out := &model.DescribeImageAttributeOutput{ImageId: in.ImageId}
	switch attribute := val(in.Attribute); attribute {
	case model.ImageAttributeNameDescription:
		out.Description = &model.AttributeValue{Value: new(hostImageDescription)}
	case model.ImageAttributeNameImdsSupport:
		out.ImdsSupport = &model.AttributeValue{Value: new(model.ImdsSupportValuesV20)}
	case model.ImageAttributeNameLaunchPermission:
		out.LaunchPermissions = []model.LaunchPermission{{Group: new(model.PermissionGroupAll)}}
	case model.ImageAttributeNameBlockDeviceMapping, model.ImageAttributeNameProductCodes:
		// It has none: the answer's lists are empty.
	default:
		return nil, resource.Unsupported("The image attribute " + attribute)
	}
	return out, nil
}

// checkImage refuses ids that are not the only image's.
func checkImage(id string) error {
	if !wellFormed("ami", id) {
		return resource.Errorf("InvalidAMIID.Malformed", "Invalid id: %q (expecting \"ami-...\")", resource.Clip(id))
	}
	if id != HostImage {
		return noImage(id)
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
