package resource

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// DefaultSecurityGroup is the name of the group that each VPC has from the start.
const DefaultSecurityGroup = "default"

// Protocols of rules. Others are decimal numbers.
const (
	ProtocolAny    = "-1"
	ProtocolTCP    = "tcp"
	ProtocolUDP    = "udp"
	ProtocolICMP   = "icmp"
	ProtocolICMPv6 = "icmpv6"
)

// AnyPort is a FromPort or ToPort that bounds nothing.
const AnyPort = -1

// A SecurityGroup is a stateful filter of network interfaces.
type SecurityGroup struct {
	Meta
	VPC         string              `json:"vpc"`
	Name        string              `json:"name"`
	Description string              `json:"description"`
	Rules       []SecurityGroupRule `json:"rules,omitempty"`

	// Associated are further VPCs whose interfaces can be in the group. There its rules
	// hold among what is in that VPC.
	Associated []string `json:"associated,omitempty"`
}

// UsableIn reports whether interfaces of a VPC can be in the group.
func (g *SecurityGroup) UsableIn(vpc string) bool {
	return g.VPC == vpc || slices.Contains(g.Associated, vpc)
}

// Meets reports whether some VPC can have interfaces of both groups.
func (g *SecurityGroup) Meets(o *SecurityGroup) bool {
	return g.UsableIn(o.VPC) || slices.ContainsFunc(o.Associated, g.UsableIn)
}

// A SecurityGroupRule allows one kind of traffic with one kind of peer. Exactly one of CIDR, Group and PrefixList is set.
type SecurityGroupRule struct {
	ID          string       `json:"id"` // "sgr-…"
	Egress      bool         `json:"egress,omitempty"`
	Protocol    string       `json:"protocol"`           // "-1" all, "tcp", "udp", "icmp", "icmpv6" or a number
	FromPort    int32        `json:"fromPort,omitempty"` // ICMP: type; -1 all
	ToPort      int32        `json:"toPort,omitempty"`   // ICMP: code; -1 all
	CIDR        netip.Prefix `json:"cidr,omitzero"`
	Group       string       `json:"group,omitempty"`      // "sg-…"
	PrefixList  string       `json:"prefixList,omitempty"` // "pl-…"
	Description string       `json:"description,omitempty"`
	Tags        []Tag        `json:"tags,omitempty"`
}

// Bounds of a group's texts.
const (
	groupTextLengthMax   = 255
	groupTextPunctuation = " ._-:/()#,@[]+=&;{}!$*"
)

// validGroupText reports whether a name or description is short enough and of
// characters that AWS allows in it.
func validGroupText(s string) bool {
	return len(s) <= groupTextLengthMax && !strings.ContainsFunc(s, func(r rune) bool {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		return !letter && !strings.ContainsRune(groupTextPunctuation, r)
	})
}

// allowedGroupText is for messages.
var allowedGroupText = fmt.Sprintf("It has at most %d characters, of a-z, A-Z, 0-9 and %s", groupTextLengthMax, strings.TrimSpace(groupTextPunctuation)+" and space")

// ValidateSecurityGroupName checks a name that a caller chose for a new group.
func ValidateSecurityGroupName(name string) error {
	switch {
	case name == "" || !validGroupText(name):
		return InvalidValue("GroupName", name, allowedGroupText)
	case strings.HasPrefix(name, "sg-"):
		return InvalidValue("GroupName", name, "Group names may not be in the format sg-*.")
	case strings.EqualFold(name, DefaultSecurityGroup):
		return Errorf(CodeInvalidParameterValue, "Cannot use reserved security group name: %s", name)
	}
	return nil
}

// ValidateSecurityGroupDescription checks a group's description, which cannot be
// empty.
func ValidateSecurityGroupDescription(description string) error {
	if description == "" || !validGroupText(description) {
		return InvalidValue("GroupDescription", description, allowedGroupText)
	}
	return nil
}

// Peer is what the rule allows traffic with: the text of its range, or its group or
// prefix list.
func (r *SecurityGroupRule) Peer() string {
	if r.Group+r.PrefixList != "" {
		return r.Group + r.PrefixList
	}
	return r.CIDR.String()
}

// Same reports whether two rules allow the same traffic.
func (r *SecurityGroupRule) Same(o *SecurityGroupRule) bool {
	return r.Egress == o.Egress && r.Protocol == o.Protocol && r.FromPort == o.FromPort && r.ToPort == o.ToPort &&
		r.CIDR == o.CIDR && r.Group == o.Group && r.PrefixList == o.PrefixList
}

