package ec2

import (
	"context"
	"slices"
	"strconv"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/api/server"
	"causeway.dev/resource"
)

func (s *Service) hostActions() actions {
	return actions{
		"DescribeImages":                server.Operation(s.DescribeImages),
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

// instanceTypes are the names that can be asked for, so that what was written
// for AWS can be used as it is. They make no difference: all instances share the
// host.
var instanceTypes = []string{
	"c5.large", "c5.xlarge", "c6i.large", "c6i.xlarge",
	"m1.small", "m5.large", "m5.xlarge", "m6i.large", "m6i.xlarge",
	"r5.large", "r6i.large",
	"t2.medium", "t2.micro", "t2.nano", "t2.small",
	"t3.large", "t3.medium", "t3.micro", "t3.nano", "t3.small",
	"t4g.micro", "t4g.small",
}

// instanceTypeDefault is what an instance is for whose type nobody asked.
const instanceTypeDefault = "m1.small"

// readHost checks the image and the type that a launch asks for.
func (s *Service) readHost(v *resource.Instance) error {
	switch {
	case v.Image == "":
		return resource.Missing("ImageId")
	case !wellFormed("ami", v.Image):
		return resource.Errorf("InvalidAMIID.Malformed", "Invalid id: %q (expecting \"ami-...\")", resource.Clip(v.Image))
	case v.Image != HostImage:
		return noImage(v.Image)
	}
	if v.InstanceType == "" {
		v.InstanceType = instanceTypeDefault
	}
	return checkInstanceType(v.InstanceType)
}

func checkInstanceType(name string) error {
	if !slices.Contains(instanceTypes, name) {
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
		if !wellFormed("ami", id) {
			return nil, resource.Errorf("InvalidAMIID.Malformed", "Invalid id: %q (expecting \"ami-...\")", resource.Clip(id))
		}
		if id != HostImage {
			return nil, noImage(id)
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

// DescribeInstanceTypes lists instance types, each with what it has of the host:
// all of it.
func (s *Service) DescribeInstanceTypes(_ context.Context, c server.Caller, in *model.DescribeInstanceTypesInput) (*model.DescribeInstanceTypesOutput, error) {
	const action = "DescribeInstanceTypes"
	host := s.config.Host
	no := func(reader, *string) []string { return truth(false) }
	chosen, err := fields[string]{
		"bare-metal":                      no,
		"burstable-performance-supported": no,
		"current-generation":              func(reader, *string) []string { return truth(true) },
		"instance-storage-supported":      no,
		"instance-type":                   func(_ reader, name *string) []string { return one(*name) },
		"memory-info.size-in-mib":         func(reader, *string) []string { return one(strconv.FormatInt(host.MemoryMiB, 10)) },
		"network-info.ipv6-supported":     no,
		"processor-info.supported-architecture": func(reader, *string) []string {
			return one(host.Architecture)
		},
		"supported-root-device-type": func(reader, *string) []string { return one(model.RootDeviceTypeInstanceStore) },
		"supported-usage-class":      func(reader, *string) []string { return one(model.UsageClassTypeOnDemand) },
		"vcpu-info.default-cores":    func(reader, *string) []string { return one(strconv.Itoa(host.CPUs)) },
		"vcpu-info.default-vcpus":    func(reader, *string) []string { return one(strconv.Itoa(host.CPUs)) },
	}.compile(action, in.Filters)
	if err != nil {
		return nil, err
	}
	p, err := newPage(action, in.MaxResults, in.NextToken, in.InstanceTypes)
	if err != nil {
		return nil, err
	}
	names := slices.Clone(instanceTypes)
	if len(in.InstanceTypes) > 0 {
		for _, name := range in.InstanceTypes {
			if !slices.Contains(instanceTypes, name) {
				return nil, resource.Errorf("InvalidInstanceType", "The following supplied instance types do not exist: [%s]", resource.Clip(name))
			}
		}
		names = slices.Compact(slices.Sorted(slices.Values(in.InstanceTypes)))
	}
	if err := checkDryRun(in.DryRun); err != nil {
		return nil, err
	}
	itself := func(name *string) string { return *name }
	found, next := take(p, chosen.filter(s.read(c), sorted(names, itself)), itself)
	return &model.DescribeInstanceTypesOutput{InstanceTypes: mapped(found, host.instanceType), NextToken: next}, nil
}

func (h Host) instanceType(name *string) model.InstanceTypeInfo {
	cpus := int32(h.CPUs)
	network := networkCapacities[*name]
	return model.InstanceTypeInfo{
		AutoRecoverySupported:         new(false),
		BareMetal:                     new(false),
		BurstablePerformanceSupported: new(false),
		CurrentGeneration:             new(true),
		DedicatedHostsSupported:       new(false),
		FreeTierEligible:              new(false),
		HibernationSupported:          new(false),
		InstanceStorageSupported:      new(false),
		InstanceType:                  name,
		MemoryInfo:                    &model.MemoryInfo{SizeInMiB: &h.MemoryMiB},
		NetworkInfo: &model.NetworkInfo{
			DefaultNetworkCardIndex: new(int32(0)), EfaSupported: new(false), EncryptionInTransitSupported: new(false),
			Ipv4AddressesPerInterface: new(int32(network.addresses)), Ipv6AddressesPerInterface: new(int32(0)), Ipv6Supported: new(false),
			MaximumNetworkCards: new(int32(1)), MaximumNetworkInterfaces: new(int32(network.interfaces)),
		},
		ProcessorInfo:            &model.ProcessorInfo{SupportedArchitectures: one(h.Architecture)},
		SupportedInRegion:        new(true),
		SupportedRootDeviceTypes: []string{model.RootDeviceTypeInstanceStore},
		SupportedUsageClasses:    []string{model.UsageClassTypeOnDemand},
		VCpuInfo:                 &model.VCpuInfo{DefaultCores: &cpus, DefaultThreadsPerCore: new(int32(1)), DefaultVCpus: &cpus},
	}
}

// An offering is an instance type in a place.
type offering struct{ name, location string }

// DescribeInstanceTypeOfferings lists which instance types there are where: all
// of them everywhere.
func (s *Service) DescribeInstanceTypeOfferings(_ context.Context, c server.Caller, in *model.DescribeInstanceTypeOfferingsInput) (*model.DescribeInstanceTypeOfferingsOutput, error) {
	const action = "DescribeInstanceTypeOfferings"
	chosen, err := fields[offering]{
		"instance-type": func(_ reader, o *offering) []string { return one(o.name) },
		"location":      func(_ reader, o *offering) []string { return one(o.location) },
	}.compile(action, in.Filters)
	if err != nil {
		return nil, err
	}
	p, err := newPage(action, in.MaxResults, in.NextToken, nil)
	if err != nil {
		return nil, err
	}
	if err := checkDryRun(in.DryRun); err != nil {
		return nil, err
	}
	kind := val(in.LocationType)
	if kind == "" {
		kind = model.LocationTypeRegion
	}
	var all []offering
	for _, location := range s.locations(c.Region, kind) {
		for _, name := range instanceTypes {
			all = append(all, offering{name, location})
		}
	}
	key := func(o *offering) string { return o.name + "\x00" + o.location }
	found, next := take(p, chosen.filter(s.read(c), sorted(all, key)), key)
	answer := func(o *offering) *model.InstanceTypeOffering {
		return &model.InstanceTypeOffering{InstanceType: &o.name, Location: &o.location, LocationType: &kind}
	}
	return &model.DescribeInstanceTypeOfferingsOutput{InstanceTypeOfferings: answers(found, answer), NextToken: next}, nil
}

// locations are the places of one kind in a region.
func (s *Service) locations(region, kind string) []string {
	switch zones := s.zones(region); kind {
	case model.LocationTypeRegion:
		return []string{region}
	case model.LocationTypeAvailabilityZone:
		return zones
	case model.LocationTypeAvailabilityZoneId:
		ids := make([]string, len(zones))
		for i := range zones {
			ids[i] = zoneID(region, i)
		}
		return ids
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
