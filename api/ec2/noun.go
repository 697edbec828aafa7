package ec2

import (
	"iter"

	"causeway.dev/resource"
	"causeway.dev/store"
)

// A noun is a kind of thing that has ids and tags: its table, with the words
// that requests and answers use for it.
type noun[T any] struct {
	table     *store.Table[T]
	prefix    string        // of ids: "vpc"
	kind      string        // resource type in tags and ARNs: "vpc"
	name      string        // in messages: "vpc"
	malformed resource.Code // for ids that cannot be of this noun
	notFound  resource.Code
}

// The nouns with tags.
var (
	vpcs = &noun[resource.VPC]{
		store.VPCs, "vpc", "vpc", "vpc", "InvalidVpcID.Malformed", "InvalidVpcID.NotFound",
	}
	subnets = &noun[resource.Subnet]{
		store.Subnets, "subnet", "subnet", "subnet", "InvalidSubnetID.Malformed", "InvalidSubnetID.NotFound",
	}
	routeTables = &noun[resource.RouteTable]{
		store.RouteTables, "rtb", "route-table", "routeTable", "InvalidRouteTableId.Malformed", "InvalidRouteTableID.NotFound",
	}
	networkACLs = &noun[resource.NetworkACL]{
		store.NetworkACLs, "acl", "network-acl", "networkAcl", "InvalidNetworkAclId.Malformed", "InvalidNetworkAclID.NotFound",
	}
	securityGroups = &noun[resource.SecurityGroup]{
		store.SecurityGroups, "sg", "security-group", "security group", "InvalidGroupId.Malformed", "InvalidGroup.NotFound",
	}
	networkInterfaces = &noun[resource.NetworkInterface]{
		store.NetworkInterfaces, "eni", "network-interface", "networkInterface", "InvalidNetworkInterfaceId.Malformed", "InvalidNetworkInterfaceID.NotFound",
	}
	instances = &noun[resource.Instance]{
		store.Instances, "i", "instance", "instance", "InvalidInstanceID.Malformed", "InvalidInstanceID.NotFound",
	}
	customerGateways = &noun[resource.CustomerGateway]{
		store.CustomerGateways, "cgw", "customer-gateway", "customerGateway", "InvalidCustomerGatewayId.Malformed", "InvalidCustomerGatewayID.NotFound",
	}
	vpnGateways = &noun[resource.VPNGateway]{
		store.VPNGateways, "vgw", "vpn-gateway", "vpnGateway", "InvalidVpnGatewayID.Malformed", "InvalidVpnGatewayID.NotFound",
	}
	internetGateways = &noun[resource.InternetGateway]{
		store.InternetGateways, "igw", "internet-gateway", "internetGateway", "InvalidInternetGatewayId.Malformed", "InvalidInternetGatewayID.NotFound",
	}
	egressOnlyInternetGateways = &noun[resource.EgressOnlyInternetGateway]{
		store.EgressOnlyInternetGateways, "eigw", "egress-only-internet-gateway", "egressOnlyInternetGateway", "InvalidEgressOnlyInternetGatewayId.Malformed", "InvalidGatewayID.NotFound",
	}
	addresses = &noun[resource.Address]{
		store.Addresses, "eipalloc", "elastic-ip", "allocation", "InvalidAllocationID.NotFound", "InvalidAllocationID.NotFound",
	}
	natGateways = &noun[resource.NATGateway]{
		store.NATGateways, "nat", "natgateway", "NatGateway", "NatGatewayMalformed", "NatGatewayNotFound",
	}
	keyPairs = &noun[resource.KeyPair]{
		store.KeyPairs, "key", "key-pair", "key pair", codeKeyPairNotFound, codeKeyPairNotFound,
	}
	prefixLists = &noun[resource.PrefixList]{
		store.PrefixLists, "pl", "prefix-list", "prefix list", "InvalidPrefixListId.Malformed", "InvalidPrefixListID.NotFound",
	}
	dhcpOptions = &noun[resource.DHCPOptions]{
		store.DHCPOptions, "dopt", "dhcp-options", "dhcpOptions", "InvalidDhcpOptionsId.Malformed", "InvalidDhcpOptionID.NotFound",
	}
	flowLogs = &noun[resource.FlowLog]{
		store.FlowLogs, "fl", "vpc-flow-log", "flowLog", "InvalidFlowLogId.Malformed", "InvalidFlowLogId.NotFound",
	}
	publicAccessExclusions = &noun[resource.PublicAccessExclusion]{
		store.PublicAccessExclusions, "vpcbpa-exclude", "vpc-block-public-access-exclusion", "VPC block public access exclusion", "InvalidVpcBlockPublicAccessExclusionId.Malformed", "InvalidVpcBlockPublicAccessExclusionId.NotFound",
	}
	vpnConnections = &noun[resource.VPNConnection]{
		store.VPNConnections, "vpn", "vpn-connection", "vpnConnection", "InvalidVpnConnectionID.Malformed", "InvalidVpnConnectionID.NotFound",
	}
)

// checkID refuses what cannot be an id of the noun.
func (n *noun[T]) checkID(id string) error {
	if !wellFormed(n.prefix, id) {
		return resource.Errorf(n.malformed, "Invalid id: %q (expecting \"%s-...\")", resource.Clip(id), n.prefix)
	}
	return nil
}

// get returns the record with an id, also one that was deleted and is still
// shown. It fails with the noun's codes for malformed and unknown ids.
func (n *noun[T]) get(r reader, id string) (T, error) {
	if err := n.checkID(id); err != nil {
		var none T
		return none, err
	}
	v, ok := n.table.Get(r.Reader, r.scope, id)
	if !ok {
		return v, n.missing(id)
	}
	return v, nil
}

// missing is the error for an id that nothing has.
func (n *noun[T]) missing(id string) error {
	return resource.Errorf(n.notFound, "The %s ID '%s' does not exist", n.name, id)
}

// list returns all records, sorted by id.
func (n *noun[T]) list(r reader) iter.Seq[T] { return n.table.List(r.Reader, r.scope) }

// where returns the records that satisfy keep, sorted by id. Like any and count
// it looks at all records; keep must not change them.
func (n *noun[T]) where(r reader, keep func(*T) bool) []T {
	var kept []T
	for v := range n.table.Scan(r.Reader, r.scope) {
		if keep(v) {
			kept = append(kept, *v)
		}
	}
	return kept
}

// count returns how many records satisfy f.
func (n *noun[T]) count(r reader, f func(*T) bool) int {
	count := 0
	for v := range n.table.Scan(r.Reader, r.scope) {
		if f(v) {
			count++
		}
	}
	return count
}

// put creates or replaces a record.
func (n *noun[T]) put(w writer, v T) { n.table.Put(w.tx, v) }

// delete removes a record.
func (n *noun[T]) delete(w writer, id string) { n.table.Delete(w.tx, w.scope, id) }

// metaOf returns what a record has in common with all others.
func metaOf[T any](v *T) *resource.Meta {
	return any(v).(interface{ GetMeta() *resource.Meta }).GetMeta()
}
