package pki

import (
	"crypto/sha1"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Trust says which certificates are believed. It is immutable once used.
type Trust struct {
	Roots         []*x509.Certificate
	Intermediates []*x509.Certificate // that leaves may leave out
	CRLs          []*CRL              // that are at hand

	// Fetched knows what was fetched beforehand of revocation lists and OCSP;
	// nil knows nothing.
	Fetched Fetched

	// HardFail refuses a certificate whose revocation cannot be looked up
	// though it names a place for that.
	HardFail bool
}

// Fetched is the memory of a service that fetches revocation lists and OCSP
// answers in the background. Its method does not block.
type Fetched interface {
	// Status returns what is known of a certificate at a time. Asking for what
	// is not known makes the service fetch it.
	Status(certificate, issuer *x509.Certificate, now time.Time) Status
}

// A Status is what is known of a certificate's revocation.
type Status struct {
	Known   bool        // an authority has said something that is still in force
	Revoked *Revocation // nil: it is good, if Known
	Trouble string      // why it is not known: "the list at http://… could not be fetched: …"; empty if there is no place to ask
}

// Verified is a chain that was believed.
type Verified struct {
	Leaf  *x509.Certificate
	Chain []*x509.Certificate // the leaf first, the root last

	// Remarks are what an operator should know though the chain was believed:
	// revocation that could not be looked up.
	Remarks []string
}

// Verify builds a chain from a leaf (the first, in DER), others in any order
// and our intermediates, up to one of our roots, as RFC 5280 section 6 says: dates
// at now, signatures, constraints of names and lengths, and revocation of every
// certificate but the root. Its error is a sentence about "the certificate".
func (t *Trust) Verify(chain [][]byte, now time.Time) (Verified, error) {
	if len(chain) == 0 {
		return Verified{}, errors.New("there is no certificate")
	}
	parsed, err := ParseChain(chain)
	if err != nil {
		return Verified{}, fmt.Errorf("the certificate can't be read: %w", err)
	}
	leaf := parsed[0]
	roots, others := x509.NewCertPool(), x509.NewCertPool()
	for _, c := range t.Roots {
		roots.AddCert(c)
	}
	for _, c := range append(parsed[1:len(parsed):len(parsed)], t.Intermediates...) {
		others.AddCert(c)
	}
	chains, err := leaf.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: others, CurrentTime: now,
		// RFC 4945 section 5.1.3.12: extended key usages say nothing about IKE.
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if err != nil {
		return Verified{}, t.explain(leaf, err, now)
	}
	if leaf.KeyUsage != 0 && leaf.KeyUsage&(x509.KeyUsageDigitalSignature|x509.KeyUsageContentCommitment) == 0 {
		return Verified{}, fmt.Errorf("the certificate %s must not be used for signatures: its key usage forbids it", NameOf(leaf)) // RFC 4945 section 5.1.3.2
	}
	// Several chains may lead to a root, one of them by an authority that was
	// revoked.
	var refusal error
	for _, candidate := range chains {
		remarks, err := t.checkRevocation(candidate, now)
		if err == nil {
			return Verified{leaf, candidate, remarks}, nil
		}
		refusal = err
	}
	return Verified{}, refusal
}

// checkRevocation looks up every certificate of a chain but the root.
func (t *Trust) checkRevocation(chain []*x509.Certificate, now time.Time) (remarks []string, err error) {
	for i := range len(chain) - 1 {
		status := t.status(chain[i], chain[i+1], now)
		switch {
		case status.Revoked != nil:
			return nil, fmt.Errorf("the certificate %s was revoked on %s: %s", NameOf(chain[i]), date(status.Revoked.At), status.Revoked.Reason)
		case status.Known || status.Trouble == "":
		case t.HardFail:
			return nil, fmt.Errorf("whether the certificate %s is revoked is not known: %s", NameOf(chain[i]), status.Trouble)
		default:
			remarks = append(remarks, fmt.Sprintf("whether %s is revoked is not known: %s", NameOf(chain[i]), status.Trouble))
		}
	}
	return remarks, nil
}

// status asks the lists at hand first. A list that is out of date still proves
// a revocation, but no longer the contrary.
func (t *Trust) status(certificate, issuer *x509.Certificate, now time.Time) Status {
	var known Status
	for _, list := range t.CRLs {
		if !list.Covers(certificate, issuer) {
			continue
		}
		if r, revoked := list.Lookup(certificate); revoked {
			return Status{Known: true, Revoked: &r}
		}
		if next := list.NextUpdate(); next.IsZero() || now.Before(next) {
			known = Status{Known: true}
		} else if !known.Known {
			known.Trouble = fmt.Sprintf("the revocation list of %s is out of date since %s", NameOf(issuer), date(next))
		}
	}
	if known.Known || t.Fetched == nil {
		return known
	}
	if fetched := t.Fetched.Status(certificate, issuer, now); fetched.Known || fetched.Trouble != "" {
		return fetched
	}
	return known
}

// explain turns x509's errors into sentences.
func (t *Trust) explain(leaf *x509.Certificate, err error, now time.Time) error {
	var invalid x509.CertificateInvalidError
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired && now.Before(invalid.Cert.NotBefore):
		return fmt.Errorf("the certificate %s is valid only from %s on; check the clocks", NameOf(invalid.Cert), date(invalid.Cert.NotBefore))
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Errorf("the certificate %s expired on %s", NameOf(invalid.Cert), date(invalid.Cert.NotAfter))
	case errors.As(err, &unknown):
		return fmt.Errorf("the certificate %s is not issued by an authority that is trusted here: its issuer is %s, trusted are %s (a missing intermediate certificate, or another authority's)",
			NameOf(leaf), clip(leaf.Issuer.String()), strings.Join(namesOf(t.Roots), ", "))
	}
	return fmt.Errorf("the certificate %s is not valid: %w", NameOf(leaf), err)
}

func namesOf(certificates []*x509.Certificate) []string {
	var all []string
	for _, c := range certificates {
		all = append(all, NameOf(c))
	}
	return all
}

func date(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 MST") }

// Authorities are the SHA-1 hashes of the SubjectPublicKeyInfo of roots and
// intermediates, and their subjects in DER: what a peer is asked for a
// certificate of. RFC 7296 section 3.7; RFC 2408 section 3.10.
func (t *Trust) Authorities() (hashes, names [][]byte) {
	for _, c := range append(t.Roots[:len(t.Roots):len(t.Roots)], t.Intermediates...) {
		sum := sha1.Sum(c.RawSubjectPublicKeyInfo)
		hashes, names = append(hashes, sum[:]), append(names, c.RawSubject)
	}
	return hashes, names
}
