package ec2

import (
	"context"
	"slices"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/api/server"
	"causeway.dev/resource"
)

// ModifySecurityGroupRules replaces what rules allow; ids, tags and directions
// stay.
func (s *Service) ModifySecurityGroupRules(ctx context.Context, c server.Caller, in *model.ModifySecurityGroupRulesInput) (*model.ModifySecurityGroupRulesOutput, error) {
	err := s.update(ctx, c, in.DryRun, func(w writer) error {
		g, err := securityGroups.get(w.reader, val(in.GroupId))
		if err != nil {
			return err
		}
		g.Rules = slices.Clone(g.Rules)
		for _, change := range in.SecurityGroupRules {
			at := ruleByID(&g, val(change.SecurityGroupRuleId))
			if at < 0 {
				return noRuleID(val(change.SecurityGroupRuleId))
			}
			rule, err := readRuleRequest(change.SecurityGroupRule, g.Rules[at].Egress)
			if err != nil {
				return err
			}
			if err := checkPeer(w.reader, &g, &rule); err != nil {
				return err
			}
			if other := sameRule(&g, &rule); other >= 0 && other != at {
				return resource.Errorf(codeRuleDuplicate, "the specified rule %q already exists", &rule)
			}
			rule.ID, rule.Tags = g.Rules[at].ID, g.Rules[at].Tags
			g.Rules[at] = rule
		}
		if err := s.checkRuleLimit(w.reader, &g); err != nil {
			return err
		}
		securityGroups.put(w, g)
		return nil
	})
	return &model.ModifySecurityGroupRulesOutput{Return: new(true)}, err
}

// readRuleRequest reads a rule in the form of ModifySecurityGroupRules.
func readRuleRequest(in *model.SecurityGroupRuleRequest, egress bool) (resource.SecurityGroupRule, error) {
	if in == nil {
		return resource.SecurityGroupRule{}, resource.Missing("SecurityGroupRule.N.SecurityGroupRule")
	}
	permission := model.IpPermission{IpProtocol: in.IpProtocol, FromPort: in.FromPort, ToPort: in.ToPort}
	if in.CidrIpv4 != nil {
		permission.IpRanges = []model.IpRange{{CidrIp: in.CidrIpv4, Description: in.Description}}
	}
	if in.CidrIpv6 != nil {
		permission.Ipv6Ranges = []model.Ipv6Range{{CidrIpv6: in.CidrIpv6, Description: in.Description}}
	}
	if in.PrefixListId != nil {
		permission.PrefixListIds = []model.PrefixListId{{PrefixListId: in.PrefixListId, Description: in.Description}}
	}
	if in.ReferencedGroupId != nil {
		permission.UserIdGroupPairs = []model.UserIdGroupPair{{GroupId: in.ReferencedGroupId, Description: in.Description}}
	}
	rules, err := readPermission(&permission, egress)
	if err != nil {
		return resource.SecurityGroupRule{}, err
	}
	if len(rules) > 1 {
		return resource.SecurityGroupRule{}, resource.Errorf(resource.CodeInvalidParameterCombination, "A rule has one of CidrIpv4, CidrIpv6, PrefixListId and ReferencedGroupId")
	}
	return rules[0], nil
}

// describeRules sets the descriptions of rules, which are given by id or by what
// they allow.
func (s *Service) describeRules(ctx context.Context, c server.Caller, q ruleChange, byID []model.SecurityGroupRuleDescription) error {
	if err := q.resolve(s.read(c)); err != nil {
		return err
	}
	rules, err := q.rules()
	if err != nil {
		return err
	}
	if len(rules) > 0 && len(byID) > 0 {
		return resource.Errorf(resource.CodeInvalidParameterCombination, "Give rules or their ids, not both")
	}
	if len(rules) == 0 && len(byID) == 0 {
		return resource.Missing("IpPermissions")
	}
	var ids, descriptions []string
	for _, d := range byID {
		if err := resource.ValidateRuleDescription(val(d.Description)); err != nil {
			return err
		}
		ids, descriptions = append(ids, val(d.SecurityGroupRuleId)), append(descriptions, val(d.Description))
	}
	for _, rule := range rules {
		descriptions = append(descriptions, rule.Description)
	}
	return s.update(ctx, c, q.dryRun, func(w writer) error {
		g, err := securityGroups.get(w.reader, *q.groupID)
		if err != nil {
			return err
		}
		found, err := findRules(&g, q.egress, ids, rules)
		if err != nil {
			return err
		}
		g.Rules = slices.Clone(g.Rules)
		for i, at := range found {
			g.Rules[at].Description = descriptions[i]
		}
		securityGroups.put(w, g)
		return nil
	})
}

// UpdateSecurityGroupRuleDescriptionsIngress sets descriptions of inbound rules.
func (s *Service) UpdateSecurityGroupRuleDescriptionsIngress(ctx context.Context, c server.Caller, in *model.UpdateSecurityGroupRuleDescriptionsIngressInput) (*model.UpdateSecurityGroupRuleDescriptionsIngressOutput, error) {
	q := ruleChange{dryRun: in.DryRun, groupID: in.GroupId, groupName: in.GroupName, permissions: in.IpPermissions}
	err := s.describeRules(ctx, c, q, in.SecurityGroupRuleDescriptions)
	return &model.UpdateSecurityGroupRuleDescriptionsIngressOutput{Return: new(true)}, err
}

// UpdateSecurityGroupRuleDescriptionsEgress sets descriptions of outbound rules.
func (s *Service) UpdateSecurityGroupRuleDescriptionsEgress(ctx context.Context, c server.Caller, in *model.UpdateSecurityGroupRuleDescriptionsEgressInput) (*model.UpdateSecurityGroupRuleDescriptionsEgressOutput, error) {
	q := ruleChange{egress: true, dryRun: in.DryRun, groupID: in.GroupId, groupName: in.GroupName, permissions: in.IpPermissions}
	err := s.describeRules(ctx, c, q, in.SecurityGroupRuleDescriptions)
	return &model.UpdateSecurityGroupRuleDescriptionsEgressOutput{Return: new(true)}, err
}
