package serve

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"causeway.dev/internal/run"
)

// TestSlowReadersAreCutOff asks for more than the connection holds and reads none
// of it: the call must not go on for ever, since calls under way are limited in
// number for all.
func TestSlowReadersAreCutOff(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	s := newHTTPServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		piece := make([]byte, 1<<20)
		for range 1000 {
			if _, err := w.Write(piece); err != nil {
				ended <- err
				return
			}
		}
		ended <- nil
	}), slog.New(slog.DiscardHandler))
	if s.WriteTimeout <= 0 || s.WriteTimeout > 5*time.Minute {
		t.Fatalf("an answer may take %v", s.WriteTimeout)
	}
	s.WriteTimeout = 200 * time.Millisecond
	go func() { _ = s.Serve(listener) }()
	defer s.Close()
	client, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := io.WriteString(client, "GET / HTTP/1.1\r\nHost: h\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReaderSize(client, 16).ReadString('\n'); err != nil {
		t.Fatalf("%q, %v", line, err)
	}
	select {
	case err := <-ended:
		if err == nil {
			t.Error("a gigabyte was written to nobody")
		}
	case <-time.After(time.Minute):
		t.Error("the answer is still being written")
	}
}

// A client that keeps as many connections as it can leaves the API to others.
func TestOneClientLeavesConnectionsToOthers(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at, dir := listener.Addr().String(), t.TempDir()
	ctx, stop := context.WithCancel(t.Context())
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hold" {
			<-ctx.Done()
		}
	})
	group := run.New(ctx)
	group.Go("api", func(ctx context.Context) error {
		return serveAPI(ctx, Config{DataDir: dir}, slog.New(slog.DiscardHandler), listener, h)
	})
	t.Cleanup(func() { group.Wait() })
	t.Cleanup(stop)
	ask := func(from, path string) net.Conn {
		t.Helper()
		conn, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}).DialContext(t.Context(), "tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		_, _ = io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: h\r\n\r\n") // who is refused reads so
		return conn
	}
	for range addressMax {
		ask("127.0.0.1", "/hold")
	}
	if n, err := ask("127.0.0.1", "/").Read(make([]byte, 1)); err == nil {
		t.Errorf("beyond %d connections of one address there is one that reads %d bytes", addressMax, n)
	}
	if _, err := ask("127.0.0.2", "/").Read(make([]byte, 1)); err != nil {
		t.Errorf("another gets no answer: %v", err)
	}
}
