package node

import (
	"testing"
	"time"
)

// Changes that never stop keep nobody from looking at everything, and a look that takes
// long leaves time for changes.
func TestLooksComeBetweenChanges(t *testing.T) {
	begin := time.Unix(1_000_000, 0)
	for _, c := range []struct {
		took time.Duration
		want int // looks within ten minutes of a change a second
	}{{0, 20}, {time.Second, 20}, {10 * time.Second, 6}} {
		var l looks
		count := 0
		for now := begin; now.Before(begin.Add(10 * time.Minute)); now = now.Add(time.Second) {
			if l.at(now) {
				count++
				began := now
				now = now.Add(c.took)
				l.done(began, now)
			}
		}
		if count != c.want {
			t.Errorf("looks of %v: %d in ten minutes, want %d", c.took, count, c.want)
		}
	}
}

func TestFailureIsFollowedByALook(t *testing.T) {
	var l looks
	now := time.Unix(1_000_000, 0)
	l.done(now, now)
	if l.at(now.Add(time.Second)) {
		t.Error("a second after a look everything is looked at again")
	}
	l.failed()
	if !l.at(now.Add(time.Second)) {
		t.Error("after a failure only changes are looked at")
	}
}
