// Package reconcile does what follows from records: a loop that looks at every
// new snapshot of the store, finds what is due, and does it in transactions.
//
// The loop knows no events. What is due follows from the snapshot alone, so
// nothing is lost when a process dies between a change and its consequence, and
// nothing is done twice.
package reconcile

import (
	"context"
	"iter"
	"log/slog"
	"time"

	"causeway.dev/internal/run"
	"causeway.dev/resource"
	"causeway.dev/store"
)

const (
	// settle is how long a loop waits after a change for more to come, so that
	// a burst of writes is looked at once.
	settle = 5 * time.Millisecond

	// Errors of one record are tried again after backoffMin, then after twice
	// as long, and so on up to backoffMax.
	backoffMin = 100 * time.Millisecond
	backoffMax = time.Minute
)

// A Key names a record of a table that the reader knows.
type Key struct {
	store.Scope
	ID string
}

// KeyOf names the record that has this Meta.
func KeyOf(m *resource.Meta) Key {
	return Key{store.Scope{Account: m.Account, Region: m.Region}, m.ID}
}

// A Duty is one kind of consequence.
type Duty struct {
	Name string // for logs: "remove deleted VPN connections"

	// Due yields the records for which there is something to do, with the time
	// from when on; the zero time is at once. It reads only the snapshot.
	Due func(snapshot *store.Snapshot) iter.Seq2[Key, time.Time]

	// Do does it in a transaction. It looks again whether there is something
	// to do: since the snapshot, the record may have changed. It may run
	// several times, as every function that is given to store.Update.
	Do func(tx *store.Tx, key Key, now time.Time) error
}

// Run does the duties until ctx ends, each in a goroutine of its own.
func Run(ctx context.Context, s *store.Store, logger *slog.Logger, duties ...Duty) error {
	group := run.New(ctx)
	for _, duty := range duties {
		l := &loop{store: s, logger: logger.With("duty", duty.Name), duty: duty, failed: make(map[Key]failure)}
		group.Go(duty.Name, l.run)
	}
	return group.Wait()
}

// A loop is one duty at work. It belongs to one goroutine.
type loop struct {
	store  *store.Store
	logger *slog.Logger
	duty   Duty
	failed map[Key]failure // records whose last attempt failed
}

// failure is when a record may be tried again.
type failure struct {
	again   time.Time
	backoff time.Duration
}

func (l *loop) run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		snapshot := l.store.Snapshot()
		next, any := l.pass(ctx, snapshot)
		if any {
			timer.Reset(time.Until(next))
		} else {
			timer.Stop()
		}
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case <-l.store.Changed(snapshot.Revision()):
			timer.Reset(settle)
			select {
			case <-ctx.Done():
				return nil
			case <-timer.C:
			}
		}
	}
}

// pass does what is due now and returns when the next thing will be, if any.
func (l *loop) pass(ctx context.Context, snapshot *store.Snapshot) (next time.Time, any bool) {
	failed := l.failed
	l.failed = make(map[Key]failure) // what is no longer due is forgotten
	later := func(at time.Time) {
		if !any || at.Before(next) {
			next, any = at, true
		}
	}
	for key, due := range l.duty.Due(snapshot) {
		if ctx.Err() != nil {
			return next, any
		}
		before, again := failed[key]
		if again && before.again.After(due) {
			due = before.again
		}
		now := time.Now()
		if due.After(now) {
			if again {
				l.failed[key] = before
			}
			later(due)
			continue
		}
		err := l.store.Update(ctx, func(tx *store.Tx) error { return l.duty.Do(tx, key, now) })
		if err == nil || ctx.Err() != nil {
			continue
		}
		backoff := min(max(2*before.backoff, backoffMin), backoffMax)
		l.failed[key] = failure{now.Add(backoff), backoff}
		later(now.Add(backoff))
		l.logger.Error("trying again later", "account", key.Account, "region", key.Region, "id", key.ID, "after", backoff, "error", err)
	}
	return next, any
}
