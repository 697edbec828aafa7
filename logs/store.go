package logs

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"
)

// Bounds of what is stored.
const (
	GroupsMax  = 10_000 // of one account in one region
	StreamsMax = 10_000 // of one group

	// AccountStreamsMax bounds the streams of one account in all regions: those
	// without events take room as well, some 100 MB of this many.
	AccountStreamsMax = 100_000

	// BytesMaxDefault is Options.BytesMax unless set: 1 GiB.
	BytesMaxDefault = 1 << 30

	// EventOverhead is what an event counts beside its message, in bytes, as
	// in AWS's limits.
	EventOverhead = 26

	// fileGrowth is how much larger than its events the file gets.
	fileGrowth = 2

	// openMax bounds the wait for another process that has the file open.
	openMax = 500 * time.Millisecond

	// sweepEvery is how often expired events are removed. Readers don't see
	// them anyway.
	sweepEvery = time.Minute
)

// Errors of look-ups and creations, to be told apart with errors.Is.
var (
	ErrNoGroup        = errors.New("the log group does not exist")
	ErrNoStream       = errors.New("the log stream does not exist")
	ErrGroupExists    = errors.New("the log group exists")
	ErrStreamExists   = errors.New("the log stream exists")
	ErrTooManyGroups  = fmt.Errorf("the account has %d log groups in the region", GroupsMax)
	ErrTooManyStreams = fmt.Errorf("the log group has %d log streams, or the account %d", StreamsMax, AccountStreamsMax)
)

// A Scope is one account's part of one region.
type Scope struct{ Account, Region string }

// A Group is a log group.
type Group struct {
	Name    string    `json:"name"`
	Created time.Time `json:"created"`
	Class   string    `json:"class"` // AWS's: "STANDARD"

	// RetentionDays is how long events are kept; 0: as long as there is room.
	RetentionDays int               `json:"retentionDays,omitempty"`
	Tags          map[string]string `json:"tags,omitempty"`
	Protected     bool              `json:"protected,omitempty"` // against deletion, which is for callers to respect

	ID    uint64 `json:"id"` // never used again; chosen by CreateGroup
	Bytes int64  `json:"-"`  // of the events stored
}

// A Stream is a log stream of a group.
type Stream struct {
	Name    string    `json:"name"`
	Created time.Time `json:"created"`

	// Of the events stored; all zero where there are none and never were.
	First, Last  int64 // timestamps in milliseconds since 1970
	LastIngested int64 // when the newest came in, likewise
	Bytes        int64

	ID uint64 `json:"id"` // never used again; chosen by CreateStream
}

// Options are those of a Store.
type Options struct {
	// BytesMax bounds the bytes of all events together, each with
	// EventOverhead; the file needs up to fileGrowth times that. 0:
	// BytesMaxDefault.
	BytesMax int64

	// NoSync lets Append return before data are on the disk. A crash of the
	// machine then spoils the file: for tests only.
	NoSync bool

	Logger *slog.Logger // nil discards
}

// A Store holds log groups. Its methods may be called by any goroutine.
type Store struct {
	db       *bbolt.DB
	log      *slog.Logger
	bytesMax int64

	mu      sync.Mutex
	bytes   map[string]int64 // of the events of each account; guarded by mu
	streams map[string]int   // of each account; guarded by mu
	evicted uint64           // events removed for lack of room since Open; guarded by mu
}

// The buckets:
//
//	groups   account 0 region 0 name         → Group in JSON
//	streams  id of group (8 bytes) name      → Stream in JSON
//	events   id of stream (8) → a bucket of timestamp (8) number (8) → ingestion time (8) message
//	owners   id of group (8)                 → key in groups
var (
	groupsBucket  = []byte("groups")
	streamsBucket = []byte("streams")
	eventsBucket  = []byte("events")
	ownersBucket  = []byte("owners")
)

// ErrSpoilt is Open's of a file that holds something else than a store, or one that a
// disk or a crash of the machine has spoilt.
var ErrSpoilt = errors.New("the file is no log store, or is spoilt")

// Open opens the store in a file, which is made if it does not exist.
func Open(file string, options Options) (s *Store, err error) {
	defer func() { // bbolt believes the file once it has seen its first pages; what it finds in goroutines of its own nobody can catch
		if problem := recover(); problem != nil {
			s, err = nil, fmt.Errorf("read the log store %s: %w: %v", file, ErrSpoilt, problem)
		}
	}()
	if options.BytesMax == 0 {
		options.BytesMax = BytesMaxDefault
	}
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	db, err := bbolt.Open(file, 0o600, &bbolt.Options{
		Timeout: openMax, NoSync: options.NoSync, NoFreelistSync: true, FreelistType: bbolt.FreelistMapType,
		// Addresses for the file as large as it gets: to map more of it, a
		// writer would have to wait for all readers.
		InitialMmapSize: int(fileGrowth * options.BytesMax),
	})
	switch {
	case errors.Is(err, bbolterrors.ErrInvalid), errors.Is(err, bbolterrors.ErrChecksum), errors.Is(err, bbolterrors.ErrVersionMismatch):
		return nil, fmt.Errorf("open the log store %s: %w: %w", file, ErrSpoilt, err)
	case err != nil:
		return nil, fmt.Errorf("open the log store %s: %w", file, err)
	}
	s = &Store{db: db, log: options.Logger, bytesMax: options.BytesMax, bytes: map[string]int64{}, streams: map[string]int{}}
	if err := s.load(); err != nil {
		return nil, errors.Join(fmt.Errorf("read the log store %s: %w: %w", file, ErrSpoilt, err), db.Close())
	}
	return s, nil
}

// load makes the buckets and counts the bytes.
func (s *Store) load() error {
	return s.db.Update(func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{groupsBucket, streamsBucket, eventsBucket, ownersBucket} {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		return tx.Bucket(streamsBucket).ForEach(func(key, value []byte) error {
			var stream Stream
			if err := json.Unmarshal(value, &stream); err != nil {
				return fmt.Errorf("log stream %q: %w", key, err)
			}
			account := accountOf(tx.Bucket(ownersBucket).Get(key[:8]))
			s.bytes[account] += stream.Bytes
			s.streams[account]++
			return nil
		})
	})
}

// Close closes the file. Calls under way end first.
func (s *Store) Close() error { return s.db.Close() }

// Run removes expired events now and then until ctx ends.
func (s *Store) Run(ctx context.Context) error {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
			if err := s.Sweep(time.Now()); err != nil {
				s.log.Error("remove expired log events", "err", err)
			}
		}
	}
}

// Usage is how much is stored.
type Usage struct {
	Bytes   int64  // of all events, each with EventOverhead
	Evicted uint64 // events removed for lack of room since Open
}

// Usage returns how much is stored.
func (s *Store) Usage() Usage {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := Usage{Evicted: s.evicted}
	for n := range maps.Values(s.bytes) {
		u.Bytes += n
	}
	return u
}

func (s *Store) addBytes(account string, n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bytes[account] += n; s.bytes[account] <= 0 {
		delete(s.bytes, account)
	}
}

func (s *Store) streamsOf(account string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.streams[account]
}

func (s *Store) addStreams(account string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.streams[account] += n; s.streams[account] <= 0 {
		delete(s.streams, account)
	}
}

func idKey(id uint64) []byte { return binary.BigEndian.AppendUint64(nil, id) }

// put stores a value as JSON.
func put(b *bbolt.Bucket, key []byte, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return b.Put(key, text)
}
