package ikev2

// A fault is something that a session does only if this package is wrong. It is
// raised as a panic, and ends its session but none of the others.
type fault struct {
	session *session
	problem string
}

// Error names the problem.
func (f fault) Error() string { return "ikev2: " + f.problem }

// panicOnFault lets a fault go on to the caller: this package's tests set it.
var panicOnFault bool

// attempt has a session do something, and puts it where its deadline belongs.
func (g *Gate) attempt(s *session, do func()) {
	defer g.touch(s)
	if !panicOnFault {
		defer g.contain()
	}
	do()
}

// contain ends the session whose fault is on its way up. It has to be deferred.
func (g *Gate) contain() {
	problem := recover()
	if problem == nil {
		return
	}
	f, ok := problem.(fault)
	if !ok {
		panic(problem)
	}
	s, reason := f.session, "closed after an internal error: "+f.problem
	switch s.phase {
	case connecting:
		s.reportFailure(reason)
	case established:
		s.dissolve(reason)
	}
	s.forget()
	if s.phase != ended {
		g.admission.leave(s, ended)
		s.phase = ended
	}
	g.touch(s)
}
