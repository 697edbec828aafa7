package node

import "time"

const (
	// lookInterval is how often a part of everything is looked at.
	lookInterval = resyncInterval / 10

	// lookShare is the part of the time, one in so many, that goes into looks at most,
	// however much there is to look at. A part takes so long at most, and what changes
	// meanwhile waits for it.
	lookShare = 50

	lookBudget = lookInterval / lookShare // for a part
	lookFirst  = 10                       // namespaces of the first part
)

// An extent is what an application looks at; each includes those before it.
type extent int

const (
	whatChanged extent = iota // and what is in doubt
	whatIsFew                 // the services of networks, and tunnels
	everything
)

// Looks say when everything is to be looked at, and not only what has changed: all at
// once at first and after a failure; from then on in parts, a round in resyncInterval or,
// where there is so much that it would take more than its share of the time, in longer.
type looks struct {
	due  time.Time // of the next part; zero: everything now
	part int       // namespaces to look at then
}

// all reports whether everything is to be looked at now.
func (l *looks) all() bool { return l.due.IsZero() }

// at reports whether a part is to be looked at.
func (l *looks) at(now time.Time) bool { return !now.Before(l.due) }

// failed is called after an application that did not do all.
func (l *looks) failed() { l.due = time.Time{} }

// done is called after a look at a part, or at everything, that was so many of all
// namespaces.
func (l *looks) done(began, ended time.Time, looked, all int) {
	l.due = ended.Add(lookInterval)
	if l.part == 0 {
		l.part = lookFirst
	}
	if looked > 0 {
		each := max(ended.Sub(began)/time.Duration(looked), time.Microsecond)
		l.part = int(lookBudget / each)
	}
	round := int(resyncInterval / lookInterval)
	l.part = max(1, min(l.part, (all+round-1)/round))
}
