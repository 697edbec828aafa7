package logs

import (
	"container/heap"
	"encoding/binary"
	"math"
	"time"

	"go.etcd.io/bbolt"
)

// expireMax is how many events one transaction removes, so that appending never
// waits long.
const expireMax = 10_000

// evictPart is the part of the room, a 64th, that is made free at a time, so that
// not every append has to look for what is oldest.
const evictPart = 64

// cutoff is the first timestamp that a group's retention keeps.
func (g Group) cutoff(now time.Time) int64 {
	if g.RetentionDays == 0 {
		return 0
	}
	return now.Add(-time.Duration(g.RetentionDays) * 24 * time.Hour).UnixMilli()
}

// Sweep removes the events that their groups' retention no longer keeps.
func (s *Store) Sweep(now time.Time) error {
	for {
		removed := 0
		freed := map[string]int64{}
		err := s.update(func(tx *bbolt.Tx) error {
			removed = 0
			clear(freed)
			for key, value := range keys(tx.Bucket(groupsBucket), nil, nil) {
				g, err := decodeGroup(value)
				if err != nil {
					return err
				}
				if g.RetentionDays == 0 {
					continue
				}
				n, bytes, err := expireGroup(tx, g, g.cutoff(now), expireMax-removed)
				if err != nil {
					return err
				}
				freed[accountOf(key)] += bytes
				if removed += n; removed >= expireMax {
					break
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		for account, n := range freed {
			s.addBytes(account, -n)
		}
		if removed < expireMax {
			return nil
		}
	}
}

// expireGroup removes at most limit events before cutoff.
func expireGroup(tx *bbolt.Tx, g Group, cutoff int64, limit int) (removed int, freed int64, err error) {
	var old []Stream
	err = eachStream(tx, g.ID, "", func(stream Stream) bool {
		if stream.Bytes > 0 && stream.First < cutoff {
			old = append(old, stream)
		}
		return true
	})
	if err != nil {
		return 0, 0, err
	}
	for _, stream := range old {
		n, bytes, err := trim(tx, g.ID, &stream, cutoff, limit-removed, math.MaxInt64)
		if err != nil {
			return 0, 0, err
		}
		removed += n
		freed += bytes
		if removed >= limit {
			break
		}
	}
	return removed, freed, nil
}

// trim removes the oldest events of a stream: those before cutoff, at most limit,
// and no more than it takes to free bytesMax.
func trim(tx *bbolt.Tx, group uint64, stream *Stream, cutoff int64, limit int, bytesMax int64) (removed int, freed int64, err error) {
	events := tx.Bucket(eventsBucket).Bucket(idKey(stream.ID))
	if events == nil {
		return 0, 0, nil
	}
	var gone [][]byte
	first := int64(0) // of what stays
	c := events.Cursor()
	for key, value := c.First(); key != nil; key, value = c.Next() {
		if first = int64(binary.BigEndian.Uint64(key)); first >= cutoff || len(gone) == limit || freed >= bytesMax {
			break
		}
		first = 0
		gone = append(gone, key)
		freed += size(len(value) - eventHeader)
	}
	// Deleting while a cursor moves would make it skip some.
	for _, key := range gone {
		if err := events.Delete(key); err != nil {
			return 0, 0, err
		}
	}
	stream.Bytes -= freed
	stream.First = first
	if first == 0 {
		stream.Last = 0
	}
	return len(gone), freed, put(tx.Bucket(streamsBucket), streamKey(group, stream.Name), stream)
}

// makeRoom keeps the bytes below their bound: the account that has most loses its
// oldest events, so that nobody can push out what is others'.
func (s *Store) makeRoom() error {
	for {
		account, excess := s.excess()
		if excess <= 0 {
			return nil
		}
		removed, freed := 0, int64(0)
		err := s.update(func(tx *bbolt.Tx) (err error) {
			removed, freed, err = evict(tx, account, excess)
			return err
		})
		if err != nil {
			return err
		}
		s.addBytes(account, -freed)
		s.mu.Lock()
		s.evicted += uint64(removed)
		s.mu.Unlock()
		if removed == 0 {
			return nil // what was counted is gone already
		}
	}
}

// excess returns the account that has most and how much it has to lose: nothing
// as long as there is room.
func (s *Store) excess() (account string, n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	total := int64(0)
	for a, bytes := range s.bytes {
		total += bytes
		if account == "" || bytes > s.bytes[account] || bytes == s.bytes[account] && a < account {
			account = a
		}
	}
	if total <= s.options.BytesMax {
		return account, 0
	}
	return account, min(total-s.options.BytesMax+s.options.BytesMax/evictPart, s.bytes[account])
}

// evict removes the oldest events of an account until so many bytes are free, or
// expireMax events are gone.
func evict(tx *bbolt.Tx, account string, wanted int64) (removed int, freed int64, err error) {
	streams, err := accountStreams(tx, account)
	if err != nil {
		return 0, 0, err
	}
	heap.Init(&streams)
	for len(streams) > 0 && removed < expireMax && freed < wanted {
		oldest := &streams[0]
		// As far as the first event of the stream that is oldest after it.
		next := int64(math.MaxInt64)
		for i := 1; i < min(3, len(streams)); i++ {
			next = min(next, streams[i].First)
		}
		n, bytes, err := trim(tx, oldest.group, &oldest.Stream, max(next, oldest.First+1), expireMax-removed, wanted-freed)
		if err != nil {
			return 0, 0, err
		}
		removed += n
		freed += bytes
		if oldest.Bytes > 0 && n > 0 {
			heap.Fix(&streams, 0)
		} else {
			heap.Pop(&streams)
		}
	}
	return removed, freed, nil
}

// accountStreams returns the streams of an account that have events.
func accountStreams(tx *bbolt.Tx, account string) (list byAge, err error) {
	for _, value := range keys(tx.Bucket(groupsBucket), []byte(account+"\x00"), nil) {
		g, err := decodeGroup(value)
		if err != nil {
			return nil, err
		}
		err = eachStream(tx, g.ID, "", func(stream Stream) bool {
			if stream.Bytes > 0 {
				list = append(list, owned{stream, g.ID})
			}
			return true
		})
		if err != nil {
			return nil, err
		}
	}
	return list, nil
}

// An owned stream is one with the ID of its group.
type owned struct {
	Stream
	group uint64
}

// byAge is a heap of streams: that with the oldest event is on top.
type byAge []owned

func (h byAge) Len() int           { return len(h) }
func (h byAge) Less(i, j int) bool { return h[i].First < h[j].First }
func (h byAge) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }

// Push is never used: all streams are there from the start.
func (h *byAge) Push(any) { panic("logs: push into a heap of streams") }

// Pop removes the last.
func (h *byAge) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
