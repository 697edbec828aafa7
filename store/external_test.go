package store_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"causeway.dev/store"
	"causeway.dev/store/storetest"
)

// An external cluster is reached over the network, and is the same to all users.
func TestExternalCluster(t *testing.T) {
	endpoint := storetest.Cluster(t)
	writer, reader := storetest.OpenCluster(t, endpoint), storetest.OpenCluster(t, endpoint)
	update(t, writer, func(tx *store.Tx) { store.VPCs.Put(tx, vpc(scope, "vpc-1")) })
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := reader.Wait(ctx, writer.Snapshot().Revision()); err != nil {
		t.Fatal(err)
	}
	if _, ok := store.VPCs.Get(reader.Snapshot(), scope, "vpc-1"); !ok {
		t.Error("the other process does not see the record")
	}
}

func TestUnreachableClusterIsAnError(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if s, err := store.Open(ctx, store.Config{Endpoints: []string{"http://127.0.0.1:1"}, Logger: slog.New(slog.DiscardHandler)}); err == nil {
		t.Error("opened a store on a cluster that is not there")
		s.Close()
	}
}
