package pki

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// A hierarchy is a root, an issuer below it and a leaf of that.
type hierarchy struct {
	root, issuer Authority
	leaf         *x509.Certificate
	key          crypto.Signer
}

func newHierarchy(t testing.TB, change ...func(*Request)) hierarchy {
	t.Helper()
	root, err := NewRoot(Name("test root"), ECDSAP256, now)
	if err != nil {
		t.Fatal(err)
	}
	issuer, err := root.NewSubordinate(Name("test issuer"), ECDSAP256, now)
	if err != nil {
		t.Fatal(err)
	}
	h := hierarchy{root: root, issuer: issuer}
	h.leaf, h.key = h.issue(t, change...)
	return h
}

func (h hierarchy) issue(t testing.TB, change ...func(*Request)) (*x509.Certificate, crypto.Signer) {
	t.Helper()
	key, err := GenerateKey(ECDSAP256)
	if err != nil {
		t.Fatal(err)
	}
	r := Request{Subject: Name("gw.example.com"), DNSNames: []string{"gw.example.com"}, Key: key.Public(), Lifetime: 24 * time.Hour}
	for _, f := range change {
		f(&r)
	}
	leaf, err := h.issuer.Issue(r, now)
	if err != nil {
		t.Fatal(err)
	}
	return leaf, key
}

func (h hierarchy) trust() Trust {
	return Trust{Roots: []*x509.Certificate{h.root.Certificate}, Intermediates: []*x509.Certificate{h.issuer.Certificate}}
}

