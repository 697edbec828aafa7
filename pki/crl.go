package pki

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"
)

// A Reason is why a certificate was revoked. RFC 5280 section 5.3.1.
type Reason int

// Reasons of revocation. 7 is not used.
const (
	Unspecified          Reason = 0
	KeyCompromise        Reason = 1
	CACompromise         Reason = 2
	AffiliationChanged   Reason = 3
	Superseded           Reason = 4
	CessationOfOperation Reason = 5
	CertificateHold      Reason = 6
	RemoveFromCRL        Reason = 8
	PrivilegeWithdrawn   Reason = 9
	AACompromise         Reason = 10
)

var reasonTexts = map[Reason]string{
	KeyCompromise: "key compromise", CACompromise: "compromise of the authority", AffiliationChanged: "change of affiliation",
	Superseded: "superseded", CessationOfOperation: "cessation of operation", CertificateHold: "on hold",
	PrivilegeWithdrawn: "privilege withdrawn", AACompromise: "compromise of the attribute authority",
}

// String is the reason as an operator reads it.
func (r Reason) String() string {
	if s, ok := reasonTexts[r]; ok {
		return s
	}
	return "no reason given"
}

// A Revocation is an entry of a revocation list.
type Revocation struct {
	Serial *big.Int
	At     time.Time
	Reason Reason
}

// NewCRL signs a revocation list. Numbers of an authority's lists rise.
func (a Authority) NewCRL(revoked []Revocation, number int64, now, next time.Time) ([]byte, error) {
	template := &x509.RevocationList{Number: big.NewInt(number), ThisUpdate: now.Add(-backdating), NextUpdate: next}
	for _, r := range revoked {
		template.RevokedCertificateEntries = append(template.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: r.Serial, RevocationTime: r.At, ReasonCode: int(r.Reason)})
	}
	der, err := x509.CreateRevocationList(rand.Reader, template, a.Certificate, a.Key)
	if err != nil {
		return nil, fmt.Errorf("sign the revocation list of %s: %w", NameOf(a.Certificate), err)
	}
	return der, nil
}

// CRLBytesMax bounds a revocation list: about 100,000 entries.
const CRLBytesMax = 4 << 20

// A CRL is a revocation list, ready to be asked. It never changes.
type CRL struct {
	list    *x509.RevocationList  // without its entries and extensions
	revoked map[string]Revocation // by serial number
	scope   distributionScope
	points  []string // URIs of the distribution point that it is for; of all if scope has none
}

// distributionScope is what RFC 5280 section 5.2.5's issuing distribution point
// restricts a list to.
type distributionScope struct {
	Point          asn1.RawValue  `asn1:"optional,tag:0"`
	OnlyUsers      bool           `asn1:"optional,tag:1"`
	OnlyCAs        bool           `asn1:"optional,tag:2"`
	SomeReasons    asn1.BitString `asn1:"optional,tag:3"`
	Indirect       bool           `asn1:"optional,tag:4"`
	OnlyAttributes bool           `asn1:"optional,tag:5"`
}

var (
	oidIssuingDistributionPoint = asn1.ObjectIdentifier{2, 5, 29, 28}
	oidCRLReason                = asn1.ObjectIdentifier{2, 5, 29, 21}
)

