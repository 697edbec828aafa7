package pki

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

// Bounds of chains. Real ones have up to four certificates of 1 to 2 KiB.
const (
	CertificateBytesMax = 16 << 10
	ChainLengthMax      = 10

	// rsaBitsMax bounds what checking a signature costs. Authorities' keys have
	// 4096 bits at most.
	rsaBitsMax = 8192
)

// ParseCertificate reads one certificate in DER.
func ParseCertificate(der []byte) (*x509.Certificate, error) {
	if len(der) > CertificateBytesMax {
		return nil, fmt.Errorf("a certificate has %d bytes; %d are allowed", len(der), CertificateBytesMax)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	if k, ok := c.PublicKey.(*rsa.PublicKey); ok && k.N.BitLen() > rsaBitsMax {
		return nil, fmt.Errorf("an RSA key has %d bits; %d are allowed", k.N.BitLen(), rsaBitsMax)
	}
	return c, nil
}

// ParseChain reads certificates in DER.
func ParseChain(chain [][]byte) ([]*x509.Certificate, error) {
	if len(chain) > ChainLengthMax {
		return nil, fmt.Errorf("there are %d certificates; %d are allowed", len(chain), ChainLengthMax)
	}
	parsed := make([]*x509.Certificate, len(chain))
	for i, der := range chain {
		var err error
		if parsed[i], err = ParseCertificate(der); err != nil {
			return nil, fmt.Errorf("certificate %d: %w", i+1, err)
		}
	}
	return parsed, nil
}

// ParseChainPEM reads one or more certificates, with nothing else between them
// but comments.
func ParseChainPEM(text []byte) ([]*x509.Certificate, error) {
	if len(text) > pemBytesMax {
		return nil, fmt.Errorf("there are %d bytes; %d are allowed", len(text), pemBytesMax)
	}
	var chain [][]byte
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("there is a PEM block of type %.40q among the certificates", block.Type)
		}
		if len(chain) == ChainLengthMax {
			return nil, fmt.Errorf("there are more than %d certificates", ChainLengthMax)
		}
		chain = append(chain, block.Bytes)
	}
	if len(chain) == 0 {
		return nil, errors.New("there is no certificate in PEM form")
	}
	return ParseChain(chain)
}

// EncodePEM writes certificates in DER one after the other.
func EncodePEM(chain ...[]byte) string {
	var text []byte
	for _, der := range chain {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	return string(text)
}

// IsSelfSigned reports whether a certificate is a root.
func IsSelfSigned(c *x509.Certificate) bool {
	return string(c.RawIssuer) == string(c.RawSubject) && c.CheckSignatureFrom(c) == nil
}

// OrderChain returns the certificates that lead from a leaf upwards, each
// signed by the next, out of others in any order. It fails if one of them has
// no place in the chain.
func OrderChain(leaf *x509.Certificate, others []*x509.Certificate) ([]*x509.Certificate, error) {
	var ordered []*x509.Certificate
	rest := append([]*x509.Certificate(nil), others...)
	for at := leaf; len(rest) > 0; {
		found := -1
		for i, c := range rest {
			if string(c.RawSubject) == string(at.RawIssuer) && at.CheckSignatureFrom(c) == nil {
				found = i
				break
			}
		}
		if found < 0 {
			return nil, fmt.Errorf("%s has not signed any certificate of the chain", NameOf(rest[0]))
		}
		at = rest[found]
		ordered = append(ordered, at)
		rest = append(rest[:found], rest[found+1:]...)
	}
	return ordered, nil
}

// NameOf shows a certificate to an operator: its subject, or its first
// alternative name where that is empty.
func NameOf(c *x509.Certificate) string {
	if s := c.Subject.String(); s != "" {
		return clip(s)
	}
	switch {
	case len(c.DNSNames) > 0:
		return clip(c.DNSNames[0])
	case len(c.EmailAddresses) > 0:
		return clip(c.EmailAddresses[0])
	case len(c.IPAddresses) > 0:
		return c.IPAddresses[0].String()
	}
	return "a certificate without a name"
}

// clip bounds and cleans what a message repeats of a certificate.
func clip(s string) string {
	const most = 128
	r := []rune(s)
	for i := range r {
		if r[i] < ' ' || r[i] == 0x7f {
			r[i] = '?'
		}
	}
	if len(r) > most {
		return string(r[:most]) + "…"
	}
	return string(r)
}
