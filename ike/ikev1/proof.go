package ikev1

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"
	"math/big"
	"time"

	"crypto/x509"
	"encoding/asn1"

	"causeway.dev/ike"
	"causeway.dev/ike/diagnosis"
	"causeway.dev/ike/engine"
	"causeway.dev/ike/keys"
	"causeway.dev/ike/wire"
	"causeway.dev/ike/wire/isakmp"
)

// How a side proves in main mode who it is: by the pre-shared key, RFC 2409
// section 5.4, or by a certificate and a signature, section 5.1 and RFC 4754. Both
// sides use the same method.

// methodOf is how a peer and we authenticate each other. Where our side has a
// certificate its kind of key decides.
func methodOf(p *ike.Peer) (isakmp.AuthMethod, error) {
	if p.Certificate == nil {
		return isakmp.AuthPreSharedKey, nil
	}
	return methodOfKey(p.Certificate.Signer.Public())
}

func methodOfKey(key crypto.PublicKey) (isakmp.AuthMethod, error) {
	switch key := key.(type) {
	case *rsa.PublicKey:
		return isakmp.AuthRSASignature, nil
	case *ecdsa.PublicKey:
		switch key.Curve {
		case elliptic.P256():
			return isakmp.AuthECDSA256, nil
		case elliptic.P384():
			return isakmp.AuthECDSA384, nil
		case elliptic.P521():
			return isakmp.AuthECDSA521, nil
		}
	}
	return 0, fmt.Errorf("IKEv1 has no signatures with keys of type %T: use RSA, or ECDSA on P-256, P-384 or P-521", key)
}

// proofPRF is the PRF of HASH_I and HASH_R. RFC 2409 section 5.1: a signature
// method that is tied to a hash uses that.
func (n *negotiation) proofPRF() ike.PRF {
	switch n.method {
	case isakmp.AuthECDSA256:
		return ike.PRFHMACSHA256
	case isakmp.AuthECDSA384:
		return ike.PRFHMACSHA384
	case isakmp.AuthECDSA521:
		return ike.PRFHMACSHA512
	}
	return n.proposal.PRF
}

// derive returns the keys of the SA with p, by one of its pre-shared keys.
func (n *negotiation) derive(p *ike.Peer, by engine.ProvedBy) keys.Phase1Keys {
	var skeyid ike.Secret
	if n.method == isakmp.AuthPreSharedKey {
		skeyid = keys.SKEYIDByKey(n.proposal.PRF, engine.Key(p, by), n.ni, n.nr)
	} else {
		skeyid = keys.SKEYIDBySignature(n.proposal.PRF, n.shared, n.ni, n.nr)
	}
	return keys.DerivePhase1(n.proposal, skeyid, n.shared, n.spii, n.spir)
}

// hash is HASH_I, or HASH_R, over an ID payload's body.
func (n *negotiation) hash(k keys.Phase1Keys, ofInitiator bool, idBody []byte) []byte {
	if ofInitiator {
		return keys.Phase1Proof(n.proofPRF(), k.ID, n.public[0], n.public[1], n.spii, n.spir, n.offer, idBody)
	}
	return keys.Phase1Proof(n.proofPRF(), k.ID, n.public[1], n.public[0], n.spir, n.spii, n.offer, idBody)
}

// prove returns the payloads that prove who we are.
func (n *negotiation) prove(p *ike.Peer, id *isakmp.ID) ([]isakmp.Payload, error) {
	hash := n.hash(n.keys, n.initiator, id.Body())
	if n.method == isakmp.AuthPreSharedKey {
		return []isakmp.Payload{&isakmp.Hash{Data: hash}}, nil
	}
	var payloads []isakmp.Payload
	for _, der := range p.Certificate.Chain[:min(len(p.Certificate.Chain), certificatesMax)] {
		payloads = append(payloads, &isakmp.Cert{Type: isakmp.PayloadCert, Encoding: isakmp.CertX509Signature, Data: der})
	}
	signature, err := n.sign(p.Certificate.Signer, hash)
	if err != nil {
		return nil, err
	}
	return append(payloads, &isakmp.Signature{Data: signature}), nil
}

// certificatesMax bounds the CERT payloads of a message: a leaf, and the
// authorities between it and a root.
const certificatesMax = 8

// sign signs HASH_I or HASH_R: with RSA as PKCS #1 without naming a hash (RFC 2409
// section 5.1), with ECDSA as r and s one after the other (RFC 4754 section 7).
func (n *negotiation) sign(signer crypto.Signer, hash []byte) ([]byte, error) {
	signature, err := signer.Sign(n.gate.rand, hash, crypto.Hash(0))
	if err != nil {
		return nil, fmt.Errorf("sign with our certificate's key: %w", err)
	}
	key, ok := signer.Public().(*ecdsa.PublicKey)
	if !ok {
		return signature, nil
	}
	var point struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(signature, &point); err != nil {
		return nil, fmt.Errorf("sign with our certificate's key: %w", err)
	}
	half := (key.Params().BitSize + 7) / 8
	raw := make([]byte, 2*half)
	point.R.FillBytes(raw[:half])
	point.S.FillBytes(raw[half:])
	return raw, nil
}

