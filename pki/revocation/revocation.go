// Package revocation looks up in the background whether certificates are
// revoked: by OCSP and by the revocation lists that they name. Who judges a
// certificate asks its memory and never waits.
package revocation

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"causeway.dev/internal/run"
	"causeway.dev/pki"
)

const (
	// entriesMax bounds how many certificates are followed. Beyond it the
	// oldest question is forgotten.
	entriesMax = 4096

	// atOnce bounds how many are looked up side by side.
	atOnce = 8

	// Answers are refreshed after refreshMax at the latest, also where they are
	// in force for longer: a revocation shall be noticed. refreshMin spares
	// responders whose answers are in force for moments only.
	refreshMin = time.Minute
	refreshMax = time.Hour

	// What failed is tried again after retryMin, then twice as long, up to
	// refreshMax.
	retryMin = 15 * time.Second

	// forgetAfter is how long nobody may have asked for a certificate until it
	// is followed no more.
	forgetAfter = 24 * time.Hour
)

// Config is what a Service needs.
type Config struct {
	Logger *slog.Logger

	// Client fetches. Nil: one that reaches no loopback or link-local address
	// and follows no redirects, since certificates are written by others.
	Client *http.Client

	// Now is time.Now if nil.
	Now func() time.Time
}

// A Service is a pki.Fetched. Any number of goroutines may ask it.
type Service struct {
	log     *slog.Logger
	client  *http.Client
	now     func() time.Time
	wake    chan struct{} // there is something new to look up
	changed chan struct{}
	slots   chan struct{} // one element per look-up under way

	mu      sync.Mutex
	entries map[[sha256.Size]byte]*entry // guarded by mu
	lists   map[string]*list             // guarded by mu; by URL
}

// entry is one certificate that somebody asked for.
type entry struct {
	certificate, issuer *x509.Certificate

	asked time.Time // last
	due   time.Time // of the next look-up
	retry time.Duration
	busy  bool // it is being looked up

	status pki.Status
	until  time.Time // when a status that says "not revoked" is no longer in force
}

// New returns a service that knows nothing yet. Run does the work.
func New(cfg Config) *Service {
	s := &Service{
		log: cfg.Logger, client: cfg.Client, now: cfg.Now,
		wake:    make(chan struct{}, 1), // one waiting wake-up says all
		changed: make(chan struct{}, 1),
		slots:   make(chan struct{}, atOnce),
		entries: map[[sha256.Size]byte]*entry{},
		lists:   map[string]*list{},
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.client == nil {
		s.client = outsideClient()
	}
	if s.now == nil {
		s.now = time.Now
	}
	return s
}

// Changed receives a value after something new has become known.
func (s *Service) Changed() <-chan struct{} { return s.changed }

// Status implements pki.Fetched.
func (s *Service) Status(certificate, issuer *x509.Certificate, now time.Time) pki.Status {
	if len(certificate.OCSPServer) == 0 && len(certificate.CRLDistributionPoints) == 0 {
		return pki.Status{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	id := sha256.Sum256(certificate.Raw)
	e := s.entries[id]
	if e == nil {
		s.makeRoom()
		e = &entry{certificate: certificate, issuer: issuer, status: pki.Status{Trouble: "it is being looked up"}}
		s.entries[id] = e
		poke(s.wake)
	}
	e.asked = now
	if e.status.Known && e.status.Revoked == nil && !now.Before(e.until) {
		return pki.Status{Trouble: "what is known of it is out of date since " + e.until.UTC().Format(time.RFC3339)}
	}
	return e.status
}

// makeRoom forgets the certificate that nobody has asked for the longest. mu is
// held.
func (s *Service) makeRoom() {
	if len(s.entries) < entriesMax {
		return
	}
	var oldest [sha256.Size]byte
	var at time.Time
	for id, e := range s.entries {
		if !e.busy && (at.IsZero() || e.asked.Before(at)) {
			oldest, at = id, e.asked
		}
	}
	delete(s.entries, oldest)
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Run looks up what is asked for until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	group := run.New(ctx)
	group.Go("revocation", func(ctx context.Context) error {
		timer := time.NewTimer(0)
		defer timer.Stop()
		for {
			timer.Reset(s.begin(ctx, group))
			select {
			case <-ctx.Done():
				return nil
			case <-s.wake:
			case <-timer.C:
			}
		}
	})
	return group.Wait()
}

// begin starts to look up what is due and returns when to look again.
func (s *Service) begin(ctx context.Context, group *run.Group) (wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	wait = refreshMax
	for id, e := range s.entries {
		switch {
		case e.busy:
			continue
		case now.Sub(e.asked) > forgetAfter:
			delete(s.entries, id)
			continue
		case e.due.After(now):
			wait = min(wait, e.due.Sub(now))
			continue
		}
		select {
		case s.slots <- struct{}{}:
		default:
			return wait // whoever frees a slot wakes us
		}
		e.busy = true
		group.Go("look up revocation", func(context.Context) error {
			status, until := s.lookUp(ctx, e.certificate, e.issuer)
			s.note(e, status, until)
			<-s.slots
			poke(s.wake)
			return nil
		})
	}
	s.forgetLists(now)
	return max(wait, 10*time.Millisecond)
}

// note remembers the outcome of a look-up. One that failed does not undo what is
// still in force.
func (s *Service) note(e *entry, status pki.Status, until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	e.busy = false
	if !status.Known {
		e.retry = min(max(2*e.retry, retryMin), refreshMax)
		e.due = now.Add(e.retry)
		s.log.Warn("revocation of a certificate can't be looked up", "certificate", pki.NameOf(e.certificate), "err", status.Trouble)
		if e.status.Revoked != nil || e.status.Known && now.Before(e.until) {
			return
		}
	} else {
		e.retry = 0
		e.due = now.Add(min(max(until.Sub(now), refreshMin), refreshMax))
	}
	differs := e.status.Known != status.Known || (e.status.Revoked == nil) != (status.Revoked == nil) || e.status.Trouble != status.Trouble
	e.status, e.until = status, until
	if differs {
		poke(s.changed)
	}
}
