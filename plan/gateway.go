package plan

import (
	"net/netip"
	"slices"

	"causeway.dev/control/routes"
	"causeway.dev/nodespec"
	"causeway.dev/resource"
	"causeway.dev/store"
)

// The route tables of an internet gateway's network, named after where their
// packets go.
const (
	inwardTable  = "inward"
	outwardTable = "outward"
)

var (
	everywhere  = netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	everywhere6 = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
)

// translatorPorts are those of AWS's NAT gateways ("NAT gateway basics" in the
// VPC user guide).
var translatorPorts = nodespec.PortRange{First: 1024, Last: 65535}

// internetGateways compiles the gateways of a VPC in which some interface has an
// outside address, or one of IPv6. One through which nobody could pass takes nothing of the node:
// packets that are led to it are dropped where they are.
func (c *compiler) internetGateways(desired *nodespec.Desired, vpc resource.VPC) {
	attached := ""
	for igw := range store.InternetGateways.Find(c.snapshot, c.scope, store.ByVPC, vpc.ID) {
		attached = igw.ID
	}
	var egressOnly []string
	for gateway := range store.EgressOnlyInternetGateways.Find(c.snapshot, c.scope, store.ByVPC, vpc.ID) {
		egressOnly = append(egressOnly, gateway.ID)
	}
	c.outside(desired, vpc, attached, egressOnly)
}

// outside compiles the network in which a VPC's gateways to the outside are: one,
// because what comes from there to an IPv6 address is for the gateway by which the
// connection left, and for the internet gateway if it belongs to none.
func (c *compiler) outside(desired *nodespec.Desired, vpc resource.VPC, igw string, egressOnly []string) {
	addresses, ranges := c.elastic, routes.IPv6Ranges(vpc)
	speaks := func(p plugged) bool { return len(p.nic.IPv6) > 0 || !p.nic.SourceDestCheck } // a router speaks for others
	if !slices.ContainsFunc(c.plugged, speaks) {
		ranges, egressOnly = nil, nil
	}
	if igw == "" {
		addresses = nil
	}
	if len(addresses) == 0 && (len(ranges) == 0 || igw == "" && len(egressOnly) == 0) {
		return
	}
	slices.SortFunc(addresses, func(a, b nodespec.Elastic) int { return a.Outside.Compare(b.Outside) })
	network := nodespec.Network{ID: igw, Outside: &nodespec.Outside{Table: inwardTable, Addresses: addresses, Ranges: ranges}}
	if igw == "" {
		network.ID = egressOnly[0]
	}
	inward, outward := nodespec.RouteTable{ID: inwardTable}, nodespec.RouteTable{ID: outwardTable}
	var into []nodespec.Target // by which others may begin
	if igw != "" {
		link := linkID(igw, vpc.ID)
		c.links[link] = true
		into = []nodespec.Target{{Kind: nodespec.ToLink, ID: link}}
		inward.Routes = routesTo(routes.IPv4Ranges(vpc), into)
		desired.Links = append(desired.Links, nodespec.Link{
			ID: link, Ends: [2]nodespec.LinkEnd{{Network: network.ID, Table: outwardTable}, {Network: vpc.ID, Table: c.edgeTable(igw)}},
		})
	}
	inward.Routes = append(inward.Routes, routesTo(ranges, into)...)
	if len(ranges) > 0 {
		inward.Routes = append(inward.Routes, c.dropped(vpc, begunOutside)...)
	}
	outside := []nodespec.Target{{Kind: nodespec.ToOutside, ID: network.ID}}
	outward.Routes = []nodespec.Route{{Destination: everywhere, Targets: outside}}
	if len(ranges) > 0 {
		outward.Routes = append(outward.Routes, nodespec.Route{Destination: everywhere6, Targets: outside})
	}
	network.Tables = []nodespec.RouteTable{inward, outward}
	for _, gateway := range egressOnly {
		link, answers := linkID(gateway, vpc.ID), "answers-"+gateway
		c.links[link] = true
		back := append(routesTo(ranges, []nodespec.Target{{Kind: nodespec.ToLink, ID: link}}), c.dropped(vpc, everything)...)
		network.Tables = append(network.Tables, nodespec.RouteTable{ID: answers, Routes: back})
		desired.Links = append(desired.Links, nodespec.Link{
			ID: link, Ends: [2]nodespec.LinkEnd{{Network: network.ID, Table: outwardTable, Answers: answers}, {Network: vpc.ID}},
		})
	}
	desired.Networks = append(desired.Networks, network)
}

