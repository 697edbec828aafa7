package wire

import "strconv"

// PayloadType is the IANA number of a payload. RFC 7296 section 3.2.
type PayloadType uint8

// Payload types.
const (
	PayloadNone     PayloadType = 0
	PayloadSA       PayloadType = 33
	PayloadKE       PayloadType = 34
	PayloadIDi      PayloadType = 35
	PayloadIDr      PayloadType = 36
	PayloadCert     PayloadType = 37
	PayloadCertReq  PayloadType = 38
	PayloadAuth     PayloadType = 39
	PayloadNonce    PayloadType = 40
	PayloadNotify   PayloadType = 41
	PayloadDelete   PayloadType = 42
	PayloadVendorID PayloadType = 43
	PayloadTSi      PayloadType = 44
	PayloadTSr      PayloadType = 45
	PayloadSK       PayloadType = 46
	PayloadCP       PayloadType = 47
	PayloadEAP      PayloadType = 48
	PayloadSKF      PayloadType = 53 // RFC 7383
)

// String is RFC 7296's notation.
func (t PayloadType) String() string {
	switch t {
	case PayloadNone:
		return "none"
	case PayloadSA:
		return "SA"
	case PayloadKE:
		return "KE"
	case PayloadIDi:
		return "IDi"
	case PayloadIDr:
		return "IDr"
	case PayloadCert:
		return "CERT"
	case PayloadCertReq:
		return "CERTREQ"
	case PayloadAuth:
		return "AUTH"
	case PayloadNonce:
		return "Nonce"
	case PayloadNotify:
		return "N"
	case PayloadDelete:
		return "D"
	case PayloadVendorID:
		return "V"
	case PayloadTSi:
		return "TSi"
	case PayloadTSr:
		return "TSr"
	case PayloadSK:
		return "SK"
	case PayloadCP:
		return "CP"
	case PayloadEAP:
		return "EAP"
	case PayloadSKF:
		return "SKF"
	}
	return number("payload", uint64(t))
}

// ExchangeType is the IANA number of an exchange. RFC 7296 section 3.1.
type ExchangeType uint8

// Exchange types of IKEv2.
const (
	IKESAInit     ExchangeType = 34
	IKEAuth       ExchangeType = 35
	CreateChildSA ExchangeType = 36
	Informational ExchangeType = 37

	IKEIntermediate ExchangeType = 43 // RFC 9242
	IKEFollowupKE   ExchangeType = 44 // RFC 9370
)

// String is RFC 7296's name.
func (t ExchangeType) String() string {
	switch t {
	case IKESAInit:
		return "IKE_SA_INIT"
	case IKEAuth:
		return "IKE_AUTH"
	case CreateChildSA:
		return "CREATE_CHILD_SA"
	case Informational:
		return "INFORMATIONAL"
	case IKEIntermediate:
		return "IKE_INTERMEDIATE"
	case IKEFollowupKE:
		return "IKE_FOLLOWUP_KE"
	}
	return number("exchange", uint64(t))
}

// ProtocolID says what kind of SA is meant. RFC 7296 section 3.3.1.
type ProtocolID uint8

// Protocols.
const (
	ProtocolNone ProtocolID = 0
	ProtocolIKE  ProtocolID = 1
	ProtocolAH   ProtocolID = 2
	ProtocolESP  ProtocolID = 3
)

// String is the protocol's name.
func (p ProtocolID) String() string {
	switch p {
	case ProtocolNone:
		return "none"
	case ProtocolIKE:
		return "IKE"
	case ProtocolAH:
		return "AH"
	case ProtocolESP:
		return "ESP"
	}
	return number("protocol", uint64(p))
}

// TransformType is the kind of an algorithm. RFC 7296 section 3.3.2.
type TransformType uint8

// Transform types.
const (
	TransformEncryption TransformType = 1 // ENCR
	TransformPRF        TransformType = 2
	TransformIntegrity  TransformType = 3 // INTEG
	TransformGroup      TransformType = 4 // D-H
	TransformESN        TransformType = 5 // extended sequence numbers

	// TransformAdditional is ADDKE1, of the first additional key exchange; the
	// others follow it up to TransformAdditionalLast. RFC 9370 section 2.2.1.
	TransformAdditional     TransformType = 6
	TransformAdditionalLast TransformType = 12
)

// String is RFC 7296's abbreviation.
func (t TransformType) String() string {
	switch t {
	case TransformEncryption:
		return "ENCR"
	case TransformPRF:
		return "PRF"
	case TransformIntegrity:
		return "INTEG"
	case TransformGroup:
		return "D-H"
	case TransformESN:
		return "ESN"
	}
	if t >= TransformAdditional && t <= TransformAdditionalLast {
		return "ADDKE" + strconv.Itoa(int(t-TransformAdditional)+1)
	}
	return number("transform", uint64(t))
}

