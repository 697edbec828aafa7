package ec2

import (
	"context"
	"iter"
	"slices"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/api/server"
	"causeway.dev/resource"
)

func (s *Service) securityGroupRuleActions() actions {
	return actions{
		"AuthorizeSecurityGroupIngress":              server.Operation(s.AuthorizeSecurityGroupIngress),
		"AuthorizeSecurityGroupEgress":               server.Operation(s.AuthorizeSecurityGroupEgress),
		"RevokeSecurityGroupIngress":                 server.Operation(s.RevokeSecurityGroupIngress),
		"RevokeSecurityGroupEgress":                  server.Operation(s.RevokeSecurityGroupEgress),
		"DescribeSecurityGroupRules":                 server.Operation(s.DescribeSecurityGroupRules),
		"ModifySecurityGroupRules":                   server.Operation(s.ModifySecurityGroupRules),
		"UpdateSecurityGroupRuleDescriptionsIngress": server.Operation(s.UpdateSecurityGroupRuleDescriptionsIngress),
		"UpdateSecurityGroupRuleDescriptionsEgress":  server.Operation(s.UpdateSecurityGroupRuleDescriptionsEgress),
	}
}

// Rules have ids and tags of their own, and are part of their group's record.
const (
	rulePrefix = "sgr"
	ruleKind   = "security-group-rule"
)

// requestRulesMax is how many rules one request can name: as many as a network
// interface can have by AWS's largest quotas.
const requestRulesMax = 1000

// Codes of rules.
const (
	codeRuleDuplicate  resource.Code = "InvalidPermission.Duplicate"
	codeRuleNotFound   resource.Code = "InvalidPermission.NotFound"
	codeRuleIDNotFound resource.Code = "InvalidSecurityGroupRuleId.NotFound"
)

// securityGroupRules are the rules of all groups, as far as tags are concerned.
type securityGroupRules struct{}

func (securityGroupRules) owns(id string) bool  { return wellFormed(rulePrefix, id) }
func (securityGroupRules) resourceType() string { return ruleKind }

func (securityGroupRules) allTags(r reader) iter.Seq2[string, []resource.Tag] {
	return func(yield func(string, []resource.Tag) bool) {
		for g := range securityGroups.list(r) {
			for _, rule := range g.Rules {
				if !yield(rule.ID, rule.Tags) {
					return
				}
			}
		}
	}
}

func (securityGroupRules) retag(w writer, id string, change func([]resource.Tag) ([]resource.Tag, error)) error {
	for g := range securityGroups.list(w.reader) {
		at := ruleByID(&g, id)
		if at < 0 {
			continue
		}
		tags, err := change(g.Rules[at].Tags)
		if err != nil {
			return err
		}
		g.Rules = slices.Clone(g.Rules)
		g.Rules[at].Tags = tags
		securityGroups.put(w, g)
		return nil
	}
	return noRuleID(id)
}

// ruleByID returns where a rule stands in its group, or -1.
func ruleByID(g *resource.SecurityGroup, id string) int {
	return slices.IndexFunc(g.Rules, func(rule resource.SecurityGroupRule) bool { return rule.ID == id })
}

func noRuleID(id string) error {
	if !wellFormed(rulePrefix, id) {
		return resource.Errorf("InvalidSecurityGroupRuleId.Malformed", "Invalid id: %q (expecting \"sgr-...\")", resource.Clip(id))
	}
	return resource.Errorf(codeRuleIDNotFound, "The security group rule ID '%s' does not exist", id)
}

// A ruleChange is what the four actions that add and remove rules are asked: the
// rules in one of two forms, or their ids.
type ruleChange struct {
	egress             bool
	dryRun             *bool
	groupID, groupName *string
	permissions        []model.IpPermission
	tags               []model.TagSpecification
	ids                []string

	// The form for a single rule.
	protocol         *string
	fromPort, toPort *int32
	cidr             *string
	sourceGroup      *string // a name
	peer             string  // its id, once it is resolved
}

// resolve finds the groups that are named by name, in the default VPC.
func (q *ruleChange) resolve(r reader) error {
	id, err := groupID(r, q.groupID, q.groupName)
	if err != nil {
		return err
	}
	q.groupID = &id
	named := func(pair *model.UserIdGroupPair) error {
		if pair.GroupId != nil || pair.GroupName == nil {
			return nil
		}
		id, err := groupID(r, nil, pair.GroupName)
		pair.GroupId = &id
		return err
	}
	for i := range q.permissions {
		for j := range q.permissions[i].UserIdGroupPairs {
			if err := named(&q.permissions[i].UserIdGroupPairs[j]); err != nil {
				return err
			}
		}
	}
	if q.sourceGroup == nil {
		return nil
	}
	if q.peer, err = groupID(r, nil, q.sourceGroup); err != nil {
		return err
	}
	return nil
}

