package ikev2

import (
	"bytes"
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/enginetest"
	"causeway.dev/internal/simnet"
)

var exploreFull = flag.Bool("explore.full", false, "TestEveryOrder tries one more loss in each run, for minutes")

// TestEveryOrder tries, in a small world, every order in which the messages of two
// sides that act at once can arrive, with a loss at every place, and with a
// hand-over to another process between any of them: RFC 7296 sections 2.8.1, 2.8.2
// and 2.25. However it went, both sides end up meaning the same, and no packet was ever sent by an SA that the other side
// did not have.
func TestEveryOrder(t *testing.T) {
	child := action{"child rekey", func(s *side) { s.Command(ike.RekeyChild{}) }}
	whole := action{"IKE rekey", func(s *side) { s.Command(ike.RekeyIKE{}) }}
	end := action{"terminate", func(s *side) { s.Command(ike.Terminate{Reason: "asked for"}) }}
	remove := action{"child delete", func(s *side) {
		session := s.Engine.standing(s.Peer.ID, nil)
		if session == nil || session.active == nil {
			return
		}
		session.enqueue(&deleteChild{child: session.active, in: session.active.in})
		session.pump(s.W.Net.Now())
		s.Engine.touch(session)
		s.Flush()
	}}
	renew := action{"reauthentication", func(s *side) { s.Command(ike.Reauthenticate{}) }}
	hand := action{"hand-over", func(s *side) { s.HandOver(77) }}
	for _, c := range []struct {
		left, right []action
		ends        bool // an SA may be gone at the end
	}{
		{[]action{child}, nil, false},
		{[]action{whole}, nil, false},
		{[]action{child}, []action{child}, false},
		{[]action{whole}, []action{whole}, false},
		{[]action{child}, []action{whole}, false},
		{[]action{whole}, []action{child}, false},
		{[]action{child, whole}, nil, false},
		{[]action{whole, child}, nil, false},
		{[]action{child}, []action{remove}, true},
		{[]action{remove}, []action{remove}, true},
		{[]action{whole}, []action{remove}, true},
		{[]action{child}, []action{end}, true},
		{[]action{whole}, []action{end}, true},
		{[]action{end}, []action{end}, true},
		{[]action{child, hand}, nil, false},
		{[]action{whole, hand}, nil, false},
		{[]action{child}, []action{hand}, false},
		{[]action{whole}, []action{hand}, false},
		{[]action{child, hand}, []action{hand}, false},
		{[]action{child, hand}, []action{child}, false},
		{[]action{whole, hand}, []action{whole}, false},
		{[]action{child, hand}, []action{whole}, false},
		{[]action{whole, hand}, []action{child}, false},
		{[]action{end, hand}, []action{child}, true},
		{[]action{remove, hand}, nil, true},
		{[]action{renew}, nil, false},
		{[]action{renew}, []action{child}, false},
	} {
		e := &explorer{left: c.left, right: c.right, ends: c.ends, losses: 1}
		// Three things that happen have so many orders that a loss makes
		// minutes of them.
		if testing.Short() || len(c.left)+len(c.right) > 2 && !*exploreFull {
			e.losses = 0
		}
		if *exploreFull && len(c.left)+len(c.right) <= 2 {
			e.losses = 2
		}
		t.Run(e.String(), func(t *testing.T) {
			t.Parallel()
			for _, e.probe = range []bool{false, true} {
				runs := e.explore(t)
				t.Logf("%d orders, packets between: %v", runs, e.probe)
			}
		})
	}
}

// An action is what a side does at some time.
type action struct {
	name string
	do   func(*side)
}

// An explorer runs a world once for each order of events.
type explorer struct {
	left, right []action
	losses      int  // how many there may be
	probe       bool // a packet goes each way between all events
	ends        bool

	// The choices of a run: which of how many options was taken at each step.
	taken, options []int
	step           int
	story          []string
}

func (e *explorer) String() string {
	var words []string
	for _, a := range e.left {
		words = append(words, a.name)
	}
	words = append(words, "against")
	for _, a := range e.right {
		words = append(words, a.name)
	}
	return strings.Join(words, " ")
}

// explore runs every order and returns how many there are.
func (e *explorer) explore(t *testing.T) (runs int) {
	e.taken, e.options = nil, nil
	for {
		e.step, e.story = 0, nil
		e.run(t)
		runs++
		last := len(e.taken) - 1
		for last >= 0 && e.taken[last] == e.options[last]-1 {
			last--
		}
		if last < 0 {
			return runs
		}
		e.taken, e.options = e.taken[:last+1], e.options[:last+1]
		e.taken[last]++
	}
}

// choose takes the next of n options.
func (e *explorer) choose(n int) int {
	if e.step == len(e.taken) {
		e.taken, e.options = append(e.taken, 0), append(e.options, n)
	}
	e.options[e.step] = n
	e.step++
	return e.taken[e.step-1]
}

