package wire

import (
	"encoding/binary"
	"fmt"

	"causeway.dev/ike"
)

// A KE carries a public Diffie-Hellman value. RFC 7296 section 3.4.
type KE struct {
	Group ike.Group
	Data  []byte
}

const keHeaderLength = 4 // [ group 2 | RESERVED 2 ]

func parseKE(b []byte) (*KE, error) {
	if len(b) <= keHeaderLength {
		return nil, syntaxError("KE payload without a key exchange value")
	}
	return &KE{Group: ike.Group(binary.BigEndian.Uint16(b)), Data: octets(b[keHeaderLength:])}, nil
}

// PayloadType is KE.
func (*KE) PayloadType() PayloadType { return PayloadKE }

// String shows the group.
func (k *KE) String() string { return fmt.Sprintf("KE(%d)", k.Group) }

func (k *KE) appendBody(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint16(dst, uint16(k.Group))
	return append(append(dst, 0, 0), k.Data...)
}

// An ID says who the sender is (IDi of the initiator, IDr of the responder).
// RFC 7296 section 3.5.
type ID struct {
	Role     PayloadType // PayloadIDi or PayloadIDr
	Identity ike.Identity

	// Reserved is zero in what we send. It is kept because the AUTH payload
	// covers the ID payload as it was sent.
	Reserved [3]byte
}

const idHeaderLength = 4 // [ type 1 | RESERVED 3 ]

func parseID(role PayloadType, b []byte) (*ID, error) {
	if len(b) < idHeaderLength {
		return nil, syntaxError("%v payload of %d octets", role, len(b))
	}
	id := &ID{Role: role, Identity: ike.Identity{Type: ike.IDType(b[0]), Data: string(b[idHeaderLength:])}}
	copy(id.Reserved[:], b[1:])
	want := len(id.Identity.Data)
	switch id.Identity.Type {
	case ike.IDIPv4Addr:
		want = 4
	case ike.IDIPv6Addr:
		want = 16
	}
	if len(id.Identity.Data) != want {
		return nil, syntaxError("%v payload with an address of %d octets", role, len(id.Identity.Data))
	}
	return id, nil
}

// PayloadType is IDi or IDr.
func (i *ID) PayloadType() PayloadType { return i.Role }

// String shows the identity, quoted: the peer chose it.
func (i *ID) String() string { return fmt.Sprintf("%v(%q)", i.Role, i.Identity.String()) }

// Body is the payload without its generic header: what AUTH covers as
// RestOfIDPayload. RFC 7296 section 2.15.
func (i *ID) Body() []byte { return i.appendBody(nil) }

func (i *ID) appendBody(dst []byte) []byte {
	dst = append(dst, byte(i.Identity.Type))
	dst = append(dst, i.Reserved[:]...)
	return append(dst, i.Identity.Data...)
}

// An Auth proves who the sender is. RFC 7296 section 3.8.
type Auth struct {
	Method AuthMethod
	Data   []byte
}

const authHeaderLength = 4 // [ method 1 | RESERVED 3 ]

func parseAuth(b []byte) (*Auth, error) {
	if len(b) < authHeaderLength {
		return nil, syntaxError("AUTH payload of %d octets", len(b))
	}
	return &Auth{Method: AuthMethod(b[0]), Data: octets(b[authHeaderLength:])}, nil
}

// PayloadType is AUTH.
func (*Auth) PayloadType() PayloadType { return PayloadAuth }

// String shows the method.
func (a *Auth) String() string { return fmt.Sprintf("AUTH(%v)", a.Method) }

func (a *Auth) appendBody(dst []byte) []byte {
	return append(append(dst, byte(a.Method), 0, 0, 0), a.Data...)
}

// A Nonce is Ni or Nr: 16 to 256 octets. RFC 7296 section 3.9.
type Nonce struct{ Data []byte }

// Bounds of a nonce in octets. RFC 7296 section 3.9.
const (
	NonceLengthMin = 16
	NonceLengthMax = 256
)

func parseNonce(b []byte) (*Nonce, error) {
	if len(b) < NonceLengthMin || len(b) > NonceLengthMax {
		return nil, syntaxError("nonce of %d octets, allowed are %d to %d", len(b), NonceLengthMin, NonceLengthMax)
	}
	return &Nonce{Data: octets(b)}, nil
}

// PayloadType is Nonce.
func (*Nonce) PayloadType() PayloadType { return PayloadNonce }

// String is the payload's name.
func (*Nonce) String() string { return "Nonce" }

func (n *Nonce) appendBody(dst []byte) []byte { return append(dst, n.Data...) }

// A VendorID announces an implementation or a private extension. RFC 7296
// section 3.12.
type VendorID struct{ Data []byte }

// PayloadType is V.
func (*VendorID) PayloadType() PayloadType { return PayloadVendorID }

// String shows the identifier.
func (v *VendorID) String() string { return fmt.Sprintf("V(%q)", v.Data) }

func (v *VendorID) appendBody(dst []byte) []byte { return append(dst, v.Data...) }

// An Encrypted (SK) holds the other payloads, encrypted and authenticated. RFC
// 7296 section 3.14, RFC 5282 section 3.
type Encrypted struct {
	Next PayloadType // the first payload inside
	Body []byte      // [ IV | ciphertext with padding | ICV ], as the cipher says
}

// PayloadType is SK.
func (*Encrypted) PayloadType() PayloadType { return PayloadSK }

// String is the payload's name: what is inside can't be seen.
func (*Encrypted) String() string { return "SK{…}" }

func (e *Encrypted) appendBody(dst []byte) []byte { return append(dst, e.Body...) }

// A Raw is a payload that this package does not take apart: CP, EAP, and types
// that it does not know.
type Raw struct {
	Type     PayloadType
	Critical bool // in a parsed payload true only where the type is known
	Body     []byte
}

// PayloadType is the payload's number.
func (r *Raw) PayloadType() PayloadType { return r.Type }

// String is the payload's name.
func (r *Raw) String() string { return r.Type.String() }

func (r *Raw) appendBody(dst []byte) []byte { return append(dst, r.Body...) }
