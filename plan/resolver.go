package plan

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"causeway.dev/nodespec"
	"causeway.dev/resource"
	"causeway.dev/store"
)

// linkLocalResolver is where the resolver of every VPC is found, whatever its
// ranges ("Amazon DNS server" in the VPC user guide).
var (
	linkLocalResolver  = netip.AddrFrom4([4]byte{169, 254, 169, 253})
	linkLocalResolver6 = netip.MustParseAddr("fd00:ec2::253")
)

// resolverAddresses are where a VPC's resolver is found: at the base of its primary
// range plus two, and where it is found in all VPCs, by IPv6 if the VPC speaks that.
func resolverAddresses(vpc resource.VPC) []netip.Addr {
	addresses := []netip.Addr{vpc.CIDRs[0].Prefix.Masked().Addr().Next().Next(), linkLocalResolver}
	if resource.AssociatedCIDR(vpc.IPv6).IsValid() {
		addresses = append(addresses, linkLocalResolver6)
	}
	return addresses
}

// resolver compiles a VPC's resolver; nil if it has none.
func (c *compiler) resolver(vpc resource.VPC) *nodespec.Resolver {
	if !vpc.EnableDNSSupport || len(vpc.CIDRs) == 0 {
		return nil
	}
	r := &nodespec.Resolver{Addresses: resolverAddresses(vpc), Pointers: c.pointers}
	if slices.ContainsFunc(c.plugged, func(p plugged) bool { return p.subnet.DNS64 }) {
		r.Prefix = resource.NAT64Prefix
	}
	slices.SortFunc(r.Pointers, func(a, b nodespec.Pointer) int { return a.Address.Compare(b.Address) })
	if !vpc.EnableDNSHostnames {
		return r
	}
	for _, p := range c.plugged {
		byID := resourceNames(p)
		r.Names = append(r.Names, byID...)
		for _, a := range p.nic.PrivateAddresses() {
			called := slices.ContainsFunc(byID, func(n nodespec.HostName) bool { return n.Address == a && n.Reverse })
			r.Names = append(r.Names, nodespec.HostName{Name: resource.PrivateName(vpc.Region, a), Address: a, Reverse: !called})
		}
	}
	for _, e := range c.elastic {
		r.Names = append(r.Names, nodespec.HostName{Name: resource.PublicName(vpc.Region, e.Outside), Address: e.Inside})
	}
	slices.SortFunc(r.Names, func(a, b nodespec.HostName) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), a.Address.Compare(b.Address))
	})
	return r
}

// resourceNames are an instance's names after its id, if the interface is its primary
// one. An address is called by such a name where the name leads back to it and, for
// IPv4, which has another name, where the instance calls itself so.
func resourceNames(p plugged) (names []nodespec.HostName) {
	o := p.instance.PrivateDNSNames
	if p.instance.ID == "" || p.nic.DeviceIndex != 0 {
		return nil
	}
	if o.A && p.nic.Address.IsValid() {
		names = append(names, nodespec.HostName{Name: p.instance.ResourceName(), Address: p.nic.Address, Reverse: o.ResourceName})
	}
	if first := p.nic.FirstIPv6(); o.AAAA && first.IsValid() {
		names = append(names, nodespec.HostName{Name: p.instance.ResourceName(), Address: first, Reverse: true})
	}
	return names
}

// told is what a VPC's DHCP options tell its hosts.
func (c *compiler) told(vpc resource.VPC) (told nodespec.HostOptions) {
	told.IPv6Preferred = resource.DHCPIPv6Preferred
	options, ok := store.DHCPOptions.Get(c.snapshot, scopeOf(vpc.Meta), vpc.DHCPOptionsID)
	if !ok {
		return told
	}
	for _, value := range options.Values(resource.DHCPDomainNameServers) {
		if value == resource.AmazonProvidedDNS {
			if vpc.EnableDNSSupport && len(vpc.CIDRs) > 0 {
				own := resolverAddresses(vpc)
				told.Resolvers = append(told.Resolvers, own[0])
				told.Resolvers6 = append(told.Resolvers6, slices.DeleteFunc(own, netip.Addr.Is4)...)
			}
		} else if a, err := netip.ParseAddr(value); err == nil {
			told.Resolvers = append(told.Resolvers, a)
			if a.Is6() {
				told.Resolvers6 = append(told.Resolvers6, a)
			}
		}
	}
	told.TimeServers = hosts(options.Values(resource.DHCPNTPServers))
	told.NetBIOSServers = hosts(options.Values(resource.DHCPNetBIOSNameServers))
	if kinds := options.Values(resource.DHCPNetBIOSNodeType); len(kinds) > 0 {
		told.NetBIOSNodeType, _ = strconv.Atoi(kinds[0]) // which was checked
	}
	if times := options.Values(resource.DHCPIPv6PreferredLifetime); len(times) > 0 {
		seconds, _ := strconv.ParseInt(times[0], 10, 64) // which was checked
		told.IPv6Preferred = time.Duration(seconds) * time.Second
	}
	if domains := options.Values(resource.DHCPDomainName); len(domains) > 0 {
		told.Domain = domains[0]
	}
	return told
}

// resolversFor are those of the DNS servers that an instance can ask: one whose primary
// interface speaks IPv6 only, those of IPv6.
func (p plugged) resolversFor(told nodespec.HostOptions) []netip.Addr {
	if p.nic.Address.IsValid() {
		return told.Resolvers
	}
	return told.Resolvers6
}

// hosts are the addresses among an option's values.
func hosts(values []string) (all []netip.Addr) {
	for _, value := range values {
		if a, err := netip.ParseAddr(value); err == nil {
			all = append(all, a)
		}
	}
	return all
}
