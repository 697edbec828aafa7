// Package sigv4 verifies AWS's Signature Version 4 of a request, in its header and
// its presigned form.
//
// It is pure: the caller gives the parts of the request, a look-up of secrets and
// the time. The rules are those of the page "Signature Version 4 signing process"
// of AWS's documentation; where it leaves a choice, the comment says so.
package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"
)

const (
	algorithm  = "AWS4-HMAC-SHA256"
	timeLayout = "20060102T150405Z"
	terminator = "aws4_request"

	// SkewMax is how far a client's clock may be from ours, either way.
	SkewMax = 15 * time.Minute

	// ExpiresMax is the longest life of a presigned request: a week.
	ExpiresMax = 604_800 * time.Second

	// Clients sign fewer than ten headers. The limit keeps what a stranger can
	// make us do linear in the size of the request.
	signedHeadersMax = 64
)

// A Request is what a signature covers.
type Request struct {
	Method   string
	Path     string // as on the wire, with its percent escapes
	RawQuery string // as on the wire, without "?"
	Host     string
	Header   map[string][]string // by canonical name, as http.Header; Host is not looked up here
	Body     []byte
}

// A Scope is what a signature is good for, as the credential claims it.
type Scope struct {
	AccessKeyID string
	Date        string // "20060102"
	Region      string
	Service     string
	Token       string // of temporary credentials; else ""
}

// An Identity is what a good signature proves.
type Identity struct {
	AccessKeyID string
	Region      string
	Service     string
}

// A Reason says why a request is not authenticated.
type Reason uint8

const (
	Missing      Reason = iota + 1 // there is no signature at all
	Incomplete                     // the signature, or what belongs to it, is malformed
	UnknownKey                     // the access key or session token is not known
	Mismatch                       // the signature is not that of the request
	OutsideTime                    // expired, not valid yet, or the clocks differ too much
	ExpiredToken                   // the temporary credentials have expired
)

// String names the reason.
func (r Reason) String() string {
	switch r {
	case Missing:
		return "missing"
	case Incomplete:
		return "incomplete"
	case UnknownKey:
		return "unknown key"
	case Mismatch:
		return "mismatch"
	case OutsideTime:
		return "outside time"
	case ExpiredToken:
		return "expired token"
	}
	return "reason " + strconv.Itoa(int(r))
}

// An Error is a refusal. Its message may be told to the caller.
type Error struct {
	Reason  Reason
	Message string
}

// Error is the message.
func (e *Error) Error() string { return e.Message }

func refuse(reason Reason, format string, args ...any) *Error {
	return &Error{Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// A claim is a signature with what belongs to it, not yet verified.
type claim struct {
	scope         Scope
	signedHeaders []string
	signature     string
	signedAt      time.Time
	expires       time.Duration // of a presigned request; else zero
}

// Verify checks the signature of a request. secretOf returns the secret of an
// access key with a session token, "" for lasting keys, or why there is none:
// UnknownKey or ExpiredToken. The error, if any, is an *Error.
//
// The scope's region and service are what the client signed for; whether they
// are right is for the caller to judge.
func Verify(r Request, secretOf func(accessKeyID, token string) (secret string, refusal Reason), now time.Time) (Identity, error) {
	c, err := readClaim(r)
	if err != nil {
		return Identity{}, err
	}
	if err := c.checkTime(now); err != nil {
		return Identity{}, err
	}
	canonical, err := canonicalRequest(r, c.signedHeaders)
	if err != nil {
		return Identity{}, err
	}
	secret, refusal := secretOf(c.scope.AccessKeyID, c.scope.Token)
	switch {
	case refusal == ExpiredToken:
		return Identity{}, refuse(refusal, "The security token included in the request is expired")
	case refusal != 0 && c.scope.Token != "":
		return Identity{}, refuse(refusal, "The security token included in the request is invalid")
	case refusal != 0:
		return Identity{}, refuse(refusal, "The access key id %q is not known", c.scope.AccessKeyID)
	}
	want := c.sign(secret, canonical)
	if !hmac.Equal([]byte(want), []byte(c.signature)) {
		return Identity{}, refuse(Mismatch, "The signature is not that of this request: check the secret access key, and that nothing on the way changes the host, the signed headers or the body")
	}
	return Identity{AccessKeyID: c.scope.AccessKeyID, Region: c.scope.Region, Service: c.scope.Service}, nil
}

// ClaimedScope returns the scope that a request says it is signed for, without
// verifying anything: good for choosing the form of an error.
func ClaimedScope(r Request) (Scope, bool) {
	c, err := readClaim(r)
	if err != nil {
		return Scope{}, false
	}
	return c.scope, true
}

// checkTime refuses a request from another time.
func (c claim) checkTime(now time.Time) error {
	age := now.Sub(c.signedAt)
	switch {
	case age < -SkewMax:
		return refuse(OutsideTime, "The request is not valid yet: it was signed at %s, and it is %s here", c.signedAt.Format(timeLayout), now.UTC().Format(timeLayout))
	case c.expires == 0 && age > SkewMax:
		return refuse(OutsideTime, "The signature has expired: it was made at %s, and it is %s here", c.signedAt.Format(timeLayout), now.UTC().Format(timeLayout))
	case c.expires > 0 && age > c.expires:
		return refuse(OutsideTime, "The request has expired at %s, and it is %s here", c.signedAt.Add(c.expires).Format(timeLayout), now.UTC().Format(timeLayout))
	}
	return nil
}

// sign returns the signature that the claim should have.
func (c claim) sign(secret, canonicalRequest string) string {
	hash := sha256.Sum256([]byte(canonicalRequest))
	stringToSign := strings.Join([]string{
		algorithm,
		c.signedAt.Format(timeLayout),
		strings.Join([]string{c.scope.Date, c.scope.Region, c.scope.Service, terminator}, "/"),
		hex.EncodeToString(hash[:]),
	}, "\n")
	key := []byte("AWS4" + secret)
	for _, part := range []string{c.scope.Date, c.scope.Region, c.scope.Service, terminator, stringToSign} {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	return hex.EncodeToString(key)
}
