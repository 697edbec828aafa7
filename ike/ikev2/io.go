package ikev2

import (
	"net/netip"

	"causeway.dev/ike"
)

// A Datagram is the payload of one UDP datagram from or to the peer, without the
// non-ESP marker that port 4500 adds (RFC 3948 section 2.2).
type Datagram struct {
	Local, Remote netip.AddrPort
	Payload       []byte
}

// An Output is either an event of a peer or, where Event is nil, a datagram to
// be sent. The order of outputs is binding: an inbound SA is installed by its
// event before the datagram leaves that lets the peer use it.
type Output struct {
	Peer     ike.PeerID // empty for an answer given before the peer is known
	Event    ike.Event
	Datagram Datagram
}

// A Drop says why a datagram was ignored; the empty string means that it was
// not. The values are few and constant, so that they can label a counter.
type Drop string

// Reasons to ignore a datagram.
const (
	Accepted          Drop = ""
	DropMalformed     Drop = "malformed"           // no IKE message, or one with broken lengths
	DropVersion       Drop = "version"             // another major version than 2
	DropUnknownSPI    Drop = "unknown-spi"         // no such IKE SA
	DropUnknownPeer   Drop = "unknown-peer"        // nobody is configured at this pair of addresses
	DropHalfOpen      Drop = "half-open-limit"     // too many IKE SAs are being set up
	DropRefusals      Drop = "refusal-limit"       // a source has been refused too often in the last second
	DropCookie        Drop = "cookie-demanded"     // answered with a COOKIE
	DropUnprotected   Drop = "unprotected"         // not encrypted where it must be
	DropIntegrity     Drop = "integrity"           // did not decrypt
	DropMessageID     Drop = "message-id"          // outside of the window
	DropRetransmitted Drop = "retransmitted"       // request seen before, answered again
	DropUnexpected    Drop = "unexpected-exchange" // exchange that does not fit the state
	DropUnauthentic   Drop = "unauthentic-error"   // error notification that nothing proves; remembered
	DropClosed        Drop = "closed"              // the IKE SA has ended
)
