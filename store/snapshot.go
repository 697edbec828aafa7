package store

import (
	"sync"

	"github.com/tidwall/btree"
)

// A Reader is what tables are read from: a *Snapshot, or a *Tx or a *Recording,
// which also remember what was read.
type Reader interface {
	// get returns nil if there is no such record.
	get(table int, k key) *record

	// scan calls yield for the records of a scope, or of all scopes for the
	// zero Scope, in the order of their keys, until it returns false.
	scan(table int, s Scope, yield func(*record) bool)

	// find calls yield for the records of a scope, or of all scopes for the zero
	// Scope, that have a value of a property, in the order of their keys, until
	// it returns false.
	find(table int, s Scope, p Property, value string, yield func(*record) bool)

	// count returns how many records find would yield.
	count(table int, s Scope, p Property, value string) int
}

// A Snapshot is the state of all tables at one revision. It never changes, takes
// no lock, and may be kept and used by any number of goroutines.
type Snapshot struct {
	revision   int64
	tables     []tableState
	superseded chan struct{} // closed when the store has a newer snapshot
	history    *history      // how it came about
}

// tableState is one table at the time of a snapshot.
type tableState struct {
	tree     *tree
	revision int64 // at which it last changed
}

// A record is one stored value. It never changes.
type record struct {
	key      key
	revision int64 // the store's, at which it was written
	value    any   // *T of its table; nil if what is stored can't be decoded
}

func newSnapshot(revision int64) *Snapshot {
	s := &Snapshot{revision: revision, tables: make([]tableState, len(tables)), superseded: make(chan struct{}), history: &history{unknown: true}}
	for i := range s.tables {
		s.tables[i] = tableState{tree: newTree(tables[i]), revision: revision}
	}
	return s
}

// Revision is the store's revision that the snapshot shows.
func (s *Snapshot) Revision() int64 { return s.revision }

func (s *Snapshot) get(table int, k key) *record { return s.tables[table].tree.get(k) }

func (s *Snapshot) scan(table int, scope Scope, yield func(*record) bool) {
	s.tables[table].tree.scan(scope, yield)
}

func (s *Snapshot) find(table int, scope Scope, p Property, value string, yield func(*record) bool) {
	s.tables[table].tree.find(scope, p, value, yield)
}

func (s *Snapshot) count(table int, scope Scope, p Property, value string) int {
	return s.tables[table].tree.count(scope, p, value)
}

// A tree holds the records of a table in order of their keys, and finds them by
// their properties. A copy costs the same whatever the size: the two share their nodes until one of them changes.
// Any number of goroutines may read and copy a tree that nobody changes.
type tree struct {
	copying sync.Mutex // btree's Copy writes to its receiver; readers don't look at what it writes
	nodes   *btree.BTreeG[*record]
	of      indexer
	entries *btree.BTreeG[entry] // of the index
	tallies *btree.BTreeG[tally] // of the entries; none is 0
}

func newTree(of indexer) *tree {
	before := func(a, b *record) bool { return a.key.compare(b.key) < 0 }
	return &tree{
		nodes:   btree.NewBTreeGOptions(before, btree.Options{NoLocks: true}),
		of:      of,
		entries: btree.NewBTreeGOptions(entry.before, btree.Options{NoLocks: true}),
		tallies: btree.NewBTreeGOptions(tally.before, btree.Options{NoLocks: true}),
	}
}

func (t *tree) copy() *tree {
	t.copying.Lock()
	defer t.copying.Unlock()
	return &tree{nodes: t.nodes.Copy(), of: t.of, entries: t.entries.Copy(), tallies: t.tallies.Copy()}
}

func (t *tree) get(k key) *record {
	found, _ := t.nodes.Get(&record{key: k})
	return found
}

func (t *tree) scan(s Scope, yield func(*record) bool) {
	if s == (Scope{}) {
		t.nodes.Scan(yield)
		return
	}
	t.nodes.Ascend(&record{key: key{s.Account, s.Region, ""}}, func(r *record) bool {
		return r.key.scope() == s && yield(r)
	})
}

func (t *tree) find(s Scope, p Property, value string, yield func(*record) bool) {
	first := entry{p, value, &record{key: key{s.Account, s.Region, ""}}}
	t.entries.Ascend(first, func(e entry) bool {
		return e.property == p && e.value == value && (s == Scope{} || e.record.key.scope() == s) && yield(e.record)
	})
}

func (t *tree) count(s Scope, p Property, value string) int {
	found, _ := t.tallies.Get(tally{property: p, value: value, scope: s})
	return found.records
}

func (t *tree) set(r *record) {
	if before, ok := t.nodes.Set(r); ok {
		t.unindex(before)
	}
	if r.value == nil {
		return
	}
	t.tally(r, byAll, "", 1)
	t.of.index(r.value, func(p Property, value string) {
		if _, repeated := t.entries.Set(entry{p, value, r}); !repeated {
			t.tally(r, p, value, 1)
		}
	})
}

func (t *tree) remove(k key) {
	if before, ok := t.nodes.Delete(&record{key: k}); ok {
		t.unindex(before)
	}
}

func (t *tree) unindex(r *record) {
	if r.value == nil {
		return
	}
	t.tally(r, byAll, "", -1)
	t.of.index(r.value, func(p Property, value string) {
		if _, there := t.entries.Delete(entry{p, value, r}); there {
			t.tally(r, p, value, -1)
		}
	})
}

// tally counts a record that has come to have a value, or ceased to.
func (t *tree) tally(r *record, p Property, value string, by int) {
	c := tally{property: p, value: value, scope: r.key.scope()}
	found, _ := t.tallies.Get(c)
	if c.records = found.records + by; c.records == 0 {
		t.tallies.Delete(c)
		return
	}
	t.tallies.Set(c)
}

func (t *tree) len() (n int) { return t.nodes.Len() }
