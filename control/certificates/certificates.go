// Package certificates makes, renews and revokes what an account's own
// authorities issue: the certificates of ACM and those of our side in tunnels.
package certificates

import (
	"crypto"
	"crypto/x509"
	"fmt"
	"math/big"
	"slices"
	"time"

	"causeway.dev/pki"
	"causeway.dev/resource"
	"causeway.dev/store"
)

const (
	// Lifetime is that of ACM's certificates: 13 months.
	Lifetime = 395 * 24 * time.Hour

	// RenewBefore is how long before its end ACM renews a certificate.
	RenewBefore = 60 * 24 * time.Hour

	// crlLifetime is how long a revocation list is in force, crlInterval how
	// often a new one is made although nothing has changed.
	crlLifetime = 7 * 24 * time.Hour
	crlInterval = 24 * time.Hour

	// issuerRenewBefore lets an issuer outlive whatever it signs.
	issuerRenewBefore = 2 * 365 * 24 * time.Hour
)

// Family is the id of the authority that issues certificates for a kind of key,
// so that a whole chain has keys of one family.
func Family(a pki.KeyAlgorithm) string {
	if a.IsRSA() {
		return resource.AuthorityRSA
	}
	return resource.AuthorityECDSA
}

// authorityAlgorithms are the kinds of keys of the authorities themselves.
var authorityAlgorithms = map[string]pki.KeyAlgorithm{resource.AuthorityECDSA: pki.ECDSAP256, resource.AuthorityRSA: pki.RSA2048}

// A Preparation is the slow part of issuing: keys are made before the
// transaction, which may run several times.
type Preparation struct {
	scope store.Scope
	key   crypto.Signer
	made  resource.CertificateAuthority // put if there is none yet
}

// Prepare makes a key for a certificate, and the authority of a scope if it is
// the first that is needed of it.
func Prepare(r store.Reader, scope store.Scope, authority string, a pki.KeyAlgorithm, now time.Time) (*Preparation, error) {
	p := &Preparation{scope: scope}
	var err error
	if p.key, err = pki.GenerateKey(a); err != nil {
		return nil, err
	}
	if present, ok := store.CertificateAuthorities.Get(r, scope, authority); ok {
		p.made = present
	} else if p.made, err = newAuthority(scope, authority, now); err != nil {
		return nil, fmt.Errorf("make the authority %s of account %s in %s: %w", authority, scope.Account, scope.Region, err)
	}
	return p, nil
}

func newAuthority(scope store.Scope, id string, now time.Time) (resource.CertificateAuthority, error) {
	a := authorityAlgorithms[id]
	name := fmt.Sprintf("Causeway %s %s %s ", scope.Account, scope.Region, id)
	root, err := pki.NewRoot(pki.Name(name+"root"), a, now)
	if err != nil {
		return resource.CertificateAuthority{}, err
	}
	issuer, err := root.NewSubordinate(pki.Name(name+"issuer"), a, now)
	if err != nil {
		return resource.CertificateAuthority{}, err
	}
	made := resource.CertificateAuthority{Meta: resource.Meta{ID: id, Account: scope.Account, Region: scope.Region, Created: now.UTC().Truncate(time.Millisecond)}}
	if made.Root, err = storedAuthority(root); err != nil {
		return resource.CertificateAuthority{}, err
	}
	if made.Issuer, err = storedAuthority(issuer); err != nil {
		return resource.CertificateAuthority{}, err
	}
	return made, makeCRL(&made, now)
}

func storedAuthority(a pki.Authority) (resource.AuthorityCertificate, error) {
	key, err := pki.KeyPEM(a.Key)
	return resource.AuthorityCertificate{Certificate: a.Certificate.Raw, PrivateKey: key, NotAfter: a.Certificate.NotAfter}, err
}

