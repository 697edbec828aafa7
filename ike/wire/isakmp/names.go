package isakmp

import (
	"fmt"

	"causeway.dev/ike/wire"
)

// PayloadType is the IANA number of an IKEv1 payload. RFC 2408 section 3.1.
type PayloadType uint8

// Payload types. The drafts of NAT traversal used private numbers before RFC 3947
// had its own.
const (
	PayloadNone       PayloadType = 0
	PayloadSA         PayloadType = 1
	PayloadKE         PayloadType = 4
	PayloadID         PayloadType = 5
	PayloadCert       PayloadType = 6
	PayloadCertReq    PayloadType = 7
	PayloadHash       PayloadType = 8
	PayloadSignature  PayloadType = 9
	PayloadNonce      PayloadType = 10
	PayloadNotify     PayloadType = 11
	PayloadDelete     PayloadType = 12
	PayloadVendorID   PayloadType = 13
	PayloadAttributes PayloadType = 14 // of mode config and XAUTH
	PayloadNATD       PayloadType = 20
	PayloadNATOA      PayloadType = 21
	PayloadNATDDraft  PayloadType = 130
	PayloadNATOADraft PayloadType = 131
)

var payloadNames = map[PayloadType]string{
	PayloadNone: "none", PayloadSA: "SA", PayloadKE: "KE", PayloadID: "ID", PayloadCert: "CERT", PayloadCertReq: "CR",
	PayloadHash: "HASH", PayloadSignature: "SIG", PayloadNonce: "NONCE", PayloadNotify: "N", PayloadDelete: "D",
	PayloadVendorID: "VID", PayloadAttributes: "ATTR", PayloadNATD: "NAT-D", PayloadNATOA: "NAT-OA",
	PayloadNATDDraft: "NAT-D", PayloadNATOADraft: "NAT-OA",
}

// String is RFC 2408's notation.
func (t PayloadType) String() string { return name(payloadNames, t, "payload") }

// Exchange types of IKEv1. RFC 2408 section 3.1, RFC 2409 appendix A,
// draft-dukes-ike-mode-cfg.
const (
	MainMode       wire.ExchangeType = 2 // "Identity Protection"
	AggressiveMode wire.ExchangeType = 4
	Informational  wire.ExchangeType = 5
	Transaction    wire.ExchangeType = 6 // mode config and XAUTH
	QuickMode      wire.ExchangeType = 32
)

var exchangeNames = map[wire.ExchangeType]string{
	MainMode: "main mode", AggressiveMode: "aggressive mode", Informational: "informational", Transaction: "transaction", QuickMode: "quick mode",
}

// Header flags of IKEv1. RFC 2408 section 3.1.
const (
	FlagEncryption wire.Flags = 1 << 0
	FlagCommit     wire.Flags = 1 << 1
)

// NotifyType is the IANA number of an IKEv1 notification: below 16384 an error,
// a status from there on. RFC 2408 section 3.14.1, RFC 2407 section 4.6.3.
type NotifyType uint16

// Errors.
const (
	InvalidPayloadType      NotifyType = 1
	DOINotSupported         NotifyType = 2
	SituationNotSupported   NotifyType = 3
	InvalidCookie           NotifyType = 4
	InvalidExchangeType     NotifyType = 7
	InvalidMessageID        NotifyType = 9
	InvalidSPI              NotifyType = 11
	NoProposalChosen        NotifyType = 14
	BadProposalSyntax       NotifyType = 15
	PayloadMalformed        NotifyType = 16
	InvalidKeyInformation   NotifyType = 17
	InvalidIDInformation    NotifyType = 18
	InvalidCertificate      NotifyType = 20
	InvalidHashInformation  NotifyType = 23
	AuthenticationFailed    NotifyType = 24
	InvalidSignature        NotifyType = 25
	UnsupportedExchangeType NotifyType = 29
)

// Statuses. RFC 2408 section 3.14.1, RFC 2407 section 4.6.3, RFC 3706 section 5.
const (
	Connected         NotifyType = 16384
	ResponderLifetime NotifyType = 24576
	ReplayStatus      NotifyType = 24577
	InitialContact    NotifyType = 24578
	RUThere           NotifyType = 36136
	RUThereAck        NotifyType = 36137
)

// IsError reports whether the notification is an error.
func (n NotifyType) IsError() bool { return n < Connected }

var notifyNames = map[NotifyType]string{
	InvalidPayloadType: "INVALID-PAYLOAD-TYPE", DOINotSupported: "DOI-NOT-SUPPORTED", SituationNotSupported: "SITUATION-NOT-SUPPORTED",
	InvalidCookie: "INVALID-COOKIE", InvalidExchangeType: "INVALID-EXCHANGE-TYPE", InvalidMessageID: "INVALID-MESSAGE-ID",
	InvalidSPI: "INVALID-SPI", NoProposalChosen: "NO-PROPOSAL-CHOSEN", BadProposalSyntax: "BAD-PROPOSAL-SYNTAX",
	PayloadMalformed: "PAYLOAD-MALFORMED", InvalidKeyInformation: "INVALID-KEY-INFORMATION", InvalidIDInformation: "INVALID-ID-INFORMATION",
	InvalidCertificate: "INVALID-CERTIFICATE", InvalidHashInformation: "INVALID-HASH-INFORMATION",
	AuthenticationFailed: "AUTHENTICATION-FAILED", InvalidSignature: "INVALID-SIGNATURE", UnsupportedExchangeType: "UNSUPPORTED-EXCHANGE-TYPE",
	Connected: "CONNECTED", ResponderLifetime: "RESPONDER-LIFETIME", ReplayStatus: "REPLAY-STATUS", InitialContact: "INITIAL-CONTACT",
	RUThere: "R-U-THERE", RUThereAck: "R-U-THERE-ACK",
}

