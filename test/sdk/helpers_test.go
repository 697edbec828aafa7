package sdk

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// unusedHelpers are the SDK's waiters and paginators that no test uses, with the
// reason.
var unusedHelpers = map[string]string{
	"NewVolumeAvailableWaiter":       "there are no volumes",
	"NewVolumeInUseWaiter":           "there are no volumes",
	"NewPasswordDataAvailableWaiter": "instances are not Windows'",
}

var (
	helperForm  = regexp.MustCompile(`(?m)^func (New\w+(?:Paginator|Waiter))\(`)
	sectionForm = regexp.MustCompile(`(?m)^## (\w+) \(version`)
	builtForm   = regexp.MustCompile(`\*\*(\w+)\*\*`)
)

// Each waiter and each paginator that the SDK has for an action that is built is used
// here.
func TestHelpersOfBuiltActions(t *testing.T) {
	var tests strings.Builder
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		tests.Write(read(t, file))
	}
	page := read(t, "../../docs/api-coverage.md")
	sections := sectionForm.FindAllSubmatchIndex(page, -1)
	modules := map[string]string{"ec2": "ec2", "iam": "iam", "sts": "sts", "acm": "acm", "logs": "cloudwatchlogs"}
	helpers := 0
	for n, section := range sections {
		end := len(page)
		if n+1 < len(sections) {
			end = sections[n+1][0]
		}
		module := modules[string(page[section[2]:section[3]])]
		if module == "" {
			continue // no test has its client
		}
		dir := moduleDir(t, "github.com/aws/aws-sdk-go-v2/service/"+module)
		for _, action := range builtForm.FindAllSubmatch(page[section[1]:end], -1) {
			for _, m := range helperForm.FindAllSubmatch(read(t, filepath.Join(dir, "api_op_"+string(action[1])+".go")), -1) {
				helpers++
				name := string(m[1])
				if used := strings.Contains(tests.String(), "."+name+"("); used == (unusedHelpers[name] != "") {
					t.Errorf("%s.%s is used: %v, and unusedHelpers says %q", module, name, used, unusedHelpers[name])
				}
			}
		}
	}
	if helpers < 80 {
		t.Errorf("the SDK has %d waiters and paginators", helpers)
	}
}

// moduleDir is where the source of a module is.
func moduleDir(t *testing.T, module string) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		t.Fatalf("go list -m %s: %v", module, err)
	}
	return string(bytes.TrimSpace(out))
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
