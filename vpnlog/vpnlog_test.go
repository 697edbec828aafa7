package vpnlog

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"causeway.dev/nodespec"
)

var entry = nodespec.TunnelLogEntry{
	Tunnel: "vpn-1/1", At: time.Date(2026, 3, 1, 12, 0, 0, 250e6, time.UTC), IKE: nodespec.SAEstablished, Child: nodespec.SARekeying, UDP: true,
	Event: nodespec.LogExchange, Details: `is sending request (id=7) for CREATE_CHILD_SA: "x" <y>`,
}

func TestLine(t *testing.T) {
	for _, test := range []struct {
		style Style
		want  string
	}{
		{Style{DPD: true}, `{"event_timestamp":1772366400,"timestamp":"2026-03-01T12:00:00.250Z","dpd_enabled":true,"nat_t_detected":true,` +
			`"ike_phase1_state":"established","ike_phase2_state":"rekeying","details":"AWS tunnel is sending request (id=7) for CREATE_CHILD_SA: \"x\" <y>"}`},
		{Style{Text: true}, `1772366400 2026-03-01T12:00:00.250Z false true established rekeying AWS tunnel is sending request (id=7) for CREATE_CHILD_SA: "x" <y>`},
		{Style{Device: true, Tunnel: "vpn1"}, `{"tunnel":"vpn1","event_timestamp":1772366400,"timestamp":"2026-03-01T12:00:00.250Z","dpd_enabled":false,"nat_t_detected":true,` +
			`"ike_phase1_state":"established","ike_phase2_state":"rekeying","details":"Tunnel is sending request (id=7) for CREATE_CHILD_SA: \"x\" <y>"}`},
		{Style{Device: true, Tunnel: "vpn1", Text: true}, `vpn1 1772366400 2026-03-01T12:00:00.250Z false true established rekeying Tunnel is sending request (id=7) for CREATE_CHILD_SA: "x" <y>`},
	} {
		if got := test.style.Line(entry); got != test.want {
			t.Errorf("got  %s\nwant %s", got, test.want)
		}
	}
}

func TestDetails(t *testing.T) {
	for event, want := range map[nodespec.TunnelLogEvent][2]string{
		nodespec.LogOther:        {"AWS tunnel: why", "Tunnel: why"},
		nodespec.LogKeyMismatch:  {"AWS tunnel detected a pre-shared key mismatch with cgw: 198.51.100.7: why", "Tunnel detected a pre-shared key mismatch with gateway: 198.51.100.7: why"},
		nodespec.LogNoProposal:   {"No Proposal Match Found by AWS: why", "No Proposal Match Found: why"},
		nodespec.LogPeerDead:     {"AWS tunnel DPD timed out: why", "Tunnel DPD timed out: why"},
		nodespec.LogDeletedIKE:   {"AWS tunnel received DELETE for IKE_SA from CGW: why", "Tunnel received DELETE for IKE_SA from gateway: why"},
		nodespec.LogDeletedChild: {"AWS tunnel received DELETE for Phase 2 SA: why", "Tunnel received DELETE for Phase 2 SA: why"},
	} {
		for i, device := range []bool{false, true} {
			style := Style{Device: device, Peer: "198.51.100.7"}
			if got := style.details(nodespec.TunnelLogEntry{Event: event, Details: "why"}); got != want[i] {
				t.Errorf("%q: %s, want %s", event, got, want[i])
			}
		}
	}
}

// TestPeerBeginsNoLine: what a peer calls itself stays in the line that tells of it.
func TestPeerBeginsNoLine(t *testing.T) {
	for _, text := range []bool{false, true} {
		line := Style{Text: text}.Line(nodespec.TunnelLogEntry{Details: "the peer is a\n1772366400 \x1b[2J\r\x7f"})
		if strings.ContainsAny(line, "\n\r\x1b") || text && strings.Contains(line, "\x7f") {
			t.Errorf("text %v: %q", text, line)
		}
	}
}

// TestQueueNeverWaits: one that nobody empties drops, and what is taken when it ends
// is written, in its order.
func TestQueueNeverWaits(t *testing.T) {
	q := NewQueue()
	for i := range queueMax + 10 {
		e := entry
		e.At = time.Unix(int64(i), 0)
		q.Take(e)
	}
	if n := q.Overflown(); n != 10 {
		t.Errorf("%d overflown", n)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	written := 0
	err := q.Each(ctx, func(entries []nodespec.TunnelLogEntry) {
		for _, e := range entries {
			if e.At.Unix() != int64(written) {
				t.Fatalf("entry %d is of %v", written, e.At)
			}
			written++
		}
	})
	if !errors.Is(err, context.Canceled) || written != queueMax {
		t.Errorf("%v, %d are written", err, written)
	}
}
