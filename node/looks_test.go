package node

import (
	"testing"
	"time"
)

// Changes that never stop keep nobody from looking at everything, and what there is
// to look at takes no more of the time the more of it there is.
func TestRoundsOfLooks(t *testing.T) {
	begin := time.Unix(1_000_000, 0)
	for _, c := range []struct {
		all         int
		each        time.Duration // that a look at one takes
		least, most time.Duration // of a round
	}{
		{1, time.Millisecond, lookInterval, 2 * lookInterval},
		{100, time.Millisecond, resyncInterval, 2 * resyncInterval},
		{100, 0, resyncInterval, 2 * resyncInterval},
		{10_000, time.Millisecond, 8 * time.Minute, 12 * time.Minute},
		{3, time.Second, 3 * lookInterval, 6 * lookInterval}, // one at a time
	} {
		var l looks
		if !l.all() {
			t.Fatal("the first look is not at everything")
		}
		now := begin.Add(time.Duration(c.all) * c.each)
		l.done(begin, now, c.all, c.all)
		start, looked, spent := now, 0, time.Duration(0)
		for ; looked < c.all; now = now.Add(time.Second) { // a change
			if !l.at(now) {
				continue
			}
			began, part := now, min(l.part, c.all)
			now = now.Add(time.Duration(part) * c.each)
			l.done(began, now, part, c.all)
			looked, spent = looked+part, spent+now.Sub(began)
		}
		if took := now.Sub(start); took < c.least || took > c.most {
			t.Errorf("%d of %v: a round takes %v, want %v to %v", c.all, c.each, took, c.least, c.most)
		}
		if c.each < lookBudget && spent > now.Sub(start)/lookShare {
			t.Errorf("%d of %v: looks take %v of %v", c.all, c.each, spent, now.Sub(start))
		}
	}
}

func TestFailureIsFollowedByALook(t *testing.T) {
	var l looks
	now := time.Unix(1_000_000, 0)
	l.done(now, now, 10, 10)
	if l.at(now.Add(time.Second)) {
		t.Error("a second after a look there is another")
	}
	l.failed()
	if !l.all() || !l.at(now.Add(time.Second)) {
		t.Error("after a failure only changes are looked at")
	}
}
