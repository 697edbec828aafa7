package ikev2

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
			p.IKEProposals = enginetest.IKE(t, "aes128gcm16-prfsha256-group14+mlkem768", "aes128-sha1-group22")
			p.ESPProposals = enginetest.ESP(t, "aes128gcm16-group14+mlkem768")
			p.FormerKey, p.FormerKeyUntil = ike.Secret("a former key"), enginetest.Epoch.Add(time.Hour)
		}
	})
	w.CheckWiped(checkNone)
}
