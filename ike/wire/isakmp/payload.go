package isakmp

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"causeway.dev/ike"
	"causeway.dev/ike/wire"
)

// A KE carries a public Diffie-Hellman value of the group that the SA names. RFC
// 2408 section 3.7.
type KE struct{ Data []byte }

// PayloadType is KE.
func (*KE) PayloadType() PayloadType { return PayloadKE }

// String shows the length.
func (k *KE) String() string { return fmt.Sprintf("KE(%d octets)", len(k.Data)) }

func (k *KE) appendBody(dst []byte) []byte { return append(dst, k.Data...) }

// A Nonce is Ni or Nr: 8 to 256 octets. RFC 2409 section 5.
type Nonce struct{ Data []byte }

const nonceLengthMin, nonceLengthMax = 8, 256

func parseNonce(b []byte) (*Nonce, error) {
	if len(b) < nonceLengthMin || len(b) > nonceLengthMax {
		return nil, malformed("nonce of %d octets, allowed are %d to %d", len(b), nonceLengthMin, nonceLengthMax)
	}
	return &Nonce{Data: octets(b)}, nil
}

// PayloadType is NONCE.
func (*Nonce) PayloadType() PayloadType { return PayloadNonce }

// String is the payload's name.
func (*Nonce) String() string { return "NONCE" }

func (n *Nonce) appendBody(dst []byte) []byte { return append(dst, n.Data...) }

// An ID says who the sender is, or, in quick mode, which traffic one side of the
// SA has. RFC 2407 section 4.6.2.
type ID struct {
	Type     ike.IDType
	Protocol uint8  // of the traffic; 0 or UDP in main mode
	Port     uint16 // of the traffic; 0, 500 or 4500 in main mode
	Data     []byte
}

const idHeaderLength = 4 // [ type 1 | protocol 1 | port 2 ]

func parseID(b []byte) (*ID, error) {
	if len(b) < idHeaderLength {
		return nil, malformed("ID payload of %d octets", len(b))
	}
	id := &ID{Type: ike.IDType(b[0]), Protocol: b[1], Port: binary.BigEndian.Uint16(b[2:]), Data: octets(b[idHeaderLength:])}
	want := len(id.Data)
	switch id.Type {
	case ike.IDIPv4Addr:
		want = 4
	case idIPv4Subnet, idIPv4Range:
		want = 8
	case ike.IDIPv6Addr:
		want = 16
	case idIPv6Subnet, idIPv6Range:
		want = 32
	}
	if len(id.Data) != want {
		return nil, &Error{Notify: InvalidIDInformation, Problem: fmt.Sprintf("identity of type %d with %d octets", id.Type, len(id.Data))}
	}
	return id, nil
}

// NewID is the payload that names an identity. RFC 2407 section 4.6.2: without a
// port, so that it holds behind a NAT as well.
func NewID(i ike.Identity) *ID { return &ID{Type: i.Type, Data: []byte(i.Data)} }

// NewTrafficID is the payload that names all traffic of a prefix.
func NewTrafficID(p netip.Prefix) *ID {
	kind := ike.IDType(idIPv6Subnet)
	if p.Addr().Is4() {
		kind = idIPv4Subnet
	}
	ones := make([]byte, p.Addr().BitLen()/8)
	for bit := range p.Bits() {
		ones[bit/8] |= 0x80 >> (bit % 8)
	}
	return &ID{Type: kind, Data: append(p.Masked().Addr().AsSlice(), ones...)}
}

// Identity is who the payload names.
func (i *ID) Identity() ike.Identity { return ike.Identity{Type: i.Type, Data: string(i.Data)} }

// Selector is the traffic that the payload names; false if it names none by
// addresses, or a subnet whose mask has a hole.
func (i *ID) Selector() (wire.TrafficSelector, bool) {
	half := len(i.Data) / 2
	first, _ := netip.AddrFromSlice(i.Data)
	last := first
	switch i.Type {
	case ike.IDIPv4Addr, ike.IDIPv6Addr:
	case idIPv4Range, idIPv6Range:
		first, _ = netip.AddrFromSlice(i.Data[:half])
		last, _ = netip.AddrFromSlice(i.Data[half:])
	case idIPv4Subnet, idIPv6Subnet:
		first, _ = netip.AddrFromSlice(i.Data[:half])
		bits, ok := maskBits(i.Data[half:])
		if !ok {
			return wire.TrafficSelector{}, false
		}
		all := wire.PrefixSelector(netip.PrefixFrom(first, bits))
		first, last = all.Start, all.End
	default:
		return wire.TrafficSelector{}, false
	}
	s := wire.TrafficSelector{Protocol: i.Protocol, StartPort: i.Port, EndPort: i.Port, Start: first, End: last}
	if i.Port == 0 {
		s.EndPort = 0xffff
	}
	return s, first.Compare(last) <= 0
}

