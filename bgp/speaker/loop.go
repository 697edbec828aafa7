package speaker

import (
	"context"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"time"

	"causeway.dev/bgp/rib"
	"causeway.dev/bgp/session"
)

const (
	// connectRetry is between two attempts. RFC 4271 suggests two minutes, which nobody
	// wants to wait for a tunnel that has just come up.
	connectRetry = 5 * time.Second

	// restartTime is for how long peers shall keep our routes while this process begins
	// anew (RFC 4724): a daemon is up within seconds, and a machine is not.
	restartTime = 120 * time.Second

	// pendingMost bounds for how long routes that the process before has learned are not
	// those of its successor, and pendingSilent how long a peer that does not say when it
	// has told all is given for that.
	pendingMost   = 40 * time.Second
	pendingSilent = 5 * time.Second

	// tooManyIdle is for how long a peer is left alone that has told too many routes.
	tooManyIdle = 60 * time.Second

	// queueMost is how much waits for a peer that does not read, before routes are no
	// longer put there: they are taken when they can be sent. What comes above it is
	// KEEPALIVEs until the peer's time is over.
	queueMost = 64 << 10

	// connsMost bounds the connections of one peer, with those that are being closed. Two
	// that collide are honest, each with one before that has not gone yet.
	connsMost = 4

	// publishEvery is between two times that other routes are told: a peer that changes
	// its mind all the time does not keep all others busy.
	publishEvery = 200 * time.Millisecond
)

// A loop drives the session of one peer while its path stands. What belongs to it is
// touched by its goroutine only, but for orders.
type loop struct {
	host *Host
	own  *entry // that publishes
	peer Peer   // Advertised is not looked at after the start

	session  *session.Session
	in       *rib.In
	out      *rib.Out
	journal  *journal
	listener *listener
	conns    map[session.ConnID]*conn
	lastConn session.ConnID
	stuckAt  map[session.ConnID]time.Time // when a peer is stuck that takes nothing
	dialed   int                          // how often
	undial   context.CancelFunc           // of the dial that is under way, or nil

	pendingUntil time.Time // what the process before has learned; zero: not pending
	stale        bool      // in has routes of a peer that begins anew
	since        time.Time // of the last change of established
	established  bool
	tooMany      bool      // the peer has told more routes than it may, and is told so
	openProblem  string    // why the listener can't be opened
	publishedAt  time.Time // other routes
	publishDue   bool

	inbox    chan func(now time.Time)
	incoming chan *net.TCPConn // that nobody has looked at; capacity as the kernel keeps them
	kick     chan struct{}     // orders have changed; capacity 1 as one kick is as good as two
	ended    chan struct{}     // closed when the loop is over
	readers  sync.WaitGroup    // of connections; none is added when the loop is over

	mu     sync.Mutex
	orders orders // guarded by mu
	over   bool   // nobody is let in any more; guarded by mu
}

// orders is what Set and Close want of a loop.
type orders struct {
	advertise  bool // what follows is new
	advertised []rib.Route
	log        *bool // Peer.Log; nil: as before
	end        *farewell
}

// A farewell is how a session ends: with a NOTIFICATION, or without a word, for what
// is said of it.
type farewell struct {
	notification *session.Notification
	reset        bool // nothing has to arrive
	why          string
}

func newLoop(h *Host, own *entry, p Peer, now time.Time) (*loop, error) {
	s, err := session.New(p.session(), rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())))
	if err != nil {
		return nil, err
	}
	l := &loop{
		host: h, own: own, peer: p, session: s, since: now, journal: own.journal,
		out:   rib.NewOut(rib.OutConfig{ASN: p.ASN, NextHop: p.Local}),
		conns: map[session.ConnID]*conn{}, stuckAt: map[session.ConnID]time.Time{},
		inbox: make(chan func(time.Time)), incoming: make(chan *net.TCPConn, backlog), kick: make(chan struct{}, 1), ended: make(chan struct{}),
	}
	l.in = rib.NewIn(rib.InConfig{ASN: p.ASN, PeerASN: p.PeerASN, Local: p.Local, Max: p.MaxPrefixes, Told: l.told})
	l.out.Set(p.Advertised)
	if p.Adopted {
		l.pendingUntil = now.Add(pendingMost)
	}
	return l, nil
}

// order changes orders.
func (l *loop) order(f func(*orders)) {
	l.mu.Lock()
	f(&l.orders)
	l.mu.Unlock()
	select {
	case l.kick <- struct{}{}:
	default:
	}
}

// post has the loop call f. It returns false, without that, when the loop is over.
func (l *loop) post(f func(now time.Time)) bool {
	select {
	case l.inbox <- f:
		return true
	case <-l.ended:
		return false
	}
}

