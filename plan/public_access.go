package plan

import (
	"causeway.dev/control/publicaccess"
	"causeway.dev/control/routes"
	"causeway.dev/nodespec"
	"causeway.dev/resource"
	"causeway.dev/store"
)

// publicAccess is what is blocked of a subnet's packets to and from the internet.
func (c *compiler) publicAccess(vpc, subnet string) string {
	return publicaccess.Of(c.snapshot, c.scope, vpc, subnet)
}

// known reports whether an interface may be known outside by its elastic addresses.
// What begins outside reaches a NAT gateway's as little as what it lets out, so that
// it may be where only that is let out.
func (c *compiler) known(nic *resource.NetworkInterface) bool {
	mode := c.publicAccess(nic.VPC, nic.Subnet)
	return mode == resource.PublicAccessOpen || mode == resource.PublicAccessOutbound && nic.NATGateway != ""
}

// An access is a route table as those have it whose public access is blocked, by the
// mode: the routes that are taken from them drop.
type access struct{ table, mode string }

// accessTable returns the name of the table that those of a subnet use whose public
// access a mode blocks, and sees to it that there is one.
func (c *compiler) accessTable(subnet, mode string) string {
	table := c.tableOf(subnet)
	if mode == resource.PublicAccessOpen || table == "" {
		return table
	}
	c.accesses[access{table, mode}] = true
	return accessID(table, mode)
}

func accessID(table, mode string) string { return table + "-" + mode }

// takes reports whether a mode takes a route from those whom it blocks.
func (a access) takes(effective routes.EffectiveRoute) bool {
	switch a.mode {
	case resource.PublicAccessOutbound:
		return routes.IsInternetGateway(effective.Gateway)
	case resource.PublicAccessBlocked:
		return routes.IsInternetGateway(effective.Gateway) || effective.EgressOnlyInternetGateway != ""
	}
	return false
}

// dropped are routes that drop what comes from the internet for subnets that a mode
// blocks, of those that takes reports.
func (c *compiler) dropped(vpc resource.VPC, takes func(mode string) bool) []nodespec.Route {
	var made []nodespec.Route
	for subnet := range store.Subnets.Find(c.snapshot, c.scope, store.ByVPC, vpc.ID) {
		if p := resource.AssociatedCIDR(subnet.IPv6); p.IsValid() && takes(c.publicAccess(vpc.ID, subnet.ID)) {
			made = append(made, nodespec.Route{Destination: p})
		}
	}
	return made
}

// begunOutside reports whether a mode keeps out what begins outside.
func begunOutside(mode string) bool { return mode != resource.PublicAccessOpen }

// everything reports whether a mode keeps out answers, too.
func everything(mode string) bool { return mode == resource.PublicAccessBlocked }
