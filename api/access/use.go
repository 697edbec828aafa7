package access

import (
	"context"
	"log/slog"
	"maps"
	"sync"
	"time"

	"causeway.dev/api/server"
	"causeway.dev/resource"
	"causeway.dev/store"
)

// saveInterval is how old a use of a key gets before it is stored: a crash forgets
// those since. AWS tells of uses hours later.
const saveInterval = 5 * time.Minute

// saveMax is how long the store may take, which is as long as an end may wait for it.
const saveMax = 5 * time.Second

// uses are the latest uses of access keys that are not stored yet. There are at most
// as many as there are keys.
type uses struct {
	mu      sync.Mutex
	unsaved map[string]resource.AccessKeyUse // by key; guarded by mu
}

// NoteUse notes that a key has signed a call, whatever becomes of it. Keys of the
// configuration are not IAM's, and sessions have none of their own.
func (g *Guard) NoteUse(c server.Caller, service string) {
	if c.Key.Session != nil || c.Key.User == "" {
		return
	}
	if _, ok := g.cfg.Keys.Lookup(c.AccessKeyID); ok {
		return
	}
	use := resource.AccessKeyUse{
		Meta: resource.Meta{ID: c.AccessKeyID, Account: c.Account, Region: resource.GlobalRegion},
		At:   c.Now.UTC().Truncate(time.Second), Service: service, InRegion: c.Region,
	}
	g.uses.mu.Lock()
	defer g.uses.mu.Unlock()
	g.uses.unsaved[use.ID] = use
}

// LastUse tells when an access key of an account was used last, if ever.
func (g *Guard) LastUse(account, id string) (resource.AccessKeyUse, bool) {
	g.uses.mu.Lock()
	use, ok := g.uses.unsaved[id]
	g.uses.mu.Unlock()
	if ok && use.Account == account {
		return use, true
	}
	return store.AccessKeyUses.Get(g.cfg.Store.Snapshot(), Scope(account), id)
}

// SaveUses stores the uses of keys now and then until ctx ends, and once more then.
func (g *Guard) SaveUses(ctx context.Context, log *slog.Logger) error {
	tick := time.NewTicker(saveInterval)
	defer tick.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
		if err := g.saveUses(context.WithoutCancel(ctx)); err != nil {
			log.Warn("the last uses of access keys could not be stored", "error", err)
		}
	}
	return nil
}

// saveUses stores what is not stored yet: at most one record a key.
func (g *Guard) saveUses(ctx context.Context) error {
	g.uses.mu.Lock()
	unsaved := maps.Clone(g.uses.unsaved)
	g.uses.mu.Unlock()
	if len(unsaved) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, saveMax)
	defer cancel()
	if err := g.cfg.Store.Update(ctx, func(tx *store.Tx) error {
		for id, use := range unsaved {
			if _, ok := store.AccessKeys.Get(tx, Scope(use.Account), id); ok { // it may have been deleted since
				store.AccessKeyUses.Put(tx, use)
			}
		}
		return nil
	}); err != nil {
		return err
	}
	g.uses.mu.Lock()
	defer g.uses.mu.Unlock()
	maps.DeleteFunc(g.uses.unsaved, func(id string, use resource.AccessKeyUse) bool {
		return use.At.Equal(unsaved[id].At) && use.Service == unsaved[id].Service && use.InRegion == unsaved[id].InRegion
	})
	return nil
}
