package plan_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"

	"causeway.dev/resource"
)

// randomACLs guards the subnets of a VPC: most by an ACL that lets all pass, as
// new ones are, some by one that denies this and that, and some by none.
func (w *world) randomACLs(r *rand.Rand, name string) {
	open := resource.NetworkACL{Meta: w.meta("acl-open-" + name), VPC: "vpc-" + name, IsDefault: true}
	strict := resource.NetworkACL{Meta: w.meta("acl-strict-" + name), VPC: "vpc-" + name}
	for _, egress := range []bool{false, true} {
		everything := resource.NetworkACLEntry{Number: 100, Egress: egress, Protocol: -1, FromPort: -1, ToPort: -1, CIDR: netip.MustParsePrefix("0.0.0.0/0")}
		everything6 := everything
		everything6.Number, everything6.CIDR = 101, netip.MustParsePrefix("::/0")
		open.Entries = append(open.Entries, everything)
		if r.IntN(4) > 0 { // as AWS adds where a VPC gets IPv6
			open.Entries = append(open.Entries, everything6)
		}
		numbers := r.Perm(200)
		for n := range r.IntN(8) {
			entry := resource.NetworkACLEntry{
				Number: int32(numbers[n] + 1), Egress: egress, Deny: r.IntN(2) == 0, Protocol: pick(r, -1, -1, 1, 6, 6, 17, 50, 58), FromPort: -1, ToPort: -1,
				CIDR: netip.MustParsePrefix(pick(r, "0.0.0.0/0", "10.0.0.0/16", "10.0.1.0/24", "192.168.0.0/16", "8.8.8.8/32", "::/0", "2001:db8:0:"+name+"01::/64", "2001:db8::/32", "2600::/16")),
			}
			switch {
			case entry.HasPorts():
				entry.FromPort = pick[int32](r, 0, 22, 80)
				entry.ToPort = entry.FromPort + pick[int32](r, 0, 60, 5000)
			case entry.HasICMPType() && r.IntN(2) == 0:
				entry.FromPort, entry.ToPort = pick[int32](r, 0, 8, 128), pick[int32](r, -1, 0, 1)
			}
			strict.Entries = append(strict.Entries, entry)
		}
		everything.Number, everything6.Number = 1000, 1001
		for _, e := range []resource.NetworkACLEntry{everything, everything6} {
			if r.IntN(3) > 0 {
				strict.Entries = append(strict.Entries, e)
			}
		}
	}
	for n := range 3 {
		association := resource.NetworkACLAssociation{ID: fmt.Sprintf("aclassoc-%s%d", name, n), Subnet: fmt.Sprintf("subnet-%s%d", name, n)}
		switch r.IntN(6) {
		case 0, 1:
			open.Associations = append(open.Associations, association)
		case 2, 3, 4:
			strict.Associations = append(strict.Associations, association)
		}
	}
	w.acls = append(w.acls, open, strict)
}

// cross says what becomes of a packet that goes from where it is to a subnet, or
// out of the VPC, where the given fates await it. "NACLs are stateless", and rules
// "control traffic entering and leaving the subnet", not traffic within it. Which
// of two reasons drops a packet is all one.
func (w reference) cross(p packet, to string, fates []string) []string {
	if p.subnet == to || w.byACL(p, p.subnet, true, p.dst) && w.byACL(p, to, false, p.src) {
		return fates
	}
	kept := slices.DeleteFunc(slices.Clone(fates), func(fate string) bool { return !strings.HasPrefix(fate, "dropped") })
	return append(kept, "dropped: acl")
}

// toGateway is what becomes of a packet that a VPC sends to a VPN gateway.
func (w reference) toGateway(p packet, gateway string) []string {
	beyond := p
	beyond.subnet = ""
	return w.cross(p, "", w.atGateway(beyond, gateway))
}

// byACL asks the ACL of a subnet. "We evaluate the rules in order, starting with
// the lowest numbered rule"; "as soon as a rule matches traffic, it's applied".
func (w reference) byACL(p packet, subnet string, egress bool, peer netip.Addr) bool {
	numbers := map[string]int{"icmp": 1, "tcp": 6, "udp": 17, "50": 50, "icmpv6": 58}
	for _, acl := range w.acls {
		if !slices.ContainsFunc(acl.Associations, func(a resource.NetworkACLAssociation) bool { return a.Subnet == subnet }) {
			continue
		}
		lowest, allowed := int32(resource.NetworkACLRuleLast), false
		for _, e := range acl.Entries {
			matches := e.Egress == egress && e.CIDR.Contains(peer) && (e.Protocol == -1 || e.Protocol == numbers[p.protocol])
			switch p.protocol {
			case "tcp", "udp":
				matches = matches && (e.Protocol == -1 || e.FromPort <= p.port && p.port <= e.ToPort)
			case "icmp", "icmpv6":
				matches = matches && (e.FromPort == -1 || e.FromPort == p.port && e.ToPort <= 0)
			}
			if matches && e.Number < lowest {
				lowest, allowed = e.Number, !e.Deny
			}
		}
		return allowed
	}
	return true // a subnet without an ACL, or none
}
