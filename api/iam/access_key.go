package iam

import (
	"context"
	"crypto/rand"
	"slices"

	model "causeway.dev/api/model/iam"
	"causeway.dev/api/server"
	"causeway.dev/iam"
	"causeway.dev/resource"
	"causeway.dev/store"
)

func (s *Service) accessKeyActions() actions {
	return actions{
		"CreateAccessKey":      server.Operation(s.CreateAccessKey),
		"DeleteAccessKey":      server.Operation(s.DeleteAccessKey),
		"GetAccessKeyLastUsed": server.Operation(s.GetAccessKeyLastUsed),
		"ListAccessKeys":       server.Operation(s.ListAccessKeys),
		"UpdateAccessKey":      server.Operation(s.UpdateAccessKey),
	}
}

// CreateAccessKey gives a user a key. Its secret is told this once.
func (s *Service) CreateAccessKey(ctx context.Context, c server.Caller, in *model.CreateAccessKeyInput) (*model.CreateAccessKeyOutput, error) {
	name, err := callerOr(c, in.UserName)
	if err != nil {
		return nil, err
	}
	id, secret, err := iam.NewCredentials(rand.Reader, iam.PrefixAccessKey, c.Account)
	if err != nil {
		return nil, err
	}
	k := resource.AccessKey{Meta: newMeta(c, id, nil), Secret: string(secret), Status: resource.AccessKeyActive}
	err = users.change(ctx, s, c, name, func(w writer, v *resource.User) error {
		if limit := s.limits.AccessKeysPerUser; len(v.AccessKeys) >= limit {
			return exceeded("AccessKeysPerUser", limit)
		}
		v.AccessKeys = append(slices.Clone(v.AccessKeys), id)
		k.User = v.ID
		store.AccessKeys.Put(w.tx, k)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &model.CreateAccessKeyOutput{AccessKey: &model.AccessKey{
		AccessKeyId: &k.ID, SecretAccessKey: &k.Secret, Status: &k.Status, UserName: name, CreateDate: &k.Created,
	}}, nil
}

// changeKey updates a user's access key in one transaction.
func (s *Service) changeKey(ctx context.Context, c server.Caller, userName, id *string, f func(w writer, v *resource.User, k resource.AccessKey)) error {
	name, err := callerOr(c, userName)
	if err != nil {
		return err
	}
	return users.change(ctx, s, c, name, func(w writer, v *resource.User) error {
		k, ok := store.AccessKeys.Get(w.Reader, w.scope, *id)
		if !ok || k.User != v.ID {
			return notFound("The Access Key with id %s cannot be found.", resource.Clip(*id))
		}
		f(w, v, k)
		return nil
	})
}

// UpdateAccessKey lets a key be used or not.
func (s *Service) UpdateAccessKey(ctx context.Context, c server.Caller, in *model.UpdateAccessKeyInput) (*model.UpdateAccessKeyOutput, error) {
	if *in.Status != resource.AccessKeyActive && *in.Status != resource.AccessKeyInactive {
		return nil, invalid("The status of an access key is Active or Inactive")
	}
	return nil, s.changeKey(ctx, c, in.UserName, in.AccessKeyId, func(w writer, _ *resource.User, k resource.AccessKey) {
		k.Status = *in.Status
		store.AccessKeys.Put(w.tx, k)
	})
}

// DeleteAccessKey ends a key for good.
func (s *Service) DeleteAccessKey(ctx context.Context, c server.Caller, in *model.DeleteAccessKeyInput) (*model.DeleteAccessKeyOutput, error) {
	return nil, s.changeKey(ctx, c, in.UserName, in.AccessKeyId, func(w writer, v *resource.User, k resource.AccessKey) {
		v.AccessKeys = slices.DeleteFunc(slices.Clone(v.AccessKeys), func(id string) bool { return id == k.ID })
		store.AccessKeys.Delete(w.tx, w.scope, k.ID)
		store.AccessKeyUses.Delete(w.tx, w.scope, k.ID)
	})
}

// ListAccessKeys lists a user's keys, without their secrets.
func (s *Service) ListAccessKeys(_ context.Context, c server.Caller, in *model.ListAccessKeysInput) (*model.ListAccessKeysOutput, error) {
	name, err := callerOr(c, in.UserName)
	if err != nil {
		return nil, err
	}
	r := s.read(c)
	v, err := users.get(r, name)
	if err != nil {
		return nil, err
	}
	var shown []model.AccessKeyMetadata
	for _, id := range slices.Sorted(slices.Values(v.AccessKeys)) {
		if k, ok := store.AccessKeys.Get(r.Reader, r.scope, id); ok {
			shown = append(shown, model.AccessKeyMetadata{AccessKeyId: &k.ID, Status: &k.Status, CreateDate: &k.Created, UserName: &v.Name})
		}
	}
	part, more, next, err := page(shown, func(k *model.AccessKeyMetadata) string { return *k.AccessKeyId }, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &model.ListAccessKeysOutput{AccessKeyMetadata: part, IsTruncated: more, Marker: next}, nil
}

// GetAccessKeyLastUsed tells whose a key is, and when it signed a call last. AWS's API
// reference: where that is not known, service and region are "N/A", without a date.
func (s *Service) GetAccessKeyLastUsed(_ context.Context, c server.Caller, in *model.GetAccessKeyLastUsedInput) (*model.GetAccessKeyLastUsedOutput, error) {
	r := s.read(c)
	k, ok := store.AccessKeys.Get(r.Reader, r.scope, *in.AccessKeyId)
	if !ok {
		return nil, notFound("The Access Key with id %s cannot be found.", resource.Clip(*in.AccessKeyId))
	}
	user, _ := store.Users.Get(r.Reader, r.scope, k.User)
	last := &model.AccessKeyLastUsed{ServiceName: new("N/A"), Region: new("N/A")}
	if use, ok := s.lastUse(c.Account, k.ID); ok {
		last = &model.AccessKeyLastUsed{LastUsedDate: &use.At, ServiceName: &use.Service, Region: &use.InRegion}
	}
	return &model.GetAccessKeyLastUsedOutput{UserName: &user.Name, AccessKeyLastUsed: last}, nil
}
