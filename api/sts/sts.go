// Package sts tells callers who they are, and gives out temporary keys.
package sts

import (
	"context"
	"crypto/rand"
	"time"

	"causeway.dev/api/access"
	model "causeway.dev/api/model/sts"
	"causeway.dev/api/server"
	"causeway.dev/iam"
	"causeway.dev/resource"
	"causeway.dev/store"
)

// Config is what the actions need.
type Config struct {
	Store  *store.Store
	Guard  *access.Guard
	Sealer iam.Sealer // of session tokens; the same as the guard's
}

// A Service has the actions as its methods. They may be called by any goroutine.
type Service struct{ cfg Config }

// New returns the actions.
func New(cfg Config) *Service { return &Service{cfg} }

// Server returns the service as api/server takes it.
func (s *Service) Server() server.Service {
	return server.Service{
		Model:  model.Service,
		Global: true,
		Actions: map[string]server.Handler{
			"AssumeRole":                 server.Operation(s.AssumeRole),
			"DecodeAuthorizationMessage": server.Operation(s.DecodeAuthorizationMessage),
			"GetAccessKeyInfo":           server.Operation(s.GetAccessKeyInfo),
			"GetCallerIdentity":          server.Operation(s.GetCallerIdentity),
			"GetSessionToken":            server.Operation(s.GetSessionToken),
		},
		ValidationCode: codeValidation,
		// AssumeRole is decided with the role's own policy.
		Open: []string{"AssumeRole", "GetCallerIdentity", "GetSessionToken"},
	}
}

// The codes of errors, as the model has them.
const (
	codeAccessDenied    = "AccessDenied"
	codeMalformedPolicy = "MalformedPolicyDocument"
	codePackedTooLarge  = "PackedPolicyTooLarge"
	codeInvalidMessage  = "InvalidAuthorizationMessageException"
	codeValidation      = "ValidationError"
)

func invalid(format string, args ...any) error {
	return resource.Errorf(codeValidation, format, args...)
}

// GetCallerIdentity tells who calls.
func (s *Service) GetCallerIdentity(_ context.Context, c server.Caller, _ *model.GetCallerIdentityInput) (*model.GetCallerIdentityOutput, error) {
	return &model.GetCallerIdentityOutput{Account: &c.Account, Arn: &c.ARN, UserId: &c.UserID}, nil
}

// GetAccessKeyInfo tells whose an access key is.
func (s *Service) GetAccessKeyInfo(_ context.Context, _ server.Caller, in *model.GetAccessKeyInfoInput) (*model.GetAccessKeyInfoOutput, error) {
	if k, ok := s.cfg.Guard.Lookup(*in.AccessKeyId); ok {
		return &model.GetAccessKeyInfoOutput{Account: &k.Account}, nil
	}
	account, ok := iam.KeyAccount(*in.AccessKeyId)
	if !ok {
		return nil, invalid("The access key id %s is not one that was given out here", resource.Clip(*in.AccessKeyId))
	}
	return &model.GetAccessKeyInfoOutput{Account: &account}, nil
}

// DecodeAuthorizationMessage tells more about a denial, to the account that it was
// said to.
func (s *Service) DecodeAuthorizationMessage(_ context.Context, c server.Caller, in *model.DecodeAuthorizationMessageInput) (*model.DecodeAuthorizationMessageOutput, error) {
	text, err := s.cfg.Guard.DecodeMessage(c.Account, *in.EncodedMessage)
	if err != nil {
		return nil, &resource.Error{Code: codeInvalidMessage, Message: "Message is not valid", Cause: err}
	}
	return &model.DecodeAuthorizationMessageOutput{DecodedMessage: &text}, nil
}

// Durations of the keys of GetSessionToken, in seconds: STS's page about it.
const (
	tokenDurationDefault = 43_200
	rootDurationMax      = 3_600
)

// GetSessionToken gives a user keys for a time, which may what the user may, but
// for most of IAM and STS.
func (s *Service) GetSessionToken(_ context.Context, c server.Caller, in *model.GetSessionTokenInput) (*model.GetSessionTokenOutput, error) {
	if c.Key.Session != nil {
		return nil, resource.Errorf(codeAccessDenied, "Cannot call GetSessionToken with session credentials")
	}
	if err := refuseSecondFactor(in.SerialNumber, in.TokenCode); err != nil {
		return nil, err
	}
	seconds := int32(tokenDurationDefault)
	if in.DurationSeconds != nil {
		seconds = *in.DurationSeconds
	}
	if c.Key.Root() {
		seconds = min(seconds, rootDurationMax)
	}
	credentials, err := s.issue(c, c.Key, iam.Session{}, seconds)
	return &model.GetSessionTokenOutput{Credentials: credentials}, err
}

// refuseSecondFactor refuses codes of devices that nobody has here.
func refuseSecondFactor(serial, code *string) error {
	if serial != nil || code != nil {
		return resource.Errorf(codeAccessDenied, "MultiFactorAuthentication failed: there are no MFA devices here")
	}
	return nil
}

// issue makes keys in the name of somebody for a session.
func (s *Service) issue(c server.Caller, k iam.AccessKey, session iam.Session, seconds int32) (*model.Credentials, error) {
	k, token, err := iam.Issue(rand.Reader, s.cfg.Sealer, k, session, c.Now, time.Duration(seconds)*time.Second)
	if err != nil {
		return nil, err
	}
	secret := string(k.Secret)
	return &model.Credentials{AccessKeyId: &k.ID, SecretAccessKey: &secret, SessionToken: &token, Expiration: &k.Session.Expires}, nil
}

// val is what a pointer points to, or zero.
func val[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
