package keys

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"net/netip"

	"causeway.dev/ike"
	"causeway.dev/ike/wire"
)

// AuthPSK is the AUTH payload's data for a shared key. RFC 7296 section 2.15:
// prf(prf(shared key, "Key Pad for IKEv2"), message | nonce | prf(SK_p, ID')).
//
// message is the first message of the side that proves itself, with its header;
// nonce is the data of the other side's nonce; idBody is the proving side's ID
// payload without its generic header, sk its SK_pi or SK_pr. What IKE_INTERMEDIATE
// exchanges add, [IntermediateOctets], follows; nil without them. Compare with
// [Equal].
func AuthPSK(p ike.PRF, psk, sk ike.Secret, message, nonce, idBody, intermediate []byte) []byte {
	key := prf(p, psk, []byte("Key Pad for IKEv2"))
	defer Wipe(key)
	return prf(p, key, message, nonce, prf(p, sk, idBody), intermediate)
}

// SignedOctets are what a signature in an AUTH payload covers, with the arguments
// of AuthPSK. RFC 7296 section 2.15: message | nonce | prf(SK_p, ID').
func SignedOctets(p ike.PRF, sk ike.Secret, message, nonce, idBody, intermediate []byte) []byte {
	return concat(message, nonce, prf(p, sk, idBody), intermediate)
}

// IntermediateAuth is what one side's messages of IKE_INTERMEDIATE exchanges come to
// with another of them. RFC 9242 section 3.3.2: prf(SK_p, before | A | P), where A is
// the message from its header to the header of the Encrypted payload, with lengths
// that leave out what protects it, and P what is inside.
func IntermediateAuth(p ike.PRF, sk ike.Secret, before []byte, h wire.Header, first wire.PayloadType, inside []byte) []byte {
	const encryptedHeader = 4
	h.NextPayload, h.Length = wire.PayloadSK, uint32(wire.HeaderLength+encryptedHeader+len(inside))
	a := append(h.Append(nil), byte(first), 0)
	a = binary.BigEndian.AppendUint16(a, uint16(encryptedHeader+len(inside)))
	return prf(p, sk, before, a, inside)
}

// IntermediateOctets are what an AUTH payload covers of IKE_INTERMEDIATE exchanges:
// both sides' IntermediateAuth after the last, and the message id of IKE_AUTH. RFC
// 9242 section 3.3.2.
func IntermediateOctets(initiator, responder []byte, authID uint32) []byte {
	return binary.BigEndian.AppendUint32(concat(initiator, responder), authID)
}

// Equal compares two proofs in constant time.
func Equal(a, b []byte) bool { return hmac.Equal(a, b) }

// NATDetectionHash is the data of NAT_DETECTION_SOURCE_IP and
// NAT_DETECTION_DESTINATION_IP: SHA-1 over the SPIs as they are in the message's
// header, the address and the port. RFC 7296 section 2.23.
func NATDetectionHash(spii, spir uint64, addr netip.AddrPort) [sha1.Size]byte {
	return sha1.Sum(natDetectionInput(spii, spir, addr))
}

// natDetectionInput is what both versions of IKE hash.
func natDetectionInput(spii, spir uint64, addr netip.AddrPort) []byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, 8+8+16+2), spii)
	b = binary.BigEndian.AppendUint64(b, spir)
	b = append(b, addr.Addr().Unmap().AsSlice()...)
	return binary.BigEndian.AppendUint16(b, addr.Port())
}

// Cookies makes what initiators have to return before a loaded responder keeps state
// for them: MACs under a secret that the responder changes now and then. RFC 7296
// section 2.6.
type Cookies struct {
	mac   hash.Hash
	input [16 + 2 + 8]byte // what names the source
	sum   [sha256.Size]byte
}

// NewCookies returns the cookies under a secret.
func NewCookies(secret ike.Secret) *Cookies { return &Cookies{mac: hmac.New(sha256.New, secret)} }

// Of returns the cookie for a request. It is valid until the next call, and is to be
// compared with [Equal].
func (c *Cookies) Of(nonce []byte, addr netip.AddrPort, spii uint64) []byte {
	source := addr.Addr().As16()
	input := append(c.input[:0], source[:]...)
	input = binary.BigEndian.AppendUint16(input, addr.Port())
	input = binary.BigEndian.AppendUint64(input, spii)
	c.mac.Reset()
	c.mac.Write(input)
	c.mac.Write(nonce)
	return c.mac.Sum(c.sum[:0])
}
