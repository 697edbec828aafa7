package logs

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

func streamKey(group uint64, name string) []byte { return append(idKey(group), name...) }

// CreateStream makes a log stream.
func (s *Store) CreateStream(scope Scope, group, name string, now time.Time) error {
	return s.update(func(tx *bbolt.Tx) error {
		g, err := readGroup(tx, scope, group)
		if err != nil {
			return err
		}
		_, err = s.createStream(tx, scope.Account, g.ID, name, now)
		return err
	})
}

func (s *Store) createStream(tx *bbolt.Tx, account string, group uint64, name string, now time.Time) (Stream, error) {
	streams := tx.Bucket(streamsBucket)
	key := streamKey(group, name)
	if streams.Get(key) != nil {
		return Stream{}, ErrStreamExists
	}
	if s.streamsOf(account) >= AccountStreamsMax || count(streams, idKey(group), StreamsMax) == StreamsMax {
		return Stream{}, ErrTooManyStreams
	}
	id, err := streams.NextSequence()
	if err != nil {
		return Stream{}, err
	}
	tx.OnCommit(func() { s.addStreams(account, 1) })
	stream := Stream{Name: name, Created: now, ID: id}
	return stream, put(streams, key, stream)
}

func readStream(tx *bbolt.Tx, group uint64, name string) (Stream, error) {
	value := tx.Bucket(streamsBucket).Get(streamKey(group, name))
	if value == nil {
		return Stream{}, ErrNoStream
	}
	return decodeStream(value)
}

func decodeStream(value []byte) (Stream, error) {
	var stream Stream
	if err := json.Unmarshal(value, &stream); err != nil {
		return Stream{}, fmt.Errorf("decode a log stream: %w", err)
	}
	return stream, nil
}

// eachStream calls f with the streams of a group whose names begin with prefix,
// sorted by name, until it returns false. f must not change the streams.
func eachStream(tx *bbolt.Tx, group uint64, prefix string, f func(Stream) bool) error {
	for _, value := range keys(tx.Bucket(streamsBucket), streamKey(group, prefix), nil) {
		stream, err := decodeStream(value)
		if err != nil {
			return err
		}
		if !f(stream) {
			break
		}
	}
	return nil
}

// Streams returns the streams of a group whose names begin with prefix, sorted by
// name: at most StreamsMax.
func (s *Store) Streams(scope Scope, group, prefix string) (list []Stream, err error) {
	err = s.view(func(tx *bbolt.Tx) error {
		g, err := readGroup(tx, scope, group)
		if err != nil {
			return err
		}
		return eachStream(tx, g.ID, prefix, func(stream Stream) bool {
			list = append(list, stream)
			return true
		})
	})
	return list, err
}

// DeleteStream removes a stream with its events.
func (s *Store) DeleteStream(scope Scope, group, name string) error {
	var freed int64
	err := s.update(func(tx *bbolt.Tx) error {
		g, err := readGroup(tx, scope, group)
		if err != nil {
			return err
		}
		stream, err := readStream(tx, g.ID, name)
		if err != nil {
			return err
		}
		freed = stream.Bytes
		return s.deleteStream(tx, scope.Account, g.ID, stream)
	})
	if err == nil {
		s.addBytes(scope.Account, -freed)
	}
	return err
}

func (s *Store) deleteStream(tx *bbolt.Tx, account string, group uint64, stream Stream) error {
	// A stream that nothing was appended to has no bucket.
	if err := tx.Bucket(eventsBucket).DeleteBucket(idKey(stream.ID)); err != nil && !errors.Is(err, bolterrors.ErrBucketNotFound) {
		return err
	}
	tx.OnCommit(func() { s.addStreams(account, -1) })
	return tx.Bucket(streamsBucket).Delete(streamKey(group, stream.Name))
}
