package ikev1

import "time"

// A fault is something that an actor does only if this package is wrong. It is
// raised as a panic, and ends its actor but none of the others.
type fault struct{ problem string }

// Error names the problem.
func (f fault) Error() string { return "ikev1: " + f.problem }

// panicOnFault lets a fault go on to the caller: this package's tests set it.
var panicOnFault bool

// attempt has an actor do something, and puts it where its deadline belongs.
func (g *Gate) attempt(now time.Time, a actor, do func()) {
	defer g.touch(a)
	if !panicOnFault {
		defer contain(now, a)
	}
	do()
}

// contain ends the actor whose fault is on its way up. It has to be deferred.
func contain(now time.Time, a actor) {
	problem := recover()
	if problem == nil {
		return
	}
	f, ok := problem.(fault)
	if !ok {
		panic(problem)
	}
	a.abandon(now, "closed after an internal error: "+f.problem)
}
