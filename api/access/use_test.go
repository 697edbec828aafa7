package access

import (
	"testing"
	"time"

	"causeway.dev/api/server"
	"causeway.dev/iam"
	"causeway.dev/resource"
	"causeway.dev/store"
	"causeway.dev/store/storetest"
)

// Uses of keys are told of at once, and stored when they have come to some: those of
// keys that are there, and of no others.
func TestUsesAreStored(t *testing.T) {
	const account = "123456789012"
	configured := iam.AccessKey{ID: "configured", Secret: "secret", Account: account, User: "ops", UserID: "AIDAEXAMPLEOPSOPS"}
	keys, err := iam.NewDirectory(configured)
	if err != nil {
		t.Fatal(err)
	}
	records := storetest.Open(t)
	if err := records.Update(t.Context(), func(tx *store.Tx) error {
		store.AccessKeys.Put(tx, resource.AccessKey{Meta: resource.Meta{ID: "AKIAONE", Account: account, Region: resource.GlobalRegion}})
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	g := New(Config{Store: records, Keys: keys})
	begin := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	use := func(k iam.AccessKey, service string, after time.Duration) {
		g.NoteUse(server.Caller{Account: account, Region: "us-east-1", AccessKeyID: k.ID, Key: k, Now: begin.Add(after)}, service)
	}
	one := iam.AccessKey{ID: "AKIAONE", Account: account, User: "u"}
	use(one, "ec2", 0)
	use(one, "sts", time.Minute)
	use(iam.AccessKey{ID: "AKIAGONE", Account: account, User: "u"}, "ec2", 0)
	use(iam.AccessKey{ID: "AKIAROOT", Account: account}, "ec2", 0)
	use(iam.AccessKey{ID: "ASIATEMP", Account: account, User: "u", Session: &iam.Session{}}, "ec2", 0)
	use(configured, "ec2", 0)

	check := func(when string) {
		t.Helper()
		got, ok := g.LastUse(account, "AKIAONE")
		if !ok || !got.At.Equal(begin.Add(time.Minute)) || got.Service != "sts" || got.InRegion != "us-east-1" {
			t.Errorf("%s: %+v, %v", when, got, ok)
		}
		if _, ok := g.LastUse("210987654321", "AKIAONE"); ok {
			t.Errorf("%s: another account is told", when)
		}
	}
	check("before")
	if err := g.saveUses(t.Context()); err != nil {
		t.Fatal(err)
	}
	check("stored")
	if len(g.uses.unsaved) != 0 {
		t.Errorf("still to be stored: %v", g.uses.unsaved)
	}
	if n := store.AccessKeyUses.Len(records.Snapshot()); n != 1 {
		t.Errorf("%d uses are stored, want 1", n)
	}
}