// routesTo are routes of all prefixes to the same targets; without any they drop.
func routesTo(prefixes []netip.Prefix, targets []nodespec.Target) []nodespec.Route {
	var made []nodespec.Route
	for _, p := range prefixes {
		made = append(made, nodespec.Route{Destination: p, Targets: targets})
	}
	return made
}

// natGateways compiles a VPC's NAT gateways. What they send on is routed as their
// subnet's packets are.
func (c *compiler) natGateways(desired *nodespec.Desired, vpc resource.VPC) {
	for nat := range store.NATGateways.Find(c.snapshot, c.scope, store.ByVPC, vpc.ID) {
		if !nat.Works() {
			continue
		}
		link := linkID(nat.ID, vpc.ID)
		c.links[link] = true
		translator := nodespec.Translator{Addresses: []netip.Addr{nat.PrivateAddress}, Ports: translatorPorts}
		for _, other := range nat.Secondary {
			if other.Draining() {
				translator.Leaving = append(translator.Leaving, other.PrivateAddress)
			} else {
				translator.Addresses = append(translator.Addresses, other.PrivateAddress)
			}
		}
		into := []nodespec.Target{{Kind: nodespec.ToLink, ID: link}}
		table := nodespec.RouteTable{ID: gatewayTable, Routes: []nodespec.Route{{Destination: everywhere, Targets: into}}}
		if translator.IPv6 = c.embedding(nat.ID); translator.IPv6 != nil {
			table.Routes = append(table.Routes, routesTo(routes.IPv6Ranges(vpc), into)...)
		}
		desired.Networks = append(desired.Networks, nodespec.Network{ID: nat.ID, Translator: &translator, Tables: []nodespec.RouteTable{table}})
		desired.Links = append(desired.Links, nodespec.Link{
			ID: link, Ends: [2]nodespec.LinkEnd{
				{Network: nat.ID, Table: gatewayTable},
				{Network: vpc.ID, Table: c.natTable(nat), Addresses: slices.Concat(translator.Addresses, translator.Leaving), Interface: nat.NetworkInterface, Counted: c.counted(nat.NetworkInterface, nat.Subnet, nat.VPC)},
			},
		})
	}
}

// embedding is what a NAT gateway does for hosts of IPv6; nil where none is led to it,
// which takes nothing of the node.
func (c *compiler) embedding(nat string) *nodespec.Embedding {
	led := slices.ContainsFunc(c.tables, func(t resource.RouteTable) bool {
		return slices.ContainsFunc(t.Routes, func(r resource.Route) bool { return r.NATGateway == nat && r.Destination == resource.NAT64Prefix })
	})
	if !led {
		return nil
	}
	embedding := nodespec.Embedding{Prefix: resource.NAT64Prefix}
	for _, p := range c.plugged {
		embedding.Hosts = append(embedding.Hosts, p.nic.IPv6...)
	}
	if len(embedding.Hosts) == 0 {
		return nil
	}
	slices.SortFunc(embedding.Hosts, netip.Addr.Compare)
	return &embedding
}

// natTable is the route table of what a NAT gateway sends on. What it lets out is
// taken from it only where everything is.
func (c *compiler) natTable(nat *resource.NATGateway) string {
	mode := c.publicAccess(nat.VPC, nat.Subnet)
	if mode == resource.PublicAccessOutbound {
		mode = resource.PublicAccessOpen
	}
	return c.accessTable(nat.Subnet, mode)
}

// sortedRanges are a VPC's, of both families.
func sortedRanges(vpc resource.VPC) []netip.Prefix {
	ranges := routes.LocalRanges(vpc)
	slices.SortFunc(ranges, routes.ComparePrefixes)
	return ranges
}
