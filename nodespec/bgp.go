package nodespec

import (
	"net/netip"
	"time"
)

// A BGP is the session over a tunnel by which both sides tell each other their
// routes: eBGP between the inside addresses (RFC 4271), IPv4 unicast. A tunnel that
// has one carries packets of routes only while the session stands.
type BGP struct {
	ASN, PeerASN uint32        // ours and the peer's; they differ
	HoldTime     time.Duration // that our side proposes; the shorter one of both holds
	MaxPrefixes  int           // that the peer may tell; one more ends the session
	Advertised   []Advertised  // what the peer is told, sorted by destination
	Log          bool          // what the session does is told in entries of the tunnel's log
}

// An Advertised is a route that a peer is told.
type Advertised struct {
	Destination netip.Prefix
	Path        []uint32 // ASNs behind ours, the nearest first; empty for what is ours
	MED         uint32
}

// A BGPStatus is what a session says of itself.
type BGPStatus struct {
	Established bool
	Since       time.Time // of the last change of Established
	Message     string    // one sentence: why it is not established and what to change, or what it runs with

	// Pending says that a session of the process before is awaited anew, or that its
	// peer has not told all again yet: what was learned by it still holds, and
	// Routes is not complete.
	Pending bool

	Routes []Learned // sorted by destination
}

// A Learned is a route that a peer has told.
type Learned struct {
	Destination netip.Prefix
	Path        []uint32  // ASNs, the peer's first; those of an AS_SET count as one, 0
	Origin      BGPOrigin // the lower one is preferred
	MED         uint32    // 0 where the peer has told none
}

// BGPOrigin is the ORIGIN of a route (RFC 4271 section 4.3).
type BGPOrigin uint8

// Origins of routes.
const (
	OriginIGP        BGPOrigin = 0
	OriginEGP        BGPOrigin = 1
	OriginIncomplete BGPOrigin = 2
)
