package server

import (
	"errors"
	"net/http"
	"slices"

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
	"DeleteConflict":                 http.StatusConflict,
	"DryRunOperation":                http.StatusPreconditionFailed,
	"EntityAlreadyExists":            http.StatusConflict,
	"ExpiredToken":                   http.StatusForbidden,
	"LimitExceeded":                  http.StatusConflict,
	"MethodNotAllowed":               http.StatusMethodNotAllowed,
	"MissingAuthenticationToken":     http.StatusForbidden,
	"NoSuchEntity":                   http.StatusNotFound,
	"PolicyEvaluation":               http.StatusInternalServerError,
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
		if x.service != nil && x.service.ValidationCode != "" && slices.Contains(brokenRules, w.Code) {
			code = x.service.ValidationCode
		}
		return &resource.Error{Code: code, Message: w.Message}
	}
	var d *Denial
	if errors.As(err, &d) {
		return x.describeDenial(d)
	}
	code := resource.Code("InternalError")
	if x.dialect() != wire.EC2 {
		code = "InternalFailure"
	}
	return resource.Errorf(code, "An internal error has occurred; the log has more under request %s", x.requestID)
}

// brokenRules are the codes of requests that break a rule of the model.
var brokenRules = []string{wire.CodeValidation, wire.CodeInvalidParameterValue, wire.CodeMissingParameter}

// describeDenial turns a denial into the service's error.
func (x *exchange) describeDenial(d *Denial) *resource.Error {
	switch {
	case x.dialect() == wire.JSON:
		return &resource.Error{Code: "AccessDeniedException", Message: d.Message, Cause: d}
	case x.dialect() == wire.Query:
		return &resource.Error{Code: "AccessDenied", Message: d.Message, Cause: d}
	}
	message := "You are not authorized to perform this operation. " + d.Message
	if d.Encoded != "" {
		message += ". Encoded authorization failure message: " + d.Encoded
	}
	return &resource.Error{Code: "UnauthorizedOperation", Message: message, Cause: d}
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
		sigv4.Missing:      "MissingAuthenticationToken",
		sigv4.Incomplete:   "IncompleteSignature",
		sigv4.UnknownKey:   "AuthFailure",
		sigv4.Mismatch:     "AuthFailure",
		sigv4.OutsideTime:  "RequestExpired",
		sigv4.ExpiredToken: "RequestExpired",
	},
	wire.JSON: {
		sigv4.Missing:      "MissingAuthenticationTokenException",
		sigv4.Incomplete:   "IncompleteSignatureException",
		sigv4.UnknownKey:   "UnrecognizedClientException",
		sigv4.Mismatch:     "InvalidSignatureException",
		sigv4.OutsideTime:  "InvalidSignatureException",
		sigv4.ExpiredToken: "ExpiredTokenException",
	},
	wire.Query: {
		sigv4.Missing:      "MissingAuthenticationToken",
		sigv4.Incomplete:   "IncompleteSignature",
		sigv4.UnknownKey:   "InvalidClientTokenId",
		sigv4.Mismatch:     "SignatureDoesNotMatch",
		sigv4.OutsideTime:  "SignatureDoesNotMatch",
		sigv4.ExpiredToken: "ExpiredToken",
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
