package logs

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"time"

	"go.etcd.io/bbolt"
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
	file    string
	options Options
	log     *slog.Logger

	// gate is held for reading by who uses db, and for writing by who opens another.
	gate     sync.RWMutex
	db       *database // guarded by gate; nil while there is none
	whyNot   error     // guarded by gate: why there is none
	reopenAt time.Time // guarded by gate: when to try again

	mu      sync.Mutex
	bytes   map[string]int64 // of the events of each account; guarded by mu
	streams map[string]int   // of each account; guarded by mu
	evicted uint64           // events removed for lack of room since Open; guarded by mu
	spoilt  uint64           // files that were moved aside since Open; guarded by mu
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

// Open opens the store in a file, which is made if it does not exist. Logs are no
// reason to run nothing: a spoilt file is moved aside, to FILE.spoilt-TIME, and an
// empty one begun, which the log and Usage tell.
func Open(file string, options Options) (*Store, error) {
	if options.BytesMax == 0 {
		options.BytesMax = BytesMaxDefault
	}
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Store{file: file, options: options, log: options.Logger}
	s.gate.Lock()
	defer s.gate.Unlock()
	if err := s.open(); err != nil {
		return nil, err
	}
	return s, nil
}

// open opens the file, or an empty one in its place. The caller holds gate.
func (s *Store) open() error {
	err := s.openFile()
	if !errors.Is(err, errSpoilt) {
		return err
	}
	aside, moved := moveAside(s.file)
	if moved != nil {
		return errors.Join(err, moved)
	}
	s.log.Error("log store is spoilt: moved aside, and an empty one begun", "err", err, "moved", aside)
	s.mu.Lock()
	s.spoilt++
	s.mu.Unlock()
	return s.openFile()
}

// openFile opens the file as it is. The caller holds gate.
func (s *Store) openFile() error {
	db, err := openDatabase(s.file, s.options)
	if err != nil {
		return fmt.Errorf("open the log store %s: %w", s.file, err)
	}
	stuck, err := db.transact(true, s.load)
	switch {
	case err == nil:
		s.db = db
		return nil
	case stuck:
		err = errors.Join(err, db.abandon())
	default:
		err = errors.Join(err, db.Close())
	}
	if errors.Is(err, errBroken) {
		err = fmt.Errorf("%w: %w", errSpoilt, err)
	}
	return fmt.Errorf("read the log store %s: %w", s.file, err)
}

// view runs a transaction that reads.
func (s *Store) view(f func(*bbolt.Tx) error) error { return s.transact(false, f) }

// update runs a transaction that writes. An error of f leaves all as it was.
func (s *Store) update(f func(*bbolt.Tx) error) error { return s.transact(true, f) }

// transact runs a transaction. A database that breaks off, for its file was spoilt
// while it was open, is opened anew: the call has failed, the next one finds what can
// be read, or an empty store.
func (s *Store) transact(writable bool, f func(*bbolt.Tx) error) error {
	s.gate.RLock()
	db, whyNot := s.db, s.whyNot
	if db == nil {
		s.gate.RUnlock()
		s.reopen(nil, false)
		return whyNot
	}
	stuck, err := db.transact(writable, f)
	s.gate.RUnlock()
	if errors.Is(err, errBroken) {
		s.log.Error("log store breaks off: it is opened anew", "err", err)
		s.reopen(db, stuck)
	}
	return err
}

// reopen opens another database than the one that has broken off, which is nil where
// none could be opened before.
func (s *Store) reopen(broken *database, stuck bool) {
	s.gate.Lock()
	defer s.gate.Unlock()
	if s.db != broken || broken == nil && time.Now().Before(s.reopenAt) {
		return // another caller has done it, or it is too early
	}
	s.db, s.reopenAt = nil, time.Now().Add(reopenEvery)
	var err error
	switch {
	case stuck:
		err = broken.abandon()
	case broken != nil:
		err = broken.Close()
	}
	if s.whyNot = errors.Join(err, s.open()); s.db == nil {
		s.log.Error("log store can't be opened", "err", s.whyNot)
	}
}

// load makes the buckets, counts the bytes and streams, and looks whether what is there
// belongs together.
func (s *Store) load(tx *bbolt.Tx) error {
	for _, name := range [][]byte{groupsBucket, streamsBucket, eventsBucket, ownersBucket} {
		if _, err := tx.CreateBucketIfNotExists(name); err != nil {
			return fmt.Errorf("%w: %w", errSpoilt, err)
		}
	}
	bytes, streams := map[string]int64{}, map[string]int{}
	total := int64(0)
	err := checkGroups(tx)
	for key, value := range keys(tx.Bucket(streamsBucket), nil, nil) {
		if err != nil {
			break
		}
		var stream Stream
		if stream, err = decodeStream(value); err != nil {
			break
		}
		owner := tx.Bucket(ownersBucket).Get(key[:8])
		if total += stream.Bytes; owner == nil || stream.Name != string(key[8:]) || stream.ID > tx.Bucket(streamsBucket).Sequence() ||
			stream.Bytes < 0 || total < 0 || total > tx.Size() {
			err = fmt.Errorf("log stream %q does not belong here", key)
		}
		bytes[accountOf(owner)] += stream.Bytes
		streams[accountOf(owner)]++
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errSpoilt, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bytes, s.streams = bytes, streams
	return nil
}

// checkGroups looks whether each log group has the key that its ID leads to, and each
// ID a group.
func checkGroups(tx *bbolt.Tx) error {
	groups, owners := tx.Bucket(groupsBucket), tx.Bucket(ownersBucket)
	ids := 0
	for key, value := range keys(groups, nil, nil) {
		g, err := decodeGroup(value)
		if err != nil {
			return err
		}
		if string(owners.Get(idKey(g.ID))) != string(key) || !strings.HasSuffix(string(key), "\x00"+g.Name) || g.ID > groups.Sequence() {
			return fmt.Errorf("log group %q does not belong here", key)
		}
		ids++
	}
	for id := range keys(owners, nil, nil) {
		if ids--; ids < 0 {
			return fmt.Errorf("the log group of ID %x is lost", id)
		}
	}
	return nil
}

// Close closes the file. Calls under way end first.
func (s *Store) Close() error {
	s.gate.Lock()
	defer s.gate.Unlock()
	if s.db == nil {
		return nil
	}
	db := s.db
	s.db, s.whyNot, s.reopenAt = nil, errClosed, never
	return db.Close()
}

// errClosed is of calls after Close, after which the file is opened no more.
var (
	errClosed = errors.New("the log store is closed")
	never     = time.Unix(1<<40, 0)
)

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
	Spoilt  uint64 // files moved aside since Open, for they were spoilt
}

// Usage returns how much is stored.
func (s *Store) Usage() Usage {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := Usage{Evicted: s.evicted, Spoilt: s.spoilt}
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
