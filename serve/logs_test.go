package serve

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"causeway.dev/logs"
)

// A log store that is no database, or has been cut, is moved aside with a word, and an
// empty one takes its place.
func TestSpoiltLogsAreMovedAside(t *testing.T) {
	cfg := Config{DataDir: t.TempDir()}
	var said strings.Builder
	log, file := slog.New(slog.NewTextHandler(&said, nil)), filepath.Join(cfg.DataDir, logsFile)
	scope := logs.Scope{Account: "1", Region: "r"}
	for name, spoil := range map[string]func([]byte) []byte{
		"text":  func([]byte) []byte { return []byte("no database") },
		"zeros": func(b []byte) []byte { return make([]byte, len(b)) },
		"cut":   func(b []byte) []byte { return b[:100] },
	} {
		said.Reset()
		store, err := openLogs(cfg, log)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := store.Group(scope, "g"); err == nil {
			t.Fatalf("before %s: the group is there", name)
		}
		if err := store.CreateGroup(scope, logs.Group{Name: "g", Created: time.Now()}); err != nil {
			t.Fatal(err)
		}
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
		whole, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, spoil(whole), 0o600); err != nil {
			t.Fatal(err)
		}
		if store, err = openLogs(cfg, log); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if n := store.Usage().Spoilt; n != 1 {
			t.Errorf("%s: %d are counted", name, n)
		}
		if aside, _ := filepath.Glob(file + ".spoilt-*"); len(aside) == 0 || !strings.Contains(said.String(), "moved aside") {
			t.Errorf("%s: %v are kept; said: %s", name, aside, said.String())
		}
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
