package session

import (
	"fmt"
	"net/netip"
	"time"

	"causeway.dev/bgp/wire"
)

// What is written and read by sessions.
type (
	// Update is an UPDATE.
	Update = wire.Update
	// Notification is a NOTIFICATION.
	Notification = wire.Notification
)

// State is RFC 4271's, section 8.2.2: that of the connection which has come the farthest.
type State uint8

// States.
const (
	Idle        State = iota // nothing is tried, nothing is let in
	Connect                  // the peer is being dialed
	Active                   // waiting for the peer, or to dial it again
	OpenSent                 // waiting for the peer's OPEN
	OpenConfirm              // waiting for the peer's KEEPALIVE
	Established              // routes are told
)

func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return fmt.Sprintf("State(%d)", uint8(s))
}

var stateNames = [...]string{"Idle", "Connect", "Active", "OpenSent", "OpenConfirm", "Established"}

// A ConnID names a TCP connection. The owner gives each one of its own, for as long as
// the session lives.
type ConnID uint64

// An Action is what the owner has to do: Dial, CancelDial, Write or Close.
type Action interface{ action() }

// Dial asks for a TCP connection to the peer. The owner calls Connected or DialFailed in
// the end, unless CancelDial comes first; no second Dial comes before either.
type Dial struct{}

// CancelDial takes a Dial back: neither Connected nor DialFailed is to be called for it.
type CancelDial struct{}

// Write asks for octets to be sent, after all those before them. They belong to the owner.
// Where the peer takes none of them for [Session.SendHold], the owner calls Stuck.
type Write struct {
	Conn  ConnID
	Bytes []byte
}

// Close asks for a connection to be closed once what was written is sent; the owner does
// not wait long for that. It is the last that is told of the connection, and nothing
// need be told of it any more.
type Close struct{ Conn ConnID }

func (Dial) action()       {}
func (CancelDial) action() {}
func (Write) action()      {}
func (Close) action()      {}

// An Event tells the owner what has become true. Routes of the peer that the owner has are
// to be cleared, or marked as stale, when and only when an event says so.
type Event interface{ event() }

// Up is that the session is established: all routes that the peer is to have are to be
// sent, and then the End-of-RIB.
type Up struct{ Negotiated }

// Negotiated is what both sides have agreed on.
type Negotiated struct {
	Identifier   netip.Addr    // the peer's
	HoldTime     time.Duration // the shorter one of both
	FourOctetASN bool          // ASNs in paths have four octets
	RouteRefresh bool          // the peer can be asked for its routes once more

	// RFC 4724: EndOfRIB, the peer says when it has told all its routes. Restart, its routes
	// are kept for a while should it vanish without a word. PeerRestarted, it has begun anew.
	EndOfRIB, Restart, PeerRestarted bool
}

// Updated is that the peer has told routes or taken them back. It is no End-of-RIB.
type Updated struct{ Update Update }

// EndOfRIB is that the peer has told all its routes: stale ones are no longer to be kept.
type EndOfRIB struct{}

// Forget is that stale routes are no longer to be kept, though the peer has not told all: it
// was awaited for too long, or does not want them kept any more.
type Forget struct{}

// RefreshAsked is that all routes are to be sent to the peer once more. It comes rarely,
// however often the peer asks.
type RefreshAsked struct{}

// Down is that the session is no longer established.
type Down struct {
	Reason         string        // one sentence
	Sent, Received *Notification // that has ended it; nil: none, or not that way

	// Stale says that the routes of the peer are to be kept as stale until EndOfRIB or
	// Forget (RFC 4724 section 4.2). Otherwise they are to be cleared at once.
	Stale bool
}

// Moved is that State is another one. An established session that ends is Idle for a
// moment, whatever comes then.
type Moved struct{ From, To State }

// Opened is that an OPEN was sent on a connection, or has come, whatever it leads to.
type Opened struct {
	wire.Open
	Sent bool // by our side
}

// Noted is that a NOTIFICATION was sent on a connection, or has come.
type Noted struct {
	Notification
	Sent bool // by our side
}

func (Moved) event()        {}
func (Opened) event()       {}
func (Noted) event()        {}
func (Up) event()           {}
func (Updated) event()      {}
func (EndOfRIB) event()     {}
func (Forget) event()       {}
func (RefreshAsked) event() {}
func (Down) event()         {}

// DialFailure is why a TCP connection to the peer could not be made.
type DialFailure uint8

// Failures of dials.
const (
	NoAnswer    DialFailure = iota // nothing came back
	Refused                        // nobody listens there
	Unreachable                    // a router, or our own side, says that there is no way
)
