package ec2

import (
	"context"
	"encoding/binary"
	"net/netip"
	"slices"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/api/server"
	"causeway.dev/resource"
	"causeway.dev/store"
)

// readSubnetIPv6 reads the IPv6 range that a subnet shall have; zero for none.
func readSubnetIPv6(cidr, ipamPool *string, netmaskLength *int32) (netip.Prefix, error) {
	if err := refuseUnbuilt(member{"Ipv6IpamPoolId", ipamPool != nil}, member{"Ipv6NetmaskLength", netmaskLength != nil}); err != nil || cidr == nil {
		return netip.Prefix{}, err
	}
	return resource.ParseIPv6CIDR("ipv6CidrBlock", *cidr)
}

const subnetCIDRAssociationPrefix = "subnet-cidr-assoc"

// giveSubnetIPv6 gives a subnet an IPv6 range. The others are those of its VPC.
func (s *Service) giveSubnetIPv6(v *resource.Subnet, vpc resource.VPC, others []resource.Subnet, cidr netip.Prefix) error {
	if err := resource.ValidateSubnetIPv6Range(vpc, others, cidr); err != nil {
		return err
	}
	v.IPv6 = []resource.CIDRAssociation{{ID: s.newID(subnetCIDRAssociationPrefix), Prefix: cidr, State: resource.StateAssociated}}
	return nil
}

// subnetBits6 is the size of most subnets' IPv6 ranges.
const subnetBits6 = 64

// nextPrefix6 is the IPv6 prefix of the same size that follows one of at most 64 bits.
func nextPrefix6(p netip.Prefix) netip.Prefix {
	a := p.Addr().As16()
	binary.BigEndian.PutUint64(a[:8], binary.BigEndian.Uint64(a[:8])+1<<(64-p.Bits()))
	return netip.PrefixFrom(netip.AddrFrom16(a), p.Bits())
}

// speakOnlyIPv6 gives a subnet without an IPv4 range what all such have.
func speakOnlyIPv6(v *resource.Subnet) {
	v.AssignIPv6OnCreation, v.PrivateDNSNames = true, resource.PrivateDNSNameOptions{ResourceName: true, AAAA: true}
}

// AssociateSubnetCidrBlock gives a subnet that has none an IPv6 range.
func (s *Service) AssociateSubnetCidrBlock(ctx context.Context, c server.Caller, in *model.AssociateSubnetCidrBlockInput) (*model.AssociateSubnetCidrBlockOutput, error) {
	cidr, err := readSubnetIPv6(in.Ipv6CidrBlock, in.Ipv6IpamPoolId, in.Ipv6NetmaskLength)
	if err != nil {
		return nil, err
	}
	if !cidr.IsValid() {
		return nil, resource.Missing("Ipv6CidrBlock")
	}
	var out model.AssociateSubnetCidrBlockOutput
	err = s.update(ctx, c, nil, func(w writer) error {
		v, err := subnets.get(w.reader, val(in.SubnetId))
		if err != nil {
			return err
		}
		if has := resource.AssociatedCIDR(v.IPv6); has.IsValid() {
			return resource.Errorf(resource.CodeInvalidParameterValue, "Subnet %s has the IPv6 CIDR block %s, and a subnet can have one only", v.ID, has)
		}
		vpc, err := vpcs.get(w.reader, v.VPC)
		if err != nil {
			return err
		}
		if err := s.giveSubnetIPv6(&v, vpc, subnets.found(w.reader, store.ByVPC, vpc.ID), cidr); err != nil {
			return err
		}
		subnets.put(w, v)
		out = model.AssociateSubnetCidrBlockOutput{SubnetId: &v.ID, Ipv6CidrBlockAssociation: subnetIPv6Answer(&v.IPv6[0])}
		return nil
	})
	return &out, err
}

