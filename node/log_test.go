package node

import (
	"net/netip"
	"reflect"
	"testing"
	"time"

	"causeway.dev/bgp/rib"
	"causeway.dev/bgp/speaker"
	"causeway.dev/ipsec"
	"causeway.dev/nodespec"
)

// TestLogWords: node hands words of ipsec on as words of nodespec.
func TestLogWords(t *testing.T) {
	for below, above := range map[ipsec.SAState]nodespec.SAState{
		ipsec.SADown: nodespec.SADown, ipsec.SANegotiating: nodespec.SANegotiating, ipsec.SAEstablished: nodespec.SAEstablished, ipsec.SARekeying: nodespec.SARekeying,
	} {
		if string(below) != string(above) {
			t.Errorf("%s is called %s", below, above)
		}
	}
	for below, above := range map[ipsec.LogEvent]nodespec.TunnelLogEvent{
		ipsec.LogOther: nodespec.LogOther, ipsec.LogExchange: nodespec.LogExchange, ipsec.LogKeyMismatch: nodespec.LogKeyMismatch, ipsec.LogNoProposal: nodespec.LogNoProposal,
		ipsec.LogPeerDead: nodespec.LogPeerDead, ipsec.LogDeletedIKE: nodespec.LogDeletedIKE, ipsec.LogDeletedChild: nodespec.LogDeletedChild,
	} {
		if string(below) != string(above) {
			t.Errorf("%s is called %s", below, above)
		}
	}
}

// TestBGPLogEntries: node hands on what a session does with all that is known of a route.
func TestBGPLogEntries(t *testing.T) {
	var got []nodespec.TunnelLogEntry
	n := &Node{cfg: Config{Log: func(e nodespec.TunnelLogEntry) { got = append(got, e) }}}
	at, med := time.Unix(1_800_000_000, 0), uint32(50)
	destination, hop := netip.MustParsePrefix("192.168.0.0/24"), netip.MustParseAddr("169.254.10.2")
	n.tellBGP(speaker.Event{Peer: "vpn-1/1", At: at, Established: true, Details: "sent"})
	n.tellBGP(speaker.Event{Peer: "vpn-1/1", At: at, Told: &rib.Told{
		What: rib.Updated, Route: rib.Route{Destination: destination, Path: []uint32{65000, 0, 65002}, MED: med, HasMED: true}, NextHop: hop, Refused: "why",
	}})
	n.tellBGP(speaker.Event{Peer: "vpn-1/1", At: at, Told: &rib.Told{What: rib.Withdrawn, Route: rib.Route{Destination: destination}}})
	want := []nodespec.TunnelLogEntry{
		{Tunnel: "vpn-1/1", At: at, Details: "sent", BGP: &nodespec.BGPLogEntry{Established: true}},
		{Tunnel: "vpn-1/1", At: at, Details: "why", BGP: &nodespec.BGPLogEntry{Route: &nodespec.LoggedBGPRoute{
			Change: nodespec.RouteUpdated, Destination: destination, Path: "65000 {} 65002", MED: &med, NextHop: hop,
		}}},
		{Tunnel: "vpn-1/1", At: at, BGP: &nodespec.BGPLogEntry{Route: &nodespec.LoggedBGPRoute{Change: nodespec.RouteWithdrawn, Destination: destination}}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("handed on\n%+v, want\n%+v", got, want)
	}
}
