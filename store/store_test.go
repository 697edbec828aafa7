package store_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"causeway.dev/resource"
	"causeway.dev/store"
	"causeway.dev/store/storetest"
)

var scope = store.Scope{Account: "123456789012", Region: "us-east-1"}

func meta(s store.Scope, id string) resource.Meta {
	return resource.Meta{ID: id, Account: s.Account, Region: s.Region}
}

func vpc(s store.Scope, id string) resource.VPC {
	return resource.VPC{Meta: meta(s, id), State: resource.StateAvailable}
}

// update runs f and fails the test if it is not stored.
func update(t testing.TB, s *store.Store, f func(tx *store.Tx)) {
	t.Helper()
	err := s.Update(t.Context(), func(tx *store.Tx) error { f(tx); return nil })
	if err != nil {
		t.Fatalf("update: %v", err)
	}
}

func ids(vpcs []resource.VPC) string {
	var all []string
	for _, v := range vpcs {
		all = append(all, v.Region+"/"+v.ID)
	}
	return strings.Join(all, " ")
}

func TestOwnWritesAreSeen(t *testing.T) {
	s := storetest.Open(t)
	before := s.Snapshot()
	want := vpc(scope, "vpc-1")
	want.Created = time.Date(2026, 11, 22, 10, 0, 0, 123_000_000, time.UTC)
	want.CIDRs = []resource.CIDRAssociation{{ID: "vpc-cidr-assoc-1", Prefix: netip.MustParsePrefix("10.0.0.0/16"), State: "associated"}}

	update(t, s, func(tx *store.Tx) {
		store.VPCs.Put(tx, want)
		got, ok := store.VPCs.Get(tx, scope, "vpc-1")
		if !ok || got.ID != "vpc-1" {
			t.Errorf("inside the transaction: got %+v, %v", got, ok)
		}
	})

	got, ok := store.VPCs.Get(s.Snapshot(), scope, "vpc-1")
	if !ok || !got.Created.Equal(want.Created) || got.CIDRs[0] != want.CIDRs[0] {
		t.Errorf("in the snapshot: got %+v, %v; want %+v", got, ok, want)
	}
	if _, ok := store.VPCs.Get(before, scope, "vpc-1"); ok {
		t.Error("a snapshot taken before shows the record")
	}
	if store.VPCs.Revision(s.Snapshot()) != s.Snapshot().Revision() || store.Subnets.Revision(s.Snapshot()) != before.Revision() {
		t.Error("revisions of tables don't follow their changes")
	}

	update(t, s, func(tx *store.Tx) { store.VPCs.Delete(tx, scope, "vpc-1") })
	if _, ok := store.VPCs.Get(s.Snapshot(), scope, "vpc-1"); ok {
		t.Error("the record is there after its removal")
	}
}

func TestListsAreSortedAndBounded(t *testing.T) {
	s := storetest.Open(t)
	scopes := []store.Scope{
		scope, {Account: scope.Account, Region: "us-east-10"}, {Account: scope.Account, Region: "eu-west-1"},
		{Account: "1234567890123", Region: "us-east-1"},
	}
	update(t, s, func(tx *store.Tx) {
		for i, in := range scopes {
			for j := range 3 {
				store.VPCs.Put(tx, vpc(in, fmt.Sprintf("vpc-%d%d", 9-j, i)))
			}
		}
	})
	if got, want := ids(slices.Collect(store.VPCs.List(s.Snapshot(), scope))), "us-east-1/vpc-70 us-east-1/vpc-80 us-east-1/vpc-90"; got != want {
		t.Errorf("List: got %s, want %s", got, want)
	}
	if got, want := ids(slices.Collect(store.VPCs.All(s.Snapshot()))), "eu-west-1/vpc-72 eu-west-1/vpc-82 eu-west-1/vpc-92 "+
		"us-east-1/vpc-70 us-east-1/vpc-80 us-east-1/vpc-90 us-east-10/vpc-71 us-east-10/vpc-81 us-east-10/vpc-91 "+
		"us-east-1/vpc-73 us-east-1/vpc-83 us-east-1/vpc-93"; got != want {
		t.Errorf("All: got %s, want %s", got, want)
	}
	for v := range store.VPCs.List(s.Snapshot(), scope) {
		if v.ID != "vpc-70" {
			t.Errorf("a loop that was left went on to %s", v.ID)
		}
		break
	}
}

func TestTransactionSeesItsWritesInLists(t *testing.T) {
	s := storetest.Open(t)
	update(t, s, func(tx *store.Tx) {
		for _, id := range []string{"vpc-1", "vpc-2", "vpc-3"} {
			store.VPCs.Put(tx, vpc(scope, id))
		}
	})
	update(t, s, func(tx *store.Tx) {
		store.VPCs.Delete(tx, scope, "vpc-2")
		store.VPCs.Put(tx, vpc(scope, "vpc-0"))
		if got, want := ids(slices.Collect(store.VPCs.List(tx, scope))), "us-east-1/vpc-0 us-east-1/vpc-1 us-east-1/vpc-3"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		for v := range store.VPCs.List(tx, scope) { // writing while listing
			store.VPCs.Delete(tx, scope, v.ID)
			store.VPCs.Put(tx, vpc(scope, "vpc-9"+v.ID))
		}
	})
	if got, want := ids(slices.Collect(store.VPCs.List(s.Snapshot(), scope))), "us-east-1/vpc-9vpc-0 us-east-1/vpc-9vpc-1 us-east-1/vpc-9vpc-3"; got != want {
		t.Errorf("stored: got %s, want %s", got, want)
	}
}

