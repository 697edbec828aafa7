package iam

import (
	"context"
	"slices"
	"strings"

	model "causeway.dev/api/model/iam"
	"causeway.dev/api/server"
	"causeway.dev/iam"
	"causeway.dev/resource"
	"causeway.dev/store"
)

// Managed policies that users, groups and roles have.
func (s *Service) attachmentActions() actions {
	return actions{
		"AttachGroupPolicy":         server.Operation(s.AttachGroupPolicy),
		"AttachRolePolicy":          server.Operation(s.AttachRolePolicy),
		"AttachUserPolicy":          server.Operation(s.AttachUserPolicy),
		"DetachGroupPolicy":         server.Operation(s.DetachGroupPolicy),
		"DetachRolePolicy":          server.Operation(s.DetachRolePolicy),
		"DetachUserPolicy":          server.Operation(s.DetachUserPolicy),
		"ListAttachedGroupPolicies": server.Operation(s.ListAttachedGroupPolicies),
		"ListAttachedRolePolicies":  server.Operation(s.ListAttachedRolePolicies),
		"ListAttachedUserPolicies":  server.Operation(s.ListAttachedUserPolicies),
	}
}

// checkManaged refuses an ARN that no managed policy has: one of the account, or
// one of AWS's that are known here.
func checkManaged(r reader, arn string) error {
	account, _, name, ok := resource.ParsePolicyARN(arn)
	if !ok {
		return invalid("ARN %s is not valid.", resource.Clip(arn))
	}
	if _, found := iam.ManagedPolicy(arn); found {
		return nil
	}
	p, found := store.Policies.Get(r.Reader, r.scope, resource.IdentityID(name))
	if !found || account != r.scope.Account || p.ARN() != arn {
		return notFound("Policy %s does not exist or is not attachable.", resource.Clip(arn))
	}
	return nil
}

func attach[T any](ctx context.Context, s *Service, c server.Caller, e *entity[T], name, arn *string) error {
	return e.change(ctx, s, c, name, func(w writer, v *T) error {
		if err := checkManaged(w.reader, *arn); err != nil {
			return err
		}
		i := e.identity(v)
		if slices.Contains(i.Attached, *arn) {
			return nil
		}
		if limit := s.limits.AttachedPolicies; len(i.Attached) >= limit {
			return exceeded("PoliciesPer"+e.title, limit)
		}
		i.Attached = append(slices.Clone(i.Attached), *arn)
		return nil
	})
}

func detach[T any](ctx context.Context, s *Service, c server.Caller, e *entity[T], name, arn *string) error {
	return e.change(ctx, s, c, name, func(_ writer, v *T) error {
		i := e.identity(v)
		at := slices.Index(i.Attached, *arn)
		if at < 0 {
			return notFound("Policy %s was not found.", resource.Clip(*arn))
		}
		i.Attached = slices.Delete(slices.Clone(i.Attached), at, at+1)
		return nil
	})
}

func listAttached[T any](s *Service, c server.Caller, e *entity[T], name, prefix, marker *string, itemsMax *int32) (part []model.AttachedPolicy, more *bool, next *string, err error) {
	if err := checkPathPrefix(prefix); err != nil {
		return nil, nil, nil, err
	}
	v, err := e.get(s.read(c), name)
	if err != nil {
		return nil, nil, nil, err
	}
	var attached []model.AttachedPolicy
	for _, arn := range slices.Sorted(slices.Values(e.identity(&v).Attached)) {
		if _, path, name, ok := resource.ParsePolicyARN(arn); ok && strings.HasPrefix(path, val(prefix)) {
			attached = append(attached, model.AttachedPolicy{PolicyArn: &arn, PolicyName: &name})
		}
	}
	return page(attached, func(p *model.AttachedPolicy) string { return *p.PolicyArn }, marker, itemsMax)
}

// AttachUserPolicy gives a user a managed policy.
func (s *Service) AttachUserPolicy(ctx context.Context, c server.Caller, in *model.AttachUserPolicyInput) (*model.AttachUserPolicyOutput, error) {
	return nil, attach(ctx, s, c, users, in.UserName, in.PolicyArn)
}

// AttachGroupPolicy gives a group a managed policy.
func (s *Service) AttachGroupPolicy(ctx context.Context, c server.Caller, in *model.AttachGroupPolicyInput) (*model.AttachGroupPolicyOutput, error) {
	return nil, attach(ctx, s, c, groups, in.GroupName, in.PolicyArn)
}

// AttachRolePolicy gives a role a managed policy.
func (s *Service) AttachRolePolicy(ctx context.Context, c server.Caller, in *model.AttachRolePolicyInput) (*model.AttachRolePolicyOutput, error) {
	return nil, attach(ctx, s, c, roles, in.RoleName, in.PolicyArn)
}

// DetachUserPolicy takes a managed policy from a user.
func (s *Service) DetachUserPolicy(ctx context.Context, c server.Caller, in *model.DetachUserPolicyInput) (*model.DetachUserPolicyOutput, error) {
	return nil, detach(ctx, s, c, users, in.UserName, in.PolicyArn)
}

// DetachGroupPolicy takes a managed policy from a group.
func (s *Service) DetachGroupPolicy(ctx context.Context, c server.Caller, in *model.DetachGroupPolicyInput) (*model.DetachGroupPolicyOutput, error) {
	return nil, detach(ctx, s, c, groups, in.GroupName, in.PolicyArn)
}

// DetachRolePolicy takes a managed policy from a role.
func (s *Service) DetachRolePolicy(ctx context.Context, c server.Caller, in *model.DetachRolePolicyInput) (*model.DetachRolePolicyOutput, error) {
	return nil, detach(ctx, s, c, roles, in.RoleName, in.PolicyArn)
}

// ListAttachedUserPolicies lists a user's managed policies by ARN.
func (s *Service) ListAttachedUserPolicies(_ context.Context, c server.Caller, in *model.ListAttachedUserPoliciesInput) (*model.ListAttachedUserPoliciesOutput, error) {
	part, more, next, err := listAttached(s, c, users, in.UserName, in.PathPrefix, in.Marker, in.MaxItems)
	return &model.ListAttachedUserPoliciesOutput{AttachedPolicies: part, IsTruncated: more, Marker: next}, err
}

// ListAttachedGroupPolicies lists a group's managed policies by ARN.
func (s *Service) ListAttachedGroupPolicies(_ context.Context, c server.Caller, in *model.ListAttachedGroupPoliciesInput) (*model.ListAttachedGroupPoliciesOutput, error) {
	part, more, next, err := listAttached(s, c, groups, in.GroupName, in.PathPrefix, in.Marker, in.MaxItems)
	return &model.ListAttachedGroupPoliciesOutput{AttachedPolicies: part, IsTruncated: more, Marker: next}, err
}

// ListAttachedRolePolicies lists a role's managed policies by ARN.
func (s *Service) ListAttachedRolePolicies(_ context.Context, c server.Caller, in *model.ListAttachedRolePoliciesInput) (*model.ListAttachedRolePoliciesOutput, error) {
	part, more, next, err := listAttached(s, c, roles, in.RoleName, in.PathPrefix, in.Marker, in.MaxItems)
	return &model.ListAttachedRolePoliciesOutput{AttachedPolicies: part, IsTruncated: more, Marker: next}, err
}
