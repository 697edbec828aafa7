package ipsec

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/diagnosis"
)

// TestJournal follows a tunnel from its first message to its end.
func TestJournal(t *testing.T) {
	remote := netip.MustParseAddrPort("198.51.100.7:4500")
	sent := func(exchange, what string) ike.Exchanged {
		return ike.Exchanged{Sent: true, Exchange: exchange, ID: 3, Try: 1, What: what}
	}
	answered := func(exchange, what string) ike.Exchanged {
		return ike.Exchanged{Response: true, Exchange: exchange, ID: 3, What: what}
	}
	again := sent("INFORMATIONAL", ike.PurposeLiveness)
	again.Try = 2
	j := newJournal()
	for i, step := range []struct {
		event ike.Event
		want  string // states, encapsulation, event
		text  string
	}{
		{ike.NegotiationFailed{Reason: diagnosis.KeyMismatch, Remote: remote}, "down down false key-mismatch", "pre-shared key mismatch"},
		{ike.Connecting{Remote: remote}, "negotiating negotiating false ", "negotiating with 198.51.100.7:4500"},
		{ike.NegotiationFailed{Reason: diagnosis.IKEMismatch("a", "b"), Remote: remote}, "down down false no-proposal", "the peer offers a, this tunnel accepts b"},
		{ike.Connecting{Remote: remote}, "negotiating negotiating false ", ""},
		{ike.Established{Path: ike.Path{Remote: remote, UDP: true}, RemoteID: ike.AddressIdentity(remote.Addr())}, "established negotiating true ", `the peer is "198.51.100.7"`},
		{ike.ChildInstalled{Child: ike.ChildSA{Inbound: 1, Outbound: 2}}, "established negotiating true ", "00000001 in, 00000002 out"},
		{ike.ChildActivated{Outbound: 2}, "established established true ", "carries packets"},
		{sent("CREATE_CHILD_SA", ike.PurposeRekeyChild), "established rekeying true exchange", "is sending request (id=3) for CREATE_CHILD_SA: rekey child SA"},
		{ike.ChildInstalled{Child: ike.ChildSA{Inbound: 3, Outbound: 4}}, "established rekeying true ", ""},
		{answered("CREATE_CHILD_SA", ike.PurposeRekeyChild), "established established true exchange", "processed response (id=3)"},
		{ike.ChildActivated{Outbound: 4}, "established established true ", ""},
		{ike.ChildRemoved{Inbound: 1, Outbound: 2, Reason: diagnosis.PeerDeletedChild}, "established established true deleted-child", "the peer deleted the child SA"},
		{sent("CREATE_CHILD_SA", ike.PurposeRekeyIKE), "rekeying established true exchange", ""},
		{ike.Established{Path: ike.Path{Remote: remote, UDP: true}, Rekeyed: true}, "established established true ", "rekeyed"},
		{again, "established established true exchange", "for INFORMATIONAL: liveness check (try 2)"},
		{ike.PathChanged{Path: ike.Path{Remote: remote}}, "established established false ", "now at"},
		{ike.ChildRemoved{Inbound: 3, Outbound: 4, Reason: diagnosis.Dead(30 * time.Second)}, "established down false ", ""},
		{ike.Closed{Reason: diagnosis.Dead(30 * time.Second)}, "down down false peer-dead", "has not answered for 30s"},
		{ike.Closed{Reason: diagnosis.PeerDeleted}, "down down false deleted-ike", ""},
	} {
		e := j.observe(time.Unix(1, 0), "vpn-1/1", step.event)
		if got := fmt.Sprintf("%s %s %v %s", e.IKE, e.Child, e.UDP, e.Event); got != step.want || e.Details == "" || !strings.Contains(e.Details, step.text) {
			t.Errorf("step %d, %T: %q: %s; want %q", i, step.event, got, e.Details, step.want)
		}
	}
}
