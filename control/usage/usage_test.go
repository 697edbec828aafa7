package usage

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"causeway.dev/billing"
	"causeway.dev/resource"
	"causeway.dev/store"
	"causeway.dev/store/storetest"
)

func update(t *testing.T, s *store.Store, f func(tx *store.Tx)) {
	t.Helper()
	if err := s.Update(t.Context(), func(tx *store.Tx) error { f(tx); return nil }); err != nil {
		t.Fatal(err)
	}
}

func TestUsageOutlastsTheConnection(t *testing.T) {
	s := storetest.Open(t)
	from, until := time.Now().UTC().Add(-3*time.Hour).Truncate(time.Second), time.Now().UTC().Truncate(time.Second)
	connection := func(account, id string) resource.VPNConnection {
		return resource.VPNConnection{Meta: resource.Meta{
			ID: id, Account: account, Region: "us-east-1", Created: from, Tags: []resource.Tag{{Key: "Name", Value: "office"}},
		}}
	}
	update(t, s, func(tx *store.Tx) {
		store.VPNConnections.Put(tx, connection("111111111111", "vpn-1"))
		store.VPNConnections.Put(tx, connection("222222222222", "vpn-2"))
	})
	want := billing.Usage{Account: "111111111111", Region: "us-east-1", Connection: "vpn-1", Name: "office", From: from}
	if got := Of(s.Snapshot(), "111111111111"); len(got) != 1 || got[0] != want {
		t.Errorf("one account: %+v", got)
	}
	if got := Of(s.Snapshot(), ""); len(got) != 2 {
		t.Errorf("all accounts: %+v", got)
	}
	want.Until = until
	check := func(when string) {
		t.Helper()
		if got := Of(s.Snapshot(), "111111111111"); len(got) != 1 || got[0] != want {
			t.Errorf("%s: %+v, want %+v", when, got, want)
		}
	}
	update(t, s, func(tx *store.Tx) {
		v := connection("111111111111", "vpn-1")
		v.Deleted = &until
		store.VPNConnections.Put(tx, v)
		End(tx, v, until)
	})
	check("deleted")
	update(t, s, func(tx *store.Tx) {
		store.VPNConnections.Delete(tx, store.Scope{Account: "111111111111", Region: "us-east-1"}, "vpn-1")
	})
	check("forgotten")
}

func TestOldUsageIsForgotten(t *testing.T) {
	s := storetest.Open(t)
	put := func(id string, until time.Time) {
		update(t, s, func(tx *store.Tx) {
			store.ConnectionUsages.Put(tx, resource.ConnectionUsage{Meta: resource.Meta{ID: id, Account: "111111111111", Region: "us-east-1"}, From: until.Add(-time.Hour), Until: until})
		})
	}
	put("vpn-old", time.Now().Add(-Retention-time.Minute))
	put("vpn-new", time.Now().Add(-Retention+time.Minute))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	done := make(chan struct{})
	go func() { defer close(done); Forget(ctx, s, slog.New(slog.DiscardHandler)) }()
	for ctx.Err() == nil && store.ConnectionUsages.Len(s.Snapshot()) != 1 {
		time.Sleep(5 * time.Millisecond)
	}
	cancel()
	<-done
	if got := Of(s.Snapshot(), ""); len(got) != 1 || got[0].Connection != "vpn-new" {
		t.Errorf("left: %+v", got)
	}
}