// Transform IDs by type: those that package ike has names for, and what is
// needed to name others. RFC 7296 section 3.3.2, RFC 4868, RFC 5282.
const (
	EncryptionDES3       uint16 = 3
	EncryptionNull       uint16 = 11
	EncryptionAESCBC     uint16 = 12 // with Key Length
	EncryptionAESGCM16   uint16 = 20 // with Key Length
	EncryptionChaCha20   uint16 = 28
	PRFHMACSHA1          uint16 = 2
	PRFHMACSHA2256       uint16 = 5
	PRFHMACSHA2384       uint16 = 6
	PRFHMACSHA2512       uint16 = 7
	IntegrityNone        uint16 = 0
	IntegrityHMACSHA1    uint16 = 2  // AUTH_HMAC_SHA1_96
	IntegrityHMACSHA2256 uint16 = 12 // AUTH_HMAC_SHA2_256_128
	IntegrityHMACSHA2384 uint16 = 13 // AUTH_HMAC_SHA2_384_192
	IntegrityHMACSHA2512 uint16 = 14 // AUTH_HMAC_SHA2_512_256
	ESNNone              uint16 = 0
	ESNExtended          uint16 = 1
)

// AuthMethod is how an AUTH payload proves the identity. RFC 7296 section 3.8.
type AuthMethod uint8

// Authentication methods.
const (
	AuthRSASignature     AuthMethod = 1
	AuthSharedKey        AuthMethod = 2  // Shared Key Message Integrity Code
	AuthECDSA256         AuthMethod = 9  // ECDSA with SHA-256 on P-256, RFC 4754
	AuthECDSA384         AuthMethod = 10 // ECDSA with SHA-384 on P-384, RFC 4754
	AuthECDSA521         AuthMethod = 11 // ECDSA with SHA-512 on P-521, RFC 4754
	AuthDigitalSignature AuthMethod = 14 // RFC 7427
)

// String is the method's name.
func (m AuthMethod) String() string {
	switch m {
	case AuthRSASignature:
		return "RSA signature"
	case AuthSharedKey:
		return "shared key"
	case AuthECDSA256:
		return "ECDSA signature on P-256"
	case AuthECDSA384:
		return "ECDSA signature on P-384"
	case AuthECDSA521:
		return "ECDSA signature on P-521"
	case AuthDigitalSignature:
		return "digital signature"
	}
	return number("method", uint64(m))
}

// NotifyType is the IANA number of a notification: below 16384 an error, a
// status from there on. RFC 7296 section 3.10.1.
type NotifyType uint16

// Errors.
const (
	UnsupportedCriticalPayload NotifyType = 1
	InvalidIKESPI              NotifyType = 4
	InvalidMajorVersion        NotifyType = 5
	InvalidSyntax              NotifyType = 7
	InvalidMessageID           NotifyType = 9
	InvalidSPI                 NotifyType = 11
	NoProposalChosen           NotifyType = 14
	InvalidKEPayload           NotifyType = 17
	AuthenticationFailed       NotifyType = 24
	SinglePairRequired         NotifyType = 34
	NoAdditionalSAs            NotifyType = 35
	InternalAddressFailure     NotifyType = 36
	FailedCPRequired           NotifyType = 37
	TSUnacceptable             NotifyType = 38
	InvalidSelectors           NotifyType = 39
	UnacceptableAddresses      NotifyType = 40 // RFC 4555
	UnexpectedNATDetected      NotifyType = 41 // RFC 4555
	TemporaryFailure           NotifyType = 43
	ChildSANotFound            NotifyType = 44
	StateNotFound              NotifyType = 47 // RFC 9370
)

// Statuses.
const (
	InitialContact            NotifyType = 16384
	SetWindowSize             NotifyType = 16385
	AdditionalTSPossible      NotifyType = 16386
	IPCompSupported           NotifyType = 16387
	NATDetectionSourceIP      NotifyType = 16388
	NATDetectionDestinationIP NotifyType = 16389
	CookieNotify              NotifyType = 16390
	UseTransportMode          NotifyType = 16391
	HTTPCertLookupSupported   NotifyType = 16392
	RekeySA                   NotifyType = 16393
	ESPTFCPaddingNotSupported NotifyType = 16394
	NonFirstFragmentsAlso     NotifyType = 16395
	MOBIKESupported           NotifyType = 16396 // RFC 4555, as the next six
	AdditionalIPv4Address     NotifyType = 16397
	AdditionalIPv6Address     NotifyType = 16398
	NoAdditionalAddresses     NotifyType = 16399
	UpdateSAAddresses         NotifyType = 16400
	Cookie2                   NotifyType = 16401
	NoNATsAllowed             NotifyType = 16402
	MultipleAuthSupported     NotifyType = 16404
	RedirectSupported         NotifyType = 16406 // RFC 5685
	Redirect                  NotifyType = 16407 // RFC 5685
	ChildlessSupported        NotifyType = 16418 // RFC 6023
	MessageIDSyncSupported    NotifyType = 16420
	FragmentationSupported    NotifyType = 16430 // RFC 7383
	SignatureHashAlgorithms   NotifyType = 16431 // RFC 7427
	IntermediateSupported     NotifyType = 16438 // RFC 9242
	AdditionalKeyExchange     NotifyType = 16441 // RFC 9370
)

