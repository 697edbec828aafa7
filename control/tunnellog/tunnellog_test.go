package tunnellog

import (
	"log/slog"
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
