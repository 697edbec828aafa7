package ec2

// Limits are how many an account can have of something in a region, or in what
// contains it. Zero values mean the default.
type Limits struct {
	VPCs                       int `yaml:"vpcs"`                          // per region; default 5
	CIDRsPerVPC                int `yaml:"cidrs_per_vpc"`                 // default 5
	IPv6CIDRsPerVPC            int `yaml:"ipv6_cidrs_per_vpc"`            // default 5
	SubnetsPerVPC              int `yaml:"subnets_per_vpc"`               // default 200
	RouteTablesPerVPC          int `yaml:"route_tables_per_vpc"`          // default 200
	RoutesPerRouteTable        int `yaml:"routes_per_route_table"`        // entered by hand; default 50
	NetworkACLsPerVPC          int `yaml:"network_acls_per_vpc"`          // with the default one; default 200
	RulesPerNetworkACL         int `yaml:"rules_per_network_acl"`         // each of inbound and outbound, IPv4 and IPv6, with the one that denies the rest; default 20
	SecurityGroups             int `yaml:"security_groups"`               // per region; default 2,500
	RulesPerSecurityGroup      int `yaml:"rules_per_security_group"`      // each of inbound and outbound, IPv4 and IPv6; default 60
	SecurityGroupsPerInterface int `yaml:"security_groups_per_interface"` // default 5
	NetworkInterfaces          int `yaml:"network_interfaces"`            // per region; default 5,000
	Instances                  int `yaml:"instances"`                     // per region, running or starting; default 1,000. AWS counts CPUs, which are shared here

	InternetGateways           int `yaml:"internet_gateways"`             // per region; default 5
	EgressOnlyInternetGateways int `yaml:"egress_only_internet_gateways"` // per region; default 5
	ElasticAddresses           int `yaml:"elastic_addresses"`             // per region, allocated; default 5
	NATGatewaysPerZone         int `yaml:"nat_gateways_per_zone"`         // default 5

	ElasticAddressesPerNATGateway int `yaml:"elastic_addresses_per_nat_gateway"` // of a public one; default 2, at most 8
	PrivateAddressesPerNATGateway int `yaml:"private_addresses_per_nat_gateway"` // of a private one; default 8, at most 32

	KeyPairs int `yaml:"key_pairs"` // per region; default 5,000

	PrefixLists          int `yaml:"prefix_lists"`            // per region; default 100
	EntriesPerPrefixList int `yaml:"entries_per_prefix_list"` // at most, for MaxEntries; default 1,000

	DHCPOptions int `yaml:"dhcp_options"` // sets of options, per region; default 1,000

	FlowLogsPerResource int `yaml:"flow_logs_per_resource"` // of a VPC, a subnet or a network interface; default 2

	CustomerGateways             int `yaml:"customer_gateways"`                // per region; default 50
	VPNGateways                  int `yaml:"vpn_gateways"`                     // per region; default 5
	VPNConnections               int `yaml:"vpn_connections"`                  // per region; default 50
	VPNConnectionsPerVPNGateway  int `yaml:"vpn_connections_per_vpn_gateway"`  // default 10
	StaticRoutesPerVPNConnection int `yaml:"static_routes_per_vpn_connection"` // default 100
}

// withDefaults replaces zero values by AWS's default quotas (VPC and
// Site-to-Site VPN user guides, "quotas").
func (l Limits) withDefaults() Limits {
	for _, d := range []struct {
		limit *int
		value int
	}{
		{&l.VPCs, 5},
		{&l.CIDRsPerVPC, 5},
		{&l.IPv6CIDRsPerVPC, 5},
		{&l.SubnetsPerVPC, 200},
		{&l.RouteTablesPerVPC, 200},
		{&l.RoutesPerRouteTable, 50},
		{&l.NetworkACLsPerVPC, 200},
		{&l.RulesPerNetworkACL, 20},
		{&l.SecurityGroups, 2500},
		{&l.RulesPerSecurityGroup, 60},
		{&l.SecurityGroupsPerInterface, 5},
		{&l.NetworkInterfaces, 5000},
		{&l.Instances, 1000},
		{&l.InternetGateways, 5},
		{&l.EgressOnlyInternetGateways, 5},
		{&l.ElasticAddresses, 5},
		{&l.NATGatewaysPerZone, 5},
		{&l.ElasticAddressesPerNATGateway, 2},
		{&l.PrivateAddressesPerNATGateway, 8},
		{&l.KeyPairs, 5000},
		{&l.PrefixLists, 100},
		{&l.EntriesPerPrefixList, 1000},
		{&l.DHCPOptions, 1000},
		{&l.FlowLogsPerResource, 2},
		{&l.CustomerGateways, 50},
		{&l.VPNGateways, 5},
		{&l.VPNConnections, 50},
		{&l.VPNConnectionsPerVPNGateway, 10},
		{&l.StaticRoutesPerVPNConnection, 100},
	} {
		if *d.limit == 0 {
			*d.limit = d.value
		}
	}
	return l
}
