// Package plan compiles what is stored into what a node shall be. It is a pure
// function: the same records give the same value, and no clock, file or socket
// takes part. So most questions about the network can be answered, and tested,
// by reading the Text of a compiled value.
package plan

import (
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
	desired, _ := new(Compiler).Compile(snapshot)
	return desired
}

// compiler compiles one part of a node's state, and holds what several pieces of it
// look up, each read once. Ids are unique among all accounts and regions.
type compiler struct {
	snapshot  store.Reader
	scope     store.Scope
	routes    *routes.Routes
	plugged   []plugged             // the VPC's, as all of these
	tables    []resource.RouteTable // by id
	acls      []resource.NetworkACL // by id
	elastic   []nodespec.Elastic
	pointers  []nodespec.Pointer
	links     map[string]bool      // of gateways that are not VPN gateways
	accesses  map[access]bool      // route tables that are needed besides
	proposals map[string]proposals // by the options that they follow from

	// vgwTargets are those of routes to VPN gateways, by gateway: a table may have a
	// thousand of one.
	vgwTargets map[string][]nodespec.Target
}

// plugged is a network interface that shall carry packets, with its instance if it is
// in one.
type plugged struct {
	nic      resource.NetworkInterface
	instance resource.Instance
	subnet   resource.Subnet
}

// site is a connection with what its customer gateway is known by, and, at a gateway
// where somebody speaks BGP, with what has been seen of it.
type site struct {
	connection resource.VPNConnection
	remote     netip.Addr // invalid: any
	device     *resource.Certificate
	asn        uint32

	up      bool                       // one of its tunnels is
	learned [2][]resource.LearnedRoute // by tunnel
}

func newCompiler(r store.Reader, s store.Scope, known map[string]proposals) *compiler {
	return &compiler{snapshot: r, scope: s, routes: routes.New(r, s), links: make(map[string]bool), accesses: make(map[access]bool), proposals: known, vgwTargets: make(map[string][]nodespec.Target)}
}

// readVPC looks up what belongs to a VPC.
func (c *compiler) readVPC(vpc string) {
	for nic := range store.NetworkInterfaces.Find(c.snapshot, c.scope, store.ByVPC, vpc) {
		if nic.Deleted != nil {
			continue
		}
		for address := range store.Addresses.Find(c.snapshot, store.Scope{}, store.ByInterface, nic.ID) {
			if c.known(nic) {
				c.elastic = append(c.elastic, nodespec.Elastic{Outside: address.PublicIP, Inside: address.PrivateAddress})
			}
			if address.DomainName != "" {
				c.pointers = append(c.pointers, nodespec.Pointer{Address: address.PublicIP, Name: address.DomainName})
			}
		}
		instance, ok := store.Instances.Get(c.snapshot, store.InstanceScope(nic), nic.Instance)
		subnet, found := store.Subnets.Get(c.snapshot, c.scope, nic.Subnet)
		wanted := nic.Place != nil || ok && routes.Wanted(instance)
		if wanted && found && !nic.Detaching {
			c.plugged = append(c.plugged, plugged{*nic, instance, subnet})
		}
	}
	for table := range store.RouteTables.Find(c.snapshot, c.scope, store.ByVPC, vpc) {
		c.tables = append(c.tables, *table)
	}
	for acl := range store.NetworkACLs.Find(c.snapshot, c.scope, store.ByVPC, vpc) {
		c.acls = append(c.acls, *acl)
	}
}

// vpcPart compiles a VPC with its gateways that are not VPN gateways, and the
// instances in it.
func (c *compiler) vpcPart(id string) (desired nodespec.Desired) {
	c.readVPC(id)
	vpc, ok := store.VPCs.Get(c.snapshot, c.scope, id)
	if ok && vpc.Deleted == nil {
		c.internetGateways(&desired, vpc)
		c.natGateways(&desired, vpc)
		// One that nobody is in takes nothing of the node.
		if len(desired.Links) > 0 || c.hasVPNGateway(id) || len(c.plugged) > 0 {
			desired.Networks = append(desired.Networks, c.vpc(vpc))
		}
	}
	told := c.told(vpc)
	for _, p := range c.plugged {
		if p.nic.Place == nil && p.nic.DeviceIndex == 0 {
			size, _ := resource.InstanceTypeOf(p.instance.InstanceType) // one that is not known any more has no limits
			cores, threads := p.instance.Processors()
			desired.Instances = append(desired.Instances, nodespec.Instance{
				ID: p.instance.ID, Hostname: hostname(p), UserData: p.instance.UserData, Boot: p.instance.Boot,
				Resolvers: p.resolversFor(told), Domain: told.Domain,
				AuthorizedKeys: authorizedKeys(p.instance),
				CPUs:           float64(cores * threads), MemoryBytes: size.MemoryMiB << 20, Processes: size.Processes(),
			})
		}
	}
	for instance := range store.Instances.Find(c.snapshot, c.scope, store.ByVPC, id) {
		if instance.Wanted == resource.InstanceStopped && instance.Deleted == nil {
			desired.Instances = append(desired.Instances, nodespec.Instance{
				ID: instance.ID, Stopped: true, Force: instance.ForceStop, Boot: instance.Boot,
			})
		}
	}
	return desired
}

