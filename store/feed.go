package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

const (
	loadPage      = 1000                   // records of one request of load: a few MiB at most
	reloadBackoff = 500 * time.Millisecond // between attempts to reach etcd again
)

// feed keeps the current snapshot up to date until ctx ends.
func (s *Store) feed(ctx context.Context) error {
	for {
		err := s.follow(ctx)
		if ctx.Err() != nil {
			return nil
		}
		s.logger.Warn("the watch of the store ended; loading all records again", "error", err)
		if err := s.reload(ctx); err != nil {
			return err
		}
	}
}

// follow applies what changes after the current snapshot, until the watch ends.
func (s *Store) follow(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the watch on etcd's side
	responses := s.client.Watch(clientv3.WithRequireLeader(ctx), recordPrefix,
		clientv3.WithPrefix(), clientv3.WithRev(s.Snapshot().revision+1))
	for response := range responses {
		if err := response.Err(); err != nil {
			return err
		}
		// A response holds all changes of the revisions in it, in order.
		if len(response.Events) > 0 {
			s.publish(s.Snapshot().apply(response.Events, s.decode))
		}
	}
	return errors.New("the channel of changes was closed")
}

// reload replaces the current snapshot, after changes were missed.
func (s *Store) reload(ctx context.Context) error {
	for {
		loaded, err := s.load(ctx)
		if err == nil {
			if before := s.Snapshot().revision; loaded.revision < before {
				return fmt.Errorf("etcd's revision went back from %d to %d: restored from a backup while in use", before, loaded.revision)
			}
			s.publish(loaded)
			return nil
		}
		s.logger.Warn("can't load the records; trying again", "error", err)
		select {
		case <-time.After(reloadBackoff):
		case <-ctx.Done():
			return nil
		}
	}
}

// load reads all records as of one revision.
func (s *Store) load(ctx context.Context) (*Snapshot, error) {
	var loaded *Snapshot
	from, end := recordPrefix, clientv3.GetPrefixRangeEnd(recordPrefix)
	options := []clientv3.OpOption{clientv3.WithRange(end), clientv3.WithLimit(loadPage)}
	for {
		response, err := s.client.Get(ctx, from, options...)
		if err != nil {
			return nil, err
		}
		if loaded == nil {
			loaded = newSnapshot(response.Header.Revision)
			options = append(options, clientv3.WithRev(loaded.revision)) // the pages show one state
		}
		for _, kv := range response.Kvs {
			if table, k, ok := parseRecordKey(string(kv.Key)); ok {
				loaded.tables[table].tree.set(&record{key: k, revision: kv.ModRevision, value: s.decode(table, k, kv)})
			}
		}
		if !response.More {
			return loaded, nil
		}
		from = string(response.Kvs[len(response.Kvs)-1].Key) + "\x00"
	}
}

// decode returns the value of a record, or nil if it is not what this version
// understands: then the record is as good as absent, but the others work.
func (s *Store) decode(table int, k key, kv *mvccpb.KeyValue) any {
	value, err := tables[table].decode(kv.Value, k, s.keyring)
	if err != nil {
		s.logger.Error("a stored record can't be decoded and is left out", "key", string(kv.Key), "error", err)
		return nil
	}
	return value
}

// apply returns the snapshot that follows s by some events.
func (s *Snapshot) apply(events []*clientv3.Event, decode func(table int, k key, kv *mvccpb.KeyValue) any) *Snapshot {
	next := &Snapshot{revision: s.revision, tables: slices.Clone(s.tables), superseded: make(chan struct{}), history: &history{}}
	changed := make(map[int]*tree)
	for _, event := range events {
		next.revision = event.Kv.ModRevision
		table, k, ok := parseRecordKey(string(event.Kv.Key))
		if !ok {
			continue
		}
		if changed[table] == nil {
			changed[table] = s.tables[table].tree.copy()
		}
		c := change{place: place{table, k}}
		if before := changed[table].get(k); before != nil {
			c.before = before.value
		}
		if event.Type == mvccpb.DELETE {
			changed[table].remove(k)
		} else {
			c.after = decode(table, k, event.Kv)
			changed[table].set(&record{key: k, revision: event.Kv.ModRevision, value: c.after})
		}
		next.history.changes = append(next.history.changes, c)
	}
	for table := range maps.Keys(changed) {
		next.tables[table] = tableState{tree: changed[table], revision: next.revision}
	}
	return next
}

// publish makes a snapshot the current one. Only the feed calls it.
func (s *Store) publish(next *Snapshot) {
	before := s.current.Load()
	before.history.next = next.history
	s.current.Store(next)
	close(before.superseded)
}
