package ec2

import (
	"cmp"
	"context"
	"slices"
	"strconv"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/api/server"
	"causeway.dev/resource"
)

// instanceTypeFields are the filters of instance types. What all types have in common
// is as image says; what is not here is of features that no instance has.
func (h Host) instanceTypeFields() fields[resource.InstanceType] {
	type kind = resource.InstanceType
	always := func(value string) func(reader, *kind) []string {
		return func(reader, *kind) []string { return one(value) }
	}
	no := func(reader, *kind) []string { return truth(false) }
	number := func(of func(*kind) int) func(reader, *kind) []string {
		return func(_ reader, t *kind) []string { return one(strconv.Itoa(of(t))) }
	}
	addresses := number(func(t *kind) int { return t.Addresses })
	return fields[kind]{
		"auto-recovery-supported":                      no,
		"bare-metal":                                   no,
		"burstable-performance-supported":              func(_ reader, t *kind) []string { return truth(t.Credits != "") },
		"current-generation":                           func(_ reader, t *kind) []string { return truth(!t.Former) },
		"dedicated-hosts-supported":                    no,
		"ebs-info.ebs-optimized-support":               always(model.EbsOptimizedSupportUnsupported),
		"ebs-info.encryption-support":                  always(model.EbsEncryptionSupportUnsupported),
		"ebs-info.nvme-support":                        always(model.EbsNvmeSupportUnsupported),
		"free-tier-eligible":                           no,
		"hibernation-supported":                        no,
		"instance-storage-supported":                   no,
		"instance-type":                                func(_ reader, t *kind) []string { return one(t.Name) },
		"memory-info.size-in-mib":                      number(func(t *kind) int { return int(t.MemoryMiB) }),
		"network-info.efa-supported":                   no,
		"network-info.encryption-in-transit-supported": no,
		"network-info.ipv4-addresses-per-interface":    addresses,
		"network-info.ipv6-addresses-per-interface":    always(strconv.Itoa(interfaceIPv6Max)),
		"network-info.ipv6-supported":                  always("true"),
		"network-info.maximum-network-cards":           always("1"),
		"network-info.maximum-network-interfaces":      number(func(t *kind) int { return t.Interfaces }),
		"processor-info.supported-architecture":        always(h.Architecture),
		"supported-root-device-type":                   always(model.RootDeviceTypeInstanceStore),
		"supported-usage-class":                        always(model.UsageClassTypeOnDemand),
		"vcpu-info.default-cores":                      number(cores),
		"vcpu-info.default-threads-per-core":           number(func(t *kind) int { return t.Threads }),
		"vcpu-info.default-vcpus":                      number(func(t *kind) int { return t.VCPUs }),
	}
}

func cores(t *resource.InstanceType) int { return t.VCPUs / t.Threads }

func typeName(t *resource.InstanceType) string { return t.Name }

// DescribeInstanceTypes lists instance types, each with the most that it takes of the
// host.
func (s *Service) DescribeInstanceTypes(_ context.Context, c server.Caller, in *model.DescribeInstanceTypesInput) (*model.DescribeInstanceTypesOutput, error) {
	q := query{"DescribeInstanceTypes", in.DryRun, in.InstanceTypes, in.Filters, in.MaxResults, in.NextToken}
	found, next, err := list(s.read(c), s.config.Host.instanceTypeFields(), q, typeName, func() (types []resource.InstanceType, _ error) {
		if len(in.InstanceTypes) == 0 {
			return resource.InstanceTypes, nil
		}
		for _, name := range slices.Compact(slices.Sorted(slices.Values(in.InstanceTypes))) {
			t, ok := resource.InstanceTypeOf(name)
			if !ok {
				return nil, resource.Errorf("InvalidInstanceType", "The following supplied instance types do not exist: [%s]", resource.Clip(name))
			}
			types = append(types, t)
		}
		return types, nil
	})
	if err != nil {
		return nil, err
	}
	return &model.DescribeInstanceTypesOutput{InstanceTypes: mapped(found, s.config.Host.instanceType), NextToken: next}, nil
}

func (h Host) instanceType(t *resource.InstanceType) model.InstanceTypeInfo {
	return model.InstanceTypeInfo{
		AutoRecoverySupported:         new(false),
		BareMetal:                     new(false),
		BurstablePerformanceSupported: new(t.Credits != ""),
		CurrentGeneration:             new(!t.Former),
		DedicatedHostsSupported:       new(false),
		EbsInfo: &model.EbsInfo{
			EbsOptimizedSupport: new(model.EbsOptimizedSupportUnsupported), EncryptionSupport: new(model.EbsEncryptionSupportUnsupported), NvmeSupport: new(model.EbsNvmeSupportUnsupported),
		},
		FreeTierEligible:         new(false),
		HibernationSupported:     new(false),
		InstanceStorageSupported: new(false),
		InstanceType:             &t.Name,
		MemoryInfo:               &model.MemoryInfo{SizeInMiB: &t.MemoryMiB},
		NetworkInfo: &model.NetworkInfo{
			DefaultNetworkCardIndex: new(int32(0)), EfaSupported: new(false), EncryptionInTransitSupported: new(false),
			Ipv4AddressesPerInterface: new(int32(t.Addresses)), Ipv6AddressesPerInterface: new(int32(interfaceIPv6Max)), Ipv6Supported: new(true),
			MaximumNetworkCards: new(int32(1)), MaximumNetworkInterfaces: new(int32(t.Interfaces)),
		},
		PlacementGroupInfo:       &model.PlacementGroupInfo{},
		ProcessorInfo:            &model.ProcessorInfo{SupportedArchitectures: one(h.Architecture)},
		SupportedInRegion:        new(true),
		SupportedRootDeviceTypes: []string{model.RootDeviceTypeInstanceStore},
		SupportedUsageClasses:    []string{model.UsageClassTypeOnDemand},
		VCpuInfo:                 &model.VCpuInfo{DefaultCores: new(int32(cores(t))), DefaultThreadsPerCore: new(int32(t.Threads)), DefaultVCpus: new(int32(t.VCPUs))},
	}
}

// An offering is an instance type in a place.
type offering struct{ name, location string }

// DescribeInstanceTypeOfferings lists which instance types there are where: all
// of them everywhere.
func (s *Service) DescribeInstanceTypeOfferings(_ context.Context, c server.Caller, in *model.DescribeInstanceTypeOfferingsInput) (*model.DescribeInstanceTypeOfferingsOutput, error) {
	f := fields[offering]{
		"instance-type": func(_ reader, o *offering) []string { return one(o.name) },
		"location":      func(_ reader, o *offering) []string { return one(o.location) },
	}
	kind := cmp.Or(val(in.LocationType), model.LocationTypeRegion)
	q := query{"DescribeInstanceTypeOfferings", in.DryRun, nil, in.Filters, in.MaxResults, in.NextToken}
	key := func(o *offering) string { return o.name + "\x00" + o.location }
	found, next, err := list(s.read(c), f, q, key, func() (all []offering, _ error) {
		for _, location := range s.locations(c.Region, kind) {
			for _, t := range resource.InstanceTypes {
				all = append(all, offering{t.Name, location})
			}
		}
		return all, nil
	})
	if err != nil {
		return nil, err
	}
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