// hasVPNGateway reports whether a VPN gateway is attached to a VPC.
func (c *compiler) hasVPNGateway(vpc string) bool {
	for vgw := range store.VPNGateways.Find(c.snapshot, c.scope, store.ByVPC, vpc) {
		if routes.AttachedVPC(*vgw) == vpc {
			return true
		}
	}
	return false
}

// gatewayPart compiles a VPN gateway with its tunnels.
func (c *compiler) gatewayPart(id string) (desired nodespec.Desired) {
	vgw, ok := store.VPNGateways.Get(c.snapshot, c.scope, id)
	if !ok || vgw.Deleted != nil {
		return desired
	}
	sites := c.sites(id)
	c.readSessions(sites)
	var local []netip.Prefix
	vpc, attached := c.attachment(vgw)
	if attached {
		local = routes.IPv4Ranges(vpc)
	}
	found := waysOf(sites, local)
	desired.Networks = append(desired.Networks, gateway(linkID(vgw.ID, vpc.ID), vgw, found, local))
	if attached {
		for table := range store.RouteTables.Find(c.snapshot, c.scope, store.ByVPC, vpc.ID) {
			c.tables = append(c.tables, *table)
		}
		desired.Links = append(desired.Links, nodespec.Link{
			ID: linkID(vgw.ID, vpc.ID),
			// Packets from the gateway reach the VPC's interfaces only, if
			// its own route table there does not lead them through another:
			// a VPC is no way through to somewhere else.
			Ends: [2]nodespec.LinkEnd{{Network: vgw.ID, Table: gatewayTable}, {Network: vpc.ID, Table: c.edgeTable(vgw.ID)}},
		})
	}
	var told []announcement
	if slices.ContainsFunc(sites, (*site).dynamic) {
		told = found.announcements(sites, local)
	}
	for _, s := range sites {
		var sessions [2]*nodespec.BGP
		if s.dynamic() {
			sessions = bgp(vgw, s, told)
		}
		desired.Tunnels = c.appendTunnels(desired.Tunnels, s, sessions)
	}
	return desired
}

// sites returns the connections of a VPN gateway that shall work, by id.
func (c *compiler) sites(gateway string) []*site {
	var sites []*site
	for connection := range store.VPNConnections.Find(c.snapshot, c.scope, store.ByGateway, gateway) {
		customer, ok := store.CustomerGateways.Get(c.snapshot, c.scope, connection.CustomerGateway)
		gone := connection.Deleted != nil || connection.State == resource.StateDeleting || connection.State == resource.StateDeleted
		device, known := c.deviceCertificate(customer)
		if ok && known && !gone {
			sites = append(sites, &site{connection: *connection, remote: customer.Address, device: device, asn: customer.ASN})
		}
	}
	return sites
}

// counted reports whether something has a flow log.
func (c *compiler) counted(ids ...string) bool {
	return slices.ContainsFunc(ids, func(id string) bool { return store.FlowLogs.Count(c.snapshot, c.scope, store.ByResource, id) > 0 })
}

func scopeOf(m resource.Meta) store.Scope { return store.Scope{Account: m.Account, Region: m.Region} }

