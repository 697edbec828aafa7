package session_test

import (
	"container/heap"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"causeway.dev/bgp/rib"
	"causeway.dev/bgp/session"
	"causeway.dev/bgp/wire"
)

var seeds = flag.Int("sim.seeds", 150, "runs of the simulation")

// Two sessions speak with each other over TCP that is cut anywhere, late, stalled, reset
// or lost, while either side begins anew, loses its path, gives up or changes what it
// tells. Whenever that has an end, both stand and each has what the other one tells.
func TestSimulation(t *testing.T) {
	total := map[string]int{}
	for seed := range *seeds {
		w := newWorld(t, uint64(seed))
		w.trouble(10 * time.Minute)
		w.quiet(5 * time.Minute)
		if t.Failed() {
			t.Fatalf("seed %d:\n%s", seed, strings.Join(w.log, "\n"))
		}
		for what, n := range w.seen {
			total[what] += n
		}
	}
	// What the simulation never does, it proves nothing of.
	for _, what := range []string{"established", "collision", "hold timer", "stale", "forgotten", "end of RIB", "restarted", "refresh", "too many", "stalled", "reset", "path lost", "held off"} {
		if total[what] == 0 && *seeds >= 100 {
			t.Errorf("in %d runs there was no %s", *seeds, what)
		}
	}
	t.Logf("%v", total)
}

// Where nothing goes wrong but that both sides dial at once and a dial is refused now and
// then, both are established within 10 s, and once only.
func TestBothSidesDial(t *testing.T) {
	for seed := range uint64(300) {
		w := newWorld(t, seed)
		w.run(10 * time.Second)
		for i, s := range w.sides {
			if !s.up {
				w.fail("side %d is %v: %s", i, s.session.State(), s.session.Reason())
			}
		}
		downs := w.seen["down"]
		w.quiet(2 * time.Minute)
		if w.seen["down"] != downs {
			w.fail("the session did not stand")
		}
		if t.Failed() {
			t.Fatalf("seed %d:\n%s", seed, strings.Join(w.log, "\n"))
		}
	}
}

// A world is two sides, and TCP between them.
type world struct {
	t       *testing.T
	now     time.Time
	random  *rand.Rand
	queue   events
	serial  int
	sides   [2]*side
	stalled bool // nothing arrives
	log     []string
	seen    map[string]int
	steps   int
}

// A side is what owns a session.
type side struct {
	w         *world
	index     int
	config    session.Config
	session   *session.Session
	in        *rib.In
	out       *rib.Out
	want      []rib.Route
	streams   map[session.ConnID]*stream
	closed    map[session.ConnID]bool
	next      session.ConnID
	dial      int // number of the one under way; 0: none
	dials     int
	up, stale bool
	path      bool
	told      session.State // by Moved
}

// A stream is one side's end of a TCP connection.
type stream struct {
	side  *side
	other *stream
	id    session.ConnID
	open  bool
	early bool  // the owner has not heard of it
	sent  []any // on the way to the other end: []byte, or eof
	busy  bool  // an event for the head of sent is queued
}

type eof struct{ why string }

