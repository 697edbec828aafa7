package ipsec

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"causeway.dev/ike"
)

var (
	epoch  = time.Unix(1_700_000_000, 0)
	remote = netip.MustParseAddr("203.0.113.9")
)

func child(spi ike.SPI) ike.ChildSA {
	return ike.ChildSA{
		Inbound: spi + 1000, Outbound: spi,
		Proposal: ike.ESPProposal{Encryption: ike.AES128GCM16, Group: ike.Group14},
		Path:     ike.Path{UDP: true, Remote: netip.AddrPortFrom(remote, 4500)},
	}
}

func TestUpMeansThatAnOutboundSAIsInUse(t *testing.T) {
	tr := newTracker(epoch, ike.Peer{Remote: remote})
	steps := []struct {
		event   ike.Event
		changed bool
		up      bool
	}{
		{ike.Connecting{}, false, false},
		{ike.Established{}, false, false},
		{ike.ChildInstalled{Child: child(1)}, false, false},
		{ike.ChildActivated{Outbound: 1}, true, true},
		{ike.ChildInstalled{Child: child(2)}, false, true}, // a rekey: the old pair goes only after the new one is in use
		{ike.ChildActivated{Outbound: 2}, false, true},
		{ike.ChildRemoved{Inbound: 1001, Outbound: 1, Reason: "rekeyed"}, false, true},
		{ike.ChildRemoved{Inbound: 1002, Outbound: 2, Reason: "no answer for 30 s"}, true, false},
		{ike.Closed{Reason: "no answer for 30 s"}, false, false},
	}
	for i, s := range steps {
		now := epoch.Add(time.Duration(i) * time.Second)
		if got := tr.observe(now, s.event); got != s.changed || tr.up != s.up {
			t.Fatalf("step %d %T: changed %v up %v, want %v %v", i, s.event, got, tr.up, s.changed, s.up)
		}
		if s.changed && tr.since != now {
			t.Errorf("step %d: since %v, want %v", i, tr.since, now)
		}
	}
	if got := tr.message(arrival{}); got != "no answer for 30 s" {
		t.Errorf("message = %q", got)
	}
}

// A peer that has restarted may choose the SPI that its old SA had.
func TestOldPairOfTheSameSPI(t *testing.T) {
	tr := newTracker(epoch, ike.Peer{Remote: remote})
	old, fresh := child(1), child(1)
	fresh.Inbound = 7
	for _, e := range []ike.Event{
		ike.Established{Version: ike.IKEv2}, ike.ChildInstalled{Child: old}, ike.ChildActivated{Outbound: 1},
		ike.ChildInstalled{Child: fresh}, ike.ChildActivated{Outbound: 1},
		ike.ChildRemoved{Inbound: old.Inbound, Outbound: 1, Reason: "replaced"},
	} {
		tr.observe(epoch, e)
	}
	if !tr.up || !strings.Contains(tr.message(arrival{}), "IKEv2") {
		t.Errorf("up %v: %s", tr.up, tr.message(arrival{}))
	}
	tr.observe(epoch, ike.ChildRemoved{Inbound: 7, Outbound: 1, Reason: "gone"})
	if tr.up {
		t.Error("still up")
	}
}

func TestMessageSaysWhatIsWrong(t *testing.T) {
	for name, c := range map[string]struct {
		events []ike.Event
		seen   arrival
		start  bool
		want   string
	}{
		"silence":          {nil, arrival{}, false, "no packet from 203.0.113.9 has arrived; start IKE"},
		"silence, ours":    {nil, arrival{}, true, "no packet from 203.0.113.9 has arrived; check that the device is on"},
		"noise":            {nil, arrival{datagrams: 3}, false, "none has begun a negotiation"},
		"under way":        {[]ike.Event{ike.Connecting{}}, arrival{datagrams: 1}, false, "negotiating with 203.0.113.9"},
		"half way":         {[]ike.Event{ike.Connecting{}, ike.Established{}}, arrival{datagrams: 3}, false, "the IKE SA with 203.0.113.9 stands, its child SA"},
		"failed":           {[]ike.Event{ike.Connecting{}, ike.NegotiationFailed{Reason: "pre-shared key mismatch"}, ike.Closed{Reason: "gone"}}, arrival{datagrams: 2}, false, "pre-shared key mismatch"},
		"up":               {[]ike.Event{ike.Established{}, ike.ChildInstalled{Child: child(1)}, ike.ChildActivated{Outbound: 1}}, arrival{datagrams: 4}, false, "ESP aes128gcm16 over UDP 4500"},
		"the former key":   {[]ike.Event{ike.Established{FormerKey: true}, ike.ChildInstalled{Child: child(1)}, ike.ChildActivated{Outbound: 1}}, arrival{datagrams: 4}, false, "still uses the former pre-shared key"},
		"the new key":      {[]ike.Event{ike.Established{FormerKey: true}, ike.Established{}, ike.ChildInstalled{Child: child(1)}, ike.ChildActivated{Outbound: 1}}, arrival{datagrams: 4}, false, "over UDP 4500"},
		"up after a fault": {[]ike.Event{ike.NegotiationFailed{Reason: "x"}, ike.Established{Version: ike.IKEv2}, ike.ChildInstalled{Child: child(1)}, ike.ChildActivated{Outbound: 1}}, arrival{datagrams: 4}, false, "IKEv2"},
	} {
		tr := newTracker(epoch, ike.Peer{Remote: remote, Start: c.start})
		for _, e := range c.events {
			tr.observe(epoch, e)
		}
		if got := tr.message(c.seen); !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q in it", name, got, c.want)
		}
	}
}
