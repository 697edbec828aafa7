package ikev2

import (
	"slices"

	"causeway.dev/ike"
	"causeway.dev/ike/wire"
)

// What is told of messages for the owner's log.

// tellSent tells of a request of ours, each time that it is sent.
func (s *session) tellSent(e *exchange) {
	s.tell(ike.Exchanged{Sent: true, Exchange: e.exchange.String(), ID: e.id, Try: e.Tries, What: purposeOf(e.task)})
}

// tellAnswered tells of the answer to a request of ours.
func (s *session) tellAnswered(e *exchange) {
	s.tell(ike.Exchanged{Response: true, Exchange: e.exchange.String(), ID: e.id, What: purposeOf(e.task)})
}

// tellServed tells of a request of the peer's and of our answer to it.
func (s *session) tellServed(m wire.Message) {
	e := ike.Exchanged{Exchange: m.Header.Exchange.String(), ID: m.Header.MessageID, What: purpose(m)}
	s.tell(e)
	e.Sent, e.Response = true, true
	s.tell(e)
}

// tell leaves out messages of sessions that may yet be any of several peers'.
func (s *session) tell(e ike.Exchanged) {
	if s.id() != "" {
		s.emit(e)
	}
}

func purposeOf(t task) string {
	switch t.(type) {
	case *liveness:
		return purposeLiveness
	case *deleteIKE:
		return purposeDeleteIKE
	case *deleteChild:
		return purposeDeleteChild
	}
	return ""
}

const (
	purposeLiveness    = "liveness check"
	purposeDeleteIKE   = "delete IKE SA"
	purposeDeleteChild = "delete child SA"
)

// purpose says what an INFORMATIONAL request of the peer's is for. RFC 7296
// section 2.4: an empty one asks for a sign of life.
func purpose(m wire.Message) string {
	if m.Header.Exchange != wire.Informational {
		return ""
	}
	if len(m.Payloads) == 0 {
		return purposeLiveness
	}
	i := slices.IndexFunc(m.Payloads, func(p wire.Payload) bool { _, ok := p.(*wire.Delete); return ok })
	switch {
	case i < 0:
		return ""
	case m.Payloads[i].(*wire.Delete).Protocol == wire.ProtocolIKE:
		return purposeDeleteIKE
	}
	return purposeDeleteChild
}
