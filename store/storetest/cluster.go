package storetest

import (
	"context"
	"log/slog"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"

	"causeway.dev/store"
)

// Cluster starts an etcd that is reached over the network, until the test ends, and
// returns its URL. It does not wait for the disk.
func Cluster(t testing.TB) string {
	t.Helper()
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
	return "http://" + server.Clients[0].Addr().String()
}

// OpenCluster opens a store on the etcd of a URL until the test ends.
func OpenCluster(t testing.TB, endpoint string) *store.Store {
	t.Helper()
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

// OpenSpoilable opens an empty store with a way to write values past it, whatever they
// are: what a disk or a later version may leave behind.
func OpenSpoilable(t testing.TB) (s *store.Store, spoil func(table string, at store.Scope, id, value string)) {
	t.Helper()
	endpoint := Cluster(t)
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{endpoint}, DialTimeout: 30 * time.Second, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	s = OpenCluster(t, endpoint)
	return s, func(table string, at store.Scope, id, value string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		written, err := client.Put(ctx, "/causeway/v1/"+table+"/"+at.Account+"/"+at.Region+"/"+id, value)
		if err == nil {
			err = s.Wait(ctx, written.Header.Revision)
		}
		if err != nil {
			t.Fatalf("write %s of %s: %v", id, table, err)
		}
	}
}