// An event of the world's queue.
type event struct {
	at     time.Time
	serial int
	do     func()
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at.Before(e[j].at) || e[i].at.Equal(e[j].at) && e[i].serial < e[j].serial
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{t: t, now: time.Unix(1_800_000_000, 0), random: rand.New(rand.NewPCG(seed, 7)), seen: map[string]int{}}
	asns := [2]uint32{64512, 65000}
	if w.random.IntN(3) == 0 {
		asns[1] = 4200000000
	}
	addresses := [2]netip.Addr{netip.MustParseAddr("169.254.10.1"), netip.MustParseAddr("169.254.10.2")}
	identifiers := addresses
	switch w.random.IntN(4) {
	case 0:
		identifiers[1] = netip.MustParseAddr("10.0.0.1")
	case 1:
		identifiers[1] = identifiers[0]
	}
	restart := 120 * time.Second
	if w.random.IntN(4) == 0 {
		restart = 0
	}
	for i := range w.sides {
		s := &side{w: w, index: i, streams: map[session.ConnID]*stream{}, closed: map[session.ConnID]bool{}, config: session.Config{
			ASN: asns[i], PeerASN: asns[1-i], Identifier: identifiers[i], Remote: addresses[1-i], RestartTime: restart,
			HoldTime: time.Duration(10+w.random.IntN(80)) * time.Second,
		}}
		s.in = rib.NewIn(rib.InConfig{ASN: asns[i], PeerASN: asns[1-i], Local: addresses[i], Max: 30})
		s.out = rib.NewOut(rib.OutConfig{ASN: asns[i], NextHop: addresses[i]})
		w.sides[i] = s
		s.change(30)
		s.begin()
	}
	for _, s := range w.sides {
		s.start(false)
	}
	return w
}

func (w *world) at(d time.Duration, do func()) {
	w.serial++
	heap.Push(&w.queue, event{w.now.Add(d), w.serial, do})
}

func (w *world) note(format string, args ...any) {
	w.log = append(w.log, w.now.Format("15:04:05.000 ")+fmt.Sprintf(format, args...))
	if len(w.log) > 400 {
		w.log = w.log[200:]
	}
}

func (w *world) fail(format string, args ...any) {
	w.t.Helper()
	w.note(format, args...)
	w.t.Errorf(format, args...)
}

// run goes on for a while.
func (w *world) run(d time.Duration) {
	end := w.now.Add(d)
	for !w.t.Failed() {
		next, who := end, (*side)(nil)
		for _, s := range w.sides {
			if at, ok := s.session.Deadline(); ok && at.Before(next) {
				next, who = at, s
			}
		}
		if len(w.queue) > 0 && !w.queue[0].at.After(next) && w.queue[0].at.Before(end) {
			e := heap.Pop(&w.queue).(event)
			w.now = e.at
			e.do()
		} else if who != nil {
			if next.After(w.now) {
				w.now = next
			}
			who.session.Advance(w.now)
			if at, ok := who.session.Deadline(); ok && !at.After(w.now) {
				w.fail("side %d: what was due at %v is still due", who.index, at)
			}
			who.drain()
		} else {
			w.now = end
			return
		}
		if w.steps++; w.steps > 1_000_000 {
			w.fail("it has no end")
		}
	}
}

// trouble lets things happen for a while.
func (w *world) trouble(d time.Duration) {
	for end := w.now.Add(d); w.now.Before(end) && !w.t.Failed(); {
		w.run(time.Duration(w.random.ExpFloat64() * float64(40*time.Second)))
		s := w.sides[w.random.IntN(2)]
		w.now = w.now.Add(time.Microsecond)
		switch w.random.IntN(9) {
		case 0:
			w.note("nothing arrives")
			w.stalled = true
			w.run(time.Duration(w.random.IntN(150)) * time.Second)
			w.stalled = false
			w.seen["stalled"]++
			w.note("all arrives")
		case 1:
			for _, st := range s.all() {
				w.reset(st)
				w.reset(st.other)
			}
			w.seen["reset"]++
		case 2:
			w.note("side %d begins anew", s.index)
			s.restart(w.random.IntN(2) == 0)
			w.seen["restarted"]++
		case 3:
			w.note("the path ends")
			order := w.random.Perm(2)
			for _, i := range order {
				w.sides[i].session.Abandon(w.now, "the path is gone")
				w.sides[i].drain()
				w.run(time.Duration(w.random.IntN(20)) * time.Second)
			}
			for _, i := range order {
				w.sides[i].start(false)
				w.run(time.Duration(w.random.IntN(20)) * time.Second)
			}
			w.seen["path lost"]++
		case 4:
			w.note("side %d tells something else", s.index)
			s.change(30)
			s.flush()
		case 5:
			if st := s.standing(); st != nil {
				w.note("side %d asks for all once more", s.index)
				st.send(wire.Refresh{Family: wire.IPv4Unicast}.Append(nil))
				w.seen["refresh"]++
			}
		case 6:
			w.note("side %d tells too much", s.index)
			s.change(60)
			s.flush()
			w.run(time.Duration(w.random.IntN(100)) * time.Second)
			s.change(20)
			s.flush()
		case 7:
			if st := s.standing(); st != nil && w.random.IntN(3) == 0 {
				w.note("side %d says nonsense", s.index)
				st.send([]byte("GET / HTTP/1.1\r\n\r\n\r\n"))
			}
		case 8:
			if w.random.IntN(3) == 0 {
				w.note("side %d stops and starts", s.index)
				s.session.Stop(w.now, wire.Cease(wire.AdministrativeShutdown))
				s.drain()
				w.run(time.Duration(w.random.IntN(30)) * time.Second)
				s.start(false)
			}
		}
	}
}

