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

var everywhere = netip.PrefixFrom(netip.IPv4Unspecified(), 0)

// translatorPorts are those of AWS's NAT gateways ("NAT gateway basics" in the
// VPC user guide).
var translatorPorts = nodespec.PortRange{First: 1024, Last: 65535}

// internetGateways compiles the gateways of VPCs in which some interface has an
// outside address. One through which nobody could pass takes nothing of the node:
// packets that are led to it are dropped where they are.
func (c *compiler) internetGateways(desired *nodespec.Desired) {
	for address := range store.Addresses.All(c.snapshot) {
		nic, ok := store.NetworkInterfaces.Get(c.snapshot, scopeOf(address.Meta), address.NetworkInterface)
		if ok && nic.Deleted == nil {
			c.elastic[nic.VPC] = append(c.elastic[nic.VPC], nodespec.Elastic{Outside: address.PublicIP, Inside: address.PrivateAddress})
		}
	}
	for igw := range store.InternetGateways.All(c.snapshot) {
		vpc, ok := store.VPCs.Get(c.snapshot, scopeOf(igw.Meta), igw.VPC)
		addresses := c.elastic[igw.VPC]
		if !ok || vpc.Deleted != nil || len(addresses) == 0 {
			continue
		}
		slices.SortFunc(addresses, func(a, b nodespec.Elastic) int { return a.Outside.Compare(b.Outside) })
		link := linkID(igw.ID, vpc.ID)
		c.links[link] = true
		inward := nodespec.RouteTable{ID: inwardTable}
		for _, prefix := range routes.IPv4Ranges(vpc) {
			inward.Routes = append(inward.Routes, nodespec.Route{Destination: prefix, Targets: []nodespec.Target{{Kind: nodespec.ToLink, ID: link}}})
		}
		desired.Networks = append(desired.Networks, nodespec.Network{
			ID: igw.ID, Outside: &nodespec.Outside{Table: inwardTable, Addresses: addresses},
			Tables: []nodespec.RouteTable{inward, {ID: outwardTable, Routes: []nodespec.Route{
				{Destination: everywhere, Targets: []nodespec.Target{{Kind: nodespec.ToOutside, ID: igw.ID}}},
			}}},
		})
		desired.Links = append(desired.Links, nodespec.Link{
			ID: link, Ends: [2]nodespec.LinkEnd{{Network: igw.ID, Table: outwardTable}, {Network: vpc.ID, Table: c.edgeTable(vpc.ID, igw.ID)}},
		})
	}
}

// natGateways compiles the NAT gateways. What they send on is routed as their
// subnet's packets are.
func (c *compiler) natGateways(desired *nodespec.Desired) {
	for nat := range store.NATGateways.All(c.snapshot) {
		vpc, ok := store.VPCs.Get(c.snapshot, scopeOf(nat.Meta), nat.VPC)
		if !ok || vpc.Deleted != nil || !nat.Works() {
			continue
		}
		link := linkID(nat.ID, vpc.ID)
		c.links[link] = true
		desired.Networks = append(desired.Networks, nodespec.Network{
			ID: nat.ID, Translator: &nodespec.Translator{Address: nat.PrivateAddress, Ports: translatorPorts},
			Tables: []nodespec.RouteTable{{ID: gatewayTable, Routes: []nodespec.Route{
				{Destination: everywhere, Targets: []nodespec.Target{{Kind: nodespec.ToLink, ID: link}}},
			}}},
		})
		desired.Links = append(desired.Links, nodespec.Link{
			ID: link, Ends: [2]nodespec.LinkEnd{
				{Network: nat.ID, Table: gatewayTable},
				{Network: vpc.ID, Table: c.tableOf(vpc.ID, nat.Subnet), Address: nat.PrivateAddress},
			},
		})
	}
}

// sortedRanges are a VPC's, of both families.
func sortedRanges(vpc resource.VPC) []netip.Prefix {
	ranges := routes.LocalRanges(vpc)
	slices.SortFunc(ranges, routes.ComparePrefixes)
	return ranges
}
