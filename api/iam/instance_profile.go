package iam

import (
	"context"

	model "causeway.dev/api/model/iam"
	"causeway.dev/api/server"
	"causeway.dev/iam"
	"causeway.dev/resource"
)

func (s *Service) instanceProfileActions() actions {
	return actions{
		"AddRoleToInstanceProfile":      server.Operation(s.AddRoleToInstanceProfile),
		"CreateInstanceProfile":         server.Operation(s.CreateInstanceProfile),
		"DeleteInstanceProfile":         server.Operation(s.DeleteInstanceProfile),
		"GetInstanceProfile":            server.Operation(s.GetInstanceProfile),
		"ListInstanceProfiles":          server.Operation(s.ListInstanceProfiles),
		"ListInstanceProfilesForRole":   server.Operation(s.ListInstanceProfilesForRole),
		"RemoveRoleFromInstanceProfile": server.Operation(s.RemoveRoleFromInstanceProfile),
	}
}

// rolesPerProfile is a quota that cannot be raised at AWS either.
const rolesPerProfile = 1

// errRoleInProfile keeps a role and a profile that belong together from being deleted.
var errRoleInProfile = resource.Errorf(codeConflict, "Cannot delete entity, must remove roles from instance profile first.")

// CreateInstanceProfile makes an instance profile, which has no role yet.
func (s *Service) CreateInstanceProfile(ctx context.Context, c server.Caller, in *model.CreateInstanceProfileInput) (*model.CreateInstanceProfileOutput, error) {
	tags, err := mergeTags("TagsPerInstanceProfile", nil, in.Tags)
	if err != nil {
		return nil, err
	}
	identity, err := instanceProfiles.newIdentity(c, in.InstanceProfileName, in.Path, tags, iam.PrefixInstanceProfile)
	if err != nil {
		return nil, err
	}
	v := resource.InstanceProfile{Identity: identity}
	if err := instanceProfiles.create(ctx, s, c, v); err != nil {
		return nil, err
	}
	return &model.CreateInstanceProfileOutput{InstanceProfile: showInstanceProfile(s.read(c), &v)}, nil
}

// GetInstanceProfile shows an instance profile.
func (s *Service) GetInstanceProfile(_ context.Context, c server.Caller, in *model.GetInstanceProfileInput) (*model.GetInstanceProfileOutput, error) {
	r := s.read(c)
	v, err := instanceProfiles.get(r, in.InstanceProfileName)
	if err != nil {
		return nil, err
	}
	return &model.GetInstanceProfileOutput{InstanceProfile: showInstanceProfile(r, &v)}, nil
}

// ListInstanceProfiles lists instance profiles by name.
func (s *Service) ListInstanceProfiles(_ context.Context, c server.Caller, in *model.ListInstanceProfilesInput) (*model.ListInstanceProfilesOutput, error) {
	if err := checkPathPrefix(in.PathPrefix); err != nil {
		return nil, err
	}
	r := s.read(c)
	shown, more, next, err := pageProfiles(r, instanceProfiles.where(r, in.PathPrefix), in.Marker, in.MaxItems)
	return &model.ListInstanceProfilesOutput{InstanceProfiles: shown, IsTruncated: more, Marker: next}, err
}

// ListInstanceProfilesForRole lists the instance profiles that have a role.
func (s *Service) ListInstanceProfilesForRole(_ context.Context, c server.Caller, in *model.ListInstanceProfilesForRoleInput) (*model.ListInstanceProfilesForRoleOutput, error) {
	r := s.read(c)
	role, err := roles.get(r, in.RoleName)
	if err != nil {
		return nil, err
	}
	shown, more, next, err := pageProfiles(r, profilesOf(r, &role), in.Marker, in.MaxItems)
	return &model.ListInstanceProfilesForRoleOutput{InstanceProfiles: shown, IsTruncated: more, Marker: next}, err
}

// profilesOf returns the instance profiles that have a role, by name.
func profilesOf(r reader, role *resource.Role) []resource.InstanceProfile {
	return sorted(r, instanceProfiles.table, func(v *resource.InstanceProfile) bool { return v.Role == role.ID })
}

// pageProfiles shows the part of a list that a request asks for, without tags.
func pageProfiles(r reader, all []resource.InstanceProfile, marker *string, itemsMax *int32) ([]model.InstanceProfile, *bool, *string, error) {
	part, more, next, err := page(all, instanceProfiles.key, marker, itemsMax)
	return mapped(part, func(v *resource.InstanceProfile) model.InstanceProfile { return listInstanceProfile(r, v) }), more, next, err
}

// AddRoleToInstanceProfile lets instances with the profile have the role.
func (s *Service) AddRoleToInstanceProfile(ctx context.Context, c server.Caller, in *model.AddRoleToInstanceProfileInput) (*model.AddRoleToInstanceProfileOutput, error) {
	return nil, instanceProfiles.change(ctx, s, c, in.InstanceProfileName, func(w writer, v *resource.InstanceProfile) error {
		role, err := roles.get(w.reader, in.RoleName)
		if err != nil {
			return err
		}
		if v.Role != "" {
			return exceeded("InstanceSessionsPerInstanceProfile", rolesPerProfile)
		}
		v.Role = role.ID
		return nil
	})
}

// RemoveRoleFromInstanceProfile takes the role away from instances with the profile.
// Credentials that they have hold until they expire.
func (s *Service) RemoveRoleFromInstanceProfile(ctx context.Context, c server.Caller, in *model.RemoveRoleFromInstanceProfileInput) (*model.RemoveRoleFromInstanceProfileOutput, error) {
	return nil, instanceProfiles.change(ctx, s, c, in.InstanceProfileName, func(w writer, v *resource.InstanceProfile) error {
		role, err := roles.get(w.reader, in.RoleName)
		if err != nil {
			return err
		}
		if v.Role != role.ID {
			return notFound("The role with name %s cannot be found in the instance profile %s.", role.Name, v.Name)
		}
		v.Role = ""
		return nil
	})
}

// DeleteInstanceProfile removes an instance profile that has no role. Instances that
// have it get no credentials by it any more.
func (s *Service) DeleteInstanceProfile(ctx context.Context, c server.Caller, in *model.DeleteInstanceProfileInput) (*model.DeleteInstanceProfileOutput, error) {
	return nil, instanceProfiles.delete(ctx, s, c, in.InstanceProfileName, func(_ writer, v *resource.InstanceProfile) error {
		if v.Role != "" {
			return errRoleInProfile
		}
		return nil
	})
}

func showInstanceProfile(r reader, v *resource.InstanceProfile) *model.InstanceProfile {
	shown := listInstanceProfile(r, v)
	shown.Tags = shownTags(v.Tags)
	return &shown
}

// listInstanceProfile shows an instance profile in a list, which tells less.
func listInstanceProfile(r reader, v *resource.InstanceProfile) model.InstanceProfile {
	shown := model.InstanceProfile{
		Arn: str(v.ARN()), CreateDate: &v.Created, InstanceProfileId: &v.UniqueID, InstanceProfileName: &v.Name, Path: &v.Path, Roles: []model.Role{},
	}
	if role, ok := roles.table.Get(r.Reader, r.scope, v.Role); ok {
		shown.Roles = append(shown.Roles, listRole(&role))
	}
	return shown
}