// run is the loop. Nothing that it does waits for a peer.
func (l *loop) run(ctx context.Context) {
	defer close(l.ended)
	now := time.Now()
	l.session.Start(now, l.peer.Adopted)
	l.journal.begin(l.peer, l.session.Reason())
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		l.carryOut(now)
		l.publish(now)
		timer.Reset(l.wait(now))
		select {
		case <-ctx.Done():
			l.end(time.Now(), farewell{reset: true, why: "BGP has ended here"})
			return
		case <-l.kick:
			if l.obey(time.Now()) {
				return
			}
		case f := <-l.inbox:
			f(time.Now())
		case tcp := <-l.incoming:
			l.connected(time.Now(), tcp, false)
		case <-timer.C:
		}
		now = time.Now()
		l.session.Advance(now)
		l.findStuck(now)
		l.journal.advance(now)
	}
}

// wait is how long nothing is due.
func (l *loop) wait(now time.Time) time.Duration {
	due := make([]time.Time, 0, 4)
	if next, ok := l.session.Deadline(); ok {
		due = append(due, next)
	}
	if !l.pendingUntil.IsZero() {
		due = append(due, l.pendingUntil)
	}
	if l.publishDue {
		due = append(due, l.publishedAt.Add(publishEvery))
	}
	if at := l.journal.due(); !at.IsZero() {
		due = append(due, at)
	}
	due = slices.AppendSeq(due, maps.Values(l.stuckAt))
	if len(due) == 0 {
		return time.Hour
	}
	return max(slices.MinFunc(due, time.Time.Compare).Sub(now), 0)
}

// obey does what Set and Close want, and reports whether the loop is over by that.
func (l *loop) obey(now time.Time) (over bool) {
	l.mu.Lock()
	o := l.orders
	l.orders = orders{}
	l.mu.Unlock()
	if o.end != nil {
		l.end(now, *o.end)
		return true
	}
	if o.log != nil {
		l.journal.on = *o.log && l.journal.tell != nil
	}
	if o.advertise {
		l.out.Set(o.advertised)
	}
	return false
}

// end says farewell. What is left of connections then ends by itself within closeMost.
func (l *loop) end(now time.Time, f farewell) {
	if l.listener != nil {
		l.listener.close()
	}
	l.turnAway()
	if f.notification != nil {
		l.session.Stop(now, *f.notification)
	} else {
		l.session.Abandon(now, f.why)
	}
	if f.reset {
		for _, c := range l.conns {
			c.reset()
		}
	}
	l.carryOut(now)
	l.journal.because(now, l.session.Reason())
	if l.undial != nil {
		l.undial()
	}
}

// turnAway lets nobody in any more, nor those that nobody has looked at.
func (l *loop) turnAway() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
	for {
		select {
		case tcp := <-l.incoming:
			reset(tcp)
		default:
			return
		}
	}
}

// carryOut does what the session wants, until it wants nothing more.
func (l *loop) carryOut(now time.Time) {
	for {
		actions, events := l.session.TakeOutput()
		for _, e := range events {
			l.event(now, e)
		}
		for _, a := range actions {
			l.act(now, a)
		}
		if len(actions) == 0 && len(events) == 0 && !l.tell(now) {
			return
		}
	}
}

// tell sends the next routes if the peer has taken those before, and reports whether
// there were any.
func (l *loop) tell(now time.Time) bool {
	if l.session.State() != session.Established {
		return false
	}
	for _, c := range l.conns {
		if len(c.queue) > queueMost {
			return false
		}
	}
	u, ok := l.out.Next()
	if !ok {
		return false
	}
	if err := l.session.Send(now, u); err != nil {
		l.host.logger.Error("cannot tell a BGP peer routes", "tunnel", l.peer.ID, "err", err)
	} else if u.EndOfRIB {
		l.journal.endOfRIB(now)
	}
	return true
}

func (l *loop) act(now time.Time, a session.Action) {
	switch a := a.(type) {
	case session.Dial:
		l.journal.dials(now)
		l.dial()
	case session.CancelDial:
		l.dialed++ // what comes of the last one comes too late
		if l.undial != nil {
			l.undial()
			l.undial = nil
		}
	case session.Write:
		if c := l.conns[a.Conn]; c != nil && !c.over.Load() {
			c.queue = append(c.queue, a.Bytes...)
			l.flush(now, c)
		}
	case session.Close:
		if c := l.conns[a.Conn]; c != nil {
			l.close(c)
		}
	}
}

// close ends a connection on which all was said. What the peer has not taken until now
// it does not get.
func (l *loop) close(c *conn) {
	if c.over.Load() {
		return
	}
	if len(c.queue) > 0 {
		c.reset()
	} else {
		c.finish()
	}
	c.queue = nil
	delete(l.stuckAt, c.id)
}
