package ike

import "fmt"

// Exchanged: an authentic message has gone to the peer or come from it. It
// changes nothing that the owner has to act on: it is for a log.
type Exchanged struct {
	Sent     bool // by us
	Response bool
	Exchange string // as the RFCs write it: "CREATE_CHILD_SA"
	ID       uint32 // the message's
	Try      int    // of a request of ours: 1 for the first time
	What     string // what it is for, where that is known: one of the purposes below, or empty

	// Message is the message with its payloads as if it were not encrypted,
	// for a capture; nil where it is sent again.
	Message []byte
}

// Purposes of messages.
const (
	PurposeLiveness    = "liveness check"
	PurposeDeleteIKE   = "delete IKE SA"
	PurposeDeleteChild = "delete child SA"
	PurposeRekeyIKE    = "rekey IKE SA"
	PurposeRekeyChild  = "rekey child SA"
)

func (Exchanged) event() {}

// String leaves the message out, which holds what was encrypted.
func (e Exchanged) String() string {
	return fmt.Sprintf("%s %d, sent %t, response %t, try %d, %s", e.Exchange, e.ID, e.Sent, e.Response, e.Try, e.What)
}

// RevealKeys asks for the keys of the IKE SA that stands, by KeysRevealed: for
// somebody who may read what it protects.
type RevealKeys struct{}

func (RevealKeys) command() {}

// KeysRevealed: these are the keys of the IKE SA. They are the owner's, to be
// wiped when they are no longer needed.
type KeysRevealed struct {
	SPIi, SPIr     uint64
	Proposal       IKEProposal
	Ei, Er, Ai, Ar Secret // RFC 7296 section 2.14: SK_ei, SK_er, SK_ai, SK_ar
}

func (KeysRevealed) event() {}
