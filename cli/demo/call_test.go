package demo

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fakeCLI stands for the AWS CLI: it reads its file:// parameters, notes that it
// asks the API, and answers with its action and what it read.
const fakeCLI = `#!/bin/sh
shift 3; action=$1; read=
for a; do case $a in file://*) read="$read<$(cat "${a#file://}")>" ;; esac; done
echo "$action" >>asked
[ "$action" != fail ] || exit 3
echo "$action$read"
`

func fakeStage(t *testing.T) *stage {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(dir, "aws")
	if err := os.WriteFile(program, []byte(fakeCLI), 0o700); err != nil {
		t.Fatal(err)
	}
	return &stage{o: Options{Out: io.Discard}, dir: dir, awsProgram: program, endpoint: "http://127.0.0.1:1"}
}

// Given calls that refer to each other, when all start at once, then each asks
// the API after those it refers to or needs, with their answers.
func TestCallsHandAnswersOn(t *testing.T) {
	s := fakeStage(t)
	a := &call{action: "a", query: "x"}
	b := &call{action: "b", query: "x", arguments: []any{"--a", ref{of: a}}}
	c := &call{action: "c", query: "x", aside: true, arguments: []any{"--b", ref{of: b, format: `["%s"]`}, "--a", ref{of: a}}}
	var then string
	d := &call{action: "d", arguments: []any{"--a", ref{of: a}}, needs: []*call{c}, then: func(_ context.Context, answer string) error {
		then = answer
		return nil
	}}
	if err := s.callAll(t.Context(), d, c, b, a); err != nil {
		t.Fatal(err)
	}
	if want := `c<["b<a>"]><a>`; c.answer != want {
		t.Errorf("c answered %q, want %q", c.answer, want)
	}
	if then != "d<a>" {
		t.Errorf("then got %q", then)
	}
	asked, err := os.ReadFile(filepath.Join(s.dir, "asked"))
	if err != nil || string(asked) != "a\nb\nc\nd\n" {
		t.Errorf("asked in the order %q, %v", asked, err)
	}
}

// Given a call that fails, then those that wait for it end, and the error is its.
func TestFailedCallEndsAll(t *testing.T) {
	s := fakeStage(t)
	failing := &call{action: "fail"}
	waiting := &call{action: "b", arguments: []any{"--a", ref{of: failing}}, then: func(context.Context, string) error {
		return errors.New("what needs the failed call went on")
	}}
	err := s.callAll(t.Context(), waiting, failing)
	if err == nil || !strings.Contains(err.Error(), "ec2 fail") || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("got %v", err)
	}
}
