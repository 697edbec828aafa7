package tunnellog

import (
	"log/slog"
	"maps"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"causeway.dev/logs"
	"causeway.dev/nodespec"
	"causeway.dev/resource"
	"causeway.dev/store"
	"causeway.dev/store/storetest"
)

var (
	at    = time.Date(2026, 3, 1, 12, 0, 0, 250e6, time.UTC)
	scope = logs.Scope{Account: "123456789012", Region: "us-east-1"}
	entry = nodespec.TunnelLogEntry{
		Tunnel: "vpn-1/1", At: at, IKE: nodespec.SAEstablished, Child: nodespec.SARekeying, UDP: true,
		Event: nodespec.LogExchange, Details: `is sending request (id=7) for CREATE_CHILD_SA: "x" <y>`,
	}
)

// TestOneTunnelAtATime: what has no log is not written, what has one is, from
// when it was switched on; and a log group that is gone costs the others nothing.
func TestOneTunnelAtATime(t *testing.T) {
	records := storetest.Open(t)
	l, err := logs.Open(filepath.Join(t.TempDir(), "logs.db"), logs.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := l.CreateGroup(scope, logs.Group{Name: "g", Created: at}); err != nil {
		t.Fatal(err)
	}
	arn := func(group string) string { return "arn:aws:logs:us-east-1:123456789012:log-group:" + group }
	put := func(first, second resource.TunnelLogOptions) {
		v := resource.VPNConnection{Meta: resource.Meta{ID: "vpn-1", Account: scope.Account, Region: scope.Region}}
		v.Tunnels[0].OutsideAddress, v.Tunnels[1].OutsideAddress = netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("203.0.113.2")
		v.Tunnels[0].Log, v.Tunnels[1].Log = first, second
		if err := records.Update(t.Context(), func(tx *store.Tx) error { store.VPNConnections.Put(tx, v); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	var said strings.Builder
	log := New(records, l, slog.New(slog.NewTextHandler(&said, nil)))
	second := entry
	second.Tunnel = "vpn-1/2"
	tell := func() { log.write([]nodespec.TunnelLogEntry{entry, second, {Tunnel: "vpn-2/1", At: at}}) }

	put(resource.TunnelLogOptions{}, resource.TunnelLogOptions{GroupARN: arn("g")})
	tell()
	put(resource.TunnelLogOptions{Enabled: true, GroupARN: arn("g")}, resource.TunnelLogOptions{})
	tell()
	put(resource.TunnelLogOptions{Enabled: true, GroupARN: arn("g")}, resource.TunnelLogOptions{Enabled: true, GroupARN: arn("gone")})
	tell()
	put(resource.TunnelLogOptions{Enabled: true, GroupARN: arn("lost")}, resource.TunnelLogOptions{Enabled: true, GroupARN: arn("gone")})
	for range 3 {
		tell()
	}
	if n := strings.Count(said.String(), "level=WARN"); n != 2 {
		t.Errorf("of two streams that fail it was said %d times:\n%s", n, said.String())
	}
	page, err := l.Read(at, logs.Query{Scope: scope, Group: "g"})
	if err != nil {
		t.Fatal(err)
	}
	if len(page.Events) != 2 || page.Events[0].Stream != "vpn-1-203.0.113.1-IKE.log" || page.Events[0].Timestamp != at.UnixMilli() || !strings.HasPrefix(page.Events[0].Message, "{") {
		t.Errorf("written: %+v", page.Events)
	}
	if overflown, undelivered := log.Drops(); overflown != 0 || undelivered != 1+3*2 {
		t.Errorf("%d overflown, %d undelivered", overflown, undelivered)
	}
}

// TestBGPLog: what a session does goes where the tunnel's log of BGP is to be, in its
// format, and what IKE does to that of IKE.
func TestBGPLog(t *testing.T) {
	records := storetest.Open(t)
	l, err := logs.Open(filepath.Join(t.TempDir(), "logs.db"), logs.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := l.CreateGroup(scope, logs.Group{Name: "g", Created: at}); err != nil {
		t.Fatal(err)
	}
	on := resource.TunnelLogOptions{Enabled: true, GroupARN: "arn:aws:logs:us-east-1:123456789012:log-group:g"}
	text := on
	text.Format = resource.TunnelLogText
	v := resource.VPNConnection{Meta: resource.Meta{ID: "vpn-1", Account: scope.Account, Region: scope.Region}}
	v.Tunnels[0].OutsideAddress, v.Tunnels[1].OutsideAddress = netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("203.0.113.2")
	v.Tunnels[0].BGPLog, v.Tunnels[1].BGPLog, v.Tunnels[1].Log = text, on, text
	if err := records.Update(t.Context(), func(tx *store.Tx) error { store.VPNConnections.Put(tx, v); return nil }); err != nil {
		t.Fatal(err)
	}
	log := New(records, l, slog.New(slog.DiscardHandler))
	for _, tunnel := range []string{"vpn-1/1", "vpn-1/2"} {
		ike := entry
		ike.Tunnel = tunnel
		log.write([]nodespec.TunnelLogEntry{ike, {Tunnel: tunnel, At: at, Details: "sent an End-of-RIB message to neighbor 169.254.10.2", BGP: &nodespec.BGPLogEntry{Established: true}}})
	}
	page, err := l.Read(at, logs.Query{Scope: scope, Group: "g"})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, e := range page.Events {
		got[e.Stream] += e.Message
	}
	want := map[string]string{
		"vpn-1-203.0.113.1-BGP.log": "vpn-1_203.0.113.1 1772366400250 2026-03-01 12:00:00.250Z BGPStatus UP AWS-side peer sent an End-of-RIB message to neighbor 169.254.10.2",
		"vpn-1-203.0.113.2-BGP.log": `{"resource_id":"vpn-1_203.0.113.2","event_timestamp":1772366400250,"timestamp":"2026-03-01 12:00:00.250Z","type":"BGPStatus","status":"UP",` +
			`"message":{"details":"AWS-side peer sent an End-of-RIB message to neighbor 169.254.10.2"}}`,
		"vpn-1-203.0.113.2-IKE.log": `1772366400 2026-03-01T12:00:00.250Z true true established rekeying AWS tunnel is sending request (id=7) for CREATE_CHILD_SA: "x" <y>`,
	}
	if !maps.Equal(got, want) {
		t.Errorf("written\n%q, want\n%q", got, want)
	}
}
