package iam

import (
	"context"
	"slices"
	"strings"

	model "causeway.dev/api/model/iam"
	"causeway.dev/api/server"
	"causeway.dev/iam/policy"
	"causeway.dev/resource"
)

// The policies that belong to one user, group or role.
func (s *Service) inlineActions() actions {
	return actions{
		"DeleteGroupPolicy": server.Operation(s.DeleteGroupPolicy),
		"DeleteRolePolicy":  server.Operation(s.DeleteRolePolicy),
		"DeleteUserPolicy":  server.Operation(s.DeleteUserPolicy),
		"GetGroupPolicy":    server.Operation(s.GetGroupPolicy),
		"GetRolePolicy":     server.Operation(s.GetRolePolicy),
		"GetUserPolicy":     server.Operation(s.GetUserPolicy),
		"ListGroupPolicies": server.Operation(s.ListGroupPolicies),
		"ListRolePolicies":  server.Operation(s.ListRolePolicies),
		"ListUserPolicies":  server.Operation(s.ListUserPolicies),
		"PutGroupPolicy":    server.Operation(s.PutGroupPolicy),
		"PutRolePolicy":     server.Operation(s.PutRolePolicy),
		"PutUserPolicy":     server.Operation(s.PutUserPolicy),
	}
}

// putInline adds or replaces an identity's own policy.
func putInline[T any](ctx context.Context, s *Service, c server.Caller, e *entity[T], name, policyName, document *string) error {
	if err := checkName("policyName", *policyName); err != nil {
		return err
	}
	if err := checkDocument(*document, policy.Inline); err != nil {
		return err
	}
	return e.change(ctx, s, c, name, func(_ writer, v *T) error {
		i := e.identity(v)
		i.Inline = slices.Clone(i.Inline)
		if at := i.Policy(*policyName); at >= 0 {
			i.Inline[at].Document = *document
		} else {
			i.Inline = append(i.Inline, resource.InlinePolicy{Name: *policyName, Document: *document})
			slices.SortFunc(i.Inline, func(a, b resource.InlinePolicy) int { return strings.Compare(a.Name, b.Name) })
		}
		length, stored := 0, 0
		for _, p := range i.Inline {
			length += policy.Length(p.Document)
			stored += len(p.Document)
		}
		// White space takes none of the quota, but what is stored is bounded, too.
		if limit := e.inline(s.limits); length > limit || stored > max(policy.DocumentLengthMax, 2*limit) {
			return resource.Errorf(codeLimit, "Maximum policy size of %d bytes exceeded for %s %s", limit, e.word, i.Name)
		}
		return nil
	})
}

func deleteInline[T any](ctx context.Context, s *Service, c server.Caller, e *entity[T], name, policyName *string) error {
	return e.change(ctx, s, c, name, func(_ writer, v *T) error {
		i := e.identity(v)
		at := i.Policy(*policyName)
		if at < 0 {
			return e.noInline(*policyName)
		}
		i.Inline = slices.Delete(slices.Clone(i.Inline), at, at+1)
		return nil
	})
}

func (e *entity[T]) noInline(name string) error {
	return notFound("The %s policy with name %s cannot be found.", e.word, resource.Clip(name))
}

// getInline returns an identity's own policy as answers show it.
func getInline[T any](s *Service, c server.Caller, e *entity[T], name, policyName *string) (document *string, err error) {
	v, err := e.get(s.read(c), name)
	if err != nil {
		return nil, err
	}
	i := e.identity(&v)
	at := i.Policy(*policyName)
	if at < 0 {
		return nil, e.noInline(*policyName)
	}
	return escaped(i.Inline[at].Document), nil
}

func listInline[T any](s *Service, c server.Caller, e *entity[T], name, marker *string, itemsMax *int32) (names []string, more *bool, next *string, err error) {
	v, err := e.get(s.read(c), name)
	if err != nil {
		return nil, nil, nil, err
	}
	names = mapped(e.identity(&v).Inline, func(p *resource.InlinePolicy) string { return p.Name })
	return page(names, func(name *string) string { return *name }, marker, itemsMax)
}

// PutUserPolicy gives a user a policy, or replaces one.
func (s *Service) PutUserPolicy(ctx context.Context, c server.Caller, in *model.PutUserPolicyInput) (*model.PutUserPolicyOutput, error) {
	return nil, putInline(ctx, s, c, users, in.UserName, in.PolicyName, in.PolicyDocument)
}

