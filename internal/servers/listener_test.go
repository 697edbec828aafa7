package servers

import (
	"context"
	"net"
	"testing"

	"causeway.dev/internal/run"
)

// A client that keeps connections gets no more than its own, and what it closes is free
// again.
func TestConnectionsBeyondThePlacesAreClosed(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := Bounded(listener, NewPlaces(2, 1))
	t.Cleanup(func() { l.Close() })
	dial := func() net.Conn {
		t.Helper()
		conn, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	dial()
	first, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	refused := dial()
	accepted := make(chan net.Conn, 1)
	g := run.New(t.Context())
	g.Go("accept", func(context.Context) error {
		conn, err := l.Accept()
		accepted <- conn
		return err
	})
	if n, err := refused.Read(make([]byte, 1)); err == nil {
		t.Errorf("the connection beyond the bound reads %d bytes", n)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	next := dial()
	if conn := <-accepted; conn == nil || conn.RemoteAddr().String() != next.LocalAddr().String() {
		t.Errorf("accepted is %v, not the one for which there is a place again", conn)
	}
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
}