// rules reads the rules that are asked for, without ids.
func (q *ruleChange) rules() ([]resource.SecurityGroupRule, error) {
	permissions := q.permissions
	single := q.protocol != nil || q.fromPort != nil || q.toPort != nil || q.cidr != nil
	switch {
	case q.peer != "" && (single || len(permissions) > 0):
		return nil, resource.Errorf(resource.CodeInvalidParameterCombination, "The parameter 'sourceSecurityGroupName' stands alone: it is for all traffic of the group's members")
	case q.peer != "":
		permissions = []model.IpPermission{{IpProtocol: new(resource.ProtocolAny), UserIdGroupPairs: []model.UserIdGroupPair{{GroupId: &q.peer}}}}
	case single && len(permissions) > 0:
		return nil, resource.Errorf(resource.CodeInvalidParameterCombination, "The parameter 'ipPermissions' may not be used in combination with 'ipProtocol'")
	case single:
		permission := model.IpPermission{IpProtocol: q.protocol, FromPort: q.fromPort, ToPort: q.toPort}
		if q.cidr != nil {
			permission.IpRanges = []model.IpRange{{CidrIp: q.cidr}}
		}
		permissions = []model.IpPermission{permission}
	}
	var rules []resource.SecurityGroupRule
	for i := range permissions {
		more, err := readPermission(&permissions[i], q.egress)
		if err != nil {
			return nil, err
		}
		if rules = append(rules, more...); len(rules) > requestRulesMax {
			return nil, resource.Errorf("RulesPerSecurityGroupLimitExceeded", "The request has more than %d rules", requestRulesMax)
		}
	}
	for i := range rules {
		if slices.ContainsFunc(rules[:i], func(o resource.SecurityGroupRule) bool { return o.Same(&rules[i]) }) {
			return nil, resource.Errorf(resource.CodeInvalidParameterValue, "The same permission must not appear multiple times: %s", &rules[i])
		}
	}
	return rules, nil
}

// readPermission returns one rule for each peer of a permission.
func readPermission(p *model.IpPermission, egress bool) ([]resource.SecurityGroupRule, error) {
	if p.IpProtocol == nil {
		return nil, resource.Missing("IpProtocol")
	}
	protocol, err := resource.ParseProtocol(*p.IpProtocol)
	if err != nil {
		return nil, err
	}
	from, to, err := resource.ParsePorts(protocol, p.FromPort, p.ToPort)
	if err != nil {
		return nil, err
	}
	var rules []resource.SecurityGroupRule
	add := func(peer resource.SecurityGroupRule, description *string) error {
		peer.Egress, peer.Protocol, peer.FromPort, peer.ToPort, peer.Description = egress, protocol, from, to, val(description)
		rules = append(rules, peer)
		return resource.ValidateRuleDescription(val(description))
	}
	addRange := func(text string, ipv6 bool, description *string) error {
		peer, err := resource.ParseRuleRange(text, ipv6)
		if err != nil {
			return err
		}
		return add(resource.SecurityGroupRule{CIDR: peer}, description)
	}
	for _, peer := range p.IpRanges {
		if err := addRange(val(peer.CidrIp), false, peer.Description); err != nil {
			return nil, err
		}
	}
	for _, peer := range p.Ipv6Ranges {
		if err := addRange(val(peer.CidrIpv6), true, peer.Description); err != nil {
			return nil, err
		}
	}
	for _, peer := range p.PrefixListIds {
		if err := prefixLists.checkID(val(peer.PrefixListId)); err != nil {
			return nil, err
		}
		if err := add(resource.SecurityGroupRule{PrefixList: *peer.PrefixListId}, peer.Description); err != nil {
			return nil, err
		}
	}
	for _, peer := range p.UserIdGroupPairs {
		if peer.GroupId == nil {
			return nil, resource.Errorf(resource.CodeMissingParameter, "The request must contain the parameter groupId of a peer")
		}
		if err := add(resource.SecurityGroupRule{Group: *peer.GroupId}, peer.Description); err != nil {
			return nil, err
		}
	}
	if len(rules) == 0 {
		return nil, resource.Errorf(resource.CodeMissingParameter, "The request must contain an IP range, a prefix list or a security group for each permission")
	}
	return rules, nil
}

