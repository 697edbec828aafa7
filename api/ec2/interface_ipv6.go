package ec2

import (
	"context"
	"net/netip"
	"slices"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/api/server"
	"causeway.dev/resource"
	"causeway.dev/store"
)

// interfaceIPv6Max is the number of IPv6 addresses that an interface can have: what
// AWS's largest instances can.
const interfaceIPv6Max = 50

// ipv6TriesMax is how often an address is chosen for one interface: a 64th of a
// subnet that is not reserved is found but for once in millions.
const ipv6TriesMax = 1000

// An ipv6Choice is which IPv6 addresses an interface shall get: those named, or a
// number of any.
type ipv6Choice struct {
	named   []netip.Addr
	count   *int32 // nil: as the subnet says
	primary bool   // one of them stays
}

// readIPv6Choice reads the choice of a request, whose parameters it names in errors.
func readIPv6Choice(count *int32, named []string) (ipv6Choice, error) {
	choice := ipv6Choice{count: count}
	if count != nil && len(named) > 0 {
		return choice, resource.Errorf(resource.CodeInvalidParameterCombination, "Give Ipv6Addresses or Ipv6AddressCount, not both")
	}
	if n := max(int(val(count)), len(named)); val(count) < 0 || n > interfaceIPv6Max {
		return choice, resource.Errorf(resource.CodeInvalidParameterValue, "An interface can have 0 to %d IPv6 addresses; the request asks for %d", interfaceIPv6Max, n)
	}
	for _, text := range named {
		a, err := resource.ParseIPv6Address("ipv6Address", text)
		if err != nil {
			return choice, err
		}
		if slices.Contains(choice.named, a) {
			return choice, resource.InvalidValue("ipv6Address", text, "It is given twice.")
		}
		choice.named = append(choice.named, a)
	}
	return choice, nil
}

// ipv6Texts are the addresses that members of a request name.
func ipv6Texts(members []model.InstanceIpv6Address) []string {
	return mapped(members, func(m *model.InstanceIpv6Address) string { return val(m.Ipv6Address) })
}

// namesPrimary reports whether members of a request say which of their addresses shall
// be the primary one. Here the first is, of an interface that shall have one.
func namesPrimary(members []model.InstanceIpv6Address) bool {
	return slices.ContainsFunc(members, func(m model.InstanceIpv6Address) bool { return val(m.IsPrimaryIpv6) })
}

// wanted is how many addresses an interface of a subnet gets.
func (choice ipv6Choice) wanted(subnet *resource.Subnet) int {
	switch {
	case len(choice.named) > 0:
		return len(choice.named)
	case subnet.IPv6Only():
		return max(1, int(val(choice.count)))
	case choice.count != nil:
		return int(*choice.count)
	case subnet.AssignIPv6OnCreation && resource.AssociatedCIDR(subnet.IPv6).IsValid():
		return 1
	}
	return 0
}

// given reports whether addresses are asked for.
func (choice ipv6Choice) given() bool {
	return val(choice.count) > 0 || len(choice.named) > 0 || choice.primary
}

// shared returns an address that one of the others names too; zero for none.
func (choice ipv6Choice) shared(others []launchInterface) netip.Addr {
	for _, a := range choice.named {
		if slices.ContainsFunc(others, func(o launchInterface) bool { return slices.Contains(o.wish.ipv6.named, a) }) {
			return a
		}
	}
	return netip.Addr{}
}

// takeIPv6 chooses the IPv6 addresses of an interface of a subnet, sorted.
func (s *Service) takeIPv6(r reader, subnet *resource.Subnet, choice ipv6Choice) ([]netip.Addr, error) {
	wanted := choice.wanted(subnet)
	if wanted == 0 {
		return nil, nil
	}
	cidr := resource.AssociatedCIDR(subnet.IPv6)
	if !cidr.IsValid() {
		return nil, resource.Errorf(resource.CodeInvalidParameterValue, "Subnet %s has no IPv6 CIDR block, and its interfaces have no IPv6 addresses", subnet.ID)
	}
	taken, chosen := takenIPv6(r, subnet.ID), slices.Clone(choice.named)
	for _, a := range chosen {
		if err := subnet.ValidateIPv6Address(a); err != nil {
			return nil, err
		}
		if taken[a] {
			return nil, resource.Errorf("InvalidIPAddress.InUse", "Address %s is in use.", a)
		}
	}
	for tries := 0; len(chosen) < wanted; tries++ {
		// Of so many, one chosen at random is free, unless nearly all are reserved.
		a := resource.IPv6AddressIn(cidr, [16]byte(s.random(16)))
		if !taken[a] && !slices.Contains(chosen, a) && !subnet.Reserved(a) && subnet.ValidateIPv6Address(a) == nil {
			chosen = append(chosen, a)
		}
		if tries > ipv6TriesMax {
			return nil, resource.Errorf(codeSubnetFull, "There are not enough free IPv6 addresses in subnet '%s': nearly all are reserved", subnet.ID)
		}
	}
	slices.SortFunc(chosen, netip.Addr.Compare)
	return chosen, nil
}

