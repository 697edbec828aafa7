package serve

import (
	"bufio"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"
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
	case <-time.After(10 * time.Second):
		t.Error("the answer is still being written")
	}
}