func (h hierarchy) crl(t testing.TB, at time.Time, revoked ...*x509.Certificate) *CRL {
	t.Helper()
	var entries []Revocation
	for _, c := range revoked {
		entries = append(entries, Revocation{c.SerialNumber, at, KeyCompromise})
	}
	der, err := h.issuer.NewCRL(entries, 1, at, at.Add(24*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	list, err := ParseCRL(der)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// RFC 5280 section 6: each reason not to believe a chain, with the words for it.
func TestVerify(t *testing.T) {
	h, stranger := newHierarchy(t), newHierarchy(t)
	otherKey := newHierarchy(t)
	for _, c := range []struct {
		name   string
		chain  [][]byte
		change func(*Trust)
		at     time.Time
		want   string // "" for accepted
	}{
		{"leaf alone", [][]byte{h.leaf.Raw}, nil, now, ""},
		{"with its issuer", [][]byte{h.leaf.Raw, h.issuer.Certificate.Raw}, func(t *Trust) { t.Intermediates = nil }, now, ""},
		{"with what does not belong to it", [][]byte{h.leaf.Raw, stranger.leaf.Raw, h.issuer.Certificate.Raw}, func(t *Trust) { t.Intermediates = nil }, now, ""},
		{"its issuer is missing", [][]byte{h.leaf.Raw}, func(t *Trust) { t.Intermediates = nil }, now, "its issuer is CN=test issuer, trusted are CN=test root"},
		{"another authority's", [][]byte{stranger.leaf.Raw, stranger.issuer.Certificate.Raw}, nil, now, "not valid|not issued by an authority"},
		{"same names, other keys", [][]byte{otherKey.leaf.Raw, otherKey.issuer.Certificate.Raw, otherKey.root.Certificate.Raw}, nil, now, "not valid|not issued by an authority"},
		{"expired", [][]byte{h.leaf.Raw}, nil, now.Add(25 * time.Hour), "expired on 2026-11-23 12:00 UTC"},
		{"not yet valid", [][]byte{h.leaf.Raw}, nil, now.Add(-2 * time.Hour), "valid only from 2026-11-22 11:00 UTC on; check the clocks"},
		{"none", nil, nil, now, "no certificate"},
		{"no DER", [][]byte{[]byte("hello")}, nil, now, "can't be read"},
		{"too many", slicesOf(h.leaf.Raw, ChainLengthMax+1), nil, now, "are allowed"},
		{"too large", [][]byte{make([]byte, CertificateBytesMax+1)}, nil, now, "are allowed"},
		{"on the list", [][]byte{h.leaf.Raw}, func(tr *Trust) { tr.CRLs = []*CRL{h.crl(t, now, h.leaf)} }, now, "was revoked on 2026-11-22 12:00 UTC: key compromise"},
		{"on an old list", [][]byte{h.leaf.Raw}, func(tr *Trust) { tr.CRLs = []*CRL{h.crl(t, now.Add(-48*time.Hour), h.leaf)} }, now, "was revoked"},
		{"on a list of another authority", [][]byte{h.leaf.Raw}, func(tr *Trust) { tr.CRLs = []*CRL{stranger.crl(t, now, h.leaf)} }, now, ""},
		{"not on the list", [][]byte{h.leaf.Raw}, func(tr *Trust) { tr.CRLs = []*CRL{h.crl(t, now, stranger.leaf)}; tr.HardFail = true }, now, ""},
		{"list out of date, hard", [][]byte{h.leaf.Raw}, func(tr *Trust) { tr.CRLs = []*CRL{h.crl(t, now.Add(-48*time.Hour))}; tr.HardFail = true }, now, "out of date since"},
		{"nothing known, hard", [][]byte{h.leaf.Raw}, func(tr *Trust) { tr.Fetched = answer{Trouble: "no route"}; tr.HardFail = true }, now, "is not known: no route"},
		{"fetched: revoked", [][]byte{h.leaf.Raw}, func(tr *Trust) {
			tr.Fetched = answer{Known: true, Revoked: &Revocation{At: now, Reason: Superseded}}
		}, now, "superseded"},
		{"fetched: good", [][]byte{h.leaf.Raw}, func(tr *Trust) { tr.Fetched = answer{Known: true}; tr.HardFail = true }, now, ""},
	} {
		trust := h.trust()
		if c.change != nil {
			c.change(&trust)
		}
		verified, err := trust.Verify(c.chain, c.at)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: refused: %v", c.name, err)
		case c.want == "" && (!verified.Leaf.Equal(h.leaf) || len(verified.Chain) != 3):
			t.Errorf("%s: a chain of %d for %v", c.name, len(verified.Chain), verified.Leaf.Subject)
		case c.want != "" && (err == nil || !containsOne(err.Error(), c.want)):
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

// answer is a Fetched that always says the same.
type answer Status

func (a answer) Status(*x509.Certificate, *x509.Certificate, time.Time) Status { return Status(a) }

func slicesOf(der []byte, n int) (all [][]byte) {
	for range n {
		all = append(all, der)
	}
	return all
}

func containsOne(text, words string) bool {
	for w := range strings.SplitSeq(words, "|") {
		if strings.Contains(text, w) {
			return true
		}
	}
	return false
}

// What could not be looked up lets the peer in and is said.
func TestSoftFailSaysWhatIsNotKnown(t *testing.T) {
	h := newHierarchy(t)
	trust := h.trust()
	trust.Fetched = answer{Trouble: "the list could not be fetched"}
	verified, err := trust.Verify([][]byte{h.leaf.Raw}, now)
	if err != nil || len(verified.Remarks) != 2 || !strings.Contains(verified.Remarks[0], "whether CN=gw.example.com is revoked is not known: the list could not be fetched") {
		t.Errorf("%v, %v", verified.Remarks, err)
	}
}

// An issuer that its root has constrained signs no other names, and a leaf signs
// nothing.
func TestConstraints(t *testing.T) {
	h := newHierarchy(t)
	constrained := authorityTemplate(Name("constrained"), now, time.Hour)
	constrained.PermittedDNSDomains, constrained.PermittedDNSDomainsCritical = []string{"example.org"}, true
	key, err := GenerateKey(ECDSAP256)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := sign(constrained, h.root.Certificate, key.Public(), h.root.Key)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"gw.example.org": "", "gw.example.com": "not permitted"} {
		leaf, err := Authority{certificate, key}.Issue(Request{Subject: Name(name), DNSNames: []string{name}, Key: key.Public(), Lifetime: time.Hour}, now)
		if err != nil {
			t.Fatal(err)
		}
		trust := h.trust()
		if _, err := trust.Verify([][]byte{leaf.Raw, certificate.Raw}, now); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	byLeaf, err := Authority{h.leaf, h.key}.Issue(Request{Subject: Name("by a leaf"), Key: key.Public(), Lifetime: time.Hour}, now)
	if err != nil {
		t.Fatal(err)
	}
	trust := h.trust()
	if _, err := trust.Verify([][]byte{byLeaf.Raw, h.leaf.Raw}, now); err == nil {
		t.Error("a leaf of a leaf is believed")
	}
	if _, err := h.issuer.Certify(Name("deeper"), key, now); err != nil {
		t.Fatal(err)
	}
	deeper, err := h.issuer.Certify(Name("deeper"), key, now)
	if err != nil {
		t.Fatal(err)
	}
	tooDeep, err := deeper.Issue(Request{Subject: Name("too deep"), Key: key.Public(), Lifetime: time.Hour}, now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := trust.Verify([][]byte{tooDeep.Raw, deeper.Certificate.Raw}, now); err == nil {
		t.Error("an issuer's path length is not kept")
	}
}

// A leaf says what was asked for, never outlives its issuer, and OpenSSL, which
// shares nothing with us, believes the chain and finds it revoked.
func TestIssuedCertificatesAgainstOpenSSL(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not installed")
	}
	now := time.Now() // OpenSSL's
	root, err := NewRoot(Name("root"), RSA2048, now)
	if err != nil {
		t.Fatal(err)
	}
	issuer, err := root.NewSubordinate(Name("issuer"), ECDSAP384, now)
	if err != nil {
		t.Fatal(err)
	}
	key, err := GenerateKey(RSA2048)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := issuer.Issue(Request{
		Subject: Name("gw"), DNSNames: []string{"gw.example"}, Addresses: []netip.Addr{netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("2001:db8::1")},
		EmailAddresses: []string{"noc@example.com"}, Key: key.Public(), Lifetime: 100 * 365 * 24 * time.Hour, CRLURL: "http://ca.example/x.crl",
	}, now)
	if err != nil {
		t.Fatal(err)
	}
	if leaf.NotAfter.After(issuer.Certificate.NotAfter) {
		t.Errorf("the leaf lives until %v, its issuer until %v", leaf.NotAfter, issuer.Certificate.NotAfter)
	}
	crl, err := issuer.NewCRL([]Revocation{{leaf.SerialNumber, now, KeyCompromise}}, 7, now, now.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	empty, err := root.NewCRL(nil, 1, now, now.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	list := func(der []byte) string { return string(pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der})) }
	openssl := func(arguments ...string) (string, error) {
		out, err := exec.Command("openssl", arguments...).CombinedOutput()
		return string(out), err
	}
	rootFile, issuerFile, leafFile := file("root.pem", EncodePEM(root.Certificate.Raw)), file("issuer.pem", EncodePEM(issuer.Certificate.Raw)), file("leaf.pem", EncodePEM(leaf.Raw))
	if out, err := openssl("verify", "-x509_strict", "-CAfile", rootFile, "-untrusted", issuerFile, "-verify_hostname", "gw.example", "-verify_ip", "203.0.113.1", leafFile); err != nil {
		t.Errorf("openssl verify: %s", out)
	}
	lists := file("lists.pem", list(crl)+list(empty))
	if out, err := openssl("verify", "-CAfile", rootFile, "-untrusted", issuerFile, "-crl_check", "-CRLfile", lists, leafFile); err == nil || !strings.Contains(out, "certificate revoked") {
		t.Errorf("openssl verify with the list: %v: %s", err, out)
	}
	pkcs8, err := KeyPEM(key)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode([]byte(pkcs8))
	encrypted, err := EncryptKey(block.Bytes, []byte("correct horse"))
	if err != nil {
		t.Fatal(err)
	}
	encryptedFile := file("key.pem", string(encrypted))
	if out, err := openssl("pkey", "-in", encryptedFile, "-passin", "pass:correct horse"); err != nil || out != pkcs8 {
		t.Errorf("openssl pkey: %v: the key is ours: %v", err, out == pkcs8)
	}
	if _, err := openssl("pkey", "-in", encryptedFile, "-passin", "pass:wrong"); err == nil {
		t.Error("another passphrase opens the key")
	}
	if _, err := ParseKeyPEM(encrypted); !errors.Is(err, ErrEncryptedKey) {
		t.Errorf("an encrypted key: %v", err)
	}
}

// Keys in each form that tools write are read; what does not fit together is seen.
func TestKeys(t *testing.T) {
	for _, a := range []KeyAlgorithm{RSA2048, ECDSAP256, ECDSAP384, ECDSAP521} {
		key, err := GenerateKey(a)
		if err != nil {
			t.Fatal(err)
		}
		text, err := KeyPEM(key)
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseKeyPEM([]byte(text))
		if err != nil || !Matches(again, key.Public()) || AlgorithmOf(again.Public()) != a || a.IsRSA() != strings.HasPrefix(string(a), "RSA") {
			t.Errorf("%s: %v", a, err)
		}
		if a != RSA2048 {
			other, err := GenerateKey(a)
			if err != nil || Matches(other, key.Public()) {
				t.Errorf("%s: another key fits too (%v)", a, err)
			}
		}
	}
	for _, a := range []KeyAlgorithm{"", RSA1024, "EC_secp224r1"} {
		if _, err := GenerateKey(a); err == nil {
			t.Errorf("a key of %q is generated", a)
		}
	}
	for _, text := range []string{"", "hello", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")})), strings.Repeat("x", 3*keyBytesMax)} {
		if _, err := ParseKeyPEM([]byte(text)); err == nil {
			t.Errorf("%.20q is a key", text)
		}
	}
}

// A key's length is the square of what checking a signature by it costs, and peers
// send the keys before they have proved anything.
func TestLongKeysAreRefused(t *testing.T) {
	h := newHierarchy(t)
	for bits, want := range map[uint]bool{rsaBitsMax: true, rsaBitsMax + 8: false, 8 * rsaBitsMax: false} {
		n := new(big.Int).Lsh(big.NewInt(1), bits-1)
		n.SetBit(n, 0, 1)
		template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: now, NotAfter: now.Add(time.Hour)}
		der, err := x509.CreateCertificate(rand.Reader, template, h.issuer.Certificate, &rsa.PublicKey{N: n, E: 65537}, h.issuer.Key)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseCertificate(der); (err == nil) != want {
			t.Errorf("a key of %d bits: %v", bits, err)
		}
	}
}

func TestOrderChain(t *testing.T) {
	h, stranger := newHierarchy(t), newHierarchy(t)
	ordered, err := OrderChain(h.leaf, []*x509.Certificate{h.root.Certificate, h.issuer.Certificate})
	if err != nil || len(ordered) != 2 || !ordered[0].Equal(h.issuer.Certificate) || !ordered[1].Equal(h.root.Certificate) {
		t.Errorf("%v, %v", ordered, err)
	}
	if _, err := OrderChain(h.leaf, []*x509.Certificate{h.issuer.Certificate, stranger.root.Certificate}); err == nil {
		t.Error("a stranger has a place in the chain")
	}
	if !IsSelfSigned(h.root.Certificate) || IsSelfSigned(h.leaf) {
		t.Error("roots and leaves are confused")
	}
}

// RFC 5280 section 5.2: lists that speak of something else are not read as if
// they spoke of everything.
func TestPartialListsAreRefused(t *testing.T) {
	h := newHierarchy(t)
	list := func(extensions ...pkix.Extension) []byte {
		der, err := x509.CreateRevocationList(nil, &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: now, NextUpdate: now.Add(time.Hour), ExtraExtensions: extensions}, h.issuer.Certificate, h.issuer.Key)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	// The tags of RFC 5280 section 5.2.5: 1 users only, 2 authorities only, 4 indirect, 5 attributes only.
	distribution := func(tag byte) pkix.Extension {
		return pkix.Extension{Id: oidIssuingDistributionPoint, Critical: true, Value: []byte{0x30, 3, 0x80 | tag, 1, 0xff}}
	}
	for name, extension := range map[string]pkix.Extension{
		"delta":    {Id: []int{2, 5, 29, 27}, Critical: true, Value: []byte{2, 1, 1}},
		"indirect": distribution(4), "attributes": distribution(5),
		"broken": {Id: oidIssuingDistributionPoint, Critical: true, Value: []byte{0x30, 9}},
	} {
		if _, err := ParseCRL(list(extension)); err == nil {
			t.Errorf("a list that is %s is taken", name)
		}
	}
	users, err := ParseCRL(list(distribution(1)))
	if err != nil {
		t.Fatal(err)
	}
	authorities, err := ParseCRL(list(distribution(2)))
	if err != nil {
		t.Fatal(err)
	}
	if !users.Covers(h.leaf, h.issuer.Certificate) || authorities.Covers(h.leaf, h.issuer.Certificate) {
		t.Error("a list for one kind of certificates is read for the other")
	}
	// Tag 0 is the distribution point, in it 0 the full name, and 6 a URI.
	uri := "http://ca.example/7.crl"
	nested := append([]byte{0xa0, byte(len(uri) + 4), 0xa0, byte(len(uri) + 2), 0x86, byte(len(uri))}, uri...)
	one, err := ParseCRL(list(pkix.Extension{Id: oidIssuingDistributionPoint, Critical: true, Value: append([]byte{0x30, byte(len(nested))}, nested...)}))
	if err != nil {
		t.Fatal(err)
	}
	named, _ := h.issue(t, func(r *Request) { r.CRLURL = uri })
	elsewhere, _ := h.issue(t, func(r *Request) { r.CRLURL = "http://ca.example/8.crl" })
	if !one.Covers(named, h.issuer.Certificate) || one.Covers(elsewhere, h.issuer.Certificate) || one.Covers(h.leaf, h.issuer.Certificate) {
		t.Error("a list for one distribution point is read for another")
	}
	nested[5]++
	if _, err := ParseCRL(list(pkix.Extension{Id: oidIssuingDistributionPoint, Critical: true, Value: append([]byte{0x30, byte(len(nested))}, nested...)})); err == nil {
		t.Error("a list with a broken distribution point is taken")
	}
	if _, err := ParseCRL(make([]byte, CRLBytesMax+1)); err == nil {
		t.Error("a list of any size is read")
	}
}

// RFC 6960 section 3.2: who may answer, and for how long.
func TestOCSP(t *testing.T) {
	h := newHierarchy(t)
	question, err := OCSPRequest(h.leaf, h.issuer.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	if asked, err := ocsp.ParseRequest(question); err != nil || asked.SerialNumber.Cmp(h.leaf.SerialNumber) != 0 {
		t.Fatalf("%v, %v", asked, err)
	}
	responder, responderKey := h.issue(t)
	template := authorityTemplate(Name("responder"), now, time.Hour)
	template.IsCA, template.KeyUsage, template.ExtKeyUsage = false, x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning}
	appointedResponder, err := sign(template, h.issuer.Certificate, responderKey.Public(), h.issuer.Key)
	if err != nil {
		t.Fatal(err)
	}
	stranger := newHierarchy(t)
	good := ocsp.Response{Status: ocsp.Good, SerialNumber: h.leaf.SerialNumber, ThisUpdate: now.Add(-time.Minute), NextUpdate: now.Add(time.Hour)}
	for _, c := range []struct {
		name   string
		change func(*ocsp.Response)
		signer *x509.Certificate
		key    crypto.Signer
		want   string // "good", "revoked", or words of the error
	}{
		{"good", nil, h.issuer.Certificate, h.issuer.Key, "good"},
		{"by an appointed responder", func(r *ocsp.Response) { r.Certificate = appointedResponder }, appointedResponder, responderKey, "good"},
		{"by one that is not appointed", func(r *ocsp.Response) { r.Certificate = responder }, responder, responderKey, "not appointed"},
		{"by a stranger", nil, stranger.issuer.Certificate, stranger.issuer.Key, "signature"},
		{"revoked", func(r *ocsp.Response) { r.Status, r.RevokedAt = ocsp.Revoked, now }, h.issuer.Certificate, h.issuer.Key, "revoked"},
		{"unknown", func(r *ocsp.Response) { r.Status = ocsp.Unknown }, h.issuer.Certificate, h.issuer.Key, "does not know"},
		{"old", func(r *ocsp.Response) { r.NextUpdate = now.Add(-time.Second) }, h.issuer.Certificate, h.issuer.Key, "out of date"},
		{"of the future", func(r *ocsp.Response) { r.ThisUpdate = now.Add(time.Hour) }, h.issuer.Certificate, h.issuer.Key, "future"},
		{"of another certificate", func(r *ocsp.Response) { r.SerialNumber = big.NewInt(7) }, h.issuer.Certificate, h.issuer.Key, "no response matching"},
	} {
		response := good
		if c.change != nil {
			c.change(&response)
		}
		der, err := ocsp.CreateResponse(h.issuer.Certificate, c.signer, response, c.key)
		if err != nil {
			t.Fatal(err)
		}
		status, until, err := ParseOCSP(der, h.leaf, h.issuer.Certificate, now)
		got := "good"
		switch {
		case err != nil:
			got = err.Error()
		case status.Revoked != nil:
			got = "revoked"
		case !until.After(now):
			got = "good until the past"
		}
		if !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestChainPEM(t *testing.T) {
	h := newHierarchy(t)
	text := "a comment\n" + EncodePEM(h.leaf.Raw, h.issuer.Certificate.Raw)
	chain, err := ParseChainPEM([]byte(text))
	if err != nil || len(chain) != 2 || !bytes.Equal(chain[0].Raw, h.leaf.Raw) {
		t.Errorf("%v, %v", chain, err)
	}
	key, err := KeyPEM(h.key)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"", "hello", text + key, strings.Repeat(EncodePEM(h.leaf.Raw), ChainLengthMax+1), EncodePEM([]byte("x"))} {
		if _, err := ParseChainPEM([]byte(bad)); err == nil {
			t.Errorf("%.30q… is a chain", bad)
		}
	}
}
