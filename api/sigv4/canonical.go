package sigv4

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
)

// canonicalRequest is the text of a request that is signed: method, path, query,
// the signed headers with their names, hash of the body. The body's hash is ours
// whatever the request claims, so an unsigned body never passes.
func canonicalRequest(r Request, signedHeaders []string) (string, error) {
	query, err := canonicalQuery(r.RawQuery)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString(r.Method + "\n" + canonicalPath(r.Path) + "\n" + query + "\n")
	for _, name := range signedHeaders {
		value, ok := headerValue(r, name)
		if !ok {
			return "", refuse(Mismatch, "The header %s is signed, but it is not in the request", name)
		}
		b.WriteString(name + ":" + value + "\n")
	}
	hash := sha256.Sum256(r.Body)
	b.WriteString("\n" + strings.Join(signedHeaders, ";") + "\n" + hex.EncodeToString(hash[:]))
	return b.String(), nil
}

// headerValue is the canonical value of a header: all values, with runs of spaces
// made one. Host and Content-Length are not in the map that Go's server gives.
func headerValue(r Request, name string) (string, bool) {
	if name == "host" {
		return r.Host, true
	}
	if name == "content-length" {
		return strconv.Itoa(len(r.Body)), true
	}
	for key, values := range r.Header {
		if !strings.EqualFold(key, name) {
			continue
		}
		trimmed := make([]string, len(values))
		for i, v := range values {
			trimmed[i] = strings.Join(strings.FieldsFunc(v, func(r rune) bool { return r == ' ' }), " ")
		}
		return strings.Join(trimmed, ","), true
	}
	return "", false
}

// canonicalPath removes empty, "." and ".." segments and escapes what is left
// once more, as all services but S3 have it.
func canonicalPath(path string) string {
	var segments []string
	for s := range strings.SplitSeq(path, "/") {
		switch s {
		case "", ".":
		case "..":
			segments = segments[:max(0, len(segments)-1)]
		default:
			segments = append(segments, escape(s))
		}
	}
	canonical := "/" + strings.Join(segments, "/")
	if len(segments) > 0 && strings.HasSuffix(path, "/") {
		canonical += "/"
	}
	return canonical
}

// canonicalQuery is the query without the signature, escaped anew and sorted by
// name and value.
func canonicalQuery(raw string) (string, error) {
	pairs, err := parseQuery(raw)
	if err != nil {
		return "", err
	}
	pairs = slices.DeleteFunc(pairs, func(p pair) bool { return p.name == "X-Amz-Signature" })
	for i, p := range pairs {
		pairs[i] = pair{escape(p.name), escape(p.value)}
	}
	slices.SortFunc(pairs, func(a, b pair) int {
		return cmp.Or(strings.Compare(a.name, b.name), strings.Compare(a.value, b.value))
	})
	var b strings.Builder
	for i, p := range pairs {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(p.name + "=" + p.value)
	}
	return b.String(), nil
}

// escape percent-encodes all but RFC 3986's unreserved characters.
func escape(s string) string {
	const digits = "0123456789ABCDEF"
	b := make([]byte, 0, len(s))
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '.', c == '_', c == '~':
			b = append(b, c)
		default:
			b = append(b, '%', digits[c>>4], digits[c&15])
		}
	}
	return string(b)
}
