package plan

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strconv"

	"causeway.dev/control/routes"
	"causeway.dev/nodespec"
	"causeway.dev/resource"
	"causeway.dev/store"
)

// groups compiles the security groups that interfaces of a VPC use. A rule for
// the members of a group that has none allows nothing and is left out.
func (c *compiler) groups(vpc resource.VPC) []nodespec.Group {
	members := make(map[string][]netip.Addr)
	for _, p := range c.plugged {
		for _, group := range p.nic.Groups {
			members[group] = slices.Concat(members[group], p.nic.PrivateAddresses(), p.nic.IPv6)
		}
	}
	var groups []nodespec.Group
	for _, id := range slices.Sorted(maps.Keys(members)) {
		// A group that is gone keeps its place, without rules: it lets
		// nothing pass.
		group, _ := store.SecurityGroups.Get(c.snapshot, scopeOf(vpc.Meta), id)
		compiled := nodespec.Group{ID: id, Members: members[id]}
		slices.SortFunc(compiled.Members, netip.Addr.Compare)
		for _, rule := range group.Rules {
			if rule.Group == "" || members[rule.Group] != nil {
				compiled.Rules = append(compiled.Rules, c.ruleFor(vpc, rule)...)
			}
		}
		slices.SortFunc(compiled.Rules, compareRules)
		compiled.Rules = slices.Compact(compiled.Rules)
		groups = append(groups, compiled)
	}
	return groups
}

// IANA's numbers of the protocols whose rules say more than the protocol.
const (
	protocolICMP   = 1
	protocolTCP    = 6
	protocolUDP    = 17
	protocolICMPv6 = 58
)

// protocols are the names that AWS has for protocol numbers.
var protocols = map[string]int{"icmp": protocolICMP, "tcp": protocolTCP, "udp": protocolUDP, "icmpv6": protocolICMPv6}

// ruleFor compiles a rule: one that names a prefix list once for each of its ranges.
func (c *compiler) ruleFor(vpc resource.VPC, rule resource.SecurityGroupRule) []nodespec.Rule {
	if rule.PrefixList == "" {
		return []nodespec.Rule{compileRule(rule)}
	}
	list, _ := store.PrefixLists.Get(c.snapshot, scopeOf(vpc.Meta), rule.PrefixList)
	rules := make([]nodespec.Rule, len(list.Entries))
	for i, entry := range list.Entries {
		rule.CIDR = entry.CIDR
		rules[i] = compileRule(rule)
	}
	return rules
}

func compileRule(rule resource.SecurityGroupRule) nodespec.Rule {
	protocol, named := protocols[rule.Protocol]
	if !named {
		protocol, _ = strconv.Atoi(rule.Protocol) // the API stores names and numbers only, -1 for all
	}
	compiled := nodespec.Rule{
		Egress: rule.Egress, Protocol: protocol,
		FromPort: -1, ToPort: -1, // of a protocol without ports
		Peer: rule.CIDR, PeerGroup: rule.Group,
	}
	switch protocol {
	case protocolICMP, protocolTCP, protocolUDP, protocolICMPv6:
		compiled.FromPort, compiled.ToPort = int(rule.FromPort), int(rule.ToPort)
	}
	return compiled
}

func compareRules(a, b nodespec.Rule) int {
	return cmp.Or(
		compareBools(a.Egress, b.Egress),
		cmp.Compare(a.Protocol, b.Protocol),
		cmp.Compare(a.FromPort, b.FromPort),
		cmp.Compare(a.ToPort, b.ToPort),
		cmp.Compare(a.PeerGroup, b.PeerGroup),
		routes.ComparePrefixes(a.Peer, b.Peer),
	)
}

func compareBools(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	default:
		return 1
	}
}