// IsError reports whether the notification is an error.
func (n NotifyType) IsError() bool { return n < InitialContact }

// String is the IANA name.
func (n NotifyType) String() string {
	if s, ok := notifyNames[n]; ok {
		return s
	}
	return number("notification", uint64(n))
}

var notifyNames = map[NotifyType]string{
	UnsupportedCriticalPayload: "UNSUPPORTED_CRITICAL_PAYLOAD",
	InvalidIKESPI:              "INVALID_IKE_SPI",
	InvalidMajorVersion:        "INVALID_MAJOR_VERSION",
	InvalidSyntax:              "INVALID_SYNTAX",
	InvalidMessageID:           "INVALID_MESSAGE_ID",
	InvalidSPI:                 "INVALID_SPI",
	NoProposalChosen:           "NO_PROPOSAL_CHOSEN",
	InvalidKEPayload:           "INVALID_KE_PAYLOAD",
	AuthenticationFailed:       "AUTHENTICATION_FAILED",
	SinglePairRequired:         "SINGLE_PAIR_REQUIRED",
	NoAdditionalSAs:            "NO_ADDITIONAL_SAS",
	InternalAddressFailure:     "INTERNAL_ADDRESS_FAILURE",
	FailedCPRequired:           "FAILED_CP_REQUIRED",
	TSUnacceptable:             "TS_UNACCEPTABLE",
	InvalidSelectors:           "INVALID_SELECTORS",
	TemporaryFailure:           "TEMPORARY_FAILURE",
	ChildSANotFound:            "CHILD_SA_NOT_FOUND",
	StateNotFound:              "STATE_NOT_FOUND",
	InitialContact:             "INITIAL_CONTACT",
	SetWindowSize:              "SET_WINDOW_SIZE",
	AdditionalTSPossible:       "ADDITIONAL_TS_POSSIBLE",
	IPCompSupported:            "IPCOMP_SUPPORTED",
	NATDetectionSourceIP:       "NAT_DETECTION_SOURCE_IP",
	NATDetectionDestinationIP:  "NAT_DETECTION_DESTINATION_IP",
	CookieNotify:               "COOKIE",
	UseTransportMode:           "USE_TRANSPORT_MODE",
	HTTPCertLookupSupported:    "HTTP_CERT_LOOKUP_SUPPORTED",
	RekeySA:                    "REKEY_SA",
	ESPTFCPaddingNotSupported:  "ESP_TFC_PADDING_NOT_SUPPORTED",
	NonFirstFragmentsAlso:      "NON_FIRST_FRAGMENTS_ALSO",
	UnacceptableAddresses:      "UNACCEPTABLE_ADDRESSES",
	UnexpectedNATDetected:      "UNEXPECTED_NAT_DETECTED",
	MOBIKESupported:            "MOBIKE_SUPPORTED",
	AdditionalIPv4Address:      "ADDITIONAL_IP4_ADDRESS",
	AdditionalIPv6Address:      "ADDITIONAL_IP6_ADDRESS",
	NoAdditionalAddresses:      "NO_ADDITIONAL_ADDRESSES",
	UpdateSAAddresses:          "UPDATE_SA_ADDRESSES",
	Cookie2:                    "COOKIE2",
	NoNATsAllowed:              "NO_NATS_ALLOWED",
	Redirect:                   "REDIRECT",
	MultipleAuthSupported:      "MULTIPLE_AUTH_SUPPORTED",
	RedirectSupported:          "REDIRECT_SUPPORTED",
	ChildlessSupported:         "CHILDLESS_IKEV2_SUPPORTED",
	MessageIDSyncSupported:     "IKEV2_MESSAGE_ID_SYNC_SUPPORTED",
	FragmentationSupported:     "IKEV2_FRAGMENTATION_SUPPORTED",
	SignatureHashAlgorithms:    "SIGNATURE_HASH_ALGORITHMS",
	IntermediateSupported:      "INTERMEDIATE_EXCHANGE_SUPPORTED",
	AdditionalKeyExchange:      "ADDITIONAL_KEY_EXCHANGE",
}

func number(kind string, n uint64) string { return kind + " " + strconv.FormatUint(n, 10) }
