// Package esp seals and opens the Encapsulating Security Payload of RFC 4303 in
// tunnel mode: in place, without allocation, one value for each direction of a
// security association. It does no I/O and reads no clock.
package esp

import (
	"errors"
	"fmt"

	"causeway.dev/ike"
)

// Errors of Seal and Open. All but ErrSequenceExhausted concern one packet
// only: an unauthenticated packet never harms the association.
var (
	ErrSequenceExhausted = errors.New("esp: sequence numbers are used up")
	ErrRoom              = errors.New("esp: no room around the payload")
	ErrShort             = errors.New("esp: packet is too short or not a whole number of blocks")
	ErrReplay            = errors.New("esp: sequence number was seen before or is left of the window")
	ErrAuthentication    = errors.New("esp: integrity check value is wrong")
	ErrPadding           = errors.New("esp: padding is malformed")
	ErrClosed            = errors.New("esp: security association is closed")
)

// Next header values that tunnel mode knows. RFC 4303 section 2.6.
const (
	NextHeaderIPv4  = 4
	NextHeaderIPv6  = 41
	NextHeaderDummy = 59 // to be dropped without a word
)

// Replay window bounds in packets; AWS's ReplayWindowSize has the same.
const (
	ReplayWindowMin     = 64
	ReplayWindowMax     = 2048
	ReplayWindowDefault = 1024
)

const (
	headerLen  = 8 // [ SPI 4 | sequence number 4 ]
	trailerLen = 2 // [ pad length 1 | next header 1 ]

	// HeadroomMax and TailroomMax are the room that any cipher needs before
	// and behind a payload: header and IV; padding, trailer and ICV.
	HeadroomMax = headerLen + 16
	TailroomMax = 15 + trailerLen + 32
)

// Params describe one direction of a security association.
type Params struct {
	SPI        ike.SPI
	Encryption ike.Encryption
	Integrity  ike.Integrity // IntegrityNone with an AEAD

	// Key is the encryption key; for an AEAD followed by 4 bytes of salt. RFC
	// 4106 section 8.1, RFC 7634 section 2. IntegrityKey is as long as the hash;
	// empty for an AEAD.
	Key, IntegrityKey ike.Secret

	// StandardAES leaves AES-GCM to the standard library, though the processor
	// has the instructions of internal/aesgcm.
	StandardAES bool

	// ExtendedSequence makes the sequence number one of 64 bits, of which the lower
	// half is sent and all is authenticated: RFC 4303 section 2.2.1.
	ExtendedSequence bool

	// ReplayWindow is the width of the anti-replay window in packets, from
	// ReplayWindowMin to ReplayWindowMax; 0 means ReplayWindowDefault. A
	// Sealer does not look at it.
	ReplayWindow int
}

// Counters are the use of an association so far. Bytes are those of the
// payload: inner IP packets, as AWS's TunnelDataIn and TunnelDataOut count.
type Counters struct {
	Packets, Bytes uint64
}

// A suite is what a pair of algorithms does to the form of a packet.
type suite struct {
	keyLen          int // of the cipher, without the salt
	saltLen         int
	ivLen           int
	block           int // payload and trailer together are a multiple of it
	icvLen          int
	integrityKeyLen int
}

func suiteOf(e ike.Encryption, i ike.Integrity) (suite, error) {
	var s suite
	switch e {
	case ike.AES128GCM16, ike.AES128CBC:
		s.keyLen = 16
	case ike.AES256GCM16, ike.AES256CBC, ike.ChaCha20Poly1305:
		s.keyLen = 32
	default:
		return suite{}, fmt.Errorf("esp: encryption %d is unknown", e)
	}
	if e.AEAD() {
		if i != ike.IntegrityNone {
			return suite{}, fmt.Errorf("esp: encryption %d takes no integrity algorithm, got %d", e, i)
		}
		s.saltLen, s.ivLen, s.block, s.icvLen = 4, 8, 4, 16
		return s, nil
	}
	s.ivLen, s.block = 16, 16
	switch i {
	case ike.HMACSHA1:
		s.icvLen, s.integrityKeyLen = 12, 20
	case ike.HMACSHA256:
		s.icvLen, s.integrityKeyLen = 16, 32
	case ike.HMACSHA384:
		s.icvLen, s.integrityKeyLen = 24, 48
	case ike.HMACSHA512:
		s.icvLen, s.integrityKeyLen = 32, 64
	default:
		return suite{}, fmt.Errorf("esp: AES-CBC needs an integrity algorithm, got %d", i)
	}
	return s, nil
}
