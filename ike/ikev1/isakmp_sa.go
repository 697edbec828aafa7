package ikev1

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/engine"
	"causeway.dev/ike/keys"
	"causeway.dev/ike/wire"
	"causeway.dev/ike/wire/isakmp"
)

// An isakmpSA is what main mode comes to: the keys that quick modes and
// informational exchanges are protected by.
//
//	up ──replaced by a main mode of ours──> (a while) ──DELETE──> gone
//	 └──DELETE, lifetime───────────────────────────────────────────┘
type isakmpSA struct {
	session    *session
	initiator  bool // we are
	spii, spir uint64
	proposal   ike.IKEProposal
	keys       keys.Phase1Keys
	lastBlock  []byte // of main mode: the IVs of all exchanges begin with it
	extensions extensions
	provedBy   engine.ProvedBy

	created     time.Time // when its main mode began
	established time.Time
	rekeyAt     time.Time // zero: not, or not any more
	expiresAt   time.Time

	// A responder's: message 5, and 6 that answers it again.
	received [sha256.Size]byte
	answer   []byte

	exchanges map[uint32]*quickMode // by message id
	over      map[uint32]struct{}   // message ids of quick modes that are over

	// Sequence numbers of R-U-THERE: of ours the next, of the peer's the last.
	sequence, heard uint32
	anyHeard        bool
}

// quickModesMax bounds the quick modes of one ISAKMP SA, whose ids are kept. One
// every ten seconds fills eight hours.
const quickModesMax = 4096

// cookies are the two cookies, which name an ISAKMP SA. RFC 2408 section 3.14.
func cookies(i, r uint64) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, i), r)
}

func (sa *isakmpSA) named(spi []byte) bool { return string(spi) == string(cookies(sa.spii, sa.spir)) }

// local is our cookie.
func (sa *isakmpSA) local() uint64 {
	if sa.initiator {
		return sa.spii
	}
	return sa.spir
}

func (sa *isakmpSA) header(exchange wire.ExchangeType, id uint32) wire.Header {
	return wire.Header{SPIi: sa.spii, SPIr: sa.spir, Major: 1, Exchange: exchange, Flags: isakmp.FlagEncryption, MessageID: id}
}

func idOctets(id uint32) []byte { return binary.BigEndian.AppendUint32(nil, id) }

// seal is a message after phase 1: its HASH covers covered, then the other
// payloads.
func (sa *isakmpSA) seal(h wire.Header, iv []byte, payloads []isakmp.Payload, covered ...[]byte) []byte {
	hash := sa.keys.Phase2Proof(append(covered, isakmp.AppendPayloads(nil, payloads))...)
	payloads = append([]isakmp.Payload{&isakmp.Hash{Data: hash}}, payloads...)
	sa.tell(true, h, sortPayloads(payloads), isakmp.AppendPayloads(nil, payloads))
	return seal(&sa.keys, iv, h, payloads)
}

// inform is an informational message. RFC 2409 section 5.7.
func (sa *isakmpSA) inform(payloads ...isakmp.Payload) []byte {
	id := sa.session.gate.newMessageID()
	return sa.seal(sa.header(isakmp.Informational, id), sa.keys.Phase2IV(sa.lastBlock, id), payloads, idOctets(id))
}

// open decrypts a message after phase 1; false if its HASH does not cover covered
// and the payloads that follow it.
func (sa *isakmpSA) open(h wire.Header, iv, datagram []byte, covered ...[]byte) (parts, bool) {
	m, chain, ok := openHashed(&sa.keys, iv, h, datagram, covered...)
	if ok {
		sa.tell(false, h, m, chain)
	}
	return m, ok
}

func openHashed(k *keys.Phase1Keys, iv []byte, h wire.Header, datagram []byte, covered ...[]byte) (parts, []byte, bool) {
	m, chain, err := open(k, iv, h, datagram)
	if err != nil || m.hash == nil || isakmp.PayloadType(h.NextPayload) != isakmp.PayloadHash {
		return parts{}, nil, false
	}
	rest := chain[payloadHeaderLength+len(m.hash.Data):]
	return m, chain, keys.Equal(m.hash.Data, k.Phase2Proof(append(covered, rest)...))
}

// payloadHeaderLength is that of a payload's generic header.
const payloadHeaderLength = 4

// forget wipes the SA.
func (sa *isakmpSA) forget() {
	delete(sa.session.gate.sas, sa.local())
	sa.keys.Wipe()
}
