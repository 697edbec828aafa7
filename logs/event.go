package logs

import (
	"encoding/binary"
	"fmt"
	"time"

	"go.etcd.io/bbolt"
)

// An Event is one entry of a stream.
type Event struct {
	Timestamp int64 // milliseconds since 1970, not negative
	Message   string

	// Of events that are read.
	Ingested int64 // when it was appended, milliseconds since 1970
	Stream   string
	Position Position
}

// A Position says where an event stands among all those of its group: by
// timestamp, then stream, then the order of arrival. The zero Position is before
// all events.
type Position struct {
	Timestamp int64
	Stream    uint64 // its ID
	Number    uint64 // in the stream, from 1
}

// ID is the position as a text of 56 digits, as long as AWS's event ids.
func (p Position) ID() string { return fmt.Sprintf("%016d%020d%020d", p.Timestamp, p.Stream, p.Number) }

func (p Position) key() []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, uint64(p.Timestamp)), p.Number)
}

func (p Position) before(q Position) bool {
	switch {
	case p.Timestamp != q.Timestamp:
		return p.Timestamp < q.Timestamp
	case p.Stream != q.Stream:
		return p.Stream < q.Stream
	}
	return p.Number < q.Number
}

// eventHeader is the length of what stands before a message.
const eventHeader = 8

// decodeEvent copies an event out of the database.
func decodeEvent(stream Stream, key, value []byte) (Event, error) {
	if len(key) != 16 || len(value) < eventHeader {
		return Event{}, fmt.Errorf("log stream %s has a malformed event", stream.Name)
	}
	return Event{
		Timestamp: int64(binary.BigEndian.Uint64(key)),
		Ingested:  int64(binary.BigEndian.Uint64(value)),
		Message:   string(value[eventHeader:]),
		Stream:    stream.Name,
		Position:  Position{int64(binary.BigEndian.Uint64(key)), stream.ID, binary.BigEndian.Uint64(key[8:])},
	}, nil
}

// size is what an event counts.
func size(message int) int64 { return int64(message) + EventOverhead }

// A Batch is events for one stream.
type Batch struct {
	Scope         Scope
	Group, Stream string
	Create        bool // make the stream if it does not exist
	Events        []Event
}

// Append adds batches, which are on the disk when it returns. It is all or
// nothing.
func (s *Store) Append(now time.Time, batches ...Batch) error {
	added := map[string]int64{}
	err := s.update(func(tx *bbolt.Tx) error {
		clear(added)
		for _, b := range batches {
			n, err := s.appendBatch(tx, now, b)
			if err != nil {
				return err
			}
			added[b.Scope.Account] += n
		}
		return nil
	})
	if err != nil {
		return err
	}
	for account, n := range added {
		s.addBytes(account, n)
	}
	return s.makeRoom()
}

func (s *Store) appendBatch(tx *bbolt.Tx, now time.Time, b Batch) (added int64, err error) {
	g, err := readGroup(tx, b.Scope, b.Group)
	if err != nil {
		return 0, err
	}
	stream, err := readStream(tx, g.ID, b.Stream)
	if err == ErrNoStream && b.Create {
		stream, err = s.createStream(tx, b.Scope.Account, g.ID, b.Stream, now)
	}
	if err != nil || len(b.Events) == 0 {
		return 0, err
	}
	events, err := tx.Bucket(eventsBucket).CreateBucketIfNotExists(idKey(stream.ID))
	if err != nil {
		return 0, err
	}
	for _, e := range b.Events {
		number, err := events.NextSequence()
		if err != nil {
			return 0, err
		}
		value := append(binary.BigEndian.AppendUint64(nil, uint64(now.UnixMilli())), e.Message...)
		if err := events.Put(Position{e.Timestamp, stream.ID, number}.key(), value); err != nil {
			return 0, err
		}
		if stream.First == 0 || e.Timestamp < stream.First {
			stream.First = e.Timestamp
		}
		stream.Last = max(stream.Last, e.Timestamp)
		added += size(len(e.Message))
	}
	stream.LastIngested = now.UnixMilli()
	stream.Bytes += added
	return added, put(tx.Bucket(streamsBucket), streamKey(g.ID, stream.Name), stream)
}
