package access_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"causeway.dev/api/access"
	"causeway.dev/api/server"
	"causeway.dev/iam"
	"causeway.dev/internal/seal"
	"causeway.dev/resource"
	"causeway.dev/store"
	"causeway.dev/store/storetest"
)

const account = "123456789012"

func identity(name string) resource.Identity {
	return resource.Identity{
		Meta: resource.Meta{ID: name, Account: account, Region: resource.GlobalRegion}, Name: name, Path: "/", UniqueID: "AIDAEXAMPLE" + strings.ToUpper(name),
	}
}

func allow(action string) string {
	return `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"` + action + `","Resource":"*"}}`
}

func put(t testing.TB, s *store.Store, f func(tx *store.Tx)) {
	t.Helper()
	if err := s.Update(t.Context(), func(tx *store.Tx) error { f(tx); return nil }); err != nil {
		t.Fatal(err)
	}
}

func call(action string) server.Call {
	c := server.Caller{Account: account, Region: "us-east-1", Now: time.Now(), Key: iam.AccessKey{Account: account, User: "u", UserID: "AIDAEXAMPLEU"}}
	return server.Call{Caller: c, Service: "ec2", Action: action, Targets: func() []server.Target { return []server.Target{{ARN: "*"}} }}
}

func denied(err error) bool {
	var d *server.Denial
	return errors.As(err, &d)
}

// A change of a policy holds from the next call on, wherever the policy is, though
// what was read is kept.
func TestChangesHoldAtOnce(t *testing.T) {
	s := storetest.Open(t)
	g := access.New(access.Config{Store: s, Sealer: seal.Generate()})
	user := resource.User{Identity: identity("u"), Groups: []string{"g"}}
	group := resource.Group{Identity: identity("g")}
	managed := resource.Policy{Meta: resource.Meta{ID: "p", Account: account, Region: resource.GlobalRegion}, Name: "p", Path: "/", Default: "v1"}
	for name, set := range map[string]func(document string){
		"user":  func(document string) { user.Inline = []resource.InlinePolicy{{Name: "x", Document: document}} },
		"group": func(document string) { group.Inline = []resource.InlinePolicy{{Name: "x", Document: document}} },
		"managed": func(document string) {
			managed.Versions = []resource.PolicyVersion{{ID: "v1", Document: document}}
			group.Attached = []string{managed.ARN()}
		},
	} {
		for _, may := range []bool{false, true, false, true, false} {
			set(allow(map[bool]string{false: "ec2:Nothing", true: "ec2:Describe*"}[may]))
			put(t, s, func(tx *store.Tx) {
				store.Users.Put(tx, user)
				store.Groups.Put(tx, group)
				store.Policies.Put(tx, managed)
			})
			if err := g.Authorize(call("DescribeVpcs")); denied(err) == may || !may && !denied(err) {
				t.Errorf("by the %s, may is %v: %v", name, may, err)
			}
		}
	}
}

// A key of one who is gone has nothing of another who got the name meanwhile.
func TestAnotherOfTheName(t *testing.T) {
	s := storetest.Open(t)
	g := access.New(access.Config{Store: s, Sealer: seal.Generate()})
	user := resource.User{Identity: identity("u")}
	user.UniqueID = "AIDAEXAMPLEANOTHER"
	user.Inline = []resource.InlinePolicy{{Name: "x", Document: allow("*")}}
	role := resource.Role{Identity: user.Identity}
	put(t, s, func(tx *store.Tx) { store.Users.Put(tx, user); store.Roles.Put(tx, role) })
	if err := g.Authorize(call("DescribeVpcs")); !denied(err) {
		t.Errorf("of a user: %v", err)
	}
	session := call("DescribeVpcs")
	session.Caller.Key.Session = &iam.Session{Role: "u", RoleID: "AROAEXAMPLE", Name: "s"}
	if err := g.Authorize(session); !denied(err) {
		t.Errorf("of a role: %v", err)
	}
}

