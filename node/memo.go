package node

import "reflect"

// A memo keeps what was made of values, by id, and makes anew only what of the values
// has changed. What package plan has not compiled anew are the slices that were there
// before, which costs nothing to compare; and what is not made anew costs the parts
// that get it nothing either. It belongs to one goroutine.
type memo[V, M any] struct {
	before, now map[string]memoized[V, M]
}

type memoized[V, M any] struct {
	value V
	made  M
}

// turn begins a new round: what is not asked for in it is forgotten at its end.
func (m *memo[V, M]) turn() {
	m.before, m.now = m.now, make(map[string]memoized[V, M], len(m.now))
}

// get returns what is made of a value.
func (m *memo[V, M]) get(id string, v V, translate func(V) M) M {
	known, ok := m.before[id]
	if !ok || !reflect.DeepEqual(known.value, v) {
		known = memoized[V, M]{v, translate(v)}
	}
	m.now[id] = known
	return known.made
}
