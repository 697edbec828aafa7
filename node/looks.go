package node

import "time"

// lookShare is the part of the time, one in so many, that goes into looks at
// everything at most: one at a thousand networks takes seconds, in which routes wait.
const lookShare = 10

// Looks say when everything is to be looked at, and not only what has changed: at
// first, after a failure, and every resyncInterval, however often something changes.
type looks struct {
	due time.Time // zero: now
}

// at reports whether everything is to be looked at.
func (l *looks) at(now time.Time) bool { return !now.Before(l.due) }

// failed is called after an application that did not do all.
func (l *looks) failed() { l.due = time.Time{} }

// done is called after a look at everything.
func (l *looks) done(began, ended time.Time) {
	l.due = ended.Add(max(resyncInterval, (lookShare-1)*ended.Sub(began)))
}
