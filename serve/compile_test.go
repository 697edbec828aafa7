package serve

import (
	"context"
	"testing"
	"time"

	"causeway.dev/nodespec"
	"causeway.dev/resource"
	"causeway.dev/store"
	"causeway.dev/store/storetest"
)

func TestCompileTellsTheNodeWhatMatters(t *testing.T) {
	s := storetest.Open(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	states := make(chan nodespec.Desired, 100)
	done := make(chan error, 1)
	go func() { done <- compile(ctx, s, func(d nodespec.Desired) { states <- d }) }()
	next := func(what string) nodespec.Desired {
		t.Helper()
		select {
		case d := <-states:
			return d
		case <-time.After(time.Minute):
			t.Fatalf("%s: the node was told nothing", what)
			panic("unreachable")
		}
	}
	update := func(f func(tx *store.Tx)) int64 {
		t.Helper()
		if err := s.Update(t.Context(), func(tx *store.Tx) error { f(tx); return nil }); err != nil {
			t.Fatal(err)
		}
		return s.Snapshot().Revision()
	}
	meta := func(id string) resource.Meta {
		return resource.Meta{ID: id, Account: "123456789012", Region: "us-east-1"}
	}
	if d := next("at the start"); len(d.Networks) != 0 || d.Revision == 0 {
		t.Errorf("the empty store gives %+v", d)
	}

	gateway := resource.VPNGateway{Meta: meta("vgw-1")}
	revision := update(func(tx *store.Tx) { store.VPNGateways.Put(tx, gateway) })
	if d := next("a new gateway"); len(d.Networks) != 1 || d.Revision != revision {
		t.Errorf("revision %d gives %+v", revision, d)
	}

	// Neither of these matters to the node: the next that it hears is of the
	// instance, which leaves nothing in Desired but a newer revision.
	update(func(tx *store.Tx) {
		store.InstanceStatuses.Put(tx, resource.InstanceStatus{Meta: meta("i-0"), State: resource.InstanceRunning})
	})
	update(func(tx *store.Tx) {
		gateway.Tags = []resource.Tag{{Key: "Name", Value: "a"}}
		store.VPNGateways.Put(tx, gateway)
	})
	time.Sleep(4 * compileSettle)
	revision = update(func(tx *store.Tx) {
		store.Instances.Put(tx, resource.Instance{Meta: meta("i-1"), Wanted: resource.InstanceTerminated})
	})
	if d := next("a terminated instance"); d.Revision != revision || len(d.Networks) != 1 {
		t.Errorf("revision %d gives %+v", revision, d)
	}
	cancel()
	if err := <-done; err != context.Canceled {
		t.Errorf("compile ended with %v", err)
	}
}
