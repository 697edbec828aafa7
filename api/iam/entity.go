package iam

import (
	"context"
	"strings"

	"causeway.dev/api/server"
	"causeway.dev/resource"
	"causeway.dev/store"
)

// An entity is a kind of identity: users, groups or roles, or of what is named like
// them, with the words that messages use for it.
type entity[T any] struct {
	table    *store.Table[T]
	word     string // "user"
	title    string // "User"
	identity func(*T) *resource.Identity
	limit    func(Limits) int // of an account
	inline   func(Limits) int // characters of all inline policies
	boundary func(*T) *string // nil: the kind has none
}

var (
	users = &entity[resource.User]{
		store.Users, "user", "User", func(v *resource.User) *resource.Identity { return &v.Identity },
		func(l Limits) int { return l.Users }, func(l Limits) int { return l.UserPolicyLength }, func(v *resource.User) *string { return &v.Boundary },
	}
	groups = &entity[resource.Group]{
		store.Groups, "group", "Group", func(v *resource.Group) *resource.Identity { return &v.Identity },
		func(l Limits) int { return l.Groups }, func(l Limits) int { return l.GroupPolicyLength }, nil,
	}
	roles = &entity[resource.Role]{
		store.Roles, "role", "Role", func(v *resource.Role) *resource.Identity { return &v.Identity },
		func(l Limits) int { return l.Roles }, func(l Limits) int { return l.RolePolicyLength }, func(v *resource.Role) *string { return &v.Boundary },
	}
)

var instanceProfiles = &entity[resource.InstanceProfile]{
	table: store.InstanceProfiles, word: "instanceProfile", title: "InstanceProfile",
	identity: func(v *resource.InstanceProfile) *resource.Identity { return &v.Identity },
	limit:    func(l Limits) int { return l.InstanceProfiles },
}

// get returns the identity of a name.
func (e *entity[T]) get(r reader, name *string) (T, error) {
	v, ok := e.table.Get(r.Reader, r.scope, resource.IdentityID(val(name)))
	if !ok || e.identity(&v).Name != val(name) {
		var none T
		return none, notFound("The %s with name %s cannot be found.", e.word, resource.Clip(val(name)))
	}
	return v, nil
}

// where returns the identities below a path, by name.
func (e *entity[T]) where(r reader, prefix *string) []T {
	return sorted(r, e.table, func(v *T) bool { return strings.HasPrefix(e.identity(v).Path, val(prefix)) })
}

func (e *entity[T]) key(v *T) string { return e.identity(v).ID }

// newIdentity checks what is given of an identity that is to be made.
func (e *entity[T]) newIdentity(c server.Caller, name, path *string, tags []resource.Tag, prefix string) (resource.Identity, error) {
	if err := checkName(e.word+"Name", val(name)); err != nil {
		return resource.Identity{}, err
	}
	p, err := pathOf(path)
	if err != nil {
		return resource.Identity{}, err
	}
	return resource.Identity{Meta: newMeta(c, resource.IdentityID(*name), tags), Name: *name, Path: p, UniqueID: newUniqueID(prefix)}, nil
}

// create stores a new identity.
func (e *entity[T]) create(ctx context.Context, s *Service, c server.Caller, v T) error {
	i := e.identity(&v)
	return s.update(ctx, c, func(w writer) error {
		if err := e.checkFree(w, i.Name); err != nil {
			return err
		}
		if limit := e.limit(s.limits); count(w.reader, e.table) >= limit {
			return exceeded(e.title+"sPerAccount", limit)
		}
		if e.boundary != nil {
			if err := checkBoundary(w.reader, *e.boundary(&v)); err != nil {
				return err
			}
		}
		e.table.Put(w.tx, v)
		return nil
	})
}

func (e *entity[T]) checkFree(w writer, name string) error {
	if _, taken := e.table.Get(w.Reader, w.scope, resource.IdentityID(name)); taken {
		return resource.Errorf(codeExists, "%s with name %s already exists.", e.title, name)
	}
	return nil
}

// change updates the identity of a name in one transaction.
func (e *entity[T]) change(ctx context.Context, s *Service, c server.Caller, name *string, f func(w writer, v *T) error) error {
	return s.update(ctx, c, func(w writer) error {
		v, err := e.get(w.reader, name)
		if err != nil {
			return err
		}
		if err := f(w, &v); err != nil {
			return err
		}
		e.table.Put(w.tx, v)
		return nil
	})
}

// rename gives an identity another name and path, where they are given, and
// returns its former id, "" if it stays.
func (e *entity[T]) rename(w writer, c server.Caller, v *T, name, path *string) (former string, err error) {
	i := e.identity(v)
	if name != nil || path != nil {
		i.Renamed = c.Now
	}
	if path != nil {
		if i.Path, err = pathOf(path); err != nil {
			return "", err
		}
	}
	if name == nil || *name == i.Name {
		return "", nil
	}
	if err := checkName("new"+e.title+"Name", *name); err != nil {
		return "", err
	}
	former, i.Name = i.ID, *name
	if i.ID = resource.IdentityID(*name); i.ID == former {
		return "", nil
	}
	if err := e.checkFree(w, *name); err != nil {
		return "", err
	}
	e.table.Delete(w.tx, w.scope, former)
	return former, nil
}

// delete removes an identity that has nothing left.
func (e *entity[T]) delete(ctx context.Context, s *Service, c server.Caller, name *string, check func(w writer, v *T) error) error {
	return s.update(ctx, c, func(w writer) error {
		v, err := e.get(w.reader, name)
		if err != nil {
			return err
		}
		i := e.identity(&v)
		switch err := check(w, &v); {
		case err != nil:
			return err
		case len(i.Attached) > 0:
			return resource.Errorf(codeConflict, "Cannot delete entity, must detach all policies first.")
		case len(i.Inline) > 0:
			return resource.Errorf(codeConflict, "Cannot delete entity, must delete policies first.")
		}
		e.table.Delete(w.tx, w.scope, i.ID)
		return nil
	})
}