// checkPeer refuses a rule whose peer is a group that the rule's group can't
// reach, because no VPC has both, or a prefix list that is not there.
func checkPeer(r reader, g *resource.SecurityGroup, rule *resource.SecurityGroupRule) error {
	if rule.PrefixList != "" {
		_, err := prefixLists.get(r, rule.PrefixList)
		return err
	}
	if rule.Group == "" {
		return nil
	}
	peer, err := securityGroups.get(r, rule.Group)
	if err != nil {
		return err
	}
	if !g.Meets(&peer) {
		return resource.Errorf(securityGroups.notFound, "You have specified two resources that belong to different networks: %s and %s", g.ID, peer.ID)
	}
	return nil
}

// authorize adds rules to a group: all that are asked for, or none.
func (s *Service) authorize(ctx context.Context, c server.Caller, q ruleChange) (answer []model.SecurityGroupRule, err error) {
	if err := q.resolve(s.read(c)); err != nil {
		return nil, err
	}
	rules, err := q.rules()
	if err != nil {
		return nil, err
	}
	if len(rules) == 0 {
		return nil, resource.Missing("IpPermissions")
	}
	tags, err := tagsFor(q.tags, ruleKind)
	if err != nil {
		return nil, err
	}
	err = s.update(ctx, c, q.dryRun, func(w writer) error {
		g, err := securityGroups.get(w.reader, *q.groupID)
		if err != nil {
			return err
		}
		g.Rules = slices.Clone(g.Rules)
		answer = nil
		for _, rule := range rules {
			if err := checkPeer(w.reader, &g, &rule); err != nil {
				return err
			}
			if sameRule(&g, &rule) >= 0 {
				return resource.Errorf(codeRuleDuplicate, "the specified rule %q already exists", &rule)
			}
			rule.ID, rule.Tags = s.newID(rulePrefix), tags[ruleKind]
			g.Rules = append(g.Rules, rule)
			answer = append(answer, *ruleAnswer(w.reader, &ruleOf{g.ID, rule}))
		}
		if err := s.checkRuleLimit(w.reader, &g); err != nil {
			return err
		}
		securityGroups.put(w, g)
		return nil
	})
	return answer, err
}

// sameRule returns where a group has a rule for the same traffic, or -1.
func sameRule(g *resource.SecurityGroup, rule *resource.SecurityGroupRule) int {
	return slices.IndexFunc(g.Rules, func(o resource.SecurityGroupRule) bool { return o.Same(rule) })
}

// checkRuleLimit applies the limit, which is for each direction and family.
// Rules that name a group count in both families, and those that name a prefix list
// for as many as it may have entries.
func (s *Service) checkRuleLimit(r reader, g *resource.SecurityGroup) error {
	type kind struct{ egress, ipv6 bool }
	count := make(map[kind]int)
	for i := range g.Rules {
		rule := &g.Rules[i]
		if list, ok := prefixLists.table.Get(r.Reader, r.scope, rule.PrefixList); ok {
			count[kind{rule.Egress, list.AddressFamily == resource.PrefixListIPv6}] += int(list.MaxEntries)
			continue
		}
		for _, ipv6 := range []bool{false, true} {
			if rule.Group != "" || rule.CIDR.Addr().Is6() == ipv6 {
				count[kind{rule.Egress, ipv6}]++
			}
		}
	}
	for _, n := range count {
		if n > r.limits.RulesPerSecurityGroup {
			return resource.Errorf("RulesPerSecurityGroupLimitExceeded", "The maximum number of rules per security group has been reached: %d each inbound and outbound", r.limits.RulesPerSecurityGroup)
		}
	}
	return nil
}

