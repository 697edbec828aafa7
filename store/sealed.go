package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	clientv3 "go.etcd.io/etcd/client/v3"

	"causeway.dev/internal/seal"
)

// What is secret of a record is sealed in what is stored, and open in
// snapshots. Records from before there was a key file have it unsealed.

// A codec turns the values of a table into what is stored of them, and back.
type codec interface {
	encode(value any, k key, ring *seal.Keyring) ([]byte, error) // value is a *T
	decode(stored []byte, k key, ring *seal.Keyring) (value any, err error)

	// hasSecrets reports whether records have something to seal.
	hasSecrets() bool

	// sealsAnew reports whether a stored value has a secret that is not sealed
	// with the ring's first key.
	sealsAnew(stored []byte, ring *seal.Keyring) bool
}

// sealing makes secrets of what it points to within a value. The value is given
// as a copy, which shares slices with others: the secrets are fields of the
// struct itself or of arrays in it.
func (t *Table[T]) sealing(secrets func(*T) []*string) *Table[T] {
	t.secrets = secrets
	return t
}

// place binds a sealed secret to its field of its record.
func (t *Table[T]) place(k key, field int) string {
	return recordKey(t.number, k) + "#" + strconv.Itoa(field)
}

func (t *Table[T]) encode(value any, k key, ring *seal.Keyring) ([]byte, error) {
	v := *value.(*T)
	if t.secrets != nil && ring != nil {
		for i, secret := range t.secrets(&v) {
			if *secret != "" {
				*secret = ring.Seal(*secret, t.place(k, i))
			}
		}
	}
	return json.Marshal(&v)
}

func (t *Table[T]) decode(stored []byte, k key, ring *seal.Keyring) (any, error) {
	v := new(T)
	if err := json.Unmarshal(stored, v); err != nil {
		return nil, err
	}
	// What says of itself to be another record, or nothing, is not the one that it
	// lies for: an identity without what it is would be one without policies.
	if m := t.meta(v); (key{m.Account, m.Region, m.ID}) != k {
		return nil, fmt.Errorf("it is record %q of account %q in %q", m.ID, m.Account, m.Region)
	}
	if t.secrets == nil {
		return v, nil
	}
	for i, secret := range t.secrets(v) {
		if !seal.Sealed(*secret) {
			continue
		}
		if ring == nil {
			return nil, errors.New("it has a sealed secret, and there is no key")
		}
		var err error
		if *secret, err = ring.Open(*secret, t.place(k, i)); err != nil {
			return nil, err
		}
	}
	return v, nil
}

func (t *Table[T]) hasSecrets() bool { return t.secrets != nil }

func (t *Table[T]) sealsAnew(stored []byte, ring *seal.Keyring) bool {
	v := new(T)
	if json.Unmarshal(stored, v) != nil {
		return false
	}
	for _, secret := range t.secrets(v) {
		if *secret != "" && !ring.Current(*secret) {
			return true
		}
	}
	return false
}

// keyringKey is where a word lies that only the right keyring opens, so that a
// lost key file is noticed before anything is done with half of the records.
const (
	keyringKey  = "/causeway/keyring/v1"
	keyringWord = "causeway"
)

// checkKeyring compares the keyring with the one that the store was used with
// before.
func (s *Store) checkKeyring(ctx context.Context) error {
	response, err := s.client.Get(ctx, keyringKey)
	if err != nil {
		return fmt.Errorf("look for the key that seals secrets: %w", err)
	}
	switch known := len(response.Kvs) > 0; {
	case !known:
		return nil
	case s.keyring == nil:
		return errors.New("the store's secrets are sealed, and no key is given")
	}
	if _, err := s.keyring.Open(string(response.Kvs[0].Value), keyringKey); err != nil {
		return fmt.Errorf("the store's secrets can't be opened: %w; restore the key file that belongs to this store from its backup", err)
	}
	return nil
}

// sealedAtOnce bounds how many records one transaction seals.
const sealedAtOnce = 50

// sealOld seals every secret that is stored as it is, or sealed with an older
// key, with the keyring's first key. Records that somebody else writes meanwhile
// are sealed by them.
func (s *Store) sealOld(ctx context.Context) error {
	if s.keyring == nil {
		return nil
	}
	var conditions []clientv3.Cmp
	var ops []clientv3.Op
	flush := func() error {
		if len(ops) == 0 {
			return nil
		}
		_, err := s.client.Txn(ctx).If(conditions...).Then(ops...).Commit()
		conditions, ops = nil, nil
		return err
	}
	for number, table := range tables {
		if !table.hasSecrets() {
			continue
		}
		prefix := recordPrefix + table.Name() + "/"
		response, err := s.client.Get(ctx, prefix, clientv3.WithPrefix())
		if err != nil {
			return err
		}
		for _, kv := range response.Kvs {
			_, k, ok := parseRecordKey(string(kv.Key))
			if !ok || !table.sealsAnew(kv.Value, s.keyring) {
				continue
			}
			value, err := table.decode(kv.Value, k, s.keyring)
			if err != nil {
				return fmt.Errorf("%s: %w", kv.Key, err)
			}
			encoded, err := table.encode(value, k, s.keyring)
			if err != nil {
				return fmt.Errorf("%s: %w", kv.Key, err)
			}
			conditions = append(conditions, clientv3.Compare(clientv3.ModRevision(string(kv.Key)), "=", kv.ModRevision))
			ops = append(ops, clientv3.OpPut(recordKey(number, k), string(encoded)))
			if len(ops) == sealedAtOnce {
				if err := flush(); err != nil {
					return err
				}
			}
		}
	}
	if err := flush(); err != nil {
		return err
	}
	return s.noteKeyring(ctx)
}

// noteKeyring leaves the word that the next start's keyring has to open.
func (s *Store) noteKeyring(ctx context.Context) error {
	response, err := s.client.Get(ctx, keyringKey)
	if err != nil || len(response.Kvs) > 0 && s.keyring.Current(string(response.Kvs[0].Value)) {
		return err
	}
	_, err = s.client.Put(ctx, keyringKey, s.keyring.Seal(keyringWord, keyringKey))
	return err
}