// quiet lets things settle, and looks at what stands then.
func (w *world) quiet(d time.Duration) {
	w.run(d)
	if w.t.Failed() {
		return
	}
	for i, s := range w.sides {
		if s.session.State() != session.Established || !s.up || s.session.Retaining() || s.session.Reason() != "" {
			w.fail("side %d is %v: %q", i, s.session.State(), s.session.Reason())
		}
		if open := len(s.all()); open != 1 {
			w.fail("side %d has %d connections", i, open)
		}
		other := w.sides[1-i]
		var want []rib.Route
		for _, r := range other.want {
			r.Path = append([]uint32{other.config.ASN}, r.Path...)
			want = append(want, r)
		}
		if !slices.EqualFunc(s.in.Routes(), want, rib.Route.Equal) {
			w.fail("side %d has %v, side %d tells %v", i, s.in.Routes(), 1-i, want)
		}
	}
}

// begin makes the session of a process that has begun.
func (s *side) begin() {
	s.told = session.Idle
	var err error
	if s.session, err = session.New(s.config, rand.New(rand.NewPCG(s.w.random.Uint64(), 1))); err != nil {
		s.w.t.Fatal(err)
	}
}

func (s *side) start(restarted bool) {
	s.path = true
	s.session.Start(s.w.now, restarted)
	s.drain()
}

// restart has another process go on: with connections that are closed, or just gone.
func (s *side) restart(graceful bool) {
	if graceful {
		s.session.Abandon(s.w.now, "the process ends")
		s.drain()
	}
	for _, st := range s.all() {
		st.open = false
	}
	s.streams, s.dial, s.up, s.stale = map[session.ConnID]*stream{}, 0, false, false
	s.in.Clear()
	s.out.Reset()
	s.begin()
	s.start(true)
}

// change has up to most routes told.
func (s *side) change(most int) {
	random := s.w.random
	n := most/2 + random.IntN(most/2+1)
	had := map[netip.Prefix]bool{}
	s.want = nil
	for range n {
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(s.index), byte(random.IntN(80)), 0}), 24)
		if had[p] {
			continue
		}
		had[p] = true
		r := rib.Route{Destination: p, Origin: uint8(random.IntN(3)), MED: uint32(random.IntN(2)) * 100}
		r.HasMED = r.MED > 0
		for range random.IntN(3) {
			r.Path = append(r.Path, uint32(1+random.IntN(3)*100_000))
		}
		s.want = append(s.want, r)
	}
	slices.SortFunc(s.want, func(a, b rib.Route) int { return a.Destination.Addr().Compare(b.Destination.Addr()) })
	s.out.Set(s.want)
}

// all are the open ends of connections, in a fixed order.
func (s *side) all() []*stream {
	var all []*stream
	for _, st := range s.streams {
		all = append(all, st)
	}
	slices.SortFunc(all, func(a, b *stream) int { return int(a.id) - int(b.id) })
	return all
}

