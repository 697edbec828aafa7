package ec2

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/api/server"
	"causeway.dev/resource"
)

// readNetworkACLEntry checks what a caller wants as an entry.
func readNetworkACLEntry(in *model.CreateNetworkAclEntryInput) (e resource.NetworkACLEntry, err error) {
	e = resource.NetworkACLEntry{Number: val(in.RuleNumber), Egress: val(in.Egress), Deny: val(in.RuleAction) == model.RuleActionDeny}
	if err := checkRuleNumber(e.Number); err != nil {
		return e, err
	}
	switch {
	case in.CidrBlock != nil && in.Ipv6CidrBlock != nil:
		return e, resource.Errorf(resource.CodeInvalidParameterCombination, "Give CidrBlock or Ipv6CidrBlock, not both")
	case in.CidrBlock != nil:
		e.CIDR, err = resource.ParseRuleRange(*in.CidrBlock, false)
	case in.Ipv6CidrBlock != nil:
		e.CIDR, err = resource.ParseRuleRange(*in.Ipv6CidrBlock, true)
	default:
		err = resource.Missing("CidrBlock")
	}
	if err != nil {
		return e, err
	}
	if e.Protocol, err = resource.ParseNetworkACLProtocol(val(in.Protocol)); err != nil {
		return e, err
	}
	ports, icmp := val(in.PortRange), val(in.IcmpTypeCode)
	return e, e.SetPorts(ports.From, ports.To, icmp.Type, icmp.Code)
}

func checkRuleNumber(n int32) error {
	if n < resource.NetworkACLRuleMin || n > resource.NetworkACLRuleMax {
		return resource.InvalidValue("ruleNumber", strconv.Itoa(int(n)), fmt.Sprintf("Rule numbers are %d to %d.", resource.NetworkACLRuleMin, resource.NetworkACLRuleMax))
	}
	return nil
}

// changeNetworkACL stores a network ACL with other entries: what change makes of
// a copy of them, where the entry of a direction and number is, or would be.
func (s *Service) changeNetworkACL(ctx context.Context, c server.Caller, dryRun *bool, id *string, e resource.NetworkACLEntry, change func(entries []resource.NetworkACLEntry, at int, found bool) ([]resource.NetworkACLEntry, error)) error {
	return s.update(ctx, c, dryRun, func(w writer) error {
		v, err := networkACLs.get(w.reader, val(id))
		if err != nil {
			return err
		}
		at, found := slices.BinarySearchFunc(v.Entries, e, resource.CompareNetworkACLEntries)
		if v.Entries, err = change(slices.Clone(v.Entries), at, found); err != nil {
			return err
		}
		networkACLs.put(w, v)
		return nil
	})
}

// noNetworkACLEntry is what a request gets that names a rule which is not there.
func noNetworkACLEntry(id *string, e resource.NetworkACLEntry) error {
	direction := "ingress"
	if e.Egress {
		direction = "egress"
	}
	return resource.Errorf("InvalidNetworkAclEntry.NotFound", "The specified %s entry (rule number %d) does not exist in network ACL %s", direction, e.Number, val(id))
}

// CreateNetworkAclEntry adds an entry to a network ACL.
func (s *Service) CreateNetworkAclEntry(ctx context.Context, c server.Caller, in *model.CreateNetworkAclEntryInput) (*model.CreateNetworkAclEntryOutput, error) {
	e, err := readNetworkACLEntry(in)
	if err != nil {
		return nil, err
	}
	return nil, s.changeNetworkACL(ctx, c, in.DryRun, in.NetworkAclId, e, func(entries []resource.NetworkACLEntry, at int, found bool) ([]resource.NetworkACLEntry, error) {
		if found {
			return nil, resource.Errorf("NetworkAclEntryAlreadyExists", "The network acl entry identified by %d already exists. Give another number, or replace it", e.Number)
		}
		if err := roomForACLEntry(s.limitsOf(c.Account), entries, e); err != nil {
			return nil, err
		}
		return slices.Insert(entries, at, e), nil
	})
}

// roomForACLEntry checks that one more entry of a direction and a family is within
// the quota, which counts what denies the rest, too.
func roomForACLEntry(limits *Limits, entries []resource.NetworkACLEntry, e resource.NetworkACLEntry) error {
	alike := 1
	for _, other := range entries {
		if other.Egress == e.Egress && other.CIDR.Addr().Is4() == e.CIDR.Addr().Is4() {
			alike++
		}
	}
	if alike >= limits.RulesPerNetworkACL {
		return resource.Errorf("NetworkAclEntryLimitExceeded", "The maximum number of network acl entries for a direction has been reached: %d, with the one that denies the rest", limits.RulesPerNetworkACL)
	}
	return nil
}