// revoke removes rules from a group: all that are asked for, or none.
func (s *Service) revoke(ctx context.Context, c server.Caller, q ruleChange) (answer []model.RevokedSecurityGroupRule, err error) {
	if err := q.resolve(s.read(c)); err != nil {
		return nil, err
	}
	rules, err := q.rules()
	if err != nil {
		return nil, err
	}
	if len(rules) > 0 && len(q.ids) > 0 {
		return nil, resource.Errorf(resource.CodeInvalidParameterCombination, "Give rules or their ids, not both")
	}
	if len(rules) == 0 && len(q.ids) == 0 {
		return nil, resource.Missing("IpPermissions")
	}
	err = s.update(ctx, c, q.dryRun, func(w writer) error {
		g, err := securityGroups.get(w.reader, *q.groupID)
		if err != nil {
			return err
		}
		revoked, err := findRules(&g, q.egress, q.ids, rules)
		if err != nil {
			return err
		}
		answer = nil
		for _, at := range revoked {
			answer = append(answer, revokedAnswer(g.ID, &g.Rules[at]))
		}
		kept := make([]resource.SecurityGroupRule, 0, len(g.Rules))
		for i, rule := range g.Rules {
			if !slices.Contains(revoked, i) {
				kept = append(kept, rule)
			}
		}
		g.Rules = kept
		securityGroups.put(w, g)
		return nil
	})
	return answer, err
}

// findRules returns where a group has the rules that are given by id or by what
// they allow. A rule that it does not have is an error.
func findRules(g *resource.SecurityGroup, egress bool, ids []string, rules []resource.SecurityGroupRule) ([]int, error) {
	var found []int
	for _, id := range ids {
		at := ruleByID(g, id)
		if at < 0 || g.Rules[at].Egress != egress {
			return nil, noRuleID(id)
		}
		found = append(found, at)
	}
	for i := range rules {
		at := sameRule(g, &rules[i])
		if at < 0 {
			return nil, resource.Errorf(codeRuleNotFound, "The specified rule does not exist in this security group: %s", &rules[i])
		}
		found = append(found, at)
	}
	return found, nil
}

// AuthorizeSecurityGroupIngress lets more traffic in.
func (s *Service) AuthorizeSecurityGroupIngress(ctx context.Context, c server.Caller, in *model.AuthorizeSecurityGroupIngressInput) (*model.AuthorizeSecurityGroupIngressOutput, error) {
	rules, err := s.authorize(ctx, c, ruleChange{
		dryRun: in.DryRun, groupID: in.GroupId, groupName: in.GroupName, permissions: in.IpPermissions, tags: in.TagSpecifications,
		protocol: in.IpProtocol, fromPort: in.FromPort, toPort: in.ToPort, cidr: in.CidrIp, sourceGroup: in.SourceSecurityGroupName,
	})
	return &model.AuthorizeSecurityGroupIngressOutput{Return: new(true), SecurityGroupRules: rules}, err
}

// AuthorizeSecurityGroupEgress lets more traffic out.
func (s *Service) AuthorizeSecurityGroupEgress(ctx context.Context, c server.Caller, in *model.AuthorizeSecurityGroupEgressInput) (*model.AuthorizeSecurityGroupEgressOutput, error) {
	rules, err := s.authorize(ctx, c, ruleChange{
		egress: true, dryRun: in.DryRun, groupID: in.GroupId, permissions: in.IpPermissions, tags: in.TagSpecifications,
		protocol: in.IpProtocol, fromPort: in.FromPort, toPort: in.ToPort, cidr: in.CidrIp, sourceGroup: in.SourceSecurityGroupName,
	})
	return &model.AuthorizeSecurityGroupEgressOutput{Return: new(true), SecurityGroupRules: rules}, err
}

// RevokeSecurityGroupIngress lets less traffic in.
func (s *Service) RevokeSecurityGroupIngress(ctx context.Context, c server.Caller, in *model.RevokeSecurityGroupIngressInput) (*model.RevokeSecurityGroupIngressOutput, error) {
	rules, err := s.revoke(ctx, c, ruleChange{
		dryRun: in.DryRun, groupID: in.GroupId, groupName: in.GroupName, permissions: in.IpPermissions, ids: in.SecurityGroupRuleIds,
		protocol: in.IpProtocol, fromPort: in.FromPort, toPort: in.ToPort, cidr: in.CidrIp, sourceGroup: in.SourceSecurityGroupName,
	})
	return &model.RevokeSecurityGroupIngressOutput{Return: new(true), RevokedSecurityGroupRules: rules}, err
}

