package doctor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"causeway.dev/ike/daemon"
	"causeway.dev/ike/diagnosis"
	"causeway.dev/internal/localapi"
	"causeway.dev/internal/run"
	"causeway.dev/ipsec"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func configuration() ipsec.Configuration {
	return ipsec.Configuration{
		Local: netip.MustParseAddr("203.0.113.1"), Remote: netip.MustParseAddr("198.51.100.7"), Versions: "IKEv1 IKEv2",
		LocalID: "203.0.113.1", RemoteID: "198.51.100.7", Authentication: "pre-shared key",
		IKEAccepts: []string{"aes256-sha384-group20"}, ESPAccepts: []string{"a", "b", "c", "d", "e", "f"},
	}
}

func down() Report {
	return Report{Connection: "vpn-1", Name: "vpn-1/1", Outside: "203.0.113.1", Diagnosis: ipsec.Diagnosis{
		Tunnel: "vpn-1/1", At: now, Since: now.Add(-3 * time.Minute), Cause: diagnosis.CauseIKEProposals,
		Verdict: "no common proposal for the IKE SA", Change: "give both sides one combination in common",
		Configuration: configuration(), Arrivals: ipsec.Arrivals{UDP500: daemon.Arrivals{Count: 12, Last: now.Add(-4 * time.Second)}},
		Failures: []ipsec.Failure{{
			First: now.Add(-time.Hour), Last: now.Add(-4 * time.Second), Count: 12, Cause: diagnosis.CauseIKEProposals, Reason: "no common proposal for the IKE SA", IKESent: now.Add(-4 * time.Second),
			Compared: []ipsec.Comparison{{Subject: "ike-proposals", Asked: "peer", Peer: []string{"AES-128/SHA-1/group 2", "AES-256/SHA-1/group 2"}, Own: []string{"AES-256/SHA-384/group 20"}}},
		}},
	}}
}

func up() Report {
	return Report{Connection: "vpn-1", Name: "vpn-1/2", Outside: "203.0.113.2", Diagnosis: ipsec.Diagnosis{
		Tunnel: "vpn-1/2", At: now, Up: true, Since: now.Add(-50 * time.Hour), Verdict: "IKEv2 over UDP 4500", Configuration: configuration(),
		Arrivals:     ipsec.Arrivals{UDP4500: daemon.Arrivals{Count: 3, Last: now}, ESP: daemon.Arrivals{Count: 9, Last: now}},
		IKE:          &ipsec.IKESA{Version: "IKEv2", Proposal: "aes256gcm16-prfsha384-group20", RemoteID: `"198.51.100.7"`, Established: now.Add(-time.Hour), RekeyAt: now.Add(7 * time.Hour), ExpiresAt: now.Add(8 * time.Hour), LastReceived: now.Add(-time.Second)},
		Children:     []ipsec.ChildSA{{Inbound: "c0ffee01", Outbound: "00000002", Active: true, Proposal: "aes256gcm16", ExpiresAt: now.Add(90 * time.Second)}},
		Traffic:      ipsec.Traffic{InboundPackets: 9, InboundBytes: 12_345_678, LastInbound: now, Drops: map[string]uint64{"replay": 2, "dummy": 1}},
		OutsideDrops: map[string]uint64{"ike/cookie": 12, "ike/unknown-peer": 3},
		Path:         ipsec.Path{Local: netip.MustParseAddrPort("203.0.113.2:4500"), Remote: netip.MustParseAddrPort("198.51.100.7:4500"), Encapsulation: "UDP 4500", NATRemote: true, InsideMTU: 1438},
	}}
}

func wantLines(t *testing.T, text string, lines ...string) {
	t.Helper()
	rest := text
	for _, line := range lines {
		_, after, found := strings.Cut(rest, line)
		if !found {
			t.Errorf("%q is missing, or not in its order, in\n%s", line, text)
			return
		}
		rest = after
	}
}

