// Package access finds out who calls, and decides whether it may do what it asks
// for, by the identities and policies in the store.
package access

import (
	"sync"
	"time"

	"causeway.dev/iam"
	"causeway.dev/iam/policy"
	"causeway.dev/resource"
	"causeway.dev/store"
)

// Config is what a Guard needs.
type Config struct {
	Store *store.Store

	// Keys are the access keys that the installation's configuration has.
	Keys iam.Directory

	// Sealer encrypts session tokens and what denials tell more.
	Sealer iam.Sealer
}

// A Guard stands before all operations. Any number of goroutines may use it.
type Guard struct {
	cfg Config

	mu       sync.Mutex
	compiled map[place]compiled // guarded by mu
	weight   int                // of all that is compiled; guarded by mu

	uses uses
}

// New returns a guard.
func New(cfg Config) *Guard {
	return &Guard{cfg: cfg, compiled: map[place]compiled{}, uses: uses{unsaved: map[string]resource.AccessKeyUse{}}}
}

// Scope is where an account's identities are.
func Scope(account string) store.Scope {
	return store.Scope{Account: account, Region: resource.GlobalRegion}
}

// Lookup finds a lasting access key: one of the configuration, or an active one of
// a user.
func (g *Guard) Lookup(id string) (iam.AccessKey, bool) {
	if k, ok := g.cfg.Keys.Lookup(id); ok {
		return k, true
	}
	account, ok := iam.KeyAccount(id)
	if !ok {
		return iam.AccessKey{}, false
	}
	s := g.cfg.Store.Snapshot()
	k, ok := store.AccessKeys.Get(s, Scope(account), id)
	if !ok || k.Status != resource.AccessKeyActive {
		return iam.AccessKey{}, false
	}
	user, ok := store.Users.Get(s, Scope(account), k.User)
	return iam.AccessKey{
		ID: k.ID, Secret: iam.Secret(k.Secret), Account: account, User: user.Name, UserID: user.UniqueID, Path: user.Path,
	}, ok
}

// Session finds the access key of a session by its token. A session ends when it
// expires, or when the user or the role that it is of is deleted.
func (g *Guard) Session(id, token string, now time.Time) (iam.AccessKey, error) {
	k, err := iam.OpenToken(g.cfg.Sealer, id, token, now)
	if err != nil {
		return k, err
	}
	s := g.cfg.Store.Snapshot()
	switch {
	case k.Root():
		return k, nil
	case k.Session.Role != "":
		if r, ok := store.Roles.Get(s, Scope(k.Account), resource.IdentityID(k.Session.Role)); !ok || r.UniqueID != k.Session.RoleID {
			return iam.AccessKey{}, iam.ErrTokenInvalid
		}
	default:
		if u, ok := store.Users.Get(s, Scope(k.Account), resource.IdentityID(k.User)); ok && u.UniqueID != k.UserID {
			return iam.AccessKey{}, iam.ErrTokenInvalid
		} else if !ok && !g.configured(k) {
			return iam.AccessKey{}, iam.ErrTokenInvalid
		}
	}
	return k, nil
}

// configured reports whether the user of a key stands in the configuration.
func (g *Guard) configured(k iam.AccessKey) bool { return g.cfg.Keys.HasUser(k.Account, k.UserID) }

// rules are all policies that hold for a caller, each kind being a bound of its
// own. A bound that is not there is nil.
type rules struct {
	identity []*policy.Document
	boundary *[]*policy.Document
	session  *[]*policy.Document
	tags     []resource.Tag // of the identity
}

// rulesOf collects what holds for a caller: a bounded number of look-ups, as the
// numbers of groups and attached policies are. An error says which policy can't be
// read: then nothing is allowed.
func (g *Guard) rulesOf(r *store.Snapshot, k iam.AccessKey) (rules, error) {
	var all rules
	var boundary string
	collect := collector{Guard: g, snapshot: r, scope: Scope(k.Account)}
	if k.Session != nil && k.Session.Role != "" {
		role, ok := store.Roles.Get(r, collect.scope, resource.IdentityID(k.Session.Role))
		if !ok || role.UniqueID != k.Session.RoleID {
			return rules{}, nil // it went while the request came: nothing allows anything
		}
		all.identity = collectFrom(&collect, store.Roles, &role.Identity)
		all.tags, boundary = role.Tags, role.Boundary
	} else {
		user, ok := store.Users.Get(r, collect.scope, resource.IdentityID(k.User))
		if !ok || user.UniqueID != k.UserID {
			return rules{}, nil
		}
		all.identity = collectFrom(&collect, store.Users, &user.Identity)
		for _, id := range user.Groups {
			if group, ok := find(&collect, store.Groups, id, "group "+id); ok {
				all.identity = append(all.identity, collectFrom(&collect, store.Groups, &group.Identity)...)
			}
		}
		all.tags, boundary = user.Tags, user.Boundary
	}
	if boundary != "" {
		documents := collect.managed([]string{boundary})
		all.boundary = &documents
	}
	if k.Session != nil && k.Session.Limited() {
		documents := collect.managed(k.Session.PolicyARNs)
		for _, text := range k.Session.Policies {
			documents = append(documents, collect.parse("a policy of the session", text, policy.Inline))
		}
		all.session = &documents
	}
	return all, collect.err
}