// standing is the connection of an established session, if that is the only one.
func (s *side) standing() *stream {
	if all := s.all(); s.up && len(all) == 1 {
		return all[0]
	}
	return nil
}

// flush sends the routes that are to be told.
func (s *side) flush() {
	for s.up {
		u, ok := s.out.Next()
		if !ok {
			break
		}
		if err := s.session.Send(s.w.now, u); err != nil {
			s.w.fail("side %d: %v", s.index, err)
			return
		}
	}
	s.drain()
}

// drain carries out what the session wants, as its documentation says.
func (s *side) drain() {
	w := s.w
	for {
		actions, events := s.session.TakeOutput()
		if len(actions) == 0 && len(events) == 0 {
			break
		}
		for _, a := range actions {
			s.act(a)
		}
		for _, e := range events {
			s.handle(e)
		}
	}
	if s.session.State() != s.told {
		w.fail("side %d is %v, and told %v", s.index, s.session.State(), s.told)
	}
	if s.session.State() == session.Established != s.up {
		w.fail("side %d is %v, and up: %v", s.index, s.session.State(), s.up)
	}
	if !s.up && !s.stale && s.in.Len() > 0 || s.stale != s.session.Retaining() {
		w.fail("side %d keeps %d routes of nobody, stale %v, retaining %v", s.index, s.in.Len(), s.stale, s.session.Retaining())
	}
	if at, ok := s.session.Deadline(); !ok && s.path && s.session.State() != session.Idle {
		w.fail("side %d waits for nothing: %v", s.index, at)
	}
}

func (s *side) act(a session.Action) {
	w := s.w
	switch a := a.(type) {
	case session.Dial:
		if s.dial != 0 {
			w.fail("side %d dials while it dials", s.index)
		}
		s.dials++
		s.dial = s.dials
		s.attempt(s.dial)
	case session.CancelDial:
		if s.dial == 0 {
			w.fail("side %d cancels nothing", s.index)
		}
		s.dial = 0
	case session.Write:
		st := s.streams[a.Conn]
		if st == nil {
			if s.closed[a.Conn] {
				w.fail("side %d writes to %d, which it has closed", s.index, a.Conn)
			}
			return // the peer has closed it
		}
		for rest := a.Bytes; len(rest) > 0; {
			_, _, taken, err := wire.Next(rest)
			if err != nil || taken == 0 {
				w.fail("side %d writes %x: %v", s.index, rest, err)
				return
			}
			rest = rest[taken:]
		}
		st.send(a.Bytes)
	case session.Close:
		if s.closed[a.Conn] {
			w.fail("side %d closes %d twice", s.index, a.Conn)
		}
		s.closed[a.Conn] = true
		if st := s.streams[a.Conn]; st != nil {
			st.send(eof{"EOF"})
			st.open = false
			delete(s.streams, a.Conn)
		}
	}
}

