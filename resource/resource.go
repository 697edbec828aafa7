// Package resource holds the nouns of AWS's networking as plain values: what is
// stored of them, their states, defaults and rules. It imports only the standard
// library.
//
// Every noun is a Meta (who it is) with what was asked of it. What was seen of
// it by the data plane is a noun of its own (TunnelStatus, InstanceStatus), so
// that the API and the observers never write the same record.
package resource

import (
	"fmt"
	"time"
)

// Meta is what all nouns have in common.
type Meta struct {
	ID      string    `json:"id"` // "vpc-0123456789abcdef0"
	Account string    `json:"account"`
	Region  string    `json:"region"`
	Created time.Time `json:"created"`
	Tags    []Tag     `json:"tags,omitempty"` // sorted by key

	// Deleted is when the noun was deleted; such a record stays visible for
	// about an hour, as AWS's do, where the noun has a "deleted" state.
	Deleted *time.Time `json:"deleted,omitempty"`

	// ClientToken makes creation idempotent; ClientTokenHash is the digest of
	// the parameters that came with it.
	ClientToken     string `json:"clientToken,omitempty"`
	ClientTokenHash string `json:"clientTokenHash,omitempty"`
}

// GetMeta gives generic code access to the Meta of any noun.
func (m *Meta) GetMeta() *Meta { return m }

// Code is an error code of AWS, exactly as clients compare it.
type Code string

// An Error is what a caller of the API is told. Cause is for the log only.
type Error struct {
	Code    Code
	Message string
	Cause   error
}

// Errorf returns an Error with a formatted message.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Error is the code and the message.
func (e *Error) Error() string { return string(e.Code) + ": " + e.Message }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }
