package daemon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"causeway.dev/ike"
)

// HandOver freezes what stands with all peers, for Resume of a daemon in another
// process, and ends the loop without a word to the peers. It begins nothing new
// and waits until ctx ends for exchanges that are under way; what is still open
// then is handed over with the rest. Half-open SAs are dropped. No event follows
// from what it does.
func (d *Daemon) HandOver(ctx context.Context) ([]ike.Kept, error) {
	var kept []ike.Kept
	err := d.do(func(now time.Time) {
		d.stopping = true
		for _, v := range versions {
			kept = append(kept, d.gate.of(v).Freeze(now)...)
		}
	})
	return kept, err
}

// Resume goes on with what another daemon has frozen. It is called after SetPeer
// for the peers concerned and before datagrams arrive. It tells of no event: the
// owner has the pairs of ESP SAs from where they were kept. What can't be resumed
// does not keep others from it; the errors, each naming its peer, are joined. Where
// the peer is not configured any more, it is told that its SAs are deleted.
func (d *Daemon) Resume(kept []ike.Kept) error {
	var errs []error
	errs = append(errs, d.change(func(now time.Time) {
		for _, k := range kept {
			if err := d.gate.of(k.Version).Thaw(now, k); err != nil {
				errs = append(errs, fmt.Errorf("resume %v with %s: %w", k.Version, k.Peer, err))
			}
		}
	}))
	return errors.Join(errs...)
}
