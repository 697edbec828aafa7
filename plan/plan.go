// Package plan compiles what is stored into what a node shall be. It is a pure
// function: the same records give the same value, and no clock, file or socket
// takes part. So most questions about the network can be answered, and tested,
// by reading the Text of a compiled value.
package plan

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"causeway.dev/control/routes"
	"causeway.dev/nodespec"
	"causeway.dev/resource"
	"causeway.dev/store"
)

// gatewayTable is the one route table of a gateway's network.
const gatewayTable = "gateway"

// Compile returns the desired state of a node. So far there is one node, and
// everything is on it, whatever its name.
//
// Records that don't fit together, because one that another names is gone,
// contribute nothing: the rest of the network does not suffer from them.
func Compile(snapshot *store.Snapshot, _ string) nodespec.Desired {
	c := newCompiler(snapshot)
	desired := nodespec.Desired{Revision: snapshot.Revision()}
	c.internetGateways(&desired)
	c.natGateways(&desired)
	gateways := make(map[string]bool) // that are not deleted
	for vgw := range store.VPNGateways.All(snapshot) {
		if vgw.Deleted != nil {
			continue
		}
		desired.Networks = append(desired.Networks, c.gateway(vgw))
		if vpc, ok := c.attachment(vgw); ok {
			desired.Links = append(desired.Links, nodespec.Link{
				ID: linkID(vgw.ID, vpc.ID),
				// Packets from the gateway reach the VPC's interfaces only, if
				// its own route table there does not lead them through another:
				// a VPC is no way through to somewhere else.
				Ends: [2]nodespec.LinkEnd{{Network: vgw.ID, Table: gatewayTable}, {Network: vpc.ID, Table: c.edgeTable(vpc.ID, vgw.ID)}},
			})
		}
		gateways[vgw.ID] = true
	}
	linked := make(map[string]bool)
	for _, link := range desired.Links {
		linked[link.Ends[1].Network] = true
	}
	for vpc := range store.VPCs.All(snapshot) {
		// One that nobody is in takes nothing of the node.
		if vpc.Deleted == nil && (linked[vpc.ID] || len(c.plugged[vpc.ID]) > 0) {
			desired.Networks = append(desired.Networks, c.vpc(vpc))
		}
	}
	desired.Tunnels = make([]nodespec.Tunnel, 0, len(resource.VPNConnection{}.Tunnels)*len(c.sites))
	for _, s := range c.sites {
		if gateways[s.connection.VPNGateway] {
			desired.Tunnels = c.appendTunnels(desired.Tunnels, s)
		}
	}
	for id, plugged := range c.plugged {
		vpc, _ := store.VPCs.Get(snapshot, scopeOf(plugged[0].nic.Meta), id)
		resolvers, domain := c.told(vpc)
		for _, p := range plugged {
			if p.nic.Place == nil && p.nic.DeviceIndex == 0 {
				desired.Instances = append(desired.Instances, nodespec.Instance{
					ID: p.instance.ID, Hostname: hostname(p.nic.Address), UserData: p.instance.UserData, Boot: p.instance.Boot,
					Resolvers: resolvers, Domain: domain,
					AuthorizedKeys: authorizedKeys(p.instance),
				})
			}
		}
	}
	for instance := range store.Instances.All(snapshot) {
		if instance.Wanted == resource.InstanceStopped && instance.Deleted == nil {
			desired.Instances = append(desired.Instances, nodespec.Instance{
				ID: instance.ID, Stopped: true, Force: instance.ForceStop, Boot: instance.Boot,
			})
		}
	}
	slices.SortFunc(desired.Networks, func(a, b nodespec.Network) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(desired.Links, func(a, b nodespec.Link) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(desired.Tunnels, func(a, b nodespec.Tunnel) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(desired.Instances, func(a, b nodespec.Instance) int { return cmp.Compare(a.ID, b.ID) })
	return desired
}

// Changed returns the store's revision at which something that Compile reads last
// changed. While it is the same, so is what Compile returns, but for Revision.
func Changed(snapshot *store.Snapshot) int64 {
	changed := int64(0)
	for _, table := range []interface {
		Revision(snapshot *store.Snapshot) int64
	}{
		store.VPCs, store.Subnets, store.RouteTables, store.SecurityGroups, store.NetworkInterfaces, store.Instances,
		store.CustomerGateways, store.VPNGateways, store.VPNConnections, store.TunnelStatuses,
		store.Certificates, store.CertificateAuthorities, store.TunnelCertificates,
		store.InternetGateways, store.EgressOnlyInternetGateways, store.Addresses, store.NATGateways, store.NetworkACLs, store.DHCPOptions, store.PrefixLists, store.FlowLogs,
	} {
		changed = max(changed, table.Revision(snapshot))
	}
	return changed
}

// compiler holds what several parts of a compilation look up, each read once.
// Ids are unique among all accounts and regions.
type compiler struct {
	snapshot  *store.Snapshot
	routes    map[store.Scope]*routes.Routes
	plugged   map[string][]plugged             // by VPC
	tables    map[string][]resource.RouteTable // by VPC
	acls      map[string][]resource.NetworkACL // by VPC
	elastic   map[string][]nodespec.Elastic    // by VPC
	links     map[string]bool                  // of gateways that are not VPN gateways
	sites     []*site                          // the connections that shall work, by id
	gateways  map[string][]*site               // the same, by gateway
	proposals map[string]proposals             // by the options that they follow from
	logged    map[string]bool                  // ids of what has a flow log
}

// plugged is a network interface that shall carry packets, with its instance if it is
// in one.
type plugged struct {
	nic      resource.NetworkInterface
	instance resource.Instance
	subnet   resource.Subnet
}

// site is a connection with what its customer gateway is known by.
type site struct {
	connection resource.VPNConnection
	remote     netip.Addr // invalid: any
	device     *resource.Certificate
}

func newCompiler(snapshot *store.Snapshot) *compiler {
	c := &compiler{
		snapshot:  snapshot,
		routes:    make(map[store.Scope]*routes.Routes),
		plugged:   make(map[string][]plugged),
		tables:    make(map[string][]resource.RouteTable),
		acls:      make(map[string][]resource.NetworkACL),
		elastic:   make(map[string][]nodespec.Elastic),
		links:     make(map[string]bool),
		gateways:  make(map[string][]*site),
		proposals: make(map[string]proposals),
		logged:    make(map[string]bool),
	}
	for log := range store.FlowLogs.All(snapshot) {
		c.logged[log.Resource] = true
	}
	for nic := range store.NetworkInterfaces.All(snapshot) {
		instance, ok := store.Instances.Get(snapshot, scopeOf(nic.Meta), nic.Instance)
		subnet, found := store.Subnets.Get(snapshot, scopeOf(nic.Meta), nic.Subnet)
		wanted := nic.Place != nil || ok && routes.Wanted(instance)
		if wanted && found && nic.Deleted == nil && !nic.Detaching {
			c.plugged[nic.VPC] = append(c.plugged[nic.VPC], plugged{nic, instance, subnet})
		}
	}
	for table := range store.RouteTables.All(snapshot) {
		c.tables[table.VPC] = append(c.tables[table.VPC], table)
	}
	for acl := range store.NetworkACLs.All(snapshot) {
		c.acls[acl.VPC] = append(c.acls[acl.VPC], acl)
	}
	for connection := range store.VPNConnections.All(snapshot) {
		customer, ok := store.CustomerGateways.Get(snapshot, scopeOf(connection.Meta), connection.CustomerGateway)
		gone := connection.Deleted != nil || connection.State == resource.StateDeleting || connection.State == resource.StateDeleted
		device, known := c.deviceCertificate(customer)
		if ok && known && !gone {
			s := &site{connection, customer.Address, device}
			c.sites = append(c.sites, s)
			c.gateways[connection.VPNGateway] = append(c.gateways[connection.VPNGateway], s)
		}
	}
	return c
}

func scopeOf(m resource.Meta) store.Scope { return store.Scope{Account: m.Account, Region: m.Region} }

// routesOf returns the effective routes of a scope's tables.
func (c *compiler) routesOf(s store.Scope) *routes.Routes {
	if c.routes[s] == nil {
		c.routes[s] = routes.New(c.snapshot, s)
	}
	return c.routes[s]
}

// vpc compiles a VPC's network.
func (c *compiler) vpc(vpc resource.VPC) nodespec.Network {
	network := nodespec.Network{ID: vpc.ID, Local: sortedRanges(vpc), Groups: c.groups(vpc)}
	for _, p := range c.plugged[vpc.ID] {
		network.Interfaces = append(network.Interfaces, nodespec.Interface{
			ID:        p.nic.ID,
			MAC:       p.nic.MAC,
			Address:   p.nic.Address,
			Subnet:    p.subnet.CIDR,
			Others:    others(p.nic),
			Subnet6:   resource.AssociatedCIDR(p.subnet.IPv6),
			Table:     c.tableOf(vpc.ID, p.subnet.ID),
			Groups:    slices.Sorted(slices.Values(p.nic.Groups)),
			AnySource: !p.nic.SourceDestCheck,
			Counted:   c.logged[p.nic.ID] || c.logged[p.nic.Subnet] || c.logged[p.nic.VPC],
			Instance:  p.instance.ID,
			Index:     int(p.nic.DeviceIndex),
			Place:     place(p.nic.Place),
		})
	}
	for _, table := range c.tables[vpc.ID] {
		network.Tables = append(network.Tables, c.vpcTable(vpc, table))
	}
	network.Borders, network.ACLs = c.borders(vpc)
	if network.Resolver = c.resolver(vpc); network.Resolver != nil {
		network.Services = network.Resolver.Addresses
	}
	if network.Metadata = c.metadata(vpc); len(network.Metadata) > 0 {
		network.Services = slices.SortedFunc(slices.Values(append([]netip.Addr{metadataAddress}, network.Services...)), netip.Addr.Compare)
	}
	return network
}

// place is where on the host an interface is plugged in; nil for nowhere.
func place(p *resource.Place) *nodespec.Place {
	if p == nil {
		return nil
	}
	return &nodespec.Place{Kind: nodespec.PlaceKind(p.Kind), Name: p.Name, Device: p.Device, Inode: p.Inode}
}

// others are an interface's addresses beside the primary one.
func others(nic resource.NetworkInterface) []netip.Addr {
	return slices.SortedFunc(slices.Values(slices.Concat(nic.Secondary, nic.IPv6)), netip.Addr.Compare)
}

// tableOf returns the route table that a subnet uses: the one associated with
// it, or else the VPC's main one.
func (c *compiler) tableOf(vpc, subnet string) string {
	var main string
	for _, table := range c.tables[vpc] {
		if table.Main {
			main = table.ID
		}
		for _, association := range table.Associations {
			if association.Subnet == subnet {
				return table.ID
			}
		}
	}
	return main
}

// edgeTable returns the route table of what a gateway lets into a VPC, or "".
func (c *compiler) edgeTable(vpc, gateway string) string {
	for _, table := range c.tables[vpc] {
		for _, association := range table.Associations {
			if association.Gateway == gateway {
				return table.ID
			}
		}
	}
	return ""
}

// vpcTable compiles a VPC's route table. Local routes need no entry: they are
// what the network's ranges mean. Routes within these come before.
func (c *compiler) vpcTable(vpc resource.VPC, table resource.RouteTable) nodespec.RouteTable {
	effectives, local := c.routesOf(scopeOf(table.Meta)).Expanded(table), routes.LocalRanges(vpc)
	compiled := nodespec.RouteTable{ID: table.ID, Routes: make([]nodespec.Route, 0, len(effectives))}
	for _, effective := range effectives {
		switch {
		case effective.Gateway == routes.LocalTarget:
		case routes.Within(effective.Destination, local):
			compiled.Overrides = append(compiled.Overrides, c.vpcRoute(vpc, effective))
		default:
			compiled.Routes = append(compiled.Routes, c.vpcRoute(vpc, effective))
		}
	}
	return compiled
}

// vpcRoute compiles one route. Without a target it drops.
func (c *compiler) vpcRoute(vpc resource.VPC, effective routes.EffectiveRoute) nodespec.Route {
	route := nodespec.Route{Destination: effective.Destination}
	if effective.State == routes.StateBlackhole {
		return route
	}
	link := linkID(effective.Gateway+effective.NATGateway+effective.EgressOnlyInternetGateway, vpc.ID) // all but one are empty
	switch {
	case effective.NetworkInterface != "":
		route.Targets = []nodespec.Target{{Kind: nodespec.ToInterface, ID: effective.NetworkInterface}}
	case effective.NATGateway != "" || effective.EgressOnlyInternetGateway != "" || routes.IsInternetGateway(effective.Gateway):
		if c.links[link] {
			route.Targets = []nodespec.Target{{Kind: nodespec.ToLink, ID: link}}
		}
	default:
		route.Targets = []nodespec.Target{{Kind: nodespec.ToLink, ID: link}}
	}
	return route
}

// gateway compiles a VPN gateway's network. It knows the ranges of its VPC,
// which no static route takes a part of, and the static routes of its
// connections, and what it does not know it drops.
// What comes out of a tunnel is routed by the same table, so that sites also
// reach each other through the gateway.
func (c *compiler) gateway(vgw resource.VPNGateway) nodespec.Network {
	targets := make(map[netip.Prefix][]nodespec.Target)
	for _, s := range c.gateways[vgw.ID] {
		for _, prefix := range routes.StaticRoutes(s.connection) {
			// Connections come by id and their tunnels by number: the order
			// in which the node prefers them.
			for number := 1; number <= len(s.connection.Tunnels); number++ {
				targets[prefix] = append(targets[prefix], nodespec.Target{Kind: nodespec.ToTunnel, ID: resource.TunnelID(s.connection.ID, number)})
			}
		}
	}
	if vpc, ok := c.attachment(vgw); ok {
		local := routes.IPv4Ranges(vpc)
		maps.DeleteFunc(targets, func(prefix netip.Prefix, _ []nodespec.Target) bool { return routes.Within(prefix, local) })
		for _, prefix := range local {
			targets[prefix] = []nodespec.Target{{Kind: nodespec.ToLink, ID: linkID(vgw.ID, vpc.ID)}}
		}
	}
	table := nodespec.RouteTable{ID: gatewayTable, Routes: make([]nodespec.Route, 0, len(targets))}
	for prefix, leads := range targets {
		table.Routes = append(table.Routes, nodespec.Route{Destination: prefix, Targets: leads})
	}
	slices.SortFunc(table.Routes, func(a, b nodespec.Route) int { return routes.ComparePrefixes(a.Destination, b.Destination) })
	return nodespec.Network{ID: vgw.ID, Tables: []nodespec.RouteTable{table}}
}

// attachment returns the VPC that a gateway is attached to.
func (c *compiler) attachment(vgw resource.VPNGateway) (resource.VPC, bool) {
	vpc, ok := store.VPCs.Get(c.snapshot, scopeOf(vgw.Meta), routes.AttachedVPC(vgw))
	return vpc, ok && vpc.Deleted == nil
}

// authorizedKeys are the keys that let users into an instance.
func authorizedKeys(instance resource.Instance) []string {
	if instance.PublicKey == "" {
		return nil
	}
	return []string{instance.PublicKey + " " + instance.KeyName}
}

func linkID(gateway, vpc string) string { return gateway + ":" + vpc }

// hostname is what AWS names a host after its address: "ip-10-0-1-4".
func hostname(address netip.Addr) string {
	return fmt.Sprintf("ip-%s", strings.NewReplacer(".", "-", ":", "-").Replace(address.String()))
}
