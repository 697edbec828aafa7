// Package session is BGP's machine for one peer, RFC 4271 section 8, with up to two TCP
// connections that collide: a value without goroutines, sockets or a clock. Time, what
// arrives and randomness come in as arguments; what is to be dialed, written and closed,
// and what has become true, goes out as ordered lists. It knows no routes: an UPDATE is a
// value that it reads and writes.
//
// Its owner calls one method for each thing that happens, carries out TakeOutput in order
// after each, and calls Advance at Deadline:
//
//	s, err := session.New(session.Config{…}, random)
//	s.Start(now, false)
//	actions, events := s.TakeOutput()
package session
