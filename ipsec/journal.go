package ipsec

import (
	"fmt"
	"strings"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/diagnosis"
)

// A LogEntry is one line of a tunnel's log: what IKE did, and what stands after
// that.
type LogEntry struct {
	Tunnel     ike.PeerID
	At         time.Time
	IKE, Child SAState
	UDP        bool // ESP travels in UDP, as it does where there is a NAT
	Event      LogEvent
	Details    string // in full, for a reader
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

// A LogEvent is what an entry is about, where readers look for it.
type LogEvent string

// Events that have a name.
const (
	LogOther        LogEvent = ""
	LogExchange     LogEvent = "exchange"      // a message went or came
	LogKeyMismatch  LogEvent = "key-mismatch"  // the pre-shared keys differ
	LogNoProposal   LogEvent = "no-proposal"   // the proposals have nothing in common
	LogPeerDead     LogEvent = "peer-dead"     // dead peer detection
	LogDeletedIKE   LogEvent = "deleted-ike"   // by the peer
	LogDeletedChild LogEvent = "deleted-child" // by the peer
)

// A journal turns a peer's events into the entries of a tunnel's log. It is a
// value without I/O.
type journal struct {
	ike, child SAState
	udp        bool
	children   int // installed
}

func newJournal() journal { return journal{ike: SADown, child: SADown} }

// observe takes an event and returns the entry that tells of it; without a
// Details there is nothing to tell.
func (j *journal) observe(now time.Time, id ike.PeerID, event ike.Event) LogEntry {
	kind, details := j.tell(event)
	return LogEntry{Tunnel: id, At: now, IKE: j.ike, Child: j.child, UDP: j.udp, Event: kind, Details: details}
}

func (j *journal) tell(event ike.Event) (LogEvent, string) {
	switch e := event.(type) {
	case ike.Exchanged:
		j.exchanged(e)
		return LogExchange, describeExchange(e)
	case ike.Connecting:
		if j.ike == SADown {
			j.ike, j.child = SANegotiating, SANegotiating
		}
		return LogOther, fmt.Sprintf("negotiating with %v", e.Remote)
	case ike.Established:
		j.ike, j.udp = SAEstablished, e.Path.UDP
		what := "established"
		if e.Rekeyed {
			what = "rekeyed"
		}
		return LogOther, fmt.Sprintf("IKE_SA with %v %s: %v, the peer is %s", e.Path.Remote, what, e.Proposal, diagnosis.Name(e.RemoteID))
	case ike.KeyUsed:
		return LogOther, "the peer has used the new pre-shared key; the former one is no longer accepted"
	case ike.ChildInstalled:
		if j.children++; j.children > 1 {
			j.child = SARekeying
		}
		c := e.Child
		return LogOther, fmt.Sprintf("CHILD_SA with SPI %08x in, %08x out negotiated: %v, %v === %v",
			uint32(c.Inbound), uint32(c.Outbound), c.Proposal, c.LocalSelectors, c.RemoteSelectors)
	case ike.ChildActivated:
		j.child = SAEstablished
		return LogOther, fmt.Sprintf("CHILD_SA with SPI %08x out carries packets", uint32(e.Outbound))
	case ike.ChildRemoved:
		return j.removed(e)
	case ike.PathChanged:
		j.udp = e.Path.UDP
		return LogOther, fmt.Sprintf("the peer is now at %v", e.Path.Remote)
	case ike.Compared:
		return LogOther, describeComparison(e)
	case ike.NegotiationFailed:
		if j.ike == SANegotiating {
			j.ike, j.child = SADown, SADown
		}
		return kindOf(e.Reason), fmt.Sprintf("negotiation with %v failed: %s", e.Remote, withRemedy(e.Reason))
	case ike.Closed:
		*j = newJournal()
		return kindOf(e.Reason), "IKE_SA closed: " + withRemedy(e.Reason)
	}
	return LogOther, ""
}

func (j *journal) removed(e ike.ChildRemoved) (LogEvent, string) {
	if j.children--; j.children <= 0 {
		j.children, j.child = 0, SADown
	}
	kind := LogOther
	if e.Reason == diagnosis.PeerDeletedChild {
		kind = LogDeletedChild
	}
	return kind, fmt.Sprintf("CHILD_SA with SPI %08x in, %08x out removed: %s", uint32(e.Inbound), uint32(e.Outbound), e.Reason)
}

// exchanged: a rekey lasts from its request to its answer.
func (j *journal) exchanged(e ike.Exchanged) {
	state := SARekeying
	if e.Response {
		state = SAEstablished
	}
	switch {
	case e.What == ike.PurposeRekeyIKE && j.ike != SADown:
		j.ike = state
	case e.What == ike.PurposeRekeyChild && j.child != SADown:
		j.child = state
	}
}

func describeExchange(e ike.Exchanged) string {
	what := [...]string{"processed request", "is sending request", "processed response", "is sending response"}
	i := 0
	if e.Sent {
		i++
	}
	if e.Response {
		i += 2
	}
	text := fmt.Sprintf("%s (id=%d) for %s", what[i], e.ID, e.Exchange)
	if e.What != "" {
		text += ": " + e.What
	}
	if e.Try > 1 {
		text += fmt.Sprintf(" (try %d)", e.Try)
	}
	return text
}

// describeComparison has all of both sides, of which a reason has the beginning.
func describeComparison(e ike.Compared) string {
	asked := "the peer's answer"
	if e.ByPeer {
		asked = "the peer asks for"
	}
	return fmt.Sprintf("%s do not fit: %s %s; this tunnel takes %s", e.Subject, asked, strings.Join(e.Peer, ", "), strings.Join(e.Own, ", "))
}

// withRemedy adds what to change, where that is known.
func withRemedy(reason string) string {
	if remedy := diagnosis.CauseOf(reason).Remedy(); remedy != "" {
		return reason + "; " + remedy
	}
	return reason
}

// kindOf finds the events that have a name by the cause of what they tell of.
func kindOf(reason string) LogEvent {
	switch diagnosis.CauseOf(reason) {
	case diagnosis.CauseKey:
		return LogKeyMismatch
	case diagnosis.CauseDeleted:
		if strings.HasPrefix(reason, diagnosis.PeerDeleted) {
			return LogDeletedIKE
		}
	case diagnosis.CauseDead:
		return LogPeerDead
	case diagnosis.CauseIKEProposals, diagnosis.CauseESPProposals:
		return LogNoProposal
	}
	return LogOther
}
