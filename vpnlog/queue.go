package vpnlog

import (
	"context"
	"sync/atomic"
	"time"

	"causeway.dev/nodespec"
)

const (
	// queueMax bounds what waits to be written: a minute of a thousand
	// tunnels that each do a dead peer check every ten seconds.
	queueMax = 16_384

	// collect is how long entries wait for others to be written with them.
	collect = time.Second

	// batchMax is how many entries are written at a time.
	batchMax = 4_096
)

// A Queue is between those who tell of tunnels, who never wait, and who writes their
// logs, which takes time. A Queue must be made by NewQueue.
type Queue struct {
	entries   chan nodespec.TunnelLogEntry
	overflown atomic.Uint64
}

// NewQueue returns an empty queue.
func NewQueue() *Queue { return &Queue{entries: make(chan nodespec.TunnelLogEntry, queueMax)} }

// Take takes an entry of any tunnel. It never waits: what finds no room is
// dropped and counted.
func (q *Queue) Take(e nodespec.TunnelLogEntry) {
	select {
	case q.entries <- e:
	default:
		q.overflown.Add(1)
	}
}

// Overflown counts the entries that found no room.
func (q *Queue) Overflown() uint64 { return q.overflown.Load() }

// Each hands write what is taken, in its order and some at a time, until ctx ends,
// and then what has been taken until then.
func (q *Queue) Each(ctx context.Context, write func([]nodespec.TunnelLogEntry)) error {
	for {
		select {
		case <-ctx.Done():
			for entries := q.waiting(nil); len(entries) > 0; entries = q.waiting(nil) {
				write(entries)
			}
			return ctx.Err()
		case e := <-q.entries:
			entries := []nodespec.TunnelLogEntry{e}
			select {
			case <-ctx.Done():
			case <-time.After(collect):
			}
			write(q.waiting(entries))
		}
	}
}

// waiting adds what is in the queue, up to a batch.
func (q *Queue) waiting(entries []nodespec.TunnelLogEntry) []nodespec.TunnelLogEntry {
	for len(entries) < batchMax {
		select {
		case e := <-q.entries:
			entries = append(entries, e)
		default:
			return entries
		}
	}
	return entries
}
