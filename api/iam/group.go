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

func (s *Service) groupActions() actions {
	return actions{
		"AddUserToGroup":      server.Operation(s.AddUserToGroup),
		"CreateGroup":         server.Operation(s.CreateGroup),
		"DeleteGroup":         server.Operation(s.DeleteGroup),
		"GetGroup":            server.Operation(s.GetGroup),
		"ListGroups":          server.Operation(s.ListGroups),
		"ListGroupsForUser":   server.Operation(s.ListGroupsForUser),
		"RemoveUserFromGroup": server.Operation(s.RemoveUserFromGroup),
		"UpdateGroup":         server.Operation(s.UpdateGroup),
	}
}

// CreateGroup makes a group without users.
func (s *Service) CreateGroup(ctx context.Context, c server.Caller, in *model.CreateGroupInput) (*model.CreateGroupOutput, error) {
	identity, err := groups.newIdentity(c, in.GroupName, in.Path, nil, iam.PrefixGroup)
	if err != nil {
		return nil, err
	}
	v := resource.Group{Identity: identity}
	if err := groups.create(ctx, s, c, v); err != nil {
		return nil, err
	}
	return &model.CreateGroupOutput{Group: new(showGroup(&v))}, nil
}

// GetGroup shows a group with its users.
func (s *Service) GetGroup(_ context.Context, c server.Caller, in *model.GetGroupInput) (*model.GetGroupOutput, error) {
	r := s.read(c)
	v, err := groups.get(r, in.GroupName)
	if err != nil {
		return nil, err
	}
	part, more, next, err := page(members(r, v.ID), users.key, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &model.GetGroupOutput{Group: new(showGroup(&v)), Users: mapped(part, listUser), IsTruncated: more, Marker: next}, nil
}

// ListGroups lists groups by name.
func (s *Service) ListGroups(_ context.Context, c server.Caller, in *model.ListGroupsInput) (*model.ListGroupsOutput, error) {
	if err := checkPathPrefix(in.PathPrefix); err != nil {
		return nil, err
	}
	part, more, next, err := page(groups.where(s.read(c), in.PathPrefix), groups.key, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &model.ListGroupsOutput{Groups: mapped(part, showGroup), IsTruncated: more, Marker: next}, nil
}

// ListGroupsForUser lists the groups that a user is in.
func (s *Service) ListGroupsForUser(_ context.Context, c server.Caller, in *model.ListGroupsForUserInput) (*model.ListGroupsForUserOutput, error) {
	r := s.read(c)
	user, err := users.get(r, in.UserName)
	if err != nil {
		return nil, err
	}
	var of []resource.Group
	for _, id := range user.Groups {
		if g, ok := store.Groups.Get(r.Reader, r.scope, id); ok {
			of = append(of, g)
		}
	}
	part, more, next, err := page(of, groups.key, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &model.ListGroupsForUserOutput{Groups: mapped(part, showGroup), IsTruncated: more, Marker: next}, nil
}

// UpdateGroup renames a group.
func (s *Service) UpdateGroup(ctx context.Context, c server.Caller, in *model.UpdateGroupInput) (*model.UpdateGroupOutput, error) {
	return nil, groups.change(ctx, s, c, in.GroupName, func(w writer, v *resource.Group) error {
		former, err := groups.rename(w, c, v, in.NewGroupName, in.NewPath)
		if err != nil || former == "" {
			return err
		}
		for _, u := range members(w.reader, former) {
			u.Groups = slices.DeleteFunc(slices.Clone(u.Groups), func(id string) bool { return id == former })
			u.Groups = slices.Sorted(slices.Values(append(u.Groups, v.ID)))
			store.Users.Put(w.tx, u)
		}
		return nil
	})
}

// DeleteGroup removes a group that has nothing left.
func (s *Service) DeleteGroup(ctx context.Context, c server.Caller, in *model.DeleteGroupInput) (*model.DeleteGroupOutput, error) {
	return nil, groups.delete(ctx, s, c, in.GroupName, func(w writer, v *resource.Group) error {
		if len(members(w.reader, v.ID)) > 0 {
			return resource.Errorf(codeConflict, "Cannot delete entity, must remove users from group first.")
		}
		return nil
	})
}

// AddUserToGroup lends a user the policies of a group. It does not mind if it did
// before.
func (s *Service) AddUserToGroup(ctx context.Context, c server.Caller, in *model.AddUserToGroupInput) (*model.AddUserToGroupOutput, error) {
	return nil, s.update(ctx, c, func(w writer) error {
		g, err := groups.get(w.reader, in.GroupName)
		if err != nil {
			return err
		}
		u, err := users.get(w.reader, in.UserName)
		if err != nil {
			return err
		}
		if slices.Contains(u.Groups, g.ID) {
			return nil
		}
		if limit := s.limits.GroupsPerUser; len(u.Groups) >= limit {
			return exceeded("GroupsPerUser", limit)
		}
		u.Groups = slices.Sorted(slices.Values(append(slices.Clone(u.Groups), g.ID)))
		store.Users.Put(w.tx, u)
		return nil
	})
}

// RemoveUserFromGroup is the inverse of AddUserToGroup.
func (s *Service) RemoveUserFromGroup(ctx context.Context, c server.Caller, in *model.RemoveUserFromGroupInput) (*model.RemoveUserFromGroupOutput, error) {
	return nil, s.update(ctx, c, func(w writer) error {
		g, err := groups.get(w.reader, in.GroupName)
		if err != nil {
			return err
		}
		u, err := users.get(w.reader, in.UserName)
		if err != nil {
			return err
		}
		if !slices.Contains(u.Groups, g.ID) {
			return notFound("User %s not in group %s", u.Name, g.Name)
		}
		u.Groups = slices.DeleteFunc(slices.Clone(u.Groups), func(id string) bool { return id == g.ID })
		store.Users.Put(w.tx, u)
		return nil
	})
}

func showGroup(v *resource.Group) model.Group {
	return model.Group{Arn: str(v.ARN()), CreateDate: &v.Created, GroupId: &v.UniqueID, GroupName: &v.Name, Path: &v.Path}
}
