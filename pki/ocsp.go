package pki

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/ocsp"
)

// OCSPBytesMax bounds an answer of OCSP: one certificate's status with the
// responder's certificate has 2 to 4 KiB.
const OCSPBytesMax = 64 << 10

// ocspSkew is how far ahead a responder's clock may be.
const ocspSkew = 5 * time.Minute

// ocspForce is how long an answer without an end is believed.
const ocspForce = time.Hour

// OCSPRequest asks for the status of a certificate. RFC 6960 section 4.1.
func OCSPRequest(certificate, issuer *x509.Certificate) ([]byte, error) {
	return ocsp.CreateRequest(certificate, issuer, &ocsp.RequestOptions{Hash: crypto.SHA1}) // RFC 5019 section 2.1.1: what every responder knows
}

// ParseOCSP reads an answer about a certificate, signed by its issuer or by a
// responder that the issuer has appointed, and says until when it is in force.
// RFC 6960 section 3.2.
func ParseOCSP(answer []byte, certificate, issuer *x509.Certificate, now time.Time) (status Status, until time.Time, err error) {
	if len(answer) > OCSPBytesMax {
		return Status{}, time.Time{}, fmt.Errorf("it has %d bytes; %d are allowed", len(answer), OCSPBytesMax)
	}
	r, err := ocsp.ParseResponseForCert(answer, certificate, issuer)
	if err != nil {
		return Status{}, time.Time{}, err
	}
	if r.Certificate != nil && !r.Certificate.Equal(issuer) && !appointed(r.Certificate, now) {
		return Status{}, time.Time{}, errors.New("its signer is not appointed for OCSP, or its certificate has expired")
	}
	until = r.NextUpdate
	if until.IsZero() {
		until = r.ThisUpdate.Add(ocspForce)
	}
	switch {
	case r.ThisUpdate.After(now.Add(ocspSkew)):
		return Status{}, time.Time{}, fmt.Errorf("it is from the future: %s", date(r.ThisUpdate))
	case r.Status == ocsp.Revoked: // which no time undoes
		return Status{Known: true, Revoked: &Revocation{certificate.SerialNumber, r.RevokedAt, Reason(r.RevocationReason)}}, until, nil
	case !now.Before(until):
		return Status{}, time.Time{}, fmt.Errorf("it is out of date since %s", date(until))
	case r.Status == ocsp.Good:
		return Status{Known: true}, until, nil
	}
	return Status{}, time.Time{}, errors.New("the responder does not know the certificate")
}

// appointed reports whether an issuer has allowed the holder of a certificate to
// answer in its place; that the issuer signed it has been checked. RFC 6960
// section 4.2.2.2.
func appointed(responder *x509.Certificate, now time.Time) bool {
	if now.Before(responder.NotBefore) || now.After(responder.NotAfter) {
		return false
	}
	for _, usage := range responder.ExtKeyUsage {
		if usage == x509.ExtKeyUsageOCSPSigning {
			return true
		}
	}
	return false
}
