// Package acm carries out the actions of AWS Certificate Manager, a file a noun.
// Certificates that are requested are issued at once, by the account's own
// authorities.
package acm

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"

	model "causeway.dev/api/model/acm"
	"causeway.dev/api/server"
	"causeway.dev/resource"
	"causeway.dev/store"
)

// Config is what the actions need to know of the installation.
type Config struct {
	Store *store.Store

	// CertificatesMax is how many certificates an account can have in a region;
	// AWS's 2,500 if 0.
	CertificatesMax int

	// URL is where revocation lists are reached, to be named in certificates;
	// empty: they name none.
	URL string
}

const (
	certificatesMaxDefault = 2500

	// bodyMax admits the largest import in base64: a chain of 2 MiB.
	bodyMax = 3 << 20
)

// A Service has the actions as its methods. They may be called by any goroutine.
type Service struct {
	store *store.Store
	cfg   Config
}

// New returns the actions on a store.
func New(cfg Config) *Service {
	if cfg.CertificatesMax == 0 {
		cfg.CertificatesMax = certificatesMaxDefault
	}
	return &Service{store: cfg.Store, cfg: cfg}
}

type actions map[string]server.Handler

// Server returns the service as api/server takes it.
func (s *Service) Server() server.Service {
	all := actions{}
	for _, some := range []actions{s.certificateActions(), s.requestActions(), s.importActions(), s.privateActions(), s.tagActions()} {
		maps.Copy(all, some)
	}
	return server.Service{Model: model.Service, BodyMax: bodyMax, Actions: all, Targets: s.targets}
}

// The codes of errors, as the model has them.
const (
	codeInvalidArn       = "InvalidArnException"
	codeInvalidParameter = "InvalidParameterException"
	codeInvalidState     = "InvalidStateException"
	codeInvalidTag       = "InvalidTagException"
	codeInUse            = "ResourceInUseException"
	codeLimitExceeded    = "LimitExceededException"
	codeNotFound         = "ResourceNotFoundException"
	codeTooManyTags      = "TooManyTagsException"
	codeValidation       = "ValidationException"
)

func invalid(format string, args ...any) error {
	return resource.Errorf(codeValidation, format, args...)
}

func scopeOf(c server.Caller) store.Scope { return store.Scope{Account: c.Account, Region: c.Region} }

// find returns the certificate that an ARN names.
func find(r store.Reader, c server.Caller, arn *string) (resource.Certificate, error) {
	id, ok := resource.ParseCertificateARN(val(arn), c.Account, c.Region)
	if !ok {
		return resource.Certificate{}, resource.Errorf(codeInvalidArn, "The ARN %s is not that of a certificate of this account and region", resource.Clip(val(arn)))
	}
	found, ok := store.Certificates.Get(r, scopeOf(c), id)
	if !ok {
		return resource.Certificate{}, resource.Errorf(codeNotFound, "Could not find certificate %s", *arn)
	}
	return found, nil
}

// change updates the certificate that an ARN names in one transaction.
func (s *Service) change(ctx context.Context, c server.Caller, arn *string, f func(tx *store.Tx, v *resource.Certificate) error) error {
	return s.store.Update(ctx, func(tx *store.Tx) error {
		v, err := find(tx, c, arn)
		if err != nil {
			return err
		}
		if err := f(tx, &v); err != nil {
			return err
		}
		store.Certificates.Put(tx, v)
		return nil
	})
}

// newID makes up a random UUID. RFC 9562 section 5.4.
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // crypto/rand never fails
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// val is what a pointer points to, or zero.
func val[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// str is a pointer to a text; nil for the empty one, which is left out.
func str(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