// ParseCRL reads a complete revocation list in DER. Delta and indirect lists,
// and those with critical extensions that are not known here, are refused: they
// would have to be read differently. RFC 5280 section 5.2.
func ParseCRL(der []byte) (*CRL, error) {
	if len(der) > CRLBytesMax {
		return nil, fmt.Errorf("the revocation list has %d bytes; %d are allowed", len(der), CRLBytesMax)
	}
	list, err := x509.ParseRevocationList(der)
	if err != nil {
		return nil, fmt.Errorf("parse a revocation list: %w", err)
	}
	c := &CRL{revoked: make(map[string]Revocation, len(list.RevokedCertificateEntries))}
	for _, e := range list.Extensions {
		switch {
		case e.Id.Equal(oidIssuingDistributionPoint):
			if rest, err := asn1.Unmarshal(e.Value, &c.scope); err != nil || len(rest) > 0 {
				return nil, errors.New("the revocation list's issuing distribution point is malformed")
			}
			if c.scope.Indirect || c.scope.OnlyAttributes || c.scope.SomeReasons.BitLength > 0 {
				return nil, errors.New("the revocation list is an indirect or a partial one")
			}
			if c.points, err = pointURIs(c.scope.Point.Bytes); err != nil {
				return nil, err
			}
		case e.Critical:
			return nil, fmt.Errorf("the revocation list has the critical extension %v, which is not known here", e.Id)
		}
	}
	for _, e := range list.RevokedCertificateEntries {
		if hasCritical(e.Extensions) {
			return nil, errors.New("an entry of the revocation list has a critical extension that is not known here")
		}
		c.revoked[e.SerialNumber.String()] = Revocation{e.SerialNumber, e.RevocationTime, Reason(e.ReasonCode)}
	}
	// The list itself has every entry twice, which a long one must not keep.
	c.list = &x509.RevocationList{
		Raw: list.Raw, RawTBSRevocationList: list.RawTBSRevocationList, RawIssuer: list.RawIssuer, NextUpdate: list.NextUpdate,
		Signature: list.Signature, SignatureAlgorithm: list.SignatureAlgorithm,
	}
	return c, nil
}

// pointURIs reads the URIs of a DistributionPointName; other names have none. RFC
// 5280 section 4.2.1.13.
func pointURIs(der []byte) ([]string, error) {
	const fullName, uri = 0, 6
	malformed := errors.New("the revocation list's distribution point is malformed")
	if len(der) == 0 {
		return nil, nil
	}
	var names asn1.RawValue
	if rest, err := asn1.Unmarshal(der, &names); err != nil || len(rest) > 0 {
		return nil, malformed
	}
	if names.Class != asn1.ClassContextSpecific || names.Tag != fullName {
		return nil, nil
	}
	var uris []string
	for rest := names.Bytes; len(rest) > 0; {
		var name asn1.RawValue
		var err error
		if rest, err = asn1.Unmarshal(rest, &name); err != nil {
			return nil, malformed
		}
		if name.Class == asn1.ClassContextSpecific && name.Tag == uri {
			uris = append(uris, string(name.Bytes))
		}
	}
	return uris, nil
}

func hasCritical(extensions []pkix.Extension) bool {
	for _, e := range extensions {
		if e.Critical && !e.Id.Equal(oidCRLReason) {
			return true
		}
	}
	return false
}

// Raw is the list in DER.
func (c *CRL) Raw() []byte { return c.list.Raw }

// NextUpdate is when the list is out of date; zero if it does not say.
func (c *CRL) NextUpdate() time.Time { return c.list.NextUpdate }

// Covers reports whether the list speaks for a certificate of an issuer, who
// signed it. An authority with several lists, each for some of its certificates,
// says in each for which distribution point it is: the others are silent about a
// certificate, and no proof that it is good. RFC 5280 section 6.3.3 (b)(2).
func (c *CRL) Covers(certificate, issuer *x509.Certificate) bool {
	if string(c.list.RawIssuer) != string(issuer.RawSubject) || string(certificate.RawIssuer) != string(issuer.RawSubject) {
		return false
	}
	if certificate.IsCA && c.scope.OnlyUsers || !certificate.IsCA && c.scope.OnlyCAs {
		return false
	}
	if len(c.scope.Point.FullBytes) > 0 && !slices.ContainsFunc(certificate.CRLDistributionPoints, func(uri string) bool { return slices.Contains(c.points, uri) }) {
		return false
	}
	return c.list.CheckSignatureFrom(issuer) == nil
}

// Lookup returns the entry of a certificate that the list covers.
func (c *CRL) Lookup(certificate *x509.Certificate) (Revocation, bool) {
	r, ok := c.revoked[certificate.SerialNumber.String()]
	return r, ok
}
