package node

import (
	"context"
	"crypto/x509"
	"fmt"
	"reflect"

	"causeway.dev/ike"
	"causeway.dev/nodespec"
	"causeway.dev/pki"
	"causeway.dev/pki/verifier"
)

// credentials keeps what was made of the certificates of tunnels. As long as they
// stay the same so does it, and nothing is parsed again. It belongs to the
// goroutine that applies.
type credentials struct {
	fetched  pki.Fetched
	hardFail bool
	known    map[string]credential // by tunnel
	changed  bool                  // since somebody has looked
}

type credential struct {
	from        *nodespec.Certificates
	certificate *ike.Certificate
	verifier    *verifier.Verifier
}

// give lets a peer authenticate by certificates if its tunnel says so.
func (c *credentials) give(p *ike.Peer, t nodespec.Tunnel) error {
	if t.Certificates == nil {
		delete(c.known, t.ID)
		return nil
	}
	known, ok := c.known[t.ID]
	if !ok || !reflect.DeepEqual(known.from, t.Certificates) {
		var err error
		if known, err = c.open(t.Certificates); err != nil {
			return fmt.Errorf("certificates of tunnel %s: %w", t.ID, err)
		}
		c.known[t.ID], c.changed = known, true
	}
	p.PreSharedKey, p.Certificate, p.Verifier = nil, known.certificate, known.verifier
	return nil
}

// keep forgets the tunnels that are no longer there.
func (c *credentials) keep(tunnels []nodespec.Tunnel) {
	wanted := make(map[string]bool, len(tunnels))
	for _, t := range tunnels {
		wanted[t.ID] = true
	}
	for id := range c.known {
		if !wanted[id] {
			delete(c.known, id)
		}
	}
}

// followRevocation ends tunnels whose peers' certificates turn out to be revoked.
func (n *Node) followRevocation(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-n.revocation.Changed():
			n.host.JudgeCertificates()
		}
	}
}

func (c *credentials) open(from *nodespec.Certificates) (credential, error) {
	key, err := pki.ParseKeyPEM([]byte(from.Key))
	if err != nil {
		return credential{}, err
	}
	peer, err := pki.ParseCertificate(from.Peer)
	if err != nil {
		return credential{}, fmt.Errorf("read the customer gateway's: %w", err)
	}
	trust := &pki.Trust{Fetched: c.fetched, HardFail: c.hardFail}
	for _, part := range []struct {
		der  [][]byte
		into *[]*x509.Certificate
	}{{from.Roots, &trust.Roots}, {from.Intermediates, &trust.Intermediates}} {
		if *part.into, err = pki.ParseChain(part.der); err != nil {
			return credential{}, fmt.Errorf("read an authority's: %w", err)
		}
	}
	for _, der := range from.CRLs {
		list, err := pki.ParseCRL(der)
		if err != nil {
			return credential{}, err
		}
		trust.CRLs = append(trust.CRLs, list)
	}
	return credential{from, &ike.Certificate{Chain: from.Chain, Signer: key}, verifier.New(trust, peer)}, nil
}
