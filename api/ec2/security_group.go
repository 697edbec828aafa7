package ec2

import (
	"context"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/api/server"
	"causeway.dev/resource"
	"causeway.dev/store"
)

func (s *Service) securityGroupActions() actions {
	return actions{
		"CreateSecurityGroup":    server.Operation(s.CreateSecurityGroup),
		"DeleteSecurityGroup":    server.Operation(s.DeleteSecurityGroup),
		"DescribeSecurityGroups": server.Operation(s.DescribeSecurityGroups),
	}
}

// anywhere is the peer of the rule that lets all traffic out.
var anywhere = netip.PrefixFrom(netip.IPv4Unspecified(), 0)

// newSecurityGroup returns a group as AWS makes it: nothing may come in, and all
// may go out.
func (s *Service) newSecurityGroup(r reader, vpc, name, description string, tags []resource.Tag) resource.SecurityGroup {
	v := resource.SecurityGroup{
		Meta: r.newMeta(s.newID(securityGroups.prefix), tags), VPC: vpc, Name: name, Description: description,
		Rules: []resource.SecurityGroupRule{s.openEgress(anywhere)},
	}
	if hasIPv6(r, vpc) {
		v.Rules = append(v.Rules, s.openEgress(anywhere6))
	}
	return v
}

// openEgress is a rule that lets all out to a range.
func (s *Service) openEgress(to netip.Prefix) resource.SecurityGroupRule {
	return resource.SecurityGroupRule{
		ID: s.newID(rulePrefix), Egress: true, Protocol: resource.ProtocolAny, FromPort: resource.AnyPort, ToPort: resource.AnyPort, CIDR: to,
	}
}

// newDefaultSecurityGroup returns the group that each VPC has from the start:
// what is in it may reach each other too.
func (s *Service) newDefaultSecurityGroup(r reader, vpc string) resource.SecurityGroup {
	v := s.newSecurityGroup(r, vpc, resource.DefaultSecurityGroup, "default VPC security group", nil)
	v.Rules = append(v.Rules, resource.SecurityGroupRule{
		ID: s.newID(rulePrefix), Protocol: resource.ProtocolAny, FromPort: resource.AnyPort, ToPort: resource.AnyPort, Group: v.ID,
	})
	return v
}

// CreateSecurityGroup makes a group in a VPC.
func (s *Service) CreateSecurityGroup(ctx context.Context, c server.Caller, in *model.CreateSecurityGroupInput) (*model.CreateSecurityGroupOutput, error) {
	name := val(in.GroupName)
	if err := resource.ValidateSecurityGroupName(name); err != nil {
		return nil, err
	}
	if err := resource.ValidateSecurityGroupDescription(val(in.Description)); err != nil {
		return nil, err
	}
	tags, err := tagsFor(in.TagSpecifications, securityGroups.kind)
	if err != nil {
		return nil, err
	}
	var out model.CreateSecurityGroupOutput
	err = s.update(ctx, c, in.DryRun, func(w writer) error {
		vpc, err := vpcOrDefault(w.reader, in.VpcId)
		if err != nil {
			return err
		}
		for v := range securityGroups.of(w.reader, vpc.ID) {
			if strings.EqualFold(v.Name, name) {
				return resource.Errorf("InvalidGroup.Duplicate", "The security group '%s' already exists for VPC '%s'", name, vpc.ID)
			}
		}
		if securityGroups.total(w.reader) >= w.limits.SecurityGroups {
			return resource.Errorf("SecurityGroupLimitExceeded", "The maximum number of security groups has been reached: %d", w.limits.SecurityGroups)
		}
		v := s.newSecurityGroup(w.reader, vpc.ID, name, *in.Description, tags[securityGroups.kind])
		securityGroups.put(w, v)
		out = model.CreateSecurityGroupOutput{GroupId: &v.ID, SecurityGroupArn: w.arn(securityGroups.kind, v.ID), Tags: tagSet(v.Tags)}
		return nil
	})
	return &out, err
}

// DeleteSecurityGroup removes a group that no network interface is in and no
// other group's rule names.
func (s *Service) DeleteSecurityGroup(ctx context.Context, c server.Caller, in *model.DeleteSecurityGroupInput) (*model.DeleteSecurityGroupOutput, error) {
	id, err := groupID(s.read(c), in.GroupId, in.GroupName)
	if err != nil {
		return nil, err
	}
	out := model.DeleteSecurityGroupOutput{GroupId: &id, Return: new(true)}
	err = s.update(ctx, c, in.DryRun, func(w writer) error {
		v, err := securityGroups.get(w.reader, id)
		if err != nil {
			return err
		}
		if v.Name == resource.DefaultSecurityGroup {
			return resource.Errorf("CannotDelete", "the specified group: %q name: %q cannot be deleted by a user", v.ID, v.Name)
		}
		if len(v.Associated) > 0 {
			return resource.Errorf(resource.CodeDependencyViolation, "resource %s has a dependent object: it is associated with %s", v.ID, v.Associated[0])
		}
		for nic := range networkInterfaces.table.Find(w.Reader, w.scope, store.ByGroup, v.ID) {
			return resource.Errorf(resource.CodeDependencyViolation, "resource %s has a dependent object: %s is in it", v.ID, nic.ID)
		}
		for other := range securityGroups.list(w.reader) {
			if other.ID != v.ID && slices.ContainsFunc(other.Rules, func(rule resource.SecurityGroupRule) bool { return rule.Group == v.ID }) {
				return resource.Errorf(resource.CodeDependencyViolation, "resource %s has a dependent object: a rule of %s names it", v.ID, other.ID)
			}
		}
		securityGroups.delete(w, v.ID)
		return nil
	})
	return &out, err
}

// groupID returns the id of a group that a request names by it or, in the default
// VPC, by name.
func groupID(r reader, id, name *string) (string, error) {
	switch {
	case id != nil:
		return *id, nil
	case name == nil:
		return "", resource.Errorf(resource.CodeMissingParameter, "The request must contain the parameter groupName or groupId")
	}
	vpc, ok := defaultVPC(r)
	if !ok {
		return "", noDefaultVPC()
	}
	for v := range securityGroups.of(r, vpc.ID) {
		if v.Name == *name {
			return v.ID, nil
		}
	}
	return "", resource.Errorf(securityGroups.notFound, "The security group '%s' does not exist in default VPC '%s'", resource.Clip(*name), vpc.ID)
}

// defaultGroupOf returns the default group of a VPC: what a request means that names
// none.
func defaultGroupOf(r reader, vpc string) (resource.SecurityGroup, error) {
	for v := range securityGroups.of(r, vpc) {
		if v.Name == resource.DefaultSecurityGroup {
			return v, nil
		}
	}
	return resource.SecurityGroup{}, resource.Errorf(securityGroups.notFound, "The VPC '%s' has no default security group", vpc)
}

