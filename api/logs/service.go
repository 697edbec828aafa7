// Package logs carries out the actions of CloudWatch Logs over the embedded log
// store, a file a noun.
package logs

import (
	"errors"
	"maps"

	model "causeway.dev/api/model/logs"
	"causeway.dev/api/server"
	store "causeway.dev/logs"
	"causeway.dev/resource"
)

// bodyMax admits the largest batch of PutLogEvents, 1 MiB of messages, also where
// a client writes each character of them as \uXXXX.
const bodyMax = 4 << 20

// A Service carries out the actions.
type Service struct {
	store *store.Store
}

// New returns the service over a store, which may be nil where only the table of
// actions is wanted.
func New(s *store.Store) *Service { return &Service{store: s} }

type actions map[string]server.Handler

// Server is the part of CloudWatch Logs that is built.
func (s *Service) Server() server.Service {
	all := actions{}
	for _, some := range []actions{s.groupActions(), s.streamActions(), s.eventActions(), s.tagActions(), s.formerActions()} {
		maps.Copy(all, some)
	}
	return server.Service{Model: model.Service, ValidationCode: codeInvalidParameter, BodyMax: bodyMax, Actions: all, Targets: s.targets}
}

// The codes of errors, as the model has them.
const (
	codeInvalidParameter = "InvalidParameterException"
	codeNotFound         = "ResourceNotFoundException"
	codeExists           = "ResourceAlreadyExistsException"
	codeLimit            = "LimitExceededException"
	codeValidation       = "ValidationException"
	codeTooManyTags      = "TooManyTagsException"
)

func invalid(format string, args ...any) error {
	return resource.Errorf(codeInvalidParameter, format, args...)
}

// explain turns the store's errors into the service's.
func explain(err error) error {
	switch {
	case errors.Is(err, store.ErrNoGroup):
		return resource.Errorf(codeNotFound, "The specified log group does not exist.")
	case errors.Is(err, store.ErrNoStream):
		return resource.Errorf(codeNotFound, "The specified log stream does not exist.")
	case errors.Is(err, store.ErrGroupExists):
		return resource.Errorf(codeExists, "The specified log group already exists")
	case errors.Is(err, store.ErrStreamExists):
		return resource.Errorf(codeExists, "The specified log stream already exists")
	case errors.Is(err, store.ErrTooManyGroups), errors.Is(err, store.ErrTooManyStreams):
		return resource.Errorf(codeLimit, "Resource limit exceeded: %v.", err)
	}
	return err
}

func scopeOf(c server.Caller) store.Scope { return store.Scope{Account: c.Account, Region: c.Region} }

// val is what a pointer points to, or zero.
func val[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
