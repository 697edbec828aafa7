package arch

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	// namedTest is how the pages name a test: `ike/ikev2.TestNAT`.
	namedTest = regexp.MustCompile("`([a-z0-9/]+)\\.((?:Test|Fuzz|Benchmark)[A-Z][A-Za-z0-9]*)`")
	looseTest = regexp.MustCompile(`\b(?:Test|Fuzz|Benchmark)[A-Z][A-Za-z0-9]*`)
)

// The pages about protocols claim nothing that no test shows: each test that they
// name exists, and each row that says that something is built names one.
func TestProtocolPages(t *testing.T) {
	pages, err := filepath.Glob("../../docs/protocols/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatalf("pages %v, %v", pages, err)
	}
	folders := map[string]string{}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(text), "\n") {
			complain := func(format string, args ...any) {
				t.Helper()
				t.Errorf("%s:%d: "+format, append([]any{filepath.Base(page), i + 1}, args...)...)
			}
			names := namedTest.FindAllStringSubmatch(line, -1)
			for _, name := range names {
				if !strings.Contains(testsOf(t, folders, name[1]), "func "+name[2]+"(") {
					complain("%s has no %s", name[1], name[2])
				}
			}
			if loose := looseTest.FindAllString(line, -1); len(loose) != len(names) {
				complain("a test is named without its folder: %v", loose)
			}
			if claims := strings.Contains(line, "| done |") || strings.Contains(line, "| partly |"); claims && len(names) == 0 {
				complain("no test shows it: %s", line)
			}
		}
	}
}

// testsOf returns the text of all test files of a folder.
func testsOf(t *testing.T, folders map[string]string, folder string) string {
	t.Helper()
	if text, ok := folders[folder]; ok {
		return text
	}
	files, err := filepath.Glob(filepath.Join("../..", folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	folders[folder] = all.String()
	return all.String()
}
