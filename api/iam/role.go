package iam

import (
	"context"

	model "causeway.dev/api/model/iam"
	"causeway.dev/api/server"
	"causeway.dev/iam"
	"causeway.dev/iam/policy"
	"causeway.dev/resource"
)

func (s *Service) roleActions() actions {
	return actions{
		"CreateRole":             server.Operation(s.CreateRole),
		"DeleteRole":             server.Operation(s.DeleteRole),
		"GetRole":                server.Operation(s.GetRole),
		"ListRoles":              server.Operation(s.ListRoles),
		"UpdateAssumeRolePolicy": server.Operation(s.UpdateAssumeRolePolicy),
		"UpdateRole":             server.Operation(s.UpdateRole),
		"UpdateRoleDescription":  server.Operation(s.UpdateRoleDescription),
	}
}

// maxSessionDurationDefault is AWS's, in seconds.
const maxSessionDurationDefault = 3600

// checkTrust reads the policy that says who may take on a role.
func (s *Service) checkTrust(document string) error {
	if err := checkDocument(document, policy.Trust); err != nil {
		return err
	}
	if limit := s.limits.TrustPolicyLength; policy.Length(document) > limit {
		return exceeded("ACLSizePerRole", limit)
	}
	return nil
}

// CreateRole makes a role, which may nothing yet.
func (s *Service) CreateRole(ctx context.Context, c server.Caller, in *model.CreateRoleInput) (*model.CreateRoleOutput, error) {
	tags, err := mergeTags("TagsPerRole", nil, in.Tags)
	if err != nil {
		return nil, err
	}
	identity, err := roles.newIdentity(c, in.RoleName, in.Path, tags, iam.PrefixRole)
	if err != nil {
		return nil, err
	}
	if err := s.checkTrust(*in.AssumeRolePolicyDocument); err != nil {
		return nil, err
	}
	v := resource.Role{
		Identity: identity, Boundary: val(in.PermissionsBoundary), Trust: *in.AssumeRolePolicyDocument, TrustSet: c.Now,
		Description: val(in.Description), MaxSessionDuration: maxSessionDurationDefault,
	}
	if in.MaxSessionDuration != nil {
		v.MaxSessionDuration = *in.MaxSessionDuration
	}
	if err := roles.create(ctx, s, c, v); err != nil {
		return nil, err
	}
	return &model.CreateRoleOutput{Role: showRole(&v)}, nil
}

// GetRole shows a role.
func (s *Service) GetRole(_ context.Context, c server.Caller, in *model.GetRoleInput) (*model.GetRoleOutput, error) {
	v, err := roles.get(s.read(c), in.RoleName)
	if err != nil {
		return nil, err
	}
	return &model.GetRoleOutput{Role: showRole(&v)}, nil
}

// ListRoles lists roles by name.
func (s *Service) ListRoles(_ context.Context, c server.Caller, in *model.ListRolesInput) (*model.ListRolesOutput, error) {
	if err := checkPathPrefix(in.PathPrefix); err != nil {
		return nil, err
	}
	part, more, next, err := page(roles.where(s.read(c), in.PathPrefix), roles.key, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &model.ListRolesOutput{Roles: mapped(part, listRole), IsTruncated: more, Marker: next}, nil
}

// UpdateAssumeRolePolicy replaces the policy that says who may take on a role.
func (s *Service) UpdateAssumeRolePolicy(ctx context.Context, c server.Caller, in *model.UpdateAssumeRolePolicyInput) (*model.UpdateAssumeRolePolicyOutput, error) {
	if err := s.checkTrust(*in.PolicyDocument); err != nil {
		return nil, err
	}
	return nil, roles.change(ctx, s, c, in.RoleName, func(_ writer, v *resource.Role) error {
		v.Trust, v.TrustSet = *in.PolicyDocument, c.Now
		return nil
	})
}

// UpdateRole changes a role's description and how long its sessions can be.
func (s *Service) UpdateRole(ctx context.Context, c server.Caller, in *model.UpdateRoleInput) (*model.UpdateRoleOutput, error) {
	return nil, roles.change(ctx, s, c, in.RoleName, func(_ writer, v *resource.Role) error {
		if in.Description != nil {
			v.Description = *in.Description
		}
		if in.MaxSessionDuration != nil {
			v.MaxSessionDuration = *in.MaxSessionDuration
		}
		return nil
	})
}

// UpdateRoleDescription is the older form of UpdateRole.
func (s *Service) UpdateRoleDescription(ctx context.Context, c server.Caller, in *model.UpdateRoleDescriptionInput) (*model.UpdateRoleDescriptionOutput, error) {
	out := &model.UpdateRoleDescriptionOutput{}
	return out, roles.change(ctx, s, c, in.RoleName, func(_ writer, v *resource.Role) error {
		v.Description = val(in.Description)
		out.Role = showRole(v)
		return nil
	})
}

// DeleteRole removes a role that has nothing left. Its sessions end with it.
func (s *Service) DeleteRole(ctx context.Context, c server.Caller, in *model.DeleteRoleInput) (*model.DeleteRoleOutput, error) {
	return nil, roles.delete(ctx, s, c, in.RoleName, func(w writer, v *resource.Role) error {
		if len(profilesOf(w.reader, v)) > 0 {
			return errRoleInProfile
		}
		return nil
	})
}

func showRole(v *resource.Role) *model.Role {
	r := listRole(v)
	r.Tags, r.PermissionsBoundary = shownTags(v.Tags), shownBoundary(v.Boundary)
	return &r
}

// listRole shows a role in a list, which tells less.
func listRole(v *resource.Role) model.Role {
	return model.Role{
		Arn: str(v.ARN()), AssumeRolePolicyDocument: escaped(v.Trust), CreateDate: &v.Created, Description: str(v.Description),
		MaxSessionDuration: &v.MaxSessionDuration, Path: &v.Path, RoleId: &v.UniqueID, RoleName: &v.Name,
	}
}
