package speaker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"causeway.dev/bgp/wire"
	"causeway.dev/internal/run"
)

// Config is what a Host needs.
type Config struct {
	Logger *slog.Logger // nil discards

	// Changed is called when something in Status has, by many goroutines. It must not
	// wait, nor call the host. Counters and states of sessions that are not established
	// change without.
	Changed func()

	// Log, if set, takes what the sessions of peers with Log do, some at once and not many
	// in the long run, by many goroutines. It must not wait, nor call the host.
	Log func(Event)
}

const (
	// farewellMost bounds for how long Set waits until peers are told of the end.
	farewellMost = 200 * time.Millisecond

	// openMost bounds how many sockets are opened at a time: each takes a thread for
	// that long.
	openMost = 8
)

// A Host keeps the sessions of one machine. It is safe for concurrent use.
type Host struct {
	logger    *slog.Logger
	changed   func()
	log       func(Event) // or nil
	group     *run.Group
	listeners *listeners
	opening   *semaphore.Weighted

	setting sync.Mutex // held during Set and Close

	mu      sync.Mutex
	entries map[string]*entry  // by the peers' ids; guarded by mu
	conns   map[*conn]struct{} // that stand; guarded by mu
	closed  bool               // guarded by mu
}

// An entry is one peer.
type entry struct {
	mu     sync.Mutex
	peer   Peer   // as Set had it last; guarded by mu
	status Status // guarded by mu
	loop   *loop  // nil while the path is down; guarded by mu
	last   *loop  // the one before, which may not have ended yet; guarded by mu

	journal *journal // owned by the loop that runs
}

// New returns a host that keeps no session yet.
func New(cfg Config) *Host {
	h := &Host{
		logger: cmp.Or(cfg.Logger, slog.New(slog.DiscardHandler)), changed: cfg.Changed, log: cfg.Log, group: run.New(context.Background()),
		opening: semaphore.NewWeighted(openMost), entries: map[string]*entry{}, conns: map[*conn]struct{}{},
	}
	if h.changed == nil {
		h.changed = func() {}
	}
	h.listeners = newListeners(h.group, h.logger)
	return h
}

// errClosed is that a host keeps no sessions any more.
var errClosed = errors.New("the BGP host is closed")

// Set makes these peers those that sessions are kept with. It does not wait for peers,
// but for 200 ms at most until those are told that have none any more: Cease / Peer
// De-configured. The error names peers that no session can be kept with; the others
// have theirs.
func (h *Host) Set(peers []Peer) error {
	h.setting.Lock()
	defer h.setting.Unlock()
	if h.isClosed() {
		return errClosed
	}
	var problems []error
	wanted := make(map[string]Peer, len(peers))
	for _, p := range peers {
		if err := p.check(); err != nil {
			problems = append(problems, err)
		} else if _, twice := wanted[p.ID]; twice {
			problems = append(problems, fmt.Errorf("BGP peer %s: told twice", p.ID))
		} else {
			wanted[p.ID] = p
		}
	}
	var ended []*loop
	for id, e := range h.snapshot() {
		p, ok := wanted[id]
		l := e.retire(p, ok, time.Now())
		if ok {
			continue
		}
		h.forget(id)
		if l != nil {
			ended = append(ended, l)
		}
	}
	h.wait(ended, farewellMost)
	for _, p := range wanted {
		if err := h.entry(p.ID).set(h, p); err != nil {
			problems = append(problems, err)
		}
	}
	return errors.Join(problems...)
}

// retire ends the session of a peer that is to have none, or another one, and returns
// its loop.
func (e *entry) retire(p Peer, wanted bool, now time.Time) *loop {
	e.mu.Lock()
	defer e.mu.Unlock()
	samePath := p.Path.Equal(e.peer.Path)
	if e.loop == nil || wanted && samePath && p.sameSession(e.peer) {
		return nil
	}
	f := farewell{why: pathIsDown, reset: true}
	switch {
	case !wanted:
		f = cease(wire.PeerDeconfigured)
	case samePath:
		f = cease(wire.ConfigurationChange)
	}
	l := e.loop
	l.order(func(o *orders) { o.end = &f })
	e.loop, e.last = nil, l
	since := e.status.Since
	if e.status.Established {
		since = now
	}
	e.status = Status{ID: e.peer.ID, Since: since, Message: f.why}
	return l
}

const pathIsDown = "the path to the peer is down"

func cease(why wire.Subcode) farewell {
	n := wire.Cease(why)
	return farewell{notification: &n, why: fmt.Sprintf("ended by our side: %v", n)}
}

