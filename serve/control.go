package serve

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"

	"causeway.dev/internal/localapi"
)

// controlSocket, in the data directory, is where commands on this host reach the
// process that serves it. Only its owner may connect.
const controlSocket = "control.sock"

// serveControl serves the control socket until ctx ends.
func serveControl(ctx context.Context, cfg Config, log *slog.Logger, handlers map[string]http.Handler) error {
	return localapi.Serve(ctx, filepath.Join(cfg.DataDir, controlSocket), log, handlers)
}

// askControl asks the process that serves the data directory on this host for
// path. The caller closes the answer.
func askControl(ctx context.Context, cfg Config, path string, query url.Values) (io.ReadCloser, error) {
	answer, err := localapi.Ask(ctx, filepath.Join(cfg.DataDir, controlSocket), path, query)
	if err != nil {
		return nil, fmt.Errorf("ask causeway serve: %w", err)
	}
	return answer, nil
}
