package keys

import (
	"bytes"

	"causeway.dev/ike"
)

// Costly reports whether a computation in a group takes long enough, several
// milliseconds, that a loop which serves many peers had better leave it to an
// [Agreement]: that is so for moduli of more than 2,048 bits.
func Costly(group ike.Group) bool {
	g := modpGroups[group]
	return g != nil && g.bits > 2048
}

// An Agreement is the costly part of a key exchange as a value of its own, so that
// an engine can hand it out and have it back when Compute has been called. In
// between it shares no memory with what it was made of.
type Agreement struct {
	dh     *DH
	peer   []byte // nil: only our key pair is made
	shared ike.Secret
	err    error
}

// Agree returns the computation of our public value and, where peer is not nil,
// of the secret that is shared with the sender of that KE payload's data.
func (d *DH) Agree(peer []byte) *Agreement {
	return &Agreement{dh: &DH{group: d.group, exchange: d.exchange.copy()}, peer: bytes.Clone(peer)}
}

// Compute does the work. It may be called on any goroutine, once, while nobody
// else uses a.
func (a *Agreement) Compute() {
	a.dh.Public()
	if a.peer != nil {
		a.shared, a.err = a.dh.Shared(a.peer)
	}
}

// DH is our key pair, with its public value at hand after Compute.
func (a *Agreement) DH() *DH { return a.dh }

// Of reports whether a is an exchange in a group with the sender of a value.
func (a *Agreement) Of(group ike.Group, peer []byte) bool {
	return a.dh.group == group && a.peer != nil && bytes.Equal(a.peer, peer)
}

// Shared is what DH.Shared would return. The secret is the caller's to wipe.
func (a *Agreement) Shared() (ike.Secret, error) {
	secret := a.shared
	a.shared = nil
	return secret, a.err
}

// Wipe overwrites the private value, and the secret unless Shared was called.
func (a *Agreement) Wipe() {
	a.dh.Wipe()
	Wipe(a.shared)
}
