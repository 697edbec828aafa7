package logs

import (
	"context"
	"slices"

	model "causeway.dev/api/model/logs"
	"causeway.dev/api/server"
	store "causeway.dev/logs"
	"causeway.dev/resource"
)

func (s *Service) groupActions() actions {
	return actions{
		"CreateLogGroup":        server.Operation(s.CreateLogGroup),
		"DeleteLogGroup":        server.Operation(s.DeleteLogGroup),
		"DescribeLogGroups":     server.Operation(s.DescribeLogGroups),
		"PutRetentionPolicy":    server.Operation(s.PutRetentionPolicy),
		"DeleteRetentionPolicy": server.Operation(s.DeleteRetentionPolicy),
	}
}

// CreateLogGroup makes an empty log group.
func (s *Service) CreateLogGroup(_ context.Context, c server.Caller, in *model.CreateLogGroupInput) (*model.CreateLogGroupOutput, error) {
	if err := checkGroupName(*in.LogGroupName); err != nil {
		return nil, err
	}
	if in.KmsKeyId != nil {
		return nil, invalid("Encryption by a KMS key is not supported here.")
	}
	class := val(in.LogGroupClass)
	if class == "" {
		class = model.LogGroupClassSTANDARD
	}
	if class == model.LogGroupClassDELIVERY {
		return nil, invalid("The log group class DELIVERY is not supported here.")
	}
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	return nil, explain(s.store.CreateGroup(scopeOf(c), store.Group{
		Name: *in.LogGroupName, Created: c.Now, Class: class, Tags: in.Tags, Protected: val(in.DeletionProtectionEnabled),
	}))
}

// DeleteLogGroup removes a log group with all its events.
func (s *Service) DeleteLogGroup(_ context.Context, c server.Caller, in *model.DeleteLogGroupInput) (*model.DeleteLogGroupOutput, error) {
	if err := checkGroupName(*in.LogGroupName); err != nil {
		return nil, err
	}
	return nil, explain(s.store.DeleteGroup(scopeOf(c), *in.LogGroupName, func(g store.Group) error {
		if g.Protected {
			return resource.Errorf(codeValidation, "The log group %s is protected against deletion.", g.Name)
		}
		return nil
	}))
}

// describeLimit is how many groups or streams a page has, at most and unless the
// request says less.
const describeLimit = 50

// DescribeLogGroups lists log groups by name.
func (s *Service) DescribeLogGroups(_ context.Context, c server.Caller, in *model.DescribeLogGroupsInput) (*model.DescribeLogGroupsOutput, error) {
	switch {
	case in.LogGroupNamePrefix != nil && in.LogGroupNamePattern != nil:
		return nil, invalid("LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.")
	case val(in.IncludeLinkedAccounts) || len(in.AccountIdentifiers) > 0:
		return nil, invalid("Linked accounts are not supported here.")
	}
	after, err := parseNameToken(in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &model.DescribeLogGroupsOutput{LogGroups: []model.LogGroup{}}
	if len(in.LogGroupIdentifiers) > 0 {
		return out, s.describeNamed(c, in, out)
	}
	limit := describeLimit
	if in.Limit != nil {
		limit = int(*in.Limit)
	}
	groups, more, err := s.store.Groups(scopeOf(c), val(in.LogGroupNamePrefix), val(in.LogGroupNamePattern), after, limit)
	if err != nil {
		return nil, err
	}
	for _, g := range groups {
		out.LogGroups = append(out.LogGroups, describeGroup(c, g))
	}
	if more {
		out.NextToken = nameToken(groups[len(groups)-1].Name)
	}
	return out, nil
}

// describeNamed describes the groups that are asked for by name or ARN; those
// that don't exist are left out.
func (s *Service) describeNamed(c server.Caller, in *model.DescribeLogGroupsInput, out *model.DescribeLogGroupsOutput) error {
	for _, identifier := range in.LogGroupIdentifiers {
		name, err := groupName(c, nil, &identifier)
		if err != nil {
			return err
		}
		g, err := s.store.Group(scopeOf(c), name)
		if err == nil {
			out.LogGroups = append(out.LogGroups, describeGroup(c, g))
		} else if err != store.ErrNoGroup {
			return err
		}
	}
	return nil
}

func describeGroup(c server.Caller, g store.Group) model.LogGroup {
	arn := groupARN(c, g.Name)
	withStar, created, none := arn+":*", g.Created.UnixMilli(), int32(0)
	out := model.LogGroup{
		LogGroupName: &g.Name, Arn: &withStar, LogGroupArn: &arn, CreationTime: &created,
		LogGroupClass: &g.Class, MetricFilterCount: &none, StoredBytes: &g.Bytes, DeletionProtectionEnabled: &g.Protected,
	}
	if days := int32(g.RetentionDays); days > 0 {
		out.RetentionInDays = &days
	}
	return out
}

// retentionDays are the periods that AWS offers.
var retentionDays = []int32{1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}

// PutRetentionPolicy says how long the events of a group are kept.
func (s *Service) PutRetentionPolicy(_ context.Context, c server.Caller, in *model.PutRetentionPolicyInput) (*model.PutRetentionPolicyOutput, error) {
	if !slices.Contains(retentionDays, *in.RetentionInDays) {
		return nil, invalid("1 validation error detected: Value '%d' at 'retentionInDays' failed to satisfy constraint: Member must satisfy enum value set: %v", *in.RetentionInDays, retentionDays)
	}
	return nil, s.setRetention(c, *in.LogGroupName, int(*in.RetentionInDays))
}

// DeleteRetentionPolicy keeps the events of a group as long as there is room.
func (s *Service) DeleteRetentionPolicy(_ context.Context, c server.Caller, in *model.DeleteRetentionPolicyInput) (*model.DeleteRetentionPolicyOutput, error) {
	return nil, s.setRetention(c, *in.LogGroupName, 0)
}

func (s *Service) setRetention(c server.Caller, name string, days int) error {
	if err := checkGroupName(name); err != nil {
		return err
	}
	return explain(s.store.UpdateGroup(scopeOf(c), name, func(g *store.Group) error {
		g.RetentionDays = days
		return nil
	}))
}
