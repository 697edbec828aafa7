package engine

import (
	"crypto/x509"
	"slices"

	"causeway.dev/ike"
)

// LocalID is what we say we are: what is configured, else what our certificate
// says, else our address.
func LocalID(p *ike.Peer, path ike.Path) ike.Identity {
	names := CertificateNames(p.Certificate)
	if p.LocalID.Type != ike.IDNone {
		// As the certificate spells it, since a peer may compare octets.
		if i := slices.IndexFunc(names, p.LocalID.Same); i >= 0 {
			return names[i]
		}
		return p.LocalID
	}
	if len(names) > 0 {
		return names[0]
	}
	return ike.AddressIdentity(path.Local.Addr())
}

// CertificateNames are the identities that a certificate of ours has, the subject
// first; none without a certificate. Whoever took the certificate has seen that
// it can be read.
func CertificateNames(c *ike.Certificate) []ike.Identity {
	if c == nil {
		return nil
	}
	leaf, err := x509.ParseCertificate(c.Chain[0])
	if err != nil {
		return nil
	}
	return ike.CertificateNames(leaf)
}
