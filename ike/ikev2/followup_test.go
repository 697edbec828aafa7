package ikev2

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"strings"
	"testing"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/engine"
	"causeway.dev/ike/keys"
	"causeway.dev/ike/wire"
	"causeway.dev/internal/simnet"
)

// With additional key exchanges the sides come to the same keys, at first and in
// rekeys of both kinds by both sides, also when they cross, and lose no packet. RFC
// 9370 sections 2.2.2 and 2.2.4.
func TestAdditionalKeyExchanges(t *testing.T) {
	for _, c := range []struct{ ike, esp, shown string }{
		{"aes128gcm16-prfsha256-group19+mlkem768", "aes128gcm16-group19+mlkem768", "19+mlkem768"},
		{"aes256-sha384-group31+mlkem1024+mlkem768", "chacha20poly1305-group31+mlkem768+mlkem1024", "31+mlkem1024+mlkem768"},
		{"chacha20poly1305-prfsha512-group32+mlkem1024", "aes256-sha512-group19", "32+mlkem1024"},
		{"aes128gcm16-prfsha256-group19", "aes128gcm16-group19+mlkem768", "19"},
	} {
		t.Run(c.shown, func(t *testing.T) {
			w := newWorld(t, 7, simnet.Conditions{DelayMin: 10 * time.Millisecond, DelayMax: 30 * time.Millisecond}, func(left, right *ike.Peer) {
				for _, p := range []*ike.Peer{left, right} {
					p.IKEProposals, p.ESPProposals = ikeProposals(t, c.ike), espProposals(t, c.esp)
				}
			})
			w.connect()
			w.checkSettled()
			if e, _ := lastEvent[ike.Established](w.right); e.Proposal.KeyExchange() != c.shown {
				t.Errorf("negotiated %s, want %s", e.Proposal.KeyExchange(), c.shown)
			}
			w.traffic(time.Millisecond, w.net.Now().Add(20*time.Second))
			for _, command := range []ike.Command{ike.RekeyChild{}, ike.RekeyIKE{}} {
				for _, sides := range [][]*side{{w.left}, {w.right}, {w.left, w.right}} {
					before := w.left.active
					_, sas := lastEvent[ike.Established](w.left)
					for _, s := range sides {
						s.command(command)
					}
					w.net.RunFor(3 * time.Second)
					_, now := lastEvent[ike.Established](w.left)
					if w.left.active == before && now == sas {
						w.left.fatalf("%T by %d sides did nothing", command, len(sides))
					}
				}
			}
			w.net.RunFor(5 * time.Second)
			w.checkSettled()
			for _, s := range []*side{w.left, w.right} {
				if s.lost+s.unsendable != 0 {
					s.fatalf("%d packets lost, %d not sent", s.lost, s.unsendable)
				}
				if s.gate.standing(s.peer.ID, nil).following != nil {
					t.Error("the state of a sequence is left")
				}
			}
		})
	}
}

// A peer that has no IKE_INTERMEDIATE gets what does without, if that is allowed.
func TestAdditionalKeyExchangesAreOptional(t *testing.T) {
	w := newWorld(t, 1, simnet.Conditions{}, func(left, right *ike.Peer) {
		right.IKEProposals = ikeProposals(t, fastIKE+"+mlkem768", fastIKE)
	})
	w.connect()
	w.checkSettled()
	w = newWorld(t, 1, simnet.Conditions{}, func(left, right *ike.Peer) {
		right.IKEProposals = ikeProposals(t, fastIKE+"+mlkem768")
	})
	w.connect()
	if e, _ := lastEvent[ike.NegotiationFailed](w.right); !strings.HasSuffix(e.Reason, "group 19+mlkem768") {
		t.Errorf("reason %q does not say what is wanted", e.Reason)
	}
}

