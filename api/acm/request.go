package acm

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	model "causeway.dev/api/model/acm"
	"causeway.dev/api/server"
	"causeway.dev/control/certificates"
	"causeway.dev/pki"
	"causeway.dev/resource"
	"causeway.dev/store"
)

func (s *Service) requestActions() actions {
	return actions{"RequestCertificate": server.Operation(s.RequestCertificate)}
}

// domainNameForm is ACM's: two labels at least, the first may be a wildcard.
var domainNameForm = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(\*\.)?([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])$`)
})

// tokenForm is that of an IdempotencyToken, which counts for an hour.
var tokenForm = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^\w{1,32}$`) })

const tokenLifetime = time.Hour

// RequestCertificate issues a certificate at once. With the ARN of one of the
// account's authorities it is of type PRIVATE and can be exported; without one
// it is AMAZON_ISSUED, as clients expect of it, by the same authorities.
func (s *Service) RequestCertificate(ctx context.Context, c server.Caller, in *model.RequestCertificateInput) (*model.RequestCertificateOutput, error) {
	v, err := requested(c, in)
	if err != nil {
		return nil, err
	}
	if v.ClientToken != "" {
		if arn, err := repeated(s.store.Snapshot(), v); arn != nil || err != nil {
			return &model.RequestCertificateOutput{CertificateArn: arn}, err
		}
	}
	prepared, err := certificates.Prepare(s.store.Snapshot(), scopeOf(c), v.Authority, pki.KeyAlgorithm(v.KeyAlgorithm), c.Now)
	if err != nil {
		return nil, err
	}
	out := &model.RequestCertificateOutput{CertificateArn: str(v.ARN())}
	return out, s.store.Update(ctx, func(tx *store.Tx) error {
		if v.ClientToken != "" {
			if arn, err := repeated(tx, v); arn != nil || err != nil {
				out.CertificateArn = arn
				return err
			}
		}
		if err := s.checkLimit(tx, c); err != nil {
			return err
		}
		v := v
		issued, err := prepared.Issue(tx, certificates.RequestFor(&v, s.cfg.URL), c.Now)
		if err != nil {
			return err
		}
		issued.Into(&v)
		v.Issued = &v.Created
		store.Certificates.Put(tx, v)
		return nil
	})
}

// requested reads a request.
func requested(c server.Caller, in *model.RequestCertificateInput) (resource.Certificate, error) {
	v := resource.Certificate{
		Meta:         resource.Meta{ID: newID(), Account: c.Account, Region: c.Region, Created: c.Now.UTC().Truncate(time.Millisecond)},
		Type:         resource.CertificateAmazonIssued,
		DomainName:   strings.ToLower(val(in.DomainName)),
		KeyAlgorithm: cmp.Or(val(in.KeyAlgorithm), string(pki.RSA2048)),
		// What is asked for is kept, and nothing is logged publicly.
		TransparencyLogging: model.CertificateTransparencyLoggingPreferenceENABLED,
	}
	names := append([]string{v.DomainName}, in.SubjectAlternativeNames...)
	for _, name := range names {
		if len(name) > 253 || !domainNameForm().MatchString(name) {
			return v, invalid("%q is not a domain name, such as gw.example.com or *.example.com", resource.Clip(name))
		}
		if name = strings.ToLower(name); !slices.Contains(v.SubjectAlternativeNames, name) {
			v.SubjectAlternativeNames = append(v.SubjectAlternativeNames, name)
		}
	}
	algorithm := pki.KeyAlgorithm(v.KeyAlgorithm)
	if !slices.Contains(pki.KeyAlgorithms, algorithm) {
		return v, resource.Errorf(codeInvalidParameter, "Certificates with the key algorithm %s are not issued; use one of %v", v.KeyAlgorithm, pki.KeyAlgorithms)
	}
	v.Authority = certificates.Family(algorithm)
	if arn := val(in.CertificateAuthorityArn); arn != "" {
		id, ok := resource.ParseAuthorityARN(arn, c.Account, c.Region)
		if !ok {
			return v, resource.Errorf(codeInvalidArn, "The authority %s is none of this account and region; it has %s and %s", resource.Clip(arn),
				resource.AuthorityARN(c.Account, c.Region, resource.AuthorityECDSA), resource.AuthorityARN(c.Account, c.Region, resource.AuthorityRSA))
		}
		v.Type, v.Authority = resource.CertificatePrivate, id
	} else {
		v.ValidationMethod = cmp.Or(val(in.ValidationMethod), model.ValidationMethodEMAIL)
	}
	if in.ManagedBy != nil {
		return v, resource.Errorf(codeInvalidParameter, "Certificates that CloudFront manages are not issued here")
	}
	setOptions(&v, in.Options)
	v.Exportable = v.Exportable || v.Type == resource.CertificatePrivate
	var err error
	if v.Tags, err = mergeTags(nil, in.Tags); err != nil {
		return v, err
	}
	return v, setToken(&v, in)
}

// setToken notes what makes a request that is repeated the same request.
func setToken(v *resource.Certificate, in *model.RequestCertificateInput) error {
	if in.IdempotencyToken == nil {
		return nil
	}
	if !tokenForm().MatchString(*in.IdempotencyToken) {
		return resource.Errorf(codeInvalidParameter, "The IdempotencyToken has 1 to 32 letters, digits or '_'")
	}
	encoded, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("digest a request: %w", err)
	}
	sum := sha256.Sum256(encoded)
	v.ClientToken, v.ClientTokenHash = *in.IdempotencyToken, hex.EncodeToString(sum[:])
	return nil
}

// repeated finds the certificate that the same request has asked for within the
// last hour.
func repeated(r store.Reader, v resource.Certificate) (*string, error) {
	for other := range store.Certificates.List(r, store.Scope{Account: v.Account, Region: v.Region}) {
		if other.ClientToken != v.ClientToken || v.Created.Sub(other.Created) > tokenLifetime {
			continue
		}
		if other.ClientTokenHash != v.ClientTokenHash {
			return nil, resource.Errorf(codeInvalidParameter, "The IdempotencyToken was used within the last hour for another request")
		}
		return str(other.ARN()), nil
	}
	return nil, nil
}

func (s *Service) checkLimit(r store.Reader, c server.Caller) error {
	count := 0
	for range store.Certificates.List(r, scopeOf(c)) {
		count++
	}
	if count >= s.cfg.CertificatesMax {
		return resource.Errorf(codeLimitExceeded, "Cannot have more than %d certificates", s.cfg.CertificatesMax)
	}
	return nil
}
