package ec2

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/api/server"
	"causeway.dev/resource"
	"causeway.dev/store"
)

func (s *Service) subnetActions() actions {
	return actions{
		"AssociateSubnetCidrBlock":    server.Operation(s.AssociateSubnetCidrBlock),
		"DisassociateSubnetCidrBlock": server.Operation(s.DisassociateSubnetCidrBlock),
		"CreateSubnet":                server.Operation(s.CreateSubnet),
		"DeleteSubnet":                server.Operation(s.DeleteSubnet),
		"DescribeSubnets":             server.Operation(s.DescribeSubnets),
		"ModifySubnetAttribute":       server.Operation(s.ModifySubnetAttribute),
	}
}

// CreateSubnet makes a subnet in one zone of a VPC: the first zone if the caller
// chose none.
func (s *Service) CreateSubnet(ctx context.Context, c server.Caller, in *model.CreateSubnetInput) (*model.CreateSubnetOutput, error) {
	if err := refuseUnbuilt(
		member{"Ipv4IpamPoolId", in.Ipv4IpamPoolId != nil},
		member{"OutpostArn", in.OutpostArn != nil},
	); err != nil {
		return nil, err
	}
	cidr, ipv6, err := readSubnetRanges(in)
	if err != nil {
		return nil, err
	}
	zone, err := s.chooseZone(c.Region, val(in.AvailabilityZone), val(in.AvailabilityZoneId))
	if err != nil {
		return nil, err
	}
	tags, err := tagsFor(in.TagSpecifications, subnets.kind)
	if err != nil {
		return nil, err
	}
	var out model.CreateSubnetOutput
	err = s.update(ctx, c, in.DryRun, func(w writer) error {
		vpc, err := vpcs.get(w.reader, val(in.VpcId))
		if err != nil {
			return err
		}
		others := subnets.found(w.reader, store.ByVPC, vpc.ID)
		if cidr.IsValid() {
			if err := resource.ValidateSubnetRange(vpc, others, cidr); err != nil {
				return err
			}
		}
		if len(others) >= w.limits.SubnetsPerVPC {
			return resource.Errorf("SubnetLimitExceeded", "The maximum number of subnets of a VPC has been reached: %d", w.limits.SubnetsPerVPC)
		}
		v := resource.Subnet{
			Meta:  w.newMeta(s.newID(subnets.prefix), tags[subnets.kind]),
			VPC:   vpc.ID,
			CIDR:  cidr,
			Zone:  zone,
			State: resource.StateAvailable,
		}
		if ipv6.IsValid() {
			if err := s.giveSubnetIPv6(&v, vpc, others, ipv6); err != nil {
				return err
			}
		}
		if v.IPv6Only() {
			speakOnlyIPv6(&v)
		}
		s.putSubnet(w, v)
		out.Subnet = subnetView{service: s, reader: w.reader}.answer(&v) // no interfaces yet
		return nil
	})
	return &out, err
}

// readSubnetRanges reads the ranges that a new subnet shall have: one of IPv4, or one of
// IPv6 if it shall be IPv6-only, or both.
func readSubnetRanges(in *model.CreateSubnetInput) (cidr, ipv6 netip.Prefix, err error) {
	switch native := val(in.Ipv6Native); {
	case native && in.CidrBlock != nil:
		return cidr, ipv6, resource.Errorf(resource.CodeInvalidParameterCombination, "An IPv6-only subnet has no IPv4 CIDR block: give Ipv6Native or CidrBlock, not both")
	case native && in.Ipv6CidrBlock == nil:
		return cidr, ipv6, resource.Missing("Ipv6CidrBlock")
	case !native && in.CidrBlock == nil:
		return cidr, ipv6, resource.Missing("CidrBlock")
	case !native:
		if cidr, err = resource.ParseIPv4CIDR("cidrBlock", *in.CidrBlock); err != nil {
			return cidr, ipv6, err
		}
	}
	ipv6, err = readSubnetIPv6(in.Ipv6CidrBlock, in.Ipv6IpamPoolId, in.Ipv6NetmaskLength)
	return cidr, ipv6, err
}