// A parcel is a datagram that the explorer holds.
type parcel struct {
	to       *side
	datagram ike.Datagram // as the receiver sees it
}

func (e *explorer) run(t *testing.T) {
	w := newWorld(t, 7, simnet.Conditions{}, func(left, right *ike.Peer) {
		for _, p := range []*ike.Peer{left, right} {
			p.ESPProposals = enginetest.ESP(t, "aes128gcm16")
			p.DPDTimeout = time.Hour
		}
	})
	w.Left.Command(ike.Initiate{})
	w.Net.RunFor(time.Millisecond)
	w.Left.SendESP() // so that both use the first pair
	w.Right.SendESP()
	w.Net.RunFor(time.Millisecond)
	var held []parcel
	w.Hold = func(from *side, d ike.Datagram) {
		p := parcel{from.Other, ike.Datagram{Local: d.Remote, Remote: d.Local, Payload: bytes.Clone(d.Payload)}}
		for _, other := range held { // a retransmission makes no new order
			if other.to == p.to && bytes.Equal(other.datagram.Payload, p.datagram.Payload) {
				return
			}
		}
		held = append(held, p)
	}
	todo := map[*side][]action{w.Left: e.left, w.Right: e.right}
	losses := e.losses
	for {
		type option struct {
			name string
			do   func()
		}
		var options []option
		for _, s := range []*side{w.Left, w.Right} {
			if next := todo[s]; len(next) > 0 {
				options = append(options, option{s.Name + ": " + next[0].name, func() {
					todo[s] = next[1:]
					next[0].do(s)
				}})
			}
		}
		for i, p := range held {
			take := func() { held = append(held[:i:i], held[i+1:]...) }
			options = append(options, option{"deliver to " + p.to.Name + " " + describe(p.datagram.Payload), func() {
				take()
				p.to.Receive(w.Net.Now(), p.datagram.Local, p.datagram.Remote, p.datagram.Payload)
			}})
			if losses > 0 {
				options = append(options, option{"lose " + describe(p.datagram.Payload), func() {
					losses--
					take()
				}})
			}
		}
		if len(options) == 0 && unanswered(w) && losses < e.losses {
			w.Net.RunFor(time.Second) // what was lost comes again
			if len(held) > 0 {
				continue
			}
		}
		if len(options) == 0 {
			break
		}
		chosen := options[e.choose(len(options))]
		e.story = append(e.story, chosen.name)
		w.Context = e.tell
		chosen.do()
		if e.probe {
			probe(w.Left, e.ends)
			probe(w.Right, e.ends)
		}
	}
	w.Hold = nil
	w.Net.RunFor(3 * time.Minute) // leftovers go
	if e.ends && len(w.Left.Children)+len(w.Right.Children) == 0 {
		w.Net.RunFor(3 * time.Minute)
		for _, s := range []*side{w.Left, w.Right} {
			if st := s.Engine.Status(s.Peer.ID); st.Child || s.Engine.Sessions() > 1 {
				s.Fatalf("without a child SA it stands as %+v", st)
			}
		}
		return
	}
	w.CheckSettled()
	for _, s := range []*side{w.Left, w.Right} {
		session := s.Engine.standing(s.Peer.ID, nil)
		if len(session.sas) != 1 || len(session.children) != 1 || len(s.Engine.bySPI) != 1 || s.Engine.Sessions() != 1 {
			s.Fatalf("%d IKE SAs, %d child SAs, %d SPIs, %d sessions are left", len(session.sas), len(session.children), len(s.Engine.bySPI), s.Engine.Sessions())
		}
	}
}

// unanswered reports whether a request of one of the sides has no answer yet.
func unanswered(w *world) bool {
	for _, s := range []*side{w.Left, w.Right} {
		for _, session := range s.Engine.schedule.All() {
			for _, sa := range session.sas {
				if sa.pending != nil {
					return true
				}
			}
		}
	}
	return false
}

func (e *explorer) tell() string {
	return fmt.Sprintf("choices %v of %v:\n  %s", e.taken, e.options, strings.Join(e.story, "\n  "))
}

// probe sends a packet that overtakes everything else.
func probe(s *side, ends bool) {
	s.W.T.Helper()
	c := s.ByOutbound(s.Active)
	if c == nil {
		if !ends {
			s.Fatalf("no SA carries packets")
		}
		return
	}
	theirs, ok := s.Other.Children[c.Outbound]
	switch {
	case !ok && ends:
	case !ok || !bytes.Equal(theirs.InboundKey, c.OutboundKey):
		s.Fatalf("a packet by SA %08x can't be opened", uint32(c.Outbound))
	case !s.Other.Used[c.Outbound]:
		s.Other.Used[c.Outbound] = true
		s.Other.Command(ike.InboundUsed{Inbound: c.Outbound})
	}
}