// The verdict comes first, then what to do, then both sides.
func TestDownTunnel(t *testing.T) {
	var b strings.Builder
	if err := Write(&b, down()); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(b.String(), "vpn-1/1 (203.0.113.1) is DOWN for 3m0s: no common proposal for the IKE SA\n  do this: give both sides one combination in common\n") {
		t.Errorf("it begins with %q", b.String()[:150])
	}
	wantLines(t, b.String(),
		"the peer asks for                             this tunnel takes\n",
		"AES-128/SHA-1/group 2                         AES-256/SHA-384/group 20\n",
		"AES-256/SHA-1/group 2 ",
		"peer's packets arrive: yes > IKE SA: no",
		"UDP 500 12, last 4s ago, UDP 4500 (IKE) none, ESP none",
		"the peer has to begin",
		"ESP a b c d and 2 more",
		"4s ago (12 times since 2026-11-22T11:00:00Z): no common proposal",
		"before it IKE in never out 11:59:56, ESP in never")
	if n := strings.Count(b.String(), "\n"); n > 24 {
		t.Errorf("%d lines do not fit on a screen:\n%s", n, b.String())
	}
}

func TestUpTunnel(t *testing.T) {
	var b strings.Builder
	if err := Write(&b, up()); err != nil {
		t.Fatal(err)
	}
	wantLines(t, b.String(), "is UP for 2d2h: IKEv2 over UDP 4500\n", "ESP arrives: yes",
		"since 1h0m ago, rekey in 7h0m, expires in 8h0m", "c0ffee01 in 00000002 out, in use, aes256gcm16, expires in 1m30s", "local any === remote any",
		"9 packets, 12.3 MB, last 0s ago", "dummy 1, replay 2", "203.0.113.2:4500 to 198.51.100.7:4500, ESP in UDP 4500, NAT on the peer's side", "inside 1438")
	if strings.Contains(b.String(), "failures") || strings.Contains(b.String(), "do this") {
		t.Errorf("nothing is wrong with\n%s", b.String())
	}
}

func TestTable(t *testing.T) {
	var b strings.Builder
	if err := WriteTable(&b, []Report{up(), down()}); err != nil {
		t.Fatal(err)
	}
	wantLines(t, b.String(), "TUNNEL ", "vpn-1/1 ", "DOWN", "no common proposal for the IKE SA; give both", "vpn-1/2 ", "UP", "12.3 MB")
}

// What is asked for over a socket is what the other side has.
func TestAsk(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	group := run.New(t.Context())
	group.Go("serve", func(ctx context.Context) error {
		return localapi.Serve(ctx, socket, slog.New(slog.DiscardHandler), map[string]http.Handler{"GET " + Path: Handler(func(of, outside string) ([]Report, error) {
			switch of {
			case "":
				return nil, nil
			case "vpn-1":
				return []Report{down(), up()}, nil
			}
			return nil, fmt.Errorf("%w: %s %s", ErrNone, of, outside)
		}), "GET " + LimitsPath: LimitsHandler(InstanceLimits{Enforced: true, Missing: map[string]string{"cpu": "busy"}})})
	})
	defer func() {
		group.Stop(nil)
		if err := group.Wait(); err != nil {
			t.Error(err)
		}
	}()
	var reports []Report
	var err error
	for range 100 { // it may not be served yet
		if reports, err = Ask(t.Context(), socket, "vpn-1", ""); !errors.Is(err, localapi.ErrUnreachable) {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err != nil || len(reports) != 2 || Up(reports) || !Up(reports[1:]) {
		t.Fatalf("%+v %v", reports, err)
	}
	var sent, got strings.Builder
	for i, r := range []Report{down(), up()} {
		if err := errors.Join(Write(&sent, r), Write(&got, reports[i])); err != nil {
			t.Fatal(err)
		}
	}
	if sent.String() != got.String() {
		t.Errorf("sent\n%s\ngot\n%s", sent.String(), got.String())
	}
	if limits, err := AskLimits(t.Context(), socket); err != nil || limits.String() != "instances are NOT limited by cpu (busy)" {
		t.Errorf("the limits: %v, %v", limits, err)
	}
	if _, err := Ask(t.Context(), socket, "vpn-2", "x"); err == nil || err.Error() != "there is no such tunnel: vpn-2 x" {
		t.Errorf("of another: %v", err)
	}
	if all, err := Ask(t.Context(), socket, "", ""); err != nil || len(all) != 0 {
		t.Errorf("of none: %v %v", all, err)
	}
}

func TestSpans(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 12 * time.Millisecond: "12ms", 90 * time.Second: "1m30s", 5 * time.Hour: "5h0m", 50 * time.Hour: "2d2h",
	} {
		if got := span(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
}
