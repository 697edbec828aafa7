package ec2

// Limits are how many an account can have of something in a region, or in what
// contains it. Zero values mean the default.
type Limits struct {
	VPCs                       int // per region; default 5
	CIDRsPerVPC                int // default 5
	SubnetsPerVPC              int // default 200
	RouteTablesPerVPC          int // default 200
	RoutesPerRouteTable        int // entered by hand; default 50
	SecurityGroups             int // per region; default 2,500
	RulesPerSecurityGroup      int // each of inbound and outbound, IPv4 and IPv6; default 60
	SecurityGroupsPerInterface int // default 5
	NetworkInterfaces          int // per region; default 5,000
	Instances                  int // per region, running or starting; default 1,000. AWS counts CPUs, which are shared here

	CustomerGateways             int // per region; default 50
	VPNGateways                  int // per region; default 5
	VPNConnections               int // per region; default 50
	VPNConnectionsPerVPNGateway  int // default 10
	StaticRoutesPerVPNConnection int // default 100
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
		{&l.SubnetsPerVPC, 200},
		{&l.RouteTablesPerVPC, 200},
		{&l.RoutesPerRouteTable, 50},
		{&l.SecurityGroups, 2500},
		{&l.RulesPerSecurityGroup, 60},
		{&l.SecurityGroupsPerInterface, 5},
		{&l.NetworkInterfaces, 5000},
		{&l.Instances, 1000},
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
