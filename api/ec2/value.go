package ec2

import (
	"encoding/base64"
	"net/netip"
	"time"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/resource"
)

// val returns what p points to, or the zero value: for members where absent and
// zero mean the same.
func val[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// str makes a member of an answer; empty is absent.
func str(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// addressText makes a member of an answer; the zero address is absent.
func addressText(a netip.Addr) *string {
	if !a.IsValid() {
		return nil
	}
	return str(a.String())
}

// prefixText makes a member of an answer; the zero prefix is absent.
func prefixText(p netip.Prefix) *string {
	if !p.IsValid() {
		return nil
	}
	return str(p.String())
}

// timestamp makes a member of an answer; the zero time is absent.
func timestamp(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// A member is an optional part of a request, with its name, and whether the
// caller asked for something by it.
type member struct {
	name  string
	asked bool
}

// refuseUnbuilt refuses a request that asks for what AWS has and this does not.
func refuseUnbuilt(members ...member) error {
	for _, m := range members {
		if m.asked {
			return resource.Unsupported("The parameter " + resource.Clip(m.name)) // some names end in what was given
		}
	}
	return nil
}

// oneAttribute refuses a request that would set an attribute and names none, or
// several: AWS sets one at a time.
func oneAttribute(given ...bool) error {
	n := 0
	for _, g := range given {
		if g {
			n++
		}
	}
	switch n {
	case 0:
		return resource.Errorf(resource.CodeInvalidParameterCombination, "No attributes specified: the request must set one")
	case 1:
		return nil
	}
	return resource.Errorf(resource.CodeInvalidParameterCombination, "Fields for multiple attribute types specified: only one attribute can be set at a time")
}

// tagSet is how answers show tags.
func tagSet(tags []resource.Tag) []model.Tag {
	set := make([]model.Tag, len(tags))
	for i := range tags {
		set[i] = model.Tag{Key: &tags[i].Key, Value: &tags[i].Value}
	}
	return set
}

// mapped applies f to all items.
func mapped[T, U any](items []T, f func(*T) U) []U {
	results := make([]U, len(items))
	for i := range items {
		results[i] = f(&items[i])
	}
	return results
}

// answers makes the list of an answer from records.
func answers[T, U any](items []T, f func(*T) *U) []U {
	return mapped(items, func(v *T) U { return *f(v) })
}

// contains reports whether all of inner is in outer.
func contains(outer, inner netip.Prefix) bool {
	return outer.Bits() <= inner.Bits() && outer.Contains(inner.Addr())
}

// base64Text is how answers show bytes; none are the empty text.
func base64Text(b []byte) string { return base64.StdEncoding.EncodeToString(b) }
