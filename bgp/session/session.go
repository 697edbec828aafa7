package session

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"causeway.dev/bgp/wire"
)

// A Session is what is spoken with one peer. It is not safe for concurrent use.
//
//	          Start                        an error ends the last connection
//	stopped ────────> running ────────────────────────────────────────────────> holding
//	   ^                 │ ^──────────────────── after a while ─────────────────── │
//	   └─ Stop, Abandon ─┴─────────────────────────────────────────────────────────┘
//
// While it runs, it dials (Connect) or waits to (Active), and has up to two connections,
// the peer's and its own, each of which goes its way:
//
//	dialed, accepted ──> OpenSent ──OPEN──> OpenConfirm ──KEEPALIVE──> Established
//	                        └─────────────────┴─ error, loss, collision ─┴──> closed
//
// While it holds, it is Idle: nobody is let in either.
type Session struct {
	config Config
	random *rand.Rand

	phase     phase
	idleUntil time.Time // holding
	failures  int       // errors in a row: how long to hold
	losses    int       // connections in a row that the peer has made, or that stood shortly, and that came to nothing
	reason    reason
	told      State // by Moved

	dialing bool
	dialEnd time.Time // dialing: when it is given up
	retryAt time.Time // running, without a connection, not dialing: when to dial
	conns   []*connection

	restartedUntil time.Time // until when our OPEN says that we have begun anew
	plain          bool      // the peer wants no capabilities
	stale          bool      // the owner keeps stale routes
	staleUntil     time.Time // stale: until when
	refreshedAt    time.Time // when RefreshAsked was last told
	refreshDue     bool      // it is to be told once more, in time

	actions        []Action
	events         []Event
	sent, received uint64
	notifications  Notifications
}

type phase uint8

const (
	stopped phase = iota
	running
	holding
)

const (
	// connectTimeout bounds a dial: TCP asks four times in it.
	connectTimeout = 10 * time.Second

	// collisionRetry is until the next dial where a collision has left no connection.
	collisionRetry = time.Second

	// openTimeout bounds OpenSent. RFC 4271 section 8.2.2 suggests 4 minutes; with routers
	// at the other end of a tunnel a connection that says nothing is a wrong one.
	openTimeout = 30 * time.Second

	// idleMax bounds how long a session holds after errors, and stableAfter is for how long
	// one has to stand for these to be forgotten.
	idleMax     = time.Minute
	stableAfter = time.Minute

	// lateMax is how much later than at its deadline Advance may be called before a silent
	// peer is excused, and for how long: what it has said may wait to be read.
	lateMax = time.Second

	// lossesMax is how many connections in a row can come to nothing before that counts
	// as an error: each time is a line in a log, and routes for others.
	lossesMax = 5

	// staleMax bounds how long routes of a peer are kept that vanished, and how long its
	// End-of-RIB is then awaited. restartMax bounds for how long we say that we have begun anew.
	staleMax   = 2 * time.Minute
	restartMax = 2 * time.Minute

	// refreshInterval is between two times that a peer is told all routes since it asked:
	// for a few octets it gets up to a thousand routes.
	refreshInterval = 5 * time.Second

	// probeInterval is between two messages that find out whether a connection stands.
	probeInterval = time.Second
)

// New returns a session that is stopped. The times of attempts and messages are spread by
// random, RFC 4271 section 10.
func New(c Config, random *rand.Rand) (*Session, error) {
	c, err := c.complete()
	if err != nil {
		return nil, err
	}
	return &Session{config: c, random: random, reason: reason{text: "the session has not begun"}}, nil
}

// Start begins: the path to the peer stands. restarted says that it was handed over by a
// process before, whose routes the peer may have kept. It does nothing while the session
// runs or holds.
func (s *Session) Start(now time.Time, restarted bool) {
	if s.phase != stopped {
		return
	}
	s.failures, s.losses, s.plain, s.restartedUntil = 0, 0, false, time.Time{}
	if restarted {
		s.restartedUntil = now.Add(restartMax)
	}
	s.reason = reason{text: fmt.Sprintf("connecting to %v port %d", s.config.Remote, wire.Port)}
	s.run(now)
	s.moved()
}

// moved tells of another State.
func (s *Session) moved() { s.movedTo(s.State()) }

func (s *Session) movedTo(state State) {
	if state != s.told {
		s.events = append(s.events, Moved{s.told, state})
		s.told = state
	}
}

// run dials. RFC 4271 section 8.2.2, Idle, events 1 and 3.
func (s *Session) run(now time.Time) {
	s.phase, s.idleUntil = running, time.Time{}
	s.dial(now)
}

// Stop ends all with a NOTIFICATION until the next Start.
func (s *Session) Stop(now time.Time, n Notification) {
	if s.phase == stopped {
		return
	}
	s.closeAll(now, ending{reason: fmt.Sprintf("ended by our side: %v", n), sent: &n})
	s.phase = stopped
	s.moved()
}