// set makes an entry that has no other session than a peer's keep that.
func (e *entry) set(h *Host, p Peer) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	old := e.peer
	e.peer = p
	p.Adopted = p.Adopted && old.ID == "" // or the path has had a session of ours, or is another one
	switch {
	case e.loop != nil:
		if !sameRoutes(old.Advertised, p.Advertised) {
			e.loop.order(func(o *orders) { o.advertise, o.advertised = true, p.Advertised })
		}
		if old.Log != p.Log {
			e.loop.order(func(o *orders) { o.log = &p.Log })
		}
	case !p.up():
		if e.status.ID == "" {
			e.status = Status{ID: p.ID, Since: time.Now(), Message: pathIsDown}
		}
	default:
		now := time.Now()
		l, err := newLoop(h, e, p, now)
		if err != nil {
			return fmt.Errorf("BGP peer %s: %w", p.ID, err)
		}
		if !e.status.Since.IsZero() {
			l.since = e.status.Since
		}
		last := e.last
		e.loop, e.last, e.status = l, nil, l.status()
		h.group.Go("bgp session", func(ctx context.Context) error {
			if last != nil {
				<-last.ended // and its listener with it
			}
			l.run(ctx)
			return nil
		})
	}
	return nil
}

// wait waits, but not for long, until the peers of loops have taken their farewell, as one
// shows that closes its end, too: what was written may be on its way still, and the path
// is about to end.
func (h *Host) wait(loops []*loop, most time.Duration) {
	limit := time.NewTimer(most)
	defer limit.Stop()
	for _, l := range loops {
		taken := make(chan struct{})
		h.group.Go("bgp farewell", func(context.Context) error {
			defer close(taken)
			<-l.ended
			l.readers.Wait()
			return nil
		})
		select {
		case <-taken:
		case <-limit.C:
			return
		}
	}
}

// Status returns what all sessions say of themselves, by their ids.
func (h *Host) Status() []Status {
	entries := h.snapshot()
	all := make([]Status, 0, len(entries))
	for _, e := range entries {
		e.mu.Lock()
		if e.status.ID != "" {
			all = append(all, e.status)
		}
		e.mu.Unlock()
	}
	slices.SortFunc(all, func(a, b Status) int { return strings.Compare(a.ID, b.ID) })
	return all
}

// Close ends all sessions: with Cease / Administrative Shutdown, or without a word where
// a process comes that goes on with them, so that peers keep their routes until then. It
// waits, until ctx is over at most, for peers to take that.
func (h *Host) Close(ctx context.Context, restarting bool) {
	h.setting.Lock()
	defer h.setting.Unlock()
	if h.isClosed() {
		return
	}
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	f := farewell{why: "the process ends, and another one goes on"}
	if !restarting {
		f = cease(wire.AdministrativeShutdown)
	}
	var loops []*loop
	for _, e := range h.snapshot() {
		e.mu.Lock()
		if e.loop != nil {
			e.loop.order(func(o *orders) { o.end = &f })
			loops = append(loops, e.loop)
			e.loop = nil
		}
		e.mu.Unlock()
	}
	stop := context.AfterFunc(ctx, h.resetAll)
	defer stop()
	for _, l := range loops {
		<-l.ended
	}
	h.group.Stop(nil)
	h.listeners.stop()
	_ = h.group.Wait() // nobody returns an error
	h.listeners.close()
}

// resetAll ends all connections at once.
func (h *Host) resetAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.conns {
		c.reset()
	}
}

func (h *Host) isClosed() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.closed
}

// entry returns that of an id, a new one if there is none.
func (h *Host) entry(id string) *entry {
	h.mu.Lock()
	defer h.mu.Unlock()
	e := h.entries[id]
	if e == nil {
		e = &entry{journal: newJournal(h.log, id)}
		h.entries[id] = e
	}
	return e
}

func (h *Host) forget(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.entries, id)
}

// snapshot returns the entries as they are now.
func (h *Host) snapshot() map[string]*entry {
	h.mu.Lock()
	defer h.mu.Unlock()
	return maps.Clone(h.entries)
}

// keep and drop count a connection among those that stand, and no more.
func (h *Host) keep(c *conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.conns[c] = struct{}{}
}

func (h *Host) drop(c *conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.conns, c)
}

// listen opens a listener when it is its turn.
func (h *Host) listen(p place, take func(*net.TCPConn) bool) (*listener, error) {
	if err := h.opening.Acquire(h.group.Context(), 1); err != nil {
		return nil, err
	}
	defer h.opening.Release(1)
	return h.listeners.open(p, take)
}

// dial connects when it is its turn.
func (h *Host) dial(ctx context.Context, p place) (*net.TCPConn, error) {
	return p.dial(ctx, func() (int, error) {
		if err := h.opening.Acquire(ctx, 1); err != nil {
			return -1, err
		}
		defer h.opening.Release(1)
		return p.socket()
	})
}
