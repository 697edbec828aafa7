package ec2

import (
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

// timestamp makes a member of an answer; the zero time is absent.
func timestamp(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// given reports which of the named members have a value.
func given(members []member) []member {
	var found []member
	for _, m := range members {
		if val(m.value) != "" {
			found = append(found, m)
		}
	}
	return found
}

// A member is an optional text of a request, with its name.
type member struct {
	name  string
	value *string
}

// tagSet is how answers show tags.
func tagSet(tags []resource.Tag) []model.Tag {
	set := make([]model.Tag, len(tags))
	for i := range tags {
		set[i] = model.Tag{Key: &tags[i].Key, Value: &tags[i].Value}
	}
	return set
}
