// Package store keeps the nouns of package resource in etcd, and shows them as
// immutable snapshots.
//
// Reading takes no lock and never asks etcd: Snapshot returns the state of all
// tables at one revision, in memory, and a watch replaces it whenever something
// has changed. Writing is Update: a function that reads through a transaction
// and writes into it, committed only if nothing that it read has changed
// meanwhile, and repeated otherwise. So rules that span records hold.
//
//	err := s.Update(ctx, func(tx *store.Tx) error {
//		for subnet := range store.Subnets.List(tx, scope) {
//			if subnet.VPC == vpc && subnet.CIDR.Overlaps(cidr) {
//				return resource.Errorf("InvalidSubnet.Conflict", …)
//			}
//		}
//		store.Subnets.Put(tx, resource.Subnet{…})
//		return nil
//	})
package store

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"golang.org/x/sync/semaphore"

	"causeway.dev/internal/run"
	"causeway.dev/internal/seal"
)

// Config says where the records are kept.
type Config struct {
	// Dir is the data directory of the embedded etcd server, made if it does
	// not exist. It is used if Endpoints is empty.
	Dir string

	// Endpoints are the client URLs of an external etcd cluster. Such a cluster
	// is compacted by its operator, and should allow large transactions
	// (--max-txn-ops=10000).
	Endpoints []string
	TLS       *tls.Config // for the Endpoints; nil is plain text
	Username  string      // for the Endpoints, with Password; empty is none
	Password  string

	// Keyring seals the secrets in what is stored: private and pre-shared
	// keys. With another one than the records were sealed with, Open fails.
	// Nil leaves secrets as they are.
	Keyring *seal.Keyring

	// NoSync lets the embedded server answer before data are on the disk. A
	// crash of the machine then loses writes: for tests only.
	NoSync bool

	Logger *slog.Logger // nil is slog.Default()
}

// A Store holds the records. Its methods may be called by any goroutine.
type Store struct {
	client   *clientv3.Client
	embedded *embed.Etcd // nil where the cluster is external
	logger   *slog.Logger
	keyring  *seal.Keyring
	group    *run.Group
	closers  []func() // in order of their use, last opened first
	current  atomic.Pointer[Snapshot]

	// writers lets attempts that may conflict run side by side, each with a
	// weight of 1, and an attempt that must not conflict alone, with all the
	// weight there is.
	writers *semaphore.Weighted
}

// writersMax is how many transactions of this process run side by side. Beyond
// a few dozen more of them only conflict more.
const writersMax = 64

// Open connects to the store, starting the embedded server if there are no
// Endpoints, and returns when the first snapshot is complete. ctx bounds the
// opening only.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	s := &Store{logger: cfg.Logger, keyring: cfg.Keyring, group: run.New(context.Background()), writers: semaphore.NewWeighted(writersMax)}
	if err := s.open(ctx, cfg); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Store) open(ctx context.Context, cfg Config) error {
	if len(cfg.Endpoints) == 0 {
		if err := s.openEmbedded(ctx, cfg); err != nil {
			return fmt.Errorf("open the embedded etcd in %s: %w", cfg.Dir, err)
		}
	} else {
		if err := s.openExternal(cfg); err != nil {
			return fmt.Errorf("connect to etcd at %v: %w", cfg.Endpoints, err)
		}
	}
	if err := s.checkKeyring(ctx); err != nil {
		return err
	}
	if err := s.sealOld(ctx); err != nil {
		return fmt.Errorf("seal what was stored without or with an older key: %w", err)
	}
	first, err := s.load(ctx)
	if err != nil {
		return fmt.Errorf("load the records: %w", err)
	}
	s.current.Store(first)
	s.group.Go("store feed", s.feed)
	return nil
}

func (s *Store) openExternal(cfg Config) error {
	client, err := clientv3.New(clientv3.Config{
		Endpoints:            cfg.Endpoints,
		TLS:                  cfg.TLS,
		Username:             cfg.Username,
		Password:             cfg.Password,
		DialTimeout:          5 * time.Second,
		DialKeepAliveTime:    10 * time.Second,
		DialKeepAliveTimeout: 5 * time.Second,
		Logger:               zapLogger(cfg.Logger, time.Time{}),
	})
	if err != nil {
		return err
	}
	s.client = client
	s.closers = append(s.closers, func() { _ = client.Close() })
	return nil
}

// Close ends the watch and the embedded server. Snapshots stay readable. It
// returns why the watch had ended before, if it had.
func (s *Store) Close() error {
	s.group.Stop(nil)
	err := s.group.Wait()
	for i := len(s.closers) - 1; i >= 0; i-- {
		s.closers[i]()
	}
	s.closers = nil
	return err
}