// A policy that can't be read denies everything, wherever it is, and the refusal names
// it: what can't be read could be a denial. What is repaired counts from then on.
func TestUnreadablePolicies(t *testing.T) {
	s, spoil := storetest.OpenSpoilable(t)
	g := access.New(access.Config{Store: s, Sealer: seal.Generate()})
	const arn = "arn:aws:iam::" + account + ":policy/p"
	at := access.Scope(account)
	managed := resource.Policy{Meta: resource.Meta{ID: "p", Account: account, Region: resource.GlobalRegion}, Name: "p", Path: "/", Default: "v1"}
	managed.Versions = []resource.PolicyVersion{{ID: "v1", Document: allow("ec2:*")}}
	inline := func(documents ...string) (list []resource.InlinePolicy) {
		for i, d := range documents {
			list = append(list, resource.InlinePolicy{Name: fmt.Sprint("i", i), Document: d})
		}
		return list
	}
	for name, test := range map[string]struct {
		user  func(*resource.User)
		spoil func()
		want  string
	}{
		"inline": {func(u *resource.User) { u.Inline = inline(allow("*"), "{") }, nil, "policy i1 of user u can't be read: Syntax errors in policy."},
		"inline of group": {nil, func() {
			put(t, s, func(tx *store.Tx) { store.Groups.Put(tx, resource.Group{Identity: withInline("g", inline("[]"))}) })
		}, "policy i0 of group g can't be read"},
		"group":            {nil, func() { spoil("groups", at, "g", `{"inline":7}`) }, "group g can't be read: what is stored of it can't be decoded"},
		"empty group":      {nil, func() { spoil("groups", at, "g", `{}`) }, "group g can't be read: what is stored of it can't be decoded"},
		"group gone":       {nil, func() { put(t, s, func(tx *store.Tx) { store.Groups.Delete(tx, at, "g") }) }, "group g can't be read: it is named, but there is none"},
		"attached":         {nil, func() { spoil("policies", at, "p", `no JSON`) }, "policy " + arn + " can't be read: what is stored of it can't be decoded"},
		"attached is null": {nil, func() { spoil("policies", at, "p", `null`) }, "policy " + arn + " can't be read: what is stored of it can't be decoded"},
		"attached is gone": {nil, func() { put(t, s, func(tx *store.Tx) { store.Policies.Delete(tx, at, "p") }) }, "policy " + arn + " can't be read: it is named, but there is none"},
		"no version": {nil, func() {
			v := managed
			v.Default = "v2"
			put(t, s, func(tx *store.Tx) { store.Policies.Put(tx, v) })
		}, "policy " + arn + " can't be read: it has no default version"},
		"version": {nil, func() {
			v := managed
			v.Versions = []resource.PolicyVersion{{ID: "v1", Document: `{"Version":"2099-01-01","Statement":[]}`}}
			put(t, s, func(tx *store.Tx) { store.Policies.Put(tx, v) })
		}, "policy " + arn + " can't be read"},
		"boundary":         {func(u *resource.User) { u.Boundary = "arn:aws:iam::" + account + ":policy/b" }, func() { spoil("policies", at, "b", `{}`) }, ":policy/b can't be read: what is stored of it can't be decoded"},
		"boundary is gone": {func(u *resource.User) { u.Boundary = "arn:aws:iam::" + account + ":policy/none" }, nil, ":policy/none can't be read: it is named, but there is none"},
	} {
		user := resource.User{Identity: withInline("u", inline(allow("*"))), Groups: []string{"g"}}
		user.Attached = []string{arn}
		whole := func() {
			put(t, s, func(tx *store.Tx) {
				store.Users.Put(tx, user)
				store.Groups.Put(tx, resource.Group{Identity: identity("g")})
				store.Policies.Put(tx, managed)
			})
		}
		whole()
		if err := g.Authorize(call("DescribeVpcs")); err != nil {
			t.Fatalf("%s: before: %v", name, err)
		}
		if test.user != nil {
			spoilt := user
			test.user(&spoilt)
			put(t, s, func(tx *store.Tx) { store.Users.Put(tx, spoilt) })
		}
		if test.spoil != nil {
			test.spoil()
		}
		for range 2 { // what was read once is kept, but not this
			err := g.Authorize(call("DescribeVpcs"))
			var d *server.Denial
			if !errors.As(err, &d) || !strings.Contains(d.Message, test.want) || d.Cause == nil {
				t.Errorf("%s: %v, want %s", name, err, test.want)
			}
		}
		whole()
		if err := g.Authorize(call("DescribeVpcs")); err != nil {
			t.Errorf("%s: repaired: %v", name, err)
		}
	}
}

func withInline(name string, policies []resource.InlinePolicy) resource.Identity {
	i := identity(name)
	i.Inline = policies
	return i
}

// A session whose policy is gone, or can't be read, may nothing; nor does anybody take
// on a role whose own policy can't be read.
func TestUnreadableSessionsAndTrust(t *testing.T) {
	s := storetest.Open(t)
	g := access.New(access.Config{Store: s, Sealer: seal.Generate()})
	role := resource.Role{Identity: withInline("r", []resource.InlinePolicy{{Name: "x", Document: allow("*")}}), Trust: "{"}
	put(t, s, func(tx *store.Tx) {
		store.Roles.Put(tx, role)
		store.Users.Put(tx, resource.User{Identity: withInline("u", role.Inline)})
	})
	for want, session := range map[string]iam.Session{
		"":                              {},
		"a policy of the session can't": {Policies: []string{allow("*"), "{"}},
		"policy/none can't be read":     {Policies: []string{allow("*")}, PolicyARNs: []string{"arn:aws:iam::" + account + ":policy/none"}},
	} {
		session.Role, session.RoleID, session.Name = "r", role.UniqueID, "s"
		one := call("DescribeVpcs")
		one.Caller.Key = iam.AccessKey{Account: account, Session: &session}
		err := g.Authorize(one)
		if (err == nil) != (want == "") || err != nil && (!denied(err) || !strings.Contains(err.Error(), want)) {
			t.Errorf("want %q: %v", want, err)
		}
	}
	err := g.MayAssume(call("").Caller, role, server.Target{ARN: role.ARN()}, "sts:AssumeRole")
	if !denied(err) || !strings.Contains(err.Error(), "the trust policy of role "+role.ARN()+" can't be read") {
		t.Errorf("MayAssume: %v", err)
	}
}

