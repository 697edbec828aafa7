package ike

import (
	"net/netip"
	"time"
)

// A Datagram is the payload of one UDP datagram from or to the peer, without the
// non-ESP marker that port 4500 adds (RFC 3948 section 2.2).
type Datagram struct {
	Local, Remote netip.AddrPort
	Payload       []byte
}

// An Output of an engine is an event of a peer, a computation that the owner is to
// have done elsewhere, or, where both are nil, a datagram to be sent. The order of
// outputs is binding: an inbound SA is installed by its event before the datagram
// leaves that lets the peer use it.
type Output struct {
	Peer     PeerID // empty for an answer given before the peer is known
	Event    Event
	Datagram Datagram

	// Computation goes back to the engine's Computed when its Compute has been
	// called. Computations may be done at once and in any order. An Urgent one is
	// of a peer whose IKE SA stands: it is to come before the others.
	Computation Computation
	Urgent      bool
}

// A Computation takes longer than a loop that serves many peers can wait for.
type Computation interface {
	// Compute may be called on any goroutine, once. Nothing else is to be done
	// with the computation meanwhile.
	Compute()
}

// A Drop says why a datagram was ignored; the empty string means that it was
// not. The values are few and constant, so that they can label a counter.
type Drop string

// Reasons to ignore a datagram.
const (
	Accepted          Drop = ""
	DropMalformed     Drop = "malformed"           // no IKE message, or one with broken lengths
	DropVersion       Drop = "version"             // a version that is not spoken, or not with this peer
	DropUnknownSPI    Drop = "unknown-spi"         // no such IKE SA
	DropUnknownPeer   Drop = "unknown-peer"        // nobody is configured at this pair of addresses
	DropHalfOpen      Drop = "half-open-limit"     // too many IKE SAs are being set up
	DropRefusals      Drop = "refusal-limit"       // a source has been refused too often in the last second
	DropCookie        Drop = "cookie-demanded"     // answered with a COOKIE
	DropUnprotected   Drop = "unprotected"         // not encrypted where it must be
	DropIntegrity     Drop = "integrity"           // did not decrypt
	DropMessageID     Drop = "message-id"          // outside of the window, or seen before
	DropRetransmitted Drop = "retransmitted"       // request seen before, answered again
	DropUnexpected    Drop = "unexpected-exchange" // exchange that does not fit the state
	DropUnauthentic   Drop = "unauthentic-error"   // error notification that nothing proves; remembered
	DropBusy          Drop = "busy"                // too many key agreements are being computed for attempts of others
	DropFragments     Drop = "fragment-limit"      // a message in more or longer pieces than are kept
	DropClosed        Drop = "closed"              // the IKE SA has ended
)

// NAT says on which side address translation was found. RFC 3947 section 3, RFC
// 7296 section 2.23.
type NAT struct{ Local, Remote bool }

// A Status is what stands with one peer.
type Status struct {
	Connecting  bool        // an attempt of ours is under way
	Established bool        // an authenticated IKE SA stands
	Child       bool        // a child SA stands
	Version     Version     // of the IKE SA
	Path        Path        // of the IKE SA
	Proposal    IKEProposal // of the IKE SA
	RemoteID    Identity    // what the peer proved to be
	NAT         NAT
	LastHeard   time.Time // last authenticated message
	RekeyAt     time.Time // of the IKE SA, by us; zero while a rekey is under way
	ExpiresAt   time.Time // of the IKE SA
	MOBIKE      bool      // the peer may change its addresses, RFC 4555
	Fragments   bool      // long messages go in fragments of IKE's own, RFC 7383
}

// SPIs keeps the SPIs of inbound ESP SAs unique where several engines feed one
// data path.
type SPIs interface {
	// Reserve takes an SPI, or returns false if it is in use.
	Reserve(SPI) bool
	// Release gives an SPI back.
	Release(SPI)
}