// A message of IKE_INTERMEDIATE that somebody has changed who knows the keys of
// IKE_SA_INIT is found out by IKE_AUTH: both sides prove what they sent and got. RFC
// 9242 section 3.3.
func TestIntermediateIsProved(t *testing.T) {
	for _, side := range []bool{true, false} {
		w := newWorld(t, 1, simnet.Conditions{DelayMin: time.Millisecond, DelayMax: time.Millisecond}, func(left, right *ike.Peer) {
			for _, p := range []*ike.Peer{left, right} {
				p.IKEProposals = ikeProposals(t, fastIKE+"+mlkem768")
			}
		})
		w.left.command(ike.Initiate{})
		for changed := false; w.net.Now().Before(epoch.Add(time.Second)); {
			w.net.RunFor(100 * time.Microsecond)
			for _, s := range w.left.gate.peers["left"].sessions {
				for _, sa := range s.sas {
					if sa.mixed == 1 && !changed { // the responder is about to prove itself
						changed = true
						if side {
							sa.chainR[0] ^= 1
						} else {
							sa.chainI[0] ^= 1
						}
					}
				}
			}
		}
		if w.left.gate.Status("left").Established {
			t.Errorf("another chain of messages (initiator's: %v) is proved", !side)
		}
	}
}

// RFC 9370 section 2.2.4: STATE_NOT_FOUND for a follow-up of nothing, or with
// another link; and what is not followed up is given back.
func TestFollowupsThatDoNotFit(t *testing.T) {
	begin := func() (*world, *session) {
		w := newWorld(t, 1, simnet.Conditions{DelayMin: 50 * time.Millisecond, DelayMax: 50 * time.Millisecond}, func(left, right *ike.Peer) {
			for _, p := range []*ike.Peer{left, right} {
				p.ESPProposals = espProposals(t, fastESP+"+mlkem768")
				p.DPDTimeout = 10 * time.Minute
			}
		})
		w.connect()
		w.left.command(ike.RekeyChild{})
		w.net.RunFor(60 * time.Millisecond)
		s := w.right.gate.standing("right", nil)
		if s.following == nil {
			w.right.fatalf("no sequence has begun")
		}
		return w, s
	}
	w, s := begin()
	s.following.link[0] ^= 1
	w.net.RunFor(time.Second)
	if s.following == nil || len(w.right.children) != 1 {
		w.right.fatalf("a follow-up with another link was taken")
	}
	w.net.RunFor(2 * time.Minute) // the sequence has been given up, and begun anew
	w.checkSettled()
	if s.following != nil {
		t.Error("a sequence that nobody goes on with is kept")
	}

	w, s = begin()
	spis := len(w.right.gate.spis.(engine.OwnSPIs))
	w.net.Conditions.Loss = 1
	w.net.RunFor(followupLifetime + time.Second)
	if s.following != nil || len(w.right.gate.spis.(engine.OwnSPIs)) != spis-1 {
		t.Error("what was reserved for a sequence is not given back")
	}
}

func hmacSHA256(key []byte, parts ...[]byte) []byte {
	h := hmac.New(sha256.New, key)
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}

// RFC 9242 section 3.3.2, written out for two exchanges.
func TestIntermediateAuth(t *testing.T) {
	key, other := ike.Secret("SK_pi1"), ike.Secret("SK_pi2")
	h := wire.Header{SPIi: 1, SPIr: 2, Major: 2, Exchange: wire.IKEIntermediate, Flags: wire.FlagInitiator, MessageID: 1, NextPayload: wire.PayloadSKF, Length: 9999}
	inside := wire.AppendPayloads(nil, []wire.Payload{&wire.KE{Group: ike.MLKEM768, Data: []byte("key")}})
	first := keys.IntermediateAuth(ike.PRFHMACSHA256, key, nil, h, wire.PayloadKE, inside)
	second := keys.IntermediateAuth(ike.PRFHMACSHA256, other, first, h, wire.PayloadKE, inside)
	a := []byte{0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 46, 0x20, 43, 0x08, 0, 0, 0, 1, 0, 0, 0, byte(32 + len(inside)), 34, 0, 0, byte(4 + len(inside))}
	if want := hmacSHA256(key, a, inside); !bytes.Equal(first, want) {
		t.Errorf("the first is %x, want %x", first, want)
	}
	if want := hmacSHA256(other, first, a, inside); !bytes.Equal(second, want) {
		t.Errorf("the second is %x, want %x", second, want)
	}
}
