// Package server is the HTTP front of the API: it authenticates a request,
// decodes it, hands it to its operation and encodes the answer or the error.
//
// One listener serves all services: which one is meant stands in the credential
// that signs a request.
package server

import (
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"causeway.dev/api/wire"
	"causeway.dev/iam"
)

// BodyMax is the size of the largest request body, in bytes, unless a Service
// says otherwise.
const BodyMax = 1 << 20

// InFlightMax is how many operations run at a time unless Config says otherwise.
// Each may hold a body of BodyMax and, while it is written, an output: the largest,
// a Describe of 10,000 resources, is some tens of megabytes.
const InFlightMax = 256

// Config is what a Server needs besides its services.
type Config struct {
	// Lookup finds access keys.
	Lookup func(accessKeyID string) (iam.AccessKey, bool)

	// Session finds the access key that a session token belongs to, or fails with
	// iam.ErrTokenInvalid or iam.ErrTokenExpired. Nil: there are no sessions.
	Session func(accessKeyID, token string, now time.Time) (iam.AccessKey, error)

	// Authorize decides whether a call may be carried out: nil or a *Denial. If
	// it is nil itself, whoever has a key may everything in its account.
	Authorize func(Call) error

	// Used is told of each call that a key has signed for a service, whatever
	// becomes of it. It must not block. Nil: nobody is.
	Used func(caller Caller, service string)

	// Regions are the regions that requests may be signed for; at least one.
	Regions []string

	// InFlightMax is how many operations may run at a time; more are answered
	// with RequestLimitExceeded, which clients repeat later. 0: InFlightMax.
	InFlightMax int

	// Log takes a line per request. Nil discards them.
	Log *slog.Logger

	// Registerer takes the metrics of requests. Nil leaves them unpublished.
	Registerer prometheus.Registerer

	// Metrics answers /metrics; nil: 404.
	Metrics http.Handler

	// Pages answer what is asked without a signature, by the beginning of its
	// path: "/pki/".
	Pages map[string]http.Handler

	// Ready answers /readyz: an error means that requests would not be served.
	// Nil: always ready.
	Ready func(context.Context) error

	// Now and Random are time.Now and crypto/rand.Reader if nil. Random must
	// be safe for use by many goroutines.
	Now    func() time.Time
	Random io.Reader
}

// A Server answers requests to its services. Any number of goroutines may use it.
type Server struct {
	cfg      Config
	services map[string]*Service // by signing name
	fallback *Service            // decides the form of an error when no service is known
	inFlight chan struct{}       // one element per running operation
	metrics  metrics
	log      *slog.Logger
}

// New returns a server. An error whose service is not known is answered in the
// form of the first one. New panics if a service's table is wrong, or if there
// is no service or no region.
func New(cfg Config, services ...Service) *Server {
	if len(services) == 0 || len(cfg.Regions) == 0 || cfg.Lookup == nil {
		panic("server: there must be a service, a region and a look-up of access keys")
	}
	if cfg.InFlightMax == 0 {
		cfg.InFlightMax = InFlightMax
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Random == nil {
		cfg.Random = rand.Reader
	}
	inFlight := make(chan struct{}, cfg.InFlightMax)
	s := &Server{
		cfg:      cfg,
		services: map[string]*Service{},
		fallback: &services[0],
		inFlight: inFlight,
		metrics:  newMetrics(cfg.Registerer, func() int { return len(inFlight) }),
		log:      cfg.Log,
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	for i := range services {
		services[i].check()
		s.services[services[i].Model.Name] = &services[i]
	}
	return s
}

// ServeHTTP is the life of a request, step by step. The first step that fails
// ends it.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.servePage(w, r) {
		return
	}
	x := s.newExchange(w, r)
	defer x.report()
	defer x.recoverPanic()
	for _, step := range []func() error{
		x.guessService,
		x.checkHTTP,
		x.readBody,
		x.authenticate,
		x.route,
		x.admit,
		x.decode,
		x.authorize,
		x.operate,
	} {
		if err := step(); err != nil {
			x.fail(err)
			return
		}
	}
	x.answer()
}

// servePage serves what is asked by operators' tools rather than by callers, and
// tells whether it did.
func (s *Server) servePage(w http.ResponseWriter, r *http.Request) bool {
	switch r.URL.Path {
	case "/healthz":
		servePlain(w, http.StatusOK, "ok")
	case "/readyz":
		if s.cfg.Ready != nil {
			if err := s.cfg.Ready(r.Context()); err != nil {
				s.log.Warn("not ready", "error", err)
				servePlain(w, http.StatusServiceUnavailable, "not ready")
				return true
			}
		}
		servePlain(w, http.StatusOK, "ok")
	case "/metrics":
		if s.cfg.Metrics == nil {
			http.NotFound(w, r)
			return true
		}
		s.cfg.Metrics.ServeHTTP(w, r)
	default:
		return s.serveOtherPage(w, r)
	}
	return true
}

func (s *Server) serveOtherPage(w http.ResponseWriter, r *http.Request) bool {
	for prefix, page := range s.cfg.Pages {
		if strings.HasPrefix(r.URL.Path, prefix) {
			page.ServeHTTP(w, r)
			return true
		}
	}
	return false
}

func servePlain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n") // whoever asked may be gone
}

// dialect is the protocol of a service.
func (s *Service) dialect() wire.Dialect {
	d, _ := wire.DialectOf(s.Model.Protocol) // check has looked
	return d
}
