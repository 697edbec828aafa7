// Package tunnellog writes the logs of Site-to-Site VPN tunnels: it takes what a
// node tells of IKE and of BGP, and where a tunnel's options ask for a log, appends it
// to the log group that they name, with AWS's fields.
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
	tunnels  map[source]destination // of those that have a log
	failed   map[stream]string      // why the last delivery failed, where it has
}

// A source is one of a tunnel's logs.
type source struct {
	tunnel string // its id
	bgp    bool   // what its BGP session does; else what IKE does
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
		d, ok := l.tunnels[source{e.Tunnel, e.BGP != nil}]
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
	l.revision, l.tunnels = revision, map[source]destination{}
	wanted := map[stream]bool{}
	for v := range store.VPNConnections.All(snapshot) {
		for i, t := range v.Tunnels {
			id := resource.TunnelID(v.ID, i+1)
			add := func(bgp bool, o resource.TunnelLogOptions, name string, style vpnlog.Style) {
				region, account, group, ok := o.Group()
				if !o.Enabled || !ok {
					return
				}
				style.Text = o.Format == resource.TunnelLogText
				d := destination{scope: logs.Scope{Account: account, Region: region}, group: group, stream: name, style: style}
				l.tunnels[source{id, bgp}] = d
				wanted[stream{d.scope, d.group, d.stream}] = true
			}
			add(true, t.BGPLog, t.BGPLogStream(v.ID), vpnlog.Style{Resource: t.BGPLogResource(v.ID)})
			peer := v.CustomerGateway // where it has no fixed address
			if g, ok := store.CustomerGateways.Get(snapshot, store.Scope{Account: v.Account, Region: v.Region}, v.CustomerGateway); ok && g.Address.IsValid() {
				peer = g.Address.String()
			}
			add(false, t.Log, t.LogStream(v.ID), vpnlog.Style{DPD: t.Effective().DPDTimeoutAction != resource.DPDActionNone, Peer: peer})
		}
	}
	maps.DeleteFunc(l.failed, func(s stream, _ string) bool { return !wanted[s] })
}
