package ikev1

import (
	"causeway.dev/ike"
	"causeway.dev/ike/wire"
	"causeway.dev/ike/wire/isakmp"
)

// exchangeNames are those of RFC 2409 for messages after phase 1.
var exchangeNames = map[wire.ExchangeType]string{isakmp.QuickMode: "QUICK_MODE", isakmp.Informational: "INFORMATIONAL"}

// tell lets the owner's log know of an authentic message after phase 1. chain is
// its payloads in clear, of which m are those that say what it is for.
func (sa *isakmpSA) tell(sent bool, h wire.Header, m parts, chain []byte) {
	h.NextPayload = wire.PayloadType(isakmp.PayloadHash)
	h.Flags &^= isakmp.FlagEncryption
	h.Length = uint32(wire.HeaderLength + len(chain))
	what, response := purpose(m)
	sa.session.emit(ike.Exchanged{
		Sent: sent, Response: response, Exchange: exchangeNames[h.Exchange], ID: h.MessageID, What: what,
		Message: append(h.Append(nil), chain...),
	})
}

// purpose says what a message is for, and whether it answers another. RFC 3706
// section 5.2: R-U-THERE is the only one that has a kind of its own for that.
func purpose(m parts) (what string, response bool) {
	for _, n := range m.notifies {
		switch n.Type {
		case isakmp.RUThere:
			return ike.PurposeLiveness, false
		case isakmp.RUThereAck:
			return ike.PurposeLiveness, true
		}
	}
	switch {
	case len(m.deletes) == 0:
		return "", false
	case m.deletes[0].Protocol == wire.ProtocolIKE:
		return ike.PurposeDeleteIKE, false
	}
	return ike.PurposeDeleteChild, false
}
