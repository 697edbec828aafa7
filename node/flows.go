package node

import (
	"cmp"
	"context"
	"time"

	"causeway.dev/netfabric"
	"causeway.dev/nodespec"
)

// turnFlows has the fabric tell from time to time what interfaces have carried. What
// is counted when ctx ends stays in the kernel, for the next start to tell.
func (n *Node) turnFlows(ctx context.Context) error {
	interval := cmp.Or(n.cfg.FlowInterval, FlowIntervalDefault)
	// At the full minute, as far as may be, so that the times of all interfaces
	// are the same, also after a restart.
	timer := time.NewTimer(untilNext(time.Now(), interval))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		}
		if err := n.fabric.TurnFlows(ctx); err != nil && ctx.Err() == nil {
			n.log.Error("read what interfaces have carried", "err", err)
		}
		timer.Reset(untilNext(time.Now(), interval))
	}
}

// untilNext is the time until the next multiple of an interval.
func untilNext(now time.Time, interval time.Duration) time.Duration {
	return now.Truncate(interval).Add(interval).Sub(now)
}

// tellFlows hands on what the fabric tells.
func (c Config) tellFlows(f netfabric.Flows) {
	if c.Flows == nil {
		return
	}
	told := nodespec.Flows{
		Network: f.Network, From: f.From, Until: f.Until, Interfaces: f.Interfaces, Skipped: f.Skipped,
		Flows: make([]nodespec.Flow, len(f.Flows)),
	}
	for i := range f.Flows {
		told.Flows[i] = nodespec.Flow(f.Flows[i])
	}
	c.Flows(told)
}
