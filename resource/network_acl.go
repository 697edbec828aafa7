package resource

import (
	"cmp"
	"net/netip"
	"strconv"
)

// Rule numbers of network ACLs: those that callers give, and those of the rules
// that deny what no other matches.
const (
	NetworkACLRuleMin      = 1
	NetworkACLRuleMax      = 32766
	NetworkACLRuleLast     = 32767
	NetworkACLRuleLastIPv6 = 32768
)

// A NetworkACL is a stateless filter of what crosses the border of its subnets.
// Of its entries for a direction the first that matches decides, and what none
// matches is denied.
type NetworkACL struct {
	Meta                                 // "acl-…"
	VPC          string                  `json:"vpc"`
	IsDefault    bool                    `json:"isDefault,omitempty"`    // the one that new subnets of the VPC get
	Entries      []NetworkACLEntry       `json:"entries,omitempty"`      // inbound before outbound, each by number
	Associations []NetworkACLAssociation `json:"associations,omitempty"` // every subnet has one, with one ACL
}

// A NetworkACLAssociation ties a subnet to a network ACL.
type NetworkACLAssociation struct {
	ID     string `json:"id"` // "aclassoc-…"
	Subnet string `json:"subnet"`
}

// A NetworkACLEntry allows or denies one kind of traffic. Its number is its own
// among those of its direction.
type NetworkACLEntry struct {
	Number   int32        `json:"number"`
	Egress   bool         `json:"egress,omitempty"`
	Deny     bool         `json:"deny,omitempty"`
	Protocol int          `json:"protocol"`           // IP protocol number; -1 all
	FromPort int32        `json:"fromPort,omitempty"` // ICMP: type; -1 all
	ToPort   int32        `json:"toPort,omitempty"`   // ICMP: code; -1 all
	CIDR     netip.Prefix `json:"cidr"`               // whom the traffic is with
}

// CompareNetworkACLEntries orders entries by direction and number.
func CompareNetworkACLEntries(a, b NetworkACLEntry) int {
	if a.Egress != b.Egress {
		if b.Egress {
			return -1
		}
		return 1
	}
	return cmp.Compare(a.Number, b.Number)
}

// IANA's numbers of the protocols whose rules say more than the protocol.
const (
	protocolNumberICMP   = 1
	protocolNumberTCP    = 6
	protocolNumberUDP    = 17
	protocolNumberICMPv6 = 58
)

// HasPorts reports whether the entry bounds TCP's or UDP's ports.
func (e *NetworkACLEntry) HasPorts() bool {
	return e.Protocol == protocolNumberTCP || e.Protocol == protocolNumberUDP
}

// HasICMPType reports whether the entry bounds type and code of the ICMP of its
// range's family. Of the other family's, an entry matches all.
func (e *NetworkACLEntry) HasICMPType() bool {
	return e.Protocol == protocolNumberICMP && e.CIDR.Addr().Is4() || e.Protocol == protocolNumberICMPv6 && e.CIDR.Addr().Is6()
}

// ParseNetworkACLProtocol reads an entry's protocol, by number or name.
func ParseNetworkACLProtocol(s string) (int, error) {
	name, err := ParseProtocol(s)
	if err != nil {
		return 0, err
	}
	switch name {
	case ProtocolICMP:
		return protocolNumberICMP, nil
	case ProtocolTCP:
		return protocolNumberTCP, nil
	case ProtocolUDP:
		return protocolNumberUDP, nil
	case ProtocolICMPv6:
		return protocolNumberICMPv6, nil
	}
	return strconv.Atoi(name)
}

// SetPorts reads what bounds an entry beyond its protocol and range: for TCP and
// UDP both ports, for ICMP a type and a code; other protocols have neither.
func (e *NetworkACLEntry) SetPorts(from, to, icmpType, icmpCode *int32) (err error) {
	e.FromPort, e.ToPort = AnyPort, AnyPort
	switch {
	case e.HasPorts():
		e.FromPort, e.ToPort, err = ParsePorts(ProtocolTCP, from, to)
	case e.HasICMPType():
		if icmpType == nil || icmpCode == nil {
			return Missing("Icmp.Type and Icmp.Code, -1 for all,")
		}
		e.FromPort, e.ToPort, err = ParsePorts(ProtocolICMP, icmpType, icmpCode)
	}
	return err
}