// chooseZone finds the zone that a request names by name or id.
func (s *Service) chooseZone(region, name, id string) (string, error) {
	zones := s.zones(region)
	if name != "" && id != "" {
		return "", resource.Errorf(resource.CodeInvalidParameterCombination, "Give AvailabilityZone or AvailabilityZoneId, not both")
	}
	for i, zone := range zones {
		if name == zone || id == zoneID(region, i) || name == "" && id == "" {
			return zone, nil
		}
	}
	return "", resource.InvalidValue("availabilityZone", name+id, "Subnets can currently only be created in the following availability zones: "+strings.Join(zones, ", ")+".")
}

// DeleteSubnet removes a subnet that has no network interfaces, and what tied it
// to a route table and a network ACL.
func (s *Service) DeleteSubnet(ctx context.Context, c server.Caller, in *model.DeleteSubnetInput) (*model.DeleteSubnetOutput, error) {
	return nil, s.update(ctx, c, in.DryRun, func(w writer) error {
		v, err := subnets.get(w.reader, val(in.SubnetId))
		if err != nil {
			return err
		}
		for nic := range networkInterfaces.table.Find(w.Reader, w.scope, store.BySubnet, v.ID) {
			return resource.Errorf(resource.CodeDependencyViolation, "The subnet '%s' has dependencies and cannot be deleted: it contains %s", v.ID, nic.ID)
		}
		for table := range routeTables.list(w.reader) {
			if at := slices.IndexFunc(table.Associations, func(a resource.RouteTableAssociation) bool { return a.Subnet == v.ID }); at >= 0 {
				table.Associations = slices.Delete(slices.Clone(table.Associations), at, at+1)
				routeTables.put(w, table)
			}
		}
		unguard(w, func(a resource.NetworkACLAssociation) bool { return a.Subnet == v.ID })
		unexclude(w, v.VPC, v.ID)
		subnets.delete(w, v.ID)
		return nil
	})
}

// A subnetView shows subnets with what follows from other records.
type subnetView struct {
	service *Service
	reader  reader
}

func (view subnetView) free(v *resource.Subnet) int {
	return v.Capacity() - addressesIn(view.reader, v.ID)
}

func (view subnetView) answer(v *resource.Subnet) *model.Subnet {
	return &model.Subnet{
		AssignIpv6AddressOnCreation: &v.AssignIPv6OnCreation,
		Ipv6CidrBlockAssociationSet: answers(v.IPv6, subnetIPv6Answer),
		AvailabilityZone:            &v.Zone,
		BlockPublicAccessStates:     view.reader.publicAccess(v.VPC, v.ID),
		AvailabilityZoneId:          str(view.service.zoneIDOf(v.Region, v.Zone)),
		AvailableIpAddressCount:     new(int32(view.free(v))),
		CidrBlock:                   prefixText(v.CIDR),
		DefaultForAz:                &v.DefaultForAZ,
		EnableDns64:                 &v.DNS64,
		Ipv6Native:                  new(v.IPv6Only()),
		MapCustomerOwnedIpOnLaunch:  new(false),
		MapPublicIpOnLaunch:         &v.MapPublicIPOnLaunch,
		OwnerId:                     &v.Account,
		PrivateDnsNameOptionsOnLaunch: &model.PrivateDnsNameOptionsOnLaunch{
			EnableResourceNameDnsAAAARecord: &v.PrivateDNSNames.AAAA,
			EnableResourceNameDnsARecord:    &v.PrivateDNSNames.A,
			HostnameType:                    new(hostnameType(v.PrivateDNSNames)),
		},
		State:     &v.State,
		SubnetArn: view.reader.arn(subnets.kind, v.ID),
		SubnetId:  &v.ID,
		Tags:      tagSet(v.Tags),
		VpcId:     &v.VPC,
	}
}

