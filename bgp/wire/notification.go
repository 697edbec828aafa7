package wire

import (
	"cmp"
	"fmt"
)

// A Notification ends a session and says why: RFC 4271 section 4.5.
type Notification struct {
	Code    Code
	Subcode Subcode
	Data    []byte
}

// Code is the kind of an error, and Subcode, whose meaning depends on it, the error.
type (
	Code    uint8
	Subcode uint8
)

// Codes, RFC 4271 section 4.5, RFC 7313 and RFC 9687.
const (
	CodeHeader       Code = 1
	CodeOpen         Code = 2
	CodeUpdate       Code = 3
	CodeHoldTimer    Code = 4
	CodeStateMachine Code = 5
	CodeCease        Code = 6
	CodeRefresh      Code = 7
	CodeSendHold     Code = 8
)

// Subcodes of CodeHeader.
const (
	ConnectionNotSynchronized Subcode = 1
	BadMessageLength          Subcode = 2
	BadMessageType            Subcode = 3
)

// Subcodes of CodeOpen; RFC 5492 for the last one.
const (
	OpenUnspecific               Subcode = 0
	UnsupportedVersion           Subcode = 1
	BadPeerAS                    Subcode = 2
	BadIdentifier                Subcode = 3
	UnsupportedOptionalParameter Subcode = 4
	UnacceptableHoldTime         Subcode = 6
	UnsupportedCapability        Subcode = 7
)

// Subcodes of CodeUpdate.
const (
	MalformedAttributeList Subcode = 1
	UnrecognizedWellKnown  Subcode = 2
	MissingWellKnown       Subcode = 3
	AttributeFlagsError    Subcode = 4
	AttributeLengthError   Subcode = 5
	InvalidOrigin          Subcode = 6
	InvalidNextHop         Subcode = 8
	OptionalAttributeError Subcode = 9
	InvalidNetworkField    Subcode = 10
	MalformedASPath        Subcode = 11
)

// Subcodes of CodeStateMachine, RFC 6608.
const (
	UnexpectedInOpenSent    Subcode = 1
	UnexpectedInOpenConfirm Subcode = 2
	UnexpectedInEstablished Subcode = 3
)

// Subcodes of CodeCease, RFC 4486 and RFC 8538.
const (
	MaximumPrefixes        Subcode = 1
	AdministrativeShutdown Subcode = 2
	PeerDeconfigured       Subcode = 3
	AdministrativeReset    Subcode = 4
	ConnectionRejected     Subcode = 5
	ConfigurationChange    Subcode = 6
	CollisionResolution    Subcode = 7
	OutOfResources         Subcode = 8
	HardReset              Subcode = 9
)

// Cease is a NOTIFICATION without an error.
func Cease(why Subcode) Notification { return Notification{Code: CodeCease, Subcode: why} }

// [ code 1 | subcode 1 | data n ]
const notificationLength = 2

// ParseNotification reads the body of a NOTIFICATION. Its data are part of the body.
func ParseNotification(body []byte) Notification {
	return Notification{Code(body[0]), Subcode(body[1]), body[notificationLength:]}
}

// Append appends the message. Data beyond the length of a message are cut off.
func (n Notification) Append(dst []byte) []byte {
	start := len(dst)
	dst = append(begin(dst, TypeNotification), byte(n.Code), byte(n.Subcode))
	return end(append(dst, n.Data[:min(len(n.Data), MessageMax-HeaderLength-notificationLength)]...), start)
}

var codeNames = map[Code]string{
	CodeHeader: "Message Header Error", CodeOpen: "OPEN Message Error", CodeUpdate: "UPDATE Message Error", CodeHoldTimer: "Hold Timer Expired",
	CodeStateMachine: "Finite State Machine Error", CodeCease: "Cease", CodeRefresh: "ROUTE-REFRESH Message Error", CodeSendHold: "Send Hold Timer Expired",
}

var subcodeNames = map[Code]map[Subcode]string{
	CodeHeader: {ConnectionNotSynchronized: "Connection Not Synchronized", BadMessageLength: "Bad Message Length", BadMessageType: "Bad Message Type"},
	CodeOpen: {
		UnsupportedVersion: "Unsupported Version Number", BadPeerAS: "Bad Peer AS", BadIdentifier: "Bad BGP Identifier",
		UnsupportedOptionalParameter: "Unsupported Optional Parameter", UnacceptableHoldTime: "Unacceptable Hold Time", UnsupportedCapability: "Unsupported Capability",
		8: "Role Mismatch",
	},
	CodeUpdate: {
		MalformedAttributeList: "Malformed Attribute List", UnrecognizedWellKnown: "Unrecognized Well-known Attribute", MissingWellKnown: "Missing Well-known Attribute",
		AttributeFlagsError: "Attribute Flags Error", AttributeLengthError: "Attribute Length Error", InvalidOrigin: "Invalid ORIGIN Attribute",
		InvalidNextHop: "Invalid NEXT_HOP Attribute", OptionalAttributeError: "Optional Attribute Error", InvalidNetworkField: "Invalid Network Field", MalformedASPath: "Malformed AS_PATH",
	},
	CodeStateMachine: {
		UnexpectedInOpenSent: "Receive Unexpected Message in OpenSent State", UnexpectedInOpenConfirm: "Receive Unexpected Message in OpenConfirm State",
		UnexpectedInEstablished: "Receive Unexpected Message in Established State",
	},
	CodeCease: {
		MaximumPrefixes: "Maximum Number of Prefixes Reached", AdministrativeShutdown: "Administrative Shutdown", PeerDeconfigured: "Peer De-configured",
		AdministrativeReset: "Administrative Reset", ConnectionRejected: "Connection Rejected", ConfigurationChange: "Other Configuration Change",
		CollisionResolution: "Connection Collision Resolution", OutOfResources: "Out of Resources", HardReset: "Hard Reset", 10: "BFD Down",
	},
}

// Names are those of the code and the subcode in IANA's registry; empty where it has none.
func (n Notification) Names() (code, subcode string) {
	return codeNames[n.Code], subcodeNames[n.Code][n.Subcode]
}

// String names the error as IANA's registry does, with the numbers: "Cease / Peer De-configured (6/3)".
func (n Notification) String() string {
	name, sub := n.Names()
	name = cmp.Or(name, "an unknown error")
	if sub != "" {
		name += " / " + sub
	}
	return fmt.Sprintf("%s (%d/%d)", name, n.Code, n.Subcode)
}

// An Error is a message that ends its session.
type Error struct {
	Notification Notification // that the peer is owed
	Problem      string       // in one sentence, for people
}

// Error is the problem.
func (e *Error) Error() string { return e.Problem }
