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

	StateAssociated    = "associated"
	StateDisassociated = "disassociated"
)

// A VPC is a network with address ranges of its own.
type VPC struct {
	Meta
	State              string            `json:"state"`
	CIDRs              []CIDRAssociation `json:"cidrs"` // IPv4's; the first is the primary one
	IPv6               []CIDRAssociation `json:"ipv6,omitempty"`
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
