package ec2

import (
	"net/netip"
	"slices"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/resource"
	"causeway.dev/store"
)

// anywhere6 is IPv6's anywhere.
var anywhere6 = netip.PrefixFrom(netip.IPv6Unspecified(), 0)

// amazonPool is what AWS calls the addresses that it gives itself.
const amazonPool = "Amazon"

// An ipv6Request are the members by which a request asks for an IPv6 range of a
// VPC's own.
type ipv6Request struct {
	provided              *bool
	cidr, ipamPool, pool  *string
	borderGroup           *string
	netmaskLength         *int32
	ipv4IPAMPool          *string
	ipv4IPAMNetmaskLength *int32
}

// check refuses ranges from elsewhere than the installation's own pool.
func (q ipv6Request) check(region string) error {
	if err := refuseUnbuilt(
		member{"Ipv6CidrBlock", q.cidr != nil},
		member{"Ipv6IpamPoolId", q.ipamPool != nil},
		member{"Ipv6NetmaskLength", q.netmaskLength != nil},
		member{"Ipv6Pool", q.pool != nil},
		member{"Ipv4IpamPoolId", q.ipv4IPAMPool != nil},
		member{"Ipv4NetmaskLength", q.ipv4IPAMNetmaskLength != nil},
	); err != nil {
		return err
	}
	if group := val(q.borderGroup); group != "" && group != region {
		return resource.InvalidValue("ipv6CidrBlockNetworkBorderGroup", group, "Its only network border group is "+region+".")
	}
	return nil
}

// giveIPv6 gives a VPC a range of the pool, and lets its defaults treat IPv6 as
// they treat IPv4, as far as they are as they were made.
func (s *Service) giveIPv6(w writer, v *resource.VPC) (resource.CIDRAssociation, error) {
	if len(v.IPv6) >= w.limits.IPv6CIDRsPerVPC {
		return resource.CIDRAssociation{}, resource.Errorf("CidrLimitExceeded", "This network '%s' has met its maximum number of allowed IPv6 CIDRs: %d", v.ID, w.limits.IPv6CIDRsPerVPC)
	}
	var used []netip.Prefix
	for other := range store.VPCs.All(w.Reader) {
		for _, association := range other.IPv6 {
			used = append(used, association.Prefix)
		}
	}
	cidr, ok := resource.FirstFreeIPv6Range(s.config.IPv6Addresses, used)
	if !ok {
		return resource.CIDRAssociation{}, resource.Errorf(codeInsufficientAddresses, "No IPv6 CIDR block is free. Delete VPCs that have one, or let the operator of this installation add ranges to outside.ipv6_addresses")
	}
	if err := checkRoutesBeyond(w.reader, v.ID, cidr); err != nil {
		return resource.CIDRAssociation{}, err
	}
	association := s.newCIDRAssociation(cidr)
	v.IPv6 = append(slices.Clone(v.IPv6), association)
	s.openDefaults(w, v.ID)
	return association, nil
}

// openDefaults adds to a VPC's default network ACL and security group what they
// have for IPv6, unless somebody has changed them.
func (s *Service) openDefaults(w writer, vpc string) {
	for acl := range networkACLs.of(w.reader, vpc) {
		if !acl.IsDefault {
			continue
		}
		unchanged := s.newDefaultNetworkACL(w.reader, vpc).Entries
		if slices.Equal(acl.Entries, unchanged) {
			for _, entry := range unchanged {
				entry.Number, entry.CIDR = entry.Number+1, anywhere6
				acl.Entries = append(slices.Clone(acl.Entries), entry)
			}
			slices.SortFunc(acl.Entries, resource.CompareNetworkACLEntries)
			networkACLs.put(w, acl)
		}
	}
	for group := range securityGroups.of(w.reader, vpc) {
		isOpen := func(rule resource.SecurityGroupRule) bool {
			return rule.Egress && rule.Protocol == resource.ProtocolAny && rule.CIDR == anywhere
		}
		if group.Name == resource.DefaultSecurityGroup && len(group.Rules) == 2 && slices.ContainsFunc(group.Rules, isOpen) {
			group.Rules = append(slices.Clone(group.Rules), s.openEgress(anywhere6))
			securityGroups.put(w, group)
		}
	}
}

// checkRoutesBeyond refuses a range that a VPC shall get if a route of it leads a
// part of the range elsewhere.
func checkRoutesBeyond(r reader, vpc string, cidr netip.Prefix) error {
	for table := range routeTables.of(r, vpc) {
		if at := slices.IndexFunc(table.Routes, func(route resource.Route) bool { return contains(cidr, route.Destination) }); at >= 0 {
			return resource.Errorf(resource.CodeInvalidVPCRange, "The CIDR '%s' is the same as or larger than %s, the destination of a route in %s", cidr, table.Routes[at].Destination, table.ID)
		}
	}
	return nil
}

// hasIPv6 reports whether a VPC has an IPv6 range.
func hasIPv6(r reader, vpc string) bool {
	v, ok := vpcs.table.Get(r.Reader, r.scope, vpc)
	return ok && len(v.IPv6) > 0
}

func vpcIPv6Answer(region string) func(a *resource.CIDRAssociation) *model.VpcIpv6CidrBlockAssociation {
	return func(a *resource.CIDRAssociation) *model.VpcIpv6CidrBlockAssociation {
		return &model.VpcIpv6CidrBlockAssociation{
			AssociationId:        &a.ID,
			IpSource:             new(model.IpSourceAmazon),
			Ipv6AddressAttribute: new(model.Ipv6AddressAttributePublic),
			Ipv6CidrBlock:        new(a.Prefix.String()),
			Ipv6CidrBlockState:   &model.VpcCidrBlockState{State: &a.State},
			Ipv6Pool:             new(amazonPool),
			NetworkBorderGroup:   &region,
		}
	}
}

func vpcIPv6Field(f func(*resource.CIDRAssociation) string) func(reader, *resource.VPC) []string {
	return func(_ reader, v *resource.VPC) []string { return mapped(v.IPv6, f) }
}

// withoutIPv6Range takes an IPv6 range from a VPC, if no subnet is in it.
func withoutIPv6Range(w writer, v resource.VPC, at int) (resource.CIDRAssociation, error) {
	association := v.IPv6[at]
	for subnet := range subnets.of(w.reader, v.ID) {
		if p := resource.AssociatedCIDR(subnet.IPv6); p.IsValid() && association.Prefix.Overlaps(p) {
			return association, resource.Errorf(resource.CodeDependencyViolation, "The vpc CIDR block with association ID %s may not be disassociated. %s is in it", association.ID, subnet.ID)
		}
	}
	v.IPv6 = slices.Delete(slices.Clone(v.IPv6), at, at+1)
	vpcs.put(w, v)
	return association, nil
}
