package iam

import (
	"context"

	model "causeway.dev/api/model/iam"
	"causeway.dev/api/server"
	"causeway.dev/resource"
)

// Permissions boundaries: the managed policy beyond which a user or role may
// nothing, whatever its other policies allow.
func (s *Service) boundaryActions() actions {
	return actions{
		"DeleteRolePermissionsBoundary": server.Operation(s.DeleteRolePermissionsBoundary),
		"DeleteUserPermissionsBoundary": server.Operation(s.DeleteUserPermissionsBoundary),
		"PutRolePermissionsBoundary":    server.Operation(s.PutRolePermissionsBoundary),
		"PutUserPermissionsBoundary":    server.Operation(s.PutUserPermissionsBoundary),
	}
}

// checkBoundary refuses a boundary that is no managed policy. "" is none.
func checkBoundary(r reader, arn string) error {
	if arn == "" {
		return nil
	}
	return checkManaged(r, arn)
}

// PutUserPermissionsBoundary bounds what a user may.
func (s *Service) PutUserPermissionsBoundary(ctx context.Context, c server.Caller, in *model.PutUserPermissionsBoundaryInput) (*model.PutUserPermissionsBoundaryOutput, error) {
	return nil, users.change(ctx, s, c, in.UserName, func(w writer, v *resource.User) error {
		v.Boundary = *in.PermissionsBoundary
		return checkBoundary(w.reader, v.Boundary)
	})
}

// PutRolePermissionsBoundary bounds what a role may.
func (s *Service) PutRolePermissionsBoundary(ctx context.Context, c server.Caller, in *model.PutRolePermissionsBoundaryInput) (*model.PutRolePermissionsBoundaryOutput, error) {
	return nil, roles.change(ctx, s, c, in.RoleName, func(w writer, v *resource.Role) error {
		v.Boundary = *in.PermissionsBoundary
		return checkBoundary(w.reader, v.Boundary)
	})
}

// DeleteUserPermissionsBoundary ends a user's bound.
func (s *Service) DeleteUserPermissionsBoundary(ctx context.Context, c server.Caller, in *model.DeleteUserPermissionsBoundaryInput) (*model.DeleteUserPermissionsBoundaryOutput, error) {
	return nil, users.change(ctx, s, c, in.UserName, func(_ writer, v *resource.User) error {
		v.Boundary = ""
		return nil
	})
}

// DeleteRolePermissionsBoundary ends a role's bound.
func (s *Service) DeleteRolePermissionsBoundary(ctx context.Context, c server.Caller, in *model.DeleteRolePermissionsBoundaryInput) (*model.DeleteRolePermissionsBoundaryOutput, error) {
	return nil, roles.change(ctx, s, c, in.RoleName, func(_ writer, v *resource.Role) error {
		v.Boundary = ""
		return nil
	})
}
