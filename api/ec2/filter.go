package ec2

import (
	"iter"
	"slices"
	"strings"
	"unicode/utf8"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/resource"
)

// Bounds of the filters of one request.
const (
	filtersMax      = 50
	filterValuesMax = 200 // over all filters

	// filterValueLengthMax is the number of characters of a value ("List and
	// filter your resources" in the EC2 user guide).
	filterValueLengthMax = 255
)

// fields tell which values a record has for the filters of a Describe, by the
// filter's name. A record passes if one of its values matches.
//
// Names that the model has and fields does not are of features that are not
// built: no record has a value for them, so nothing passes.
type fields[T any] map[string]func(r reader, v *T) []string

// A selection is a checked set of filters. All of them must match.
type selection[T any] []criterion[T]

type criterion[T any] struct {
	name     string
	values   func(r reader, v *T) []string // nil: no record has any
	patterns []pattern
}

// compile checks the filters of a Describe: names must be among the action's in
// the model. Tags are known to all of them that have tags in the model.
func (f fields[T]) compile(action string, filters []model.Filter) (selection[T], error) {
	if len(filters) > filtersMax {
		return nil, resource.Errorf(resource.CodeFilterLimitExceeded, "The request has %d filters; at most %d are allowed", len(filters), filtersMax)
	}
	chosen, total := make(selection[T], 0, len(filters)), 0
	for _, filter := range filters {
		name := val(filter.Name)
		if name == "" {
			return nil, resource.Errorf(resource.CodeInvalidParameterValue, "A filter needs a name")
		}
		if len(filter.Values) == 0 {
			return nil, resource.Errorf(resource.CodeInvalidParameterValue, "The filter '%s' needs at least one value", resource.Clip(name))
		}
		if total += len(filter.Values); total > filterValuesMax {
			return nil, resource.Errorf(resource.CodeFilterLimitExceeded, "The request has more than %d filter values", filterValuesMax)
		}
		values, known := f.lookup(model.Actions[action].Filters, name)
		if !known {
			return nil, resource.Errorf(resource.CodeInvalidFilter, "The filter '%s' is invalid", resource.Clip(name))
		}
		c := criterion[T]{name: name, values: values}
		for _, v := range filter.Values {
			if utf8.RuneCountInString(v) > filterValueLengthMax {
				return nil, resource.Errorf(resource.CodeFilterLimitExceeded, "A value of the filter '%s' has more than %d characters", resource.Clip(name), filterValueLengthMax)
			}
			c.patterns = append(c.patterns, parsePattern(v))
		}
		chosen = append(chosen, c)
	}
	return chosen, nil
}

// lookup returns how to get a filter's values, and whether the action has it.
func (f fields[T]) lookup(names []string, name string) (values func(r reader, v *T) []string, known bool) {
	if key, isTag := strings.CutPrefix(name, "tag:"); isTag && key != "" {
		return tagValues[T](key), slices.Contains(names, "tag") || slices.Contains(names, "tag:")
	}
	if !slices.Contains(names, name) {
		// EC2 takes the names of the answer's members, too ("isDefault"): so asks
		// Terraform's provider for default VPCs.
		name = hyphenated(name)
	}
	if name == "tag" || name == "tag:" || !slices.Contains(names, name) {
		return nil, false
	}
	if name == "tag-key" && f[name] == nil {
		return tagKeys[T], true
	}
	return f[name], true
}

// matches reports whether a record passes.
func (s selection[T]) matches(r reader, v *T) bool {
	for _, c := range s {
		if c.values == nil || !slices.ContainsFunc(c.values(r, v), c.accepts) {
			return false
		}
	}
	return true
}

// filter returns the records that pass.
func (s selection[T]) filter(r reader, all iter.Seq[T]) iter.Seq[T] {
	if len(s) == 0 {
		return all
	}
	return func(yield func(T) bool) {
		var looked T // for all, so that what does not pass costs no allocation
		for v := range all {
			looked = v
			if s.matches(r, &looked) && !yield(v) {
				return
			}
		}
	}
}

func (c *criterion[T]) accepts(value string) bool {
	return slices.ContainsFunc(c.patterns, func(p pattern) bool { return p.matches(value) })
}

// tagged is what has tags without being a record of its own.
type tagged interface{ tags() []resource.Tag }

func tagsOf[T any](v *T) []resource.Tag {
	if t, ok := any(v).(tagged); ok {
		return t.tags()
	}
	return metaOf(v).Tags
}

func tagValues[T any](key string) func(reader, *T) []string {
	return func(_ reader, v *T) []string {
		for _, t := range tagsOf(v) {
			if t.Key == key {
				return []string{t.Value}
			}
		}
		return nil
	}
}

func tagKeys[T any](_ reader, v *T) []string {
	tags := tagsOf(v)
	keys := make([]string, len(tags))
	for i, t := range tags {
		keys[i] = t.Key
	}
	return keys
}

// A pattern is a filter's value: "*" stands for any text, "?" for one
// character, and a backslash takes the meaning from the next character.
//
// One with wildcards is matched by following all ways through it at once, so that
// the time is that of the text's length, whatever the pattern.
type pattern struct {
	text string // without backslashes; all there is to a pattern without wildcards

	wild  bool
	end   int                // the number of characters and "?"
	takes map[rune]positions // where the pattern has that character
	any   positions          // where it has a "?", which takes any one
	stays positions          // where it has a "*", which takes any and stays
}

// positions are a set of places in a pattern: n is before its character n, not
// counting "*".
type positions [filterValueLengthMax/64 + 1]uint64

func (p *positions) add(n int)      { p[n/64] |= 1 << (n % 64) }
func (p *positions) has(n int) bool { return p[n/64]>>(n%64)&1 != 0 }

// parsePattern reads a value of at most filterValueLengthMax characters.
func parsePattern(s string) pattern {
	p := pattern{takes: make(map[rune]positions)}
	var text strings.Builder
	escaped := false
	for _, c := range s {
		switch {
		case c == '\\' && !escaped:
			escaped = true
			continue
		case c == '*' && !escaped:
			p.wild = true
			p.stays.add(p.end)
			continue
		case c == '?' && !escaped:
			p.wild = true
			p.any.add(p.end)
		default:
			at := p.takes[c]
			at.add(p.end)
			p.takes[c] = at
			text.WriteRune(c)
		}
		escaped = false
		p.end++
	}
	if !p.wild {
		return pattern{text: text.String()}
	}
	return p
}

func (p pattern) matches(s string) bool {
	if !p.wild {
		return p.text == s
	}
	var at positions
	at.add(0)
	for _, c := range s {
		takes, carry := p.takes[c], uint64(0)
		for i := range at {
			moved := at[i] & (takes[i] | p.any[i])
			at[i] = moved<<1 | carry | at[i]&p.stays[i]
			carry = moved >> 63
		}
		if at == (positions{}) {
			return false
		}
	}
	return at.has(p.end)
}

// truth is how filters spell a boolean.
func truth(b bool) []string {
	if b {
		return []string{"true"}
	}
	return []string{"false"}
}

// one is the value of a field; empty is none.
func one(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}
