// Package localapi lets commands on a host ask a process of the same host: HTTP
// on a Unix socket that only its owner may connect to.
package localapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"causeway.dev/internal/run"
)

// headerMax bounds how long a command may take over its request's header.
const headerMax = 10 * time.Second

// ErrUnreachable is Ask's where nobody serves the socket, or not to us.
var ErrUnreachable = errors.New("nobody answers at the control socket")

// Serve serves a socket until ctx ends: handlers by patterns such as "GET
// /capture". Where the socket can't be made it says so and waits: whatever serves
// it does its work without. What is left of an earlier process is replaced.
func Serve(ctx context.Context, name string, log *slog.Logger, handlers map[string]http.Handler) error {
	if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove the last control socket: %w", err)
	}
	listener, err := net.Listen("unix", name)
	if err == nil {
		err = os.Chmod(name, 0o600) // the directory's mode keeps others out until then
	}
	if err != nil {
		log.Warn("no control socket: commands on this host that need the process can't reach it", "err", err)
		<-ctx.Done()
		return ctx.Err()
	}
	mux := http.NewServeMux()
	for pattern, handler := range handlers {
		mux.Handle(pattern, handler)
	}
	s := &http.Server{Handler: mux, ReadHeaderTimeout: headerMax, BaseContext: func(net.Listener) context.Context { return ctx }}
	group := run.New(ctx)
	group.Go("control socket", func(context.Context) error {
		if err := s.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	<-group.Context().Done()
	_ = s.Close() // what is under way ends
	return group.Wait()
}

// Ask asks the process that serves a socket for path. The caller closes the
// answer. What the process refuses is an error in its words.
func Ask(ctx context.Context, name, path string, query url.Values) (io.ReadCloser, error) {
	return send(ctx, http.MethodGet, name, path, query)
}

// Tell is Ask for what changes something: the handler's pattern begins with "POST".
func Tell(ctx context.Context, name, path string, query url.Values) (io.ReadCloser, error) {
	return send(ctx, http.MethodPost, name, path, query)
}

func send(ctx context.Context, method, name, path string, query url.Values) (io.ReadCloser, error) {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", name)
	}}}
	request, err := http.NewRequestWithContext(ctx, method, "http://control"+path+"?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("%w (it has to run on this host, and this command as its user): %w", ErrUnreachable, err)
	}
	if response.StatusCode != http.StatusOK {
		defer response.Body.Close()
		text, _ := io.ReadAll(io.LimitReader(response.Body, 1000))
		return nil, errors.New(strings.TrimSpace(string(text)))
	}
	return response.Body, nil
}
