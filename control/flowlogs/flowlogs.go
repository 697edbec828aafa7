// Package flowlogs delivers flow logs: it takes what nodes tell of network
// interfaces, and where a flow log is of one, of its subnet or of its VPC, writes
// records to the log group or into the files that the flow log names.
package flowlogs

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"maps"
	"sync/atomic"
	"time"

	"causeway.dev/logs"
	"causeway.dev/nodespec"
	"causeway.dev/resource"
	"causeway.dev/store"
)

const (
	// windowsMax and flowsMax bound what waits to be written: some 250 MB.
	windowsMax = 4_096
	flowsMax   = 1_000_000

	// batchMax is how many events are appended at a time.
	batchMax = 4_096

	// settle is how long changes of records are collected before interfaces are
	// looked at again.
	settle = time.Second

	// goneMax is how long an interface is remembered that is gone: what it has
	// carried last is told when the node takes it away.
	goneMax = 10 * time.Minute
)

// Config is what a Log needs.
type Config struct {
	Records *store.Store
	Logs    *logs.Store
	Files   *Files
	Logger  *slog.Logger

	// RoleMay tells whether a role allows an action on a resource.
	RoleMay func(roleARN, action, resourceARN string) bool

	// ZoneID returns the id of a zone.
	ZoneID func(region, zone string) string
}

// A Log delivers all flow logs.
type Log struct {
	cfg   Config
	queue chan nodespec.Flows

	waiting                atomic.Int64 // flows in the queue
	overflown, undelivered atomic.Uint64

	// Owned by Run.
	revision   int64
	interfaces map[string]*covered // by id
}

// New returns a Log.
func New(cfg Config) *Log {
	return &Log{cfg: cfg, queue: make(chan nodespec.Flows, windowsMax), interfaces: map[string]*covered{}}
}

// Take takes what a node tells. It never waits: what finds no room is dropped and
// counted.
func (l *Log) Take(f nodespec.Flows) {
	if l.waiting.Load() < flowsMax {
		l.waiting.Add(int64(len(f.Flows)))
		select {
		case l.queue <- f:
			return
		default:
			l.waiting.Add(-int64(len(f.Flows)))
		}
	}
	l.overflown.Add(uint64(len(f.Flows)))
}

// Drops counts flows that came faster than they could be written, and records that
// their destination did not take.
func (l *Log) Drops() (overflown, undelivered uint64) {
	return l.overflown.Load(), l.undelivered.Load()
}

// Run delivers until ctx ends, and then what has been taken until then.
func (l *Log) Run(ctx context.Context) error {
	for {
		snapshot := l.cfg.Records.Snapshot()
		l.lookUp(snapshot, time.Now())
		l.forgetOrphans(ctx, snapshot)
		select {
		case <-ctx.Done():
			for {
				select {
				case f := <-l.queue:
					l.deliver(context.WithoutCancel(ctx), f)
				default:
					return ctx.Err()
				}
			}
		case f := <-l.queue:
			l.deliver(ctx, f)
		case <-l.cfg.Records.Changed(snapshot.Revision()):
			select {
			case <-ctx.Done():
			case <-time.After(settle):
			}
		}
	}
}

// deliver writes the records of all flow logs of a network.
func (l *Log) deliver(ctx context.Context, told nodespec.Flows) {
	l.waiting.Add(-int64(len(told.Flows)))
	snapshot := l.cfg.Records.Snapshot()
	l.lookUp(snapshot, time.Now())
	for _, d := range l.deliveries(snapshot, told) {
		var err error
		if d.log.DestinationType == resource.DestinationS3 {
			err = l.cfg.Files.write(d, told.From)
		} else {
			err = l.append(d)
		}
		text := ""
		switch {
		case errors.Is(err, errAccess):
			text = resource.FlowLogAccessError
		case err != nil:
			text = resource.FlowLogUnknownError
		}
		if err != nil {
			l.undelivered.Add(uint64(len(d.events())))
		}
		if err := l.note(ctx, d.log.Meta, text, err); err != nil && ctx.Err() == nil {
			l.cfg.Logger.Error("note how a flow log is delivered", "flow log", d.log.ID, "err", err)
		}
	}
}

// errAccess: the flow log may not write to where it goes.
var errAccess = errors.New("access error")