// BenchmarkAuthorize is what a decision costs for a user with one policy, and for
// one with as many as there can be: 10 attached to it and to each of 10 groups.
func BenchmarkAuthorize(b *testing.B) {
	s := storetest.Open(b)
	g := access.New(access.Config{Store: s, Sealer: seal.Generate()})
	user := resource.User{Identity: identity("u")}
	user.Inline = []resource.InlinePolicy{{Name: "x", Document: allow("ec2:Describe*")}}
	bench := func(name string) {
		put(b, s, func(tx *store.Tx) { store.Users.Put(tx, user) })
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := g.Authorize(call("DescribeVpcs")); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	bench("one")
	put(b, s, func(tx *store.Tx) {
		var arns []string
		for i := range 10 {
			p := resource.Policy{Meta: resource.Meta{ID: fmt.Sprint("p", i), Account: account, Region: resource.GlobalRegion}, Name: fmt.Sprint("p", i), Path: "/", Default: "v1"}
			p.Versions = []resource.PolicyVersion{{ID: "v1", Document: allow("acm:*")}}
			store.Policies.Put(tx, p)
			arns = append(arns, p.ARN())
		}
		user.Attached = arns
		for i := range 10 {
			group := resource.Group{Identity: identity(fmt.Sprint("g", i))}
			group.Attached = arns
			user.Groups = append(user.Groups, group.ID)
			store.Groups.Put(tx, group)
		}
	})
	bench("most")
}

// TestRolesOfServices: whom a role serves, and what it may in a service's name.
func TestRolesOfServices(t *testing.T) {
	s := storetest.Open(t)
	g := access.New(access.Config{Store: s, Sealer: seal.Generate()})
	const arn, service, source = "arn:aws:iam::" + account + ":role/r", "vpc-flow-logs.amazonaws.com", "arn:aws:ec2:us-east-1:" + account + ":vpc-flow-log/fl-1"
	role := resource.Role{Identity: identity("r")}
	role.Inline = []resource.InlinePolicy{{Name: "x", Document: `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"logs:*","Resource":"arn:aws:logs:*:*:log-group:mine:*"}}`}}
	trust := func(principal, condition string) {
		role.Trust = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"` + principal + `"},"Action":"sts:AssumeRole"` + condition + `}}`
		put(t, s, func(tx *store.Tx) { store.Roles.Put(tx, role) })
	}
	of := func(account, arn string) string {
		return `,"Condition":{"StringEquals":{"aws:SourceAccount":"` + account + `"},"ArnLike":{"aws:SourceArn":"` + arn + `"}}`
	}
	for _, c := range []struct {
		principal, condition string
		want                 bool
	}{
		{service, "", true},
		{"ec2.amazonaws.com", "", false},
		{service, of(account, "arn:aws:ec2:us-east-1:"+account+":vpc-flow-log/*"), true},
		{service, of("000000000000", source), false},
		{service, of(account, "arn:aws:ec2:eu-west-1:*:vpc-flow-log/*"), false},
	} {
		trust(c.principal, c.condition)
		if got := g.ServiceMayAssume(arn, service, account, source); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
	trust(service, "")
	if g.ServiceMayAssume(arn, service, "000000000000", source) || g.ServiceMayAssume(arn+"x", service, account, source) || g.ServiceMayAssume("r", service, account, source) {
		t.Error("a role of another account, or none, serves")
	}
	const stream = "arn:aws:logs:us-east-1:" + account + ":log-group:mine:log-stream:s"
	if !g.RoleMay(arn, "logs:PutLogEvents", stream) || g.RoleMay(arn, "logs:PutLogEvents", strings.Replace(stream, "mine", "yours", 1)) || g.RoleMay(arn+"x", "logs:PutLogEvents", stream) {
		t.Error("the role's policy does not decide")
	}
	put(t, s, func(tx *store.Tx) {
		store.Policies.Put(tx, resource.Policy{Meta: resource.Meta{ID: "b", Account: account, Region: resource.GlobalRegion}, Name: "b", Path: "/", Default: "v1", Versions: []resource.PolicyVersion{{ID: "v1", Document: allow("ec2:*")}}})
		role.Boundary = "arn:aws:iam::" + account + ":policy/b"
		store.Roles.Put(tx, role)
	})
	if g.RoleMay(arn, "logs:PutLogEvents", stream) {
		t.Error("the role may what its boundary does not allow")
	}
}
