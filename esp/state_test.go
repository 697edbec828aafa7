package esp

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// moved is an association's half after it has gone through a document to another
// process.
func moved[T any](t *testing.T, freeze func() (State, error), thaw func(State) (T, error)) T {
	t.Helper()
	state, err := freeze()
	if err != nil {
		t.Fatal(err)
	}
	document, err := json.Marshal(state)
	if err != nil {
		t.Fatal(err)
	}
	state.Wipe()
	var read State
	if err := json.Unmarshal(document, &read); err != nil {
		t.Fatal(err)
	}
	thawed, err := thaw(read)
	if err != nil {
		t.Fatal(err)
	}
	read.Wipe() // the other half has its own copies
	return thawed
}

// Given packets of which some have arrived, when both halves are frozen and
// thawed, then each packet is still accepted once, and numbers go on.
func TestFrozenAndThawed(t *testing.T) {
	for _, c := range combinations() {
		t.Run(c.name, func(t *testing.T) {
			s, o := pair(t, c.params(t))
			random := rand.New(rand.NewPCG(4, 3))
			var late, seen [][]byte
			for range 3000 { // several times round the window
				sealed := seal(t, s, []byte("payload"))
				if random.IntN(8) == 0 {
					late = append(late, sealed)
					continue
				}
				seen = append(seen, append([]byte(nil), sealed...))
				if _, _, err := o.Open(sealed); err != nil {
					t.Fatal(err)
				}
			}
			wantSequence, wantSealed, wantOpened := s.Sequence(), s.Counters(), o.Counters()
			frozenSealer, frozenOpener := s, o
			s, o = moved(t, s.Freeze, ThawSealer), moved(t, o.Freeze, ThawOpener)

			if _, err := frozenSealer.Seal(make([]byte, 200), 100, 1, NextHeaderIPv4); !errors.Is(err, ErrClosed) {
				t.Errorf("a frozen Sealer seals: %v", err)
			}
			if _, _, err := frozenOpener.Open(append([]byte(nil), late[len(late)-1]...)); !errors.Is(err, ErrClosed) {
				t.Errorf("a frozen Opener opens: %v", err)
			}
			if s.Sequence() != wantSequence || s.Counters() != wantSealed || o.Counters() != wantOpened {
				t.Errorf("thawed at %d with %v and %v, frozen at %d with %v and %v", s.Sequence(), s.Counters(), o.Counters(), wantSequence, wantSealed, wantOpened)
			}
			for i, sealed := range seen {
				// With extended numbers what is left of the window can only be
				// told from what is far ahead by its ICV.
				if _, _, err := o.Open(sealed); !errors.Is(err, ErrReplay) && !(c.extended && errors.Is(err, ErrAuthentication)) {
					t.Fatalf("packet %d of those that had arrived is accepted again: %v", i, err)
				}
			}
			accepted := 0
			for _, sealed := range late {
				if _, _, err := o.Open(sealed); err == nil {
					accepted++
				} else if !errors.Is(err, ErrReplay) && !c.extended {
					t.Fatal(err)
				}
			}
			if accepted == 0 || accepted == len(late) {
				t.Errorf("%d of %d late packets are accepted; the window should reach some", accepted, len(late))
			}
			if _, _, err := o.Open(seal(t, s, []byte("next"))); err != nil {
				t.Errorf("the next packet: %v", err)
			}
		})
	}
}

func TestStateHidesKeys(t *testing.T) {
	s, _ := pair(t, combinations()[0].params(t))
	state, err := s.Freeze()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Freeze(); !errors.Is(err, ErrClosed) {
		t.Errorf("frozen twice: %v", err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x"} {
		if text := fmt.Sprintf(verb, state); !strings.HasPrefix(text, "SA ") || len(text) > 30 {
			t.Errorf("%s shows %q", verb, text)
		}
	}
	state.Seen = []uint64{1}
	state.ReplayWindow = ReplayWindowMin
	if _, err := ThawOpener(state); err == nil {
		t.Error("a window of another width than it says is thawed")
	}
}
