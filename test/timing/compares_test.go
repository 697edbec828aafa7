package timing

import (
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// guarded are the packages that handle keys, MACs, proofs, tokens and passwords.
var guarded = []string{
	"esp", "internal/aesgcm", "ike/keys", "ike/engine", "ike/ikev1", "ike/ikev2", "ike/daemon", "ipsec", "keeper",
	"api/sigv4", "metadata", "iam", "internal/seal", "pki",
}

// harmless are comparisons in them that may end early, with the reason. What checks a
// secret uses keys.Equal, hmac.Equal or subtle.ConstantTimeCompare.
var harmless = map[string]string{
	"internal/aesgcm/aesgcm.go: bytes.Equal(sealed, want.Seal(nil, nonce, text, authenticated))": "a test at the start with keys that anybody can read",
	"internal/aesgcm/aesgcm.go: bytes.Equal(opened, text)":                                       "the same",
	"ike/daemon/handover.go: bytes.Equal(k.Configuration, fingerprint(p.config))":                "configurations without their keys, between processes of ours",
	"ike/keys/agreement.go: bytes.Equal(a.peer, peer)":                                           "the peer's public value",
	"ike/ikev1/vendor.go: bytes.Equal(v.Data, id)":                                               "a vendor ID",
	"ike/ikev1/thaw.go: bytes.Equal(n.id, f.NATT)":                                               "a vendor ID",
	"ike/ikev1/natt.go: bytes.Equal(m.natd[0].Hash, ours)":                                       "a hash of addresses and SPIs, which all see",
	"ike/ikev1/natt.go: bytes.Equal(source.Hash, theirs)":                                        "the same",
	"ike/ikev2/natt.go: bytes.Equal(n.Data, hash)":                                               "the same",
	"ike/ikev1/admission.go: u.received == sha256.Sum256(d.Payload)":                             "whether a message has come before, which its sender knows",
	"ike/ikev1/session.go: sha256.Sum256(d.Payload) != sa.received":                              "the same",
	"ike/ikev2/admission.go: s.origin.hash == sha256.Sum256(d.Payload)":                          "the same",
	"ike/ikev1/isakmp_sa.go: string(spi) == string(cookies(sa.spii, sa.spir))":                   "cookies of IKEv1, which stand in each message",
	"ike/ikev1/quick_mode.go: bytes.Compare(m.nonce.Data, own.ni)":                               "nonces of a message that is authentic",
	"ike/ikev2/child.go: bytes.Compare(a, b)":                                                    "the same",
	"ike/ikev2/child_create.go: bytes.Compare(lower(c.nonce, m.nonce.Data), c.rival.nonceLow)":   "the same",
	"ike/ikev2/duplicate.go: bytes.Compare(s.nonceLow, other.nonceLow)":                          "the same",
	"ike/ikev2/ike_rekey.go: bytes.Compare(lower(r.nonce, m.nonce.Data), r.rival.nonceLow)":      "the same",
	"ike/ikev2/mobike.go: bytes.Equal(data, want)":                                               "addresses and ports",
	"ike/ikev2/sa_init.go: bytes.Equal(cookie, i.cookie)":                                        "a peer's cookie, with the one that it demanded before",
	"ike/ikev2/followup.go: bytes.Equal(n.Data, f.link)":                                         "names an exchange, in a message that is authentic",
	"ike/ikev2/signature.go: bytes.Equal(s.algorithm, algorithm)":                                "the identifier of an algorithm",
	"pki/key.go: bytes.Equal(ours, theirs)":                                                      "public keys",
	"pki/certificate.go: string(c.RawIssuer) == string(c.RawSubject)":                            "names in certificates",
	"pki/certificate.go: string(c.RawSubject) == string(at.RawIssuer)":                           "the same",
	"pki/crl.go: string(c.list.RawIssuer) != string(issuer.RawSubject)":                          "the same",
	"pki/crl.go: string(certificate.RawIssuer) != string(issuer.RawSubject)":                     "the same",
}

// TestSecretsAreNotComparedByOctets: where secrets are handled, octets are compared in a
// time that does not depend on them, but for what is listed here. That == compares no
// octets the compiler sees to, but for strings and arrays made of them.
func TestSecretsAreNotComparedByOctets(t *testing.T) {
	unused := map[string]bool{}
	for comparison := range harmless {
		unused[comparison] = true
	}
	files := 0
	for _, folder := range guarded {
		names, err := filepath.Glob(filepath.Join("..", "..", folder, "*.go"))
		if err != nil || len(names) == 0 {
			t.Fatalf("%s: %v", folder, err)
		}
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			files++
			for _, comparison := range comparisons(t, name) {
				comparison = folder + "/" + filepath.Base(name) + ": " + comparison
				if harmless[comparison] == "" {
					t.Errorf("%s: compare it with keys.Equal, or say here why that is not needed", comparison)
				}
				delete(unused, comparison)
			}
		}
	}
	for comparison := range unused {
		t.Errorf("%s is listed and not there any more", comparison)
	}
	if files < 50 {
		t.Errorf("%d files were read", files)
	}
}

// variable are functions that stop at the first octet that differs.
var variable = map[string]bool{"bytes.Equal": true, "bytes.Compare": true, "bytes.HasPrefix": true, "bytes.HasSuffix": true}

// comparisons are those of a file that may end early, as it has them.
func comparisons(t *testing.T, name string) (all []string) {
	t.Helper()
	source, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, name, source, 0)
	if err != nil {
		t.Fatal(err)
	}
	text := func(n ast.Node) string {
		var b strings.Builder
		if err := printer.Fprint(&b, files, n); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			if variable[text(n.Fun)] {
				all = append(all, text(n))
			}
		case *ast.BinaryExpr:
			if (n.Op == token.EQL || n.Op == token.NEQ) && (ofOctets(n.X) || ofOctets(n.Y)) {
				all = append(all, text(n))
			}
		}
		return true
	})
	return all
}

// ofOctets reports whether an expression makes a string or an array of octets, or a
// digest: what == compares until the first that differs.
func ofOctets(e ast.Expr) bool {
	call, ok := e.(*ast.CallExpr)
	if !ok {
		return false
	}
	switch f := call.Fun.(type) {
	case *ast.Ident:
		return f.Name == "string"
	case *ast.ArrayType:
		return true
	case *ast.SelectorExpr:
		return strings.HasPrefix(f.Sel.Name, "Sum")
	}
	return false
}
