// Apigen writes the Go packages of AWS's service models: for each listed action
// its input and output, the shapes they are made of, enumeration values, and a
// table of all actions.
//
//	apigen -spec DIR -actions FILE -out DIR
//
// DIR/SERVICE.json becomes OUT/SERVICE/*.go for each service named in FILE,
// whose lines are "service: Action". The same input always gives the same
// output.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	spec := flag.String("spec", "", "directory of the service models")
	actions := flag.String("actions", "", "file that lists the actions to generate shapes for")
	out := flag.String("out", "", "directory under which the packages are written")
	flag.Parse()
	if err := run(*spec, *actions, *out); err != nil {
		fmt.Fprintln(os.Stderr, "apigen:", err)
		os.Exit(1)
	}
}

// run reads the models and writes one package per service.
func run(specDir, actionsFile, outDir string) error {
	f, err := os.Open(actionsFile)
	if err != nil {
		return err
	}
	defer f.Close()
	wanted, err := readActions(f)
	if err != nil {
		return fmt.Errorf("read %s: %w", actionsFile, err)
	}
	for _, service := range slices.Sorted(maps.Keys(wanted)) {
		spec, err := readSpec(filepath.Join(specDir, service+".json"))
		if err != nil {
			return err
		}
		files, err := generate(service, spec, wanted[service])
		if err != nil {
			return fmt.Errorf("generate %s: %w", service, err)
		}
		if err := writePackage(filepath.Join(outDir, service), files); err != nil {
			return err
		}
	}
	return nil
}

// readActions parses lines of "service: Action"; "#" starts a comment.
func readActions(r io.Reader) (map[string][]string, error) {
	wanted := map[string][]string{}
	for s := bufio.NewScanner(r); ; {
		if !s.Scan() {
			return wanted, s.Err()
		}
		line, _, _ := strings.Cut(s.Text(), "#")
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		service, action, ok := strings.Cut(line, ":")
		if !ok {
			return nil, fmt.Errorf("line %q is not \"service: Action\"", line)
		}
		action = strings.TrimSpace(action)
		if slices.Contains(wanted[service], action) {
			return nil, fmt.Errorf("%s: %s is listed twice", service, action)
		}
		wanted[service] = append(wanted[service], action)
	}
}

// writePackage makes dir hold exactly the given files, as far as generated files
// go: those of an earlier run that are no longer made are removed.
func writePackage(dir string, files map[string][]byte) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	old, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return err
	}
	for _, path := range old {
		if _, ok := files[filepath.Base(path)]; ok {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if strings.HasPrefix(string(text), header) {
			if err := os.Remove(path); err != nil {
				return err
			}
		}
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}
