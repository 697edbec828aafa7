package store_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"causeway.dev/internal/seal"
	"causeway.dev/resource"
	"causeway.dev/store"
)

func openSealed(t *testing.T, dir string, ring *seal.Keyring) (*store.Store, error) {
	t.Helper()
	return store.Open(t.Context(), store.Config{Dir: dir, NoSync: true, Keyring: ring, Logger: slog.New(slog.DiscardHandler)})
}

func connectionWithKeys(id, one, two string) resource.VPNConnection {
	v := resource.VPNConnection{Meta: meta(scope, id)}
	v.Tunnels[0].PreSharedKey, v.Tunnels[1].PreSharedKey = one, two
	return v
}

// Given records from before there was a key, when the store opens with one, then
// their secrets are sealed in etcd and readable in snapshots; another key opens
// nothing, and the right one with a new one in front seals anew.
func TestSecretsAreSealedInEtcd(t *testing.T) {
	dir := t.TempDir()
	inEtcd := func(s *store.Store) string {
		return strings.Join(store.Stored(t, s, store.VPNConnections.Name()), "\n")
	}
	keys := func(s *store.Store, id string) string {
		v, _ := store.VPNConnections.Get(s.Snapshot(), scope, id)
		return v.Tunnels[0].PreSharedKey + " " + v.Tunnels[1].PreSharedKey
	}
	with := func(ring *seal.Keyring, f func(s *store.Store)) {
		t.Helper()
		s, err := openSealed(t, dir, ring)
		if err != nil {
			t.Fatal(err)
		}
		f(s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	with(nil, func(s *store.Store) {
		update(t, s, func(tx *store.Tx) { store.VPNConnections.Put(tx, connectionWithKeys("vpn-old", "old.key.one", "")) })
		if !strings.Contains(inEtcd(s), "old.key.one") {
			t.Fatal("without a key the secret is not in etcd as it is")
		}
	})
	ring := seal.Generate()
	with(ring, func(s *store.Store) {
		update(t, s, func(tx *store.Tx) {
			store.VPNConnections.Put(tx, connectionWithKeys("vpn-new", "new.key.one", "new.key.two"))
		})
		if text := inEtcd(s); strings.Contains(text, "key.one") || strings.Contains(text, "key.two") || strings.Count(text, "sealed:1:") != 3 {
			t.Errorf("in etcd: %s", text)
		}
		if keys(s, "vpn-old") != "old.key.one " || keys(s, "vpn-new") != "new.key.one new.key.two" {
			t.Errorf("in the snapshot: %q, %q", keys(s, "vpn-old"), keys(s, "vpn-new"))
		}
		// The same value again is no write, though it would be sealed differently.
		before := s.Snapshot()
		update(t, s, func(tx *store.Tx) {
			store.VPNConnections.Put(tx, connectionWithKeys("vpn-new", "new.key.one", "new.key.two"))
		})
		if s.Snapshot() != before {
			t.Error("the same value is written again")
		}
	})
	for _, wrong := range []*seal.Keyring{nil, seal.Generate()} {
		if s, err := openSealed(t, dir, wrong); err == nil {
			t.Errorf("opens with the keyring %v", wrong)
			_ = s.Close()
		}
	}
	before := ""
	with(ring, func(s *store.Store) { before = inEtcd(s) })
	rotated := ring.Rotated()
	with(rotated, func(s *store.Store) {
		if after := inEtcd(s); after == before || strings.Count(after, "sealed:1:") != 3 {
			t.Errorf("after rotation in etcd: %s", after)
		}
	})
	with(rotated.Newest(), func(s *store.Store) { // the old key is needed no more
		if keys(s, "vpn-new") != "new.key.one new.key.two" || keys(s, "vpn-old") != "old.key.one " {
			t.Error("secrets are lost by a rotation")
		}
	})
}

// A sealed secret belongs to its record: in another one it does not open.
func TestSealedSecretsCannotBeMoved(t *testing.T) {
	dir, ring := t.TempDir(), seal.Generate()
	s, err := openSealed(t, dir, ring)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	update(t, s, func(tx *store.Tx) { store.VPNConnections.Put(tx, connectionWithKeys("vpn-a", "a.secret.key", "")) })
	store.CopyStored(t, s, store.VPNConnections.Name()+"/"+scope.Account+"/"+scope.Region+"/vpn-a", store.VPNConnections.Name()+"/"+scope.Account+"/"+scope.Region+"/vpn-b")
	if err := s.Wait(context.WithoutCancel(t.Context()), s.Snapshot().Revision()); err != nil {
		t.Fatal(err)
	}
	update(t, s, func(tx *store.Tx) { store.VPCs.Put(tx, vpc(scope, "vpc-after")) }) // after which the copy has been seen
	if _, ok := store.VPNConnections.Get(s.Snapshot(), scope, "vpn-b"); ok {
		t.Error("the secret of vpn-a opens as vpn-b's")
	}
}