// maskBits is the number of ones that a mask begins with; false if others follow.
func maskBits(mask []byte) (int, bool) {
	bits := 0
	for bits < 8*len(mask) && mask[bits/8]&(0x80>>(bits%8)) != 0 {
		bits++
	}
	for bit := bits; bit < 8*len(mask); bit++ {
		if mask[bit/8]&(0x80>>(bit%8)) != 0 {
			return 0, false
		}
	}
	return bits, true
}

// PayloadType is ID.
func (*ID) PayloadType() PayloadType { return PayloadID }

// String shows the identity or the traffic, quoted: the peer chose it.
func (i *ID) String() string {
	if s, ok := i.Selector(); ok && i.Type != ike.IDIPv4Addr && i.Type != ike.IDIPv6Addr {
		return fmt.Sprintf("ID(%v)", s)
	}
	return fmt.Sprintf("ID(%q)", i.Identity().String())
}

func (i *ID) appendBody(dst []byte) []byte {
	dst = append(dst, byte(i.Type), i.Protocol)
	return append(binary.BigEndian.AppendUint16(dst, i.Port), i.Data...)
}

// Body is the payload without its generic header, which the proofs of phase 1
// cover.
func (i *ID) Body() []byte { return i.appendBody(nil) }

// A Hash proves that a message comes from the holder of the keys. RFC 2408
// section 3.11.
type Hash struct{ Data []byte }

// PayloadType is HASH.
func (*Hash) PayloadType() PayloadType { return PayloadHash }

// String is the payload's name.
func (*Hash) String() string { return "HASH" }

func (h *Hash) appendBody(dst []byte) []byte { return append(dst, h.Data...) }

// A Signature proves the sender's identity by its certificate. RFC 2408 section
// 3.12.
type Signature struct{ Data []byte }

// PayloadType is SIG.
func (*Signature) PayloadType() PayloadType { return PayloadSignature }

// String is the payload's name.
func (*Signature) String() string { return "SIG" }

func (s *Signature) appendBody(dst []byte) []byte { return append(dst, s.Data...) }

// A Cert holds a certificate (CERT), or names an authority whose certificates are
// wanted (CR). RFC 2408 sections 3.9 and 3.10.
type Cert struct {
	Type     PayloadType // PayloadCert or PayloadCertReq
	Encoding uint8
	Data     []byte // DER: a certificate, or the name of an authority, or nothing for any
}

func parseCert(t PayloadType, b []byte) (*Cert, error) {
	if len(b) == 0 {
		return nil, malformed("%v payload without an encoding", t)
	}
	return &Cert{Type: t, Encoding: b[0], Data: octets(b[1:])}, nil
}

// PayloadType is CERT or CR.
func (c *Cert) PayloadType() PayloadType { return c.Type }

// String is the payload's name.
func (c *Cert) String() string { return c.Type.String() }

func (c *Cert) appendBody(dst []byte) []byte { return append(append(dst, c.Encoding), c.Data...) }

// A Notify carries an error or a status. RFC 2408 section 3.14.
type Notify struct {
	Type     NotifyType
	Protocol wire.ProtocolID
	SPI      []byte // of the SA that is meant: both cookies for an ISAKMP SA, 4 octets for ESP
	Data     []byte
}

const notifyHeaderLength = 8 // [ DOI 4 | protocol 1 | SPI size 1 | type 2 ]

func parseNotify(b []byte) (*Notify, error) {
	if len(b) < notifyHeaderLength || len(b)-notifyHeaderLength < int(b[5]) {
		return nil, malformed("N payload of %d octets", len(b))
	}
	if err := checkDOI(b); err != nil {
		return nil, err
	}
	spi := b[notifyHeaderLength:][:b[5]]
	return &Notify{
		Type:     NotifyType(binary.BigEndian.Uint16(b[6:])),
		Protocol: wire.ProtocolID(b[4]),
		SPI:      octets(spi),
		Data:     octets(b[notifyHeaderLength+len(spi):]),
	}, nil
}

