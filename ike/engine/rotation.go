package engine

import (
	"bytes"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/keys"
)

// A ProvedBy says by which of a peer's keys both sides have proved themselves.
type ProvedBy uint8

// Keys of a peer.
const (
	ByCurrentKey ProvedBy = iota // or by a certificate
	ByFormerKey
	ByRetiredKey // one that has been valid once
)

// A Rotation is the change of a peer's pre-shared key: the former one is valid
// beside the new one until the peer has used the new one, or until
// Peer.FormerKeyUntil. The zero value is a peer that has not used any.
type Rotation struct{ used bool }

// Valid returns the keys that prove p now, the current one first.
func (r *Rotation) Valid(now time.Time, p *ike.Peer) []ProvedBy {
	if r.FormerValid(now, p) {
		return []ProvedBy{ByCurrentKey, ByFormerKey}
	}
	return []ProvedBy{ByCurrentKey}
}

// FormerValid reports whether p's former key is valid.
func (r *Rotation) FormerValid(now time.Time, p *ike.Peer) bool {
	return !r.used && len(p.FormerKey) > 0 && now.Before(p.FormerKeyUntil)
}

// Proved notes that p has proved itself, and returns what the owner is to be told of
// that: that the former key has ended, if it has.
func (r *Rotation) Proved(p *ike.Peer, by ProvedBy) []ike.Output {
	if r.used || by != ByCurrentKey {
		return nil
	}
	r.used = true
	return r.Tell(p)
}

// Tell returns what the owner has to know of p's keys.
func (r *Rotation) Tell(p *ike.Peer) []ike.Output {
	if !r.used || len(p.FormerKey) == 0 || p.Certificate != nil {
		return nil
	}
	return []ike.Output{{Peer: p.ID, Event: ike.KeyUsed{KeyChanges: p.KeyChanges}}}
}

// Replace goes on with a new configuration of the peer. It returns what has become
// of the key by which an SA's peer had proved itself under the old one.
func (r *Rotation) Replace(old, new *ike.Peer) func(ProvedBy) ProvedBy {
	changed := !keys.Equal(old.PreSharedKey, new.PreSharedKey)
	if changed {
		r.used = false
	}
	return func(by ProvedBy) ProvedBy {
		key := Key(old, by)
		switch {
		case !changed && by == ByCurrentKey, keys.Equal(key, new.PreSharedKey):
			return ByCurrentKey
		case len(key) > 0 && keys.Equal(key, new.FormerKey):
			return ByFormerKey
		}
		return ByRetiredKey
	}
}

// Key returns one of p's keys; none for a retired one.
func Key(p *ike.Peer, by ProvedBy) ike.Secret {
	switch by {
	case ByCurrentKey:
		return p.PreSharedKey
	case ByFormerKey:
		return p.FormerKey
	}
	return nil
}

// KeyEnd is when the key ends by which the peer of an SA that stands has proved
// itself, zero for never. The SA is not to be used long after it: whoever holds a
// key that was replaced is not to keep what it made of it.
func KeyEnd(p *ike.Peer, by ProvedBy) time.Time {
	switch by {
	case ByFormerKey:
		if len(p.FormerKey) > 0 {
			return p.FormerKeyUntil
		}
		return longAgo
	case ByRetiredKey:
		return longAgo
	}
	return time.Time{}
}

// longAgo is due at once.
var longAgo = time.Unix(0, 0)

// ReauthenticationTime is how long an SA outlives the key that it was proved by,
// for a new one to be made with the current key.
const ReauthenticationTime = 30 * time.Second

// OwnKeys replaces the pre-shared keys of a configuration by copies, which WipeKeys
// overwrites when they are no longer needed.
func OwnKeys(p *ike.Peer) {
	p.PreSharedKey, p.FormerKey = bytes.Clone(p.PreSharedKey), bytes.Clone(p.FormerKey)
}

// WipeKeys overwrites the pre-shared keys of a configuration that OwnKeys was
// called for.
func WipeKeys(p *ike.Peer) {
	keys.Wipe(p.PreSharedKey)
	keys.Wipe(p.FormerKey)
}
