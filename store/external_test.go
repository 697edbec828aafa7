package store_test

import (
	"context"
	"log/slog"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"

	"causeway.dev/store"
)

// An external cluster is reached over the network, and is the same to all users.
func TestExternalCluster(t *testing.T) {
	cluster := embed.NewConfig()
	loopback := url.URL{Scheme: "http", Host: "127.0.0.1:0"}
	cluster.Name = "external"
	cluster.Dir = filepath.Join(t.TempDir(), "etcd")
	cluster.ListenPeerUrls, cluster.ListenClientUrls = nil, []url.URL{loopback}
	cluster.AdvertisePeerUrls = []url.URL{{Scheme: "http", Host: "127.0.0.1:1"}}
	cluster.InitialCluster = cluster.InitialClusterFromName(cluster.Name)
	cluster.TickMs, cluster.ElectionMs = 10, 100
	cluster.UnsafeNoFsync = true
	cluster.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	server, err := embed.StartEtcd(cluster)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close) // after the stores: it waits for its clients
	endpoint := "http://" + server.Clients[0].Addr().String()

	open := func() *store.Store {
		s, err := store.Open(t.Context(), store.Config{Endpoints: []string{endpoint}, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		return s
	}
	writer, reader := open(), open()
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