func TestErrorStoresNothing(t *testing.T) {
	s := storetest.Open(t)
	refusal := resource.Errorf("VpcLimitExceeded", "enough")
	before := s.Snapshot()
	err := s.Update(t.Context(), func(tx *store.Tx) error {
		store.VPCs.Put(tx, vpc(scope, "vpc-1"))
		return refusal
	})
	if err != error(refusal) {
		t.Errorf("got %v, want the function's own error", err)
	}
	if s.Snapshot() != before {
		t.Error("the store has changed")
	}
}

func TestNothingIsWrittenIfNothingChanges(t *testing.T) {
	s := storetest.Open(t)
	update(t, s, func(tx *store.Tx) { store.VPCs.Put(tx, vpc(scope, "vpc-1")) })
	before := s.Snapshot()
	update(t, s, func(tx *store.Tx) {
		store.VPCs.Put(tx, vpc(scope, "vpc-1"))
		store.VPCs.Put(tx, vpc(scope, "vpc-2"))
		store.VPCs.Delete(tx, scope, "vpc-2")
		store.VPCs.Delete(tx, scope, "vpc-3")
	})
	if s.Snapshot() != before {
		t.Errorf("revision went from %d to %d", before.Revision(), s.Snapshot().Revision())
	}
}

func TestRecordsNeedAPlace(t *testing.T) {
	s := storetest.Open(t)
	for _, bad := range []resource.Meta{
		{Account: "1", Region: "r"}, {ID: "vpc-1", Region: "r"}, {ID: "vpc-1", Account: "1"},
		{ID: "vpc-1", Account: "1/2", Region: "r"}, {ID: "vpc-1", Account: "1", Region: "r/s"},
	} {
		err := s.Update(t.Context(), func(tx *store.Tx) error {
			store.VPCs.Put(tx, resource.VPC{Meta: bad})
			return nil
		})
		if err == nil {
			t.Errorf("%+v was stored", bad)
		}
	}
}

// Many writers keep a rule that spans records: ranges of one VPC don't overlap,
// and there are at most so many.
func TestRulesHoldAmongManyWriters(t *testing.T) {
	s := storetest.Open(t)
	const writers, rounds, limit = 16, 12, 40
	overlap, enough := errors.New("overlap"), errors.New("limit")
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			for round := range rounds {
				cidr := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte((w*7 + round*5) % 64), 0}), 24)
				err := s.Update(t.Context(), func(tx *store.Tx) error {
					count := 0
					for subnet := range store.Subnets.List(tx, scope) {
						if count++; subnet.CIDR.Overlaps(cidr) {
							return overlap
						}
					}
					if count >= limit {
						return enough
					}
					store.Subnets.Put(tx, resource.Subnet{Meta: meta(scope, fmt.Sprintf("subnet-%d-%d", w, round)), CIDR: cidr})
					return nil
				})
				if err != nil && err != overlap && err != enough {
					t.Errorf("update: %v", err)
				}
			}
		})
	}
	group.Wait()
	taken := make(map[netip.Prefix]string)
	for subnet := range store.Subnets.List(s.Snapshot(), scope) {
		if other := taken[subnet.CIDR]; other != "" {
			t.Errorf("%s and %s both have %v", other, subnet.ID, subnet.CIDR)
		}
		taken[subnet.CIDR] = subnet.ID
	}
	if len(taken) != limit {
		t.Errorf("%d ranges were taken, want %d", len(taken), limit)
	}
}

