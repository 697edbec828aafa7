package presharedkeys

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"causeway.dev/internal/run"
	"causeway.dev/keysource"
	"causeway.dev/resource"
	"causeway.dev/store"
	"causeway.dev/store/storetest"
)

// waitMax bounds what a loaded machine needs for what takes moments.
const waitMax = 30 * time.Second

// A source has keys by name. An error is given for all of them.
type source struct {
	mu    sync.Mutex
	keys  map[string]string
	err   error
	asked int
}

func (s *source) Fetch(_ context.Context, account, name string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	if s.err != nil {
		return "", s.err
	}
	key, ok := s.keys[account+"/"+name]
	if !ok {
		return "", errors.New("there is no " + name)
	}
	return key, nil
}

func (s *source) set(err error, keys map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err, s.keys = err, keys
}

var scope = store.Scope{Account: "123456789012", Region: "us-east-1"}

func put(t *testing.T, records *store.Store, id string, tunnels ...resource.KeySecretTunnel) {
	t.Helper()
	secret := resource.KeySecret{Meta: resource.Meta{ID: id, Account: scope.Account, Region: scope.Region}}
	copy(secret.Tunnels[:], tunnels)
	if err := records.Update(t.Context(), func(tx *store.Tx) error { store.KeySecrets.Put(tx, secret); return nil }); err != nil {
		t.Fatal(err)
	}
}

// eventually waits until what was fetched for a tunnel is as it should.
func eventually(t *testing.T, records *store.Store, tunnel, what string, good func(resource.FetchedKey, bool) bool) resource.FetchedKey {
	t.Helper()
	for end := time.Now().Add(waitMax); ; time.Sleep(5 * time.Millisecond) {
		f, ok := store.FetchedKeys.Get(records.Snapshot(), scope, tunnel)
		if good(f, ok) {
			return f
		}
		if time.Now().After(end) {
			t.Fatalf("%s: not within %v; problem %q", what, waitMax, f.Problem)
		}
	}
}

func TestKeysAreKeptAsTheyAreAtTheirSource(t *testing.T) {
	t.Parallel()
	records, vault := storetest.Open(t), &source{keys: map[string]string{scope.Account + "/branch": "the.first.key"}}
	var log strings.Builder
	f := &Fetcher{Store: records, Logger: slog.New(slog.NewTextHandler(&log, nil)), Sources: map[string]Source{resource.KeyReferenceVault: vault}, Refresh: 10 * time.Millisecond, FormerKeyLifetime: time.Hour}
	ctx, cancel := context.WithCancel(t.Context())
	group := run.New(ctx)
	group.Go("fetch", f.Run)
	defer func() {
		cancel()
		if err := group.Wait(); err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		for _, key := range []string{"the.first.key", "the.second.key", "0nothing"} {
			if strings.Contains(log.String(), key) {
				t.Error("a key is logged")
			}
		}
	}()
	put(t, records, "vpn-1", resource.KeySecretTunnel{Reference: "vault:branch", Key: "from.before"}, resource.KeySecretTunnel{Key: "of.its.own"})
	has := func(key string) func(resource.FetchedKey, bool) bool {
		return func(f resource.FetchedKey, _ bool) bool { return f.Key == key && f.Problem == "" }
	}
	got := eventually(t, records, "vpn-1/1", "the first key", has("the.first.key"))
	if got.Former != "from.before" || time.Until(got.FormerUntil) < 59*time.Minute-waitMax {
		t.Error("the key from before is to be valid for an hour")
	}

	vault.set(nil, map[string]string{scope.Account + "/branch": "the.second.key"})
	if got := eventually(t, records, "vpn-1/1", "the second key", has("the.second.key")); got.Former != "the.first.key" {
		t.Error("the first key is to be valid beside the second")
	}
	for _, trouble := range []struct {
		err   error
		keys  map[string]string
		words string
	}{
		{fmt.Errorf("%w: nobody answers", keysource.ErrUnavailable), nil, "nobody answers"},
		{nil, nil, "there is no branch"},
		{nil, map[string]string{scope.Account + "/branch": "0nothing"}, "begins with 0"},
	} {
		vault.set(trouble.err, trouble.keys)
		got := eventually(t, records, "vpn-1/1", trouble.words, func(f resource.FetchedKey, _ bool) bool { return strings.Contains(f.Problem, trouble.words) })
		if got.Key != "the.second.key" || got.Since.IsZero() || strings.Contains(got.Problem, "0nothing") {
			t.Errorf("%s: the last key is to stay valid, and when it began to be known", trouble.words)
		}
	}
	vault.set(nil, map[string]string{scope.Account + "/branch": "the.second.key"})
	if got := eventually(t, records, "vpn-1/1", "the source is back", has("the.second.key")); !got.Since.IsZero() {
		t.Error("there is no problem since some time")
	}

	if _, ok := store.FetchedKeys.Get(records.Snapshot(), scope, "vpn-1/2"); ok {
		t.Error("something was fetched for a tunnel with a key")
	}
	put(t, records, "vpn-1", resource.KeySecretTunnel{Key: "of.its.own"})
	eventually(t, records, "vpn-1/1", "what nobody refers to is forgotten", func(_ resource.FetchedKey, ok bool) bool { return !ok })
}

// However many keys a source has, it is asked for few of them while nobody answers.
func TestSourceThatIsNotAvailableIsNotAskedOften(t *testing.T) {
	t.Parallel()
	records, vault := storetest.Open(t), &source{err: keysource.ErrUnavailable}
	const connections = 100
	var all []want
	for n := range connections {
		id := fmt.Sprintf("vpn-%03d", n)
		put(t, records, id, resource.KeySecretTunnel{Reference: "vault:branch"})
		all = append(all, want{scope, id, 0, "vault:branch"})
	}
	f := &Fetcher{Store: records, Logger: slog.New(slog.DiscardHandler), Sources: map[string]Source{resource.KeyReferenceVault: vault}}
	if err := f.fetch(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	if vault.asked > asking {
		t.Errorf("asked %d times, at most %d ask at once", vault.asked, asking)
	}
	for _, w := range all {
		if f, _ := store.FetchedKeys.Get(records.Snapshot(), scope, w.tunnel()); f.Problem == "" {
			t.Fatalf("%s: nobody says why there is no key", w.tunnel())
		}
	}
}

func TestReferenceThatHasChangedMeanwhile(t *testing.T) {
	t.Parallel()
	records := storetest.Open(t)
	put(t, records, "vpn-1", resource.KeySecretTunnel{Reference: "vault:another"})
	f := &Fetcher{Store: records, Logger: slog.New(slog.DiscardHandler), Sources: map[string]Source{resource.KeyReferenceVault: &source{keys: map[string]string{scope.Account + "/branch": "the.first.key"}}}}
	if err := f.fetch(t.Context(), []want{{scope, "vpn-1", 0, "vault:branch"}}); err != nil {
		t.Fatal(err)
	}
	if _, ok := store.FetchedKeys.Get(records.Snapshot(), scope, "vpn-1/1"); ok {
		t.Error("the key of a reference that is no more is used")
	}
}
