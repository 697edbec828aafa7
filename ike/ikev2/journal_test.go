package ikev2

import (
	"slices"
	"testing"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/wire"
	"causeway.dev/internal/simnet"
)

// TestExchangesAreTold: both sides tell of the same messages, in clear, and what
// they are for; keys are told to who asks, and they are both sides'.
func TestExchangesAreTold(t *testing.T) {
	w := newWorld(t, 1, simnet.Conditions{}, nil)
	w.Connect()
	w.Left.Command(ike.RekeyChild{})
	w.Net.RunFor(time.Second)
	w.Left.Command(ike.RekeyIKE{})
	w.Net.RunFor(time.Minute)
	w.Left.Command(ike.RevealKeys{})
	w.Right.Command(ike.RevealKeys{})
	w.Left.Command(ike.Terminate{Reason: "test"})
	w.Net.RunFor(time.Second)

	told := func(s *side, sent bool) (all []string) {
		for _, event := range s.Events {
			e, ok := event.(ike.Exchanged)
			if !ok || e.Sent != sent {
				continue
			}
			m, err := wire.Parse(e.Message)
			if err != nil {
				t.Fatalf("%+v: %v", e, err)
			}
			if m.Header.Exchange.String() != e.Exchange || m.Header.MessageID != e.ID || m.Header.Flags.Response() != e.Response {
				t.Errorf("%+v tells of %v", e, m)
			}
			all = append(all, m.String())
		}
		return all
	}
	for _, pair := range [][2][]string{{told(w.Left, true), told(w.Right, false)}, {told(w.Right, true), told(w.Left, false)}} {
		slices.Sort(pair[0]) // a responder tells of an answer before the next request
		slices.Sort(pair[1])
		if !slices.Equal(pair[0], pair[1]) {
			t.Errorf("sent     %q\nreceived %q", pair[0], pair[1])
		}
	}
	purposes := map[string]bool{}
	for _, event := range w.Right.Events {
		if e, ok := event.(ike.Exchanged); ok && !e.Sent && !e.Response {
			purposes[e.What] = true
		}
	}
	for _, want := range []string{ike.PurposeRekeyChild, ike.PurposeRekeyIKE, ike.PurposeDeleteChild, ike.PurposeDeleteIKE} {
		if !purposes[want] {
			t.Errorf("nothing was told of a %s; only %v", want, purposes)
		}
	}
	keysOf := func(s *side) (k ike.KeysRevealed) {
		for _, event := range s.Events {
			if e, ok := event.(ike.KeysRevealed); ok {
				k = e
			}
		}
		return k
	}
	l, r := keysOf(w.Left), keysOf(w.Right)
	if len(l.Ei) == 0 || l.SPIi != r.SPIi || l.SPIr != r.SPIr || string(l.Ei) != string(r.Ei) || string(l.Er) != string(r.Er) || string(l.Ai) != string(r.Ai) {
		t.Error("the sides reveal different keys")
	}
}
