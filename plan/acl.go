package plan

import (
	"slices"

	"causeway.dev/control/routes"
	"causeway.dev/nodespec"
	"causeway.dev/resource"
	"causeway.dev/store"
)

// borders compiles the network ACLs of a VPC, with the subnets that they guard.
// Whether somebody is in a subnet makes no difference.
func (c *compiler) borders(vpc resource.VPC) (borders []nodespec.Border, acls []nodespec.ACL) {
	for _, acl := range c.acls {
		guards := false
		for _, association := range acl.Associations {
			if subnet, ok := store.Subnets.Get(c.snapshot, scopeOf(acl.Meta), association.Subnet); ok {
				borders = append(borders, nodespec.Border{Subnet: subnet.Range(), ACL: acl.ID})
				guards = true
			}
		}
		if guards {
			acls = append(acls, compileACL(acl))
		}
	}
	slices.SortFunc(borders, func(a, b nodespec.Border) int { return routes.ComparePrefixes(a.Subnet, b.Subnet) })
	return borders, acls
}

func compileACL(acl resource.NetworkACL) nodespec.ACL {
	compiled := nodespec.ACL{ID: acl.ID, Rules: make([]nodespec.ACLRule, 0, len(acl.Entries))}
	for _, entry := range slices.SortedFunc(slices.Values(acl.Entries), resource.CompareNetworkACLEntries) {
		rule := nodespec.Rule{Egress: entry.Egress, Protocol: entry.Protocol, FromPort: -1, ToPort: -1, Peer: entry.CIDR}
		if entry.HasPorts() || entry.HasICMPType() {
			rule.FromPort, rule.ToPort = int(entry.FromPort), int(entry.ToPort)
		}
		compiled.Rules = append(compiled.Rules, nodespec.ACLRule{Rule: rule, Deny: entry.Deny})
	}
	return compiled
}