// disprove returns why the sender of a proof is not p, or "" if it has proved that
// it is. authentic says that the sender holds the key: it is the peer itself that
// is wrong, and nobody on the way.
func (n *negotiation) disprove(now time.Time, p *ike.Peer, k keys.Phase1Keys, m parts) (reason string, authentic bool) {
	hash := n.hash(k, !n.initiator, m.id.Body())
	if n.method == isakmp.AuthPreSharedKey {
		if m.hash == nil || !keys.Equal(m.hash.Data, hash) {
			return diagnosis.KeyMismatch, false
		}
		return "", true
	}
	if m.signature == nil {
		return diagnosis.Incomplete("proof", "signature"), false
	}
	chain := certificates(m)
	if len(chain) == 0 {
		return "the peer sent no certificate; let it send its own with every connection", false
	}
	if len(chain) > certificatesMax {
		return fmt.Sprintf("the peer sent %d certificates, at most %d are taken", len(chain), certificatesMax), false
	}
	key, err := p.Verifier.Verify(chain, m.id.Identity(), now)
	if err != nil {
		// Whose it is shows by the certificate itself.
		if leaf, problem := x509.ParseCertificate(chain[0]); problem == nil {
			authentic = n.verify(leaf.PublicKey, hash, m.signature.Data) == nil
		}
		return diagnosis.Certificate(err), authentic
	}
	if err := n.verify(key, hash, m.signature.Data); err != nil {
		return diagnosis.Certificate(err), false
	}
	n.chain = chain
	return "", true
}

func certificates(m parts) (chain [][]byte) {
	for _, c := range m.certs {
		if c.Encoding == isakmp.CertX509Signature {
			chain = append(chain, c.Data)
		}
	}
	return chain
}

var errSignature = errors.New("the signature does not fit it")

// rsaBitsMax bounds what checking a signature costs: the key may be that of a
// certificate that nobody has issued.
const rsaBitsMax = 8192

// verify checks a signature by a key of the method that was agreed on.
func (n *negotiation) verify(key crypto.PublicKey, hash, signature []byte) error {
	if method, err := methodOfKey(key); err != nil || method != n.method {
		return fmt.Errorf("its key is not one for %v", n.method)
	}
	valid := false
	switch key := key.(type) {
	case *rsa.PublicKey:
		valid = key.N.BitLen() <= rsaBitsMax && rsa.VerifyPKCS1v15(key, crypto.Hash(0), hash, signature) == nil
	case *ecdsa.PublicKey:
		half := (key.Params().BitSize + 7) / 8
		valid = len(signature) == 2*half &&
			ecdsa.Verify(key, hash, new(big.Int).SetBytes(signature[:half]), new(big.Int).SetBytes(signature[half:]))
	}
	if !valid {
		return errSignature
	}
	return nil
}

// requestCertificates asks for a certificate, where one is to be used. RFC 2408
// section 3.10: of an authority that is named in DER.
func (n *negotiation) requestCertificates(p *ike.Peer) []isakmp.Payload {
	if n.method == isakmp.AuthPreSharedKey {
		return nil
	}
	_, names := p.Verifier.Authorities()
	var requests []isakmp.Payload
	for _, name := range names[:min(len(names), certificatesMax)] {
		requests = append(requests, &isakmp.Cert{Type: isakmp.PayloadCertReq, Encoding: isakmp.CertX509Signature, Data: name})
	}
	return requests
}

func wantsCertificate(m parts) bool { return len(m.requests) > 0 }

// identified is what the search for the sender of a proof comes to.
type identified struct {
	peer           *ike.Peer // nil if it is nobody
	by             engine.ProvedBy
	keys           keys.Phase1Keys
	identity       ike.Identity
	initialContact bool
	reason         string
	authentic      bool // it holds the key of one that it is not
}

// proofsMax bounds the keys that are tried on one proof.
const proofsMax = 8

// identify finds the candidate that the initiator has proved to be. With
// pre-shared keys the identity can't be read before the right key is found: that
// of the source's address, or one of those that are known by identity alone. A
// candidate without an identity accepts any that holds its key.
func (n *negotiation) identify(now time.Time, d ike.Datagram, h wire.Header) identified {
	result := identified{reason: reasonUnreadable}
	tried := 0
	for _, candidate := range n.candidates {
		s := n.gate.sessions[candidate.ID]
		if s == nil || tried >= proofsMax {
			continue
		}
		p := s.peer // it may have been changed since the first message
		if method, err := methodOf(p); err != nil || method != n.method {
			continue
		}
		for _, by := range s.rotation.Valid(now, p) {
			if tried++; tried > proofsMax {
				break
			}
			found := n.tryKey(now, d, h, p, by)
			if found.peer != nil {
				n.gate.out = append(n.gate.out, s.rotation.Proved(p, by)...)
				return found
			}
			if found.reason != "" {
				result.reason, result.authentic = found.reason, result.authentic || found.authentic
			}
		}
	}
	return result
}

// tryKey says whether a proof is p's by one of its keys. Without a reason it can't
// be read with that key.
func (n *negotiation) tryKey(now time.Time, d ike.Datagram, h wire.Header, p *ike.Peer, by engine.ProvedBy) identified {
	k := n.derive(p, by)
	m, _, err := open(&k, k.Phase1IV(n.public[0], n.public[1]), h, d.Payload)
	if err != nil || m.id == nil {
		k.Wipe()
		return identified{}
	}
	reason, authentic := n.disprove(now, p, k, m)
	if reason == "" && !acceptable(m.id.Identity(), p) {
		if len(n.candidates) > 1 {
			reason = diagnosis.UnknownIdentity(m.id.Identity(), ike.Identity{})
		} else {
			reason = n.identityMismatch(p, true, m.id.Identity())
		}
	}
	if reason != "" {
		k.Wipe()
		return identified{reason: reason, authentic: authentic}
	}
	return identified{peer: p, by: by, keys: k, identity: m.id.Identity(), initialContact: m.notify(isakmp.InitialContact) != nil}
}

// acceptable reports whether p may say that it is i.
func acceptable(i ike.Identity, p *ike.Peer) bool {
	return p.RemoteID.Type == ike.IDNone || i.Same(p.RemoteID)
}