// Watch returns when ctx ends, or earlier if the store can no longer follow etcd,
// and then why: snapshots stay as they are from then on, and nothing is stored.
func (s *Store) Watch(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-s.group.Context().Done():
		return context.Cause(s.group.Context())
	}
}

// Snapshot returns the newest state of all tables that this process knows. It
// includes every Update that has returned in this process; other processes'
// appear within the time of a message.
func (s *Store) Snapshot() *Snapshot { return s.current.Load() }

// Changed returns a channel that is closed once there is a snapshot newer than
// the one of revision after. Where after lies ahead of the current snapshot it
// is closed by any newer one: compare revisions when woken.
func (s *Store) Changed(after int64) <-chan struct{} {
	current := s.Snapshot()
	if current.revision > after {
		return closed
	}
	return current.superseded
}

var closed = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// Wait returns when the snapshot includes a revision. It fails if ctx or the
// store ends first.
func (s *Store) Wait(ctx context.Context, revision int64) error {
	for {
		current := s.Snapshot()
		if current.revision >= revision {
			return nil
		}
		select {
		case <-current.superseded:
		case <-ctx.Done():
			return fmt.Errorf("wait for revision %d: %w", revision, context.Cause(ctx))
		case <-s.group.Context().Done():
			return fmt.Errorf("wait for revision %d: store closed: %w", revision, context.Cause(s.group.Context()))
		}
	}
}

// Update runs f as one transaction: either all that it wrote is stored, and
// nothing that it read had changed by then, or nothing is stored. When Update
// returns nil, Snapshot shows what it wrote.
//
// f may run several times: when another writer has changed what f had read, by
// Get or by List and All, it runs again on a newer snapshot, until it succeeds
// or ctx ends. Therefore it must do nothing but read and write through tx. If f
// returns an error nothing is stored and Update returns that error as it is.
// Put does not store what is stored already; a transaction that changes nothing
// does not reach etcd at all, and what it read is as of one snapshot.
//
// Why a list needs more than comparing the records that it showed: a record may
// have been added (a second main route table), or removed (the last VPN gateway
// that made a route legal; the rules that only a removal could break are those
// that need something to exist). So every write to a table and scope, removals
// included, also writes a guard key for that table and scope, and who listed it
// compares that. The cost of the comparison does not grow with the list. All
// compares the guards of all scopes.
//
// After an error from etcd it is unknown whether the transaction was stored; it
// is not repeated, since that could do it twice.
func (s *Store) Update(ctx context.Context, f func(tx *Tx) error) error {
	for attempt := 1; ; attempt++ {
		done, err := s.attempt(ctx, f, attempt > 1)
		if done || err != nil {
			return err
		}
		if attempt > 1 {
			// Another process was faster although this one stood back.
			if err := pause(ctx, attempt); err != nil {
				return err
			}
		}
	}
}

// attempt runs f once. It returns false without an error if it has to be
// repeated. The first attempt runs beside others; a repeated one runs alone in
// this process, so that in one process the second attempt always succeeds.
func (s *Store) attempt(ctx context.Context, f func(tx *Tx) error, alone bool) (done bool, err error) {
	weight := int64(1)
	if alone {
		weight = writersMax
	}
	if err := s.writers.Acquire(ctx, weight); err != nil {
		return false, fmt.Errorf("wait for other writers: %w", context.Cause(ctx))
	}
	defer s.writers.Release(weight)

	tx := newTx(s.Snapshot())
	if err := f(tx); err != nil {
		return false, err
	}
	if tx.err != nil {
		return false, tx.err
	}
	ops, err := tx.operations(s.keyring)
	if err != nil || len(ops) == 0 {
		return err == nil, err
	}
	response, err := s.client.Txn(ctx).If(tx.conditions()...).Then(ops...).Commit()
	if err != nil {
		return false, fmt.Errorf("commit a transaction of %d writes: %w", len(ops), err)
	}
	if !response.Succeeded {
		// Something that was read has a revision that the snapshot does not
		// show, so a newer snapshot is on its way.
		return false, s.Wait(ctx, tx.base.revision+1)
	}
	if err := s.Wait(ctx, response.Header.Revision); err != nil {
		return false, fmt.Errorf("the transaction is stored: %w", err)
	}
	return true, nil
}

// pause waits up to 2^attempt milliseconds, and at most a quarter of a second.
func pause(ctx context.Context, attempt int) error {
	longest := min(time.Millisecond<<min(attempt, 8), 250*time.Millisecond)
	select {
	case <-time.After(rand.N(longest)):
		return nil
	case <-ctx.Done():
		return fmt.Errorf("repeat a transaction after %d conflicts: %w", attempt, context.Cause(ctx))
	}
}
