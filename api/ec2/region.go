package ec2

import (
	"context"
	"slices"
	"strconv"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/api/server"
	"causeway.dev/resource"
)

func (s *Service) regionActions() actions {
	return actions{
		"DescribeRegions":             server.Operation(s.DescribeRegions),
		"ModifyAvailabilityZoneGroup": server.Operation(s.ModifyAvailabilityZoneGroup),
		"DescribeAvailabilityZones":   server.Operation(s.DescribeAvailabilityZones),
		"DescribeAccountAttributes":   server.Operation(s.DescribeAccountAttributes),
	}
}

// What all regions and zones are.
const (
	optInNotRequired = "opt-in-not-required"
	zoneType         = "availability-zone"
)

// DescribeRegions lists the regions that are served.
func (s *Service) DescribeRegions(_ context.Context, c server.Caller, in *model.DescribeRegionsInput) (*model.DescribeRegionsOutput, error) {
	chosen, err := fields[Region]{
		"endpoint":      func(reader, *Region) []string { return one(s.config.Endpoint) },
		"opt-in-status": func(reader, *Region) []string { return one(optInNotRequired) },
		"region-name":   func(_ reader, v *Region) []string { return one(v.Name) },
	}.compile("DescribeRegions", in.Filters)
	if err != nil {
		return nil, err
	}
	for _, name := range in.RegionNames {
		if s.zones(name) == nil {
			return nil, resource.Errorf(resource.CodeInvalidParameterValue, "Invalid region name: '%s'", resource.Clip(name))
		}
	}
	if err := checkDryRun(in.DryRun); err != nil {
		return nil, err
	}
	out := &model.DescribeRegionsOutput{}
	for region := range chosen.filter(s.read(c), slices.Values(s.config.Regions)) {
		if len(in.RegionNames) == 0 || slices.Contains(in.RegionNames, region.Name) {
			out.Regions = append(out.Regions, model.Region{Endpoint: str(s.config.Endpoint), OptInStatus: new(optInNotRequired), RegionName: &region.Name})
		}
	}
	return out, nil
}

// A zone is an availability zone of the caller's region.
type zone struct{ name, id string }

// DescribeAvailabilityZones lists the zones of the region.
func (s *Service) DescribeAvailabilityZones(_ context.Context, c server.Caller, in *model.DescribeAvailabilityZonesInput) (*model.DescribeAvailabilityZonesOutput, error) {
	always := func(value string) func(reader, *zone) []string {
		return func(reader, *zone) []string { return one(value) }
	}
	chosen, err := fields[zone]{
		"group-name":    always(c.Region),
		"opt-in-status": always(optInNotRequired),
		"region-name":   always(c.Region),
		"state":         always(model.AvailabilityZoneStateAvailable),
		"zone-id":       func(_ reader, v *zone) []string { return one(v.id) },
		"zone-name":     func(_ reader, v *zone) []string { return one(v.name) },
		"zone-type":     always(zoneType),
	}.compile("DescribeAvailabilityZones", in.Filters)
	if err != nil {
		return nil, err
	}
	var zones []zone
	for i, name := range s.zones(c.Region) {
		zones = append(zones, zone{name, zoneID(c.Region, i)})
	}
	for _, name := range in.ZoneNames {
		if !slices.ContainsFunc(zones, func(v zone) bool { return v.name == name }) {
			return nil, resource.Errorf(resource.CodeInvalidParameterValue, "Invalid availability zone: [%s]", resource.Clip(name))
		}
	}
	for _, id := range in.ZoneIds {
		if !slices.ContainsFunc(zones, func(v zone) bool { return v.id == id }) {
			return nil, resource.Errorf(resource.CodeInvalidParameterValue, "Invalid availability zone-id: [%s]", resource.Clip(id))
		}
	}
	if err := checkDryRun(in.DryRun); err != nil {
		return nil, err
	}
	out := &model.DescribeAvailabilityZonesOutput{}
	for v := range chosen.filter(s.read(c), slices.Values(zones)) {
		named := len(in.ZoneNames)+len(in.ZoneIds) == 0 || slices.Contains(in.ZoneNames, v.name) || slices.Contains(in.ZoneIds, v.id)
		if named {
			out.AvailabilityZones = append(out.AvailabilityZones, model.AvailabilityZone{
				GroupName: &c.Region, NetworkBorderGroup: &c.Region, OptInStatus: new(optInNotRequired), RegionName: &c.Region,
				State: new(model.AvailabilityZoneStateAvailable), ZoneId: &v.id, ZoneName: &v.name, ZoneType: new(zoneType),
			})
		}
	}
	return out, nil
}

// ModifyAvailabilityZoneGroup says whether an account uses a group of zones. The only
// group is the region's own, which is always used.
func (s *Service) ModifyAvailabilityZoneGroup(_ context.Context, c server.Caller, in *model.ModifyAvailabilityZoneGroupInput) (*model.ModifyAvailabilityZoneGroupOutput, error) {
	switch {
	case *in.GroupName != c.Region:
		return nil, resource.InvalidValue("GroupName", *in.GroupName, "There is no such group of zones.")
	case *in.OptInStatus != model.ModifyAvailabilityZoneOptInStatusOptedIn:
		return nil, resource.Errorf(resource.CodeOperationNotPermitted, "The zones of the region %s can't be opted out of", c.Region)
	}
	return &model.ModifyAvailabilityZoneGroupOutput{Return: new(true)}, checkDryRun(in.DryRun)
}

// DescribeAccountAttributes tells what the account has: VPCs, which of them is the
// default one, and limits.
func (s *Service) DescribeAccountAttributes(_ context.Context, c server.Caller, in *model.DescribeAccountAttributesInput) (*model.DescribeAccountAttributesOutput, error) {
	if err := checkDryRun(in.DryRun); err != nil {
		return nil, err
	}
	byDefault := "none"
	if v, has := defaultVPC(s.read(c)); has {
		byDefault = v.ID
	}
	type attribute struct{ name, value string }
	limits, out := s.limitsOf(c.Account), &model.DescribeAccountAttributesOutput{}
	all := []attribute{
		{model.AccountAttributeNameSupportedPlatforms, "VPC"},
		{model.AccountAttributeNameDefaultVpc, byDefault},
		{"max-instances", strconv.Itoa(limits.Instances)},
		{"max-elastic-ips", strconv.Itoa(limits.ElasticAddresses)},
		{"vpc-max-elastic-ips", strconv.Itoa(limits.ElasticAddresses)},
		{"vpc-max-security-groups-per-interface", strconv.Itoa(limits.SecurityGroupsPerInterface)},
	}
	for _, name := range in.AttributeNames {
		if !slices.ContainsFunc(all, func(a attribute) bool { return a.name == name }) {
			return nil, resource.InvalidValue("attributeName", name, "There is no such attribute of an account.")
		}
	}
	for _, attribute := range all {
		if len(in.AttributeNames) == 0 || slices.Contains(in.AttributeNames, attribute.name) {
			out.AccountAttributes = append(out.AccountAttributes, model.AccountAttribute{
				AttributeName: &attribute.name, AttributeValues: []model.AccountAttributeValue{{AttributeValue: &attribute.value}},
			})
		}
	}
	return out, nil
}
