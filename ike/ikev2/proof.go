package ikev2

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/diagnosis"
	"causeway.dev/ike/engine"
	"causeway.dev/ike/keys"
	"causeway.dev/ike/wire"
)

// How a side proves who it is in IKE_AUTH: by the pre-shared key, or by a
// certificate and a signature. RFC 7296 section 2.15.

// A proof is what the AUTH payload of one side covers beside its ID payload.
type proof struct {
	prf     ike.PRF
	key     ike.Secret // SK_pi or SK_pr
	message []byte     // the side's IKE_SA_INIT message
	nonce   []byte     // of the other side

	intermediate []byte // what IKE_INTERMEDIATE exchanges add, or nil
}

func (p proof) shared(key ike.Secret, id *wire.ID) []byte {
	return keys.AuthPSK(p.prf, key, p.key, p.message, p.nonce, id.Body(), p.intermediate)
}

func (p proof) octets(id *wire.ID) []byte {
	return keys.SignedOctets(p.prf, p.key, p.message, p.nonce, id.Body(), p.intermediate)
}

const (
	// certificatesMax bounds the CERT payloads of a message: a leaf, and the
	// authorities between it and a root.
	certificatesMax = 8

	// authoritiesMax bounds a CERTREQ payload of ours: in the answer to
	// IKE_SA_INIT it must not be larger than what it answers.
	authoritiesMax = 8
)

// prove returns our CERT and AUTH payloads. The peer knows the pre-shared key by
// which it has proved itself, or by which the attempt was begun. It takes signatures with the
// hashes that it has announced; its own AUTH payload, if it came first, shows
// what it prefers.
func (s *session) prove(p *ike.Peer, id *wire.ID, o proof, taken hashes, its *wire.Auth) (certificates []wire.Payload, auth *wire.Auth, err error) {
	if p.Certificate == nil {
		return nil, &wire.Auth{Method: wire.AuthSharedKey, Data: o.shared(engine.Key(p, s.provedBy), id)}, nil
	}
	for _, der := range p.Certificate.Chain[:min(len(p.Certificate.Chain), certificatesMax)] {
		certificates = append(certificates, &wire.Cert{Encoding: wire.CertificateX509Signature, Data: der})
	}
	auth, err = sign(p.Certificate.Signer, taken, its, s.gate.rand, o.octets(id))
	return certificates, auth, err
}

// disprove returns why the sender of a message with this ID payload is not p, or
// "" if it has proved that it is. It notes by which key.
func (s *session) disprove(now time.Time, p *ike.Peer, m parts, id *wire.ID, o proof) string {
	switch {
	case p.Certificate == nil && m.auth.Method != wire.AuthSharedKey:
		return reasonNotKey(m.auth.Method)
	case p.Certificate == nil:
		rotation := &s.gate.peers[p.ID].rotation
		for _, by := range rotation.Valid(now, p) {
			if keys.Equal(m.auth.Data, o.shared(engine.Key(p, by), id)) {
				s.provedBy = by
				s.gate.out = append(s.gate.out, rotation.Proved(p, by)...)
				return ""
			}
		}
		return reasonKeyMismatch
	case m.auth.Method == wire.AuthSharedKey:
		return reasonKeyNotCertificate
	}
	chain, reason := chainOf(m)
	if reason != "" {
		return reason
	}
	key, err := p.Verifier.Verify(chain, id.Identity, now)
	if err == nil {
		err = verifySignature(key, m.auth, o.octets(id))
	}
	if err != nil {
		return diagnosis.Certificate(err)
	}
	s.chain = chain
	return ""
}

// chainOf returns the certificates that came, the leaf first, or why there is
// none to be used.
func chainOf(m parts) (chain [][]byte, reason string) {
	elsewhere := false
	for _, c := range m.certs {
		switch c.Encoding {
		case wire.CertificateX509Signature:
			chain = append(chain, c.Data)
		case wire.CertificateHashURL, wire.CertificateHashURLBundle:
			elsewhere = true
		}
	}
	switch {
	case len(chain) > certificatesMax:
		return nil, fmt.Sprintf("the peer sent %d certificates, at most %d are taken", len(chain), certificatesMax)
	case len(chain) == 0 && elsewhere:
		return nil, "the peer sent only the address of its certificate; let it send the certificate itself"
	case len(chain) == 0:
		return nil, "the peer sent no certificate; let it send its own with every connection"
	}
	return chain, ""
}

// requestCertificate asks for certificates of the authorities that the peers'
// verifiers trust, or returns nil if they use none.
func requestCertificate(peers ...*ike.Peer) []wire.Payload {
	var names []byte
	count := 0
	for _, p := range peers {
		if p.Certificate == nil {
			continue
		}
		authorities, _ := p.Verifier.Authorities()
		for _, hash := range authorities {
			if count < authoritiesMax {
				names = append(names, hash...)
				count++
			}
		}
	}
	if count == 0 {
		return nil
	}
	return []wire.Payload{&wire.CertReq{Encoding: wire.CertificateX509Signature, Data: names}}
}

// usesCertificate reports whether one of the peers does.
func usesCertificate(peers ...*ike.Peer) bool {
	return slices.ContainsFunc(peers, func(p *ike.Peer) bool { return p.Certificate != nil })
}

// calledID is what we say we are to a peer that calls us by a name; false if
// that is not one of ours. Without a name in the configuration each that our
// certificate has will do.
func calledID(p *ike.Peer, path ike.Path, called ike.Identity) (ike.Identity, bool) {
	ours := engine.LocalID(p, path)
	if called.Type == ike.IDNone || called.Same(ours) {
		return ours, true
	}
	if p.LocalID.Type != ike.IDNone {
		return ours, false
	}
	return called, slices.ContainsFunc(engine.CertificateNames(p.Certificate), called.Same)
}

// validateCredentials says what about a peer's key or certificate can't be used.
func validateCredentials(p *ike.Peer) error {
	c := p.Certificate
	switch {
	case c == nil && p.Verifier == nil && len(p.PreSharedKey) == 0:
		return errors.New("neither a pre-shared key nor a certificate")
	case (c == nil) != (p.Verifier == nil):
		return errors.New("a certificate needs a verifier of the peer's, and a verifier a certificate")
	case c == nil:
		return nil
	case len(c.Chain) == 0 || c.Signer == nil:
		return errors.New("a certificate without its chain or key")
	}
	leaf, err := x509.ParseCertificate(c.Chain[0])
	if err != nil {
		return fmt.Errorf("read our certificate: %w", err)
	}
	key, ok := c.Signer.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || kindOf(c.Signer.Public()) == keyUnknown {
		return errors.New("our certificate's key is neither RSA, ECDSA nor Ed25519")
	}
	if !key.Equal(leaf.PublicKey) {
		return errors.New("our certificate is not that of our key")
	}
	return nil
}
