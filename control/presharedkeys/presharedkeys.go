// Package presharedkeys keeps the keys of tunnels whose secrets refer to a file or an
// external store as they are there.
package presharedkeys

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"sync"
	"time"

	"causeway.dev/internal/run"
	"causeway.dev/keysource"
	"causeway.dev/resource"
	"causeway.dev/store"
)

const (
	// RefreshDefault is how often keys are fetched anew.
	RefreshDefault = time.Minute

	// asking is how many keys are asked for at once, problemMax how much is kept of
	// what went wrong.
	asking     = 8
	problemMax = 300
)

// A Source is where keys are kept.
type Source interface {
	// Fetch returns the key of an account with a name. Its error has
	// keysource.ErrUnavailable in it if nothing else can be had now either.
	Fetch(ctx context.Context, account, name string) (string, error)
}

// A Fetcher fetches the keys that secrets refer to, when a reference is new and then
// every Refresh. What it has fetched stays valid while nothing new can be had.
type Fetcher struct {
	Store   *store.Store
	Logger  *slog.Logger
	Sources map[string]Source // by kind of reference

	Refresh           time.Duration // RefreshDefault if 0
	FormerKeyLifetime time.Duration // how long a key that was replaced is valid beside the new one
}

// A want is a key that a tunnel needs.
type want struct {
	scope      store.Scope
	connection string
	index      int // of the tunnel in its connection
	reference  string
}

// tunnel is the tunnel's id.
func (w want) tunnel() string { return resource.TunnelID(w.connection, w.index+1) }

// Run fetches until ctx ends.
func (f *Fetcher) Run(ctx context.Context) error {
	refresh := f.Refresh
	if refresh == 0 {
		refresh = RefreshDefault
	}
	due := map[want]time.Time{}
	seen := int64(-1)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		snapshot := f.Store.Snapshot()
		if now := time.Now(); seen != store.KeySecrets.Revision(snapshot) || anyDue(due, now) {
			seen = store.KeySecrets.Revision(snapshot)
			known := due
			due = map[want]time.Time{}
			var ask []want
			for w := range wants(snapshot) {
				at, ok := known[w]
				if !ok || !at.After(now) {
					ask, at = append(ask, w), now.Add(refresh)
				}
				due[w] = at
			}
			if err := f.forget(ctx, snapshot, due); err != nil {
				f.Logger.Warn("forget keys that nobody refers to", "err", err)
			}
			if err := f.fetch(ctx, ask); err != nil && ctx.Err() == nil {
				f.Logger.Warn("fetch pre-shared keys", "err", err)
			}
		}
		timer.Reset(refresh)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		case <-f.Store.Changed(snapshot.Revision()):
		}
	}
}

func anyDue(due map[want]time.Time, now time.Time) bool {
	for _, at := range due {
		if !at.After(now) {
			return true
		}
	}
	return false
}

// wants are the keys that secrets refer to.
func wants(r store.Reader) map[want]bool {
	all := map[want]bool{}
	for secret := range store.KeySecrets.All(r) {
		for i, t := range secret.Tunnels {
			if t.Reference != "" {
				all[want{store.Scope{Account: secret.Account, Region: secret.Region}, secret.ID, i, t.Reference}] = true
			}
		}
	}
	return all
}

// forget removes what was fetched for tunnels that refer to nothing any more.
func (f *Fetcher) forget(ctx context.Context, snapshot *store.Snapshot, wanted map[want]time.Time) error {
	tunnels := map[string]bool{}
	for w := range wanted {
		tunnels[w.tunnel()] = true
	}
	var gone []resource.FetchedKey
	for fetched := range store.FetchedKeys.All(snapshot) {
		if !tunnels[fetched.ID] {
			gone = append(gone, fetched)
		}
	}
	if len(gone) == 0 {
		return nil
	}
	return f.Store.Update(ctx, func(tx *store.Tx) error {
		still := map[string]bool{}
		for w := range wants(tx) {
			still[w.tunnel()] = true
		}
		for _, fetched := range gone {
			if !still[fetched.ID] {
				store.FetchedKeys.Delete(tx, store.Scope{Account: fetched.Account, Region: fetched.Region}, fetched.ID)
			}
		}
		return nil
	})
}

// fetch asks for keys, some at a time, and stores what has changed. A source that is
// not available is not asked again by the same pass.
func (f *Fetcher) fetch(ctx context.Context, all []want) error {
	group := run.New(ctx)
	queue := make(chan want, len(all))
	for _, w := range all {
		queue <- w
	}
	close(queue)
	var down outages
	for range min(asking, len(all)) {
		group.Go("fetch key", func(ctx context.Context) error {
			for w := range queue {
				key, err := f.ask(ctx, w, &down)
				if ctx.Err() != nil {
					return ctx.Err()
				}
				if err := f.settle(ctx, w, key, err); err != nil {
					return fmt.Errorf("store the key of %s: %w", w.tunnel(), err)
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// outages are the sources that were not available in a pass.
type outages struct {
	mu   sync.Mutex
	down map[string]error // guarded by mu; by kind
}

func (o *outages) of(kind string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.down[kind]
}

func (o *outages) note(kind string, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.down == nil {
		o.down = map[string]error{}
	}
	o.down[kind] = err
}

// ask returns the key that is wanted, in a form that can be used.
func (f *Fetcher) ask(ctx context.Context, w want, down *outages) (string, error) {
	kind, name, err := resource.ParseKeyReference(w.reference)
	if err != nil {
		return "", err
	}
	source := f.Sources[kind]
	if source == nil {
		return "", fmt.Errorf("this installation fetches no keys from a %s any more", kind)
	}
	if err := down.of(kind); err != nil {
		return "", err
	}
	key, err := source.Fetch(ctx, w.scope.Account, name)
	if errors.Is(err, keysource.ErrUnavailable) {
		down.note(kind, err)
	}
	if err == nil {
		err = resource.ValidatePreSharedKey(key)
	}
	return key, err
}

// settle stores a key, or why there is none, if that is new and still wanted.
func (f *Fetcher) settle(ctx context.Context, w want, key string, failed error) error {
	var before, after resource.FetchedKey
	err := f.Store.Update(ctx, func(tx *store.Tx) error {
		secret, _ := store.KeySecrets.Get(tx, w.scope, w.connection)
		before, _ = store.FetchedKeys.Get(tx, w.scope, w.tunnel())
		after = before
		entry := secret.Tunnels[w.index]
		if entry.Reference != w.reference {
			return nil
		}
		after.Meta = resource.Meta{ID: w.tunnel(), Account: w.scope.Account, Region: w.scope.Region}
		now := time.Now().UTC().Truncate(time.Second)
		if failed != nil {
			said := failed.Error()
			after.Problem = strings.ToValidUTF8(said[:min(len(said), problemMax)], "")
			if before.Problem == "" {
				after.Since = now
			}
		} else {
			keys := entry.Keys(before).Replace(key, now.Add(f.FormerKeyLifetime))
			after.Key, after.Former, after.FormerUntil = keys.Key, keys.Former, keys.FormerUntil
			after.Problem, after.Since = "", time.Time{}
		}
		if !reflect.DeepEqual(before, after) {
			store.FetchedKeys.Put(tx, after)
		}
		return nil
	})
	switch log := f.Logger.With("tunnel", w.tunnel(), "reference", w.reference); {
	case err != nil:
		return err
	case after.Problem != before.Problem && after.Problem != "":
		log.Warn("a pre-shared key can't be fetched", "err", after.Problem)
	case after.Key != before.Key, after.Problem != before.Problem:
		log.Info("pre-shared key fetched")
	}
	return nil
}
