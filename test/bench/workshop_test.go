package bench

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// A workshop builds the programs that a run needs, each once.
type workshop struct {
	dir   string
	built map[string]string // package -> file
}

func newWorkshop(dir string) *workshop { return &workshop{dir: dir, built: map[string]string{}} }

// build builds a main package of the module in a folder of this tree, where ""
// is the tree's own, and returns the program's file.
func (w *workshop) build(module, pkg string) (string, error) {
	if program, ok := w.built[pkg]; ok {
		return program, nil
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		return "", err
	}
	program := filepath.Join(w.dir, fmt.Sprintf("%d-%s", len(w.built), filepath.Base(pkg)))
	build := exec.Command("go", "build", "-o", program, pkg)
	build.Dir = filepath.Join(root, module)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", pkg, err, out)
	}
	w.built[pkg] = program
	return program, nil
}
