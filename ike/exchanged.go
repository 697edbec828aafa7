package ike

// Exchanged: an authentic message has gone to the peer or come from it. It
// changes nothing that the owner has to act on: it is for a log.
type Exchanged struct {
	Sent     bool // by us
	Response bool
	Exchange string // as the RFCs write it: "CREATE_CHILD_SA"
	ID       uint32 // the message's
	Try      int    // of a request of ours: 1 for the first time
	What     string // what it is for, where that is known: one of the purposes below, or empty
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
