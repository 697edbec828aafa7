package enginetest

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

// CheckFields compares a type's fields with those that a hand-over is known to do
// something about: kept, in a document or as what follows from others, and left, with
// the reason why nobody misses them. A field that is in neither has been forgotten.
func CheckFields(t *testing.T, of reflect.Type, kept string, left map[string]string) {
	t.Helper()
	known := strings.Fields(kept)
	for i := range of.NumField() {
		name := of.Field(i).Name
		_, isLeft := left[name]
		if isKept := slices.Contains(known, name); isKept == isLeft {
			t.Errorf("%v.%s: kept %t, left %t: say in one place what a hand-over does with it", of, name, isKept, isLeft)
		}
		delete(left, name)
		known = slices.DeleteFunc(known, func(k string) bool { return k == name })
	}
	if len(known)+len(left) > 0 {
		t.Errorf("%v has no fields %v, %v", of, known, left)
	}
}
