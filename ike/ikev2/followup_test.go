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
	"causeway.dev/ike/enginetest"
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
					p.IKEProposals, p.ESPProposals = enginetest.IKE(t, c.ike), enginetest.ESP(t, c.esp)
				}
			})
			w.Connect()
			w.CheckSettled()
			if e, _ := enginetest.Last[ike.Established](w.Right); e.Proposal.KeyExchange() != c.shown {
				t.Errorf("negotiated %s, want %s", e.Proposal.KeyExchange(), c.shown)
			}
			w.Traffic(time.Millisecond, w.Net.Now().Add(20*time.Second))
			for _, command := range []ike.Command{ike.RekeyChild{}, ike.RekeyIKE{}} {
				for _, sides := range [][]*side{{w.Left}, {w.Right}, {w.Left, w.Right}} {
					before := w.Left.Active
					_, sas := enginetest.Last[ike.Established](w.Left)
					for _, s := range sides {
						s.Command(command)
					}
					w.Net.RunFor(3 * time.Second)
					_, now := enginetest.Last[ike.Established](w.Left)
					if w.Left.Active == before && now == sas {
						w.Left.Fatalf("%T by %d sides did nothing", command, len(sides))
					}
				}
			}
			w.Net.RunFor(5 * time.Second)
			w.CheckSettled()
			for _, s := range []*side{w.Left, w.Right} {
				if s.Lost+s.Unsendable != 0 {
					s.Fatalf("%d packets lost, %d not sent", s.Lost, s.Unsendable)
				}
				if s.Engine.standing(s.Peer.ID, nil).following != nil {
					t.Error("the state of a sequence is left")
				}
			}
		})
	}
}

// A peer that has no IKE_INTERMEDIATE gets what does without, if that is allowed.
func TestAdditionalKeyExchangesAreOptional(t *testing.T) {
	w := newWorld(t, 1, simnet.Conditions{}, func(left, right *ike.Peer) {
		right.IKEProposals = enginetest.IKE(t, fastIKE+"+mlkem768", fastIKE)
	})
	w.Connect()
	w.CheckSettled()
	w = newWorld(t, 1, simnet.Conditions{}, func(left, right *ike.Peer) {
		right.IKEProposals = enginetest.IKE(t, fastIKE+"+mlkem768")
	})
	w.Connect()
	if e, _ := enginetest.Last[ike.NegotiationFailed](w.Right); !strings.HasSuffix(e.Reason, "group 19+mlkem768") {
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
				p.IKEProposals = enginetest.IKE(t, fastIKE+"+mlkem768")
			}
		})
		w.Left.Command(ike.Initiate{})
		for changed := false; w.Net.Now().Before(enginetest.Epoch.Add(time.Second)); {
			w.Net.RunFor(100 * time.Microsecond)
			for _, s := range w.Left.Engine.peers["left"].sessions {
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
		if w.Left.Engine.Status("left").Established {
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
				p.ESPProposals = enginetest.ESP(t, fastESP+"+mlkem768")
				p.DPDTimeout = 10 * time.Minute
			}
		})
		w.Connect()
		w.Left.Command(ike.RekeyChild{})
		w.Net.RunFor(60 * time.Millisecond)
		s := w.Right.Engine.standing("right", nil)
		if s.following == nil {
			w.Right.Fatalf("no sequence has begun")
		}
		return w, s
	}
	w, s := begin()
	s.following.link[0] ^= 1
	w.Net.RunFor(time.Second)
	if s.following == nil || len(w.Right.Children) != 1 {
		w.Right.Fatalf("a follow-up with another link was taken")
	}
	w.Net.RunFor(2 * time.Minute) // the sequence has been given up, and begun anew
	w.CheckSettled()
	if s.following != nil {
		t.Error("a sequence that nobody goes on with is kept")
	}

	w, s = begin()
	spis := len(w.Right.Engine.spis.(engine.OwnSPIs))
	w.Net.Conditions.Loss = 1
	w.Net.RunFor(followupLifetime + time.Second)
	if s.following != nil || len(w.Right.Engine.spis.(engine.OwnSPIs)) != spis-1 {
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
