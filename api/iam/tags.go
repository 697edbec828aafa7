package iam

import (
	"context"
	"slices"

	model "causeway.dev/api/model/iam"
	"causeway.dev/api/server"
	"causeway.dev/resource"
)

func (s *Service) tagActions() actions {
	return actions{
		"ListInstanceProfileTags": server.Operation(s.ListInstanceProfileTags),
		"ListPolicyTags":          server.Operation(s.ListPolicyTags),
		"ListRoleTags":            server.Operation(s.ListRoleTags),
		"ListSAMLProviderTags":    server.Operation(s.ListSAMLProviderTags),
		"ListUserTags":            server.Operation(s.ListUserTags),
		"TagInstanceProfile":      server.Operation(s.TagInstanceProfile),
		"TagPolicy":               server.Operation(s.TagPolicy),
		"TagRole":                 server.Operation(s.TagRole),
		"TagSAMLProvider":         server.Operation(s.TagSAMLProvider),
		"TagUser":                 server.Operation(s.TagUser),
		"UntagInstanceProfile":    server.Operation(s.UntagInstanceProfile),
		"UntagPolicy":             server.Operation(s.UntagPolicy),
		"UntagRole":               server.Operation(s.UntagRole),
		"UntagSAMLProvider":       server.Operation(s.UntagSAMLProvider),
		"UntagUser":               server.Operation(s.UntagUser),
	}
}

// without returns tags but those with the keys.
func without(tags []resource.Tag, keys []string) []resource.Tag {
	return slices.DeleteFunc(slices.Clone(tags), func(t resource.Tag) bool {
		return slices.ContainsFunc(keys, func(key string) bool { return t.SameKey(resource.Tag{Key: key}) })
	})
}

func pageTags(tags []resource.Tag, marker *string, itemsMax *int32) ([]model.Tag, *bool, *string, error) {
	part, more, next, err := page(tags, func(t *resource.Tag) string { return t.Key }, marker, itemsMax)
	return shownTags(part), more, next, err
}

// TagUser adds tags to a user.
func (s *Service) TagUser(ctx context.Context, c server.Caller, in *model.TagUserInput) (*model.TagUserOutput, error) {
	return nil, users.change(ctx, s, c, in.UserName, func(_ writer, v *resource.User) (err error) {
		v.Tags, err = mergeTags("TagsPerUser", v.Tags, in.Tags)
		return err
	})
}

// UntagUser removes tags from a user.
func (s *Service) UntagUser(ctx context.Context, c server.Caller, in *model.UntagUserInput) (*model.UntagUserOutput, error) {
	return nil, users.change(ctx, s, c, in.UserName, func(_ writer, v *resource.User) error {
		v.Tags = without(v.Tags, in.TagKeys)
		return nil
	})
}

// ListUserTags lists a user's tags by key.
func (s *Service) ListUserTags(_ context.Context, c server.Caller, in *model.ListUserTagsInput) (*model.ListUserTagsOutput, error) {
	v, err := users.get(s.read(c), in.UserName)
	if err != nil {
		return nil, err
	}
	tags, more, next, err := pageTags(v.Tags, in.Marker, in.MaxItems)
	return &model.ListUserTagsOutput{Tags: tags, IsTruncated: more, Marker: next}, err
}

// TagRole adds tags to a role.
func (s *Service) TagRole(ctx context.Context, c server.Caller, in *model.TagRoleInput) (*model.TagRoleOutput, error) {
	return nil, roles.change(ctx, s, c, in.RoleName, func(_ writer, v *resource.Role) (err error) {
		v.Tags, err = mergeTags("TagsPerRole", v.Tags, in.Tags)
		return err
	})
}

// UntagRole removes tags from a role.
func (s *Service) UntagRole(ctx context.Context, c server.Caller, in *model.UntagRoleInput) (*model.UntagRoleOutput, error) {
	return nil, roles.change(ctx, s, c, in.RoleName, func(_ writer, v *resource.Role) error {
		v.Tags = without(v.Tags, in.TagKeys)
		return nil
	})
}

// ListRoleTags lists a role's tags by key.
func (s *Service) ListRoleTags(_ context.Context, c server.Caller, in *model.ListRoleTagsInput) (*model.ListRoleTagsOutput, error) {
	v, err := roles.get(s.read(c), in.RoleName)
	if err != nil {
		return nil, err
	}
	tags, more, next, err := pageTags(v.Tags, in.Marker, in.MaxItems)
	return &model.ListRoleTagsOutput{Tags: tags, IsTruncated: more, Marker: next}, err
}

