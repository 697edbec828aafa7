// Package ike holds what the two IKE versions, their daemon and the daemon's
// owner have in common: the configuration of a peer, the commands it takes and
// the events that it produces. It contains no behaviour and no I/O.
package ike

import (
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"
)

// A PeerID names one configured peer, that is: one tunnel. It is chosen by the
// owner ("vpn-0123456789abcdef0/1") and only ever compared and logged.
type PeerID string

// A Peer is the configuration of one tunnel's IKE. A zero duration or number
// means the default stated at the field. Peers are immutable once handed over.
type Peer struct {
	ID PeerID

	// Local is our outside address. Remote is the peer's; the invalid (zero)
	// address admits any source, and then the identities decide.
	Local, Remote netip.Addr

	// Versions are the versions of IKE that may be spoken, by default all. We
	// answer any of them and begin with the highest.
	Versions Versions

	// LocalID is what we say we are, by default our address; RemoteID is what
	// the peer must say it is. A zero RemoteID accepts any identity that holds
	// the key.
	LocalID, RemoteID Identity

	// PreSharedKey authenticates both sides, unless Certificate is set.
	PreSharedKey Secret

	// FormerKey, where not empty, is the pre-shared key that PreSharedKey
	// replaces. It is accepted too until FormerKeyUntil, or until the peer has
	// proved itself by PreSharedKey.
	FormerKey      Secret
	FormerKeyUntil time.Time

	// KeyChanges counts how often PreSharedKey was replaced. KeyUsed repeats it.
	KeyChanges int64

	// Certificate and Verifier, which go together, make both sides
	// authenticate by certificates instead: ours is Certificate, the peer's is
	// what Verifier accepts.
	Certificate *Certificate
	Verifier    Verifier

	// IKEProposals and ESPProposals are all that we accept, and what
	// we offer, in this order.
	IKEProposals []IKEProposal
	ESPProposals []ESPProposal

	// IKEOffers and ESPOffers, where not empty, are what we propose when we
	// begin, instead of all that we accept, since a first message with all of
	// it would be long. They should be among what we accept: a rekey proposes
	// that.
	IKEOffers []IKEProposal
	ESPOffers []ESPProposal

	// LocalSelectors and RemoteSelectors bound the traffic selectors of the
	// one child SA; a peer's selectors are narrowed to them. Empty: any.
	LocalSelectors, RemoteSelectors []netip.Prefix

	// Start makes our side initiate and re-establish. Otherwise we only answer.
	Start bool

	// Mobile: Local may change while SAs stand. Where our side has begun and the peer
	// knows MOBIKE (RFC 4555, IKEv2 alone), they then go on at the new address.
	Mobile bool

	// Encapsulation says when ESP travels in UDP.
	Encapsulation Encapsulation

	// FragmentSize is the IP datagram, 576 to 65535 octets, above which IKE
	// messages go in fragments of IKE's own where the peer takes them (RFC 7383);
	// default 1280. Where there is no answer smaller ones are tried.
	FragmentSize int

	IKELifetime   time.Duration // default 8 h
	ChildLifetime time.Duration // default 1 h
	RekeyMargin   time.Duration // default 270 s: how long before the lifetime's end a rekey begins at the latest
	RekeyFuzz     int           // percent of the margin added at random, 0 to 100; -1 means 0; default 100
	ReplayWindow  int           // packets, 64 to 2048; default 1024

	DPDTimeout time.Duration // silence after which the peer is declared dead; default 30 s
	DPDAction  DPDAction     // default DPDClear
}

// Encapsulation says when ESP travels in UDP port 4500.
type Encapsulation uint8

// Encapsulation modes: EncapsulationAuto uses UDP only where a NAT was found
// (or where the peer asks for it by faking the detection hashes).
const (
	EncapsulationAuto Encapsulation = iota
	EncapsulationAlways
)

// DPDAction is what follows a dead peer.
type DPDAction uint8