// append appends events to a stream for each interface, and makes the log group if
// the role may.
func (l *Log) append(d *delivery) error {
	region, account, group, _ := d.log.LogGroup()
	scope := logs.Scope{Account: account, Region: region}
	arn := resource.LogGroupARN(region, account, group)
	may := func(action, what string) bool {
		return l.cfg.RoleMay == nil || l.cfg.RoleMay(d.log.Role, "logs:"+action, what)
	}
	if _, err := l.cfg.Logs.Group(scope, group); errors.Is(err, logs.ErrNoGroup) {
		if !may("CreateLogGroup", arn) {
			return errAccess
		}
		err := l.cfg.Logs.CreateGroup(scope, logs.Group{Name: group, Class: "STANDARD", Created: time.Now()})
		if err != nil && !errors.Is(err, logs.ErrGroupExists) {
			return err
		}
	} else if err != nil {
		return err
	}
	var batches []logs.Batch
	events := 0
	flush := func() error {
		err := l.cfg.Logs.Append(time.Now(), batches...)
		batches, events = nil, 0
		return err
	}
	for id, found := range d.byInterface {
		stream := d.log.LogStream(id)
		if what := arn + ":log-stream:" + stream; !may("CreateLogStream", what) || !may("PutLogEvents", what) {
			return errAccess
		}
		for len(found) > 0 {
			n := min(len(found), batchMax-events)
			batches = append(batches, logs.Batch{Scope: scope, Group: group, Stream: stream, Create: true, Events: found[:n]})
			found, events = found[n:], events+n
			if events == batchMax {
				if err := flush(); err != nil {
					return err
				}
			}
		}
	}
	return flush()
}

// note keeps why a flow log is not delivered, and says so, where the last time was
// otherwise.
func (l *Log) note(ctx context.Context, m resource.Meta, text string, cause error) error {
	scope := scopeOf(m)
	if before, ok := store.FlowLogStatuses.Get(l.cfg.Records.Snapshot(), scope, m.ID); ok == (text != "") && before.Error == text {
		return nil
	}
	if cause != nil {
		l.cfg.Logger.Warn("a flow log is not written", "flow log", m.ID, "err", cause)
	}
	return l.cfg.Records.Update(ctx, func(tx *store.Tx) error {
		if _, ok := store.FlowLogs.Get(tx, scope, m.ID); !ok || text == "" {
			store.FlowLogStatuses.Delete(tx, scope, m.ID)
			return nil
		}
		store.FlowLogStatuses.Put(tx, resource.FlowLogStatus{
			Meta: resource.Meta{ID: m.ID, Account: m.Account, Region: m.Region, Created: time.Now().UTC()}, Error: text,
		})
		return nil
	})
}

// forgetOrphans removes flow logs of what is gone, as AWS does.
func (l *Log) forgetOrphans(ctx context.Context, snapshot *store.Snapshot) {
	for log := range store.FlowLogs.Scan(snapshot, store.Scope{}) {
		scope := scopeOf(log.Meta)
		if isThere(snapshot, scope, log) {
			continue
		}
		err := l.cfg.Records.Update(ctx, func(tx *store.Tx) error {
			if !isThere(tx, scope, log) {
				store.FlowLogs.Delete(tx, scope, log.ID)
				store.FlowLogStatuses.Delete(tx, scope, log.ID)
			}
			return nil
		})
		if err != nil && ctx.Err() == nil {
			l.cfg.Logger.Error("remove a flow log of what is gone", "flow log", log.ID, "err", err)
		}
	}
}

func isThere(r store.Reader, scope store.Scope, log *resource.FlowLog) (ok bool) {
	switch log.ResourceType {
	case resource.FlowLogVPC:
		var v resource.VPC
		v, ok = store.VPCs.Get(r, scope, log.Resource)
		return ok && v.Deleted == nil
	case resource.FlowLogSubnet:
		_, ok = store.Subnets.Get(r, scope, log.Resource)
	default:
		_, ok = store.NetworkInterfaces.Get(r, scope, log.Resource)
	}
	return ok
}

func scopeOf(m resource.Meta) store.Scope { return store.Scope{Account: m.Account, Region: m.Region} }

// lookUp brings up to date which interfaces have flow logs.
func (l *Log) lookUp(snapshot *store.Snapshot, now time.Time) {
	revision := max(store.FlowLogs.Revision(snapshot), store.NetworkInterfaces.Revision(snapshot), store.Subnets.Revision(snapshot))
	maps.DeleteFunc(l.interfaces, func(_ string, c *covered) bool { return !c.gone.IsZero() && now.Sub(c.gone) > goneMax })
	if revision == l.revision {
		return
	}
	l.revision = revision
	for _, c := range l.interfaces {
		c.gone = cmp.Or(c.gone, now)
	}
	logsOf := map[string][]resource.FlowLog{}
	for log := range store.FlowLogs.All(snapshot) {
		logsOf[log.Resource] = append(logsOf[log.Resource], log)
	}
	if len(logsOf) == 0 {
		return
	}
	for nic := range store.NetworkInterfaces.Scan(snapshot, store.Scope{}) {
		if nic.Deleted != nil || len(logsOf[nic.ID])+len(logsOf[nic.Subnet])+len(logsOf[nic.VPC]) == 0 {
			continue
		}
		c := &covered{about: l.about(snapshot, nic)}
		for _, id := range []string{nic.VPC, nic.Subnet, nic.ID} {
			c.logs = append(c.logs, logsOf[id]...)
		}
		l.interfaces[nic.ID] = c
	}
}
