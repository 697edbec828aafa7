package ikev1

import (
	"testing"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/enginetest"
	"causeway.dev/internal/simnet"
)

func TestSecretsAreWiped(t *testing.T) {
	w := newWorld(t, 1, simnet.Conditions{DelayMin: 10 * time.Millisecond, DelayMax: 40 * time.Millisecond}, func(left, right *ike.Peer) {
		for _, p := range []*ike.Peer{left, right} {
			p.IKEProposals, p.ESPProposals = enginetest.IKE(t, "aes128-sha256-group14"), enginetest.ESP(t, "aes128-sha256-group14")
			p.FormerKey, p.FormerKeyUntil = ike.Secret("a former key"), enginetest.Epoch.Add(time.Hour)
		}
	})
	w.CheckWiped(checkNone)
}
