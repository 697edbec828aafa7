package ec2

import (
	"context"
	"net/netip"
	"slices"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/api/server"
	"causeway.dev/resource"
)

// CreateNetworkInterface makes a network interface that is attached to nothing.
func (s *Service) CreateNetworkInterface(ctx context.Context, c server.Caller, in *model.CreateNetworkInterfaceInput) (*model.CreateNetworkInterfaceOutput, error) {
	if err := refuseUnbuilt(
		member{"ConnectionTrackingSpecification", in.ConnectionTrackingSpecification != nil},
		member{"InterfaceType", !slices.Contains([]string{"", interfaceType}, val(in.InterfaceType))},
		member{"Ipv4Prefix", in.Ipv4Prefixes != nil || val(in.Ipv4PrefixCount) != 0},
		member{"Ipv6Addresses.IsPrimaryIpv6", namesPrimary(in.Ipv6Addresses)},
		member{"Ipv6Prefix", in.Ipv6Prefixes != nil || val(in.Ipv6PrefixCount) != 0},
		member{"Operator", in.Operator != nil},
	); err != nil {
		return nil, err
	}
	wish, err := readAddressWish(in.PrivateIpAddress, in.PrivateIpAddresses, in.SecondaryPrivateIpAddressCount)
	if err != nil {
		return nil, err
	}
	if wish.ipv6, err = readIPv6Choice(in.Ipv6AddressCount, ipv6Texts(in.Ipv6Addresses)); err != nil {
		return nil, err
	}
	wish.ipv6.primary = val(in.EnablePrimaryIpv6)
	if err := checkInterfaceAddresses("", wish.size()); err != nil {
		return nil, err
	}
	tags, err := tagsFor(in.TagSpecifications, networkInterfaces.kind)
	if err != nil {
		return nil, err
	}
	requested := *in
	requested.ClientToken, requested.DryRun = nil, nil
	out := model.CreateNetworkInterfaceOutput{ClientToken: in.ClientToken}
	err = s.update(ctx, c, in.DryRun, func(w writer) error {
		created, err := s.idempotent(w.reader, "CreateNetworkInterface", in.ClientToken, requested)
		if err != nil {
			return err
		}
		id := created.newID(networkInterfaces.prefix, 0)
		if v, repeated := networkInterfaces.table.Get(w.Reader, w.scope, id); repeated {
			out.NetworkInterface = s.networkInterfaceAnswer(w.reader, &v)
			return created.check(&v.Meta)
		}
		subnet, err := subnets.get(w.reader, val(in.SubnetId))
		if err != nil {
			return err
		}
		v := resource.NetworkInterface{
			Meta: w.newMeta(id, tags[networkInterfaces.kind]), SourceDestCheck: true, Status: resource.StateAvailable,
		}
		created.mark(&v.Meta)
		if err := setDescription(&v, val(in.Description)); err != nil {
			return err
		}
		if networkInterfaces.total(w.reader) >= w.limits.NetworkInterfaces {
			return tooManyInterfaces(w.limits.NetworkInterfaces)
		}
		if err := s.placeInterface(w.reader, &v, &subnet, in.Groups, wish, takenAddresses(w.reader, subnet.ID)); err != nil {
			return err
		}
		networkInterfaces.put(w, v)
		out.NetworkInterface = s.networkInterfaceAnswer(w.reader, &v)
		return nil
	})
	return &out, err
}

func tooManyInterfaces(limit int) error {
	return resource.Errorf("NetworkInterfaceLimitExceeded", "The maximum number of network interfaces has been reached: %d", limit)
}

// placeInterface gives a new network interface what it has of its subnet: its
// addresses and groups.
func (s *Service) placeInterface(r reader, v *resource.NetworkInterface, subnet *resource.Subnet, groups []string, wish addressWish, taken map[netip.Addr]bool) (err error) {
	if v.Groups, err = s.interfaceGroups(r, subnet.VPC, slices.Compact(slices.Sorted(slices.Values(groups)))); err != nil {
		return err
	}
	v.VPC, v.Subnet, v.Zone, v.MAC = subnet.VPC, subnet.ID, subnet.Zone, s.newMAC(r)
	if v.Address, v.Secondary, err = wish.allocate(subnet, taken); err != nil {
		return err
	}
	if v.IPv6, err = s.takeIPv6(r, subnet, wish.ipv6); err != nil || !wish.ipv6.primary {
		return err
	}
	return enablePrimaryIPv6(v, true)
}
