package nodespec

import "time"

// A TunnelLogEntry is one line of a tunnel's log: what IKE did, and what stands
// after that.
type TunnelLogEntry struct {
	Tunnel string // "vpn-…/1"
	At     time.Time

	IKE, Child SAState // phase 1 and phase 2
	UDP        bool    // ESP travels in UDP, as it does where there is a NAT

	Event   TunnelLogEvent
	Details string // in full, for a reader
}

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