// Actions on dead peer detection, as AWS names them.
const (
	DPDClear   DPDAction = iota // forget the SA, wait for the peer
	DPDNone                     // keep the SA
	DPDRestart                  // initiate anew
)

// A Secret is a key that neither prints nor marshals.
type Secret []byte

// String hides the secret.
func (Secret) String() string { return "[secret]" }

// Format hides the secret from every verb, also those for numbers.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText hides the secret.
func (Secret) MarshalText() ([]byte, error) { return []byte("[secret]"), nil }

// An Identity is the content of an ID payload. RFC 7296 section 3.5.
type Identity struct {
	Type IDType
	Data string // 4 or 16 raw bytes for addresses, DER for a distinguished name, text otherwise
}

// IDType is the IANA number of an identification type.
type IDType uint8

// Identification types. RFC 7296 section 3.5.
const (
	IDNone      IDType = 0
	IDIPv4Addr  IDType = 1
	IDFQDN      IDType = 2
	IDRFC822    IDType = 3
	IDIPv6Addr  IDType = 5
	IDDERASN1DN IDType = 9
	IDKeyID     IDType = 11
)

// AddressIdentity returns the identity of an address.
func AddressIdentity(a netip.Addr) Identity {
	if a.Is4() {
		return Identity{Type: IDIPv4Addr, Data: string(a.AsSlice())}
	}
	return Identity{Type: IDIPv6Addr, Data: string(a.AsSlice())}
}

// String shows the identity as an operator writes it.
func (i Identity) String() string {
	switch i.Type {
	case IDNone:
		return "%any"
	case IDIPv4Addr, IDIPv6Addr:
		if a, ok := netip.AddrFromSlice([]byte(i.Data)); ok {
			return a.String()
		}
	case IDDERASN1DN:
		return i.describeDN()
	}
	return i.Data
}

// An IKEProposal is one combination of algorithms for the IKE SA. An AEAD
// cipher has no integrity algorithm of its own; its PRF follows Integrity's
// hash, which is why an AEAD proposal still names one (as PRF).
type IKEProposal struct {
	Encryption Encryption
	Integrity  Integrity // IntegrityNone with an AEAD
	PRF        PRF
	Group      Group

	// Additional are key exchanges that follow that of Group and are mixed
	// into the keys.
	Additional AdditionalGroups
}

// An ESPProposal is one combination of algorithms for the child SA. Group is
// used for perfect forward secrecy when the child is rekeyed (the first child
// takes its keys from the IKE SA); GroupNone means no PFS.
type ESPProposal struct {
	Encryption Encryption
	Integrity  Integrity // IntegrityNone with an AEAD
	Group      Group

	// Additional are key exchanges that follow that of Group.
	Additional AdditionalGroups

	// ExtendedSequence makes sequence numbers of 64 bits: RFC 4303 section 2.2.1.
	// Where a peer offers them it gets them even if we don't offer them ourselves.
	ExtendedSequence bool
}

// AdditionalGroupsMax is how many additional key exchanges a proposal may name.
// RFC 9370 section 2.2.1.
const AdditionalGroupsMax = 7

// AdditionalGroups are the methods of additional key exchanges in their order,
// GroupNone behind the last. They are key encapsulation mechanisms: MLKEM768 or
// MLKEM1024, each at most once. IKEv1 has none.
type AdditionalGroups [AdditionalGroupsMax]Group

// Encryption is a cipher with its key length; the names are AWS's.
type Encryption uint8

// Ciphers.
const (
	EncryptionNone Encryption = iota
	AES128CBC
	AES256CBC
	AES128GCM16
	AES256GCM16
	ChaCha20Poly1305 // RFC 7634; not among AWS's, and not in IKEv1
)

// AEAD reports whether e authenticates by itself.
func (e Encryption) AEAD() bool { return e >= AES128GCM16 && e <= ChaCha20Poly1305 }

// Integrity is an integrity algorithm: HMAC, truncated as its RFC says.
type Integrity uint8

