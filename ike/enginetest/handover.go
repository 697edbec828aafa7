package enginetest

import (
	"fmt"
	"testing"
	"time"

	"causeway.dev/ike"
	"causeway.dev/internal/simnet"
)

// Line is a network on which messages take ten milliseconds and keep their order.
var Line = simnet.Conditions{DelayMin: 10 * time.Millisecond, DelayMax: 10 * time.Millisecond}

// HandOvers tests what engines of one version do when what stands is handed over to
// another process.
type HandOvers[E Engine] struct {
	Engines   Engines[E]
	CheckNone func(*World[E])

	// Kinds are configurations by name, nil for the usual one. Messages is how many an
	// exchange has at most: it is handed over after each.
	Kinds    map[string]func(left, right *ike.Peer)
	Messages int
}

// Run runs all of the tests.
func (h HandOvers[E]) Run(t *testing.T) {
	for name, configure := range h.Kinds {
		for messages := range h.Messages + 1 {
			t.Run(fmt.Sprintf("%s, %d messages", name, messages), func(t *testing.T) {
				h.goesOn(t, configure, time.Duration(messages)*Line.DelayMax+Line.DelayMax/2)
			})
		}
	}
	t.Run("between keys", h.betweenKeys)
	t.Run("forgets attempts", h.forgetsAttempt)
	t.Run("while outdated", h.whileOutdated)
}

// goesOn: what stands goes on as if nothing had been: nothing is negotiated, and each
// kind of exchange works, also where it was handed over in the midst of it.
func (h HandOvers[E]) goesOn(t *testing.T, configure func(left, right *ike.Peer), within time.Duration) {
	w := New(t, 3, Line, h.Engines, configure)
	w.Connect()
	w.CheckSettled()
	first := w.Left.Active
	for i, s := range []*Side[E]{w.Left, w.Right, w.Left} {
		s.HandOver(uint64(100 + i))
	}
	w.Net.RunFor(time.Minute) // both ask for signs of life
	w.CheckSettled()
	if w.Left.Active != first {
		t.Fatal("another pair carries packets")
	}
	for i, c := range []ike.Command{ike.RekeyChild{}, ike.RekeyIKE{}} {
		for _, s := range []*Side[E]{w.Left, w.Right} {
			before := s.Active
			s.Command(c)
			w.Net.RunFor(within)
			s.HandOver(uint64(200 + i))
			w.Net.RunFor(20 * time.Second)
			w.CheckSettled()
			if i == 0 && s.Active == before {
				t.Fatal("nothing has been rekeyed")
			}
		}
	}
	for _, s := range []*Side[E]{w.Left, w.Right} {
		if _, n := Last[ike.Closed](s); n > 0 {
			t.Error("something was closed")
		}
		s.Engine.RemovePeer(w.Net.Now(), s.Peer.ID, "removed")
		s.Flush()
	}
	w.Net.RunFor(3 * time.Minute)
	h.CheckNone(w)
}

// betweenKeys: the key that stands may have been replaced while nobody was there.
func (h HandOvers[E]) betweenKeys(t *testing.T) {
	for _, c := range []struct {
		name        string
		change      func(*ike.Peer)
		established int // IKE SAs
	}{
		{"the same", func(*ike.Peer) {}, 1},
		{"now the former", func(p *ike.Peer) {
			p.PreSharedKey, p.FormerKey, p.FormerKeyUntil = ike.Secret("another"), Key, Epoch.Add(24*time.Hour)
		}, 1},
		{"replaced", func(p *ike.Peer) { p.PreSharedKey = ike.Secret("another") }, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := New(t, 4, Line, h.Engines, nil)
			w.Connect()
			c.change(&w.Left.Peer)
			w.Right.Peer.PreSharedKey, w.Right.Peer.FormerKey, w.Right.Peer.FormerKeyUntil = w.Left.Peer.PreSharedKey, Key, Epoch.Add(24*time.Hour)
			w.Right.configure()
			w.Left.HandOver(7)
			w.Net.RunFor(5 * time.Minute)
			w.CheckSettled()
			if _, n := Last[ike.Established](w.Left); n != c.established {
				t.Errorf("%d IKE SAs, want %d", n, c.established)
			}
		})
	}
}

// forgetsAttempt: an attempt that began before the peer's SAs were thawed is forgotten,
// and never says INITIAL_CONTACT; and nothing is taken twice.
func (h HandOvers[E]) forgetsAttempt(t *testing.T) {
	w := New(t, 4, Line, h.Engines, nil)
	w.Connect()
	kept := w.Left.Engine.Freeze(w.Net.Now())
	children, active := w.Left.Children, w.Left.Active
	w.Left.Restart(5)
	w.Left.Children, w.Left.Active = children, active
	w.Left.Command(ike.Initiate{})
	if err := w.Left.Engine.Thaw(w.Net.Now(), kept[0]); err != nil {
		t.Fatal(err)
	}
	if st := w.Left.Engine.Status("left"); st.Connecting || !st.Established || !st.Child || w.Left.Engine.Sessions() != 1 {
		t.Errorf("%d sessions, it stands as %+v", w.Left.Engine.Sessions(), st)
	}
	if w.Left.Engine.Thaw(w.Net.Now(), kept[0]) == nil {
		t.Error("a document is taken twice")
	}
	w.Net.RunFor(time.Minute)
	w.CheckSettled()
	if w.Left.Active != active {
		t.Error("another pair carries packets")
	}
}

// whileOutdated: an attempt beside what stands, which was to replace what another
// configuration had made, is begun anew by who goes on: packets have somewhere to go
// when that ends.
func (h HandOvers[E]) whileOutdated(t *testing.T) {
	w := New(t, 4, Line, h.Engines, nil)
	w.Connect()
	w.Left.Engine.Outdate(w.Net.Now(), "left")
	w.Left.Flush()
	w.Left.HandOver(7)
	w.Net.RunFor(2 * time.Minute)
	w.CheckSettled()
	if _, n := Last[ike.Closed](w.Left); n > 0 {
		t.Error("what stood has ended before anything had replaced it")
	}
}