// RevokeSecurityGroupEgress lets less traffic out.
func (s *Service) RevokeSecurityGroupEgress(ctx context.Context, c server.Caller, in *model.RevokeSecurityGroupEgressInput) (*model.RevokeSecurityGroupEgressOutput, error) {
	rules, err := s.revoke(ctx, c, ruleChange{
		egress: true, dryRun: in.DryRun, groupID: in.GroupId, permissions: in.IpPermissions, ids: in.SecurityGroupRuleIds,
		protocol: in.IpProtocol, fromPort: in.FromPort, toPort: in.ToPort, cidr: in.CidrIp, sourceGroup: in.SourceSecurityGroupName,
	})
	return &model.RevokeSecurityGroupEgressOutput{Return: new(true), RevokedSecurityGroupRules: rules}, err
}

// A ruleOf is a rule with the id of its group.
type ruleOf struct {
	group string
	rule  resource.SecurityGroupRule
}

func (v *ruleOf) tags() []resource.Tag { return v.rule.Tags }

var ruleFields = fields[ruleOf]{
	"group-id":               func(_ reader, v *ruleOf) []string { return one(v.group) },
	"security-group-rule-id": func(_ reader, v *ruleOf) []string { return one(v.rule.ID) },
}

func ruleAnswer(r reader, v *ruleOf) *model.SecurityGroupRule {
	answer := &model.SecurityGroupRule{
		Description:          str(v.rule.Description),
		FromPort:             &v.rule.FromPort,
		GroupId:              &v.group,
		GroupOwnerId:         &r.scope.Account,
		IpProtocol:           &v.rule.Protocol,
		IsEgress:             &v.rule.Egress,
		SecurityGroupRuleArn: r.arn(ruleKind, v.rule.ID),
		SecurityGroupRuleId:  &v.rule.ID,
		Tags:                 tagSet(v.rule.Tags),
		ToPort:               &v.rule.ToPort,
		CidrIpv4:             str(rangeText(&v.rule, true)),
		CidrIpv6:             str(rangeText(&v.rule, false)),
		PrefixListId:         str(v.rule.PrefixList),
	}
	if v.rule.Group != "" {
		answer.ReferencedGroupInfo = &model.ReferencedSecurityGroup{GroupId: &v.rule.Group, UserId: &r.scope.Account}
	}
	return answer
}

func revokedAnswer(group string, rule *resource.SecurityGroupRule) model.RevokedSecurityGroupRule {
	return model.RevokedSecurityGroupRule{
		CidrIpv4:            str(rangeText(rule, true)),
		CidrIpv6:            str(rangeText(rule, false)),
		Description:         str(rule.Description),
		FromPort:            &rule.FromPort,
		GroupId:             &group,
		IpProtocol:          &rule.Protocol,
		IsEgress:            &rule.Egress,
		PrefixListId:        str(rule.PrefixList),
		ReferencedGroupId:   str(rule.Group),
		SecurityGroupRuleId: &rule.ID,
		ToPort:              &rule.ToPort,
	}
}

// DescribeSecurityGroupRules lists rules of all groups.
func (s *Service) DescribeSecurityGroupRules(_ context.Context, c server.Caller, in *model.DescribeSecurityGroupRulesInput) (*model.DescribeSecurityGroupRulesOutput, error) {
	r := s.read(c)
	q := query{"DescribeSecurityGroupRules", in.DryRun, in.SecurityGroupRuleIds, in.Filters, in.MaxResults, in.NextToken}
	key := func(v *ruleOf) string { return v.rule.ID }
	found, next, err := list(r, ruleFields, q, key, func() ([]ruleOf, error) { return rulesByID(r, in.SecurityGroupRuleIds) })
	if err != nil {
		return nil, err
	}
	answer := func(v *ruleOf) *model.SecurityGroupRule { return ruleAnswer(r, v) }
	return &model.DescribeSecurityGroupRulesOutput{SecurityGroupRules: answers(found, answer), NextToken: next}, nil
}

// rulesByID returns the rules that are named, or all where none is.
func rulesByID(r reader, ids []string) (all []ruleOf, err error) {
	for g := range securityGroups.list(r) {
		for _, rule := range g.Rules {
			all = append(all, ruleOf{g.ID, rule})
		}
	}
	if len(ids) == 0 {
		return all, nil
	}
	wanted := make(map[string]bool, len(ids))
	for _, id := range ids {
		wanted[id] = true
	}
	all = slices.DeleteFunc(all, func(v ruleOf) bool { return !wanted[v.rule.ID] })
	for _, v := range all {
		delete(wanted, v.rule.ID)
	}
	for _, id := range ids {
		if wanted[id] {
			return nil, noRuleID(id)
		}
	}
	return all, nil
}
