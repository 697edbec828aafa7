package server

import (
	"errors"
	"net/http"

	"causeway.dev/api/sigv4"
	"causeway.dev/api/wire"
	"causeway.dev/resource"
)

// statuses are the HTTP statuses of error codes; 400 for all others.
var statuses = map[resource.Code]int{
	"AuthFailure":                http.StatusUnauthorized,
	"InternalError":              http.StatusInternalServerError,
	"InternalFailure":            http.StatusInternalServerError,
	"InvalidClientTokenId":       http.StatusForbidden,
	"AccessDenied":               http.StatusForbidden,
	"DryRunOperation":            http.StatusPreconditionFailed,
	"MethodNotAllowed":           http.StatusMethodNotAllowed,
	"MissingAuthenticationToken": http.StatusForbidden,
	"RequestEntityTooLarge":      http.StatusRequestEntityTooLarge,
	"RequestLimitExceeded":       http.StatusServiceUnavailable,
	"ServiceUnavailable":         http.StatusServiceUnavailable,
	"SignatureDoesNotMatch":      http.StatusForbidden,
	"UnauthorizedOperation":      http.StatusForbidden,
	"Unavailable":                http.StatusServiceUnavailable,
}

func statusOf(code resource.Code) int {
	if status, ok := statuses[code]; ok {
		return status
	}
	return http.StatusBadRequest
}

// describe turns an error into what the caller is told. What was not meant for
// the caller's eyes becomes an internal error.
func (x *exchange) describe(err error, d wire.Dialect) *resource.Error {
	var e *resource.Error
	if errors.As(err, &e) {
		return e
	}
	var w *wire.Error
	if errors.As(err, &w) {
		return &resource.Error{Code: resource.Code(w.Code), Message: w.Message}
	}
	code := resource.Code("InternalError")
	if d == wire.Query {
		code = "InternalFailure"
	}
	return resource.Errorf(code, "An internal error has occurred; the log has more under request %s", x.requestID)
}

// authenticationCodes are what services say of each reason to refuse a signature.
var authenticationCodes = map[wire.Dialect]map[sigv4.Reason]resource.Code{
	wire.EC2: {
		sigv4.Missing:     "MissingAuthenticationToken",
		sigv4.Incomplete:  "IncompleteSignature",
		sigv4.UnknownKey:  "AuthFailure",
		sigv4.Mismatch:    "AuthFailure",
		sigv4.OutsideTime: "RequestExpired",
	},
	wire.Query: {
		sigv4.Missing:     "MissingAuthenticationToken",
		sigv4.Incomplete:  "IncompleteSignature",
		sigv4.UnknownKey:  "InvalidClientTokenId",
		sigv4.Mismatch:    "SignatureDoesNotMatch",
		sigv4.OutsideTime: "SignatureDoesNotMatch",
	},
}

// authenticationError turns sigv4's refusal into the service's error.
func (x *exchange) authenticationError(err error) error {
	var refusal *sigv4.Error
	if !errors.As(err, &refusal) {
		return err
	}
	service := x.service
	if service == nil {
		service = x.fallback
	}
	return resource.Errorf(authenticationCodes[service.dialect()][refusal.Reason], "%s", refusal.Message)
}
