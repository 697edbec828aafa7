package netlab

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// WithProgram is for TestMain: it calls run with causeway's executable, the one
// that CAUSEWAY_PROGRAM names or one that it builds from the tree and removes
// afterwards, and returns what run does. Where nothing will run it, in short
// tests and without root, nothing is built. Flags must have been parsed.
func WithProgram(run func(program string) int) int {
	if program := os.Getenv("CAUSEWAY_PROGRAM"); program != "" || testing.Short() || os.Geteuid() != 0 {
		return run(program)
	}
	dir, err := os.MkdirTemp("", "causeway-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program, err := BuildProgram(dir)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return run(program)
}

// BuildProgram builds causeway as it is now into a directory and returns its
// file.
func BuildProgram(dir string) (string, error) {
	program := filepath.Join(dir, "causeway")
	build := exec.Command("go", "build", "-o", program, "causeway.dev/cmd/causeway")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build causeway: %w\n%s", err, out)
	}
	return program, nil
}
