package server

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/netip"
	"runtime/debug"
	"slices"
	"strings"
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

	claimed    sigv4.Scope // what the signature says that it is good for, true or not
	body       []byte
	parameters wire.Parameters // in the form protocols
	service    *Service        // as claimed until authenticate has passed; nil if unknown
	action     string          // "" until it is known to the service's model
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
	var ok bool
	if x.claimed, ok = sigv4.ClaimedScope(x.signed()); ok {
		x.service = x.services[x.claimed.Service]
	}
	return nil
}

// dialect is the protocol of the request: that of its service or, where that is
// not known, what it looks like.
func (x *exchange) dialect() wire.Dialect {
	switch {
	case x.service != nil:
		return x.service.dialect()
	case strings.HasPrefix(x.r.Header.Get("Content-Type"), "application/x-amz-json-"):
		return wire.JSON
	}
	return x.fallback.dialect()
}

// targetHeader names the action of a request in the JSON protocol:
// Logs_20140328.GetLogEvents.
const targetHeader = "X-Amz-Target"

// checkHTTP refuses what is not one of the protocols.
func (x *exchange) checkHTTP() error {
	if x.r.URL.Path != "/" {
		return resource.Errorf("InvalidRequest", "The API is at the path /")
	}
	form := x.dialect() != wire.JSON
	switch {
	case x.r.Method == http.MethodGet && form:
		return nil
	case x.r.Method == http.MethodPost:
		return x.checkContentType(form)
	case form:
		x.w.Header().Set("Allow", "GET, POST")
		return resource.Errorf("MethodNotAllowed", "The method must be GET or POST")
	}
	x.w.Header().Set("Allow", "POST")
	return resource.Errorf("MethodNotAllowed", "The method must be POST")
}

// checkContentType refuses a body of another type than the service's protocol
// has. One without a type is taken for what it should be, as clients made by hand
// forget it.
func (x *exchange) checkContentType(form bool) error {
	contentType := x.r.Header.Get("Content-Type")
	if contentType == "" {
		return nil
	}
	media, _, err := mime.ParseMediaType(contentType)
	if form && (err != nil || media != "application/x-www-form-urlencoded") {
		return resource.Errorf("UnsupportedProtocol", "The body must be of type application/x-www-form-urlencoded")
	}
	if !form && (err != nil || !slices.Contains([]string{"application/x-amz-json-1.1", "application/x-amz-json-1.0", "application/json"}, media)) {
		return resource.Errorf("UnsupportedProtocol", "The body must be of type application/x-amz-json-1.1")
	}
	return nil
}

func (x *exchange) readBody() error {
	limit := x.bodyMax()
	body, err := io.ReadAll(http.MaxBytesReader(x.w, x.r.Body, limit))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return resource.Errorf("RequestEntityTooLarge", "The body must have at most %d bytes", limit)
	case err != nil:
		return &resource.Error{Code: "IncompleteBody", Message: "The body could not be read to its end", Cause: err}
	}
	x.body = body
	return nil
}

