package resource

import "net/netip"

// States that several nouns share, as AWS spells them.
const (
	StatePending   = "pending"
	StateAvailable = "available"
	StateDeleting  = "deleting"
	StateDeleted   = "deleted"
	StateModifying = "modifying"
	StateAttaching = "attaching"
	StateAttached  = "attached"
	StateDetaching = "detaching"
	StateDetached  = "detached"
)

// A VPC is a network with address ranges of its own.
type VPC struct {
	Meta
	State              string            `json:"state"`
	CIDRs              []CIDRAssociation `json:"cidrs"` // the first is the primary one
	InstanceTenancy    string            `json:"instanceTenancy"`
	DHCPOptionsID      string            `json:"dhcpOptionsId"` // "default" where none was chosen
	IsDefault          bool              `json:"isDefault,omitempty"`
	EnableDNSSupport   bool              `json:"enableDnsSupport"`
	EnableDNSHostnames bool              `json:"enableDnsHostnames"`
	EnableNAUMetrics   bool              `json:"enableNetworkAddressUsageMetrics,omitempty"`
}

// A CIDRAssociation ties a range to a VPC or subnet.
type CIDRAssociation struct {
	ID     string       `json:"id"` // "vpc-cidr-assoc-…"
	Prefix netip.Prefix `json:"prefix"`
	State  string       `json:"state"` // associating, associated, disassociating, disassociated
}

// A Subnet is a part of a VPC in one zone. The first four addresses and the last are the network's own.
type Subnet struct {
	Meta
	VPC                 string       `json:"vpc"`
	CIDR                netip.Prefix `json:"cidr"`
	Zone                string       `json:"zone"` // "us-east-1a"
	State               string       `json:"state"`
	MapPublicIPOnLaunch bool         `json:"mapPublicIpOnLaunch,omitempty"`
}

// A RouteTable decides where packets of its subnets go.
type RouteTable struct {
	Meta
	VPC             string                  `json:"vpc"`
	Main            bool                    `json:"main,omitempty"`
	MainAssociation string                  `json:"mainAssociation,omitempty"` // "rtbassoc-…" where Main
	Associations    []RouteTableAssociation `json:"associations,omitempty"`
	Routes          []Route                 `json:"routes,omitempty"`          // entered by hand; local and propagated ones follow from other records
	PropagatingVGWs []string                `json:"propagatingVgws,omitempty"` // "vgw-…"
}

// A RouteTableAssociation ties a subnet to a route table.
type RouteTableAssociation struct {
	ID     string `json:"id"` // "rtbassoc-…"
	Subnet string `json:"subnet"`
}

// A Route was entered by hand. Exactly one target is set.
type Route struct {
	Destination      netip.Prefix `json:"destination"`
	Gateway          string       `json:"gateway,omitempty"`          // "vgw-…"
	Instance         string       `json:"instance,omitempty"`         // "i-…"
	NetworkInterface string       `json:"networkInterface,omitempty"` // "eni-…"
}

// A SecurityGroup is a stateful filter of network interfaces.
type SecurityGroup struct {
	Meta
	VPC         string              `json:"vpc"`
	Name        string              `json:"name"`
	Description string              `json:"description"`
	Rules       []SecurityGroupRule `json:"rules,omitempty"`
}

// A SecurityGroupRule allows one kind of traffic with one kind of peer. Exactly one of CIDR and Group is set.
type SecurityGroupRule struct {
	ID          string       `json:"id"` // "sgr-…"
	Egress      bool         `json:"egress,omitempty"`
	Protocol    string       `json:"protocol"`           // "-1" all, "tcp", "udp", "icmp", "icmpv6" or a number
	FromPort    int32        `json:"fromPort,omitempty"` // ICMP: type; -1 all
	ToPort      int32        `json:"toPort,omitempty"`   // ICMP: code; -1 all
	CIDR        netip.Prefix `json:"cidr,omitzero"`
	Group       string       `json:"group,omitempty"` // "sg-…"
	Description string       `json:"description,omitempty"`
	Tags        []Tag        `json:"tags,omitempty"`
}

// A NetworkInterface is an address of a subnet with a place in the network.
type NetworkInterface struct {
	Meta
	VPC                 string     `json:"vpc"`
	Subnet              string     `json:"subnet"`
	Zone                string     `json:"zone"`
	Address             netip.Addr `json:"address"` // primary private address
	MAC                 string     `json:"mac"`     // "02:…", locally administered
	Groups              []string   `json:"groups"`  // "sg-…"
	SourceDestCheck     bool       `json:"sourceDestCheck"`
	Description         string     `json:"description,omitempty"`
	Status              string     `json:"status"`                 // available, in-use
	Instance            string     `json:"instance,omitempty"`     // "i-…"
	AttachmentID        string     `json:"attachmentId,omitempty"` // "eni-attach-…"
	DeviceIndex         int32      `json:"deviceIndex,omitempty"`  // 0 is the primary one
	DeleteOnTermination bool       `json:"deleteOnTermination,omitempty"`
}

// An Instance is a host in a subnet.
type Instance struct {
	Meta
	Reservation  string   `json:"reservation"` // "r-…"
	Image        string   `json:"image"`
	InstanceType string   `json:"instanceType"`
	KeyName      string   `json:"keyName,omitempty"`
	UserData     []byte   `json:"userData,omitempty"`
	VPC          string   `json:"vpc"`
	Subnet       string   `json:"subnet"`
	Zone         string   `json:"zone"`
	Interfaces   []string `json:"interfaces"` // "eni-…", by device index
	LaunchIndex  int32    `json:"launchIndex"`

	// Wanted is what was asked: "running" or "terminated". Whether it runs is InstanceStatus's to say.
	Wanted string `json:"wanted"`
}

// An InstanceStatus is what a node has seen of an instance. Its ID is the instance's.
type InstanceStatus struct {
	Meta
	State  string `json:"state"`            // pending, running, shutting-down, terminated
	Reason string `json:"reason,omitempty"` // why it does not run
}
