package ike

import (
	"crypto"
	"crypto/x509"
	"fmt"
	"io"
	"net/netip"
	"time"
)

// A Certificate is what our side proves itself with in place of a pre-shared
// key. RFC 7296 section 3.6.
type Certificate struct {
	// Chain is in DER: the leaf first, then the certificates up to the root,
	// which the peer has and which is left out.
	Chain [][]byte

	// Signer holds the leaf's private key: RSA, ECDSA or Ed25519.
	Signer crypto.Signer
}

// String hides the key.
func (c Certificate) String() string {
	return fmt.Sprintf("[certificate, chain of %d]", len(c.Chain))
}

// Format hides the key from every verb.
func (c Certificate) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }

// A Verifier decides whom we trust. Its methods never block: what revocation
// needs (CRLs, answers of OCSP) is fetched elsewhere beforehand and held in
// memory.
type Verifier interface {
	// Verify returns the public key of the leaf if the chain that the peer
	// sent (DER, the leaf first, then others in any order) is valid at now,
	// not revoked, and names identity. The error is one sentence for an
	// operator: expired when, revoked, by which unknown authority, which
	// identity it names instead.
	Verify(chain [][]byte, identity Identity, now time.Time) (crypto.PublicKey, error)

	// Authorities are the trusted certification authorities: the SHA-1 hashes
	// of their SubjectPublicKeyInfo, for IKEv2's CERTREQ (RFC 7296 section
	// 3.7), and their distinguished names in DER, for IKEv1's.
	Authorities() (hashes, names [][]byte)
}

// CertificateNames are the identities that a certificate proves: its subject
// first, unless that is empty, and its alternative names. RFC 4945 sections 3.1
// and 5.1.3.6.
func CertificateNames(c *x509.Certificate) []Identity {
	var names []Identity
	if len(c.Subject.Names) > 0 {
		names = append(names, Identity{Type: IDDERASN1DN, Data: string(c.RawSubject)})
	}
	for _, n := range c.DNSNames {
		names = append(names, Identity{Type: IDFQDN, Data: n})
	}
	for _, n := range c.EmailAddresses {
		names = append(names, Identity{Type: IDRFC822, Data: n})
	}
	for _, ip := range c.IPAddresses {
		if a, ok := netip.AddrFromSlice(ip); ok {
			names = append(names, AddressIdentity(a.Unmap()))
		}
	}
	return names
}
