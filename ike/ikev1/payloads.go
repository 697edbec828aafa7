package ikev1

import (
	"slices"

	"causeway.dev/ike/wire/isakmp"
)

// parts are the payloads of a message by kind; of what may come once, the first.
type parts struct {
	sa        *isakmp.SA
	ke        *isakmp.KE
	nonce     *isakmp.Nonce
	id, id2   *isakmp.ID // in quick mode of the initiator and of the responder
	hash      *isakmp.Hash
	signature *isakmp.Signature
	certs     []*isakmp.Cert
	requests  []*isakmp.Cert
	natd      []*isakmp.NATD
	vendors   []*isakmp.VendorID
	notifies  []*isakmp.Notify
	deletes   []*isakmp.Delete
}

func sortPayloads(payloads []isakmp.Payload) parts {
	var m parts
	for _, p := range payloads {
		switch p := p.(type) {
		case *isakmp.SA:
			keepFirst(&m.sa, p)
		case *isakmp.KE:
			keepFirst(&m.ke, p)
		case *isakmp.Nonce:
			keepFirst(&m.nonce, p)
		case *isakmp.ID:
			if m.id == nil {
				m.id = p
			} else {
				keepFirst(&m.id2, p)
			}
		case *isakmp.Hash:
			keepFirst(&m.hash, p)
		case *isakmp.Signature:
			keepFirst(&m.signature, p)
		case *isakmp.Cert:
			if p.Type == isakmp.PayloadCert {
				m.certs = append(m.certs, p)
			} else {
				m.requests = append(m.requests, p)
			}
		case *isakmp.NATD:
			m.natd = append(m.natd, p)
		case *isakmp.VendorID:
			m.vendors = append(m.vendors, p)
		case *isakmp.Notify:
			m.notifies = append(m.notifies, p)
		case *isakmp.Delete:
			m.deletes = append(m.deletes, p)
		}
	}
	return m
}

func keepFirst[T any](into **T, p *T) {
	if *into == nil {
		*into = p
	}
}

// notify returns the first notification of a type, or nil.
func (m parts) notify(t isakmp.NotifyType) *isakmp.Notify {
	return m.firstNotify(func(n *isakmp.Notify) bool { return n.Type == t })
}

// failure returns the first error notification, or nil.
func (m parts) failure() *isakmp.Notify {
	return m.firstNotify(func(n *isakmp.Notify) bool { return n.Type.IsError() })
}

func (m parts) firstNotify(is func(*isakmp.Notify) bool) *isakmp.Notify {
	if i := slices.IndexFunc(m.notifies, is); i >= 0 {
		return m.notifies[i]
	}
	return nil
}
