package vpnlog

import (
	"net/netip"
	"strings"
	"testing"

	"causeway.dev/nodespec"
)

func TestBGPLine(t *testing.T) {
	med := uint32(0)
	destination, hop := netip.MustParsePrefix("172.31.0.0/16"), netip.MustParseAddr("169.254.50.85")
	session := func(established bool, details string) nodespec.TunnelLogEntry {
		return nodespec.TunnelLogEntry{At: entry.At, Details: details, BGP: &nodespec.BGPLogEntry{Established: established}}
	}
	route := func(denied string, r nodespec.LoggedBGPRoute) nodespec.TunnelLogEntry {
		r.Destination = destination
		return nodespec.TunnelLogEntry{At: entry.At, Details: denied, BGP: &nodespec.BGPLogEntry{Established: true, Route: &r}}
	}
	const jsonHead = `{"resource_id":"vpn-1234abcd_203.0.113.1","event_timestamp":1772366400250,"timestamp":"2026-03-01 12:00:00.250Z",`
	const textHead = `vpn-1234abcd_203.0.113.1 1772366400250 2026-03-01 12:00:00.250Z `
	for _, test := range []struct {
		entry      nodespec.TunnelLogEntry
		json, text string
	}{
		{
			session(true, "BGP session state has changed from OpenConfirm to Established with neighbor 169.254.50.85"),
			`"type":"BGPStatus","status":"UP","message":{"details":"AWS-side peer BGP session state has changed from OpenConfirm to Established with neighbor 169.254.50.85"}}`,
			`BGPStatus UP AWS-side peer BGP session state has changed from OpenConfirm to Established with neighbor 169.254.50.85`,
		},
		{
			session(false, "has no session with neighbor 169.254.50.85: it said \"<x>\"\n1772366400250"),
			`"type":"BGPStatus","status":"DOWN","message":{"details":"AWS-side peer has no session with neighbor 169.254.50.85: it said \"<x>\"\n1772366400250"}}`,
			`BGPStatus DOWN AWS-side peer has no session with neighbor 169.254.50.85: it said "<x>" 1772366400250`,
		},
		{
			route("", nodespec.LoggedBGPRoute{Change: nodespec.RouteAdvertised, Path: "65000 65002", MED: &med, NextHop: hop}),
			`"type":"RouteStatus","status":"ADVERTISED","message":{"prefix":"172.31.0.0/16","asPath":"65000 65002","med":0,"nextHopIp":"169.254.50.85"}}`,
			`RouteStatus ADVERTISED prefix=172.31.0.0/16 asPath="65000 65002" med=0 nextHopIp=169.254.50.85`,
		},
		{
			route("as-path contains our own AS", nodespec.LoggedBGPRoute{Change: nodespec.RouteUpdated, Path: "65000 64512", NextHop: hop}),
			`"type":"RouteStatus","status":"UPDATED","message":{"prefix":"172.31.0.0/16","asPath":"65000 64512","nextHopIp":"169.254.50.85","details":"DENIED due to: as-path contains our own AS"}}`,
			`RouteStatus UPDATED prefix=172.31.0.0/16 asPath="65000 64512" nextHopIp=169.254.50.85 details=DENIED due to: as-path contains our own AS`,
		},
		{
			route("", nodespec.LoggedBGPRoute{Change: nodespec.RouteWithdrawn}),
			`"type":"RouteStatus","status":"WITHDRAWN","message":{"prefix":"172.31.0.0/16"}}`,
			`RouteStatus WITHDRAWN prefix=172.31.0.0/16`,
		},
	} {
		if got, want := (Style{Resource: "vpn-1234abcd_203.0.113.1"}).Line(test.entry), jsonHead+test.json; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		got := Style{Resource: "vpn-1234abcd_203.0.113.1", Text: true}.Line(test.entry)
		if want := textHead + test.text; got != want || strings.ContainsAny(got, "\n\r") {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}
