package ec2

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/api/server"
	"causeway.dev/resource"
	"causeway.dev/store"
)

const codePrivateAddressLimit resource.Code = "PrivateIpAddressLimitExceeded"

// An addressWish is which private IPv4 addresses a network interface shall have.
type addressWish struct {
	primary   netip.Addr   // zero: any
	secondary []netip.Addr // those that were chosen
	count     int          // how many more, chosen by nobody
	ipv6      ipv6Choice
}

// size is how many addresses are wished for.
func (wish *addressWish) size() int { return 1 + len(wish.secondary) + wish.count }

// chosen reports whether particular addresses are wished for.
func (wish *addressWish) chosen() bool { return wish.primary.IsValid() || len(wish.secondary) > 0 }

// readAddressWish reads the members that new network interfaces get their private
// addresses by. A list's primary address is the one that says so.
func readAddressWish(primary *string, list []model.PrivateIpAddressSpecification, count *int32) (addressWish, error) {
	var wish addressWish
	var err error
	if primary != nil {
		if wish.primary, err = resource.ParseIPv4Address("privateIpAddress", *primary); err != nil {
			return wish, err
		}
	}
	if wish.count = int(val(count)); wish.count < 0 {
		return wish, resource.InvalidValue("secondaryPrivateIpAddressCount", "negative", "It is a number of addresses.")
	}
	for _, given := range list {
		if given.PrivateIpAddress == nil {
			return wish, resource.Missing("PrivateIpAddresses.n.PrivateIpAddress")
		}
		a, err := resource.ParseIPv4Address("privateIpAddresses", *given.PrivateIpAddress)
		if err != nil {
			return wish, err
		}
		asPrimary := val(given.Primary)
		switch {
		case asPrimary && wish.primary.IsValid():
			return wish, resource.Errorf(resource.CodeInvalidParameterCombination, "Only one primary private IP address can be specified")
		case asPrimary:
			wish.primary = a
		default:
			wish.secondary = append(wish.secondary, a)
		}
	}
	if wish.count > 0 && len(wish.secondary) > 0 {
		return wish, resource.Errorf(resource.CodeInvalidParameterCombination, "Give secondary private IP addresses or how many there shall be, not both")
	}
	return wish, checkTwice(append(slices.Clone(wish.secondary), wish.primary))
}

func checkTwice(list []netip.Addr) error {
	slices.SortFunc(list, netip.Addr.Compare)
	for i := 1; i < len(list); i++ {
		if list[i] == list[i-1] {
			return resource.InvalidValue("privateIpAddresses", list[i].String(), "It is given more than once.")
		}
	}
	return nil
}

// allocate chooses the IPv4 addresses of a new network interface and takes them; in an
// IPv6-only subnet, none.
func (wish *addressWish) allocate(subnet *resource.Subnet, used map[netip.Addr]bool) (primary netip.Addr, secondary []netip.Addr, err error) {
	if subnet.IPv6Only() {
		if wish.chosen() || wish.count > 0 {
			return primary, nil, noIPv4(subnet.ID)
		}
		return primary, nil, nil
	}
	wanted := append([]netip.Addr{wish.primary}, wish.secondary...)
	if !wish.primary.IsValid() { // after those that were chosen, or it might take one of them
		wanted = append(slices.Clone(wish.secondary), wish.primary)
	}
	for range wish.count {
		wanted = append(wanted, netip.Addr{})
	}
	for i, a := range wanted {
		a, err = allocateAddress(subnet, used, a)
		if err != nil {
			return primary, nil, err
		}
		used[a] = true
		if wish.primary.IsValid() && i == 0 || !wish.primary.IsValid() && i == len(wish.secondary) {
			primary = a
		} else {
			secondary = append(secondary, a)
		}
	}
	return primary, secondary, nil
}

