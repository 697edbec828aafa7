package logs

import (
	"testing"

	store "causeway.dev/logs"
)

// FuzzTokens: a caller's token is refused or means what one of ours says.
func FuzzTokens(f *testing.F) {
	f.Add(*pageToken(store.Position{Timestamp: 1772366400000, Stream: 7, Number: 3}, true))
	f.Add(*streamToken(store.Stream{Last: 1772366400000, Name: "a/b"}))
	f.Add("b/")
	f.Fuzz(func(t *testing.T, token string) {
		if p, forward, err := parsePageToken(token); err == nil && *pageToken(p, forward) != token {
			t.Errorf("page token %q is %+v, %v", token, p, forward)
		}
		if name, err := parseNameToken(&token); err == nil {
			if again, err := parseNameToken(nameToken(name)); err != nil || again != name || name == "" {
				t.Errorf("name token %q is %q, and that %q, %v", token, name, again, err)
			}
		}
		if s, err := parseStreamToken(token); err == nil {
			if again, err := parseStreamToken(*streamToken(s)); err != nil || again != s {
				t.Errorf("stream token %q is %+v, and that %+v, %v", token, s, again, err)
			}
		}
	})
}
