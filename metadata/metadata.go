// Package metadata answers what instances ask about themselves, as EC2's instance
// metadata service does in its version 2, and in version 1 where an instance may
// still use that. It answers values with values: metadata/listen has the sockets.
package metadata

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Host is an instance that may ask.
type Host struct {
	Instance       string // "i-…"
	Disabled       bool   // it is answered nothing
	TokensOptional bool   // it may ask without a token, as in version 1
	HopLimit       int    // the IP TTL of what answers its requests for tokens
	Items          []Item // what it may know
	Role           Role
}

// A Role is what a host may ask for credentials of; the zero value is nothing.
type Role struct {
	ARN  string // of the role
	Host string // the ARN of the host, in whose name it is asked for
}

// String names the host. It keeps the items to itself: user data often holds secrets.
func (h Host) String() string { return "metadata of " + h.Instance }

// GoString does the same.
func (h Host) GoString() string { return h.String() }

// An Item is one thing to know. A path that ends in a slash is a directory whose
// list is the value instead of the names of what it contains.
type Item struct {
	Path  string // "meta-data/instance-id"
	Value string

	// Credentials says that in place of the value there are credentials of the host's
	// role: see Response.
	Credentials bool
}

// A Request is what an instance asks.
type Request struct {
	Method    string
	Path      string // "/latest/meta-data/"
	Token     string // of the header HeaderToken
	TTL       string // of the header HeaderTTL
	Forwarded bool   // there is an X-Forwarded-For: a proxy asks for somebody else
}

// Headers of requests and answers.
const (
	HeaderToken = "X-Aws-Ec2-Metadata-Token"
	HeaderTTL   = "X-Aws-Ec2-Metadata-Token-Ttl-Seconds"
)

// A Response is the answer.
type Response struct {
	Status int
	Type   string // of the body
	Body   string
	TTL    int // for HeaderTTL, in seconds; 0: the header is left out

	// Credentials says that the body is to be the Text of credentials of the host's
	// role, or Unauthorized.
	Credentials bool
}

// versions are the names under which the same is found, the oldest first; the last
// one always is the newest.
var versions = []string{
	"1.0", "2007-01-19", "2007-03-01", "2007-08-29", "2007-10-10", "2007-12-15", "2008-02-01", "2008-09-01", "2009-04-04",
	"2011-01-01", "2011-05-01", "2012-01-12", "2014-02-25", "2014-11-05", "2015-10-20", "2016-04-19", "2016-06-30", "2016-09-02",
	"2018-03-28", "2018-08-17", "2018-09-24", "2019-10-01", "2020-10-27", "2021-01-03", "2021-03-23", "2021-07-15", "2022-09-24", "2024-04-11",
	latest,
}

const (
	latest    = "latest"
	tokenPath = "/latest/api/token"

	// ttlMax is EC2's bound of a token's life: six hours.
	ttlMax = 21600
)

// KeyLength is the number of bytes of the key that tokens are made with.
const KeyLength = 32

// Answer answers a request. Tokens are made with the key: they hold for one instance
// and as long as the key is the same.
func Answer(key [KeyLength]byte, now time.Time, h Host, r Request) Response {
	if h.Disabled {
		return failure(http.StatusForbidden)
	}
	if r.Path == tokenPath {
		return answerToken(key, now, h, r)
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return failure(http.StatusMethodNotAllowed)
	}
	left, valid := check(key, now, h.Instance, r.Token)
	if !valid && (r.Token != "" || !h.TokensOptional) {
		return failure(http.StatusUnauthorized)
	}
	answer := h.find(r.Path)
	answer.TTL = left
	return answer
}

func failure(status int) Response {
	return Response{Status: status, Type: "text/plain", Body: strconv.Itoa(status) + " - " + http.StatusText(status)}
}

func answerToken(key [KeyLength]byte, now time.Time, h Host, r Request) Response {
	switch ttl, err := strconv.Atoi(r.TTL); {
	case r.Method != http.MethodPut:
		return failure(http.StatusMethodNotAllowed)
	case r.Forwarded:
		return failure(http.StatusForbidden)
	case err != nil || ttl < 1 || ttl > ttlMax:
		return failure(http.StatusBadRequest)
	default:
		return Response{Status: http.StatusOK, Type: "text/plain", Body: seal(key, h.Instance, now.Unix()+int64(ttl)), TTL: ttl}
	}
}

// A token is [ end 8 | HMAC-SHA-256 over the instance and the end 32 ], in base64.
const tokenLength = 8 + sha256.Size

func seal(key [KeyLength]byte, instance string, end int64) string {
	token := binary.BigEndian.AppendUint64(make([]byte, 0, tokenLength), uint64(end))
	mac := hmac.New(sha256.New, key[:])
	mac.Write(token)
	mac.Write([]byte(instance))
	return base64.URLEncoding.EncodeToString(mac.Sum(token))
}

// check returns how many seconds a token has left, and whether it is the instance's.
func check(key [KeyLength]byte, now time.Time, instance, token string) (left int, valid bool) {
	raw, err := base64.URLEncoding.DecodeString(token)
	if err != nil || len(raw) != tokenLength {
		return 0, false
	}
	end := int64(binary.BigEndian.Uint64(raw))
	if !hmac.Equal([]byte(token), []byte(seal(key, instance, end))) || now.Unix() >= end {
		return 0, false
	}
	return int(end - now.Unix()), true
}

// find looks a path up: a value, or the list of a directory.
func (h Host) find(path string) Response {
	parts := strings.FieldsFunc(path, func(c rune) bool { return c == '/' })
	if len(parts) == 0 {
		return found("", strings.Join(versions, "\n"))
	}
	if !slices.Contains(versions, parts[0]) {
		return failure(http.StatusNotFound)
	}
	wanted := strings.Join(parts[1:], "/")
	for _, item := range h.Items {
		if item.Path == wanted || item.Path == wanted+"/" {
			answer := found(wanted, item.Value)
			answer.Credentials = item.Credentials
			return answer
		}
	}
	if list := h.list(wanted); len(list) > 0 {
		return found(wanted, strings.Join(list, "\n"))
	}
	return failure(http.StatusNotFound)
}

func found(path, value string) Response {
	kind := "text/plain"
	if path == "user-data" {
		kind = "application/octet-stream"
	}
	return Response{Status: http.StatusOK, Type: kind, Body: value}
}

// list names what a directory contains, sorted; directories within it end in a
// slash, except at the top.
func (h Host) list(directory string) []string {
	prefix := directory + "/"
	if directory == "" {
		prefix = ""
	}
	var names []string
	for _, item := range h.Items {
		rest, below := strings.CutPrefix(item.Path, prefix)
		if !below || rest == "" {
			continue
		}
		if name, _, deeper := strings.Cut(rest, "/"); deeper && prefix != "" {
			names = append(names, name+"/")
		} else {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
