package resource

import (
	"strings"
	"time"
)

// Types of certificates, by ACM's names.
const (
	CertificateImported     = "IMPORTED"
	CertificateAmazonIssued = "AMAZON_ISSUED" // by our own authority for who names none
	CertificatePrivate      = "PRIVATE"       // by the authority that was named
)

// States of a certificate that ever occur here.
const (
	CertificateIssued  = "ISSUED"
	CertificateExpired = "EXPIRED"
	CertificateRevoked = "REVOKED"
)

// A Certificate is one of ACM's: its id is the last part of its ARN.
type Certificate struct {
	Meta
	Type                    string   `json:"type"`
	DomainName              string   `json:"domainName,omitempty"`
	SubjectAlternativeNames []string `json:"subjectAlternativeNames,omitempty"` // as asked for or, where imported, found
	KeyAlgorithm            string   `json:"keyAlgorithm,omitempty"`
	ValidationMethod        string   `json:"validationMethod,omitempty"`

	// Authority is the id of the CertificateAuthority that issued it; an
	// imported one has none.
	Authority string `json:"authority,omitempty"`

	Leaf       []byte    `json:"leaf"`            // DER
	Chain      [][]byte  `json:"chain,omitempty"` // DER, from the issuer up to the root as far as known
	PrivateKey string    `json:"privateKey"`      // PKCS #8 in PEM
	NotBefore  time.Time `json:"notBefore"`
	NotAfter   time.Time `json:"notAfter"`

	Issued           *time.Time `json:"issued,omitempty"`
	Imported         *time.Time `json:"imported,omitempty"`
	Renewed          *time.Time `json:"renewed,omitempty"`
	Revoked          *time.Time `json:"revoked,omitempty"`
	RevocationReason string     `json:"revocationReason,omitempty"` // by ACM's names

	// Former are the certificates that this one has replaced. They stay valid
	// until they expire, unless this one is revoked.
	Former []FormerCertificate `json:"former,omitempty"`

	TransparencyLogging string `json:"transparencyLogging,omitempty"` // as asked for; nothing is logged publicly

	Exportable bool `json:"exportable,omitempty"`
	Exported   bool `json:"exported,omitempty"` // at least once
}

// A FormerCertificate was replaced by a renewal.
type FormerCertificate struct {
	Serial   string    `json:"serial"` // hexadecimal
	NotAfter time.Time `json:"notAfter"`
}

// Secrets are what the store seals.
func (c *Certificate) Secrets() []*string { return []*string{&c.PrivateKey} }

// String names the certificate, so that its key is not printed by accident.
func (c Certificate) String() string { return "certificate " + c.ID }

// Status is the certificate's state at a time.
func (c *Certificate) Status(now time.Time) string {
	switch {
	case c.Revoked != nil:
		return CertificateRevoked
	case !now.Before(c.NotAfter):
		return CertificateExpired
	}
	return CertificateIssued
}

// ARN is the certificate's name to all of AWS.
func (c *Certificate) ARN() string { return CertificateARN(c.Account, c.Region, c.ID) }

const certificateKind = "certificate/"

// CertificateARN names the certificate of an id.
func CertificateARN(account, region, id string) string {
	return "arn:aws:acm:" + region + ":" + account + ":" + certificateKind + id
}

// ParseCertificateARN returns the id of a certificate of an account and region,
// and whether the text is the ARN of one.
func ParseCertificateARN(arn, account, region string) (id string, ok bool) {
	id, ok = strings.CutPrefix(arn, CertificateARN(account, region, ""))
	return id, ok && id != "" && !strings.ContainsAny(id, "/:")
}

// A CertificateAuthority is an account's own in a region, made when it is first
// needed: a root, and the issuer below it that signs certificates. Its id is the
// family of its keys.
type CertificateAuthority struct {
	Meta
	Root   AuthorityCertificate `json:"root"`
	Issuer AuthorityCertificate `json:"issuer"`

	Revoked   []RevokedCertificate `json:"revoked,omitempty"`
	CRL       []byte               `json:"crl,omitempty"` // DER
	CRLNumber int64                `json:"crlNumber"`
	CRLMade   time.Time            `json:"crlMade"`
}

// Ids of authorities: the family of their keys, for devices that know only one.
const (
	AuthorityECDSA = "ecdsa"
	AuthorityRSA   = "rsa"
)

// An AuthorityCertificate is a certificate that signs others, with its key.
type AuthorityCertificate struct {
	Certificate []byte    `json:"certificate"` // DER
	PrivateKey  string    `json:"privateKey"`  // PKCS #8 in PEM
	NotAfter    time.Time `json:"notAfter"`
}

// String hides the key.
func (a AuthorityCertificate) String() string {
	return "authority until " + a.NotAfter.Format(time.RFC3339)
}

// A RevokedCertificate stays on the revocation list until it would have expired.
type RevokedCertificate struct {
	Serial   string    `json:"serial"` // hexadecimal
	At       time.Time `json:"at"`
	Reason   int       `json:"reason"` // RFC 5280 section 5.3.1
	NotAfter time.Time `json:"notAfter"`
}

// Secrets are what the store seals.
func (a *CertificateAuthority) Secrets() []*string {
	return []*string{&a.Root.PrivateKey, &a.Issuer.PrivateKey}
}

const authorityKind = "certificate-authority/"

// ARN is the authority's name to all of AWS.
func (a *CertificateAuthority) ARN() string {
	return AuthorityARN(a.Account, a.Region, a.ID)
}

// AuthorityARN names the authority of an id.
func AuthorityARN(account, region, id string) string {
	return "arn:aws:acm-pca:" + region + ":" + account + ":" + authorityKind + id
}

// ParseAuthorityARN returns the id of an authority of an account and region, and
// whether the text is the ARN of one.
func ParseAuthorityARN(arn, account, region string) (id string, ok bool) {
	id, ok = strings.CutPrefix(arn, AuthorityARN(account, region, ""))
	return id, ok && (id == AuthorityECDSA || id == AuthorityRSA)
}

// A TunnelCertificate is our side's in one tunnel. Its id is TunnelID's.
type TunnelCertificate struct {
	Meta
	Authority  string    `json:"authority"`
	Leaf       []byte    `json:"leaf"`       // DER
	Chain      [][]byte  `json:"chain"`      // DER, from the issuer up to the root
	PrivateKey string    `json:"privateKey"` // PKCS #8 in PEM
	Issued     time.Time `json:"issued"`
	NotAfter   time.Time `json:"notAfter"`
	Replace    bool      `json:"replace,omitempty"` // now, rather than in time
}

// Secrets are what the store seals.
func (c *TunnelCertificate) Secrets() []*string { return []*string{&c.PrivateKey} }

// String names the certificate, so that its key is not printed by accident.
func (c TunnelCertificate) String() string { return "certificate of tunnel " + c.ID }

// TunnelCertificateName is the common name of our side's certificate in a
// tunnel.
func TunnelCertificateName(connection string, number int) string {
	return connection + ".endpoint-" + string(rune('0'+number-1))
}
