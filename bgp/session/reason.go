package session

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"causeway.dev/bgp/wire"
)

// A reason is why a session is not established.
type reason struct {
	text   string
	at     time.Time
	spoken bool // by what was said on a connection
}

// spokenFor is for how long what a peer has said tells more than that it can't be dialed:
// peers that dial themselves need not listen.
const spokenFor = 3 * time.Minute

// dial notes why a dial failed.
func (r *reason) dial(now time.Time, c Config, why DialFailure, detail string) {
	if r.spoken && now.Sub(r.at) < spokenFor {
		return
	}
	text := ""
	switch why {
	case NoAnswer:
		text = fmt.Sprintf("nobody answers at %v port %d", c.Remote, wire.Port)
	case Refused:
		text = fmt.Sprintf("%v refuses connections to port %d: BGP does not run there, or does not know this neighbor", c.Remote, wire.Port)
	case Unreachable:
		text = fmt.Sprintf("%v can't be reached%s", c.Remote, because(detail))
	}
	*r = reason{text: text, at: now}
}

func because(detail string) string {
	if detail == "" {
		return ""
	}
	return ": " + printable(detail, detailMax)
}

// lostReason is why a connection ended without a word.
func lostReason(state State, why string) string {
	switch state {
	case OpenSent:
		return "the peer closed the connection before its OPEN: it may not know this neighbor" + because(why)
	case OpenConfirm:
		return "the peer closed the connection after our OPEN" + because(why)
	default:
		return "the connection with the peer was lost" + because(why)
	}
}

// notifiedReason is what a peer's NOTIFICATION says, and what to change.
func notifiedReason(c Config, n Notification) string {
	text := ""
	switch n.Code {
	case wire.CodeOpen:
		switch n.Subcode {
		case wire.BadPeerAS:
			text = fmt.Sprintf("the peer refuses our AS: the device has to expect %d of this neighbor", c.ASN)
		case wire.BadIdentifier:
			text = fmt.Sprintf("the peer refuses our BGP identifier %v: it may be its own, too", c.Identifier)
		case wire.UnacceptableHoldTime:
			text = fmt.Sprintf("the peer refuses our hold time of %v", c.HoldTime)
		case wire.UnsupportedCapability, wire.UnsupportedOptionalParameter:
			text = "the peer refuses what our OPEN offers"
		}
	case wire.CodeHoldTimer:
		text = "the peer has heard nothing from our side for its hold time"
	case wire.CodeCease:
		switch n.Subcode {
		case wire.MaximumPrefixes:
			text = "the peer takes fewer routes than it is told: raise its limit of prefixes"
		case wire.AdministrativeShutdown:
			text = "the session is shut down on the peer" + communication(n.Data)
		case wire.AdministrativeReset:
			text = "the session was reset on the peer" + communication(n.Data)
		case wire.PeerDeconfigured:
			text = "the peer has this neighbor no longer configured"
		case wire.ConnectionRejected:
			text = "the peer rejects the connection: it may not know this neighbor, or has shut it down"
		case wire.ConfigurationChange:
			text = "the peer's configuration has changed"
		case wire.CollisionResolution:
			text = "the peer keeps another connection"
		case wire.OutOfResources:
			text = "the peer is out of resources"
		}
	}
	if text == "" {
		text = "the peer ended the session"
	}
	return fmt.Sprintf("%s (NOTIFICATION %v)", text, n)
}

const (
	communicationMax = 128 // octets shown of what an administrator has written
	detailMax        = 200
)

// communication is what the peer's administrator says of it, RFC 9003.
func communication(data []byte) string {
	if len(data) == 0 {
		return ""
	}
	length, text := int(data[0]), data[1:]
	if length == 0 || length > len(text) {
		return ""
	}
	return fmt.Sprintf(": %q", printable(string(text[:length]), communicationMax))
}

// printable bounds a text and leaves nothing in it that a log or a terminal could take
// for a command.
func printable(s string, most int) string {
	clean := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			return '?'
		}
		return r
	}, s)
	if len(clean) <= most {
		return clean
	}
	return strings.ToValidUTF8(clean[:most], "") + "…"
}
