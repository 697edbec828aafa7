// Command interop makes docs/protocols/interop.md of what tests with real peers have
// found: their results, as `go test -json` tells them, fill the tables of page.md.tmpl.
//
//	interop -show FILE…    say how the tests of FILEs went; fails if one failed
//	interop -record FILE…  the same, and keep it in results.json and on the page
//	interop                make the page of results.json
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

const (
	resultsFile = "tools/interop/results.json"
	pageFile    = "docs/protocols/interop.md"
)

func main() {
	show := flag.Bool("show", false, "only say how the tests of the files went")
	record := flag.Bool("record", false, "keep how the tests of the files went")
	flag.Parse()
	if err := run(*show, *record, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "interop:", err)
		os.Exit(1)
	}
}

func run(show, record bool, files []string) error {
	kept, err := load(resultsFile)
	if err != nil {
		return err
	}
	var failed error
	if show || record {
		news := newResults()
		for _, name := range files {
			if err := readFile(name, news, os.Stdout); err != nil {
				return err
			}
		}
		for name, o := range news.Tests {
			if o.Outcome == failedOutcome {
				failed = errors.Join(failed, fmt.Errorf("%s failed", name))
			}
		}
		if show {
			return failed
		}
		kept.merge(news)
	}
	page, err := kept.page()
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(kept, "", " ")
	if err != nil {
		return err
	}
	return errors.Join(failed, os.WriteFile(resultsFile, append(text, '\n'), 0o644), os.WriteFile(pageFile, []byte(page), 0o644))
}

func load(name string) (*results, error) {
	r := newResults()
	text, err := os.ReadFile(filepath.Clean(name))
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return r, nil
}

func readFile(name string, into *results, log io.Writer) error {
	file, err := os.Open(filepath.Clean(name))
	if err != nil {
		return err
	}
	defer file.Close()
	if err := into.read(file, log); err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	return nil
}
