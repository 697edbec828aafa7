package resource

import "net/netip"

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