func openAuthority(a resource.AuthorityCertificate) (pki.Authority, error) {
	certificate, err := pki.ParseCertificate(a.Certificate)
	if err != nil {
		return pki.Authority{}, fmt.Errorf("read a stored authority: %w", err)
	}
	key, err := pki.ParseKeyPEM([]byte(a.PrivateKey))
	if err != nil {
		return pki.Authority{}, fmt.Errorf("read the key of %s: %w", pki.NameOf(certificate), err)
	}
	return pki.Authority{Certificate: certificate, Key: key}, nil
}

// Issued is what issuing gives.
type Issued struct {
	Authority           string
	Leaf                []byte   // DER
	Chain               [][]byte // DER: the issuer and the root
	PrivateKey          string   // PKCS #8 in PEM
	NotBefore, NotAfter time.Time
}

// Issue signs a certificate for the prepared key. What it does to the authority
// is part of the transaction.
func (p *Preparation) Issue(tx *store.Tx, request pki.Request, now time.Time) (Issued, error) {
	authority, ok := store.CertificateAuthorities.Get(tx, p.scope, p.made.ID)
	if !ok {
		authority = p.made
		store.CertificateAuthorities.Put(tx, authority)
	}
	issuer, err := openAuthority(authority.Issuer)
	if err != nil {
		return Issued{}, err
	}
	request.Key = p.key.Public()
	leaf, err := issuer.Issue(request, now)
	if err != nil {
		return Issued{}, err
	}
	key, err := pki.KeyPEM(p.key)
	return Issued{authority.ID, leaf.Raw, [][]byte{authority.Issuer.Certificate, authority.Root.Certificate}, key, leaf.NotBefore, leaf.NotAfter}, err
}

// Revoke puts a certificate and those that it has replaced on its authority's
// revocation list, which is in force when the transaction is.
func Revoke(tx *store.Tx, c resource.Certificate, reason pki.Reason, now time.Time) error {
	scope := store.Scope{Account: c.Account, Region: c.Region}
	authority, ok := store.CertificateAuthorities.Get(tx, scope, c.Authority)
	if !ok {
		return fmt.Errorf("revoke %s: its authority %q is not there", c.ID, c.Authority)
	}
	leaf, err := pki.ParseCertificate(c.Leaf)
	if err != nil {
		return fmt.Errorf("revoke %s: %w", c.ID, err)
	}
	for _, f := range append(slices.Clip(c.Former), formerOf(leaf)) {
		authority.Revoked = append(slices.Clip(authority.Revoked), resource.RevokedCertificate{
			Serial: f.Serial, At: now.UTC().Truncate(time.Second), Reason: int(reason), NotAfter: f.NotAfter,
		})
	}
	if err := makeCRL(&authority, now); err != nil {
		return err
	}
	store.CertificateAuthorities.Put(tx, authority)
	return nil
}

func formerOf(leaf *x509.Certificate) resource.FormerCertificate {
	return resource.FormerCertificate{Serial: leaf.SerialNumber.Text(16), NotAfter: leaf.NotAfter}
}

// makeCRL signs a new revocation list. Certificates that have expired leave it.
func makeCRL(a *resource.CertificateAuthority, now time.Time) error {
	issuer, err := openAuthority(a.Issuer)
	if err != nil {
		return err
	}
	a.Revoked = slices.DeleteFunc(slices.Clone(a.Revoked), func(r resource.RevokedCertificate) bool { return now.After(r.NotAfter) })
	var revoked []pki.Revocation
	for _, r := range a.Revoked {
		serial, ok := new(big.Int).SetString(r.Serial, 16)
		if !ok {
			return fmt.Errorf("the serial number %q of a revoked certificate is not hexadecimal", r.Serial)
		}
		revoked = append(revoked, pki.Revocation{Serial: serial, At: r.At, Reason: pki.Reason(r.Reason)})
	}
	a.CRLNumber++
	a.CRLMade = now.UTC().Truncate(time.Second)
	a.CRL, err = issuer.NewCRL(revoked, a.CRLNumber, now, now.Add(crlLifetime))
	return err
}
