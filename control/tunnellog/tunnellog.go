// Package tunnellog writes the logs of Site-to-Site VPN tunnels: it takes what a
// node tells of IKE, and where a tunnel's options ask for a log, appends it to
// the log group that they name, with AWS's fields.
package tunnellog

import (
	"context"
	"log/slog"
	"maps"
	"sync/atomic"
	"time"

	"causeway.dev/logs"
	"causeway.dev/nodespec"
	"causeway.dev/resource"
	"causeway.dev/store"
	"causeway.dev/vpnlog"
)

// A Log writes the logs of all tunnels.
type Log struct {
	records *store.Store
	logs    *logs.Store
	log     *slog.Logger
	queue   *vpnlog.Queue

	undelivered atomic.Uint64

	// Owned by Run.
	revision int64
	tunnels  map[string]destination // by tunnel id, of those that have a log
	failed   map[stream]string      // why the last delivery failed, where it has
}

// A destination is where the log of a tunnel goes, with what its entries say of
// the tunnel's options.
type destination struct {
	scope         logs.Scope
	group, stream string
	style         vpnlog.Style
}

// New returns a Log that looks for options in records and writes to logs.
func New(records *store.Store, l *logs.Store, log *slog.Logger) *Log {
	return &Log{records: records, logs: l, log: log, queue: vpnlog.NewQueue(), failed: map[stream]string{}}
}

// Take takes an entry of any tunnel. It never waits: what finds no room is
// dropped and counted.
func (l *Log) Take(e nodespec.TunnelLogEntry) { l.queue.Take(e) }

// Drops counts entries that were not written: because they came faster than they
// could be, or because the log group took none.
func (l *Log) Drops() (overflown, undelivered uint64) {
	return l.queue.Overflown(), l.undelivered.Load()
}

// Run writes until ctx ends, and then what has been taken until then.
func (l *Log) Run(ctx context.Context) error { return l.queue.Each(ctx, l.write) }

// write appends the entries of the tunnels that have a log. A log group that is
// gone keeps nothing from the others.
func (l *Log) write(entries []nodespec.TunnelLogEntry) {
	l.lookUp()
	batches := map[destination]*logs.Batch{}
	for _, e := range entries {
		d, ok := l.tunnels[e.Tunnel]
		if !ok {
			continue
		}
		b := batches[d]
		if b == nil {
			b = &logs.Batch{Scope: d.scope, Group: d.group, Stream: d.stream, Create: true}
			batches[d] = b
		}
		b.Events = append(b.Events, logs.Event{Timestamp: e.At.UnixMilli(), Message: d.style.Line(e)})
	}
	if len(batches) == 0 {
		return
	}
	all := make([]logs.Batch, 0, len(batches))
	for b := range maps.Values(batches) {
		all = append(all, *b)
	}
	l.append(time.Now(), all)
}

// append appends batches with as few writes as may be: where they are refused,
// each half by itself, down to the batch that is the reason.
func (l *Log) append(now time.Time, batches []logs.Batch) {
	err := l.logs.Append(now, batches...)
	if err == nil {
		for _, b := range batches {
			delete(l.failed, streamOf(b))
		}
		return
	}
	if half := len(batches) / 2; half > 0 {
		l.append(now, batches[:half])
		l.append(now, batches[half:])
		return
	}
	b := batches[0]
	l.undelivered.Add(uint64(len(b.Events)))
	if l.failed[streamOf(b)] != err.Error() { // said once, not for every batch
		l.failed[streamOf(b)] = err.Error()
		l.log.Warn("the log of a tunnel is not written", "group", b.Group, "stream", b.Stream, "err", err)
	}
}

// A stream is where a batch goes.
type stream struct {
	scope       logs.Scope
	group, name string
}

func streamOf(b logs.Batch) stream { return stream{b.Scope, b.Group, b.Stream} }

// lookUp brings the destinations up to date.
func (l *Log) lookUp() {
	snapshot := l.records.Snapshot()
	revision := max(store.VPNConnections.Revision(snapshot), store.CustomerGateways.Revision(snapshot))
	if l.tunnels != nil && revision == l.revision {
		return
	}
	l.revision, l.tunnels = revision, map[string]destination{}
	wanted := map[stream]bool{}
	for v := range store.VPNConnections.All(snapshot) {
		for i, t := range v.Tunnels {
			region, account, group, ok := t.Log.Group()
			if !t.Log.Enabled || !ok {
				continue
			}
			d := destination{
				scope: logs.Scope{Account: account, Region: region}, group: group, stream: t.LogStream(v.ID),
				style: vpnlog.Style{
					Text: t.Log.Format == resource.TunnelLogText, DPD: t.Effective().DPDTimeoutAction != resource.DPDActionNone,
					Peer: v.CustomerGateway, // where it has no fixed address
				},
			}
			if g, ok := store.CustomerGateways.Get(snapshot, store.Scope{Account: v.Account, Region: v.Region}, v.CustomerGateway); ok && g.Address.IsValid() {
				d.style.Peer = g.Address.String()
			}
			l.tunnels[resource.TunnelID(v.ID, i+1)] = d
			wanted[stream{d.scope, d.group, d.stream}] = true
		}
	}
	maps.DeleteFunc(l.failed, func(s stream, _ string) bool { return !wanted[s] })
}