// String is the RFCs' name.
func (n NotifyType) String() string { return name(notifyNames, n, "notification") }

// Attribute types of a phase 1 transform. RFC 2409 appendix A.
const (
	AttributeEncryption   uint16 = 1
	AttributeHash         uint16 = 2
	AttributeAuthMethod   uint16 = 3
	AttributeGroup        uint16 = 4
	AttributeLifeType     uint16 = 11
	AttributeLifeDuration uint16 = 12
	AttributeKeyLength    uint16 = 14 // bits
)

// Attribute types of an ESP transform. RFC 2407 section 4.5.
const (
	AttributeESPLifeType      uint16 = 1
	AttributeESPLifeDuration  uint16 = 2
	AttributeESPGroup         uint16 = 3
	AttributeESPEncapsulation uint16 = 4
	AttributeESPIntegrity     uint16 = 5
	AttributeESPKeyLength     uint16 = 6 // bits

	// AttributeESPExtendedSequence is of RFC 4304; its only value is 1.
	AttributeESPExtendedSequence uint16 = 11
)

// Values of phase 1's attributes. RFC 2409 appendix A, RFC 3602, IANA's registry
// of IKEv1.
const (
	EncryptionDES    uint64 = 1
	EncryptionDES3   uint64 = 5
	EncryptionAESCBC uint64 = 7

	HashMD5    uint64 = 1
	HashSHA1   uint64 = 2
	HashSHA256 uint64 = 4
	HashSHA384 uint64 = 5
	HashSHA512 uint64 = 6

	LifeSeconds   uint64 = 1
	LifeKilobytes uint64 = 2
)

// AuthMethod is how the sides of a main mode prove who they are. RFC 2409
// appendix A, RFC 4754 section 4; XAUTH has private numbers.
type AuthMethod uint16

// Authentication methods.
const (
	AuthPreSharedKey AuthMethod = 1
	AuthRSASignature AuthMethod = 3
	AuthECDSA256     AuthMethod = 9
	AuthECDSA384     AuthMethod = 10
	AuthECDSA521     AuthMethod = 11

	// The private numbers of XAUTH, with proofs by both sides and by one.
	authXAUTHFirst  AuthMethod = 65001
	authXAUTHLast   AuthMethod = 65010
	authHybridFirst AuthMethod = 64221
	authHybridLast  AuthMethod = 64222
)

// XAUTH reports whether the method asks for a user's name and password beside.
func (m AuthMethod) XAUTH() bool {
	return m >= authXAUTHFirst && m <= authXAUTHLast || m >= authHybridFirst && m <= authHybridLast
}

var authNames = map[AuthMethod]string{
	AuthPreSharedKey: "pre-shared key", AuthRSASignature: "RSA signature",
	AuthECDSA256: "ECDSA signature with SHA-256 on P-256", AuthECDSA384: "ECDSA signature with SHA-384 on P-384", AuthECDSA521: "ECDSA signature with SHA-512 on P-521",
}

// String is the method's name.
func (m AuthMethod) String() string {
	if m.XAUTH() {
		return "XAUTH"
	}
	return name(authNames, m, "authentication method")
}

// Identifiers of phase 1's and ESP's transforms, and values of ESP's attributes.
// RFC 2407 sections 4.4 and 4.5, RFC 3602, RFC 4106, RFC 4868, RFC 3947 section
// 5.1, draft-ietf-ipsec-nat-t-ike-03 section 5.1.
const (
	TransformKeyIKE uint8 = 1

	TransformESPDES3     uint8 = 3
	TransformESPNull     uint8 = 11
	TransformESPAESCBC   uint8 = 12
	TransformESPAESGCM16 uint8 = 20

	ESPHMACMD5    uint64 = 1
	ESPHMACSHA1   uint64 = 2
	ESPHMACSHA256 uint64 = 5
	ESPHMACSHA384 uint64 = 6
	ESPHMACSHA512 uint64 = 7

	EncapsulationTunnel         uint64 = 1
	EncapsulationTransport      uint64 = 2
	EncapsulationUDPTunnel      uint64 = 3
	EncapsulationUDPTunnelDraft uint64 = 61443
)

// Kinds of identities beyond those that package ike has for both versions. RFC
// 2407 section 4.6.2.
const (
	idIPv4Subnet = 4
	idIPv6Subnet = 6
	idIPv4Range  = 7
	idIPv6Range  = 8
)

// CertX509Signature is the encoding of a CERT payload that holds an X.509
// certificate, and of a CR payload that asks for one. RFC 2408 section 3.9.
const CertX509Signature uint8 = 4

func name[T interface{ ~uint8 | ~uint16 }](names map[T]string, value T, kind string) string {
	if s, ok := names[value]; ok {
		return s
	}
	return fmt.Sprintf("%s %d", kind, value)
}