// bodyMax is how large the body may be. Nobody is authenticated yet: only who
// claims a key that exists gets more than BodyMax.
func (x *exchange) bodyMax() int64 {
	if x.service != nil && x.service.BodyMax != 0 {
		if _, err := x.findKey(x.claimed.AccessKeyID, x.claimed.Token); err == nil {
			return x.service.BodyMax
		}
	}
	return BodyMax
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
	identity, err := sigv4.Verify(x.signed(), func(id, token string) (string, sigv4.Reason) {
		var err error
		key, err = x.findKey(id, token)
		switch {
		case errors.Is(err, iam.ErrTokenExpired):
			return "", sigv4.ExpiredToken
		case err != nil:
			return "", sigv4.UnknownKey
		}
		return string(key.Secret), 0
	}, x.start)
	if err != nil {
		return x.authenticationError(err)
	}
	x.service = x.services[identity.Service]
	key.Secret = "" // nobody needs it from here on
	x.caller = Caller{
		Account:     key.Account,
		Region:      identity.Region,
		AccessKeyID: key.ID,
		ARN:         key.ARN(),
		UserID:      key.CallerID(),
		RequestID:   x.requestID,
		Now:         x.start,
		Key:         key,
		UserAgent:   x.r.UserAgent(),
		Secure:      x.r.TLS != nil,
	}
	if source, err := netip.ParseAddrPort(x.r.RemoteAddr); err == nil {
		x.caller.Source = source.Addr().Unmap()
	}
	if x.cfg.Used != nil {
		x.cfg.Used(x.caller, identity.Service)
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

// findKey finds an access key, or that of a session by its token.
func (x *exchange) findKey(id, token string) (iam.AccessKey, error) {
	if token != "" {
		if x.cfg.Session == nil {
			return iam.AccessKey{}, iam.ErrTokenInvalid
		}
		return x.cfg.Session(id, token, x.start)
	}
	key, ok := x.cfg.Lookup(id)
	if !ok {
		return iam.AccessKey{}, errUnknownKey
	}
	return key, nil
}

var errUnknownKey = errors.New("there is no such access key")

// route finds the handler of the action. What the model has but we have not is a
// client's error, too: clients repeat a request many times after one of the
// server.
func (x *exchange) route() error {
	action, version, err := x.readAction()
	if err != nil {
		return err
	}
	if action == "" {
		return resource.Errorf("MissingAction", "The request must name its action in %s", x.actionPlace())
	}
	if _, ok := x.service.Model.Actions[action]; !ok {
		return resource.Errorf("InvalidAction", "The action %.100q is not valid for this web service", action)
	}
	x.action = action
	if version != "" && version != x.service.Model.Version {
		return resource.Errorf("InvalidAction", "Could not find operation %s for version %.20q; there is %s", action, version, x.service.Model.Version)
	}
	handler, ok := x.service.Actions[action]
	if !ok {
		return resource.Errorf("UnsupportedOperation", "The action %s is not supported here yet", action)
	}
	x.handler = handler
	return nil
}

// readAction finds the names of the action and of its API version, "" if there is
// none.
func (x *exchange) readAction() (action, version string, err error) {
	if x.dialect() == wire.JSON {
		target := x.r.Header.Get(targetHeader)
		action, ok := strings.CutPrefix(target, x.service.Model.Target+".")
		if target != "" && !ok {
			return "", "", resource.Errorf("InvalidAction", "The header %s is not of the form %s.Action", targetHeader, x.service.Model.Target)
		}
		return action, "", nil
	}
	if x.parameters, err = wire.ParseParameters(x.r.URL.RawQuery, string(x.body)); err != nil {
		return "", "", err
	}
	action, _ = x.parameters.Get("Action")
	version, _ = x.parameters.Get("Version")
	return action, version, nil
}

// actionPlace is where the action's name is looked for.
func (x *exchange) actionPlace() string {
	if x.dialect() == wire.JSON {
		return "the header " + targetHeader
	}
	return "the parameter Action"
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
	if x.dialect() == wire.JSON {
		x.ignored, err = wire.DecodeJSON(x.body, x.input)
	} else {
		x.ignored, err = wire.Decode(x.parameters, x.input, x.dialect())
	}
	return err
}

// authorize asks whether the caller may do what it asks for.
func (x *exchange) authorize() error {
	if x.cfg.Authorize == nil || slices.Contains(x.service.Open, x.action) {
		return nil
	}
	call := Call{Caller: x.caller, Service: x.service.Model.Name, Action: x.action, Targets: x.targets}
	return x.cfg.Authorize(call)
}

// targets tells what the request is about.
func (x *exchange) targets() []Target {
	if x.service.Targets != nil {
		if targets := x.service.Targets(x.caller, x.action, x.input); len(targets) > 0 {
			return targets
		}
	}
	return []Target{{ARN: "*"}}
}

func (x *exchange) operate() error {
	var err error
	if before := x.service.Before; before != nil {
		if err := before(x.r.Context(), x.caller); err != nil {
			return err
		}
	}
	x.output, err = x.handler.run(x.r.Context(), x.caller, x.input)
	return err
}

// answer writes the answer of a successful operation.
func (x *exchange) answer() {
	x.begin(http.StatusOK)
	x.cause = wire.WriteAnswer(x.w, wire.Envelope{
		Dialect:   x.dialect(),
		Action:    x.action,
		Namespace: x.service.Model.Namespace,
		RequestID: x.requestID,
	}, x.output)
}

// fail answers with an error.
func (x *exchange) fail(err error) {
	e := x.describe(err)
	x.code, x.cause = e.Code, err
	status := statusOf(e.Code)
	namespace := x.fallback.Model.Namespace
	if x.service != nil {
		namespace = x.service.Model.Namespace
	}
	body := wire.AppendError(nil, x.dialect(), namespace, wire.Fault{
		Code:      string(e.Code),
		Message:   e.Message,
		Sender:    status < 500,
		RequestID: x.requestID,
	})
	if x.dialect() == wire.JSON {
		x.w.Header().Set("X-Amzn-Errortype", string(e.Code))
	}
	x.begin(status)
	_, _ = x.w.Write(body) // whoever asked may be gone; the cause in the log is err
}

// begin writes the status and the header.
func (x *exchange) begin(status int) {
	x.status = status
	header := x.w.Header()
	header.Set("Content-Type", x.contentType())
	header.Set("Cache-Control", "no-store")
	x.w.WriteHeader(status)
}

// contentType is that of answers and errors.
func (x *exchange) contentType() string {
	switch {
	case x.dialect() != wire.JSON:
		return "text/xml;charset=UTF-8"
	case x.service != nil:
		return "application/x-amz-json-" + x.service.Model.JSONVersion
	}
	return "application/x-amz-json-1.1"
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
