package ec2

import (
	"context"
	"encoding/binary"
	"net/netip"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/api/server"
	"causeway.dev/resource"
	"causeway.dev/store"
)

func (s *Service) defaultVPCActions() actions {
	return actions{
		"CreateDefaultVpc":    server.Operation(s.CreateDefaultVpc),
		"CreateDefaultSubnet": server.Operation(s.CreateDefaultSubnet),
	}
}

// defaultVPCRange is that of all default VPCs, and defaultSubnetBits how much of
// it each zone has ("Default VPCs" in the VPC user guide).
var defaultVPCRange = netip.MustParsePrefix("172.31.0.0/16")

const defaultSubnetBits = 20

// noDefaultVPC is what a request gets that names no VPC where there is no default
// one.
func noDefaultVPC() error {
	return resource.Errorf("VPCIdNotSpecified", "No default VPC for this user. Name a VPC or a subnet")
}

// defaultVPC returns the account's default VPC in the region.
func defaultVPC(r reader) (resource.VPC, bool) {
	for v := range vpcs.list(r) {
		if v.IsDefault {
			return v, true
		}
	}
	return resource.VPC{}, false
}

// vpcOrDefault returns a VPC that a request names, or the default one.
func vpcOrDefault(r reader, id *string) (resource.VPC, error) {
	if val(id) != "" {
		return vpcs.get(r, *id)
	}
	if v, ok := defaultVPC(r); ok {
		return v, nil
	}
	return resource.VPC{}, noDefaultVPC()
}

// defaultSubnet returns the default subnet of a zone, given by name or id, or of
// the first zone that has one.
func (s *Service) defaultSubnet(r reader, zone string) (resource.Subnet, error) {
	vpc, ok := defaultVPC(r)
	if !ok {
		return resource.Subnet{}, noDefaultVPC()
	}
	for i, name := range s.zones(r.scope.Region) {
		if zone != "" && zone != name && zone != zoneID(r.scope.Region, i) {
			continue
		}
		for v := range subnets.of(r, vpc.ID) {
			if v.DefaultForAZ && v.Zone == name {
				return v, nil
			}
		}
	}
	if zone != "" {
		return resource.Subnet{}, resource.Errorf("MissingInput", "No default subnet for availability zone: '%s'.", resource.Clip(zone))
	}
	return resource.Subnet{}, resource.Errorf("MissingInput", "No subnets found for the default VPC '%s'. Please specify a subnet.", vpc.ID)
}

// makeInitialState gives an account what AWS's have in a region from the start.
// It is made when the account first calls there, once.
func (s *Service) makeInitialState(ctx context.Context, c server.Caller) error {
	if !s.config.DefaultVPCs {
		return nil
	}
	if _, made := store.InitialStates.Get(s.store.Snapshot(), scopeOf(c), resource.InitialStateID); made {
		return nil
	}
	return s.update(ctx, c, nil, func(w writer) error {
		if _, made := store.InitialStates.Get(w.Reader, w.scope, resource.InitialStateID); made {
			return nil
		}
		store.InitialStates.Put(w.tx, resource.InitialState{Meta: w.newMeta(resource.InitialStateID, nil)})
		if _, has := defaultVPC(w.reader); !has {
			s.makeDefaultVPC(w)
		}
		return nil
	})
}

// makeDefaultVPC makes a VPC with a subnet in each zone from which the outside is
// reached.
func (s *Service) makeDefaultVPC(w writer) resource.VPC {
	v, table := s.makeVPC(w, defaultVPCRange, model.TenancyDefault, nil)
	v.IsDefault, v.EnableDNSHostnames = true, true
	vpcs.put(w, v)
	igw := resource.InternetGateway{Meta: w.newMeta(s.newID(internetGateways.prefix), nil), VPC: v.ID}
	internetGateways.put(w, igw)
	table.Routes = []resource.Route{{Destination: anywhere, Gateway: igw.ID}}
	routeTables.put(w, table)
	for i, zone := range s.zones(w.scope.Region) {
		if cidr, ok := defaultSubnetRange(i); ok {
			s.putSubnet(w, s.newDefaultSubnet(w.reader, v.ID, zone, cidr))
		}
	}
	return v
}

// defaultSubnetRange is a part of the default VPC's range, by number; there are 16.
func defaultSubnetRange(n int) (netip.Prefix, bool) {
	first := defaultVPCRange.Addr().As4()
	number := binary.BigEndian.Uint32(first[:]) + uint32(n)<<(32-defaultSubnetBits)
	cidr := netip.PrefixFrom(netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, number))), defaultSubnetBits)
	return cidr, defaultVPCRange.Contains(cidr.Addr())
}

