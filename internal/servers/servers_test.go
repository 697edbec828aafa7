package servers

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// A guest is who is served in these tests: at a place, which may be missing or broken.
type guest struct {
	id, place, wish string
}

const (
	missing = "missing"
	broken  = "broken"
)

var errBroken = errors.New("the place is broken")

// A house has one server a guest, and writes down what becomes of them.
type house struct {
	*Roster[guest]
	log   []string
	fails bool // servers cannot follow
	moved bool // places are others than they were
}

type server struct {
	house *house
	guest guest
}

func newHouse() *house {
	h := &house{}
	h.Roster = New(Kind[guest]{Name: "server of guest", ID: func(g guest) string { return g.id }, Open: h.open})
	return h
}

func (h *house) note(words ...string) { h.log = append(h.log, strings.Join(words, " ")) }

func (h *house) open(g guest) (Server[guest], error) {
	switch g.place {
	case missing:
		return nil, nil
	case broken:
		return nil, errBroken
	}
	h.note("open", g.id, g.place, g.wish)
	return &server{h, g}, nil
}

func (s *server) Follow(g guest, look bool) (bool, error) {
	switch {
	case s.house.fails:
		return false, errBroken
	case g.place != s.guest.place, look && s.house.moved:
		return false, nil
	case g.wish != s.guest.wish:
		s.house.note("follow", g.id, g.wish)
	}
	s.guest = g
	return true, nil
}

func (s *server) End() { s.house.note("end", s.guest.id) }

// became asks for what has become of the servers since the last time, in any order
// where several guests are concerned.
func (h *house) became(t *testing.T, want ...string) {
	t.Helper()
	slices.Sort(h.log)
	slices.Sort(want)
	if !slices.Equal(h.log, want) {
		t.Errorf("what became of the servers is %q, want %q", h.log, want)
	}
	h.log = nil
}

func (h *house) set(t *testing.T, look bool, guests ...guest) {
	t.Helper()
	if err := h.Set(guests, look); err != nil {
		t.Error(err)
	}
}

func TestOneServerForEachThatIsWanted(t *testing.T) {
	h := newHouse()
	anna, bert := guest{"anna", "north", "tea"}, guest{"bert", "south", "soup"}
	h.set(t, false, anna, bert)
	h.became(t, "open anna north tea", "open bert south soup")
	h.set(t, true, anna, bert)
	h.became(t)

	anna.wish = "milk"
	h.set(t, false, anna, bert)
	h.became(t, "follow anna milk")

	bert.place = "east"
	h.set(t, false, anna, bert)
	h.became(t, "end bert", "open bert east soup")

	h.set(t, false, bert)
	h.became(t, "end anna")

	h.Close()
	h.became(t, "end bert")
	if err := h.Set([]guest{anna}, false); err == nil {
		t.Error("a closed roster is set")
	}
	h.Close()
	h.became(t)
}

// Places are looked at only where that is asked for: it costs system calls for each.
func TestPlacesAreLookedAtWhenAsked(t *testing.T) {
	h := newHouse()
	anna := guest{"anna", "north", "tea"}
	h.set(t, false, anna)
	h.moved = true
	h.set(t, false, anna)
	h.became(t, "open anna north tea")
	h.set(t, true, anna)
	h.became(t, "end anna", "open anna north tea")
}

// Who cannot be served keeps nobody else from it, and is tried again; who is not there
// yet is no error.
func TestOneFailureIsOneGuests(t *testing.T) {
	h := newHouse()
	anna, bert, carl := guest{"anna", broken, "tea"}, guest{"bert", "south", "soup"}, guest{"carl", missing, "jam"}
	err := h.Set([]guest{anna, carl, bert}, false)
	if !errors.Is(err, errBroken) || err.Error() != "server of guest anna: the place is broken" {
		t.Errorf("the error is %v", err)
	}
	h.became(t, "open bert south soup")

	anna.place, carl.place = "north", "west"
	h.set(t, false, anna, carl, bert)
	h.became(t, "open anna north tea", "open carl west jam")

	carl.place = missing
	h.set(t, false, anna, carl, bert)
	h.became(t, "end carl")
	h.set(t, false, anna, bert)
	h.became(t)

	// A server that moves to where nothing can be opened is ended all the same.
	anna.place = broken
	if err := h.Set([]guest{anna, bert}, false); !errors.Is(err, errBroken) {
		t.Errorf("the error is %v", err)
	}
	h.became(t, "end anna")
}

// A server that cannot tell whether it stays goes on as it is.
func TestAServerThatCannotFollowGoesOn(t *testing.T) {
	h := newHouse()
	anna := guest{"anna", "north", "tea"}
	h.set(t, false, anna)
	h.fails = true
	if err := h.Set([]guest{anna}, true); !errors.Is(err, errBroken) {
		t.Errorf("the error is %v", err)
	}
	h.fails = false
	anna.wish = "milk"
	h.set(t, true, anna)
	h.became(t, "open anna north tea", "follow anna milk")
}
