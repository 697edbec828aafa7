package ipsec

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/diagnosis"
)

// The same failure in a row is one with a count; the end that follows from one is
// none of its own; what was compared goes with the failure that came of it.
func TestRecordOfFailures(t *testing.T) {
	r := &record{}
	mismatch := ike.NegotiationFailed{Reason: diagnosis.IKEMismatch("a", "b"), Remote: netip.AddrPortFrom(remote, 500)}
	now := epoch
	for range 3 {
		r.observe(now, ike.Compared{Subject: ike.SubjectIKEProposals, ByPeer: true, Peer: []string{"a"}, Own: []string{"b"}}, 0)
		r.observe(now, mismatch, 0)
		now = now.Add(time.Minute)
	}
	r.observe(now, ike.Exchanged{Sent: true}, 0)
	r.observe(now.Add(time.Second), ike.Exchanged{Response: true}, 0)
	now = now.Add(time.Minute)
	dead := diagnosis.Dead(30 * time.Second)
	r.observe(now, ike.ChildRemoved{Inbound: 7, Reason: "replaced"}, 8) // not the pair in use
	r.observe(now, ike.ChildRemoved{Inbound: 8, Reason: dead}, 8)
	r.observe(now, ike.Closed{Reason: dead}, 0)
	if len(r.failures) != 2 {
		t.Fatalf("failures %+v", r.failures)
	}
	first, second := r.failures[0], r.failures[1]
	if first.Count != 3 || first.First != epoch || first.Last != epoch.Add(2*time.Minute) || first.Cause != diagnosis.CauseIKEProposals ||
		len(first.Compared) != 1 || first.Compared[0].Asked != "peer" || !strings.Contains(first.Change, "phase 1") {
		t.Errorf("the first failure is %+v", first)
	}
	if second.Count != 1 || second.Cause != diagnosis.CauseDead || second.IKESent != epoch.Add(3*time.Minute) || second.IKEReceived != second.IKESent.Add(time.Second) || second.Compared != nil {
		t.Errorf("the second failure is %+v", second)
	}
}

func TestRecordIsBounded(t *testing.T) {
	r := &record{}
	for i := range 3 * failuresMax {
		r.observe(epoch.Add(time.Duration(i)*time.Minute), ike.Closed{Reason: fmt.Sprint("reason ", i)}, 0)
	}
	if len(r.failures) != failuresMax || r.failures[failuresMax-1].Reason != fmt.Sprint("reason ", 3*failuresMax-1) {
		t.Errorf("%d failures, the last %+v", len(r.failures), r.failures[len(r.failures)-1])
	}
}

