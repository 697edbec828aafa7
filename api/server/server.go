// Package server is the HTTP front of the API: it authenticates a request,
// decodes it, hands it to its operation and encodes the answer or the error.
package server

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"causeway.dev/iam"
)

// Config is what a Server needs besides its services.
type Config struct {
	// Lookup finds access keys.
	Lookup func(accessKeyID string) (iam.AccessKey, bool)

	// Regions are the regions that requests may be signed for; at least one.
	Regions []string

	// Log takes a line per request. Nil discards them.
	Log *slog.Logger

	// Registerer takes the metrics of requests. Nil leaves them unpublished.
	Registerer prometheus.Registerer

	// Metrics answers /metrics; nil: 404.
	Metrics http.Handler

	// Ready answers /readyz: an error means that requests would not be served.
	// Nil: always ready.
	Ready func(context.Context) error

	// Now and Random are time.Now and crypto/rand.Reader if nil.
	Now    func() time.Time
	Random io.Reader
}

// A Server answers requests to its services.
type Server struct {
	cfg      Config
	services map[string]Service // by signing name
}

// New returns a server. It panics if a service's table is wrong, or if no region
// is given.
func New(cfg Config, services ...Service) *Server {
	s := &Server{cfg: cfg, services: map[string]Service{}}
	for _, service := range services {
		service.check()
		s.services[service.Model.Name] = service
	}
	return s
}
