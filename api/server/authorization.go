package server

import (
	"reflect"
	"strings"

	"causeway.dev/resource"
)

// A Call is a request that is about to be carried out: it is asked for by whom its
// caller claims to be, and its input is well-formed.
type Call struct {
	Caller  Caller
	Service string // "ec2"
	Action  string // "CreateVpc"

	// Targets finds out what the call is about: at least one. It is asked only
	// where policies are.
	Targets func() []Target
}

// A Target is something that a request is about, as policies name it.
type Target struct {
	ARN string // "*": nothing in particular

	// Action is what is done to the target where that is another permission
	// than the request's: "ec2:CreateTags".
	Action string

	// Keys are the condition keys that are about the target, by their names in
	// lower case: "aws:resourcetag/owner".
	Keys map[string][]string
}

// KeyLengthMax bounds the values of condition keys, in bytes: what is longer is cut
// off. No name or tag is as long; what a caller makes up shall not cost more than
// that to compare.
const KeyLengthMax = 2048

// SetKey notes a condition key of the target with its values. None sets none.
func (t *Target) SetKey(name string, values ...string) {
	if len(values) == 0 {
		return
	}
	if t.Keys == nil {
		t.Keys = map[string][]string{}
	}
	for i, v := range values {
		values[i] = v[:min(len(v), KeyLengthMax)]
	}
	t.Keys[name] = values
}

// SetTag notes a tag under a condition key that ends in the tag's key:
// "aws:resourcetag/". The names of condition keys have no case, but those of tags
// do: the values of tags that differ in nothing else stand together.
func (t *Target) SetTag(prefix, key, value string) {
	name := prefix + strings.ToLower(key)
	t.SetKey(name, append(t.Keys[name], value)...)
}

// SetResourceTags notes the tags that the target has.
func (t *Target) SetResourceTags(prefix string, tags []resource.Tag) {
	for _, tag := range tags {
		t.SetTag(prefix, tag.Key, tag.Value)
	}
}

// SetRequestTags notes the tags that the request sets or removes.
func (t *Target) SetRequestTags(tags []resource.Tag) {
	keys := make([]string, len(tags))
	for i, tag := range tags {
		keys[i] = tag.Key
		t.SetTag("aws:requesttag/", tag.Key, tag.Value)
	}
	t.SetKey("aws:tagkeys", keys...)
}

// Text returns the text member of a request's structure; "" if it has none of that
// name.
func Text(in reflect.Value, name string) string {
	if f := in.FieldByName(name); f.IsValid() {
		if p, ok := f.Interface().(*string); ok && p != nil {
			return *p
		}
	}
	return ""
}

// A Denial says that a caller may not do what it asks for.
type Denial struct {
	Message string // in AWS's words: "User: … is not authorized to perform: …"
	Encoded string // more about it, for DecodeAuthorizationMessage; "" if there is no more

	// Cause is what kept policies from being asked, for the log, where it is an
	// error; nil where they were.
	Cause error
}

// Error is the message, with the cause.
func (d *Denial) Error() string {
	if d.Cause != nil {
		return d.Message + ": " + d.Cause.Error()
	}
	return d.Message
}

// Unwrap returns the cause.
func (d *Denial) Unwrap() error { return d.Cause }