// Where IKE comes to UDP 500 and not to 4500, that port is what is named.
func TestBlockedPortIsNamed(t *testing.T) {
	unfinished := "the peer 203.0.113.9 began a negotiation but no IKE_AUTH request has come: do our answers reach it, and is UDP 4500 open between us?"
	for name, c := range map[string]struct {
		natt time.Time
		want string
	}{
		"nothing came to 4500":      {time.Time{}, "UDP 4500 is blocked: packets of 203.0.113.9 come to UDP 500, but none to UDP 4500; let UDP 4500 pass both ways"},
		"something did before":      {epoch, "UDP 4500 is blocked"},
		"something did in this one": {epoch.Add(time.Hour), unfinished},
	} {
		tr := newTracker(epoch, ike.Peer{Remote: remote})
		tr.observe(epoch.Add(time.Minute), ike.Connecting{})
		tr.observe(epoch.Add(2*time.Minute), ike.NegotiationFailed{Reason: unfinished})
		if got := tr.message(arrival{datagrams: 2, natt: c.natt}); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// Each kind of failure is told with what to change, in one sentence.
func TestEachCauseSaysWhatToChange(t *testing.T) {
	verbs := []string{"set ", "give ", "check ", "let ", "open", "compare ", "look into ", "allow ", "put ", "change ", "configure ", "is the peer up"}
	at := netip.AddrPortFrom(remote, 500)
	for _, reason := range []string{
		diagnosis.KeyMismatch, diagnosis.KeyNotCertificate, diagnosis.PeerDeleted, diagnosis.NoChild, diagnosis.Lifetime,
		diagnosis.Certificate(fmt.Errorf("it expired yesterday")), diagnosis.Identity(ike.AddressIdentity(remote), ike.ParseIdentity("a.example")),
		diagnosis.UnknownIdentity(ike.AddressIdentity(remote), ike.Identity{}), diagnosis.Silent(at, "IKE_SA_INIT", 7, time.Minute), diagnosis.Dead(time.Minute),
		diagnosis.IKEMismatch("a", "b"), diagnosis.IKERefused("a"), diagnosis.ESPMismatch("a", "b"), diagnosis.ESPRefused("a"),
		diagnosis.Selectors("a", "b", "c", "d"), diagnosis.SelectorsRefused("a", "b", "TS_UNACCEPTABLE"),
		diagnosis.Answered("IKE_AUTH", "INTERNAL_ADDRESS_FAILURE"), diagnosis.Incomplete("IKE_AUTH", "AUTH payload"),
	} {
		tr := newTracker(epoch, ike.Peer{Remote: remote})
		tr.observe(epoch, ike.NegotiationFailed{Reason: reason})
		got := tr.message(arrival{datagrams: 1})
		told := false
		for _, verb := range verbs {
			told = told || strings.Contains(got, verb)
		}
		if !strings.HasPrefix(got, reason) || !told {
			t.Errorf("%q does not say what to change", got)
		}
	}
}

// Packets that leave and never come back are told of a tunnel that is up.
func TestOneWayTunnelIsTold(t *testing.T) {
	tr := newTracker(epoch, ike.Peer{Remote: remote})
	for _, e := range []ike.Event{ike.Established{Version: ike.IKEv2}, ike.ChildInstalled{Child: child(1)}, ike.ChildActivated{Outbound: 1}} {
		tr.observe(epoch, e)
	}
	for _, c := range []struct {
		seen arrival
		want bool
	}{{arrival{espOut: 0}, false}, {arrival{espOut: oneWayMin}, true}, {arrival{espOut: 1000, espIn: 1}, false}} {
		if got := tr.message(c.seen); strings.Contains(got, "none has come back through it; let UDP 4500 pass") != c.want {
			t.Errorf("%+v: %q", c.seen, got)
		}
	}
}

// A second pair that a policy-based peer asks for is told of a tunnel that is up.
func TestSecondPairIsTold(t *testing.T) {
	const reason = "the peer asks for a second pair of SAs, for a === b"
	tr := newTracker(epoch, ike.Peer{Remote: remote})
	for _, e := range []ike.Event{ike.Established{Version: ike.IKEv2}, ike.ChildInstalled{Child: child(1)}, ike.ChildActivated{Outbound: 1}, ike.NegotiationFailed{Reason: reason}} {
		tr.observe(epoch, e)
	}
	if got := tr.message(arrival{espIn: 1}); !strings.HasPrefix(got, "IKEv2") || !strings.HasSuffix(got, "; "+reason) {
		t.Errorf("%q", got)
	}
	tr.observe(epoch, ike.NegotiationFailed{Reason: "another"})
	if got := tr.message(arrival{espIn: 1}); strings.Contains(got, "another") {
		t.Errorf("%q", got)
	}
}

func TestDiagnosis(t *testing.T) {
	pairOfSites(t, func(w, e *site) {
		wrong := tunnelTo("e", east, west, false)
		wrong.Peer.IKEProposals = []ike.IKEProposal{{Encryption: ike.AES256CBC, Integrity: ike.HMACSHA384, PRF: ike.PRFHMACSHA384, Group: ike.Group20}}
		e.set(wrong)
		w.set(tunnelTo("w", west, east, true))
		time.Sleep(time.Minute)
		synctest.Wait()
		d, err := e.Diagnose("e")
		if err != nil {
			t.Fatal(err)
		}
		if d.Up || d.Cause != diagnosis.CauseIKEProposals || d.IKE != nil || d.Arrivals.UDP500.Count == 0 || d.Arrivals.UDP4500.Count != 0 || len(d.Failures) != 1 || d.Failures[0].Count < 2 {
			t.Errorf("east: %+v", d)
		}
		if c := d.Failures[0].Compared; len(c) != 1 || c[0].Subject != "ike-proposals" || c[0].Asked != "peer" || fmt.Sprint(c[0].Peer, c[0].Own) != "[AES-128-GCM-16/PRF SHA-256/group 19] [AES-256/SHA-384/group 20]" {
			t.Errorf("east compared %+v", c)
		}
		d, err = w.Diagnose("w")
		if err != nil {
			t.Fatal(err)
		}
		if c := d.Failures[0].Compared; d.NextAttempt.IsZero() || len(c) != 1 || c[0].Asked != "us" || len(c[0].Peer) != 0 || fmt.Sprint(c[0].Own) != "[aes128gcm16-prfsha256-group19]" {
			t.Errorf("west: %+v", d)
		}

		e.set(tunnelTo("e", east, west, false))
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		both(t, w, e)
		d, err = w.Diagnose("w")
		if err != nil {
			t.Fatal(err)
		}
		if !d.Up || d.Change != "" || d.IKE == nil || d.IKE.Version != "IKEv2" || !d.IKE.ExpiresAt.After(d.IKE.RekeyAt) || d.IKE.RekeyAt.IsZero() || len(d.Children) != 1 ||
			!d.Children[0].Active || d.Children[0].ExpiresAt.IsZero() || d.Path.Encapsulation != "IP protocol 50" || d.Path.InsideMTU != 1446 || d.Traffic.InboundPackets != 3 || d.Arrivals.ESP.Last.IsZero() {
			t.Errorf("west: %+v %+v", d, d.IKE)
		}
		text, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "a key of both") {
			t.Errorf("the diagnosis holds the key: %s", text)
		}
		if _, err := w.Diagnose("nobody"); err == nil {
			t.Error("a tunnel that does not run has a diagnosis")
		}
	})
}