// String is how AWS's messages show a rule.
func (r *SecurityGroupRule) String() string {
	protocol := strings.ToUpper(r.Protocol)
	if r.Protocol == ProtocolAny {
		protocol = "ALL"
	}
	if r.FromPort == AnyPort && r.ToPort == AnyPort {
		return fmt.Sprintf("peer: %s, %s, ALLOW", r.Peer(), protocol)
	}
	return fmt.Sprintf("peer: %s, %s, from port: %d, to port: %d, ALLOW", r.Peer(), protocol, r.FromPort, r.ToPort)
}

// ParseProtocol reads a rule's protocol, by name or number. Numbers of protocols
// with a name become the name.
func ParseProtocol(s string) (string, error) {
	switch s = strings.ToLower(s); s {
	case ProtocolAny, ProtocolTCP, ProtocolUDP, ProtocolICMP, ProtocolICMPv6:
		return s, nil
	}
	number, err := strconv.ParseUint(s, 10, 8)
	if err != nil {
		return "", Errorf(CodeInvalidParameterValue, "Invalid value '%s' for IP protocol. Unknown protocol. Give tcp, udp, icmp, icmpv6, a number from 0 to 255, or -1 for all", Clip(s))
	}
	switch number {
	case 1:
		return ProtocolICMP, nil
	case 6:
		return ProtocolTCP, nil
	case 17:
		return ProtocolUDP, nil
	case 58:
		return ProtocolICMPv6, nil
	}
	return strconv.FormatUint(number, 10), nil
}

// HasPorts reports whether rules for a protocol that ParseProtocol returned have
// ports, or a type and a code.
func HasPorts(protocol string) bool {
	return slices.Contains([]string{ProtocolTCP, ProtocolUDP, ProtocolICMP, ProtocolICMPv6}, protocol)
}

// ParsePorts reads the ports of a rule for a protocol that ParseProtocol
// returned. TCP and UDP need both, ICMP has a type and a code there and may
// leave them out for all; with other protocols they mean nothing and are
// dropped.
func ParsePorts(protocol string, from, to *int32) (fromPort, toPort int32, err error) {
	switch protocol {
	case ProtocolTCP, ProtocolUDP:
		if from == nil || to == nil {
			return 0, 0, Errorf(CodeInvalidParameterValue, "Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange.")
		}
		if *from < 0 || *to > 65535 || *from > *to {
			return 0, 0, Errorf(CodeInvalidParameterValue, "Invalid TCP/UDP port range (%d:%d): ports are 0 to 65535, the first no higher than the last", *from, *to)
		}
		return *from, *to, nil
	case ProtocolICMP, ProtocolICMPv6:
		return parseICMP(from, to)
	}
	return AnyPort, AnyPort, nil
}

func parseICMP(kind, code *int32) (int32, int32, error) {
	number := func(p *int32) int32 {
		if p == nil {
			return AnyPort
		}
		return *p
	}
	k, c := number(kind), number(code)
	switch {
	case k < AnyPort || k > 255:
		return 0, 0, Errorf(CodeInvalidParameterValue, "ICMP type (%d) out of range: give 0 to 255, or -1 for all", k)
	case c < AnyPort || c > 255:
		return 0, 0, Errorf(CodeInvalidParameterValue, "ICMP code (%d) out of range: give 0 to 255, or -1 for all", c)
	case k == AnyPort && c != AnyPort:
		return 0, 0, Errorf(CodeInvalidParameterValue, "ICMP code (%d) needs an ICMP type: with type -1 the code must be -1 too", c)
	}
	return k, c, nil
}

// ParseRuleRange reads the range of a rule; bits behind the prefix are cleared.
func ParseRuleRange(value string, ipv6 bool) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(value)
	if err != nil || p.Addr().Is6() != ipv6 || p.Addr().Is4In6() {
		return netip.Prefix{}, Errorf(CodeInvalidParameterValue, "CIDR block %s is malformed", Clip(value))
	}
	return p.Masked(), nil
}

// ValidateRuleDescription checks the description of a rule, which may be empty.
func ValidateRuleDescription(description string) error {
	if !validGroupText(description) {
		return Errorf(CodeInvalidParameterValue, "Invalid rule description. %s", allowedGroupText)
	}
	return nil
}