func (s *Service) newDefaultSubnet(r reader, vpc, zone string, cidr netip.Prefix) resource.Subnet {
	return resource.Subnet{
		Meta: r.newMeta(s.newID(subnets.prefix), nil), VPC: vpc, CIDR: cidr, Zone: zone, State: resource.StateAvailable,
		MapPublicIPOnLaunch: true, DefaultForAZ: true,
	}
}

// CreateDefaultVpc makes the default VPC again that was deleted.
func (s *Service) CreateDefaultVpc(ctx context.Context, c server.Caller, in *model.CreateDefaultVpcInput) (*model.CreateDefaultVpcOutput, error) {
	var out model.CreateDefaultVpcOutput
	err := s.update(ctx, c, in.DryRun, func(w writer) error {
		if v, has := defaultVPC(w.reader); has {
			return resource.Errorf("DefaultVpcAlreadyExists", "A Default VPC already exists for this account in this region: %s", v.ID)
		}
		if err := s.roomForVPC(w.reader); err != nil {
			return err
		}
		if internetGateways.total(w.reader) >= w.limits.InternetGateways {
			return resource.Errorf("InternetGatewayLimitExceeded", "The maximum number of internet gateways has been reached: %d", w.limits.InternetGateways)
		}
		v := s.makeDefaultVPC(w)
		out.Vpc = w.vpcAnswer(&v)
		return nil
	})
	return &out, err
}

// CreateDefaultSubnet makes the default subnet of a zone again that was deleted, or an
// IPv6-only one in its place.
func (s *Service) CreateDefaultSubnet(ctx context.Context, c server.Caller, in *model.CreateDefaultSubnetInput) (*model.CreateDefaultSubnetOutput, error) {
	if in.AvailabilityZone == nil && in.AvailabilityZoneId == nil {
		return nil, resource.Missing("AvailabilityZone")
	}
	zone, err := s.chooseZone(c.Region, val(in.AvailabilityZone), val(in.AvailabilityZoneId))
	if err != nil {
		return nil, err
	}
	var out model.CreateDefaultSubnetOutput
	err = s.update(ctx, c, in.DryRun, func(w writer) error {
		vpc, has := defaultVPC(w.reader)
		if !has {
			return resource.Errorf("DefaultVpcDoesNotExist", "There is no default VPC in this region: make one with CreateDefaultVpc")
		}
		others := subnets.found(w.reader, store.ByVPC, vpc.ID)
		for _, other := range others {
			if other.DefaultForAZ && other.Zone == zone {
				return resource.Errorf("DefaultSubnetAlreadyExistsInAvailabilityZone", "'%s' is already the default subnet in %s.", other.ID, zone)
			}
		}
		v, err := s.placeDefaultSubnet(w.reader, vpc, others, zone, val(in.Ipv6Native))
		if err != nil {
			return err
		}
		s.putSubnet(w, v)
		out.Subnet = subnetView{service: s, reader: w.reader}.answer(&v)
		return nil
	})
	return &out, err
}

// placeDefaultSubnet finds room for a default subnet beside the others of the VPC.
func (s *Service) placeDefaultSubnet(r reader, vpc resource.VPC, others []resource.Subnet, zone string, ipv6Only bool) (resource.Subnet, error) {
	if ipv6Only {
		v := resource.Subnet{Meta: r.newMeta(s.newID(subnets.prefix), nil), VPC: vpc.ID, Zone: zone, State: resource.StateAvailable, DefaultForAZ: true}
		cidr := resource.AssociatedCIDR(vpc.IPv6)
		if !cidr.IsValid() {
			return v, resource.Errorf(resource.CodeInvalidParameterValue, "The default VPC %s has no IPv6 CIDR block: associate one first", vpc.ID)
		}
		for part := netip.PrefixFrom(cidr.Addr(), subnetBits6); cidr.Contains(part.Addr()); part = nextPrefix6(part) {
			if s.giveSubnetIPv6(&v, vpc, others, part) == nil {
				speakOnlyIPv6(&v)
				return v, nil
			}
		}
	} else {
		for n := 0; ; n++ {
			cidr, ok := defaultSubnetRange(n)
			if !ok {
				break
			}
			if resource.ValidateSubnetRange(vpc, others, cidr) == nil {
				return s.newDefaultSubnet(r, vpc.ID, zone, cidr), nil
			}
		}
	}
	return resource.Subnet{}, resource.Errorf("InsufficientCidrBlocks", "The default VPC %s has no room for another subnet of this size", vpc.ID)
}
