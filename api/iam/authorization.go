package iam

import (
	"reflect"
	"strings"

	model "causeway.dev/api/model/iam"
	"causeway.dev/api/server"
	"causeway.dev/iam"
	"causeway.dev/resource"
	"causeway.dev/store"
)

// targets tells what a request is about: the one identity, policy or provider that
// it names, or that it makes. Lists are about nothing in particular.
func (s *Service) targets(c server.Caller, action string, input any) []server.Target {
	t := targeting{reader: s.read(c), caller: c, in: reflect.ValueOf(input).Elem()}
	t.target.ARN = t.arn()
	if t.target.ARN == "" {
		return nil
	}
	t.target.SetResourceTags("iam:resourcetag/", t.tags)
	t.target.SetResourceTags("aws:resourcetag/", t.tags)
	var tags []resource.Tag
	if f := t.in.FieldByName("Tags"); f.IsValid() {
		given, _ := f.Interface().([]model.Tag)
		tags = requestTags(given)
		t.target.SetRequestTags(tags)
	}
	if f := t.in.FieldByName("TagKeys"); f.IsValid() {
		if keys, _ := f.Interface().([]string); len(keys) > 0 {
			t.target.SetKey("aws:tagkeys", keys...)
		}
	}
	// The boundary that is asked for or, where none is, that which is there: so
	// somebody may be let change only who is bounded.
	if asked := t.text("PermissionsBoundary"); asked != "" {
		t.boundary = asked
	}
	if t.boundary != "" {
		t.target.SetKey("iam:permissionsboundary", t.boundary)
	}
	if strings.HasPrefix(action, "Attach") || strings.HasPrefix(action, "Detach") {
		t.target.SetKey("iam:policyarn", t.text("PolicyArn"))
	}
	targets := []server.Target{t.target}
	if noun, creates := strings.CutPrefix(action, "Create"); creates && len(tags) > 0 {
		// To give it tags at once needs the permission to tag, too.
		tagging := server.Target{ARN: t.target.ARN, Action: "iam:Tag" + noun}
		tagging.SetRequestTags(tags)
		targets = append(targets, tagging)
	}
	if action == "AddRoleToInstanceProfile" {
		// IAM's page about it: it takes the permission to pass the role, too.
		passed := server.Target{ARN: t.role(t.text("RoleName")), Action: "iam:PassRole"}
		passed.SetKey("iam:passedtoservice", iam.ServiceEC2)
		targets = append(targets, passed)
	}
	if action == "UpdateUser" || action == "UpdateGroup" {
		// IAM user guide, "Rename an IAM user": it takes the permission for the
		// old name and for the new one.
		targets = append(targets, server.Target{ARN: t.renamed(), Keys: t.target.Keys})
	}
	return targets
}

// A targeting finds out what one request is about.
type targeting struct {
	reader
	caller server.Caller
	in     reflect.Value
	tags   []resource.Tag
	target server.Target

	kind, path, name string // of the user or group that is there
	boundary         string // that it has
}

// arn is that of what the request is about; "" for nothing in particular.
func (t *targeting) arn() string {
	has := func(name string) bool { return t.in.FieldByName(name).IsValid() }
	switch {
	// What a user is put into is what is changed, so groups come first.
	case has("GroupName"):
		return t.group(t.text("GroupName"))
	case has("InstanceProfileName"):
		return t.instanceProfile(t.text("InstanceProfileName"))
	case has("RoleName"):
		return t.role(t.text("RoleName"))
	case has("UserName"):
		name := t.text("UserName")
		if name == "" {
			name = t.caller.Key.User
		}
		return t.user(name)
	case has("AccessKeyId"):
		k, _ := store.AccessKeys.Get(t.Reader, t.scope, t.text("AccessKeyId"))
		v, _ := store.Users.Get(t.Reader, t.scope, k.User)
		return t.user(v.Name)
	case has("PolicyArn"):
		if p, err := findPolicy(t.reader, t.text("PolicyArn")); err == nil {
			t.tags = p.Tags
		}
		return t.text("PolicyArn")
	case has("PolicyName"):
		return t.made("policy", t.text("PolicyName"))
	case has("PolicySourceArn"):
		return t.text("PolicySourceArn")
	case has("ServerCertificateName"):
		return "arn:aws:iam::" + t.scope.Account + ":server-certificate/" + t.text("ServerCertificateName")
	case has("SAMLProviderArn"):
		arn := t.text("SAMLProviderArn")
		if p, err := findProvider(t.reader, &arn); err == nil {
			t.tags = p.Tags
		}
		return arn
	case has("SAMLMetadataDocument"):
		return "arn:aws:iam::" + t.scope.Account + ":saml-provider/" + t.text("Name")
	}
	return ""
}

func (t *targeting) user(name string) string {
	v, ok := store.Users.Get(t.Reader, t.scope, resource.IdentityID(name))
	if !ok {
		return t.made("user", name)
	}
	t.kind, t.path, t.name, t.tags, t.boundary = "user", v.Path, v.Name, v.Tags, v.Boundary
	return v.ARN()
}

func (t *targeting) instanceProfile(name string) string {
	v, ok := store.InstanceProfiles.Get(t.Reader, t.scope, resource.IdentityID(name))
	if !ok {
		return t.made("instance-profile", name)
	}
	t.tags = v.Tags
	return v.ARN()
}

func (t *targeting) group(name string) string {
	v, ok := store.Groups.Get(t.Reader, t.scope, resource.IdentityID(name))
	if !ok {
		return t.made("group", name)
	}
	t.kind, t.path, t.name = "group", v.Path, v.Name
	return v.ARN()
}

func (t *targeting) role(name string) string {
	v, ok := store.Roles.Get(t.Reader, t.scope, resource.IdentityID(name))
	if !ok {
		return t.made("role", name)
	}
	t.tags, t.boundary = v.Tags, v.Boundary
	return v.ARN()
}

// made is the ARN of what the request makes.
func (t *targeting) made(kind, name string) string {
	path := t.text("Path")
	if path == "" {
		path = "/"
	}
	return "arn:aws:iam::" + t.scope.Account + ":" + kind + path + name
}

// renamed is the ARN that the user or group gets: that of before, where the
// request changes nothing of it.
func (t *targeting) renamed() string {
	if t.kind == "" {
		return t.target.ARN
	}
	path, name := t.path, t.name
	if given := t.text("NewPath"); given != "" {
		path = given
	}
	if given := t.text("New" + strings.ToUpper(t.kind[:1]) + t.kind[1:] + "Name"); given != "" {
		name = given
	}
	return "arn:aws:iam::" + t.scope.Account + ":" + t.kind + path + name
}

func (t *targeting) text(name string) string { return server.Text(t.in, name) }