// Integrity algorithms.
const (
	IntegrityNone Integrity = iota
	HMACSHA1                // HMAC_SHA1_96, RFC 2404
	HMACSHA256              // HMAC_SHA2_256_128, RFC 4868
	HMACSHA384              // HMAC_SHA2_384_192
	HMACSHA512              // HMAC_SHA2_512_256
)

// PRF is a pseudo-random function.
type PRF uint8

// Pseudo-random functions.
const (
	PRFNone PRF = iota
	PRFHMACSHA1
	PRFHMACSHA256
	PRFHMACSHA384
	PRFHMACSHA512
)

// Group is the IANA number of a key exchange method: a Diffie-Hellman group or a
// key encapsulation mechanism.
type Group uint16

// Diffie-Hellman groups. RFC 2409, RFC 3526, RFC 5903, RFC 5114, RFC 8031. AWS
// has all up to 24, group 5 in phase 2 alone.
const (
	GroupNone Group = 0
	Group2    Group = 2  // MODP 1024
	Group5    Group = 5  // MODP 1536
	Group14   Group = 14 // MODP 2048
	Group15   Group = 15 // MODP 3072
	Group16   Group = 16 // MODP 4096
	Group17   Group = 17 // MODP 6144
	Group18   Group = 18 // MODP 8192
	Group19   Group = 19 // NIST P-256
	Group20   Group = 20 // NIST P-384
	Group21   Group = 21 // NIST P-521
	Group22   Group = 22 // MODP 1024 with a subgroup of 160 bits
	Group23   Group = 23 // MODP 2048 with a subgroup of 224 bits
	Group24   Group = 24 // MODP 2048 with a subgroup of 256 bits
	Group31   Group = 31 // Curve25519
	Group32   Group = 32 // Curve448
)

// Key encapsulation mechanisms, for additional key exchanges.
// draft-ietf-ipsecme-ikev2-mlkem section 4.
const (
	MLKEM768  Group = 36
	MLKEM1024 Group = 37
)

// An SPI is an ESP security parameter index, in host order.
type SPI uint32

// A ChildSA is one pair of ESP SAs as it comes out of a negotiation.
type ChildSA struct {
	Inbound, Outbound SPI // Inbound was chosen by us

	Proposal ESPProposal

	// Encryption keys (for an AEAD followed by its 4 bytes of salt, RFC 4106
	// section 8.1) and integrity keys (empty with an AEAD).
	InboundKey, InboundIntegrityKey   Secret
	OutboundKey, OutboundIntegrityKey Secret

	LocalSelectors, RemoteSelectors []netip.Prefix

	// Path is where ESP goes. UDP reports whether it is encapsulated; the
	// ports are meaningful only then.
	Path Path

	ReplayWindow int // packets
	Established  time.Time
	RekeyAt      time.Time // when our side will rekey
	ExpiresAt    time.Time // hard end of its life
}

// A Path is where a peer's packets go to and come from.
type Path struct {
	Local, Remote netip.AddrPort
	UDP           bool // ESP in UDP; otherwise IP protocol 50
	BehindNAT     bool // our side is: the owner sends keep-alives, RFC 3948 section 4
}

// An Event tells the owner what has become true of a peer. They are delivered
// in order. The owner acts on an event before the datagrams produced after it
// leave, so that an inbound SA is ready before the peer learns of it.
type Event interface{ event() }

// Connecting: an exchange with the peer has begun.
type Connecting struct{ Remote netip.AddrPort }

// Established: the peer is authenticated and the IKE SA stands.
type Established struct {
	Version  Version
	Path     Path
	Proposal IKEProposal
	RemoteID Identity
	Rekeyed  bool // replaces an earlier IKE SA of the same peer

	// RemoteChain is what the peer proved itself with, as it sent it (DER, the
	// leaf first); nil with a pre-shared key. The owner asks the Verifier about
	// it again from time to time: certificates expire and are revoked while an
	// IKE SA stands.
	RemoteChain [][]byte

	// FormerKey: both sides have proved themselves by Peer.FormerKey; the peer
	// is yet to be given Peer.PreSharedKey.
	FormerKey bool
}

