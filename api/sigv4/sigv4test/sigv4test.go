// Package sigv4test signs requests for tests, in the way of AWS's clients. It
// shares no code with package sigv4, so that both would have to be wrong in the
// same way for a test to be deceived.
package sigv4test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Signer signs for one scope at one time.
type Signer struct {
	AccessKeyID string
	Secret      string
	Region      string
	Service     string
	Now         time.Time
}

// Post returns a signed request as boto3 makes it: a form in the body, with
// content type, host and date signed.
func (s Signer) Post(endpoint string, form url.Values) *http.Request {
	body := form.Encode()
	r, err := http.NewRequest(http.MethodPost, endpoint, strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	s.Sign(r, "content-type", "host", "x-amz-date")
	return r
}

// PostJSON returns a signed request of the JSON protocol as boto3 makes it.
func (s Signer) PostJSON(endpoint, target, body string) *http.Request {
	r, err := http.NewRequest(http.MethodPost, endpoint, strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", target)
	s.Sign(r, "content-type", "host", "x-amz-date", "x-amz-target")
	return r
}

// Sign adds a signature over the given headers and, if it is among them, the
// header x-amz-date. The body stays readable.
func (s Signer) Sign(r *http.Request, headers ...string) {
	if slices.Contains(headers, "x-amz-date") {
		r.Header.Set("X-Amz-Date", s.Now.UTC().Format("20060102T150405Z"))
	}
	slices.Sort(headers)
	r.Header.Set("Authorization", fmt.Sprintf("AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s",
		s.AccessKeyID, s.scope(), strings.Join(headers, ";"), s.signature(r, headers)))
}

// Presign returns a signed GET request as boto3's generate_presigned_url makes
// it: everything in the query, only the host header signed.
func (s Signer) Presign(endpoint string, parameters url.Values, expires time.Duration) *http.Request {
	r, err := http.NewRequest(http.MethodGet, endpoint, nil)
	if err != nil {
		panic(err)
	}
	query := url.Values{
		"X-Amz-Algorithm":     {"AWS4-HMAC-SHA256"},
		"X-Amz-Credential":    {s.AccessKeyID + "/" + s.scope()},
		"X-Amz-Date":          {s.Now.UTC().Format("20060102T150405Z")},
		"X-Amz-Expires":       {strconv.Itoa(int(expires / time.Second))},
		"X-Amz-SignedHeaders": {"host"},
	}
	for name, values := range parameters {
		query[name] = values
	}
	r.URL.RawQuery = encode(query)
	r.URL.RawQuery += "&X-Amz-Signature=" + s.signature(r, []string{"host"})
	return r
}

func (s Signer) scope() string {
	return s.Now.UTC().Format("20060102") + "/" + s.Region + "/" + s.Service + "/aws4_request"
}

func (s Signer) signature(r *http.Request, headers []string) string {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			panic(err)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	canonical := r.Method + "\n/\n" + encode(r.URL.Query()) + "\n"
	for _, name := range headers {
		value := r.Header.Get(name)
		switch name {
		case "host":
			if value = r.Host; value == "" {
				value = r.URL.Host
			}
		case "content-length":
			value = strconv.FormatInt(r.ContentLength, 10)
		}
		canonical += name + ":" + value + "\n"
	}
	canonical += fmt.Sprintf("\n%s\n%x", strings.Join(headers, ";"), sha256.Sum256(body))
	text := fmt.Sprintf("AWS4-HMAC-SHA256\n%s\n%s\n%x", s.Now.UTC().Format("20060102T150405Z"), s.scope(), sha256.Sum256([]byte(canonical)))
	key := []byte("AWS4" + s.Secret)
	for part := range strings.SplitSeq(s.scope(), "/") {
		key = sum(key, part)
	}
	return fmt.Sprintf("%x", sum(key, text))
}

func sum(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// encode is a sorted query with spaces as %20.
func encode(v url.Values) string { return strings.ReplaceAll(v.Encode(), "+", "%20") }
