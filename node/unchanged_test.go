package node

import (
	"slices"
	"sync"
	"testing"

	"causeway.dev/nodespec"
)

// A change is done to the instances that it touches: not to others, however many
// there are.
func TestChangeLeavesOtherInstancesAlone(t *testing.T) {
	var mu sync.Mutex
	var ensured []string
	l := newLab(t, &fakeDriver{ensure: func(id string) error {
		mu.Lock()
		defer mu.Unlock()
		ensured = append(ensured, id)
		return nil
	}})
	since := func() []string {
		mu.Lock()
		defer mu.Unlock()
		all := ensured
		ensured = nil
		slices.Sort(all)
		return all
	}
	instances := func(revision int64, all ...nodespec.Instance) {
		t.Helper()
		d := site(revision, "i-1", "i-2", "i-3")
		d.Instances = all
		l.Set(d)
		l.settled(revision)
	}
	one, two, three := nodespec.Instance{ID: "i-1", Hostname: "one"}, nodespec.Instance{ID: "i-2", Hostname: "two"}, nodespec.Instance{ID: "i-3", Hostname: "three"}
	instances(1, one, two)
	if got := since(); !slices.Equal(got, []string{"i-1", "i-2"}) {
		t.Fatalf("at first: ensured %v", got)
	}
	instances(2, one, two, three)
	if got := since(); !slices.Equal(got, []string{"i-3"}) {
		t.Errorf("a third one: ensured %v", got)
	}
	two.Boot = 2
	instances(3, one, two, three)
	if got := since(); !slices.Equal(got, []string{"i-2"}) {
		t.Errorf("another boot of the second: ensured %v", got)
	}
	l.driver.mu.Lock()
	l.driver.stopped["i-1"] = l.driver.instances["i-1"] // it has ended by itself
	l.driver.mu.Unlock()
	three.Hostname = "another"
	instances(4, one, two, three)
	if got := since(); !slices.Equal(got, []string{"i-1", "i-3"}) {
		t.Errorf("the first has ended and the third is to change: ensured %v", got)
	}
}