func checkDOI(b []byte) error {
	if doi := binary.BigEndian.Uint32(b); doi != doiIPsec && doi != doiAny {
		return &Error{Notify: DOINotSupported, Problem: fmt.Sprintf("domain of interpretation %d", doi)}
	}
	return nil
}

// PayloadType is N.
func (*Notify) PayloadType() PayloadType { return PayloadNotify }

// String shows the notification's name.
func (n *Notify) String() string { return fmt.Sprintf("N(%v)", n.Type) }

func (n *Notify) appendBody(dst []byte) []byte {
	if len(n.SPI) > 255 {
		panic("isakmp: SPI of more than 255 octets")
	}
	dst = binary.BigEndian.AppendUint32(dst, doiIPsec)
	dst = append(dst, byte(n.Protocol), byte(len(n.SPI)))
	dst = binary.BigEndian.AppendUint16(dst, uint16(n.Type))
	return append(append(dst, n.SPI...), n.Data...)
}

// A Delete names SAs that the sender has deleted: by the SPIs that it receives
// by, or an ISAKMP SA by both cookies. RFC 2408 section 3.15.
type Delete struct {
	Protocol wire.ProtocolID
	SPIs     [][]byte // of one length
}

const (
	deleteHeaderLength = 8 // [ DOI 4 | protocol 1 | SPI size 1 | number of SPIs 2 ]

	// deletedMax bounds the SPIs of one payload.
	deletedMax = 256
)

func parseDelete(b []byte) (*Delete, error) {
	if len(b) < deleteHeaderLength {
		return nil, malformed("D payload of %d octets", len(b))
	}
	if err := checkDOI(b); err != nil {
		return nil, err
	}
	d := &Delete{Protocol: wire.ProtocolID(b[4])}
	size, count := int(b[5]), int(binary.BigEndian.Uint16(b[6:]))
	b = b[deleteHeaderLength:]
	if count > deletedMax || size == 0 && count != 0 || len(b) != size*count {
		return nil, malformed("D payload with %d SPIs of %d octets has %d", count, size, len(b))
	}
	for i := range count {
		d.SPIs = append(d.SPIs, octets(b[i*size:][:size]))
	}
	return d, nil
}

// PayloadType is D.
func (*Delete) PayloadType() PayloadType { return PayloadDelete }

// String shows the protocol and the SPIs.
func (d *Delete) String() string { return fmt.Sprintf("D(%v %x)", d.Protocol, d.SPIs) }

func (d *Delete) appendBody(dst []byte) []byte {
	size := 0
	if len(d.SPIs) > 0 {
		size = len(d.SPIs[0])
	}
	dst = binary.BigEndian.AppendUint32(dst, doiIPsec)
	dst = append(dst, byte(d.Protocol), byte(size))
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(d.SPIs)))
	for _, spi := range d.SPIs {
		dst = append(dst, spi...)
	}
	return dst
}

// A VendorID announces an implementation or an extension. RFC 2408 section 3.16.
type VendorID struct{ Data []byte }

// PayloadType is VID.
func (*VendorID) PayloadType() PayloadType { return PayloadVendorID }

// String shows the identifier.
func (v *VendorID) String() string { return fmt.Sprintf("VID(%x)", v.Data) }

func (v *VendorID) appendBody(dst []byte) []byte { return append(dst, v.Data...) }

// A NATD is the hash of an address and port of the message's, by the sender. RFC
// 3947 section 3.2.
type NATD struct {
	Type PayloadType // PayloadNATD or PayloadNATDDraft
	Hash []byte
}

// PayloadType is NAT-D's, of the RFC or of the drafts.
func (n *NATD) PayloadType() PayloadType { return n.Type }

// String is the payload's name.
func (n *NATD) String() string { return n.Type.String() }

func (n *NATD) appendBody(dst []byte) []byte { return append(dst, n.Hash...) }

// A Raw is a payload that this package does not take apart.
type Raw struct {
	Type PayloadType
	Body []byte
}

// PayloadType is the payload's number.
func (r *Raw) PayloadType() PayloadType { return r.Type }

// String is the payload's name.
func (r *Raw) String() string { return r.Type.String() }

func (r *Raw) appendBody(dst []byte) []byte { return append(dst, r.Body...) }
