package certificates

import (
	"net/http"
	"strings"

	"causeway.dev/pki"
	"causeway.dev/store"
)

// Prefix begins the paths of what is published. It needs no signature: devices
// and browsers fetch it.
const Prefix = "/pki/"

// CRLURL is where the revocation list of an authority is fetched; empty without
// a base.
func CRLURL(base string, scope store.Scope, authority string) string {
	if base == "" {
		return ""
	}
	return strings.TrimSuffix(base, "/") + Prefix + scope.Account + "/" + scope.Region + "/" + authority + ".crl"
}

// Publish serves, for every authority, /pki/ACCOUNT/REGION/AUTHORITY.crl, its
// revocation list in DER, and AUTHORITY.pem, its issuer and its root.
func Publish(records *store.Store) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		parts := strings.Split(strings.TrimPrefix(r.URL.Path, Prefix), "/")
		if len(parts) != 3 || r.Method != http.MethodGet && r.Method != http.MethodHead {
			http.NotFound(w, r)
			return
		}
		id, kind, _ := strings.Cut(parts[2], ".")
		authority, ok := store.CertificateAuthorities.Get(records.Snapshot(), store.Scope{Account: parts[0], Region: parts[1]}, id)
		w.Header().Set("Cache-Control", "max-age=60")
		switch {
		case ok && kind == "crl":
			w.Header().Set("Content-Type", "application/pkix-crl")
			_, _ = w.Write(authority.CRL) // whoever asked may be gone
		case ok && kind == "pem":
			w.Header().Set("Content-Type", "application/x-pem-file")
			_, _ = w.Write([]byte(pki.EncodePEM(authority.Issuer.Certificate, authority.Root.Certificate))) // as above
		default:
			http.NotFound(w, r)
		}
	})
}