// takenIPv6 are the IPv6 addresses that interfaces of a subnet have.
func takenIPv6(r reader, subnet string) map[netip.Addr]bool {
	taken := make(map[netip.Addr]bool)
	for v := range networkInterfaces.table.Find(r.Reader, r.scope, store.BySubnet, subnet) {
		for _, a := range v.IPv6 {
			taken[a] = true
		}
	}
	return taken
}

// AssignIpv6Addresses gives a network interface further IPv6 addresses.
func (s *Service) AssignIpv6Addresses(ctx context.Context, c server.Caller, in *model.AssignIpv6AddressesInput) (*model.AssignIpv6AddressesOutput, error) {
	if err := refuseUnbuilt(member{"Ipv6Prefix", in.Ipv6Prefixes != nil}, member{"Ipv6PrefixCount", in.Ipv6PrefixCount != nil}); err != nil {
		return nil, err
	}
	choice, err := readIPv6Choice(in.Ipv6AddressCount, in.Ipv6Addresses)
	if err != nil {
		return nil, err
	}
	if !choice.given() {
		return nil, resource.Missing("Ipv6Addresses or Ipv6AddressCount")
	}
	var out model.AssignIpv6AddressesOutput
	err = s.update(ctx, c, nil, func(w writer) error {
		v, subnet, err := ipv6Interface(w.reader, val(in.NetworkInterfaceId))
		if err != nil {
			return err
		}
		if len(v.IPv6)+choice.wanted(&subnet) > interfaceIPv6Max {
			return resource.Errorf("Ipv6AddressLimitExceeded", "Interface %s has %d IPv6 addresses of at most %d", v.ID, len(v.IPv6), interfaceIPv6Max)
		}
		assigned, err := s.takeIPv6(w.reader, &subnet, choice)
		if err != nil {
			return err
		}
		v.IPv6 = slices.Concat(v.IPv6, assigned)
		slices.SortFunc(v.IPv6, netip.Addr.Compare)
		networkInterfaces.put(w, v)
		out = model.AssignIpv6AddressesOutput{NetworkInterfaceId: &v.ID, AssignedIpv6Addresses: mapped(assigned, func(a *netip.Addr) string { return a.String() })}
		return nil
	})
	return &out, err
}

// UnassignIpv6Addresses takes IPv6 addresses from a network interface.
func (s *Service) UnassignIpv6Addresses(ctx context.Context, c server.Caller, in *model.UnassignIpv6AddressesInput) (*model.UnassignIpv6AddressesOutput, error) {
	if err := refuseUnbuilt(member{"Ipv6Prefix", in.Ipv6Prefixes != nil}); err != nil {
		return nil, err
	}
	choice, err := readIPv6Choice(nil, in.Ipv6Addresses)
	if err != nil {
		return nil, err
	}
	if len(choice.named) == 0 {
		return nil, resource.Missing("Ipv6Addresses")
	}
	out := model.UnassignIpv6AddressesOutput{NetworkInterfaceId: in.NetworkInterfaceId, UnassignedIpv6Addresses: mapped(choice.named, func(a *netip.Addr) string { return a.String() })}
	err = s.update(ctx, c, nil, func(w writer) error {
		v, subnet, err := ipv6Interface(w.reader, val(in.NetworkInterfaceId))
		if err != nil {
			return err
		}
		v.IPv6 = slices.Clone(v.IPv6)
		for _, a := range choice.named {
			at := slices.Index(v.IPv6, a)
			if at < 0 {
				return resource.Errorf(resource.CodeInvalidParameterValue, "Some of [%s] are not assigned to interface %s", a, v.ID)
			}
			if a == v.PrimaryIPv6 {
				return resource.InvalidValue("ipv6Address", a.String(), "It is the primary IPv6 address of "+v.ID+", which it keeps.")
			}
			v.IPv6 = slices.Delete(v.IPv6, at, at+1)
		}
		if subnet.IPv6Only() && len(v.IPv6) == 0 {
			return resource.Errorf(resource.CodeInvalidParameterValue, "The interface %s is in the IPv6-only subnet %s: it keeps one address at least", v.ID, subnet.ID)
		}
		networkInterfaces.put(w, v)
		return nil
	})
	return &out, err
}

// ipv6Interface finds an interface that callers may give IPv6 addresses, and its
// subnet.
func ipv6Interface(r reader, id string) (v resource.NetworkInterface, subnet resource.Subnet, err error) {
	if v, err = networkInterfaces.get(r, id); err != nil {
		return v, subnet, err
	}
	if err := checkManaged(r, v.ID); err != nil {
		return v, subnet, err
	}
	subnet, err = subnets.get(r, v.Subnet)
	return v, subnet, err
}

// enablePrimaryIPv6 has an interface keep its first IPv6 address. That cannot be undone.
func enablePrimaryIPv6(v *resource.NetworkInterface, wanted bool) error {
	switch {
	case !wanted && v.PrimaryIPv6.IsValid():
		return resource.InvalidValue("enablePrimaryIpv6", "false", "The primary IPv6 address of "+v.ID+" cannot be disabled.")
	case wanted && len(v.IPv6) == 0:
		return resource.InvalidValue("enablePrimaryIpv6", "true", "The network interface "+v.ID+" has no IPv6 address.")
	case wanted:
		v.PrimaryIPv6 = v.FirstIPv6()
	}
	return nil
}
