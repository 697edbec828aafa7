package access

import (
	"fmt"
	"slices"
	"time"

	"causeway.dev/api/server"
	"causeway.dev/iam/policy"
	"causeway.dev/resource"
	"causeway.dev/store"
)

// MayAssume decides whether a caller may take on a role: nil or a *server.Denial.
// The role's own policy must allow it, and the caller's too, unless the role is of
// the same account and names the caller. The actions are sts:AssumeRole and those
// that what is asked for of the session needs.
func (g *Guard) MayAssume(c server.Caller, role resource.Role, target server.Target, actions ...string) error {
	denied := func(action string, cause error) error {
		return &server.Denial{Message: fmt.Sprintf("User: %s is not authorized to perform: %s on resource: %s", c.Key.ARN(), action, target.ARN), Cause: cause}
	}
	trust, err := policy.Parse(role.Trust, policy.Trust)
	if err != nil {
		return denied(actions[0], fmt.Errorf("the trust policy of role %s can't be read: %w", role.ARN(), err))
	}
	s := g.cfg.Store.Snapshot()
	all, err := g.rulesOf(s, c.Key)
	if err != nil {
		return denied(actions[0], err)
	}
	request := policy.Request{
		Resource:  target.ARN,
		Principal: policy.Principal{Account: c.Account},
		Keys:      policy.Keys{globalKeys(c, "sts", all.tags), accountKeys(target.ARN), target.Keys},
	}
	// Who was made after the policy was set is not the one that it names, but
	// another one of the same name. What is denied to the name is denied all the same.
	names := []string{c.Key.ARN(), c.Key.PrincipalARN()}
	if since, ok := namedSince(s, c); ok && !since.After(role.TrustSet) {
		request.Principal.ARNs = names
	} else {
		request.Principal.Later = names
	}
	for _, action := range actions {
		if !assumes(request, policy.For(action, trust), all.about(action), action, c.Account == role.Account) {
			return denied(action, nil)
		}
	}
	return nil
}

// assumes decides for one action.
func assumes(request policy.Request, trust policy.Statements, own spoken, action string, sameAccount bool) bool {
	if trust.Decide(request) != policy.Allow {
		return false
	}
	if slices.ContainsFunc([]policy.Statements{own.identity, own.boundary, own.session}, func(s policy.Statements) bool { return s.Decide(request) == policy.Deny }) {
		return false
	}
	if own.decide(request, action) == "" {
		return true
	}
	if !sameAccount {
		return false
	}
	// IAM user guide, "Policy evaluation for requests within a single account":
	// who is named needs no policy of its own. But naming a role says nothing of
	// what bounds it and its sessions; naming the user or the session does.
	within := own.withinBounds(request)
	request.Principal.Named = true
	if arns := request.Principal.ARNs; len(arns) > 0 && !within {
		request.Principal.ARNs = arns[:1] // the caller's own
	}
	return trust.Decide(request) == policy.Allow
}

// namedSince returns when the user or role that calls got the name that it has.
func namedSince(s *store.Snapshot, c server.Caller) (time.Time, bool) {
	var i resource.Identity
	if c.Key.Session != nil && c.Key.Session.Role != "" {
		r, _ := store.Roles.Get(s, Scope(c.Account), resource.IdentityID(c.Key.Session.Role))
		i = r.Identity
	} else {
		u, _ := store.Users.Get(s, Scope(c.Account), resource.IdentityID(c.Key.User))
		i = u.Identity
	}
	if i.Renamed.After(i.Created) {
		return i.Renamed, i.ID != ""
	}
	return i.Created, i.ID != ""
}

// ManagedExists reports whether an account has a managed policy, of its own or of
// AWS's.
func (g *Guard) ManagedExists(account, arn string) bool {
	collect := collector{Guard: g, snapshot: g.cfg.Store.Snapshot(), scope: Scope(account)}
	return len(collect.managed([]string{arn})) > 0
}
