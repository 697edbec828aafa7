package ikev1

import (
	"testing"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/enginetest"
	"causeway.dev/ike/wire/isakmp"
)

// RFC 4304 section 2: an initiator that offers extended sequence numbers gets them,
// in the order that it prefers.
func TestExtendedSequenceNumbers(t *testing.T) {
	for name, c := range map[string]struct {
		offers []string
		want   bool
	}{
		"only":       {[]string{"aes128gcm16-group19-esn"}, true},
		"preferred":  {[]string{"aes128-sha256-group19-esn", "aes128-sha256-group19"}, true},
		"acceptable": {[]string{"aes128-sha256-group19", "aes128-sha256-group19-esn"}, false},
		"none":       {[]string{"aes128gcm16-group19"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 1, enginetest.LAN, func(left, right *ike.Peer) {
				left.ESPProposals = enginetest.ESP(t, c.offers...)
				right.ESPProposals = enginetest.ESP(t, "aes128gcm16-group19", "aes128-sha256-group19")
			})
			w.Connect()
			w.CheckSettled()
			for _, s := range []*enginetest.Side[*Gate]{w.Left, w.Right} {
				for _, child := range s.Children {
					if child.Proposal.ExtendedSequence != c.want {
						t.Errorf("%s has %v", s.Peer.ID, child.Proposal)
					}
				}
			}
		})
	}
	offer := offerESP(enginetest.ESP(t, "aes128gcm16-esn"), 0x1234567, isakmp.EncapsulationTunnel, 0)
	if _, _, ok := chooseESP(offer, enginetest.ESP(t, "aes128gcm16"), []uint64{isakmp.EncapsulationTunnel}); ok {
		t.Error("an initiator takes extended numbers that it has not offered")
	}
}

// A pair that has extended sequence numbers is rekeyed with them by either side, also
// after a hand-over: its peer may take no others.
func TestExtendedSequenceNumbersStay(t *testing.T) {
	w := newWorld(t, 1, enginetest.LAN, func(left, right *ike.Peer) {
		left.ESPProposals = enginetest.ESP(t, "aes128-sha256-group19-esn")
		right.ESPProposals = enginetest.ESP(t, "aes128-sha256-group19")
	})
	w.Connect()
	for i, s := range []*side{w.Right, w.Left, w.Right} {
		before := s.Active
		if i == 2 {
			s.HandOver(9)
		}
		s.Command(ike.RekeyChild{})
		w.Net.RunFor(20 * time.Second)
		w.CheckSettled()
		if c := s.ByOutbound(s.Active); s.Active == before || !c.Proposal.ExtendedSequence {
			t.Errorf("%s has rekeyed: %t; it has %v", s.Peer.ID, s.Active != before, c.Proposal)
		}
	}
}
