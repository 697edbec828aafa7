package ikev2

import (
	"bytes"

	"causeway.dev/ike"
	"causeway.dev/ike/wire"
)

// What is told of messages for the owner's log.

// tellSent tells of a request of ours, each time that it is sent.
func (s *session) tellSent(e *exchange) {
	s.tell(ike.Exchanged{Sent: true, Exchange: e.exchange.String(), ID: e.id, Try: e.Tries, What: purposeOf(e.task), Message: e.plain})
	e.plain = nil
}

// tellAnswered tells of the answer to a request of ours.
func (s *session) tellAnswered(e *exchange, m wire.Message) {
	s.tell(ike.Exchanged{Response: true, Exchange: e.exchange.String(), ID: e.id, What: purposeOf(e.task), Message: m.Append(nil)})
}

// tellServed tells of a request of the peer's and of our answer to it.
func (s *session) tellServed(sa *ikeSA, m wire.Message, answer []wire.Payload) {
	e := ike.Exchanged{Exchange: m.Header.Exchange.String(), ID: m.Header.MessageID, What: purpose(m), Message: m.Append(nil)}
	s.tell(e)
	e.Sent, e.Response = true, true
	e.Message = wire.Message{Header: sa.header(m.Header.Exchange, e.ID, true), Payloads: answer}.Append(nil)
	s.tell(e)
}

// revealKeys tells the owner the keys of the IKE SA that stands.
func (s *session) revealKeys() {
	k := s.current.keys
	i, r := s.current.spis()
	s.emit(ike.KeysRevealed{
		SPIi: i, SPIr: r, Proposal: s.current.proposal,
		Ei: bytes.Clone(k.Ei), Er: bytes.Clone(k.Er), Ai: bytes.Clone(k.Ai), Ar: bytes.Clone(k.Ar),
	})
}

// tell leaves out messages of sessions that may yet be any of several peers'.
func (s *session) tell(e ike.Exchanged) {
	if s.id() != "" {
		s.emit(e)
	}
}

func purposeOf(t task) string {
	switch t := t.(type) {
	case *liveness:
		return ike.PurposeLiveness
	case *deleteIKE:
		return ike.PurposeDeleteIKE
	case *deleteChild:
		return ike.PurposeDeleteChild
	case *rekeyIKE:
		return ike.PurposeRekeyIKE
	case *createChild:
		if t.old != nil {
			return ike.PurposeRekeyChild
		}
	}
	return ""
}

// purpose says what a request of the peer's is for. RFC 7296 section 2.4: an
// empty INFORMATIONAL one asks for a sign of life; section 1.3.2: a
// CREATE_CHILD_SA one without selectors is for the IKE SA.
func purpose(m wire.Message) string {
	p := sortPayloads(m.Payloads)
	switch {
	case m.Header.Exchange == wire.CreateChildSA && p.notify(wire.RekeySA) != nil:
		return ike.PurposeRekeyChild
	case m.Header.Exchange == wire.CreateChildSA && p.tsi == nil:
		return ike.PurposeRekeyIKE
	case m.Header.Exchange != wire.Informational:
		return ""
	case len(m.Payloads) == 0:
		return ike.PurposeLiveness
	}
	switch {
	case len(p.deletes) == 0:
		return ""
	case p.deletes[0].Protocol == wire.ProtocolIKE:
		return ike.PurposeDeleteIKE
	}
	return ike.PurposeDeleteChild
}
