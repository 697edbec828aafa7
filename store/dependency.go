package store

import (
	"hash/maphash"
	"slices"
)

// A Recording is a Reader that shows a snapshot and remembers what was read of it.
// It belongs to one goroutine.
type Recording struct {
	base *Snapshot
	seen map[uint64]struct{} // the hashes of dependencies
}

// Record returns a recording that nothing was read by.
func Record(s *Snapshot) *Recording { return &Recording{s, make(map[uint64]struct{})} }

// A dependency is something that a Reader was asked for: a record by its id, the
// records with a value of a property, or all records, which is all with the empty
// value of byAll; of one scope or, with the zero Scope, of all. The latter two have
// no id.
type dependency struct {
	table    int
	scope    Scope
	id       string
	property Property
	value    string
}

var seed = maphash.MakeSeed()

// hash stands for a dependency where many are kept. Two with one hash are taken
// for one, so that a change of either counts for both.
func (d dependency) hash() uint64 { return maphash.Comparable(seed, d) }

func (r *Recording) note(d dependency) { r.seen[d.hash()] = struct{}{} }

func (r *Recording) get(table int, k key) *record {
	r.note(dependency{table: table, scope: k.scope(), id: k.id})
	return r.base.get(table, k)
}

func (r *Recording) scan(table int, s Scope, yield func(*record) bool) {
	r.note(dependency{table: table, scope: s})
	r.base.scan(table, s, yield)
}

func (r *Recording) find(table int, s Scope, p Property, value string, yield func(*record) bool) {
	r.note(dependency{table: table, scope: s, property: p, value: value})
	r.base.find(table, s, p, value, yield)
}

func (r *Recording) count(table int, s Scope, p Property, value string) int {
	r.note(dependency{table: table, scope: s, property: p, value: value})
	return r.base.count(table, s, p, value)
}

// Dependencies tell which of some results, each known by a K, a newer snapshot
// may give another value. They belong to one goroutine.
type Dependencies[K comparable] struct {
	of map[K][]uint64
	on map[uint64][]K
}

// Set notes what a result was computed from, in place of what it was before.
func (d *Dependencies[K]) Set(result K, from *Recording) {
	d.Forget(result)
	if d.of == nil {
		d.of, d.on = make(map[K][]uint64), make(map[uint64][]K)
	}
	all := make([]uint64, 0, len(from.seen))
	for hash := range from.seen {
		all = append(all, hash)
		d.on[hash] = append(d.on[hash], result)
	}
	d.of[result] = all
}

// Forget drops a result.
func (d *Dependencies[K]) Forget(result K) {
	for _, hash := range d.of[result] {
		left := d.on[hash]
		if i := slices.Index(left, result); i >= 0 {
			left = slices.Delete(left, i, i+1)
		}
		if len(left) == 0 {
			delete(d.on, hash)
		} else {
			d.on[hash] = left
		}
	}
	delete(d.of, result)
}

// Stale returns the results that something of what they were computed from has
// changed for between two snapshots of one store, the first of which is the one
// that all of them show. It is false where that is not known: then all may have.
// It takes as long as there are changes and stale results, whatever else there is.
func (d *Dependencies[K]) Stale(from, to *Snapshot) (stale map[K]struct{}, known bool) {
	stale = make(map[K]struct{})
	mark := func(on dependency) {
		for _, result := range d.on[on.hash()] {
			stale[result] = struct{}{}
		}
	}
	known = from.until(to, func(c change) {
		on := dependency{table: c.table, scope: c.key.scope(), id: c.key.id}
		mark(on)
		on.id = ""
		anywhere := dependency{table: c.table}
		mark(on)
		mark(anywhere)
		for _, value := range []any{c.before, c.after} {
			if value == nil {
				continue
			}
			tables[c.table].index(value, func(p Property, v string) {
				on.property, on.value = p, v
				anywhere.property, anywhere.value = p, v
				mark(on)
				mark(anywhere)
			})
		}
	})
	return stale, known
}

// A change is what happened to one record.
type change struct {
	place
	before, after any // *T; nil for none
}

// History is how snapshots of a store follow one another: each leads to the next
// by what has changed. It holds none of them.
type history struct {
	changes []change // since the snapshot before
	unknown bool     // changes were missed
	next    *history // written before the next snapshot can be read
}

// until calls yield for what has changed from s to a later snapshot of its store,
// in order. It is false where that is not known.
func (s *Snapshot) until(later *Snapshot, yield func(change)) bool {
	for at := s.history; at != later.history; {
		if at = at.next; at == nil || at.unknown {
			return false
		}
		for _, c := range at.changes {
			yield(c)
		}
	}
	return true
}