// TagPolicy adds tags to a managed policy.
func (s *Service) TagPolicy(ctx context.Context, c server.Caller, in *model.TagPolicyInput) (*model.TagPolicyOutput, error) {
	return nil, s.changePolicy(ctx, c, in.PolicyArn, func(_ writer, v *resource.Policy) (err error) {
		v.Tags, err = mergeTags("TagsPerPolicy", v.Tags, in.Tags)
		return err
	})
}

// UntagPolicy removes tags from a managed policy.
func (s *Service) UntagPolicy(ctx context.Context, c server.Caller, in *model.UntagPolicyInput) (*model.UntagPolicyOutput, error) {
	return nil, s.changePolicy(ctx, c, in.PolicyArn, func(_ writer, v *resource.Policy) error {
		v.Tags = without(v.Tags, in.TagKeys)
		return nil
	})
}

// ListPolicyTags lists a managed policy's tags by key.
func (s *Service) ListPolicyTags(_ context.Context, c server.Caller, in *model.ListPolicyTagsInput) (*model.ListPolicyTagsOutput, error) {
	v, err := findPolicy(s.read(c), *in.PolicyArn)
	if err != nil {
		return nil, err
	}
	tags, more, next, err := pageTags(v.Tags, in.Marker, in.MaxItems)
	return &model.ListPolicyTagsOutput{Tags: tags, IsTruncated: more, Marker: next}, err
}

// TagSAMLProvider adds tags to a provider.
func (s *Service) TagSAMLProvider(ctx context.Context, c server.Caller, in *model.TagSAMLProviderInput) (*model.TagSAMLProviderOutput, error) {
	return nil, s.changeProvider(ctx, c, in.SAMLProviderArn, func(v *resource.SAMLProvider) (err error) {
		v.Tags, err = mergeTags("TagsPerSAMLProvider", v.Tags, in.Tags)
		return err
	})
}

// UntagSAMLProvider removes tags from a provider.
func (s *Service) UntagSAMLProvider(ctx context.Context, c server.Caller, in *model.UntagSAMLProviderInput) (*model.UntagSAMLProviderOutput, error) {
	return nil, s.changeProvider(ctx, c, in.SAMLProviderArn, func(v *resource.SAMLProvider) error {
		v.Tags = without(v.Tags, in.TagKeys)
		return nil
	})
}

// ListSAMLProviderTags lists a provider's tags by key.
func (s *Service) ListSAMLProviderTags(_ context.Context, c server.Caller, in *model.ListSAMLProviderTagsInput) (*model.ListSAMLProviderTagsOutput, error) {
	v, err := findProvider(s.read(c), in.SAMLProviderArn)
	if err != nil {
		return nil, err
	}
	tags, more, next, err := pageTags(v.Tags, in.Marker, in.MaxItems)
	return &model.ListSAMLProviderTagsOutput{Tags: tags, IsTruncated: more, Marker: next}, err
}

// TagInstanceProfile adds tags to an instance profile.
func (s *Service) TagInstanceProfile(ctx context.Context, c server.Caller, in *model.TagInstanceProfileInput) (*model.TagInstanceProfileOutput, error) {
	return nil, instanceProfiles.change(ctx, s, c, in.InstanceProfileName, func(_ writer, v *resource.InstanceProfile) (err error) {
		v.Tags, err = mergeTags("TagsPerInstanceProfile", v.Tags, in.Tags)
		return err
	})
}

// UntagInstanceProfile removes tags from an instance profile.
func (s *Service) UntagInstanceProfile(ctx context.Context, c server.Caller, in *model.UntagInstanceProfileInput) (*model.UntagInstanceProfileOutput, error) {
	return nil, instanceProfiles.change(ctx, s, c, in.InstanceProfileName, func(_ writer, v *resource.InstanceProfile) error {
		v.Tags = without(v.Tags, in.TagKeys)
		return nil
	})
}

// ListInstanceProfileTags lists an instance profile's tags by key.
func (s *Service) ListInstanceProfileTags(_ context.Context, c server.Caller, in *model.ListInstanceProfileTagsInput) (*model.ListInstanceProfileTagsOutput, error) {
	v, err := instanceProfiles.get(s.read(c), in.InstanceProfileName)
	if err != nil {
		return nil, err
	}
	tags, more, next, err := pageTags(v.Tags, in.Marker, in.MaxItems)
	return &model.ListInstanceProfileTagsOutput{Tags: tags, IsTruncated: more, Marker: next}, err
}
