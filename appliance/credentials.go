package appliance

import (
	"cmp"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"

	"causeway.dev/ike"
	"causeway.dev/pki"
	"causeway.dev/pki/verifier"
)

// anyone is the remote_id that accepts every identity.
const anyone = "any"

// identify says who the two sides are and how they prove it.
func (c Config) identify(p *ike.Peer, t Tunnel) error {
	if t.RemoteID != anyone {
		p.RemoteID = ike.ParseIdentity(cmp.Or(t.RemoteID, t.Remote.String()))
	}
	own := cmp.Or(t.ID, c.ID)
	if t.Certificate == "" {
		p.LocalID = ike.ParseIdentity(cmp.Or(own, c.Local.String()))
		p.PreSharedKey = ike.Secret(t.PSK)
		return nil
	}
	if own != "" { // by default what the certificate says
		p.LocalID = ike.ParseIdentity(own)
	}
	return t.readCertificates(p)
}

func (t Tunnel) readCertificates(p *ike.Peer) error {
	chain, err := readChain(t.Certificate)
	if err != nil {
		return fmt.Errorf("certificate: %w", err)
	}
	text, err := os.ReadFile(t.Key)
	if err != nil {
		return fmt.Errorf("key: %w", err)
	}
	key, err := pki.ParseKeyPEM(text)
	if err != nil {
		return fmt.Errorf("key %s: %w", t.Key, err)
	}
	trust := &pki.Trust{}
	text, err = os.ReadFile(t.CA)
	if err != nil {
		return fmt.Errorf("ca: %w", err)
	}
	if trust.Roots, err = pki.ParseChainPEM(text); err != nil {
		return fmt.Errorf("ca %s: %w", t.CA, err)
	}
	if t.CRL != "" {
		list, err := readCRL(t.CRL)
		if err != nil {
			return fmt.Errorf("crl: %w", err)
		}
		trust.CRLs = append(trust.CRLs, list)
	}
	p.Certificate, p.Verifier = &ike.Certificate{Chain: chain, Signer: key}, verifier.New(trust, nil)
	return nil
}

func readChain(file string) (chain [][]byte, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	certificates, err := pki.ParseChainPEM(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	for _, c := range certificates {
		chain = append(chain, c.Raw)
	}
	return chain, nil
}

func readCRL(file string) (*pki.CRL, error) {
	der, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if block, _ := pem.Decode(der); block != nil {
		der = block.Bytes
	}
	list, err := pki.ParseCRL(der)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return list, nil
}

// findFiles makes names of files that are relative to the configuration's folder
// whole.
func (t *Tunnel) findFiles(folder string) {
	for _, file := range []*string{&t.Certificate, &t.Key, &t.CA, &t.CRL} {
		findFile(folder, file)
	}
}

func findFile(folder string, file *string) {
	if *file != "" && !filepath.IsAbs(*file) {
		*file = filepath.Join(folder, *file)
	}
}
