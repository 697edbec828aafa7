package main

import (
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/template"
)

//go:embed page.md.tmpl
var pageTemplate string

// page fills the template.
func (r *results) page() (string, error) {
	t, err := template.New("page").Funcs(template.FuncMap{
		"peer":  r.peer,
		"tests": r.tests,
		"ike":   func(version string) string { return grid(r.Matrix.IKE, version) },
		"esp":   func(version string) string { return grid(r.Matrix.ESP, version) },
		"ways":  r.ways,
		"rest":  r.rest,
		"total": func() int { return sum(r.Matrix.IKE) },
	}).Parse(pageTemplate)
	if err != nil {
		return "", err
	}
	var page strings.Builder
	if err := t.Execute(&page, nil); err != nil {
		return "", err
	}
	return page.String(), nil
}

// peer is a peer's name with its version.
func (r *results) peer(name string) (string, error) {
	for _, p := range r.Peers {
		if strings.HasPrefix(p, name+" ") {
			return p, nil
		}
	}
	return "", fmt.Errorf("no version of %s is recorded", name)
}

// tests are two cells: the tests' names, and how they went.
func (r *results) tests(names ...string) string {
	var said, went []string
	for _, name := range names {
		said = append(said, "`"+name+"`")
		if text := r.Tests[name].String(); !slices.Contains(went, text) {
			went = append(went, text)
		}
	}
	return strings.Join(said, ", ") + " | " + strings.Join(went, "; ")
}

// rest has a row for each test with real peers that the template does not name.
func (r *results) rest() string {
	var rows []string
	for _, name := range slices.Sorted(maps.Keys(r.Tests)) {
		if strings.HasPrefix(name, "test/interop.") && !strings.Contains(pageTemplate, name) {
			rows = append(rows, fmt.Sprintf("| `%s` | %v |", name, r.Tests[name]))
		}
	}
	return strings.Join(rows, "\n")
}

func (o outcome) String() string {
	switch {
	case o.Outcome == "":
		return "not recorded"
	case o.Outcome == skippedOutcome:
		return "skipped: " + o.Reason
	case o.Outcome == failedOutcome && len(o.Failed) > 0:
		return fmt.Sprintf("%d passed, failed: %s", o.Passed, strings.Join(o.Failed, ", "))
	case o.Outcome == failedOutcome:
		return "failed"
	}
	text := "passed"
	if o.Passed > 0 {
		text = fmt.Sprintf("%d passed", o.Passed)
	}
	if len(o.Reached) > 0 {
		text += ": " + strings.Join(o.Reached, "; ")
	}
	return text
}

// grid is a table of proposals and groups with the number of combinations that
// passed.
func grid(counts map[string]int, version string) string {
	proposals, groups := map[string]bool{}, map[string]bool{}
	for key := range counts {
		if of, rest, _ := strings.Cut(key, " "); of == version {
			proposal, group := splitGroup(rest)
			proposals[proposal], groups[group] = true, true
		}
	}
	columns := slices.SortedFunc(maps.Keys(groups), func(a, b string) int { return number(a) - number(b) })
	var text strings.Builder
	text.WriteString("| |")
	for _, g := range columns {
		fmt.Fprintf(&text, " %d |", number(g))
	}
	text.WriteString("\n|---|" + strings.Repeat("---|", len(columns)))
	for _, p := range slices.Sorted(maps.Keys(proposals)) {
		fmt.Fprintf(&text, "\n| %s |", p)
		for _, g := range columns {
			cell := "-"
			if n := counts[version+" "+p+"-"+g]; n > 0 {
				cell = strconv.Itoa(n)
			}
			text.WriteString(" " + cell + " |")
		}
	}
	return text.String()
}

func number(group string) int {
	n, _ := strconv.Atoi(strings.TrimPrefix(group, "group"))
	return n
}

// ways is a table of the ways to meet.
func (r *results) ways() string {
	columns := []string{"psk we begin", "psk they begin", "certificate we begin", "certificate they begin"}
	heads := []string{"key, we begin", "key, they begin", "certificate, we begin", "certificate, they begin"}
	names := map[string]string{"none": "no NAT", "theirs": "NAT before them", "ours": "NAT before us"}
	var text strings.Builder
	text.WriteString("| | " + strings.Join(heads, " | ") + " |\n|---|" + strings.Repeat("---|", len(columns)))
	for _, version := range []string{"ikev1", "ikev2"} {
		for _, nat := range []string{"none", "theirs", "ours"} {
			fmt.Fprintf(&text, "\n| %s, %s |", strings.Replace(version, "ike", "IKE", 1), names[nat])
			for _, c := range columns {
				fmt.Fprintf(&text, " %d |", r.Matrix.Ways[version+" "+c+" nat "+nat])
			}
		}
	}
	return text.String()
}

func sum(counts map[string]int) (total int) {
	for _, n := range counts {
		total += n
	}
	return total
}
