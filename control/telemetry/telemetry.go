// Package telemetry writes down what nodes see: which tunnels are up and which
// instances run. It writes what has changed only, so that a quiet network does
// not write at all.
package telemetry

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"causeway.dev/nodespec"
	"causeway.dev/store"
)

// batchMax is how many records one transaction writes: enough to bring
// thousands of tunnels up in moments, and within the limits of any etcd.
const batchMax = 50

// settleFor is how long Run waits after a change for more to come.
const settleFor = 20 * time.Millisecond

// retryAfter is how long Run waits when the store could not be written.
const retryAfter = time.Second

// A Reporter turns the node's observations into the statuses of tunnels and
// instances.
type Reporter struct {
	store  *store.Store
	logger *slog.Logger

	now     func() time.Time
	writing sync.Mutex // held while statuses are compared and written

	mu   sync.Mutex
	seen *nodespec.Observed // guarded by mu; the newest report, nil before the first
}

// New returns a Reporter that writes to a store.
func New(s *store.Store, logger *slog.Logger) *Reporter {
	return &Reporter{store: s, logger: logger, now: time.Now}
}

// Report takes what the node sees, and returns when the statuses say so. What
// is not in it is not there.
func (r *Reporter) Report(ctx context.Context, seen nodespec.Observed) error {
	r.mu.Lock()
	r.seen = &seen
	r.mu.Unlock()
	return r.write(ctx)
}

// Run keeps the statuses true while records change and the node has nothing new
// to say, until ctx ends: an instance that is terminated before it ran is
// terminated at once.
func (r *Reporter) Run(ctx context.Context) error {
	var wrote int64
	for {
		snapshot := r.store.Snapshot()
		var retry <-chan time.Time
		if wanted := max(store.Instances.Revision(snapshot), store.VPNConnections.Revision(snapshot)); wanted > wrote {
			if err := r.write(ctx); err != nil {
				if ctx.Err() != nil {
					return nil
				}
				r.logger.Error("statuses are not written; trying again", "after", retryAfter, "error", err)
				retry = time.After(retryAfter)
			} else {
				wrote = wanted
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-retry:
		case <-r.store.Changed(snapshot.Revision()):
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(settleFor):
		}
	}
}
