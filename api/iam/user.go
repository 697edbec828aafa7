package iam

import (
	"context"
	"slices"

	model "causeway.dev/api/model/iam"
	"causeway.dev/api/server"
	"causeway.dev/iam"
	"causeway.dev/resource"
	"causeway.dev/store"
)

func (s *Service) userActions() actions {
	return actions{
		"CreateUser": server.Operation(s.CreateUser),
		"DeleteUser": server.Operation(s.DeleteUser),
		"GetUser":    server.Operation(s.GetUser),
		"ListUsers":  server.Operation(s.ListUsers),
		"UpdateUser": server.Operation(s.UpdateUser),
	}
}

// CreateUser makes a user, who may nothing yet.
func (s *Service) CreateUser(ctx context.Context, c server.Caller, in *model.CreateUserInput) (*model.CreateUserOutput, error) {
	tags, err := mergeTags("TagsPerUser", nil, in.Tags)
	if err != nil {
		return nil, err
	}
	identity, err := users.newIdentity(c, in.UserName, in.Path, tags, iam.PrefixUser)
	if err != nil {
		return nil, err
	}
	v := resource.User{Identity: identity, Boundary: val(in.PermissionsBoundary)}
	if err := users.create(ctx, s, c, v); err != nil {
		return nil, err
	}
	return &model.CreateUserOutput{User: showUser(&v)}, nil
}

// GetUser shows a user: who calls, if none is named.
func (s *Service) GetUser(_ context.Context, c server.Caller, in *model.GetUserInput) (*model.GetUserOutput, error) {
	name, err := callerOr(c, in.UserName)
	if err != nil {
		return nil, err
	}
	v, err := users.get(s.read(c), name)
	if err != nil {
		return nil, err
	}
	return &model.GetUserOutput{User: showUser(&v)}, nil
}

// ListUsers lists users by name.
func (s *Service) ListUsers(_ context.Context, c server.Caller, in *model.ListUsersInput) (*model.ListUsersOutput, error) {
	if err := checkPathPrefix(in.PathPrefix); err != nil {
		return nil, err
	}
	part, more, next, err := page(users.where(s.read(c), in.PathPrefix), users.key, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &model.ListUsersOutput{Users: mapped(part, listUser), IsTruncated: more, Marker: next}, nil
}

// UpdateUser renames a user, who keeps everything.
func (s *Service) UpdateUser(ctx context.Context, c server.Caller, in *model.UpdateUserInput) (*model.UpdateUserOutput, error) {
	return nil, users.change(ctx, s, c, in.UserName, func(w writer, v *resource.User) error {
		if _, err := users.rename(w, c, v, in.NewUserName, in.NewPath); err != nil {
			return err
		}
		for _, id := range v.AccessKeys {
			if k, ok := store.AccessKeys.Get(w.Reader, w.scope, id); ok {
				k.User = v.ID
				store.AccessKeys.Put(w.tx, k)
			}
		}
		return nil
	})
}

// DeleteUser removes a user who has nothing left.
func (s *Service) DeleteUser(ctx context.Context, c server.Caller, in *model.DeleteUserInput) (*model.DeleteUserOutput, error) {
	return nil, users.delete(ctx, s, c, in.UserName, func(_ writer, v *resource.User) error {
		switch {
		case len(v.AccessKeys) > 0:
			return resource.Errorf(codeConflict, "Cannot delete entity, must delete access keys first.")
		case len(v.Groups) > 0:
			return resource.Errorf(codeConflict, "Cannot delete entity, must remove users from group first.")
		}
		return nil
	})
}

// callerOr is the name that a request gives, or else that of the calling user.
func callerOr(c server.Caller, name *string) (*string, error) {
	if name != nil {
		return name, nil
	}
	if c.Key.User == "" {
		return nil, invalid("Must specify userName when calling with non-User credentials")
	}
	return &c.Key.User, nil
}

func showUser(v *resource.User) *model.User {
	u := listUser(v)
	u.Tags, u.PermissionsBoundary = shownTags(v.Tags), shownBoundary(v.Boundary)
	return &u
}

// listUser shows a user in a list, which tells less.
func listUser(v *resource.User) model.User {
	return model.User{
		Arn: str(v.ARN()), CreateDate: &v.Created, Path: &v.Path, UserId: &v.UniqueID, UserName: &v.Name,
	}
}

// members are the users of a group, by name.
func members(r reader, group string) []resource.User {
	return sorted(r, store.Users, func(u *resource.User) bool { return slices.Contains(u.Groups, group) })
}
