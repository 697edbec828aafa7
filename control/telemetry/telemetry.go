// Package telemetry writes down what nodes see: which tunnels are up and which
// instances run. It writes what has changed only, so that a quiet network does
// not write at all.
package telemetry

import (
	"context"
	"fmt"
	"slices"
	"time"

	"causeway.dev/nodespec"
	"causeway.dev/store"
)

// batchMax is how many records one transaction writes: enough to bring
// thousands of tunnels up in moments, and within the limits of any etcd.
const batchMax = 50

// A Reporter turns the node's observations into the statuses of tunnels,
// instances, network interfaces and NAT gateways, and forgets pre-shared keys that
// have been replaced where they are.
type Reporter struct {
	store *store.Store
	now   func() time.Time
}

// New returns a Reporter that writes to a store.
func New(s *store.Store) *Reporter {
	return &Reporter{store: s, now: time.Now}
}

// Report takes what the node sees, and returns when the statuses say so. What
// is not in it is not there. It is called for one report at a time, in order.
func (r *Reporter) Report(ctx context.Context, seen nodespec.Observed) error {
	v := newView(seen, r.now())
	var writes []func(tx *store.Tx)
	snapshot := r.store.Snapshot()
	for k := range tunnelKeys(snapshot) {
		if _, verdict := v.tunnel(snapshot, k); verdict != keep {
			writes = append(writes, func(tx *store.Tx) { settle(tx, store.TunnelStatuses, k, v.tunnel) })
		}
	}
	for connection := range store.VPNConnections.All(snapshot) {
		k := keyOf(connection.Meta)
		if _, verdict := v.connection(snapshot, k); verdict != keep {
			writes = append(writes, func(tx *store.Tx) { settle(tx, store.VPNConnections, k, v.connection) })
		}
	}
	for k := range instanceKeys(snapshot) {
		if _, verdict := v.instance(snapshot, k); verdict != keep {
			writes = append(writes, func(tx *store.Tx) { settle(tx, store.InstanceStatuses, k, v.instance) })
		}
	}
	for k := range natGatewayKeys(snapshot) {
		if _, verdict := v.natGateway(snapshot, k); verdict != keep {
			writes = append(writes, func(tx *store.Tx) { settle(tx, store.NATGatewayStatuses, k, v.natGateway) })
		}
	}
	for k := range interfaceKeys(snapshot) {
		if _, verdict := v.networkInterface(snapshot, k); verdict != keep {
			writes = append(writes, func(tx *store.Tx) { settle(tx, store.NetworkInterfaceStatuses, k, v.networkInterface) })
		}
	}
	for batch := range slices.Chunk(writes, batchMax) {
		err := r.store.Update(ctx, func(tx *store.Tx) error {
			for _, write := range batch {
				write(tx)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("write %d records: %w", len(batch), err)
		}
	}
	return nil
}