// KeyUsed: the peer has proved itself by the PreSharedKey of the configuration with
// that number of KeyChanges, so that FormerKey is accepted no longer. The owner
// should see to it that FormerKey is not configured again: nothing else outlives
// the process.
type KeyUsed struct{ KeyChanges int64 }

// ChildInstalled: a new pair is to be installed. Inbound takes packets from
// now on; outbound is to be used only after ChildActivated. The keys are the
// owner's, to be wiped when they are no longer needed.
type ChildInstalled struct{ Child ChildSA }

// ChildActivated: from now on packets leave by this outbound SA. RFC 7296
// section 2.8: the responder of a rekey waits until the peer is known to have
// the new SA, so that no packet is lost.
type ChildActivated struct{ Outbound SPI }

// ChildRemoved: the pair is gone and its keys are to be wiped.
type ChildRemoved struct {
	Inbound, Outbound SPI
	Reason            string
}

// PathChanged: the peer's address or port moved (NAT rebinding).
type PathChanged struct{ Path Path }

// NegotiationFailed: an attempt ended without an SA. Reason is one sentence
// for an operator: what was offered, what is accepted, what to change.
type NegotiationFailed struct {
	Reason string
	Remote netip.AddrPort
}

// Closed: no SA with the peer is left.
type Closed struct{ Reason string }

func (Connecting) event()        {}
func (Established) event()       {}
func (KeyUsed) event()           {}
func (ChildInstalled) event()    {}
func (ChildActivated) event()    {}
func (ChildRemoved) event()      {}
func (PathChanged) event()       {}
func (NegotiationFailed) event() {}
func (Closed) event()            {}

// A Command is a request of the owner.
type Command interface{ command() }

// Initiate connects to the peer now, once.
type Initiate struct{}

// RekeyIKE replaces the IKE SA now.
type RekeyIKE struct{}

// RekeyChild replaces the child SA now.
type RekeyChild struct{}

// Reauthenticate negotiates everything anew beside the SAs that stand, which end
// when the new ones carry packets. Where nothing stands it is Initiate.
type Reauthenticate struct{}

// Terminate deletes all SAs with the peer, with notice to it.
type Terminate struct{ Reason string }

// InboundUsed reports the first authenticated packet on a new inbound SA.
type InboundUsed struct{ Inbound SPI }

// TrafficSeen reports when authenticated ESP last arrived, so that dead peer
// detection asks only peers that are silent. RFC 7296 section 2.4.
type TrafficSeen struct{ At time.Time }

// InboundMoved reports that authenticated ESP with a higher sequence number than
// any before has come in UDP from another source than the path has. RFC 7296
// section 2.23.
type InboundMoved struct {
	Inbound SPI
	Remote  netip.AddrPort
}

// Move has what stands go on at another address of ours, which it is an error if the
// peer does not follow. RFC 4555.
type Move struct{ Local netip.Addr }

func (Move) command()           {}
func (InboundMoved) command()   {}
func (Initiate) command()       {}
func (Reauthenticate) command() {}
func (RekeyIKE) command()       {}
func (RekeyChild) command()     {}
func (Terminate) command()      {}
func (InboundUsed) command()    {}
func (TrafficSeen) command()    {}

// ParseIdentity reads an identity as an operator writes it: an address, a
// distinguished name "C=DE, O=Example, CN=gateway", a user@domain, or a domain
// name.
func ParseIdentity(s string) Identity {
	if a, err := netip.ParseAddr(s); err == nil {
		return AddressIdentity(a)
	}
	if dn, ok := parseDN(s); ok {
		return dn
	}
	if strings.Contains(s, "@") && !strings.HasPrefix(s, "@") {
		return Identity{Type: IDRFC822, Data: s}
	}
	return Identity{Type: IDFQDN, Data: strings.TrimPrefix(s, "@")}
}