func (s *side) handle(e session.Event) {
	w := s.w
	switch e := e.(type) {
	case session.Moved:
		if e.From != s.told || e.From == e.To || e.From == session.Established && e.To != session.Idle {
			w.fail("side %d moves from %v to %v after %v", s.index, e.From, e.To, s.told)
		}
		s.told = e.To
	case session.Up:
		if s.up {
			w.fail("side %d is established twice", s.index)
		}
		s.up = true
		w.seen["established"]++
		w.note("side %d is established", s.index)
		s.out.Reset()
		s.flush()
	case session.Down:
		if !s.up {
			w.fail("side %d is down twice", s.index)
		}
		s.up = false
		w.seen["down"]++
		w.note("side %d is down, stale %v: %s", s.index, e.Stale, e.Reason)
		if e.Sent != nil && e.Sent.Code == wire.CodeHoldTimer {
			w.seen["hold timer"]++
		}
		if e.Stale {
			w.seen["stale"]++
			s.stale = true
			s.in.Stale()
		} else {
			s.stale = false
			s.in.Clear()
		}
		if s.session.State() == session.Idle {
			w.seen["held off"]++
		}
	case session.Updated:
		if !s.up {
			w.fail("side %d learns while it is down", s.index)
		}
		if e.Update.Malformed != "" {
			w.fail("side %d: %s", s.index, e.Update.Malformed)
		}
		if _, err := s.in.Update(e.Update); err != nil {
			w.seen["too many"]++
			s.session.Fail(w.now, wire.Cease(wire.MaximumPrefixes), "too many routes", time.Minute)
		}
	case session.EndOfRIB:
		w.seen["end of RIB"]++
		s.stale = false
		s.in.Sweep()
	case session.Forget:
		w.seen["forgotten"]++
		s.stale = false
		s.in.Sweep()
	case session.RefreshAsked:
		s.out.Refresh()
		s.flush()
	}
}

// attempt dials, as TCP does: again each second.
func (s *side) attempt(dial int) {
	w := s.w
	w.at(w.delay(), func() {
		other := w.sides[1-s.index]
		switch {
		case s.dial != dial:
		case w.stalled || !other.path:
			w.at(time.Second, func() {
				if s.dial == dial {
					s.attempt(dial)
				}
			})
		case w.random.IntN(10) == 0:
			s.dial = 0
			s.session.DialFailed(w.now, session.Refused, "")
			s.drain()
		default:
			here, there := s.end(), other.end()
			here.other, there.other = there, here
			there.early = true
			if len(s.streams)+len(other.streams) > 2 {
				w.seen["collision"]++
			}
			// Who has accepted may hear of it before or after who has dialed.
			accept := func() {
				there.early = false
				if there.open {
					other.session.Connected(w.now, there.id, false)
					other.drain()
				}
			}
			w.at(w.delay(), accept)
			s.dial = 0
			s.session.Connected(w.now, here.id, true)
			s.drain()
		}
	})
}

func (s *side) end() *stream {
	s.next++
	st := &stream{side: s, id: s.next, open: true}
	s.streams[st.id] = st
	return st
}

func (w *world) delay() time.Duration {
	return time.Millisecond + time.Duration(w.random.Int64N(int64(200*time.Millisecond)))
}

// send puts something on the way, cut anywhere.
func (st *stream) send(what any) {
	if b, ok := what.([]byte); ok {
		random := st.side.w.random
		for random.IntN(2) == 0 && len(b) > 1 {
			n := 1 + random.IntN(len(b)-1)
			st.sent, b = append(st.sent, b[:n]), b[n:]
		}
		what = b
	}
	st.sent = append(st.sent, what)
	st.pump()
}

// pump delivers what is on the way, in order.
func (st *stream) pump() {
	if st.busy || len(st.sent) == 0 {
		return
	}
	st.busy = true
	w := st.side.w
	w.at(w.delay(), func() {
		st.busy = false
		if w.stalled || st.other.early {
			st.pump()
			return
		}
		if len(st.sent) == 0 {
			return
		}
		head := st.sent[0]
		st.sent = st.sent[1:]
		to := st.other
		switch head := head.(type) {
		case []byte:
			if !to.open { // nobody is there any more
				w.reset(st)
				return
			}
			to.side.session.Received(w.now, to.id, head)
			clear(head) // the octets are the driver's again
			to.side.drain()
		case eof:
			if to.open {
				to.lost(head.why)
			}
			return
		}
		st.pump()
	})
}

func (w *world) reset(st *stream) {
	if st.open {
		st.lost("connection reset by peer")
	}
	st.sent = nil
}

func (st *stream) lost(why string) {
	st.open = false
	delete(st.side.streams, st.id)
	st.side.session.Lost(st.side.w.now, st.id, why)
	st.side.drain()
}
