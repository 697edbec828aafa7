package wire

import "fmt"

// CertificateEncoding is the IANA number of how a certificate is encoded. RFC
// 7296 section 3.6.
type CertificateEncoding uint8

// Encodings.
const (
	CertificateX509Signature CertificateEncoding = 4  // one X.509 certificate in DER
	CertificateHashURL       CertificateEncoding = 12 // its hash, and where it can be fetched
	CertificateHashURLBundle CertificateEncoding = 13
)

// A Cert carries one certificate; the leaf comes first. RFC 7296 section 3.6.
type Cert struct {
	Encoding CertificateEncoding
	Data     []byte
}

func parseCert(b []byte) (*Cert, error) {
	if len(b) < 1 {
		return nil, syntaxError("CERT payload without an encoding")
	}
	return &Cert{Encoding: CertificateEncoding(b[0]), Data: octets(b[1:])}, nil
}

// PayloadType is CERT.
func (*Cert) PayloadType() PayloadType { return PayloadCert }

// String shows the encoding's number.
func (c *Cert) String() string { return fmt.Sprintf("CERT(%d)", c.Encoding) }

func (c *Cert) appendBody(dst []byte) []byte { return append(append(dst, byte(c.Encoding)), c.Data...) }

// A CertReq asks for a certificate of one of the named authorities. RFC 7296
// section 3.7: Data is the SHA-1 hashes of their SubjectPublicKeyInfo, one after
// the other, where the encoding is CertificateX509Signature.
type CertReq struct {
	Encoding CertificateEncoding
	Data     []byte
}

func parseCertReq(b []byte) (*CertReq, error) {
	if len(b) < 1 {
		return nil, syntaxError("CERTREQ payload without an encoding")
	}
	return &CertReq{Encoding: CertificateEncoding(b[0]), Data: octets(b[1:])}, nil
}

// PayloadType is CERTREQ.
func (*CertReq) PayloadType() PayloadType { return PayloadCertReq }

// String shows the encoding's number.
func (c *CertReq) String() string { return fmt.Sprintf("CERTREQ(%d)", c.Encoding) }

func (c *CertReq) appendBody(dst []byte) []byte {
	return append(append(dst, byte(c.Encoding)), c.Data...)
}

// A Fragment (SKF) holds one part of the payloads of a message, encrypted and
// authenticated by itself. RFC 7383 section 2.5.
//
//	[ fragment number 2 | total fragments 2 | IV | ciphertext with padding | ICV ]
type Fragment struct {
	Next          PayloadType // the first payload inside; 0 in all fragments but the first
	Number, Total uint16      // Number counts from 1
	Body          []byte      // [ IV | ciphertext with padding | ICV ], as the cipher says
}

const fragmentHeaderLength = 4

func parseFragment(next PayloadType, b []byte) (*Fragment, error) {
	if len(b) < fragmentHeaderLength {
		return nil, syntaxError("SKF payload of %d octets", len(b))
	}
	f := &Fragment{
		Next:   next,
		Number: uint16(b[0])<<8 | uint16(b[1]),
		Total:  uint16(b[2])<<8 | uint16(b[3]),
		Body:   octets(b[fragmentHeaderLength:]),
	}
	if f.Number == 0 || f.Number > f.Total {
		return nil, syntaxError("fragment %d of %d", f.Number, f.Total)
	}
	return f, nil
}

// PayloadType is SKF.
func (*Fragment) PayloadType() PayloadType { return PayloadSKF }

// String shows the fragment's place.
func (f *Fragment) String() string { return fmt.Sprintf("SKF{%d of %d}", f.Number, f.Total) }

func (f *Fragment) appendBody(dst []byte) []byte {
	dst = append(dst, byte(f.Number>>8), byte(f.Number), byte(f.Total>>8), byte(f.Total))
	return append(dst, f.Body...)
}
