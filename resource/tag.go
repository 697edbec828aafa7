package resource

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// CodeTagLimitExceeded says that a noun would have more than TagsMax tags.
const CodeTagLimitExceeded Code = "TagLimitExceeded"

// TagsMax is the number of tags that a noun can have.
const TagsMax = 50

// Lengths of a tag's parts, in characters.
const (
	tagKeyLengthMax   = 127
	tagValueLengthMax = 256
)

// tagKeyReserved begins the keys that only AWS itself sets.
const tagKeyReserved = "aws:"

// Tag is a key with a value, of at most 127 and 256 characters.
type Tag struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// Validate checks the lengths and the key's prefix.
func (t Tag) Validate() error {
	switch {
	case t.Key == "":
		return Errorf(CodeInvalidParameterValue, "Tag key cannot be empty")
	case !utf8.ValidString(t.Key) || !utf8.ValidString(t.Value):
		return Errorf(CodeInvalidParameterValue, "Tag keys and values must be valid UTF-8")
	case utf8.RuneCountInString(t.Key) > tagKeyLengthMax:
		return Errorf(CodeInvalidParameterValue, "Tag key exceeds the maximum length of %d characters", tagKeyLengthMax)
	case utf8.RuneCountInString(t.Value) > tagValueLengthMax:
		return Errorf(CodeInvalidParameterValue, "Tag value exceeds the maximum length of %d characters", tagValueLengthMax)
	case len(t.Key) >= len(tagKeyReserved) && strings.EqualFold(t.Key[:len(tagKeyReserved)], tagKeyReserved):
		return Errorf(CodeInvalidParameterValue, "Tag keys starting with 'aws:' are reserved for internal use")
	}
	return nil
}

// SameKey reports whether the keys of two tags are the same but for case, as for
// services whose tags' keys have none.
func (t Tag) SameKey(other Tag) bool { return strings.EqualFold(t.Key, other.Key) }

// MergeTags returns present with the given tags added or replaced, sorted by
// key. Given tags are validated; a key given twice is refused.
func MergeTags(present, given []Tag) ([]Tag, error) {
	merged := slices.Clone(present)
	for i, t := range given {
		if err := t.Validate(); err != nil {
			return nil, err
		}
		if slices.ContainsFunc(given[:i], func(o Tag) bool { return o.Key == t.Key }) {
			return nil, Errorf(CodeInvalidParameterValue, "Duplicate tag key '%s' specified.", t.Key)
		}
		if at := slices.IndexFunc(merged, func(o Tag) bool { return o.Key == t.Key }); at >= 0 {
			merged[at] = t
		} else {
			merged = append(merged, t)
		}
	}
	if len(merged) > TagsMax {
		return nil, Errorf(CodeTagLimitExceeded, "The maximum number of tags of a resource, %d, has been reached", TagsMax)
	}
	slices.SortFunc(merged, func(a, b Tag) int { return strings.Compare(a.Key, b.Key) })
	return merged, nil
}
