package server

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"runtime/debug"
	"slices"
	"time"

	"causeway.dev/api/sigv4"
	"causeway.dev/api/wire"
	"causeway.dev/iam"
	"causeway.dev/resource"
)

// globalRegion is what requests to global services are signed for.
const globalRegion = "us-east-1"

// An exchange is one request with its answer, as far as it has come. Its methods
// are the steps of Server.ServeHTTP.
type exchange struct {
	*Server
	w http.ResponseWriter
	r *http.Request

	requestID string
	start     time.Time

	body       []byte
	parameters wire.Parameters
	service    *Service // as claimed until authenticate has passed; nil if unknown
	action     string   // "" until it is known to the service's model
	handler    Handler
	caller     Caller
	input      any
	ignored    []string // parameters that the model doesn't have
	admitted   bool
	output     any

	status int
	code   resource.Code // of the error; "" if there was none
	cause  error         // for the log
}

func (s *Server) newExchange(w http.ResponseWriter, r *http.Request) *exchange {
	x := &exchange{Server: s, w: w, r: r, start: s.cfg.Now()}
	x.requestID = newRequestID(s.cfg.Random)
	w.Header().Set("X-Amzn-Requestid", x.requestID)
	return x
}

// newRequestID is a random UUID (RFC 9562 section 5.4).
func newRequestID(random io.Reader) string {
	var b [16]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		panic(fmt.Sprintf("read random bytes of a request id: %v", err))
	}
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// guessService finds the service that the request claims to be for, so that even
// a refusal has the service's form. Nothing is believed yet.
func (x *exchange) guessService() error {
	if scope, ok := sigv4.ClaimedScope(x.signed()); ok {
		x.service = x.services[scope.Service]
	}
	return nil
}

// checkHTTP refuses what is not one of the form protocols.
func (x *exchange) checkHTTP() error {
	if x.r.URL.Path != "/" {
		return resource.Errorf("InvalidRequest", "The API is at the path /")
	}
	switch x.r.Method {
	case http.MethodGet:
	case http.MethodPost:
		// A body without a type is taken for a form, as clients made by hand
		// forget it.
		contentType := x.r.Header.Get("Content-Type")
		media, _, err := mime.ParseMediaType(contentType)
		if contentType != "" && (err != nil || media != "application/x-www-form-urlencoded") {
			return resource.Errorf("UnsupportedProtocol", "The body must be of type application/x-www-form-urlencoded")
		}
	default:
		x.w.Header().Set("Allow", "GET, POST")
		return resource.Errorf("MethodNotAllowed", "The method must be GET or POST")
	}
	return nil
}

func (x *exchange) readBody() error {
	body, err := io.ReadAll(http.MaxBytesReader(x.w, x.r.Body, BodyMax))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return resource.Errorf("RequestEntityTooLarge", "The body must have at most %d bytes", BodyMax)
	case err != nil:
		return &resource.Error{Code: "IncompleteBody", Message: "The body could not be read to its end", Cause: err}
	}
	x.body = body
	return nil
}

// signed is the request as sigv4 sees it.
func (x *exchange) signed() sigv4.Request {
	return sigv4.Request{
		Method:   x.r.Method,
		Path:     x.r.URL.EscapedPath(),
		RawQuery: x.r.URL.RawQuery,
		Host:     x.r.Host,
		Header:   x.r.Header,
		Body:     x.body,
	}
}

