package server

import (
	"context"
	"fmt"
	"net/netip"
	"reflect"
	"time"

	"causeway.dev/api/model"
	"causeway.dev/api/wire"
	"causeway.dev/iam"
	"causeway.dev/resource"
)

// A Caller is who made a request, and when.
type Caller struct {
	Account     string // 12 digits
	Region      string // that the request was signed for; one of Config.Regions
	AccessKeyID string
	ARN         string
	UserID      string // the unique id of the user, or the account's number for root
	RequestID   string
	Now         time.Time // when the request came in

	Key       iam.AccessKey // that signed the request; its secret is left out
	Source    netip.Addr    // that the request came from; the zero address if unknown
	Secure    bool          // it came over TLS
	UserAgent string
}

// A Handler carries out one action. It is made by Operation.
type Handler struct {
	input, output reflect.Type
	newInput      func() any
	run           func(ctx context.Context, c Caller, in any) (any, error)
}

// Operation makes a Handler of a function from the generated input of an action
// to its output. The input is decoded, and obeys what the model demands
// (required members, ranges, enumerations); it belongs to f. The output may share
// memory with the store's snapshot: it is only read.
//
// An error that is, or wraps, a *resource.Error is told to the caller as it
// stands; any other becomes InternalError and is logged.
func Operation[In, Out any](f func(ctx context.Context, c Caller, in *In) (*Out, error)) Handler {
	return Handler{
		input:    reflect.TypeFor[In](),
		output:   reflect.TypeFor[Out](),
		newInput: func() any { return new(In) },
		run: func(ctx context.Context, c Caller, in any) (any, error) {
			out, err := f(ctx, c, in.(*In))
			if err != nil {
				return nil, err
			}
			if out == nil {
				out = new(Out)
			}
			return out, nil
		},
	}
}

// A Service is the part of one of AWS's services that is built.
type Service struct {
	Model   model.Service
	Actions map[string]Handler // by action name

	// Global services take requests signed for us-east-1 in any region, as
	// AWS's do.
	Global bool

	// ValidationCode is the code of an error whose request breaks a rule of the
	// model. "": wire.CodeValidation in the JSON protocol, and in the others the
	// codes of package wire.
	ValidationCode resource.Code

	// Targets tells what a request is about, for policies. Nothing, or nil: "*",
	// nothing in particular. The input is only read.
	Targets func(c Caller, action string, input any) []Target

	// Before, where set, is called before each operation that the caller may do.
	// What it refuses is not done.
	Before func(ctx context.Context, c Caller) error

	// Open are the actions that everyone with a key may, whatever policies say.
	Open []string

	// BodyMax is the size of the largest request body, in bytes, of callers
	// whose access key is known. 0: the constant BodyMax, which bounds all
	// others.
	BodyMax int64
}

// check panics unless each handler stands under the name of its own action: it
// can only be wrong by our mistake.
func (s Service) check() {
	if _, ok := wire.DialectOf(s.Model.Protocol); !ok {
		panic(fmt.Sprintf("service %s speaks %q", s.Model.Name, s.Model.Protocol))
	}
	for name, h := range s.Actions {
		if _, ok := s.Model.Actions[name]; !ok {
			panic(fmt.Sprintf("service %s has no action %s", s.Model.Name, name))
		}
		if h.input.Name() != name+"Input" || h.output.Name() != name+"Output" {
			panic(fmt.Sprintf("action %s is handled by a function from %v to %v", name, h.input, h.output))
		}
	}
}