func (view subnetView) fields() fields[resource.Subnet] {
	type subnet = resource.Subnet
	no := func(reader, *subnet) []string { return truth(false) }
	return fields[subnet]{
		"availability-zone":    func(_ reader, v *subnet) []string { return one(v.Zone) },
		"availability-zone-id": func(_ reader, v *subnet) []string { return one(view.service.zoneIDOf(v.Region, v.Zone)) },
		"available-ip-address-count": func(_ reader, v *subnet) []string {
			return one(strconv.Itoa(view.free(v)))
		},
		"cidr-block":     func(_ reader, v *subnet) []string { return one(val(prefixText(v.CIDR))) },
		"default-for-az": func(_ reader, v *subnet) []string { return truth(v.DefaultForAZ) },
		"enable-dns64":   func(_ reader, v *subnet) []string { return truth(v.DNS64) },
		"ipv6-cidr-block-association.association-id":  subnetIPv6Field(func(a *resource.CIDRAssociation) string { return a.ID }),
		"ipv6-cidr-block-association.ipv6-cidr-block": subnetIPv6Field(func(a *resource.CIDRAssociation) string { return a.Prefix.String() }),
		"ipv6-cidr-block-association.state":           subnetIPv6Field(func(a *resource.CIDRAssociation) string { return a.State }),
		"ipv6-native":                                 func(_ reader, v *subnet) []string { return truth(v.IPv6Only()) },
		"map-customer-owned-ip-on-launch":             no,
		"map-public-ip-on-launch":                     func(_ reader, v *subnet) []string { return truth(v.MapPublicIPOnLaunch) },
		"owner-id":                                    func(_ reader, v *subnet) []string { return one(v.Account) },
		"private-dns-name-options-on-launch.enable-resource-name-dns-a-record": func(_ reader, v *subnet) []string {
			return truth(v.PrivateDNSNames.A)
		},
		"private-dns-name-options-on-launch.enable-resource-name-dns-aaaa-record": func(_ reader, v *subnet) []string {
			return truth(v.PrivateDNSNames.AAAA)
		},
		"private-dns-name-options-on-launch.hostname-type": func(_ reader, v *subnet) []string { return one(hostnameType(v.PrivateDNSNames)) },
		"state":      func(_ reader, v *subnet) []string { return one(v.State) },
		"subnet-arn": func(r reader, v *subnet) []string { return one(*r.arn(subnets.kind, v.ID)) },
		"subnet-id":  func(_ reader, v *subnet) []string { return one(v.ID) },
		"vpc-id":     func(_ reader, v *subnet) []string { return one(v.VPC) },
	}
}

// DescribeSubnets lists subnets.
func (s *Service) DescribeSubnets(_ context.Context, c server.Caller, in *model.DescribeSubnetsInput) (*model.DescribeSubnetsOutput, error) {
	r := s.read(c)
	view := subnetView{service: s, reader: r}
	found, next, err := describe(r, subnets, view.fields(), query{"DescribeSubnets", in.DryRun, in.SubnetIds, in.Filters, in.MaxResults, in.NextToken})
	if err != nil {
		return nil, err
	}
	return &model.DescribeSubnetsOutput{Subnets: answers(found, view.answer), NextToken: next}, nil
}

