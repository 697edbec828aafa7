package logs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"strings"

	"go.etcd.io/bbolt"
)

// prefix begins the keys of a scope's groups. Neither part can hold a zero: they
// come from iam and from the configuration.
func (s Scope) prefix() []byte { return []byte(s.Account + "\x00" + s.Region + "\x00") }

func (s Scope) groupKey(name string) []byte { return append(s.prefix(), name...) }

// accountOf returns the account that a key in the bucket of groups begins with.
func accountOf(groupKey []byte) string {
	account, _, _ := bytes.Cut(groupKey, []byte{0})
	return string(account)
}

// CreateGroup makes a log group; its ID is chosen here.
func (s *Store) CreateGroup(scope Scope, g Group) error {
	return s.update(func(tx *bbolt.Tx) error {
		groups := tx.Bucket(groupsBucket)
		key := scope.groupKey(g.Name)
		if groups.Get(key) != nil {
			return ErrGroupExists
		}
		if count(groups, scope.prefix(), GroupsMax) == GroupsMax {
			return ErrTooManyGroups
		}
		var err error
		if g.ID, err = groups.NextSequence(); err != nil {
			return err
		}
		if err := tx.Bucket(ownersBucket).Put(idKey(g.ID), key); err != nil {
			return err
		}
		return put(groups, key, g)
	})
}

// count counts the keys with a prefix, up to limit.
func count(b *bbolt.Bucket, prefix []byte, limit int) int {
	n := 0
	for range keys(b, prefix, nil) {
		if n++; n == limit {
			break
		}
	}
	return n
}

// keys yields the pairs of a bucket whose keys begin with prefix, from
// prefix+from on.
func keys(b *bbolt.Bucket, prefix, from []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(k, v []byte) bool) {
		c := b.Cursor()
		for k, v := c.Seek(append(bytes.Clone(prefix), from...)); k != nil && bytes.HasPrefix(k, prefix) && yield(k, v); k, v = c.Next() {
		}
	}
}

// readGroup returns a group without its Bytes.
func readGroup(tx *bbolt.Tx, scope Scope, name string) (Group, error) {
	value := tx.Bucket(groupsBucket).Get(scope.groupKey(name))
	if value == nil {
		return Group{}, ErrNoGroup
	}
	return decodeGroup(value)
}

func decodeGroup(value []byte) (Group, error) {
	var g Group
	if err := json.Unmarshal(value, &g); err != nil {
		return Group{}, fmt.Errorf("decode a log group: %w", err)
	}
	return g, nil
}

// Group returns a log group.
func (s *Store) Group(scope Scope, name string) (g Group, err error) {
	err = s.view(func(tx *bbolt.Tx) error {
		if g, err = readGroup(tx, scope, name); err != nil {
			return err
		}
		g.Bytes, err = groupBytes(tx, g.ID)
		return err
	})
	return g, err
}

func groupBytes(tx *bbolt.Tx, id uint64) (n int64, err error) {
	err = eachStream(tx, id, "", func(stream Stream) bool {
		n += stream.Bytes
		return true
	})
	return n, err
}

// Groups returns the scope's log groups whose names begin with prefix, contain
// part and follow after, sorted by name, at most limit. more says that there are
// others behind.
func (s *Store) Groups(scope Scope, prefix, part, after string, limit int) (list []Group, more bool, err error) {
	err = s.view(func(tx *bbolt.Tx) error {
		start := []byte(nil)
		switch {
		case after == "" || after < prefix:
		case strings.HasPrefix(after, prefix):
			start = []byte(after[len(prefix):] + "\x00") // no name has a zero
		default:
			return nil
		}
		for _, value := range keys(tx.Bucket(groupsBucket), scope.groupKey(prefix), start) {
			g, err := decodeGroup(value)
			if err != nil {
				return err
			}
			if !strings.Contains(g.Name, part) {
				continue
			}
			if more = len(list) == limit; more {
				return nil
			}
			if g.Bytes, err = groupBytes(tx, g.ID); err != nil {
				return err
			}
			list = append(list, g)
		}
		return nil
	})
	return list, more, err
}

// UpdateGroup changes a group: f gets it as it is. Its name, ID and creation stay
// what they are. An error of f leaves all as it was.
func (s *Store) UpdateGroup(scope Scope, name string, f func(*Group) error) error {
	return s.update(func(tx *bbolt.Tx) error {
		g, err := readGroup(tx, scope, name)
		if err != nil {
			return err
		}
		changed := g
		if err := f(&changed); err != nil {
			return err
		}
		changed.Name, changed.ID, changed.Created = g.Name, g.ID, g.Created
		return put(tx.Bucket(groupsBucket), scope.groupKey(name), changed)
	})
}

// DeleteGroup removes a group with its streams and events. A check that returns
// an error keeps it; nil checks nothing.
func (s *Store) DeleteGroup(scope Scope, name string, check func(Group) error) error {
	var freed int64
	err := s.update(func(tx *bbolt.Tx) error {
		freed = 0
		g, err := readGroup(tx, scope, name)
		if err != nil {
			return err
		}
		if check != nil {
			if err := check(g); err != nil {
				return err
			}
		}
		var streams []Stream
		if err := eachStream(tx, g.ID, "", func(stream Stream) bool {
			streams = append(streams, stream)
			return true
		}); err != nil {
			return err
		}
		for _, stream := range streams {
			freed += stream.Bytes
			if err := s.deleteStream(tx, scope.Account, g.ID, stream); err != nil {
				return err
			}
		}
		if err := tx.Bucket(ownersBucket).Delete(idKey(g.ID)); err != nil {
			return err
		}
		return tx.Bucket(groupsBucket).Delete(scope.groupKey(name))
	})
	if err == nil {
		s.addBytes(scope.Account, -freed)
	}
	return err
}