// PutGroupPolicy gives a group a policy, or replaces one.
func (s *Service) PutGroupPolicy(ctx context.Context, c server.Caller, in *model.PutGroupPolicyInput) (*model.PutGroupPolicyOutput, error) {
	return nil, putInline(ctx, s, c, groups, in.GroupName, in.PolicyName, in.PolicyDocument)
}

// PutRolePolicy gives a role a policy, or replaces one.
func (s *Service) PutRolePolicy(ctx context.Context, c server.Caller, in *model.PutRolePolicyInput) (*model.PutRolePolicyOutput, error) {
	return nil, putInline(ctx, s, c, roles, in.RoleName, in.PolicyName, in.PolicyDocument)
}

// DeleteUserPolicy takes a policy from a user.
func (s *Service) DeleteUserPolicy(ctx context.Context, c server.Caller, in *model.DeleteUserPolicyInput) (*model.DeleteUserPolicyOutput, error) {
	return nil, deleteInline(ctx, s, c, users, in.UserName, in.PolicyName)
}

// DeleteGroupPolicy takes a policy from a group.
func (s *Service) DeleteGroupPolicy(ctx context.Context, c server.Caller, in *model.DeleteGroupPolicyInput) (*model.DeleteGroupPolicyOutput, error) {
	return nil, deleteInline(ctx, s, c, groups, in.GroupName, in.PolicyName)
}

// DeleteRolePolicy takes a policy from a role.
func (s *Service) DeleteRolePolicy(ctx context.Context, c server.Caller, in *model.DeleteRolePolicyInput) (*model.DeleteRolePolicyOutput, error) {
	return nil, deleteInline(ctx, s, c, roles, in.RoleName, in.PolicyName)
}

// GetUserPolicy shows a user's own policy.
func (s *Service) GetUserPolicy(_ context.Context, c server.Caller, in *model.GetUserPolicyInput) (*model.GetUserPolicyOutput, error) {
	document, err := getInline(s, c, users, in.UserName, in.PolicyName)
	return &model.GetUserPolicyOutput{UserName: in.UserName, PolicyName: in.PolicyName, PolicyDocument: document}, err
}

// GetGroupPolicy shows a group's own policy.
func (s *Service) GetGroupPolicy(_ context.Context, c server.Caller, in *model.GetGroupPolicyInput) (*model.GetGroupPolicyOutput, error) {
	document, err := getInline(s, c, groups, in.GroupName, in.PolicyName)
	return &model.GetGroupPolicyOutput{GroupName: in.GroupName, PolicyName: in.PolicyName, PolicyDocument: document}, err
}

// GetRolePolicy shows a role's own policy.
func (s *Service) GetRolePolicy(_ context.Context, c server.Caller, in *model.GetRolePolicyInput) (*model.GetRolePolicyOutput, error) {
	document, err := getInline(s, c, roles, in.RoleName, in.PolicyName)
	return &model.GetRolePolicyOutput{RoleName: in.RoleName, PolicyName: in.PolicyName, PolicyDocument: document}, err
}

// ListUserPolicies lists a user's own policies by name.
func (s *Service) ListUserPolicies(_ context.Context, c server.Caller, in *model.ListUserPoliciesInput) (*model.ListUserPoliciesOutput, error) {
	names, more, next, err := listInline(s, c, users, in.UserName, in.Marker, in.MaxItems)
	return &model.ListUserPoliciesOutput{PolicyNames: names, IsTruncated: more, Marker: next}, err
}

// ListGroupPolicies lists a group's own policies by name.
func (s *Service) ListGroupPolicies(_ context.Context, c server.Caller, in *model.ListGroupPoliciesInput) (*model.ListGroupPoliciesOutput, error) {
	names, more, next, err := listInline(s, c, groups, in.GroupName, in.Marker, in.MaxItems)
	return &model.ListGroupPoliciesOutput{PolicyNames: names, IsTruncated: more, Marker: next}, err
}

// ListRolePolicies lists a role's own policies by name.
func (s *Service) ListRolePolicies(_ context.Context, c server.Caller, in *model.ListRolePoliciesInput) (*model.ListRolePoliciesOutput, error) {
	names, more, next, err := listInline(s, c, roles, in.RoleName, in.Marker, in.MaxItems)
	return &model.ListRolePoliciesOutput{PolicyNames: names, IsTruncated: more, Marker: next}, err
}