// ModifySubnetAttribute sets one attribute of a subnet. Those of features that
// are not built can be set to what they are: off.
func (s *Service) ModifySubnetAttribute(ctx context.Context, c server.Caller, in *model.ModifySubnetAttributeInput) (*model.ModifySubnetAttributeOutput, error) {
	off := func(name string, v *model.AttributeBooleanValue) member {
		return member{name, v != nil && val(v.Value)}
	}
	if err := refuseUnbuilt(
		off("MapCustomerOwnedIpOnLaunch", in.MapCustomerOwnedIpOnLaunch),
		member{"CustomerOwnedIpv4Pool", in.CustomerOwnedIpv4Pool != nil},
		member{"EnableLniAtDeviceIndex", in.EnableLniAtDeviceIndex != nil},
	); err != nil {
		return nil, err
	}
	if err := oneAttribute(in.MapPublicIpOnLaunch != nil, in.AssignIpv6AddressOnCreation != nil, in.EnableDns64 != nil, in.EnableResourceNameDnsARecordOnLaunch != nil,
		in.EnableResourceNameDnsAAAARecordOnLaunch != nil, in.MapCustomerOwnedIpOnLaunch != nil, in.PrivateDnsHostnameTypeOnLaunch != nil, in.DisableLniAtDeviceIndex != nil); err != nil {
		return nil, err
	}
	return nil, s.update(ctx, c, nil, func(w writer) error {
		v, err := subnets.get(w.reader, val(in.SubnetId))
		if err != nil {
			return err
		}
		if err := checkIPv6Only(&v, in); err != nil {
			return err
		}
		if err := setAssignIPv6(&v, in.AssignIpv6AddressOnCreation); err != nil {
			return err
		}
		if err := setDNS64(&v, in.EnableDns64); err != nil {
			return err
		}
		names := nameOptions{in.PrivateDnsHostnameTypeOnLaunch, val(in.EnableResourceNameDnsARecordOnLaunch).Value, val(in.EnableResourceNameDnsAAAARecordOnLaunch).Value}
		if err := names.set(&v.PrivateDNSNames, &v, "enable-resource-name-dns-aaaa-record-on-launch"); err != nil {
			return err
		}
		assign(&v.MapPublicIPOnLaunch, in.MapPublicIpOnLaunch)
		subnets.put(w, v)
		return nil
	})
}

const codeSubnetFull resource.Code = "InsufficientFreeAddressesInSubnet"

// allocateAddress chooses the address of a new network interface: the wanted
// one, or the lowest that is free.
func allocateAddress(subnet *resource.Subnet, used map[netip.Addr]bool, wanted netip.Addr) (netip.Addr, error) {
	if wanted.IsValid() {
		if err := subnet.ValidateAddress(wanted); err != nil {
			return wanted, err
		}
		if used[wanted] {
			return wanted, resource.Errorf("InvalidIPAddress.InUse", "Address %s is in use.", wanted)
		}
		return wanted, nil
	}
	free, ok := subnet.FreeAddress(used)
	if !ok {
		return free, resource.Errorf(codeSubnetFull, "There are not enough free addresses in subnet '%s' to satisfy the requested number of instances: all %d are in use or reserved", subnet.ID, subnet.Capacity())
	}
	return free, nil
}

// zoneIDOf returns the id of a zone that is known by name, or "".
func (s *Service) zoneIDOf(region, zone string) string { return ZoneID(s.config.Regions, region, zone) }

// ZoneID returns the id of a zone of one of the regions, or "".
func ZoneID(regions []Region, region, zone string) string {
	if at := slices.Index(zonesOf(regions, region), zone); at >= 0 {
		return zoneID(region, at)
	}
	return ""
}

// regionDirections are how zone ids abbreviate the middle of a region's name.
var regionDirections = map[string]string{
	"north": "n", "northeast": "ne", "east": "e", "southeast": "se", "south": "s",
	"southwest": "sw", "west": "w", "northwest": "nw", "central": "c",
}

// zoneID is the id of the zone at an index of its region: "use1-az1" for the
// first of us-east-1.
func zoneID(region string, index int) string {
	short := region
	if parts := strings.Split(region, "-"); len(parts) >= 3 {
		short = ""
		for _, part := range parts {
			if direction, ok := regionDirections[part]; ok {
				part = direction
			}
			short += part
		}
	}
	return fmt.Sprintf("%s-az%d", short, index+1)
}
