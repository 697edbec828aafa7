package store_test

import (
	"slices"
	"testing"

	"causeway.dev/resource"
	"causeway.dev/store"
	"causeway.dev/store/storetest"
)

// What was computed from records is stale when, and only when, one of these has
// changed, come or gone.
func TestDependencies(t *testing.T) {
	s := storetest.Open(t)
	nic := func(id, subnet string) resource.NetworkInterface {
		return resource.NetworkInterface{Meta: meta(scope, id), Subnet: subnet}
	}
	update(t, s, func(tx *store.Tx) { store.NetworkInterfaces.Put(tx, nic("eni-1", "subnet-1")) })
	other := store.Scope{Account: scope.Account, Region: "eu-west-1"}
	reads := map[string]func(r store.Reader){
		"by id":            func(r store.Reader) { store.NetworkInterfaces.Get(r, scope, "eni-1") },
		"by id, not there": func(r store.Reader) { store.NetworkInterfaces.Get(r, scope, "eni-2") },
		"by subnet": func(r store.Reader) {
			for range store.NetworkInterfaces.Find(r, scope, store.BySubnet, "subnet-2") {
			}
		},
		"of all scopes, by subnet": func(r store.Reader) {
			for range store.NetworkInterfaces.Find(r, store.Scope{}, store.BySubnet, "subnet-2") {
			}
		},
		"list": func(r store.Reader) {
			for range store.NetworkInterfaces.List(r, scope) {
			}
		},
		"all": func(r store.Reader) {
			for range store.NetworkInterfaces.All(r) {
			}
		},
		"total": func(r store.Reader) { store.NetworkInterfaces.Total(r, scope) },
		"count": func(r store.Reader) { store.NetworkInterfaces.Count(r, scope, store.BySubnet, "subnet-2") },
		"other scope": func(r store.Reader) {
			for range store.NetworkInterfaces.List(r, other) {
			}
		},
		"other tables": func(r store.Reader) {
			for range store.Instances.All(r) {
			}
		},
	}
	for _, step := range []struct {
		what   string
		change func(tx *store.Tx)
		fresh  []string // all others are stale
	}{
		{"nothing", func(tx *store.Tx) { store.VPCs.Put(tx, vpc(scope, "vpc-1")) }, []string{
			"all", "by id", "by id, not there", "by subnet", "count", "list", "of all scopes, by subnet", "other scope", "other tables", "total",
		}},
		{"a change", func(tx *store.Tx) { store.NetworkInterfaces.Put(tx, nic("eni-1", "subnet-3")) }, []string{
			"by id, not there", "by subnet", "count", "of all scopes, by subnet", "other scope", "other tables",
		}},
		{"one comes", func(tx *store.Tx) { store.NetworkInterfaces.Put(tx, nic("eni-2", "subnet-2")) }, []string{"by id", "other scope", "other tables"}},
		{"one leaves the subnet", func(tx *store.Tx) { store.NetworkInterfaces.Put(tx, nic("eni-2", "subnet-1")) }, []string{"by id", "other scope", "other tables"}},
		{"one goes", func(tx *store.Tx) { store.NetworkInterfaces.Delete(tx, scope, "eni-2") }, []string{
			"by id", "by subnet", "count", "of all scopes, by subnet", "other scope", "other tables",
		}},
		{"elsewhere", func(tx *store.Tx) {
			v := nic("eni-1", "subnet-2")
			v.Region = other.Region
			store.NetworkInterfaces.Put(tx, v)
		}, []string{"by id", "by id, not there", "by subnet", "count", "list", "other tables", "total"}},
	} {
		before := s.Snapshot()
		var d store.Dependencies[string]
		for name, read := range reads {
			r := store.Record(before)
			read(r)
			d.Set(name, r)
			d.Set(name, r) // again is the same
		}
		update(t, s, step.change)
		stale, known := d.Stale(before, s.Snapshot())
		if !known {
			t.Fatalf("%s: the changes are not known", step.what)
		}
		var fresh []string
		for name := range reads {
			if _, ok := stale[name]; !ok {
				fresh = append(fresh, name)
			}
		}
		slices.Sort(fresh)
		if !slices.Equal(fresh, step.fresh) {
			t.Errorf("%s: fresh are %q, want %q", step.what, fresh, step.fresh)
		}
		for name := range reads {
			d.Forget(name)
		}
		if stale, _ := d.Stale(before, s.Snapshot()); len(stale) > 0 {
			t.Errorf("%s: %d forgotten results are stale", step.what, len(stale))
		}
	}
}

// After changes were missed nothing is known of what they were.
func TestChangesAreUnknownAfterAReload(t *testing.T) {
	s := storetest.Open(t)
	before := s.Snapshot()
	after := storetest.Open(t).Snapshot() // as a reload makes it: of no snapshot before
	var d store.Dependencies[string]
	if _, known := d.Stale(before, after); known {
		t.Error("the changes between two stores are known")
	}
}