// Abandon ends all without a word until the next Start: the path to the peer is gone, or
// this process is, and the peer shall keep our routes. Reason is the given one then.
func (s *Session) Abandon(now time.Time, why string) {
	if s.phase != stopped {
		s.closeAll(now, ending{reason: why})
		s.phase = stopped
		s.moved()
	}
	s.reason = reason{text: why}
}

// Fail ends all with a NOTIFICATION since the owner can't go on, and begins anew after a while.
func (s *Session) Fail(now time.Time, n Notification, why string, idle time.Duration) {
	if s.phase == stopped {
		return
	}
	s.closeAll(now, ending{reason: why, sent: &n})
	s.hold(now.Add(idle))
	s.moved()
}

// closeAll closes all connections and takes the dial back.
func (s *Session) closeAll(now time.Time, e ending) {
	for len(s.conns) > 0 {
		s.close(now, s.conns[0], e)
	}
	s.cancelDial()
	s.forget()
	s.refreshDue = false
	s.reason = reason{text: e.reason, at: now, spoken: true}
}

func (s *Session) hold(until time.Time) {
	s.cancelDial()
	s.phase, s.idleUntil, s.retryAt = holding, until, time.Time{}
}

// dial begins an attempt, RFC 4271 section 8.2.2, Connect.
func (s *Session) dial(now time.Time) {
	s.dialing, s.dialEnd, s.retryAt = true, now.Add(connectTimeout), time.Time{}
	s.actions = append(s.actions, Dial{})
}

func (s *Session) cancelDial() {
	if s.dialing {
		s.dialing = false
		s.actions = append(s.actions, CancelDial{})
	}
}

// retry has the peer dialed in a while, and let in meanwhile: Active.
func (s *Session) retry(now time.Time) { s.retryAt = now.Add(s.jitter(s.config.ConnectRetry)) }

// jitter spreads a time: RFC 4271 section 10.
func (s *Session) jitter(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.75 + 0.25*s.random.Float64()))
}

// DialFailed tells that a Dial came to nothing; detail, which may be empty, is for people.
func (s *Session) DialFailed(now time.Time, why DialFailure, detail string) {
	if !s.dialing {
		return
	}
	s.dialing = false
	s.dialFailed(now, why, detail)
	s.moved()
}

func (s *Session) dialFailed(now time.Time, why DialFailure, detail string) {
	if len(s.conns) > 0 {
		return // the peer has come to us
	}
	s.retry(now)
	s.reason.dial(now, s.config, why, detail)
}

// Connected tells of a connection that stands: that of our Dial, or one that the peer has
// made. One that is not wanted is closed at once.
func (s *Session) Connected(now time.Time, conn ConnID, outgoing bool) {
	s.connected(now, conn, outgoing)
	s.moved()
}

func (s *Session) connected(now time.Time, conn ConnID, outgoing bool) {
	if outgoing {
		if !s.dialing || s.established() != nil {
			s.dialing = false
			s.actions = append(s.actions, Close{conn})
			return
		}
		s.dialing = false
	}
	if s.phase != running {
		s.actions = append(s.actions, Close{conn})
		return
	}
	if before := s.unfinished(outgoing); before != nil {
		// Who connects twice has lost the first one.
		s.close(now, before, ending{})
		s.count(now, before, false)
		if s.losses > lossesMax && s.established() == nil {
			s.holdOff(now)
			s.actions = append(s.actions, Close{conn})
			return
		}
	}
	s.retryAt = time.Time{}
	c := &connection{id: conn, outgoing: outgoing, plain: s.plain, state: OpenSent, holdEnd: now.Add(openTimeout)}
	s.conns = append(s.conns, c)
	o := s.open(now)
	s.write(now, c, o.Append(nil))
	s.events = append(s.events, Opened{o, true})
}

// open is what we say first.
func (s *Session) open(now time.Time) wire.Open {
	o := wire.Open{ASN: s.config.ASN, HoldTime: s.config.HoldTime, Identifier: s.config.Identifier, WithoutCapabilities: s.plain}
	if s.plain {
		return o
	}
	o.FourOctetASN, o.RouteRefresh, o.Families = true, true, []wire.Family{wire.IPv4Unicast}
	if s.config.RestartTime > 0 {
		// Packets go on by what the kernel has, whatever happens to sessions.
		o.Restart = &wire.Restart{Restarted: now.Before(s.restartedUntil), Time: s.config.RestartTime, IPv4: true, Forwarded: true}
	}
	return o
}

// Lost tells that a connection is gone: closed by the peer, or reset. why, which may be
// empty, is for people.
func (s *Session) Lost(now time.Time, conn ConnID, why string) {
	if c := s.find(conn); c != nil {
		s.end(now, c, ending{reason: lostReason(c.state, why), lost: true, gone: true})
		s.moved()
	}
}

// Stuck tells that the peer has not taken an octet of what was written for SendHold.
// RFC 9687.
func (s *Session) Stuck(now time.Time, conn ConnID) {
	if c := s.find(conn); c != nil {
		n := Notification{Code: wire.CodeSendHold}
		s.end(now, c, ending{reason: fmt.Sprintf("the peer has not taken what we send for %v", s.SendHold()), sent: &n})
		s.moved()
	}
}

