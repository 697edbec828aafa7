package daemon

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"reflect"
	"time"

	"causeway.dev/ike"
)

// A handOver is what the loop knows of one that has begun.
type handOver struct {
	settled chan struct{} // closed when nothing is under way any more
	done    bool          // all has been handed over
}

// HandOver freezes what stands with all peers, for Resume of a daemon in another
// process, and ends the loop without a word to the peers. It begins nothing new
// and waits until ctx ends for exchanges that are under way; what is still open
// then is handed over with the rest. Half-open SAs are dropped. The only events are
// those of the exchanges that it waits for.
func (d *Daemon) HandOver(ctx context.Context) ([]ike.Kept, error) {
	settled := make(chan struct{})
	err := d.change(func(time.Time) {
		d.stopping, d.handOver = true, &handOver{settled: settled}
		d.gate.Pause()
	})
	if err != nil {
		return nil, err
	}
	select {
	case <-settled:
	case <-ctx.Done():
	case <-d.done:
		return nil, ErrStopped
	}
	var kept []ike.Kept
	err = d.do(func(now time.Time) {
		for _, k := range d.gate.Freeze(now) {
			k.Configuration = fingerprint(d.peers[k.Peer].config)
			kept = append(kept, k)
		}
		d.handOver.done = true
	})
	return kept, err
}

// settle tells HandOver when it has waited for long enough.
func (d *Daemon) settle() {
	if h := d.handOver; h != nil && h.settled != nil && !d.gate.Busy() {
		close(h.settled)
		h.settled = nil
	}
}

// over reports whether the loop has nothing left to do.
func (d *Daemon) over() bool {
	if d.handOver != nil {
		return d.handOver.done
	}
	return d.stopping && !d.gate.Closing()
}

// Resume goes on with what another daemon has frozen, for peers that SetPeer has
// added, before their datagrams arrive. It tells of nothing but KeyUsed: the owner has the
// pairs of ESP SAs from where they were kept. Attempts that SetPeer has begun are forgotten
// without a word. A peer whose configuration is another than it was then is treated
// as by SetPeer.
//
// What can't be resumed keeps no other from it; the errors are joined. For these no
// SA stands here, and Kept.Farewell is still to be sent.
func (d *Daemon) Resume(kept []ike.Kept) error {
	var problems []error
	err := d.change(func(now time.Time) {
		for _, k := range kept {
			if err := d.resume(now, k); err != nil {
				problems = append(problems, fmt.Errorf("resume %v with %s: %w", k.Version, k.Peer, err))
			}
		}
	})
	return errors.Join(append(problems, err)...)
}

func (d *Daemon) resume(now time.Time, k ike.Kept) error {
	p := d.peers[k.Peer]
	if p == nil {
		return ErrUnknownPeer
	}
	if err := d.gate.Thaw(now, k); err != nil {
		return err
	}
	if !bytes.Equal(k.Configuration, fingerprint(p.config)) {
		d.takeEffect(now, p, renegotiates)
		return nil
	}
	if d.gate.Status(k.Peer).Child {
		p.retry, p.met = retry{}, true
	}
	return nil
}

// fingerprint is that of a configuration as far as what stands was made by it. What
// is not set does not change it, so that a version with more to be set finds the
// same.
func fingerprint(p ike.Peer) []byte {
	digest := sha256.New()
	fmt.Fprintf(digest, "certificates %t\n", p.Certificate != nil)
	for v, i := reflect.ValueOf(withoutHarmless(p)), 0; i < v.NumField(); i++ {
		field := v.Field(i)
		if field.IsZero() {
			continue
		}
		fmt.Fprintf(digest, "%s %v\n", v.Type().Field(i).Name, field.Interface())
		if id, ok := field.Interface().(ike.Identity); ok {
			fmt.Fprintf(digest, "of type %d\n", id.Type) // identities of two types may read the same
		}
	}
	return digest.Sum(nil)
}

// Pause has both versions begin nothing new.
func (e *engines) Pause() {
	for _, v := range versions {
		e.of(v).Pause()
	}
}

// Busy reports whether exchanges are under way in either version.
func (e *engines) Busy() bool { return e.v1.Busy() || e.v2.Busy() }

// Outdate has both versions make anew what stands.
func (e *engines) Outdate(now time.Time, id ike.PeerID) {
	for _, v := range versions {
		e.of(v).Outdate(now, id)
	}
}

// Freeze hands over what stands in both versions.
func (e *engines) Freeze(now time.Time) []ike.Kept {
	var kept []ike.Kept
	for _, v := range versions {
		kept = append(kept, e.of(v).Freeze(now)...)
	}
	return kept
}

// Thaw goes on with what was kept, in its version. An attempt that has begun in the
// other is forgotten: it would say INITIAL_CONTACT, and so end what is kept.
func (e *engines) Thaw(now time.Time, kept ike.Kept) error {
	if err := e.of(kept.Version).Thaw(now, kept); err != nil {
		return err
	}
	v := other(kept.Version)
	if e.stands(kept.Peer, kept.Version) && !e.stands(kept.Peer, v) && e.of(v).Status(kept.Peer).Connecting {
		e.collect(now)
		e.replace(now, kept.Peer, kept.Version)
	}
	return nil
}
