package store

import (
	"bytes"
	"encoding/json"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"

	"causeway.dev/internal/seal"
)

// A Tx is one attempt of an Update: it reads from one Snapshot, sees its own
// writes, and remembers what it read, so that committing can make sure that
// nothing of that has changed. It belongs to the function that Update calls.
type Tx struct {
	base   *Snapshot
	trees  []*tree // by table number; nil where the transaction wrote nothing
	reads  map[place]int64
	ranges map[span]struct{}
	writes map[place]any // *T, or nil to delete
	err    error         // the first impossible write
}

// A place is where a record is or could be.
type place struct {
	table int
	key   key
}

// A span is the records of a table in one scope, or in all for the zero Scope.
type span struct {
	table int
	scope Scope
}

func newTx(base *Snapshot) *Tx {
	return &Tx{
		base:   base,
		trees:  make([]*tree, len(tables)),
		reads:  make(map[place]int64),
		ranges: make(map[span]struct{}),
		writes: make(map[place]any),
	}
}

// Revision is the store's revision that the transaction reads.
func (tx *Tx) Revision() int64 { return tx.base.revision }

func (tx *Tx) get(table int, k key) *record {
	at := place{table, k}
	if _, written := tx.writes[at]; written {
		return tx.trees[table].get(k)
	}
	found := tx.base.get(table, k)
	tx.reads[at] = 0 // absent
	if found != nil {
		tx.reads[at] = found.revision
	}
	return found
}

func (tx *Tx) scan(table int, s Scope, yield func(*record) bool) {
	tx.ranges[span{table, s}] = struct{}{}
	written := tx.trees[table]
	if written == nil {
		tx.base.scan(table, s, yield)
		return
	}
	// A copy, so that the loop's body may write to the table.
	written.copy().scan(s, yield)
}

// find remembers the whole scope as read: whatever changes in it may have had, or
// may come to have, the value.
func (tx *Tx) find(table int, s Scope, p Property, value string, yield func(*record) bool) {
	tx.ranges[span{table, s}] = struct{}{}
	written := tx.trees[table]
	if written == nil {
		tx.base.find(table, s, p, value, yield)
		return
	}
	written.copy().find(s, p, value, yield)
}

func (tx *Tx) count(table int, s Scope, p Property, value string) int {
	tx.ranges[span{table, s}] = struct{}{}
	if written := tx.trees[table]; written != nil {
		return written.count(s, p, value)
	}
	return tx.base.count(table, s, p, value)
}

func (tx *Tx) put(table int, k key, value any) {
	if err := k.check(); err != nil {
		tx.fail(fmt.Errorf("put into %s: %w", tables[table].Name(), err))
		return
	}
	tx.writes[place{table, k}] = value
	tx.written(table).set(&record{key: k, value: value})
}

func (tx *Tx) delete(table int, k key) {
	if tx.get(table, k) == nil {
		return
	}
	tx.writes[place{table, k}] = nil
	tx.written(table).remove(k)
}

func (tx *Tx) fail(err error) {
	if tx.err == nil {
		tx.err = err
	}
}

// written returns the transaction's own view of a table.
func (tx *Tx) written(table int) *tree {
	if tx.trees[table] == nil {
		tx.trees[table] = tx.base.tables[table].tree.copy()
	}
	return tx.trees[table]
}

// operations returns the writes as etcd's, without those that change nothing.
// Each table and scope written to has its guard written too.
func (tx *Tx) operations(ring *seal.Keyring) ([]clientv3.Op, error) {
	var ops []clientv3.Op
	guards := make(map[span]struct{})
	for at, value := range tx.writes {
		stored := tx.base.get(at.table, at.key)
		switch {
		case value == nil && stored == nil: // put and deleted again
			continue
		case value == nil:
			ops = append(ops, clientv3.OpDelete(recordKey(at.table, at.key)))
		default:
			if equal, err := equalStored(stored, value); err != nil {
				return nil, fmt.Errorf("encode %s: %w", recordKey(at.table, at.key), err)
			} else if equal {
				tx.reads[at] = stored.revision // what makes the write needless must still hold
				continue
			}
			encoded, err := tables[at.table].encode(value, at.key, ring)
			if err != nil {
				return nil, fmt.Errorf("encode %s: %w", recordKey(at.table, at.key), err)
			}
			ops = append(ops, clientv3.OpPut(recordKey(at.table, at.key), string(encoded)))
		}
		guards[span{at.table, at.key.scope()}] = struct{}{}
	}
	for g := range guards {
		ops = append(ops, clientv3.OpPut(guardKey(g.table, g.scope), ""))
	}
	return ops, nil
}

// equalStored compares before anything is sealed: the same secret is never sealed
// to the same text twice.
func equalStored(stored *record, value any) (bool, error) {
	encoded, err := json.Marshal(value)
	if err != nil || stored == nil || stored.value == nil {
		return false, err
	}
	before, err := json.Marshal(stored.value)
	return err == nil && bytes.Equal(before, encoded), nil
}

// conditions returns what must hold for the transaction to be as if it had run
// at the moment of its commit.
func (tx *Tx) conditions() []clientv3.Cmp {
	var conditions []clientv3.Cmp
	for at, revision := range tx.reads {
		if tx.listed(at) {
			continue
		}
		conditions = append(conditions, clientv3.Compare(clientv3.ModRevision(recordKey(at.table, at.key)), "=", revision))
	}
	for s := range tx.ranges {
		condition := clientv3.Compare(clientv3.ModRevision(guardPrefix+tables[s.table].Name()+"/"), "<", tx.base.revision+1).WithPrefix()
		if s.scope != (Scope{}) {
			condition = clientv3.Compare(clientv3.ModRevision(guardKey(s.table, s.scope)), "<", tx.base.revision+1)
		}
		conditions = append(conditions, condition)
	}
	return conditions
}

// listed reports whether a list that was read includes the place.
func (tx *Tx) listed(at place) bool {
	if _, all := tx.ranges[span{at.table, Scope{}}]; all {
		return true
	}
	_, listed := tx.ranges[span{at.table, at.key.scope()}]
	return listed
}
