// Package storetest opens stores for the tests of other packages.
package storetest

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"causeway.dev/internal/seal"
	"causeway.dev/store"
)

// Open returns an empty store in a temporary directory, closed when the test
// ends. It does not wait for the disk. Opening takes a fraction of a second:
// tests that need only records of their own may share one and use an account
// each.
func Open(t testing.TB) *store.Store {
	t.Helper()
	s, err := OpenDir(t.TempDir())
	if err != nil {
		t.Fatalf("open a store: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close the store: %v", err)
		}
	})
	return s
}

// OpenDir is Open for a TestMain, which has no test to end: the caller closes
// the store and removes the directory, which exists.
func OpenDir(dir string) (*store.Store, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	ring, err := seal.Load(filepath.Join(dir, "seal.key"))
	if err != nil {
		return nil, err
	}
	return store.Open(ctx, store.Config{Dir: dir, NoSync: true, Keyring: ring, Logger: slog.New(slog.DiscardHandler)})
}
