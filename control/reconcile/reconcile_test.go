package reconcile_test

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"sync"
	"testing"
	"time"

	"causeway.dev/control/reconcile"
	"causeway.dev/resource"
	"causeway.dev/store"
	"causeway.dev/store/storetest"
)

var scope = store.Scope{Account: "123456789012", Region: "us-east-1"}

func put(t *testing.T, s *store.Store, ids ...string) {
	t.Helper()
	err := s.Update(t.Context(), func(tx *store.Tx) error {
		for _, id := range ids {
			store.VPCs.Put(tx, resource.VPC{Meta: resource.Meta{ID: id, Account: scope.Account, Region: scope.Region, Created: time.Now()}})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// removal is a duty that removes each VPC a while after its creation.
func removal(after time.Duration, do func(id string) error) reconcile.Duty {
	return reconcile.Duty{
		Name: "remove VPCs",
		Due: func(snapshot *store.Snapshot) iter.Seq2[reconcile.Key, time.Time] {
			return func(yield func(reconcile.Key, time.Time) bool) {
				for vpc := range store.VPCs.All(snapshot) {
					if !yield(reconcile.Key{Scope: scope, ID: vpc.ID}, vpc.Created.Add(after)) {
						return
					}
				}
			}
		},
		Do: func(tx *store.Tx, key reconcile.Key, now time.Time) error {
			if err := do(key.ID); err != nil {
				return err
			}
			store.VPCs.Delete(tx, key.Scope, key.ID)
			return nil
		},
	}
}

// start runs a duty until the test ends.
func start(t *testing.T, s *store.Store, duty reconcile.Duty) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- reconcile.Run(ctx, s, slog.New(slog.DiscardHandler), duty) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// wait returns once there are so many VPCs, or fails the test.
func wait(t *testing.T, s *store.Store, vpcs int) {
	t.Helper()
	deadline := time.After(5 * time.Second)
	for {
		snapshot := s.Snapshot()
		if store.VPCs.Len(snapshot) == vpcs {
			return
		}
		select {
		case <-s.Changed(snapshot.Revision()):
		case <-deadline:
			t.Fatalf("there are %d VPCs, want %d", store.VPCs.Len(snapshot), vpcs)
		}
	}
}

func TestWhatIsDueIsDone(t *testing.T) {
	s := storetest.Open(t)
	put(t, s, "vpc-before-the-start")
	start(t, s, removal(0, func(string) error { return nil }))
	wait(t, s, 0)
	put(t, s, "vpc-1", "vpc-2")
	wait(t, s, 0)
}

func TestWhatIsDueLaterIsDoneThen(t *testing.T) {
	s := storetest.Open(t)
	const later = 150 * time.Millisecond
	start(t, s, removal(later, func(string) error { return nil }))
	began := time.Now()
	put(t, s, "vpc-1")
	time.Sleep(later / 3)
	put(t, s, "vpc-2") // a change meanwhile does not make the loop forget the time
	wait(t, s, 1)
	if waited := time.Since(began); waited < later {
		t.Errorf("done after %v", waited)
	}
	if _, ok := store.VPCs.Get(s.Snapshot(), scope, "vpc-2"); !ok {
		t.Error("the one due last was done first")
	}
	wait(t, s, 0)
}

// One record that fails is tried again, each time later, and holds up no other.
func TestErrorsBackOff(t *testing.T) {
	s := storetest.Open(t)
	var mu sync.Mutex
	var attempts []time.Time
	start(t, s, removal(0, func(id string) error {
		if id != "vpc-1" {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		attempts = append(attempts, time.Now())
		if len(attempts) < 3 {
			return errors.New("not yet")
		}
		return nil
	}))
	put(t, s, "vpc-1", "vpc-2", "vpc-3")
	wait(t, s, 1)
	for range 5 { // changes are no reason to try sooner
		put(t, s, "vpc-other")
		time.Sleep(10 * time.Millisecond)
	}
	wait(t, s, 0)
	if len(attempts) != 3 {
		t.Fatalf("%d attempts", len(attempts))
	}
	first, second := attempts[1].Sub(attempts[0]), attempts[2].Sub(attempts[1])
	if first < 90*time.Millisecond || second < 190*time.Millisecond {
		t.Errorf("tried again after %v, then %v", first, second)
	}
}