// DisassociateSubnetCidrBlock takes a subnet's IPv6 range, if no interface has an
// address of it. Interfaces to come get none then, instances no names for them, and DNS64 ends.
func (s *Service) DisassociateSubnetCidrBlock(ctx context.Context, c server.Caller, in *model.DisassociateSubnetCidrBlockInput) (*model.DisassociateSubnetCidrBlockOutput, error) {
	id := val(in.AssociationId)
	var out model.DisassociateSubnetCidrBlockOutput
	err := s.update(ctx, c, nil, func(w writer) error {
		for v := range subnets.list(w.reader) {
			at := slices.IndexFunc(v.IPv6, func(a resource.CIDRAssociation) bool { return a.ID == id })
			if at < 0 {
				continue
			}
			if v.IPv6Only() {
				return resource.Errorf(resource.CodeOperationNotPermitted, "The subnet CIDR block with association ID %s may not be disassociated. It is all that the IPv6-only subnet %s has", id, v.ID)
			}
			for nic := range networkInterfaces.table.Find(w.Reader, w.scope, store.BySubnet, v.ID) {
				if len(nic.IPv6) > 0 {
					return resource.Errorf(resource.CodeDependencyViolation, "The subnet CIDR block with association ID %s may not be disassociated. %s has the address %s", id, nic.ID, nic.IPv6[0])
				}
			}
			association := v.IPv6[at]
			v.Reservations = slices.DeleteFunc(slices.Clone(v.Reservations), func(o resource.SubnetCIDRReservation) bool { return o.CIDR.Overlaps(association.Prefix) })
			v.IPv6, v.AssignIPv6OnCreation = slices.Delete(slices.Clone(v.IPv6), at, at+1), false
			v.PrivateDNSNames.AAAA, v.DNS64 = false, false
			subnets.put(w, v)
			association.State = model.SubnetCidrBlockStateCodeDisassociating
			out = model.DisassociateSubnetCidrBlockOutput{SubnetId: &v.ID, Ipv6CidrBlockAssociation: subnetIPv6Answer(&association)}
			return nil
		}
		return resource.Errorf("InvalidSubnetCidrBlockAssociationID.NotFound", "The subnet CIDR block association ID '%s' does not exist", resource.Clip(id))
	})
	return &out, err
}

func subnetIPv6Answer(a *resource.CIDRAssociation) *model.SubnetIpv6CidrBlockAssociation {
	return &model.SubnetIpv6CidrBlockAssociation{
		AssociationId:        &a.ID,
		IpSource:             new(model.IpSourceAmazon),
		Ipv6AddressAttribute: new(model.Ipv6AddressAttributePublic),
		Ipv6CidrBlock:        new(a.Prefix.String()),
		Ipv6CidrBlockState:   &model.SubnetCidrBlockState{State: &a.State},
	}
}

func subnetIPv6Field(f func(*resource.CIDRAssociation) string) func(reader, *resource.Subnet) []string {
	return func(_ reader, v *resource.Subnet) []string { return mapped(v.IPv6, f) }
}

// noIPv4 refuses what takes an IPv4 address, of a subnet or an interface without any.
func noIPv4(id string) *resource.Error {
	return resource.Errorf(resource.CodeInvalidParameterCombination, "%s is IPv6-only, and has no IPv4 addresses", id)
}

// checkIPv6Only refuses the attributes that an IPv6-only subnet cannot have: its
// interfaces always get IPv6 addresses and never public IPv4 ones.
func checkIPv6Only(v *resource.Subnet, in *model.ModifySubnetAttributeInput) error {
	switch {
	case !v.IPv6Only():
		return nil
	case in.AssignIpv6AddressOnCreation != nil && !val(in.AssignIpv6AddressOnCreation.Value):
		return resource.InvalidValue("assignIpv6AddressOnCreation", "false", "The subnet "+v.ID+" is IPv6-only.")
	case in.MapPublicIpOnLaunch != nil && val(in.MapPublicIpOnLaunch.Value):
		return resource.InvalidValue("mapPublicIpOnLaunch", "true", "The subnet "+v.ID+" is IPv6-only.")
	}
	return nil
}

// setAssignIPv6 sets whether new interfaces of a subnet get an IPv6 address, as
// they can only where there are some.
func setAssignIPv6(v *resource.Subnet, given *model.AttributeBooleanValue) error {
	if given != nil && val(given.Value) && !resource.AssociatedCIDR(v.IPv6).IsValid() {
		return resource.InvalidValue("assignIpv6AddressOnCreation", "true", "The subnet "+v.ID+" has no IPv6 CIDR block.")
	}
	assign(&v.AssignIPv6OnCreation, given)
	return nil
}

// setDNS64 sets whether interfaces of a subnet get IPv6 addresses for names that have
// none, which they can only use where they have some themselves.
func setDNS64(v *resource.Subnet, given *model.AttributeBooleanValue) error {
	if given != nil && val(given.Value) && !resource.AssociatedCIDR(v.IPv6).IsValid() {
		return needsIPv6(v, "enable-dns64")
	}
	assign(&v.DNS64, given)
	return nil
}

// needsIPv6 refuses an attribute, by the name that AWS's texts have for it, of a subnet
// without IPv6.
func needsIPv6(v *resource.Subnet, attribute string) error {
	return resource.Errorf(resource.CodeInvalidParameterValue,
		"Invalid value 'true' for %s. Cannot set %s to true unless the subnet (%s) has an IPv6 CIDR block associated with it.", attribute, attribute, v.ID)
}
