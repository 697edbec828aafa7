// Package telemetry writes down what nodes see: which tunnels are up and which
// instances run. It writes what has changed only, so that a quiet network does
// not write at all.
package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"causeway.dev/nodespec"
	"causeway.dev/store"
)

// batchMax and batchBytesMax are how much one transaction writes: enough to bring
// thousands of tunnels up in moments, and within the limits of any etcd, which takes
// requests of 1.5 MiB (--max-request-bytes).
const (
	batchMax      = 50
	batchBytesMax = 1 << 20
)

// A Reporter turns the node's observations into the statuses of tunnels,
// instances, network interfaces and NAT gateways, and forgets pre-shared keys that
// have been replaced where they are. What is told by BGP, and how often, others decide:
// of one tunnel so much of it is written as its budget allows, and the rest, as it is
// then, a little later.
type Reporter struct {
	store *store.Store
	log   *slog.Logger
	now   func() time.Time

	mu      sync.Mutex // one report is written at a time
	seen    nodespec.Observed
	budgets map[key]*budget // of tunnels that speak BGP
	waiting time.Time       // when something of seen may be written that could not be yet; zero: nothing
	changed chan struct{}   // waiting was set; room for one, which is enough to look
}

// New returns a Reporter that writes to a store.
func New(s *store.Store, log *slog.Logger) *Reporter {
	return &Reporter{store: s, log: log, now: time.Now, budgets: make(map[key]*budget), changed: make(chan struct{}, 1)}
}

// Report takes what the node sees, and returns when the statuses say so, but for what
// waits for its turn. What is not in it is not there. It is called for one report at a
// time, in order.
func (r *Reporter) Report(ctx context.Context, seen nodespec.Observed) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = seen
	return r.write(ctx)
}

// Run writes what reports could not write when they came.
func (r *Reporter) Run(ctx context.Context) error {
	for {
		r.mu.Lock()
		waiting := r.waiting
		r.mu.Unlock()
		var due <-chan time.Time
		if !waiting.IsZero() {
			due = time.After(waiting.Sub(r.now()))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-r.changed:
		case <-due:
			if err := r.writeWaiting(ctx); err != nil && ctx.Err() == nil {
				r.log.Error("write what tunnels have learned", "err", err)
			}
		}
	}
}

func (r *Reporter) writeWaiting(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.waiting.IsZero() || r.now().Before(r.waiting) {
		return nil // a report was faster
	}
	if err := r.write(ctx); err != nil {
		r.wait(r.now().Add(budgetInterval))
		return err
	}
	return nil
}

// wait has Run look again, at the latest, at a time.
func (r *Reporter) wait(until time.Time) {
	if r.waiting.IsZero() || until.Before(r.waiting) {
		r.waiting = until
	}
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

// A write is one record's, if it is still due in the transaction.
type write struct {
	bytes int // that the record takes at most
	do    func(tx *store.Tx)
}

// write brings the statuses to what was seen last. mu is held.
func (r *Reporter) write(ctx context.Context) error {
	v := newView(r.seen, r.now())
	r.waiting = time.Time{}
	r.forgetBudgets(v.now)
	var writes []write
	add := func(bytes int, do func(tx *store.Tx)) { writes = append(writes, write{bytes, do}) }
	snapshot := r.store.Snapshot()
	for k := range tunnelKeys(snapshot) {
		status, verdict := v.tunnel(snapshot, k)
		if verdict == keep {
			continue
		}
		if verdict == put && v.tunnels[k.id].BGP != nil {
			if before, _ := store.TunnelStatuses.Get(snapshot, k.scope, k.id); !r.mayWrite(k, &before, &status, v.now) {
				continue
			}
		}
		add(statusBytes(&status), func(tx *store.Tx) { settle(tx, store.TunnelStatuses, k, v.tunnel) })
	}
	for connection := range store.VPNConnections.All(snapshot) {
		k := keyOf(connection.Meta)
		if _, verdict := v.connection(snapshot, k); verdict != keep {
			add(connectionBytes, func(tx *store.Tx) { settle(tx, store.VPNConnections, k, v.connection) })
		}
	}
	for k := range instanceKeys(snapshot) {
		if _, verdict := v.instance(snapshot, k); verdict != keep {
			add(recordBytes, func(tx *store.Tx) { settle(tx, store.InstanceStatuses, k, v.instance) })
		}
	}
	for k := range natGatewayKeys(snapshot) {
		if _, verdict := v.natGateway(snapshot, k); verdict != keep {
			add(recordBytes, func(tx *store.Tx) { settle(tx, store.NATGatewayStatuses, k, v.natGateway) })
		}
	}
	for k := range interfaceKeys(snapshot) {
		if _, verdict := v.networkInterface(snapshot, k); verdict != keep {
			add(recordBytes, func(tx *store.Tx) { settle(tx, store.NetworkInterfaceStatuses, k, v.networkInterface) })
		}
	}
	for len(writes) > 0 {
		batch := writes[:batchLength(writes)]
		writes = writes[len(batch):]
		err := r.store.Update(ctx, func(tx *store.Tx) error {
			for _, write := range batch {
				write.do(tx)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("write %d records: %w", len(batch), err)
		}
	}
	return nil
}

// batchLength is how many of the writes, at least one, are one transaction's.
func batchLength(writes []write) int {
	bytes := 0
	for i, write := range writes {
		if bytes += write.bytes; i > 0 && (i == batchMax || bytes > batchBytesMax) {
			return i
		}
	}
	return len(writes)
}
