package logs

import (
	"context"

	model "causeway.dev/api/model/logs"
	"causeway.dev/api/server"
)

// formerActions are those that later ones stand for, which older clients still call, and
// those that describe what there can be at AWS and is never here: scripts that look
// everywhere go on.
func (s *Service) formerActions() actions {
	return actions{
		"TagLogGroup":                 server.Operation(s.TagLogGroup),
		"UntagLogGroup":               server.Operation(s.UntagLogGroup),
		"ListTagsLogGroup":            server.Operation(s.ListTagsLogGroup),
		"DescribeMetricFilters":       server.Operation(s.DescribeMetricFilters),
		"DescribeResourcePolicies":    server.Operation(s.DescribeResourcePolicies),
		"DescribeSubscriptionFilters": server.Operation(s.DescribeSubscriptionFilters),
	}
}

// TagLogGroup is TagResource by the group's name.
func (s *Service) TagLogGroup(ctx context.Context, c server.Caller, in *model.TagLogGroupInput) (*model.TagLogGroupOutput, error) {
	_, err := s.TagResource(ctx, c, &model.TagResourceInput{ResourceArn: new(groupARN(c, *in.LogGroupName)), Tags: in.Tags})
	return nil, err
}

// UntagLogGroup is UntagResource by the group's name.
func (s *Service) UntagLogGroup(ctx context.Context, c server.Caller, in *model.UntagLogGroupInput) (*model.UntagLogGroupOutput, error) {
	_, err := s.UntagResource(ctx, c, &model.UntagResourceInput{ResourceArn: new(groupARN(c, *in.LogGroupName)), TagKeys: in.Tags})
	return nil, err
}

// ListTagsLogGroup is ListTagsForResource by the group's name.
func (s *Service) ListTagsLogGroup(ctx context.Context, c server.Caller, in *model.ListTagsLogGroupInput) (*model.ListTagsLogGroupOutput, error) {
	out, err := s.ListTagsForResource(ctx, c, &model.ListTagsForResourceInput{ResourceArn: new(groupARN(c, *in.LogGroupName))})
	if err != nil {
		return nil, err
	}
	return &model.ListTagsLogGroupOutput{Tags: out.Tags}, nil
}

// checkListed refuses the name of no log group, and the token of a page, as there is one
// page only.
func (s *Service) checkListed(c server.Caller, group, token *string) error {
	if token != nil {
		return invalid("The specified nextToken is invalid.")
	}
	if group == nil {
		return nil
	}
	_, err := s.store.Group(scopeOf(c), *group)
	return explain(err)
}

// DescribeMetricFilters lists what makes metrics of a group's events: nothing.
func (s *Service) DescribeMetricFilters(_ context.Context, c server.Caller, in *model.DescribeMetricFiltersInput) (*model.DescribeMetricFiltersOutput, error) {
	return &model.DescribeMetricFiltersOutput{MetricFilters: []model.MetricFilter{}}, s.checkListed(c, in.LogGroupName, in.NextToken)
}

// DescribeSubscriptionFilters lists what passes a group's events on: nothing.
func (s *Service) DescribeSubscriptionFilters(_ context.Context, c server.Caller, in *model.DescribeSubscriptionFiltersInput) (*model.DescribeSubscriptionFiltersOutput, error) {
	return &model.DescribeSubscriptionFiltersOutput{SubscriptionFilters: []model.SubscriptionFilter{}}, s.checkListed(c, in.LogGroupName, in.NextToken)
}

// DescribeResourcePolicies lists what other services may write by policies of the
// account's logs: nothing, as here services write by roles.
func (s *Service) DescribeResourcePolicies(_ context.Context, c server.Caller, in *model.DescribeResourcePoliciesInput) (*model.DescribeResourcePoliciesOutput, error) {
	return &model.DescribeResourcePoliciesOutput{ResourcePolicies: []model.ResourcePolicy{}}, s.checkListed(c, nil, in.NextToken)
}