// DescribeSecurityGroups lists groups with their rules.
func (s *Service) DescribeSecurityGroups(_ context.Context, c server.Caller, in *model.DescribeSecurityGroupsInput) (*model.DescribeSecurityGroupsOutput, error) {
	r := s.read(c)
	ids := slices.Clone(in.GroupIds)
	for _, name := range in.GroupNames {
		id, err := groupID(r, nil, &name)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	found, next, err := describe(r, securityGroups, securityGroupFields, query{"DescribeSecurityGroups", in.DryRun, ids, in.Filters, in.MaxResults, in.NextToken})
	if err != nil {
		return nil, err
	}
	answer := func(v *resource.SecurityGroup) *model.SecurityGroup {
		return &model.SecurityGroup{
			Description:         &v.Description,
			GroupId:             &v.ID,
			GroupName:           &v.Name,
			IpPermissions:       permissionAnswers(v, false),
			IpPermissionsEgress: permissionAnswers(v, true),
			OwnerId:             &v.Account,
			SecurityGroupArn:    r.arn(securityGroups.kind, v.ID),
			Tags:                tagSet(v.Tags),
			VpcId:               &v.VPC,
		}
	}
	return &model.DescribeSecurityGroupsOutput{SecurityGroups: answers(found, answer), NextToken: next}, nil
}

// permissionAnswers shows the rules of one direction as AWS does: those with the
// same protocol and ports are one permission with all their peers.
func permissionAnswers(g *resource.SecurityGroup, egress bool) []model.IpPermission {
	var list []model.IpPermission
	var of []*resource.SecurityGroupRule // the first rule of each permission
	for i := range g.Rules {
		rule := &g.Rules[i]
		if rule.Egress != egress {
			continue
		}
		at := slices.IndexFunc(of, func(o *resource.SecurityGroupRule) bool {
			return o.Protocol == rule.Protocol && o.FromPort == rule.FromPort && o.ToPort == rule.ToPort
		})
		if at < 0 {
			permission := model.IpPermission{IpProtocol: &rule.Protocol}
			if resource.HasPorts(rule.Protocol) {
				permission.FromPort, permission.ToPort = &rule.FromPort, &rule.ToPort
			}
			at, list, of = len(list), append(list, permission), append(of, rule)
		}
		addPeer(&list[at], g, rule)
	}
	return list
}

func addPeer(permission *model.IpPermission, g *resource.SecurityGroup, rule *resource.SecurityGroupRule) {
	description := str(rule.Description)
	switch {
	case rule.Group != "":
		permission.UserIdGroupPairs = append(permission.UserIdGroupPairs, model.UserIdGroupPair{GroupId: &rule.Group, UserId: &g.Account, Description: description})
	case rule.PrefixList != "":
		permission.PrefixListIds = append(permission.PrefixListIds, model.PrefixListId{PrefixListId: &rule.PrefixList, Description: description})
	case rule.CIDR.Addr().Is4():
		permission.IpRanges = append(permission.IpRanges, model.IpRange{CidrIp: new(rule.CIDR.String()), Description: description})
	default:
		permission.Ipv6Ranges = append(permission.Ipv6Ranges, model.Ipv6Range{CidrIpv6: new(rule.CIDR.String()), Description: description})
	}
}

var securityGroupFields = func() fields[resource.SecurityGroup] {
	type group = resource.SecurityGroup
	f := fields[group]{
		"description": func(_ reader, v *group) []string { return one(v.Description) },
		"group-id":    func(_ reader, v *group) []string { return one(v.ID) },
		"group-name":  func(_ reader, v *group) []string { return one(v.Name) },
		"owner-id":    func(_ reader, v *group) []string { return one(v.Account) },
		"vpc-id":      func(_ reader, v *group) []string { return one(v.VPC) },
	}
	for name, value := range map[string]func(r reader, rule *resource.SecurityGroupRule) string{
		"cidr":           func(_ reader, rule *resource.SecurityGroupRule) string { return rangeText(rule, true) },
		"ipv6-cidr":      func(_ reader, rule *resource.SecurityGroupRule) string { return rangeText(rule, false) },
		"from-port":      func(_ reader, rule *resource.SecurityGroupRule) string { return strconv.Itoa(int(rule.FromPort)) },
		"to-port":        func(_ reader, rule *resource.SecurityGroupRule) string { return strconv.Itoa(int(rule.ToPort)) },
		"prefix-list-id": func(_ reader, rule *resource.SecurityGroupRule) string { return rule.PrefixList },
		"protocol":       func(_ reader, rule *resource.SecurityGroupRule) string { return rule.Protocol },
		"group-id":       func(_ reader, rule *resource.SecurityGroupRule) string { return rule.Group },
		"user-id":        func(r reader, rule *resource.SecurityGroupRule) string { return ownerOfPeer(r, rule) },
		"group-name": func(r reader, rule *resource.SecurityGroupRule) string {
			peer, _ := securityGroups.table.Get(r.Reader, r.scope, rule.Group)
			return peer.Name
		},
	} {
		f["ip-permission."+name] = ruleField(false, value)
		f["egress.ip-permission."+name] = ruleField(true, value)
	}
	return f
}()

func ruleField(egress bool, value func(reader, *resource.SecurityGroupRule) string) func(reader, *resource.SecurityGroup) []string {
	return func(r reader, v *resource.SecurityGroup) (values []string) {
		for i := range v.Rules {
			if v.Rules[i].Egress == egress {
				values = append(values, one(value(r, &v.Rules[i]))...)
			}
		}
		return values
	}
}

func ownerOfPeer(r reader, rule *resource.SecurityGroupRule) string {
	if rule.Group == "" {
		return ""
	}
	return r.scope.Account
}

// rangeText is the range of a rule, if it is of that family.
func rangeText(rule *resource.SecurityGroupRule, ipv4 bool) string {
	if !rule.CIDR.IsValid() || rule.CIDR.Addr().Is4() != ipv4 {
		return ""
	}
	return rule.CIDR.String()
}
