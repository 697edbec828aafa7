package arch

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

var decisionTitle = regexp.MustCompile(`^# (\d+)\. `)

// Decisions are named by their numbers: each has one of its own, in its file's name
// and in its title.
func TestDecisionsHaveNumbersOfTheirOwn(t *testing.T) {
	const dir = "../../docs/decisions"
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	had := map[string]string{}
	for _, f := range files {
		number, _, _ := strings.Cut(f.Name(), "-")
		if other := had[number]; other != "" {
			t.Errorf("%s and %s have one number", other, f.Name())
		}
		had[number] = f.Name()
		text, err := os.ReadFile(dir + "/" + f.Name())
		if err != nil {
			t.Fatal(err)
		}
		if title := decisionTitle.FindSubmatch(text); title == nil || strings.TrimLeft(number, "0") != string(title[1]) {
			t.Errorf("%s does not begin with its number", f.Name())
		}
	}
}
