package serve

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
	"path/filepath"
	"strings"

	"causeway.dev/internal/run"
)

// controlSocket, in the data directory, is where commands on this host reach the
// process that serves it. Only its owner may connect.
const controlSocket = "control.sock"

// serveControl serves the control socket until ctx ends: handlers by patterns such
// as "GET /capture". An installation whose socket can't be made does without:
// nothing but commands on this host needs it.
func serveControl(ctx context.Context, cfg Config, log *slog.Logger, handlers map[string]http.Handler) error {
	name := filepath.Join(cfg.DataDir, controlSocket)
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

// askControl asks the process that serves the data directory on this host for
// path. The caller closes the answer. What the process refuses is an error in its
// words.
func askControl(ctx context.Context, cfg Config, path string, query url.Values) (io.ReadCloser, error) {
	socket := filepath.Join(cfg.DataDir, controlSocket)
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://control"+path+"?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("reach causeway serve (it has to run on this host, and this command as root): %w", err)
	}
	if response.StatusCode != http.StatusOK {
		defer response.Body.Close()
		text, _ := io.ReadAll(io.LimitReader(response.Body, 1000))
		return nil, errors.New(strings.TrimSpace(string(text)))
	}
	return response.Body, nil
}
