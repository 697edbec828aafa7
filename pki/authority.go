package pki

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"time"
)

// How long certificates are valid. A root outlives the devices that it is
// installed on; a subordinate is renewed with its key long before its leaves
// would outlive it.
const (
	rootLifetime        = 30 * 365 * 24 * time.Hour
	subordinateLifetime = 10 * 365 * 24 * time.Hour

	// backdating lets a certificate be used at once by a device whose clock is
	// behind.
	backdating = time.Hour
)

// An Authority is a certificate with its key that signs others.
type Authority struct {
	Certificate *x509.Certificate
	Key         crypto.Signer
}

// Name is the distinguished name that has only a common name.
func Name(commonName string) pkix.Name { return pkix.Name{CommonName: commonName} }

// NewRoot makes an authority that signs itself.
func NewRoot(subject pkix.Name, a KeyAlgorithm, now time.Time) (Authority, error) {
	key, err := GenerateKey(a)
	if err != nil {
		return Authority{}, err
	}
	template := authorityTemplate(subject, now, rootLifetime)
	template.MaxPathLen = 1
	c, err := sign(template, template, key.Public(), key)
	return Authority{c, key}, err
}

// NewSubordinate makes an authority below another that issues only leaves.
func (a Authority) NewSubordinate(subject pkix.Name, algorithm KeyAlgorithm, now time.Time) (Authority, error) {
	key, err := GenerateKey(algorithm)
	if err != nil {
		return Authority{}, err
	}
	return a.Certify(subject, key, now)
}

// Certify gives a subordinate authority a certificate, the first or a next one
// for the same key.
func (a Authority) Certify(subject pkix.Name, key crypto.Signer, now time.Time) (Authority, error) {
	template := authorityTemplate(subject, now, subordinateLifetime)
	template.MaxPathLenZero = true
	template.NotAfter = earlier(template.NotAfter, a.Certificate.NotAfter)
	c, err := sign(template, a.Certificate, key.Public(), a.Key)
	return Authority{c, key}, err
}

func authorityTemplate(subject pkix.Name, now time.Time, lifetime time.Duration) *x509.Certificate {
	return &x509.Certificate{
		Subject: subject, NotBefore: now.Add(-backdating), NotAfter: now.Add(lifetime),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature,
	}
}

// A Request is what a leaf shall say.
type Request struct {
	Subject        pkix.Name
	DNSNames       []string
	Addresses      []netip.Addr
	EmailAddresses []string
	Key            crypto.PublicKey
	Lifetime       time.Duration

	// CRLURL is where the issuer's revocation list can be fetched; empty: the
	// certificate names no place.
	CRLURL string
}

// Issue signs a leaf that can authenticate a gateway, a server or a client. It
// never outlives its issuer.
func (a Authority) Issue(r Request, now time.Time) (*x509.Certificate, error) {
	template := &x509.Certificate{
		Subject: r.Subject, NotBefore: now.Add(-backdating), NotAfter: earlier(now.Add(r.Lifetime), a.Certificate.NotAfter),
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		DNSNames:              r.DNSNames,
		EmailAddresses:        r.EmailAddresses,
	}
	if !AlgorithmOf(r.Key).IsRSA() {
		template.KeyUsage = x509.KeyUsageDigitalSignature // RFC 5480 section 3
	}
	for _, address := range r.Addresses {
		template.IPAddresses = append(template.IPAddresses, address.Unmap().AsSlice())
	}
	if r.CRLURL != "" {
		template.CRLDistributionPoints = []string{r.CRLURL}
	}
	if !template.NotAfter.After(now) {
		return nil, errors.New("issue a certificate: it would have expired already")
	}
	return sign(template, a.Certificate, r.Key, a.Key)
}

func sign(template, parent *x509.Certificate, public crypto.PublicKey, key crypto.Signer) (*x509.Certificate, error) {
	var err error
	if template.SerialNumber, err = newSerial(); err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		return nil, fmt.Errorf("sign a certificate for %s: %w", template.Subject, err)
	}
	return x509.ParseCertificate(der)
}

// newSerial makes up a serial number: 127 random bits. RFC 5280 section
// 4.1.2.2: positive, and at most 20 bytes.
func newSerial() (*big.Int, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	return serial.Add(serial, big.NewInt(1)), nil
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
