// Package servers keeps servers, one for each of those that are to be served: one for
// each network of a machine, as an example.
package servers

import (
	"errors"
	"fmt"
	"sync"
)

// A Server serves one of what W describes.
type Server[W any] interface {
	// Follow has it serve what is wanted now. It does not stay where it cannot do so
	// but from another place: it is ended then, and another opened. With look it also
	// looks whether the place is still there.
	Follow(wanted W, look bool) (stays bool, err error)

	// End stops all that it does, and waits for that.
	End()
}

// A Kind says what servers of one kind are.
type Kind[W any] struct {
	Name string         // of one, before its ID: "resolver of network"
	ID   func(W) string // whom it serves

	// Open begins to serve. Without an error a nil server means that there is nobody to
	// serve yet.
	Open func(W) (Server[W], error)
}

// A Roster keeps the servers of one kind. It is safe for concurrent use, and made by
// New.
type Roster[W any] struct {
	kind Kind[W]

	mu      sync.Mutex
	servers map[string]Server[W] // by ID; guarded by mu
	closed  bool                 // guarded by mu
}

// New returns a roster that has no servers yet.
func New[W any](kind Kind[W]) *Roster[W] {
	return &Roster[W]{kind: kind, servers: map[string]Server[W]{}}
}

// Set makes these those that are served. What one cannot be given keeps no other from
// it; the errors are joined. With look the servers also look whether where they serve
// is still there.
func (r *Roster[W]) Set(wanted []W, look bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return fmt.Errorf("%s: all have ended", r.kind.Name)
	}
	ids := make(map[string]bool, len(wanted))
	for _, w := range wanted {
		ids[r.kind.ID(w)] = true
	}
	for id := range r.servers {
		if !ids[id] {
			r.end(id)
		}
	}
	var errs []error
	for _, w := range wanted {
		if err := r.serve(w, look); err != nil {
			errs = append(errs, fmt.Errorf("%s %s: %w", r.kind.Name, r.kind.ID(w), err))
		}
	}
	return errors.Join(errs...)
}

// serve has one served. r.mu is held.
func (r *Roster[W]) serve(w W, look bool) error {
	id := r.kind.ID(w)
	if known, ok := r.servers[id]; ok {
		stays, err := known.Follow(w, look)
		if stays || err != nil {
			return err
		}
		r.end(id)
	}
	opened, err := r.kind.Open(w)
	if err == nil && opened != nil {
		r.servers[id] = opened
	}
	return err
}

// end ends one server. r.mu is held.
func (r *Roster[W]) end(id string) {
	r.servers[id].End()
	delete(r.servers, id)
}

// Close ends all servers, for good.
func (r *Roster[W]) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	for id := range r.servers {
		r.end(id)
	}
}
