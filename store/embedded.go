package store

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3client"
	"golang.org/x/sys/unix"
)

const (
	// quotaBytes bounds the database file. 10,000 VPN connections with all that
	// belongs to them are under 100 MiB; the rest is history not yet compacted.
	quotaBytes = 4 << 30

	// txnOpsMax and requestBytesMax allow one call to start the greatest number
	// of instances that it may ask for.
	txnOpsMax       = 10_000
	requestBytesMax = 10 << 20

	// maintainEvery is how often history is thrown away, and historyRevisions
	// how much of it stays for a watch to resume from.
	maintainEvery    = time.Minute
	historyRevisions = 1000

	// startQuiet is how long etcd's words at its start are for debugging only.
	startQuiet = 10 * time.Second

	// defragmentBytes is how much of the file must lie free before it is
	// rewritten, which stops writing meanwhile.
	defragmentBytes = 256 << 20
)

// openEmbedded starts an etcd server of one member in this process. It listens
// nowhere: the client calls it directly.
func (s *Store) openEmbedded(ctx context.Context, cfg Config) error {
	if err := s.lockDir(cfg.Dir); err != nil {
		return err
	}
	server, err := embed.StartEtcd(embeddedConfig(cfg))
	if err != nil {
		return fmt.Errorf("start etcd: %w", err)
	}
	s.embedded = server
	s.closers = append(s.closers, server.Close)
	select {
	case <-server.Server.ReadyNotify():
	case err := <-server.Err():
		return fmt.Errorf("etcd ended: %w", err)
	case <-ctx.Done():
		return fmt.Errorf("wait for etcd: %w", context.Cause(ctx))
	}
	s.client = v3client.New(server.Server)
	s.closers = append(s.closers, func() { _ = s.client.Close() })
	s.group.Go("store maintenance", s.maintain)
	return nil
}

// lockDir makes the directory and takes it for this process. etcd would wait
// without end for another process to leave it.
func (s *Store) lockDir(dir string) error {
	if dir == "" {
		return errors.New("neither a directory nor endpoints of etcd are given")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil { // pre-shared keys are in there
		return err
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = lock.Close()
		return fmt.Errorf("the directory is in use by another process: %w", err)
	}
	s.closers = append(s.closers, func() { _ = lock.Close() })
	return nil
}

func embeddedConfig(cfg Config) *embed.Config {
	// Peers would reach the only member here; nothing listens on it.
	nowhere := url.URL{Scheme: "http", Host: "127.0.0.1:1"}
	etcd := embed.NewConfig()
	etcd.Name = "causeway"
	etcd.Dir = filepath.Join(cfg.Dir, "etcd")
	etcd.ListenPeerUrls, etcd.ListenClientUrls = nil, nil
	etcd.AdvertisePeerUrls, etcd.AdvertiseClientUrls = []url.URL{nowhere}, []url.URL{nowhere}
	etcd.InitialCluster = etcd.InitialClusterFromName(etcd.Name)
	etcd.InitialClusterToken = "causeway"
	etcd.TickMs, etcd.ElectionMs = 50, 250 // no peers to wait for: a member alone elects itself
	etcd.QuotaBackendBytes = quotaBytes
	etcd.MaxTxnOps = txnOpsMax
	etcd.MaxRequestBytes = requestBytesMax
	etcd.UnsafeNoFsync = cfg.NoSync
	etcd.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zapLogger(cfg.Logger, time.Now().Add(startQuiet)))
	return etcd
}

// maintain keeps the embedded server's file small.
func (s *Store) maintain(ctx context.Context) error {
	every := time.NewTicker(maintainEvery)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-every.C:
		}
		if err := s.tidy(ctx, historyRevisions, defragmentBytes); err != nil && ctx.Err() == nil {
			s.logger.Warn("can't tidy up the store", "error", err)
		}
	}
}

// tidy throws away history older than keep revisions, gives the file's free
// space back if there is more than free bytes of it, and lifts the alarm that
// stops all writes once the quota is reached.
func (s *Store) tidy(ctx context.Context, keep, free int64) error {
	if oldest := s.Snapshot().revision - keep; oldest > 0 {
		_, err := s.client.Compact(ctx, oldest, clientv3.WithCompactPhysical())
		if err != nil && !errors.Is(err, rpctypes.ErrCompacted) {
			return fmt.Errorf("compact: %w", err)
		}
	}
	backend := s.embedded.Server.Backend() // the client in this process can't defragment
	if backend.Size()-backend.SizeInUse() > free {
		if err := backend.Defrag(); err != nil {
			return fmt.Errorf("defragment: %w", err)
		}
	}
	alarms, err := s.client.AlarmList(ctx)
	if err != nil {
		return fmt.Errorf("list alarms: %w", err)
	}
	for _, alarm := range alarms.Alarms {
		if alarm.Alarm != etcdserverpb.AlarmType_NOSPACE || backend.SizeInUse() > quotaBytes*3/4 {
			continue
		}
		if _, err := s.client.AlarmDisarm(ctx, (*clientv3.AlarmMember)(alarm)); err != nil {
			return fmt.Errorf("lift the alarm for space: %w", err)
		}
	}
	return nil
}
