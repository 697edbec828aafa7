package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// How a test went.
const (
	passedOutcome  = "passed"
	failedOutcome  = "failed"
	skippedOutcome = "skipped"
)

// results are how tests went, without a word of when.
type results struct {
	Peers []string           `json:"peers"` // names and versions
	Tests map[string]outcome `json:"tests"` // by folder and name

	// Matrix counts the combinations that passed: of IKE by its version, proposal
	// and group, of ESP likewise, and by the ways to meet.
	Matrix matrix `json:"matrix"`

	// While reading: the combinations that Matrix is made of, and the subtests that
	// are counted. What was run twice counts once.
	combinations, counted map[string]bool
}

type matrix struct {
	IKE  map[string]int `json:"ike"`  // "ikev2 aes128-sha1-group2"
	ESP  map[string]int `json:"esp"`  // "ikev2 aes128gcm16-group2"
	Ways map[string]int `json:"ways"` // "ikev2 psk we begin nat none"
}

// An outcome is how one test went.
type outcome struct {
	Outcome string   `json:"outcome"`
	Passed  int      `json:"passed,omitempty"`  // subtests without subtests of their own
	Failed  []string `json:"failed,omitempty"`  // the same
	Reason  string   `json:"reason,omitempty"`  // why it was skipped
	Reached []string `json:"reached,omitempty"` // how far it came, where the peer or the machine can't go on
}

func newResults() *results {
	return &results{Tests: map[string]outcome{}, combinations: map[string]bool{}, counted: map[string]bool{}}
}

// An event is a line of `go test -json`.
type event struct {
	Action, Package, Test, Output, Key, Value string
}

const module = "causeway.dev/"

// read adds a stream of events. What failed is told to log with what it has written.
func (r *results) read(from io.Reader, log io.Writer) error {
	outputs := map[string]*strings.Builder{}
	ended := map[string]string{} // by folder, name and subtest; a failure stays
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return fmt.Errorf("%w: %.80q", err, lines.Text())
		}
		if e.Test == "" {
			continue
		}
		name := strings.TrimPrefix(e.Package, module) + "." + e.Test
		switch e.Action {
		case "attr":
			r.attribute(name, e.Key, e.Value)
		case "output":
			if outputs[name] == nil {
				outputs[name] = new(strings.Builder)
			}
			outputs[name].WriteString(e.Output)
		case "pass", "fail", "skip":
			if ended[name] != "fail" {
				ended[name] = e.Action
			}
			if e.Action == "fail" && outputs[name] != nil {
				fmt.Fprint(log, outputs[name])
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(ended)) {
		r.end(name, ended[name], hasSubtests(name, ended), outputs[name])
	}
	for name, o := range r.Tests {
		slices.Sort(o.Failed)
		fmt.Fprintf(log, "%-8s %s %d\n", o.Outcome, name, o.Passed)
	}
	return lines.Err()
}

func hasSubtests(name string, all map[string]string) bool {
	for other := range all {
		if strings.HasPrefix(other, name+"/") {
			return true
		}
	}
	return false
}

// cutSubtest takes "test/interop.TestA/x" apart.
func cutSubtest(name string) (top, sub string, isSub bool) {
	folder, rest, _ := strings.Cut(name, ".")
	top, sub, isSub = strings.Cut(rest, "/")
	return folder + "." + top, sub, isSub
}

// attribute takes what a test tells of itself.
func (r *results) attribute(name, key, value string) {
	switch key {
	case "peer":
		if !slices.Contains(r.Peers, value) {
			r.Peers = append(r.Peers, value)
			slices.Sort(r.Peers)
		}
	case "reached":
		top, _, _ := cutSubtest(name)
		o := r.Tests[top]
		if !slices.Contains(o.Reached, value) {
			o.Reached = append(o.Reached, value)
			slices.Sort(o.Reached)
		}
		r.Tests[top] = o
	case "combination":
		r.combine(value)
	}
}

// combine takes a combination of the matrix: "ikev2 aes128-sha1-group2 esp
// aes128gcm16 psk we begin nat none".
func (r *results) combine(text string) {
	f := strings.Fields(text)
	if len(f) != 9 || r.combinations[text] {
		return
	}
	r.combinations[text] = true
	if r.Matrix.IKE == nil {
		r.Matrix = matrix{map[string]int{}, map[string]int{}, map[string]int{}}
	}
	_, group := splitGroup(f[1])
	r.Matrix.IKE[f[0]+" "+f[1]]++
	r.Matrix.ESP[f[0]+" "+f[3]+"-"+group]++
	r.Matrix.Ways[f[0]+" "+strings.Join(f[4:], " ")]++
}

// splitGroup takes the group off a proposal.
func splitGroup(proposal string) (rest, group string) {
	i := strings.LastIndex(proposal, "-")
	return proposal[:i], proposal[i+1:]
}

// end takes how a test or subtest ended. A stream may have parts of a test that was
// run in pieces: one failure fails it.
func (r *results) end(name, action string, parent bool, output *strings.Builder) {
	top, sub, isSub := cutSubtest(name)
	o := r.Tests[top]
	switch {
	case action == "fail":
		o.Outcome = failedOutcome
		if isSub && !parent {
			o.Failed = append(o.Failed, sub)
		}
	case action == "skip" && !isSub:
		o.Outcome, o.Reason = skippedOutcome, reasonOf(output)
	case action == "pass" && o.Outcome == "" && !isSub:
		o.Outcome = passedOutcome
	}
	if action == "pass" && isSub && !parent && !r.counted[name] {
		r.counted[name] = true
		o.Passed++
	}
	r.Tests[top] = o
}

// reasonOf finds what t.Skip was given: "    file_test.go:12: reason".
func reasonOf(output *strings.Builder) string {
	if output == nil {
		return ""
	}
	for line := range strings.Lines(output.String()) {
		if _, reason, ok := strings.Cut(line, "_test.go:"); ok {
			_, reason, _ = strings.Cut(reason, ": ")
			return strings.TrimSpace(reason)
		}
	}
	return ""
}

// merge takes over what another run has found: the tests that it has, and the
// matrix if it has one.
func (r *results) merge(news *results) {
	maps.Copy(r.Tests, news.Tests)
	for _, p := range news.Peers {
		name, _, _ := strings.Cut(p, " ")
		r.Peers = slices.DeleteFunc(r.Peers, func(old string) bool { return strings.HasPrefix(old, name+" ") })
		r.Peers = append(r.Peers, p)
	}
	slices.Sort(r.Peers)
	if news.Matrix.IKE != nil {
		r.Matrix = news.Matrix
	}
}
