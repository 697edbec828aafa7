package nodespec

import (
	"net/netip"
	"time"
)

// A TunnelLogEntry is one line of a tunnel's log: what IKE did, and what stands
// after that; or, in the log of its BGP session, what that did.
type TunnelLogEntry struct {
	Tunnel string // "vpn-…/1"
	At     time.Time

	IKE, Child SAState // phase 1 and phase 2
	UDP        bool    // ESP travels in UDP, as it does where there is a NAT

	Event   TunnelLogEvent
	Details string // in full, for a reader

	BGP *BGPLogEntry // of an entry of BGP, which has nothing of IKE; or nil
}

// A BGPLogEntry is what a BGP session did. Its entry's Details go on after the name of our
// side, or say why Route is not taken.
type BGPLogEntry struct {
	Established bool            // the session stands
	Route       *LoggedBGPRoute // what the peer says of a destination; or nil
}

// A LoggedBGPRoute is what a peer says of a destination.
type LoggedBGPRoute struct {
	Change      RouteChange
	Destination netip.Prefix
	Path        string     // ASNs with spaces between, the peer's first; of RouteWithdrawn empty, as the rest is
	MED         *uint32    // nil where the peer tells none
	NextHop     netip.Addr // or zero
}

// RouteChange is what becomes of a route.
type RouteChange string

// Changes of routes.
const (
	RouteAdvertised RouteChange = "advertised"
	RouteUpdated    RouteChange = "updated"
	RouteWithdrawn  RouteChange = "withdrawn"
)

// An SAState is how far an SA is.
type SAState string

// States of an IKE SA and of a child SA.
const (
	SADown        SAState = "down"
	SANegotiating SAState = "negotiating"
	SAEstablished SAState = "established"
	SARekeying    SAState = "rekeying"
)

// A TunnelLogEvent is what an entry is about, where readers look for it.
type TunnelLogEvent string

// Events that have a name.
const (
	LogOther        TunnelLogEvent = ""
	LogExchange     TunnelLogEvent = "exchange"      // a message went or came
	LogKeyMismatch  TunnelLogEvent = "key-mismatch"  // the pre-shared keys differ
	LogNoProposal   TunnelLogEvent = "no-proposal"   // the proposals have nothing in common
	LogPeerDead     TunnelLogEvent = "peer-dead"     // dead peer detection
	LogDeletedIKE   TunnelLogEvent = "deleted-ike"   // by the peer
	LogDeletedChild TunnelLogEvent = "deleted-child" // by the peer
)
