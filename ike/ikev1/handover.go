package ikev1

import (
	"errors"
	"time"

	"causeway.dev/ike"
)

// Pause has the gate begin no new exchange.
func (g *Gate) Pause() {}

// Busy reports whether exchanges are under way whose ends a hand-over had better
// wait for.
func (g *Gate) Busy() bool { return false }

// Freeze hands over what stands, for a gate in another process that is to go on
// with it. Nothing else is to be asked of this gate afterwards.
func (g *Gate) Freeze(now time.Time) []ike.Kept { return nil }

// Thaw takes over what a gate has frozen, for a peer that SetPeer has added. It
// tells of nothing: the owner has the pairs of ESP SAs from elsewhere.
func (g *Gate) Thaw(now time.Time, kept ike.Kept) error {
	return errors.New("no format of frozen SAs is known")
}
