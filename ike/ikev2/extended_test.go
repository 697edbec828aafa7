package ikev2

import (
	"slices"
	"testing"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/enginetest"
	"causeway.dev/ike/wire"
)

// extended reports whether a side's newest pair has extended sequence numbers.
func extended(s *side) bool {
	child := s.Engine.standing(s.Peer.ID, nil).newestChild()
	return child.proposal.ExtendedSequence && s.Children[child.in].Proposal.ExtendedSequence
}

// RFC 7296 section 3.3.2, RFC 4303 section 2.2.1: an initiator that offers extended
// sequence numbers gets them, in the order that it prefers, though we offer none
// ourselves; and both sides' rekeys keep them.
func TestExtendedSequenceNumbers(t *testing.T) {
	for name, c := range map[string]struct {
		offers []string
		want   bool
	}{
		"only":       {[]string{"aes128gcm16-group19-esn"}, true},
		"preferred":  {[]string{"aes128gcm16-group19-esn", "aes128gcm16-group19"}, true},
		"acceptable": {[]string{"aes128gcm16-group19", "aes128gcm16-group19-esn"}, false},
		"none":       {[]string{"aes128gcm16-group19"}, false},
		"with CBC":   {[]string{"aes256-sha512-group19-esn"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 1, lan, func(left, right *ike.Peer) {
				left.ESPProposals = enginetest.ESP(t, c.offers...)
				right.ESPProposals = enginetest.ESP(t, "aes128gcm16-group19", "aes256-sha512-group19")
			})
			w.Connect()
			check := func(when string) {
				t.Helper()
				w.CheckSettled()
				if extended(w.Left) != c.want || extended(w.Right) != c.want {
					t.Errorf("%s: extended numbers at the initiator: %v, at the responder: %v, want %v", when, extended(w.Left), extended(w.Right), c.want)
				}
			}
			check("connected")
			for _, s := range []*side{w.Right, w.Left, w.Right} {
				s.Command(ike.RekeyChild{})
				w.Net.RunFor(20 * time.Second)
				check("after a rekey by " + s.Name)
			}
		})
	}
}

// An answer must not choose extended sequence numbers that were not offered, and an
// offer without a word of them is none.
func TestExtendedSequenceNumbersAreNotImposed(t *testing.T) {
	plain, extended := enginetest.ESP(t, "aes128gcm16"), enginetest.ESP(t, "aes128gcm16-esn")
	if _, _, _, ok := chooseESP(offerESP(extended, false, 0x1234567).Proposals, plain, false); ok {
		t.Error("an initiator takes extended numbers that it has not offered")
	}
	offers := offerESP(plain, false, 0x1234567).Proposals
	offers[0].Transforms = slices.DeleteFunc(offers[0].Transforms, func(t wire.Transform) bool { return t.Type == wire.TransformESN })
	if got, _, _, ok := chooseESP(offers, acceptedESP(&ike.Peer{ESPProposals: plain}, offers), false); !ok || got.ExtendedSequence {
		t.Errorf("an offer without a word of them is answered with %v, %v", got, ok)
	}
	if _, _, _, ok := chooseESP(offers, extended, false); ok {
		t.Error("an offer without a word of them is taken for one")
	}
	both := offerESP(append(extended, plain...), false, 0x1234567).Proposals
	if len(both) != 1 || len(both[0].Transforms) != 3 {
		t.Errorf("both kinds are offered as %v", both)
	}
}
