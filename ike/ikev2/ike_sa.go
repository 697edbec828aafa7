package ikev2

import (
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/keys"
	"causeway.dev/ike/wire"
)

// An ikeSA is one IKE SA with its message ids and its one outstanding request in
// each direction: the window is 1. RFC 7296 section 2.3.
//
//	halfOpen ──IKE_AUTH──> up ──rekeyed──> replaced ──┐
//	    └──────────────────────┴──deleted─────────────┴─> closed
type ikeSA struct {
	state         saState
	initiator     bool // we are its original initiator
	local, remote uint64
	proposal      ike.IKEProposal
	keys          keys.SuiteKeys

	// Of IKE_INTERMEDIATE exchanges: how many additional secrets are mixed into
	// the keys, what the sides' messages come to, and what opens the last request
	// and sealed what answered it.
	mixed          int
	chainI, chainR []byte
	former         [2]*keys.Protector

	seal, open    *keys.Protector
	fragmentation bool // the peer takes messages in fragments

	nextID  uint32    // of our next request
	pending *exchange // our request that waits for its answer
	then    task      // what follows pending on this SA, whatever is current

	held     bool    // the peer's next request is here and waits for a computation
	expectID uint32  // of the peer's next request
	reply    *sealed // to the request before it

	requestParts, responseParts *assembly // of messages that come in fragments
	narrow                      bool      // the peer sends the smallest fragments

	rekeyAt   time.Time // zero: not, or not any more
	expiresAt time.Time // hard end; of a closed one when it is forgotten
}

type saState uint8

const (
	saHalfOpen saState = iota // IKE_AUTH is under way
	saUp
	saReplaced // a successor counts
	saClosed   // deleted; answers retransmissions
)

// newSA makes an IKE SA of fresh keys, which it owns from then on.
func newSA(initiator bool, local, remote uint64, p ike.IKEProposal, k keys.SuiteKeys) *ikeSA {
	sa := &ikeSA{initiator: initiator, local: local, remote: remote, proposal: p, keys: k}
	i, r := keys.NewProtector(p, k.Ei, k.Ai), keys.NewProtector(p, k.Er, k.Ar)
	if initiator {
		sa.seal, sa.open = i, r
	} else {
		sa.seal, sa.open = r, i
	}
	return sa
}

// wipe overwrites the keys of an SA that says nothing any more.
func (sa *ikeSA) wipe() {
	sa.keys.Wipe()
	sa.seal.Wipe()
	sa.open.Wipe()
	sa.wipeFormer()
}

func (sa *ikeSA) wipeFormer() {
	for _, p := range sa.former {
		if p != nil {
			p.Wipe()
		}
	}
}

// spis are the SPIs in the order of the header.
func (sa *ikeSA) spis() (i, r uint64) {
	if sa.initiator {
		return sa.local, sa.remote
	}
	return sa.remote, sa.local
}

func (sa *ikeSA) header(exchange wire.ExchangeType, id uint32, response bool) wire.Header {
	i, r := sa.spis()
	h := wire.Header{SPIi: i, SPIr: r, Major: 2, Exchange: exchange, MessageID: id}
	if sa.initiator {
		h.Flags |= wire.FlagInitiator
	}
	if response {
		h.Flags |= wire.FlagResponse
	}
	return h
}

// live reports whether the peer may still use the SA.
func (sa *ikeSA) live() bool { return sa.state == saUp || sa.state == saReplaced }

// parts are the payloads of a message by kind; of what may come once, the first.
type parts struct {
	sa       *wire.SA
	ke       *wire.KE
	nonce    *wire.Nonce
	idi, idr *wire.ID
	auth     *wire.Auth
	certs    []*wire.Cert
	tsi, tsr *wire.TS
	message  wire.Message // of which they are, where that matters
	notifies []*wire.Notify
	deletes  []*wire.Delete
}

func sortPayloads(payloads []wire.Payload) parts {
	var m parts
	for _, p := range payloads {
		switch p := p.(type) {
		case *wire.SA:
			keepFirst(&m.sa, p)
		case *wire.KE:
			keepFirst(&m.ke, p)
		case *wire.Nonce:
			keepFirst(&m.nonce, p)
		case *wire.ID:
			if p.Role == wire.PayloadIDi {
				keepFirst(&m.idi, p)
			} else {
				keepFirst(&m.idr, p)
			}
		case *wire.Auth:
			keepFirst(&m.auth, p)
		case *wire.Cert:
			m.certs = append(m.certs, p)
		case *wire.TS:
			if p.Role == wire.PayloadTSi {
				keepFirst(&m.tsi, p)
			} else {
				keepFirst(&m.tsr, p)
			}
		case *wire.Notify:
			m.notifies = append(m.notifies, p)
		case *wire.Delete:
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
func (m parts) notify(t wire.NotifyType) *wire.Notify {
	for _, n := range m.notifies {
		if n.Type == t {
			return n
		}
	}
	return nil
}

// failure returns the first error notification, or nil.
func (m parts) failure() *wire.Notify {
	for _, n := range m.notifies {
		if n.Type.IsError() {
			return n
		}
	}
	return nil
}
