package ikev1

import (
	"fmt"
	"testing"

	"causeway.dev/ike"
	"causeway.dev/ike/enginetest"
)

// TestNegotiate: every algorithm in both phases.
func TestNegotiate(t *testing.T) {
	for _, c := range []struct{ ike, esp string }{
		{"aes128-sha1-group2", "aes128-sha1-group2"},
		{"aes256-sha256-group14", "aes256-sha256-group5"},
		{"aes128-sha384-group20", "aes128-sha384-group20"},
		{"aes256-sha512-group21", "aes256-sha512"},
		{"aes256-sha1-group19", "aes128gcm16-group19"},
		{"aes128-sha256-group22", "aes256gcm16-group24"},
	} {
		t.Run(fmt.Sprintf("%s %s", c.ike, c.esp), func(t *testing.T) {
			w := newWorld(t, 1, enginetest.LAN, func(left, right *ike.Peer) {
				left.IKEProposals, left.ESPProposals = enginetest.IKE(t, c.ike), enginetest.ESP(t, c.esp)
				right.IKEProposals, right.ESPProposals = left.IKEProposals, left.ESPProposals
			})
			w.Connect()
			w.CheckSettled()
		})
	}
}