// vpc compiles a VPC's network.
func (c *compiler) vpc(vpc resource.VPC) nodespec.Network {
	network := nodespec.Network{ID: vpc.ID, Local: sortedRanges(vpc), Groups: c.groups(vpc)}
	for _, p := range c.plugged {
		network.Interfaces = append(network.Interfaces, nodespec.Interface{
			ID:        p.nic.ID,
			MAC:       p.nic.MAC,
			Address:   p.nic.Address,
			Subnet:    p.subnet.CIDR,
			Others:    others(p.nic),
			Subnet6:   resource.AssociatedCIDR(p.subnet.IPv6),
			Table:     c.accessTable(p.subnet.ID, c.publicAccess(vpc.ID, p.subnet.ID)),
			Groups:    slices.Sorted(slices.Values(p.nic.Groups)),
			AnySource: !p.nic.SourceDestCheck,
			Counted:   c.counted(p.nic.ID, p.nic.Subnet, p.nic.VPC),
			Instance:  p.instance.ID,
			Index:     int(p.nic.DeviceIndex),
			Place:     place(p.nic.Place),
			DNS64:     p.subnet.DNS64,
		})
	}
	for _, table := range c.tables {
		network.Tables = append(network.Tables, c.vpcTable(vpc, table, access{}))
		for _, mode := range []string{resource.PublicAccessBlocked, resource.PublicAccessOutbound} {
			if a := (access{table.ID, mode}); c.accesses[a] {
				network.Tables = append(network.Tables, c.vpcTable(vpc, table, a))
			}
		}
	}
	network.Borders, network.ACLs = c.borders(vpc)
	if network.Resolver = c.resolver(vpc); network.Resolver != nil {
		network.Services = network.Resolver.Addresses
	}
	if network.Metadata = c.metadata(vpc); len(network.Metadata) > 0 {
		network.Services = slices.SortedFunc(slices.Values(append(metadataAddresses(vpc), network.Services...)), netip.Addr.Compare)
	}
	if slices.ContainsFunc(c.plugged, func(p plugged) bool { return p.nic.Place != nil && p.nic.Place.Kind != resource.PlaceNamespace }) {
		told := c.told(vpc)
		network.Told = &told
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
func (c *compiler) tableOf(subnet string) string {
	var main string
	for _, table := range c.tables {
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
func (c *compiler) edgeTable(gateway string) string {
	for _, table := range c.tables {
		for _, association := range table.Associations {
			if association.Gateway == gateway {
				return table.ID
			}
		}
	}
	return ""
}

// vpcTable compiles a VPC's route table. Local routes need no entry: they are
// what the network's ranges mean. Routes within these come before. For those whose
// public access is blocked it is another table, by another name.
func (c *compiler) vpcTable(vpc resource.VPC, table resource.RouteTable, to access) nodespec.RouteTable {
	effectives, local := c.routes.Expanded(table), routes.LocalRanges(vpc)
	compiled := nodespec.RouteTable{ID: table.ID, Routes: make([]nodespec.Route, 0, len(effectives))}
	if to.mode != "" {
		compiled.ID = accessID(table.ID, to.mode)
	}
	for _, effective := range effectives {
		if to.takes(effective) {
			effective.State = routes.StateBlackhole
		}
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
	switch {
	case effective.NetworkInterface != "":
		route.Targets = []nodespec.Target{{Kind: nodespec.ToInterface, ID: effective.NetworkInterface}}
	case effective.NATGateway != "" || effective.EgressOnlyInternetGateway != "" || routes.IsInternetGateway(effective.Gateway):
		link := linkID(effective.Gateway+effective.NATGateway+effective.EgressOnlyInternetGateway, vpc.ID) // all but one are empty
		if c.links[link] {
			route.Targets = []nodespec.Target{{Kind: nodespec.ToLink, ID: link}}
		}
	default:
		route.Targets = c.vgwTargets[effective.Gateway]
		if route.Targets == nil {
			route.Targets = []nodespec.Target{{Kind: nodespec.ToLink, ID: linkID(effective.Gateway, vpc.ID)}}
			c.vgwTargets[effective.Gateway] = route.Targets
		}
	}
	return route
}

// gateway compiles a VPN gateway's network. It knows the ranges of its VPC, to which the
// link leads, and where its connections lead, and what it does not know it drops.
// What comes out of a tunnel is routed by the same table, so that sites also
// reach each other through the gateway.
func gateway(link string, vgw resource.VPNGateway, found ways, local []netip.Prefix) nodespec.Network {
	table := nodespec.RouteTable{ID: gatewayTable, Routes: make([]nodespec.Route, 0, len(found)+len(local))}
	for prefix, leads := range found {
		table.Routes = append(table.Routes, nodespec.Route{Destination: prefix, Targets: targets(leads)})
	}
	table.Routes = append(table.Routes, routesTo(local, []nodespec.Target{{Kind: nodespec.ToLink, ID: link}})...)
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

// hostname is what an instance calls itself, without its domain: "ip-10-0-1-4", or its
// id.
func hostname(primary plugged) string {
	name, _, _ := strings.Cut(primary.instance.PrivateName(primary.nic.Address), ".")
	return name
}