// SendHold is for how long the peer may take nothing of what is written. RFC 9687
// section 5 suggests 8 minutes; it is shorter here as the hold time is.
func (s *Session) SendHold() time.Duration {
	if c := s.established(); c != nil {
		return 2 * c.negotiated.HoldTime
	}
	return 2 * s.config.HoldTime
}

// ErrNotEstablished is that routes can't be sent now.
var ErrNotEstablished = errors.New("the BGP session is not established")

// Send tells the peer routes, takes them back, or ends the first whole table.
func (s *Session) Send(now time.Time, u Update) error {
	c := s.established()
	if c == nil {
		return ErrNotEstablished
	}
	b := u.Append(nil, c.negotiated.FourOctetASN)
	if len(b) > wire.MessageMax {
		return fmt.Errorf("an UPDATE of %d octets does not fit into a message", len(b))
	}
	s.write(now, c, b)
	return nil
}

// Advance does what is due.
func (s *Session) Advance(now time.Time) {
	due := func(t time.Time) bool { return !t.IsZero() && !now.Before(t) }
	if s.stale && due(s.staleUntil) {
		s.forget()
	}
	for _, c := range slices.Clone(s.conns) {
		switch {
		case s.find(c.id) == nil: // it has ended with the one before
		case due(c.holdEnd) && !c.excuse(now):
			s.end(now, c, c.silence())
		case due(c.keepaliveAt):
			s.keepalive(now, c)
		}
	}
	if s.dialing && due(s.dialEnd) {
		s.cancelDial()
		s.dialFailed(now, NoAnswer, "")
	}
	switch {
	case s.phase == holding && due(s.idleUntil):
		s.run(now)
	case s.phase == running && due(s.retryAt):
		s.dial(now)
	}
	if s.refreshDue && due(s.refreshedAt.Add(refreshInterval)) {
		s.tellRefresh(now)
	}
	s.moved()
}

// Deadline is when Advance is due next.
func (s *Session) Deadline() (time.Time, bool) {
	var next time.Time
	at := func(t time.Time, valid bool) {
		if valid && !t.IsZero() && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	at(s.idleUntil, s.phase == holding)
	at(s.retryAt, s.phase == running)
	at(s.dialEnd, s.dialing)
	at(s.staleUntil, s.stale)
	at(s.refreshedAt.Add(refreshInterval), s.refreshDue)
	for _, c := range s.conns {
		at(c.holdEnd, true)
		at(c.keepaliveAt, true)
	}
	return next, !next.IsZero()
}

// TakeOutput hands over what is to be done, in this order, and what has become true. Both
// kinds are independent: what an event leads to may come before the actions or after them.
func (s *Session) TakeOutput() ([]Action, []Event) {
	actions, events := s.actions, s.events
	s.actions, s.events = nil, nil
	return actions, events
}

// State is how far the session has come.
func (s *Session) State() State {
	state := Idle
	switch {
	case s.dialing:
		state = Connect
	case s.phase == running:
		state = Active
	}
	for _, c := range s.conns {
		state = max(state, c.state)
	}
	return state
}

// Reason says in one sentence why the session is not established. It is empty where it is.
func (s *Session) Reason() string {
	if s.established() != nil {
		return ""
	}
	return s.reason.text
}

// Negotiated is what an established session has agreed on.
func (s *Session) Negotiated() (Negotiated, bool) {
	if c := s.established(); c != nil {
		return c.negotiated, true
	}
	return Negotiated{}, false
}

// Retaining reports whether the owner keeps stale routes of the peer.
func (s *Session) Retaining() bool { return s.stale }

// Notifications are those that have ended connections of the session, and the last ones,
// which tell why.
type Notifications struct {
	Sent, Received         uint64
	LastSent, LastReceived Notified
}

// Notified is a NOTIFICATION and its time, which is zero where there was none.
type Notified struct {
	At time.Time
	Notification
}

// Notifications are all that there were since New.
func (s *Session) Notifications() Notifications { return s.notifications }

// Messages are how many were sent and received.
func (s *Session) Messages() (sent, received uint64) { return s.sent, s.received }

func (s *Session) find(conn ConnID) *connection {
	for _, c := range s.conns {
		if c.id == conn {
			return c
		}
	}
	return nil
}

// unfinished is the connection of one side that is not established.
func (s *Session) unfinished(outgoing bool) *connection {
	for _, c := range s.conns {
		if c.outgoing == outgoing && c.state != Established {
			return c
		}
	}
	return nil
}

func (s *Session) established() *connection {
	for _, c := range s.conns {
		if c.state == Established {
			return c
		}
	}
	return nil
}

// forget has stale routes dropped.
func (s *Session) forget() {
	if s.stale {
		s.stale = false
		s.events = append(s.events, Forget{})
	}
}
