package store_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"causeway.dev/resource"
	"causeway.dev/store"
	"causeway.dev/store/storetest"
)

// What an index finds is what a look at all records finds: in snapshots and
// within transactions, after writes, changes and removals, and after a restart.
func TestIndexesFindWhatAListHas(t *testing.T) {
	dir := t.TempDir()
	s, err := storetest.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	other := store.Scope{Account: scope.Account, Region: "eu-west-1"}
	for range 40 {
		update(t, s, func(tx *store.Tx) {
			for range 5 {
				in := []store.Scope{scope, other}[random.IntN(2)]
				changeInterface(tx, in, random)
			}
			compareIndexes(t, tx, scope)
		})
		compareIndexes(t, s.Snapshot(), scope)
		compareIndexes(t, s.Snapshot(), other)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := storetest.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	compareIndexes(t, again.Snapshot(), scope)
	if found := slices.Collect(store.NetworkInterfaces.Find(again.Snapshot(), scope, store.BySubnet, "subnet-1")); len(found) == 0 {
		t.Error("no interface is found: the test compares nothing with nothing")
	}
}

// changeInterface writes an interface anew, or removes it.
func changeInterface(tx *store.Tx, in store.Scope, random *rand.Rand) {
	id := fmt.Sprintf("eni-%d", random.IntN(12))
	if random.IntN(4) == 0 {
		store.NetworkInterfaces.Delete(tx, in, id)
		return
	}
	v := resource.NetworkInterface{
		Meta: meta(in, id), Subnet: fmt.Sprintf("subnet-%d", random.IntN(3)),
		Address: netip.AddrFrom4([4]byte{10, 0, 0, byte(random.IntN(3))}),
	}
	for _, g := range []string{"sg-0", "sg-1"} {
		if random.IntN(2) == 0 {
			v.Groups = append(v.Groups, g)
		}
	}
	if n := random.IntN(4); n > 0 {
		v.Tags = []resource.Tag{{Key: "Name", Value: fmt.Sprint(n)}}
	}
	store.NetworkInterfaces.Put(tx, v)
}

// compareIndexes looks for all values that changeInterface gives.
func compareIndexes(t *testing.T, r store.Reader, in store.Scope) {
	t.Helper()
	type nic = *resource.NetworkInterface
	compare := func(p store.Property, value string, has func(v nic) bool) {
		t.Helper()
		var want, got []string
		for v := range store.NetworkInterfaces.Scan(r, in) {
			if has(v) {
				want = append(want, v.ID)
			}
		}
		for v := range store.NetworkInterfaces.Find(r, in, p, value) {
			got = append(got, v.ID)
		}
		if count := store.NetworkInterfaces.Count(r, in, p, value); !slices.Equal(got, want) || count != len(want) {
			t.Fatalf("by %s %q: got %v and a count of %d, want %v", p, value, got, count, want)
		}
	}
	total := 0
	for range store.NetworkInterfaces.List(r, in) {
		total++
	}
	if got := store.NetworkInterfaces.Total(r, in); got != total {
		t.Fatalf("counted %d of %d", got, total)
	}
	for n := range 4 {
		subnet, address, group, name := fmt.Sprintf("subnet-%d", n), fmt.Sprintf("10.0.0.%d", n), fmt.Sprintf("sg-%d", n), fmt.Sprint(n)
		compare(store.BySubnet, subnet, func(v nic) bool { return v.Subnet == subnet })
		compare(store.ByAddress, address, func(v nic) bool { return v.Address.String() == address })
		compare(store.ByGroup, group, func(v nic) bool { return slices.Contains(v.Groups, group) })
		compare(store.ByTag, store.TagValue("Name", name), func(v nic) bool {
			return slices.Contains(v.Tags, resource.Tag{Key: "Name", Value: name})
		})
	}
}

// A rule that says that nobody has a value, found by an index, conflicts with
// whoever comes to have it.
func TestFindConflictsWithWhatWouldBeFound(t *testing.T) {
	s := storetest.Open(t)
	attempts := 0
	update(t, s, func(tx *store.Tx) {
		found := slices.Collect(store.NetworkInterfaces.Find(tx, scope, store.ByMAC, "02:00:00:00:00:01"))
		if attempts++; attempts == 1 {
			update(t, s, func(tx *store.Tx) {
				store.NetworkInterfaces.Put(tx, resource.NetworkInterface{Meta: meta(scope, "eni-1"), MAC: "02:00:00:00:00:01"})
			})
		}
		if len(found) != attempts-1 {
			t.Errorf("attempt %d found %d", attempts, len(found))
		}
		store.VPCs.Put(tx, vpc(scope, "vpc-1"))
	})
	if attempts != 2 {
		t.Errorf("%d attempts, want 2: the first one's look was outdated", attempts)
	}
}