// authenticate finds out who calls.
func (x *exchange) authenticate() error {
	var key iam.AccessKey
	identity, err := sigv4.Verify(x.signed(), func(id string) (string, bool) {
		var ok bool
		key, ok = x.cfg.Lookup(id)
		return string(key.Secret), ok
	}, x.start)
	if err != nil {
		return x.authenticationError(err)
	}
	x.service = x.services[identity.Service]
	x.caller = Caller{
		Account:     key.Account,
		Region:      identity.Region,
		AccessKeyID: key.ID,
		ARN:         key.ARN(),
		UserID:      key.CallerID(),
		RequestID:   x.requestID,
		Now:         x.start,
	}
	if x.service == nil {
		return resource.Errorf("InvalidAction", "The service %q is not served here", identity.Service)
	}
	global := x.service.Global && identity.Region == globalRegion
	if !global && !slices.Contains(x.cfg.Regions, identity.Region) {
		return x.authenticationError(&sigv4.Error{
			Reason:  sigv4.Mismatch,
			Message: fmt.Sprintf("The credential is scoped to the region %q, which is none of those served here", identity.Region),
		})
	}
	return nil
}

// route finds the handler of the action. What the model has but we have not is a
// client's error, too: clients repeat a request many times after one of the
// server.
func (x *exchange) route() error {
	var err error
	if x.parameters, err = wire.ParseParameters(x.r.URL.RawQuery, string(x.body)); err != nil {
		return err
	}
	action, _ := x.parameters.Get("Action")
	if action == "" {
		return resource.Errorf("MissingAction", "The request must contain the parameter Action")
	}
	if _, ok := x.service.Model.Actions[action]; !ok {
		return resource.Errorf("InvalidAction", "The action %.100q is not valid for this web service", action)
	}
	x.action = action
	if version, ok := x.parameters.Get("Version"); ok && version != x.service.Model.Version {
		return resource.Errorf("InvalidAction", "Could not find operation %s for version %.20q; there is %s", action, version, x.service.Model.Version)
	}
	handler, ok := x.service.Actions[action]
	if !ok {
		return resource.Errorf("UnsupportedOperation", "The action %s is not supported here yet", action)
	}
	x.handler = handler
	return nil
}

// admit bounds the number of operations at a time.
func (x *exchange) admit() error {
	select {
	case x.inFlight <- struct{}{}:
		x.admitted = true
		return nil
	default:
		return resource.Errorf("RequestLimitExceeded", "More than %d requests are being served", x.cfg.InFlightMax)
	}
}

func (x *exchange) decode() error {
	var err error
	x.input = x.handler.newInput()
	x.ignored, err = wire.Decode(x.parameters, x.input, x.service.dialect())
	return err
}

func (x *exchange) operate() error {
	var err error
	x.output, err = x.handler.run(x.r.Context(), x.caller, x.input)
	return err
}

// answer writes the answer of a successful operation.
func (x *exchange) answer() {
	x.begin(http.StatusOK)
	x.cause = wire.WriteAnswer(x.w, wire.Envelope{
		Dialect:   x.service.dialect(),
		Action:    x.action,
		Namespace: x.service.Model.Namespace,
		RequestID: x.requestID,
	}, x.output)
}

// fail answers with an error.
func (x *exchange) fail(err error) {
	service := x.service
	if service == nil {
		service = x.fallback
	}
	e := x.describe(err, service.dialect())
	x.code, x.cause = e.Code, err
	status := statusOf(e.Code)
	body := wire.AppendError(nil, service.dialect(), service.Model.Namespace, wire.Fault{
		Code:      string(e.Code),
		Message:   e.Message,
		Sender:    status < 500,
		RequestID: x.requestID,
	})
	x.begin(status)
	_, _ = x.w.Write(body) // whoever asked may be gone; the cause in the log is err
}

// begin writes the status and the header.
func (x *exchange) begin(status int) {
	x.status = status
	header := x.w.Header()
	header.Set("Content-Type", "text/xml;charset=UTF-8")
	header.Set("Cache-Control", "no-store")
	x.w.WriteHeader(status)
}

// recoverPanic answers InternalError for a panic of ours. If the answer has begun,
// all that can be done is to break it off, so that it isn't taken for whole.
func (x *exchange) recoverPanic() {
	p := recover()
	if p == nil {
		return
	}
	err := fmt.Errorf("panic: %v\n%s", p, debug.Stack())
	if x.status != 0 {
		x.cause = err
		panic(http.ErrAbortHandler)
	}
	x.fail(err)
}
