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
	"AuthFailure":                    http.StatusUnauthorized,
	"InternalError":                  http.StatusInternalServerError,
	"InternalFailure":                http.StatusInternalServerError,
	"InvalidClientTokenId":           http.StatusForbidden,
	"AccessDenied":                   http.StatusForbidden,
	"DryRunOperation":                http.StatusPreconditionFailed,
	"MethodNotAllowed":               http.StatusMethodNotAllowed,
	"MissingAuthenticationToken":     http.StatusForbidden,
	"RequestEntityTooLarge":          http.StatusRequestEntityTooLarge,
	"RequestEntityTooLargeException": http.StatusRequestEntityTooLarge,
	"RequestLimitExceeded":           http.StatusServiceUnavailable,
	"ServiceUnavailable":             http.StatusServiceUnavailable,
	"ServiceUnavailableException":    http.StatusServiceUnavailable,
	"SignatureDoesNotMatch":          http.StatusForbidden,
	"UnauthorizedOperation":          http.StatusForbidden,
	"Unavailable":                    http.StatusServiceUnavailable,
}

func statusOf(code resource.Code) int {
	if status, ok := statuses[code]; ok {
		return status
	}
	return http.StatusBadRequest
}

// describe turns an error into what the caller is told. What was not meant for
// the caller's eyes becomes an internal error.
func (x *exchange) describe(err error) *resource.Error {
	var e *resource.Error
	if errors.As(err, &e) {
		if code, ok := jsonCodes[e.Code]; ok && x.dialect() == wire.JSON {
			return &resource.Error{Code: code, Message: e.Message, Cause: e.Cause}
		}
		return e
	}
	var w *wire.Error
	if errors.As(err, &w) {
		code := resource.Code(w.Code)
		if code == wire.CodeValidation && x.service.ValidationCode != "" {
			code = x.service.ValidationCode
		}
		return &resource.Error{Code: code, Message: w.Message}
	}
	code := resource.Code("InternalError")
	if x.dialect() != wire.EC2 {
		code = "InternalFailure"
	}
	return resource.Errorf(code, "An internal error has occurred; the log has more under request %s", x.requestID)
}

// jsonCodes are what services of the JSON protocol call this package's own
// errors.
var jsonCodes = map[resource.Code]resource.Code{
	"IncompleteBody":        wire.CodeSerialization,
	"InvalidAction":         "UnknownOperationException",
	"MissingAction":         "UnknownOperationException",
	"UnsupportedOperation":  "UnsupportedOperationException",
	"RequestLimitExceeded":  "ThrottlingException",
	"RequestEntityTooLarge": "RequestEntityTooLargeException",
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
	wire.JSON: {
		sigv4.Missing:     "MissingAuthenticationTokenException",
		sigv4.Incomplete:  "IncompleteSignatureException",
		sigv4.UnknownKey:  "UnrecognizedClientException",
		sigv4.Mismatch:    "InvalidSignatureException",
		sigv4.OutsideTime: "InvalidSignatureException",
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
	return resource.Errorf(authenticationCodes[x.dialect()][refusal.Reason], "%s", refusal.Message)
}
