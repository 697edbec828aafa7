package logs

import (
	"bytes"
	"container/heap"
	"encoding/binary"
	"slices"
	"time"

	"go.etcd.io/bbolt"
)

// Bounds of one page.
const (
	PageEventsMax = 10_000
	PageBytesMax  = 1 << 20 // of messages, each with EventOverhead

	// scanMax is how many bytes of events are looked at for a page, so that a
	// pattern that matches little neither holds up others nor keeps the caller
	// waiting: some 200,000 events of a tunnel's log.
	scanMax = 64 << 20

	// scanTimeMax is how long events are looked at for a page, where a pattern
	// takes its time with each: what a reader sees can't be overwritten until it
	// is done.
	scanTimeMax = 2 * time.Second
)

// A Query asks for events of one group.
type Query struct {
	Scope Scope
	Group string

	// Streams are names; StreamPrefix is the begin of names. With neither, all
	// streams.
	Streams      []string
	StreamPrefix string

	Start, End int64             // timestamps, Start <= t < End; End 0: no end
	Match      func(string) bool // of messages; nil: all
	Limit      int               // events on the page, at most PageEventsMax; 0: as many

	After  *Position // only events that follow it
	Before *Position // only events that it follows

	Backward bool // the last of these events instead of the first
}

// A Page is an answer to a Query: events in their order.
type Page struct {
	Events []Event

	// More says that there may be further events, behind Last, or before it in
	// a Backward query. Last is that of the events looked at, matching or not.
	More bool
	Last Position
}

// Read answers a query. It sees everything that was appended before it was
// called, and nothing that the group's retention no longer keeps.
func (s *Store) Read(now time.Time, q Query) (page Page, err error) {
	err = s.view(func(tx *bbolt.Tx) error {
		g, err := readGroup(tx, q.Scope, q.Group)
		if err != nil {
			return err
		}
		q.Start = max(q.Start, g.cutoff(now))
		streams, err := q.streams(tx, g.ID)
		if err != nil {
			return err
		}
		page, err = q.scan(tx, streams)
		return err
	})
	return page, err
}

// streams returns those that the query is about.
func (q Query) streams(tx *bbolt.Tx, group uint64) (list []Stream, err error) {
	if len(q.Streams) == 0 {
		err := eachStream(tx, group, q.StreamPrefix, func(stream Stream) bool {
			list = append(list, stream)
			return true
		})
		return list, err
	}
	for _, name := range slices.Compact(slices.Sorted(slices.Values(q.Streams))) {
		stream, err := readStream(tx, group, name)
		if err != nil {
			return nil, err
		}
		list = append(list, stream)
	}
	return list, nil
}

// scan merges the streams into a page.
func (q Query) scan(tx *bbolt.Tx, streams []Stream) (Page, error) {
	if q.Limit <= 0 || q.Limit > PageEventsMax {
		q.Limit = PageEventsMax
	}
	m := q.merge(tx, streams)
	page := Page{Events: []Event{}}
	total, scanned, began := int64(0), int64(0), time.Now()
	for len(m.readers) > 0 {
		if scanned > scanMax || scanned > 0 && time.Since(began) > scanTimeMax {
			page.More = true
			break
		}
		r := m.readers[0]
		bytes := size(len(r.value) - eventHeader)
		matches := q.Match == nil || q.Match(string(r.value[eventHeader:]))
		full := len(page.Events) == q.Limit || len(page.Events) > 0 && total+bytes > PageBytesMax
		if matches && full {
			page.More = true
			break
		}
		scanned += bytes
		if matches {
			e, err := decodeEvent(r.stream, r.key, r.value)
			if err != nil {
				return Page{}, err
			}
			total += bytes
			page.Events = append(page.Events, e)
		}
		page.Last = r.position()
		if r.next() {
			heap.Fix(m, 0)
		} else {
			heap.Pop(m)
		}
	}
	if q.Backward {
		slices.Reverse(page.Events)
	}
	return page, nil
}

// merge puts readers of the streams at the first event that the query is about.
func (q Query) merge(tx *bbolt.Tx, streams []Stream) *merger {
	m := &merger{backward: q.Backward}
	for _, stream := range streams {
		if events := tx.Bucket(eventsBucket).Bucket(idKey(stream.ID)); events != nil {
			r := &reader{stream: stream, cursor: events.Cursor(), backward: q.Backward}
			r.limit(q)
			if r.first() {
				m.readers = append(m.readers, r)
			}
		}
	}
	heap.Init(m)
	return m
}

// A reader goes through one stream, as far as the query goes.
type reader struct {
	stream     Stream
	cursor     *bbolt.Cursor
	backward   bool
	from, to   []byte // the first key that may be of interest, and the first beyond
	key, value []byte // of the event it stands at; the database's memory
}

func (r *reader) limit(q Query) {
	r.from = Position{Timestamp: max(q.Start, 0)}.key()
	if q.After != nil {
		r.from = slices.MaxFunc([][]byte{r.from, r.bound(*q.After, 1)}, bytes.Compare)
	}
	r.to = bytes.Repeat([]byte{0xff}, 16)
	if q.End > 0 {
		r.to = Position{Timestamp: q.End}.key()
	}
	if q.Before != nil {
		r.to = slices.MinFunc([][]byte{r.to, r.bound(*q.Before, 0)}, bytes.Compare)
	}
}

// bound is the first key of this stream that does not stand before p or, with
// beyond = 1, that stands behind it.
func (r *reader) bound(p Position, beyond uint64) []byte {
	switch {
	case r.stream.ID > p.Stream:
		return Position{Timestamp: p.Timestamp}.key()
	case r.stream.ID < p.Stream:
		return Position{Timestamp: p.Timestamp + 1}.key()
	}
	return Position{Timestamp: p.Timestamp, Number: p.Number + beyond}.key()
}

func (r *reader) first() bool {
	if !r.backward {
		r.key, r.value = r.cursor.Seek(r.from)
		return r.valid()
	}
	if r.key, r.value = r.cursor.Seek(r.to); r.key == nil {
		r.key, r.value = r.cursor.Last()
		return r.valid()
	}
	return r.next()
}

func (r *reader) next() bool {
	if r.backward {
		r.key, r.value = r.cursor.Prev()
	} else {
		r.key, r.value = r.cursor.Next()
	}
	return r.valid()
}

func (r *reader) valid() bool {
	return len(r.key) == 16 && len(r.value) >= eventHeader &&
		bytes.Compare(r.key, r.from) >= 0 && bytes.Compare(r.key, r.to) < 0
}

func (r *reader) position() Position {
	return Position{int64(binary.BigEndian.Uint64(r.key)), r.stream.ID, binary.BigEndian.Uint64(r.key[8:])}
}

// A merger is a heap of readers: the next event's on top.
type merger struct {
	readers  []*reader
	backward bool
}

func (m *merger) Len() int { return len(m.readers) }

func (m *merger) Less(i, j int) bool {
	a, b := m.readers[i].position(), m.readers[j].position()
	if m.backward {
		a, b = b, a
	}
	return a.before(b)
}

func (m *merger) Swap(i, j int) { m.readers[i], m.readers[j] = m.readers[j], m.readers[i] }

// Push is never used: all readers are there from the start.
func (m *merger) Push(any) { panic("logs: push into a merger") }

// Pop removes the last.
func (m *merger) Pop() any {
	last := m.readers[len(m.readers)-1]
	m.readers = m.readers[:len(m.readers)-1]
	return last
}
