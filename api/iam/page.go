package iam

import (
	"encoding/base64"
	"slices"
	"strings"
)

// pageDefault is how many items an answer has where the request does not say.
const pageDefault = 100

// page returns the part of a list that a request asks for: what comes after its
// marker, which is the key of the last item of the page before, so that items that
// come and go meanwhile move no others. The items are sorted by their keys.
func page[T any](items []T, key func(*T) string, marker *string, itemsMax *int32) (part []T, truncated *bool, next *string, err error) {
	if marker != nil {
		after, err := base64.RawURLEncoding.DecodeString(*marker)
		if err != nil {
			return nil, nil, nil, invalid("Invalid Marker.")
		}
		at, found := slices.BinarySearchFunc(items, string(after), func(item T, after string) int { return strings.Compare(key(&item), after) })
		if found {
			at++
		}
		items = items[at:]
	}
	limit := pageDefault
	if itemsMax != nil {
		limit = int(*itemsMax)
	}
	more := len(items) > limit
	if more {
		items = items[:limit]
		next = new(base64.RawURLEncoding.EncodeToString([]byte(key(&items[limit-1]))))
	}
	return items, &more, next, nil
}

// mapped applies f to all items. The result is never nil.
func mapped[T, U any](items []T, f func(*T) U) []U {
	results := make([]U, len(items))
	for i := range items {
		results[i] = f(&items[i])
	}
	return results
}