// ReplaceNetworkAclEntry makes another entry of one that is there.
func (s *Service) ReplaceNetworkAclEntry(ctx context.Context, c server.Caller, in *model.ReplaceNetworkAclEntryInput) (*model.ReplaceNetworkAclEntryOutput, error) {
	e, err := readNetworkACLEntry((*model.CreateNetworkAclEntryInput)(in))
	if err != nil {
		return nil, err
	}
	return nil, s.changeNetworkACL(ctx, c, in.DryRun, in.NetworkAclId, e, func(entries []resource.NetworkACLEntry, at int, found bool) ([]resource.NetworkACLEntry, error) {
		if !found {
			return nil, noNetworkACLEntry(in.NetworkAclId, e)
		}
		others := slices.Delete(slices.Clone(entries), at, at+1)
		entries[at] = e
		return entries, roomForACLEntry(s.limitsOf(c.Account), others, e) // the family may be another
	})
}

// DeleteNetworkAclEntry removes an entry from a network ACL.
func (s *Service) DeleteNetworkAclEntry(ctx context.Context, c server.Caller, in *model.DeleteNetworkAclEntryInput) (*model.DeleteNetworkAclEntryOutput, error) {
	e := resource.NetworkACLEntry{Number: val(in.RuleNumber), Egress: val(in.Egress)}
	if err := checkRuleNumber(e.Number); err != nil {
		return nil, err
	}
	return nil, s.changeNetworkACL(ctx, c, in.DryRun, in.NetworkAclId, e, func(entries []resource.NetworkACLEntry, at int, found bool) ([]resource.NetworkACLEntry, error) {
		if !found {
			return nil, noNetworkACLEntry(in.NetworkAclId, e)
		}
		return slices.Delete(entries, at, at+1), nil
	})
}

// networkACLEntryFields are the values of entries, as answers have them.
var networkACLEntryFields = map[string]func(e *model.NetworkAclEntry) []string{
	"cidr":        func(e *model.NetworkAclEntry) []string { return one(val(e.CidrBlock)) },
	"ipv6-cidr":   func(e *model.NetworkAclEntry) []string { return one(val(e.Ipv6CidrBlock)) },
	"egress":      func(e *model.NetworkAclEntry) []string { return truth(*e.Egress) },
	"rule-action": func(e *model.NetworkAclEntry) []string { return one(*e.RuleAction) },
	"rule-number": func(e *model.NetworkAclEntry) []string { return number(e.RuleNumber) },
	// By number or by name.
	"protocol": func(e *model.NetworkAclEntry) []string {
		values := one(*e.Protocol)
		if name, err := resource.ParseProtocol(*e.Protocol); err == nil && name != *e.Protocol {
			values = append(values, name)
		}
		return values
	},
	"icmp.code":       func(e *model.NetworkAclEntry) []string { return number(val(e.IcmpTypeCode).Code) },
	"icmp.type":       func(e *model.NetworkAclEntry) []string { return number(val(e.IcmpTypeCode).Type) },
	"port-range.from": func(e *model.NetworkAclEntry) []string { return number(val(e.PortRange).From) },
	"port-range.to":   func(e *model.NetworkAclEntry) []string { return number(val(e.PortRange).To) },
}

func number(n *int32) []string {
	if n == nil {
		return nil
	}
	return one(strconv.Itoa(int(*n)))
}

// networkACLEntryAnswers shows entries with those that deny the rest, of IPv6 where
// the VPC has some.
func networkACLEntryAnswers(entries []resource.NetworkACLEntry, ipv6 bool) []model.NetworkAclEntry {
	all := slices.Clone(entries)
	for _, egress := range []bool{false, true} {
		all = append(all, resource.NetworkACLEntry{Number: resource.NetworkACLRuleLast, Egress: egress, Deny: true, Protocol: -1, CIDR: anywhere})
		if ipv6 {
			all = append(all, resource.NetworkACLEntry{Number: resource.NetworkACLRuleLastIPv6, Egress: egress, Deny: true, Protocol: -1, CIDR: anywhere6})
		}
	}
	slices.SortFunc(all, resource.CompareNetworkACLEntries)
	return mapped(all, func(e *resource.NetworkACLEntry) model.NetworkAclEntry {
		answer := model.NetworkAclEntry{Egress: &e.Egress, Protocol: new(strconv.Itoa(e.Protocol)), RuleAction: new(model.RuleActionAllow), RuleNumber: &e.Number}
		if e.Deny {
			answer.RuleAction = new(model.RuleActionDeny)
		}
		if e.CIDR.Addr().Is4() {
			answer.CidrBlock = new(e.CIDR.String())
		} else {
			answer.Ipv6CidrBlock = new(e.CIDR.String())
		}
		switch {
		case e.HasPorts():
			answer.PortRange = &model.PortRange{From: &e.FromPort, To: &e.ToPort}
		case e.HasICMPType():
			answer.IcmpTypeCode = &model.IcmpTypeCode{Type: &e.FromPort, Code: &e.ToPort}
		}
		return answer
	})
}
