package sigv4

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// readClaim finds the signature of a request, which is either in the header
// Authorization or in the query.
func readClaim(r Request) (claim, error) {
	query, err := parseQuery(r.RawQuery)
	if err != nil {
		return claim{}, err
	}
	authorization := r.Header["Authorization"]
	presigned := slices.ContainsFunc(query, func(p pair) bool { return p.name == "X-Amz-Algorithm" || p.name == "X-Amz-Signature" })
	switch {
	case len(authorization) == 0 && !presigned:
		return claim{}, refuse(Missing, "The request has no signature")
	case len(authorization) > 1 || len(authorization) == 1 && presigned:
		return claim{}, refuse(Incomplete, "The request has more than one signature")
	case presigned:
		return presignedClaim(r, query)
	}
	return headerClaim(r, authorization[0])
}

// headerClaim reads the header form:
//
//	Authorization: AWS4-HMAC-SHA256 Credential=…, SignedHeaders=a;b, Signature=…
func headerClaim(r Request, authorization string) (claim, error) {
	scheme, rest, _ := strings.Cut(strings.TrimSpace(authorization), " ")
	if scheme != algorithm {
		return claim{}, refuse(Incomplete, "The Authorization header is not of the form %s", algorithm)
	}
	parts := map[string]string{}
	for part := range strings.SplitSeq(rest, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		if _, twice := parts[name]; !ok || twice {
			return claim{}, refuse(Incomplete, "The Authorization header has a malformed or repeated part")
		}
		parts[name] = value
	}
	if len(parts) != 3 {
		return claim{}, refuse(Incomplete, "The Authorization header must have Credential, SignedHeaders and Signature, and nothing else")
	}
	c, err := newClaim(parts["Credential"], parts["SignedHeaders"], parts["Signature"])
	if err != nil {
		return claim{}, err
	}
	if c.signedAt, err = headerTime(r, c.signedHeaders); err != nil {
		return claim{}, err
	}
	if token := r.Header["X-Amz-Security-Token"]; len(token) > 0 {
		c.scope.Token = token[0]
	}
	return c, c.check(r)
}

// headerTime is the time of X-Amz-Date or, without that, of Date. It must be
// signed, or an old request could be sent again with a new time.
func headerTime(r Request, signed []string) (time.Time, error) {
	for _, h := range []struct{ key, name, layout string }{
		{"X-Amz-Date", "x-amz-date", timeLayout},
		{"Date", "date", time.RFC1123},
	} {
		values := r.Header[h.key]
		if len(values) == 0 {
			continue
		}
		t, err := time.Parse(h.layout, values[0])
		if err != nil || len(values) > 1 || !slices.Contains(signed, h.name) {
			return time.Time{}, refuse(Incomplete, "The header %s must be a time as in %s, given once, and signed", h.key, h.layout)
		}
		return t.UTC(), nil
	}
	return time.Time{}, refuse(Incomplete, "The request has no X-Amz-Date or Date header")
}

// presignedClaim reads the query form.
func presignedClaim(r Request, query []pair) (claim, error) {
	values := map[string]string{}
	for _, p := range query {
		if !strings.HasPrefix(p.name, "X-Amz-") {
			continue
		}
		if _, twice := values[p.name]; twice {
			return claim{}, refuse(Incomplete, "The parameter %s is given twice", p.name)
		}
		values[p.name] = p.value
	}
	if values["X-Amz-Algorithm"] != algorithm {
		return claim{}, refuse(Incomplete, "X-Amz-Algorithm must be %s", algorithm)
	}
	c, err := newClaim(values["X-Amz-Credential"], values["X-Amz-SignedHeaders"], values["X-Amz-Signature"])
	if err != nil {
		return claim{}, err
	}
	if c.signedAt, err = time.Parse(timeLayout, values["X-Amz-Date"]); err != nil {
		return claim{}, refuse(Incomplete, "X-Amz-Date must be a time as in %s", timeLayout)
	}
	seconds, err := strconv.ParseUint(values["X-Amz-Expires"], 10, 32)
	c.expires = time.Duration(seconds) * time.Second
	if err != nil || c.expires == 0 || c.expires > ExpiresMax {
		return claim{}, refuse(Incomplete, "X-Amz-Expires must be from 1 to %.0f seconds", ExpiresMax.Seconds())
	}
	c.scope.Token = values["X-Amz-Security-Token"]
	return c, c.check(r)
}

// newClaim reads what both forms have.
func newClaim(credential, signedHeaders, signature string) (claim, error) {
	var c claim
	parts := strings.Split(credential, "/")
	if len(parts) != 5 || slices.Contains(parts, "") || parts[4] != terminator {
		return c, refuse(Incomplete, "The credential must be KEY/DATE/REGION/SERVICE/%s", terminator)
	}
	c.scope = Scope{AccessKeyID: parts[0], Date: parts[1], Region: parts[2], Service: parts[3]}
	c.signedHeaders = strings.SplitN(signedHeaders, ";", signedHeadersMax+1)
	if len(c.signedHeaders) > signedHeadersMax {
		return c, refuse(Incomplete, "More than %d headers are signed", signedHeadersMax)
	}
	for i, name := range c.signedHeaders {
		if name == "" || name != strings.ToLower(name) || i > 0 && name <= c.signedHeaders[i-1] {
			return c, refuse(Incomplete, "The names of signed headers must be in lower case, sorted, each once, with \";\" between")
		}
	}
	if !isSignature(signature) {
		return c, refuse(Incomplete, "The signature must be 64 hexadecimal digits in lower case")
	}
	c.signature = signature
	return c, nil
}

func isSignature(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}

// check looks at what the parts of a claim demand of each other and of the
// request.
func (c claim) check(r Request) error {
	if c.scope.Date != c.signedAt.Format("20060102") {
		return refuse(Incomplete, "The credential's date is not the day of the request")
	}
	if !slices.Contains(c.signedHeaders, "host") {
		return refuse(Incomplete, "The header host must be signed")
	}
	// What is named like that has a meaning for us, so nobody on the way may
	// add or change it.
	for key := range r.Header {
		name := strings.ToLower(key)
		if strings.HasPrefix(name, "x-amz-") && !slices.Contains(c.signedHeaders, name) {
			return refuse(Incomplete, "The header %s must be signed", name)
		}
	}
	return nil
}

// A pair is a parameter of a query, decoded.
type pair struct{ name, value string }

// parseQuery reads a query. "+" is a space, as for whoever reads the action's
// parameters from it later.
func parseQuery(raw string) ([]pair, error) {
	var pairs []pair
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		n, err1 := url.QueryUnescape(name)
		v, err2 := url.QueryUnescape(value)
		if err1 != nil || err2 != nil {
			return nil, refuse(Incomplete, "The query string has a bad percent escape")
		}
		pairs = append(pairs, pair{n, v})
	}
	return pairs, nil
}
