package engine

import (
	"container/heap"
	"time"
)

// A Schedule orders what has deadlines, the earliest first. What it holds embeds
// an [Entry].
type Schedule[T Scheduled] struct{ queue queue[T] }

// Scheduled is what a [Schedule] holds.
type Scheduled interface{ entry() *Entry }

// An Entry is a place in a schedule. The zero value is in none.
type Entry struct {
	deadline time.Time
	place    int // in the queue, from 1 on; 0 for none
}

func (e *Entry) entry() *Entry { return e }

// Set puts t where its deadline belongs; a zero deadline is never due.
func (s *Schedule[T]) Set(t T, deadline time.Time) {
	if deadline.IsZero() {
		deadline = FarFuture
	}
	e := t.entry()
	e.deadline = deadline
	if e.place == 0 {
		heap.Push(&s.queue, t)
	} else {
		heap.Fix(&s.queue, e.place-1)
	}
}

// Remove takes t off the schedule, if it is there.
func (s *Schedule[T]) Remove(t T) {
	if place := t.entry().place; place != 0 {
		heap.Remove(&s.queue, place-1)
	}
}

// Next returns the earliest deadline; false if the schedule is empty.
func (s *Schedule[T]) Next() (time.Time, bool) {
	if len(s.queue) == 0 {
		return time.Time{}, false
	}
	return s.queue[0].entry().deadline, true
}

// Due returns what is due the longest, if anything is.
func (s *Schedule[T]) Due(now time.Time) (t T, due bool) {
	if at, any := s.Next(); !any || now.Before(at) {
		return t, false
	}
	return s.queue[0], true
}

// All returns what is in the schedule, in no order. It is not to be changed.
func (s *Schedule[T]) All() []T { return s.queue }

// Len is how many are in the schedule.
func (s *Schedule[T]) Len() int { return len(s.queue) }

// queue is a heap by deadline.
type queue[T Scheduled] []T

func (q queue[T]) Len() int { return len(q) }
func (q queue[T]) Less(i, j int) bool {
	return q[i].entry().deadline.Before(q[j].entry().deadline)
}
func (q queue[T]) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].entry().place, q[j].entry().place = i+1, j+1
}

// Push is for package heap.
func (q *queue[T]) Push(x any) {
	t := x.(T)
	*q = append(*q, t)
	t.entry().place = len(*q)
}

// Pop is for package heap.
func (q *queue[T]) Pop() any {
	last := len(*q) - 1
	t := (*q)[last]
	var none T
	(*q)[last] = none
	*q = (*q)[:last]
	t.entry().place = 0
	return t
}
