package iam

import (
	"reflect"
	"strings"

	model "causeway.dev/api/model/iam"
	"causeway.dev/api/server"
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
	for _, tag := range t.tags {
		t.target.SetKey("iam:resourcetag/"+strings.ToLower(tag.Key), tag.Value)
		t.target.SetKey("aws:resourcetag/"+strings.ToLower(tag.Key), tag.Value)
	}
	if f := t.in.FieldByName("Tags"); f.IsValid() {
		given, _ := f.Interface().([]model.Tag)
		t.setRequestTags(given)
	}
	if f := t.in.FieldByName("TagKeys"); f.IsValid() {
		if keys, _ := f.Interface().([]string); len(keys) > 0 {
			t.target.SetKey("aws:tagkeys", keys...)
		}
	}
	if boundary := t.text("PermissionsBoundary"); boundary != "" {
		t.target.SetKey("iam:permissionsboundary", boundary)
	}
	if strings.HasPrefix(action, "Attach") || strings.HasPrefix(action, "Detach") {
		t.target.SetKey("iam:policyarn", t.text("PolicyArn"))
	}
	return []server.Target{t.target}
}

// A targeting finds out what one request is about.
type targeting struct {
	reader
	caller server.Caller
	in     reflect.Value
	tags   []resource.Tag
	target server.Target
}

// arn is that of what the request is about; "" for nothing in particular.
func (t *targeting) arn() string {
	has := func(name string) bool { return t.in.FieldByName(name).IsValid() }
	switch {
	// What a user is put into is what is changed, so groups come first.
	case has("GroupName"):
		return t.group(t.text("GroupName"))
	case has("RoleName"):
		return t.role(t.text("RoleName"))
	case has("UserName"):
		name := t.text("UserName")
		if name == "" {
			name = t.caller.Key.User
		}
		return t.user(name)
	case has("PolicyArn"):
		if p, err := findPolicy(t.reader, t.text("PolicyArn")); err == nil {
			t.tags = p.Tags
		}
		return t.text("PolicyArn")
	case has("PolicyName"):
		return t.made("policy", t.text("PolicyName"))
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
	t.tags = v.Tags
	return v.ARN()
}

func (t *targeting) group(name string) string {
	v, ok := store.Groups.Get(t.Reader, t.scope, resource.IdentityID(name))
	if !ok {
		return t.made("group", name)
	}
	return v.ARN()
}

func (t *targeting) role(name string) string {
	v, ok := store.Roles.Get(t.Reader, t.scope, resource.IdentityID(name))
	if !ok {
		return t.made("role", name)
	}
	t.tags = v.Tags
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

func (t *targeting) text(name string) string {
	if f := t.in.FieldByName(name); f.IsValid() {
		if p, ok := f.Interface().(*string); ok {
			return val(p)
		}
	}
	return ""
}

func (t *targeting) setRequestTags(given []model.Tag) {
	var keys []string
	for _, tag := range given {
		keys = append(keys, val(tag.Key))
		t.target.SetKey("aws:requesttag/"+strings.ToLower(val(tag.Key)), val(tag.Value))
	}
	if len(keys) > 0 {
		t.target.SetKey("aws:tagkeys", keys...)
	}
}