// A rule that needs something to exist: whoever creates a connection has seen
// its gateway, by Get or by List; whoever removes the gateway has seen that it
// has no connection. Both can't succeed.
func TestRemovalConflictsWithWhatReliesOnIt(t *testing.T) {
	s := storetest.Open(t)
	missing, inUse := errors.New("missing"), errors.New("in use")
	find := map[string]func(tx *store.Tx, id string) bool{
		"by Get": func(tx *store.Tx, id string) bool {
			_, ok := store.VPNGateways.Get(tx, scope, id)
			return ok
		},
		"by List": func(tx *store.Tx, id string) bool {
			for g := range store.VPNGateways.List(tx, scope) {
				if g.ID == id {
					return true
				}
			}
			return false
		},
		"by All": func(tx *store.Tx, id string) bool {
			for g := range store.VPNGateways.All(tx) {
				if g.ID == id {
					return true
				}
			}
			return false
		},
	}
	for name, exists := range find {
		for round := range 30 {
			id := fmt.Sprintf("vgw-%s-%d", name, round)
			update(t, s, func(tx *store.Tx) { store.VPNGateways.Put(tx, resource.VPNGateway{Meta: meta(scope, id)}) })
			// Both have read before either commits: the first attempts meet here.
			var meet, done sync.WaitGroup
			meet.Add(2)
			var created, removed error
			done.Go(func() {
				first := sync.OnceFunc(func() { meet.Done(); meet.Wait() })
				created = s.Update(t.Context(), func(tx *store.Tx) error {
					found := exists(tx, id)
					first()
					if !found {
						return missing
					}
					store.VPNConnections.Put(tx, resource.VPNConnection{Meta: meta(scope, "vpn-"+id), VPNGateway: id})
					return nil
				})
			})
			done.Go(func() {
				first := sync.OnceFunc(func() { meet.Done(); meet.Wait() })
				removed = s.Update(t.Context(), func(tx *store.Tx) error {
					used := false
					for c := range store.VPNConnections.List(tx, scope) {
						used = used || c.VPNGateway == id
					}
					first()
					if used {
						return inUse
					}
					store.VPNGateways.Delete(tx, scope, id)
					return nil
				})
			})
			done.Wait()
			if (created == nil) == (removed == nil) {
				t.Fatalf("%s, round %d: created: %v, removed: %v; exactly one must succeed", name, round, created, removed)
			}
		}
	}
}

// A counter that many increment shows every increment, also across processes:
// two stores on one etcd conflict as two processes do.
func TestCounterAcrossStores(t *testing.T) {
	first := storetest.Open(t)
	second := store.Second(t, first)
	const writers, rounds = 4, 10
	update(t, first, func(tx *store.Tx) {
		store.CustomerGateways.Put(tx, resource.CustomerGateway{Meta: meta(scope, "cgw-1")})
	})
	var group sync.WaitGroup
	for _, s := range []*store.Store{first, second} {
		if err := s.Wait(t.Context(), first.Snapshot().Revision()); err != nil {
			t.Fatal(err)
		}
		for range writers {
			group.Go(func() {
				for range rounds {
					update(t, s, func(tx *store.Tx) {
						counter, ok := store.CustomerGateways.Get(tx, scope, "cgw-1")
						if !ok {
							t.Error("the counter is gone")
						}
						counter.ASN++
						store.CustomerGateways.Put(tx, counter)
					})
				}
			})
		}
	}
	group.Wait()
	if err := first.Wait(t.Context(), second.Snapshot().Revision()); err != nil {
		t.Fatal(err)
	}
	counter, _ := store.CustomerGateways.Get(first.Snapshot(), scope, "cgw-1")
	if want := uint32(2 * writers * rounds); counter.ASN != want {
		t.Errorf("counted to %d, want %d", counter.ASN, want)
	}
}

func TestUpdateEndsWithItsContext(t *testing.T) {
	s := storetest.Open(t)
	ctx, cancel := context.WithCancel(t.Context())
	attempts := 0
	err := s.Update(ctx, func(tx *store.Tx) error {
		// Another process changes what was read, again and again.
		store.VPCs.Get(tx, scope, "vpc-1")
		other := vpc(scope, "vpc-1")
		other.DHCPOptionsID = fmt.Sprint(attempts)
		store.WriteBehind(t, s, other)
		store.Subnets.Put(tx, resource.Subnet{Meta: meta(scope, "subnet-1")})
		if attempts++; attempts == 5 {
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) || attempts != 5 {
		t.Errorf("after %d attempts: %v", attempts, err)
	}
}

func TestRestartKeepsRecords(t *testing.T) {
	dir := t.TempDir()
	s, err := storetest.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	update(t, s, func(tx *store.Tx) { store.VPCs.Put(tx, vpc(scope, "vpc-1")) })
	revision := s.Snapshot().Revision()

	if _, err := storetest.OpenDir(dir); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a second store in the same directory: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, ok := store.VPCs.Get(s.Snapshot(), scope, "vpc-1"); !ok {
		t.Error("the last snapshot of a closed store is not readable")
	}
	if err := s.Update(t.Context(), func(tx *store.Tx) error { store.VPCs.Put(tx, vpc(scope, "vpc-2")); return nil }); err == nil {
		t.Error("a closed store took a write")
	}

	again, err := storetest.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if _, ok := store.VPCs.Get(again.Snapshot(), scope, "vpc-1"); !ok || again.Snapshot().Revision() < revision {
		t.Errorf("after a restart: found %v, revision %d, want at least %d", ok, again.Snapshot().Revision(), revision)
	}
	update(t, again, func(tx *store.Tx) { store.VPCs.Put(tx, vpc(scope, "vpc-2")) })
}

func TestChangedWakes(t *testing.T) {
	s := storetest.Open(t)
	seen := s.Snapshot().Revision()
	changed := s.Changed(seen)
	select {
	case <-changed:
		t.Fatal("woken without a change")
	default:
	}
	update(t, s, func(tx *store.Tx) { store.VPCs.Put(tx, vpc(scope, "vpc-1")) })
	for _, c := range []<-chan struct{}{changed, s.Changed(seen)} {
		select {
		case <-c:
		default:
			t.Error("not woken by a change")
		}
	}
}
