package wire

import (
	"encoding/base64"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Decode fills the structure that in points to from the parameters. The error,
// if any, is an *Error: the value of a parameter has the wrong form or breaks a
// rule of the model, or a required one is missing.
//
// Parameters that the structure does not have are ignored, so that clients newer
// than our model can be served; the first few are returned by name, sorted, for
// the log.
func Decode(p Parameters, in any, d Dialect) (ignored []string, err error) {
	v := reflect.ValueOf(in).Elem()
	dec := decoder{dialect: d, list: p.list}
	if err := dec.structure(planOf(v.Type()), v, "", span{hi: len(p.list)}, 0); err != nil {
		return nil, err
	}
	return dec.ignored, nil
}

type decoder struct {
	dialect Dialect
	list    []Parameter
	ignored []string
}

// A span is the parameters [lo, hi) of a decoder's list, whose names begin with
// the same offset bytes.
type span struct{ lo, hi, offset int }

// next returns the part of s at its front whose names have the same next segment
// (up to a "."), that segment, and the rest of s.
func (d *decoder) next(s span) (head string, group, rest span) {
	head, _, _ = strings.Cut(d.list[s.lo].Name[s.offset:], ".")
	group, rest = s, s
	group.hi = s.lo + 1
	for group.hi < s.hi {
		name := d.list[group.hi].Name[s.offset:]
		if len(name) <= len(head) || name[len(head)] != '.' || name[:len(head)] != head {
			break
		}
		group.hi++
	}
	rest.lo = group.hi
	return head, group, rest
}

// split separates the parameter of a group that is named by the group itself
// from those that go on after a ".". self is nil if there is none.
func (d *decoder) split(group span, head string) (self *Parameter, inner span) {
	inner = span{group.lo, group.hi, group.offset + len(head) + 1}
	if first := &d.list[group.lo]; len(first.Name) == group.offset+len(head) {
		inner.lo++
		return first, inner
	}
	return nil, inner
}

func (d *decoder) ignore(s span) {
	for _, p := range d.list[s.lo:s.hi] {
		if len(d.ignored) == ignoredMax {
			return
		}
		if p.Name != "Action" && p.Name != "Version" && !strings.HasPrefix(p.Name, "X-Amz-") {
			d.ignored = append(d.ignored, p.Name)
		}
	}
}

// structure decodes the parameters of s, whose names begin with prefix and a dot,
// into v, which is zero. The whole request has the prefix "".
func (d *decoder) structure(p *plan, v reflect.Value, prefix string, s span, depth int) error {
	if depth == depthMax {
		return errorf(CodeMalformedQueryString, "The parameter %s is nested too deeply", prefix)
	}
	for s.lo < s.hi {
		var head string
		var group span
		head, group, s = d.next(s)
		i, ok := p.requests[head]
		if !ok {
			d.ignore(group)
			continue
		}
		f := &p.fields[i]
		target := v.Field(f.index)
		if !target.IsZero() {
			return errorf(CodeInvalidParameterValue, "The parameter %s is given under two names", join(prefix, f.name))
		}
		if err := d.member(f, target, group, head, depth); err != nil {
			return err
		}
	}
	for i := range p.fields {
		f := &p.fields[i]
		if f.required && isMissing(f, v.Field(f.index)) {
			return errorf(CodeMissingParameter, "The request must contain the parameter %s", join(prefix, f.name))
		}
	}
	return nil
}

func join(prefix, name string) string {
	if prefix == "" {
		return name
	}
	return prefix + "." + name
}

// prefix is what the names of a group have in common: that of a list item or of a
// structure.
func (d *decoder) prefix(group span, head string) string {
	return d.list[group.lo].Name[:group.offset+len(head)]
}

// isMissing tells whether a required member was not given. AWS takes an empty
// text for that, unless the model says that it can have no characters.
func isMissing(f *field, v reflect.Value) bool {
	mayBeEmpty := f.min != nil && *f.min == 0
	return v.IsNil() || !f.list && f.kind == kindString && v.Elem().Len() == 0 && !mayBeEmpty
}

// member decodes a group of parameters into the member f of a structure.
func (d *decoder) member(f *field, v reflect.Value, group span, head string, depth int) error {
	self, inner := d.split(group, head)
	switch {
	case f.list:
		return d.items(f, v, self, inner, depth)
	case f.kind == kindStruct:
		if self != nil && self.Value != "" {
			return f.invalid(*self, "It has parts: give them as "+self.Name+".Part")
		}
		if inner.lo == inner.hi {
			return nil
		}
		v.Set(reflect.New(v.Type().Elem()))
		return d.structure(f.sub, v.Elem(), d.prefix(group, head), inner, depth+1)
	}
	d.ignore(inner)
	if self == nil {
		return nil
	}
	if f.kind == kindBlob {
		return f.scalar(v, *self)
	}
	target := reflect.New(v.Type().Elem())
	if err := f.scalar(target.Elem(), *self); err != nil {
		return err
	}
	v.Set(target)
	return nil
}

// items decodes a list. The numbers in its names give the order, not the place:
// they may have gaps, as in requests made by hand.
func (d *decoder) items(f *field, v reflect.Value, self *Parameter, s span, depth int) error {
	if self != nil && self.Value != "" {
		return f.invalid(*self, "It is a list: give "+self.Name+".1")
	}
	if d.dialect == Query && s.lo < s.hi {
		head, group, rest := d.next(s)
		member, inner := d.split(group, head)
		if head != "member" || member != nil || rest.lo < rest.hi {
			return errorf(CodeInvalidParameterValue, "The parameter %s is not an item of a list, as in Name.member.1", d.list[s.lo].Name)
		}
		s = inner
	}
	type item struct {
		number int
		head   string
		group  span
	}
	var items []item
	for s.lo < s.hi {
		var it item
		it.head, it.group, s = d.next(s)
		var ok bool
		if it.number, ok = parseIndex(it.head); !ok {
			return errorf(CodeInvalidParameterValue, "The parameter %s: %s is not the number of a list item, from 1 to %d",
				d.list[it.group.lo].Name, quote(it.head), indexMax)
		}
		items = append(items, it)
	}
	if len(items) == 0 {
		return nil
	}
	if f.max != nil && int64(len(items)) > *f.max {
		return errorf(CodeInvalidParameterValue, "The list of %s has %d items; at most %d are allowed", d.list[items[0].group.lo].Name, len(items), *f.max)
	}
	slices.SortFunc(items, func(a, b item) int { return a.number - b.number })
	list := reflect.MakeSlice(v.Type(), len(items), len(items))
	for i, it := range items {
		if err := d.item(f, list.Index(i), it.group, it.head, depth); err != nil {
			return err
		}
	}
	v.Set(list)
	return nil
}

// item decodes one item of a list.
func (d *decoder) item(f *field, v reflect.Value, group span, head string, depth int) error {
	self, inner := d.split(group, head)
	if f.kind == kindStruct {
		if self != nil {
			return f.invalid(*self, "It has parts: give them as "+self.Name+".Part")
		}
		return d.structure(f.sub, v, d.prefix(group, head), inner, depth+1)
	}
	if self == nil {
		return errorf(CodeInvalidParameterValue, "The parameter %s: the items of this list have no parts", d.list[group.lo].Name)
	}
	d.ignore(inner)
	return f.scalar(v, *self)
}

// parseIndex reads the number of a list item: decimal, from 1, without leading
// zeros, so that no two names mean the same item.
func parseIndex(s string) (int, bool) {
	if s == "" || s[0] < '1' || s[0] > '9' {
		return 0, false
	}
	n, err := strconv.Atoi(s)
	return n, err == nil && n <= indexMax
}

// scalar decodes a value that has no parts into v, which is not a pointer.
func (f *field) scalar(v reflect.Value, p Parameter) error {
	switch f.kind {
	case kindString:
		return f.text(v, p)
	case kindBool:
		if p.Value != "true" && p.Value != "false" {
			return f.invalid(p, "It must be true or false")
		}
		v.SetBool(p.Value == "true")
	case kindInt32:
		return f.integer(v, p, 32)
	case kindInt64:
		return f.integer(v, p, 64)
	case kindFloat:
		x, err := strconv.ParseFloat(p.Value, 64)
		if err != nil || math.IsNaN(x) || math.IsInf(x, 0) {
			return f.invalid(p, "It must be a number")
		}
		v.SetFloat(x)
	case kindTime:
		t, ok := parseTime(p.Value)
		if !ok {
			return f.invalid(p, "It must be a time, as 2006-01-02T15:04:05Z")
		}
		v.Set(reflect.ValueOf(t))
	case kindBlob:
		b, err := base64.StdEncoding.DecodeString(p.Value)
		if err != nil {
			return errorf(CodeInvalidParameterValue, "The value of parameter %s is not base64", p.Name)
		}
		v.SetBytes(b)
	}
	return nil
}

func (f *field) text(v reflect.Value, p Parameter) error {
	length := int64(utf8.RuneCountInString(p.Value))
	switch {
	case f.enum != nil && p.Value != "" && !slices.Contains(f.enum, p.Value):
		return f.invalid(p, f.choices())
	case !f.list && f.min != nil && length < *f.min && p.Value != "":
		return f.invalid(p, "It must have at least "+strconv.FormatInt(*f.min, 10)+" characters")
	case !f.list && f.max != nil && length > *f.max:
		return f.invalid(p, "It must have at most "+strconv.FormatInt(*f.max, 10)+" characters")
	}
	v.SetString(p.Value)
	return nil
}

// choices says what the values of an enumeration are, if that can be read at a
// glance.
func (f *field) choices() string {
	if len(f.enum) > choicesMax {
		return "It must be one of the " + strconv.Itoa(len(f.enum)) + " values that the API reference lists"
	}
	return "It must be one of " + strings.Join(f.enum, ", ")
}

func (f *field) integer(v reflect.Value, p Parameter, bits int) error {
	n, err := strconv.ParseInt(p.Value, 10, bits)
	switch {
	case err != nil || p.Value[0] == '+':
		return f.invalid(p, "It must be an integer of "+strconv.Itoa(bits)+" bits")
	case !f.list && f.min != nil && n < *f.min:
		return f.invalid(p, "Expecting a value of at least "+strconv.FormatInt(*f.min, 10))
	case !f.list && f.max != nil && n > *f.max:
		return f.invalid(p, "Expecting a value of at most "+strconv.FormatInt(*f.max, 10))
	}
	v.SetInt(n)
	return nil
}

// parseTime reads the forms of ISO 8601 that clients send. A time without zone
// is UTC.
func parseTime(s string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

// invalid says that the value of a parameter is wrong, and why.
func (f *field) invalid(p Parameter, why string) *Error {
	value := ""
	if !f.sensitive && f.sub == nil {
		value = " (" + quote(p.Value) + ")"
	}
	return errorf(CodeInvalidParameterValue, "Value%s for parameter %s is invalid. %s", value, p.Name, why)
}

// quote shortens a text of the caller's for an error.
func quote(s string) string {
	if len(s) <= quotedMax {
		return s
	}
	return strings.ToValidUTF8(s[:quotedMax], "") + "…"
}
