package plan

import (
	"causeway.dev/nodespec"
	"causeway.dev/resource"
	"causeway.dev/store"
)

// deviceCertificate returns the certificate that a customer gateway proves
// itself with; nil where it has pre-shared keys. It is false for a gateway that
// cannot be known: without an address, or with a certificate that is not there.
func (c *compiler) deviceCertificate(g resource.CustomerGateway) (*resource.Certificate, bool) {
	if g.Certificate == "" {
		return nil, g.Address.IsValid()
	}
	device, ok := store.Certificates.Get(c.snapshot, scopeOf(g.Meta), g.Certificate)
	return &device, ok
}

// certificates compiles what authenticates a tunnel; nil where a pre-shared key
// does. It is false while our side has none yet.
func (c *compiler) certificates(s *site, number int) (*nodespec.Certificates, bool) {
	if s.device == nil {
		return nil, true
	}
	scope := scopeOf(s.connection.Meta)
	ours, ok := store.TunnelCertificates.Get(c.snapshot, scope, resource.TunnelID(s.connection.ID, number))
	if !ok {
		return nil, false
	}
	compiled := &nodespec.Certificates{
		Chain: append([][]byte{ours.Leaf}, ours.Chain[:len(ours.Chain)-1]...), // the root is last
		Key:   nodespec.Secret(ours.PrivateKey),
		Peer:  s.device.Leaf,
	}
	if authority, ok := store.CertificateAuthorities.Get(c.snapshot, scope, s.device.Authority); ok {
		compiled.Roots = [][]byte{authority.Root.Certificate}
		compiled.Intermediates = [][]byte{authority.Issuer.Certificate}
		compiled.CRLs = [][]byte{authority.CRL}
		return compiled, true
	}
	// An imported one is judged by what was imported with it, as far up as
	// that leads.
	chain := append([][]byte{s.device.Leaf}, s.device.Chain...)
	compiled.Roots, compiled.Intermediates = chain[len(chain)-1:], chain[1:max(1, len(chain)-1)]
	return compiled, true
}