// AssignPrivateIpAddresses gives a network interface further private addresses:
// particular ones, or so many. With AllowReassignment those that are secondary
// ones of other interfaces move, with the elastic addresses that stand for them.
func (s *Service) AssignPrivateIpAddresses(ctx context.Context, c server.Caller, in *model.AssignPrivateIpAddressesInput) (*model.AssignPrivateIpAddressesOutput, error) {
	if err := refuseUnbuilt(member{"Ipv4Prefix", in.Ipv4Prefixes != nil}, member{"Ipv4PrefixCount", in.Ipv4PrefixCount != nil}); err != nil {
		return nil, err
	}
	count := int(val(in.SecondaryPrivateIpAddressCount))
	switch {
	case count < 0:
		return nil, resource.InvalidValue("secondaryPrivateIpAddressCount", "negative", "It is a number of addresses.")
	case len(in.PrivateIpAddresses) > 0 && in.SecondaryPrivateIpAddressCount != nil:
		return nil, resource.Errorf(resource.CodeInvalidParameterCombination, "Give PrivateIpAddress or SecondaryPrivateIpAddressCount, not both")
	case len(in.PrivateIpAddresses) == 0 && count == 0:
		return nil, resource.Errorf(resource.CodeMissingParameter, "Either PrivateIpAddress or SecondaryPrivateIpAddressCount must be specified")
	}
	wanted, err := readPrivateAddresses(in.PrivateIpAddresses)
	if err != nil {
		return nil, err
	}
	var out model.AssignPrivateIpAddressesOutput
	err = s.update(ctx, c, nil, func(w writer) error {
		v, subnet, err := interfaceForAddresses(w.reader, val(in.NetworkInterfaceId))
		if err != nil {
			return err
		}
		if subnet.IPv6Only() {
			return noIPv4(v.ID)
		}
		before := len(v.Secondary)
		wanted := slices.DeleteFunc(slices.Clone(wanted), func(a netip.Addr) bool { return slices.Contains(v.Secondary, a) })
		if err := checkAddressLimit(w.reader, &v, 1+before+len(wanted)+count); err != nil {
			return err
		}
		taken := takenAddresses(w.reader, subnet.ID)
		for _, a := range wanted {
			if err := subnet.ValidateAddress(a); err != nil {
				return err
			}
			if taken[a] {
				if err := s.moveAddress(w, a, &v, val(in.AllowReassignment)); err != nil {
					return err
				}
			}
			v.Secondary = append(v.Secondary, a)
		}
		for range count {
			a, err := allocateAddress(&subnet, taken, netip.Addr{})
			if err != nil {
				return err
			}
			taken[a] = true
			v.Secondary = append(v.Secondary, a)
		}
		networkInterfaces.put(w, v)
		out = model.AssignPrivateIpAddressesOutput{NetworkInterfaceId: &v.ID}
		for _, a := range v.Secondary[before:] {
			out.AssignedPrivateIpAddresses = append(out.AssignedPrivateIpAddresses, model.AssignedPrivateIpAddress{PrivateIpAddress: addressText(a)})
		}
		return nil
	})
	return &out, err
}

// readPrivateAddresses reads a list of addresses, each of which must be there once.
func readPrivateAddresses(texts []string) ([]netip.Addr, error) {
	list := make([]netip.Addr, 0, len(texts))
	for _, text := range texts {
		a, err := resource.ParseIPv4Address("privateIpAddress", text)
		if err != nil {
			return nil, err
		}
		list = append(list, a)
	}
	return list, checkTwice(slices.Clone(list))
}

// interfaceForAddresses finds a network interface whose addresses may be changed.
func interfaceForAddresses(r reader, id string) (v resource.NetworkInterface, subnet resource.Subnet, err error) {
	if v, err = networkInterfaces.get(r, id); err != nil {
		return v, subnet, err
	}
	if err := checkManaged(r, v.ID); err != nil {
		return v, subnet, err
	}
	v.Secondary = slices.Clone(v.Secondary)
	subnet, err = subnets.get(r, v.Subnet)
	return v, subnet, err
}

// moveAddress takes an address from the interface that it is a secondary one of,
// for another of the same subnet.
func (s *Service) moveAddress(w writer, a netip.Addr, to *resource.NetworkInterface, allowed bool) error {
	for _, other := range networkInterfaces.found(w.reader, store.ByAddress, a.String()) {
		if other.Subnet != to.Subnet {
			continue
		}
		if other.Address == a {
			return resource.InvalidValue("privateIpAddress", a.String(), "It is the primary address of "+other.ID+".")
		}
		if !allowed {
			return resource.Errorf(resource.CodeInvalidParameterValue, "Some of [%s] are assigned, but move is not allowed.", a)
		}
		other.Secondary = without(other.Secondary, a)
		networkInterfaces.put(w, other)
		if elastic, ok := w.public(other.ID, a); ok {
			elastic.NetworkInterface = to.ID
			addresses.put(w, elastic)
		}
		return nil
	}
	return nil
}

// UnassignPrivateIpAddresses takes secondary private addresses from a network
// interface. Elastic addresses that stood for them are only kept from then on.
func (s *Service) UnassignPrivateIpAddresses(ctx context.Context, c server.Caller, in *model.UnassignPrivateIpAddressesInput) (*model.UnassignPrivateIpAddressesOutput, error) {
	if err := refuseUnbuilt(member{"Ipv4Prefix", in.Ipv4Prefixes != nil}); err != nil {
		return nil, err
	}
	if len(in.PrivateIpAddresses) == 0 {
		return nil, resource.Missing("PrivateIpAddress")
	}
	gone, err := readPrivateAddresses(in.PrivateIpAddresses)
	if err != nil {
		return nil, err
	}
	return nil, s.update(ctx, c, nil, func(w writer) error {
		v, _, err := interfaceForAddresses(w.reader, val(in.NetworkInterfaceId))
		if err != nil {
			return err
		}
		for _, a := range gone {
			if a == v.Address {
				return resource.InvalidValue("privateIpAddress", a.String(), "It is the primary address of "+v.ID+", which it keeps.")
			}
			if !slices.Contains(v.Secondary, a) {
				return resource.Errorf(resource.CodeInvalidParameterValue, "Some of [%s] are not assigned to interface %s", strings.Join(mapped(gone, (*netip.Addr).String), ", "), v.ID)
			}
			v.Secondary = without(v.Secondary, a)
		}
		freeAddresses(w, v.ID, func(elastic *resource.Address) bool { return slices.Contains(gone, elastic.PrivateAddress) })
		networkInterfaces.put(w, v)
		return nil
	})
}
