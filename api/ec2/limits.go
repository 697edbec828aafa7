package ec2

import "reflect"

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

// defaultLimits are AWS's default quotas (VPC and Site-to-Site VPN user guides,
// "quotas").
var defaultLimits = Limits{
	VPCs:                          5,
	CIDRsPerVPC:                   5,
	IPv6CIDRsPerVPC:               5,
	SubnetsPerVPC:                 200,
	RouteTablesPerVPC:             200,
	RoutesPerRouteTable:           50,
	NetworkACLsPerVPC:             200,
	RulesPerNetworkACL:            20,
	SecurityGroups:                2500,
	RulesPerSecurityGroup:         60,
	SecurityGroupsPerInterface:    5,
	NetworkInterfaces:             5000,
	Instances:                     1000,
	InternetGateways:              5,
	EgressOnlyInternetGateways:    5,
	ElasticAddresses:              5,
	NATGatewaysPerZone:            5,
	ElasticAddressesPerNATGateway: 2,
	PrivateAddressesPerNATGateway: 8,
	KeyPairs:                      5000,
	PrefixLists:                   100,
	EntriesPerPrefixList:          1000,
	DHCPOptions:                   1000,
	FlowLogsPerResource:           2,
	CustomerGateways:              50,
	VPNGateways:                   5,
	VPNConnections:                50,
	VPNConnectionsPerVPNGateway:   10,
	StaticRoutesPerVPNConnection:  100,
}

// over returns limits with those of base in place of zero values.
func (l Limits) over(base Limits) Limits {
	into, from := reflect.ValueOf(&l).Elem(), reflect.ValueOf(base)
	for i := range into.NumField() {
		if into.Field(i).IsZero() {
			into.Field(i).Set(from.Field(i))
		}
	}
	return l
}

// limitsOf are those of an account.
func (s *Service) limitsOf(account string) *Limits {
	if own, ok := s.accountLimits[account]; ok {
		return &own
	}
	return &s.limits
}
