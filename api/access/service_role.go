package access

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"causeway.dev/iam"
	"causeway.dev/iam/policy"
	"causeway.dev/resource"
	"causeway.dev/store"
)

// FindRole returns the role of an ARN, of whatever account.
func FindRole(r store.Reader, arn string) (resource.Role, bool) {
	rest, ok := strings.CutPrefix(arn, "arn:aws:iam::")
	account, path, found := strings.Cut(rest, ":role/")
	if !ok || !found {
		return resource.Role{}, false
	}
	role, ok := store.Roles.Get(r, Scope(account), resource.IdentityID(path[strings.LastIndexByte(path, '/')+1:]))
	return role, ok && role.ARN() == arn
}

// ServiceMayAssume reports whether a role lets a service ("vpc-flow-logs.amazonaws.com")
// act in its name for something of an account, which an ARN names.
func (g *Guard) ServiceMayAssume(roleARN, service, account, sourceARN string) bool {
	role, ok := FindRole(g.cfg.Store.Snapshot(), roleARN)
	if !ok || role.Account != account {
		return false
	}
	trust, err := policy.Parse(role.Trust, policy.Trust)
	if err != nil {
		return false
	}
	return policy.For("sts:AssumeRole", trust).Decide(policy.Request{
		Resource: roleARN, Principal: policy.Principal{Service: service},
		Keys: policy.Keys{{"aws:sourceaccount": {account}, "aws:sourcearn": {sourceARN}}},
	}) == policy.Allow
}

// instanceSessionLife is how long the credentials of an instance hold.
const instanceSessionLife = 6 * time.Hour

// ErrRoleNotTrusting is for a role that does not let instances take it on, or is gone.
var ErrRoleNotTrusting = errors.New("EC2 cannot assume the role")

// InstanceCredentials returns temporary keys of a role for an instance, and their
// session token. Each call makes new ones; the session is called like the instance.
func (g *Guard) InstanceCredentials(roleARN, instance, instanceARN string, now time.Time) (iam.AccessKey, string, error) {
	role, ok := FindRole(g.cfg.Store.Snapshot(), roleARN)
	if !ok || !g.ServiceMayAssume(roleARN, iam.ServiceEC2, role.Account, instanceARN) {
		return iam.AccessKey{}, "", fmt.Errorf("credentials of instance %s: %w %s", instance, ErrRoleNotTrusting, roleARN)
	}
	k := iam.AccessKey{Account: role.Account, Path: role.Path}
	session := iam.Session{Role: role.Name, RoleID: role.UniqueID, Name: instance, Instance: instanceARN}
	return iam.Issue(rand.Reader, g.cfg.Sealer, k, session, now, instanceSessionLife)
}

// RoleMay reports whether a role's policies and its boundary allow an action that a
// service does in its name.
func (g *Guard) RoleMay(roleARN, action, resourceARN string) bool {
	s := g.cfg.Store.Snapshot()
	role, ok := FindRole(s, roleARN)
	if !ok {
		return false
	}
	var all rules
	collect := collector{Guard: g, snapshot: s, scope: Scope(role.Account)}
	all.identity = collectFrom(&collect, store.Roles, &role.Identity)
	if role.Boundary != "" {
		documents := collect.managed([]string{role.Boundary})
		all.boundary = &documents
	}
	if collect.err != nil {
		return false
	}
	request := policy.Request{Resource: resourceARN, Keys: policy.Keys{accountKeys(resourceARN)}}
	return all.about(action).decide(request, action) == ""
}
