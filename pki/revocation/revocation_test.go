package revocation

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"causeway.dev/internal/run"
	"causeway.dev/pki"
)

// A world has an authority whose certificates name places on a server.
type world struct {
	t       *testing.T
	issuer  pki.Authority
	service *Service
	server  *httptest.Server
	asked   atomic.Int64
}

func newWorld(t *testing.T, answer func(w http.ResponseWriter, r *http.Request)) *world {
	t.Helper()
	x := &world{t: t}
	x.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x.asked.Add(1)
		answer(w, r)
	}))
	t.Cleanup(x.server.Close)
	var err error
	if x.issuer, err = pki.NewRoot(pki.Name("issuer"), pki.ECDSAP256, time.Now()); err != nil {
		t.Fatal(err)
	}
	x.service = New(Config{Client: x.server.Client()})
	group := run.New(t.Context())
	group.Go("revocation", x.service.Run)
	t.Cleanup(func() {
		group.Stop(nil)
		if err := group.Wait(); err != nil {
			t.Error(err)
		}
	})
	return x
}

// leaf issues a certificate that names a list and a responder of the server, by
// their paths; empty ones it does not name.
func (x *world) leaf(list, responder string) *x509.Certificate {
	x.t.Helper()
	key, err := pki.GenerateKey(pki.ECDSAP256)
	if err != nil {
		x.t.Fatal(err)
	}
	r := pki.Request{Subject: pki.Name("leaf"), Key: key.Public(), Lifetime: time.Hour}
	if list != "" {
		r.CRLURL = x.server.URL + list
	}
	c, err := x.issuer.Issue(r, time.Now())
	if err != nil {
		x.t.Fatal(err)
	}
	if responder != "" {
		c.OCSPServer = []string{x.server.URL + responder}
	}
	return c
}

func (x *world) list(life time.Duration, revoked ...*x509.Certificate) []byte {
	x.t.Helper()
	var entries []pki.Revocation
	for _, c := range revoked {
		entries = append(entries, pki.Revocation{Serial: c.SerialNumber, At: time.Now(), Reason: pki.Superseded})
	}
	der, err := x.issuer.NewCRL(entries, 1, time.Now(), time.Now().Add(life))
	if err != nil {
		x.t.Fatal(err)
	}
	return der
}

// status asks until something is known of a certificate, or why not.
func (x *world) status(c *x509.Certificate) pki.Status {
	x.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if s := x.service.Status(c, x.issuer.Certificate, time.Now()); s.Known || !strings.Contains(s.Trouble, "being looked up") {
			return s
		}
	}
	x.t.Fatal("nothing is known after 20 s")
	return pki.Status{}
}

func TestRevocationLists(t *testing.T) {
	var good, bad *x509.Certificate
	var x *world
	x = newWorld(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/der":
			_, _ = w.Write(x.list(time.Hour, bad))
		case "/pem":
			_, _ = w.Write(pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: x.list(time.Hour, bad)}))
		}
	})
	good, bad = x.leaf("/der", ""), x.leaf("/pem", "")
	if s := x.service.Status(good, x.issuer.Certificate, time.Now()); s.Known || s.Trouble == "" {
		t.Errorf("before anything was fetched: %+v", s)
	}
	if s := x.status(good); !s.Known || s.Revoked != nil {
		t.Errorf("good: %+v", s)
	}
	if s := x.status(bad); !s.Known || s.Revoked == nil || s.Revoked.Reason != pki.Superseded {
		t.Errorf("revoked: %+v", s)
	}
	select {
	case <-x.service.Changed():
	case <-time.After(20 * time.Second):
		t.Error("nobody is told")
	}
	// Many certificates, one list: it is fetched once.
	before := x.asked.Load()
	for range 20 {
		if s := x.status(x.leaf("/der", "")); !s.Known {
			t.Errorf("another certificate: %+v", s)
		}
	}
	if n := x.asked.Load() - before; n > 0 {
		t.Errorf("for 20 certificates the list is fetched %d times", n)
	}
	if s := x.service.Status(x.leaf("", ""), x.issuer.Certificate, time.Now()); s != (pki.Status{}) {
		t.Errorf("a certificate that names no place: %+v", s)
	}
}

func TestOCSPBeforeLists(t *testing.T) {
	var x *world
	revoked := map[string]bool{}
	x = newWorld(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/ocsp" {
			http.Error(w, "not here", http.StatusInternalServerError)
			return
		}
		body, err := io.ReadAll(r.Body)
		question, parseErr := ocsp.ParseRequest(body)
		if err != nil || parseErr != nil || r.Header.Get("Content-Type") != "application/ocsp-request" {
			http.Error(w, "no question", http.StatusBadRequest)
			return
		}
		response := ocsp.Response{Status: ocsp.Good, SerialNumber: question.SerialNumber, ThisUpdate: time.Now(), NextUpdate: time.Now().Add(time.Hour)}
		if revoked[question.SerialNumber.String()] {
			response.Status, response.RevokedAt, response.RevocationReason = ocsp.Revoked, time.Now(), ocsp.KeyCompromise
		}
		der, err := ocsp.CreateResponse(x.issuer.Certificate, x.issuer.Certificate, response, x.issuer.Key)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_, _ = w.Write(der)
	})
	good, bad := x.leaf("/list", "/ocsp"), x.leaf("/list", "/ocsp")
	revoked[bad.SerialNumber.String()] = true
	if s := x.status(good); !s.Known || s.Revoked != nil {
		t.Errorf("good: %+v", s)
	}
	if s := x.status(bad); s.Revoked == nil || s.Revoked.Reason != pki.KeyCompromise {
		t.Errorf("revoked: %+v", s)
	}
}

// Every way in which looking up can fail is told, with the place.
func TestTroubleIsTold(t *testing.T) {
	var x *world
	x = newWorld(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/none":
			http.NotFound(w, r)
		case "/junk":
			_, _ = w.Write([]byte("junk"))
		case "/old":
			_, _ = w.Write(x.list(-time.Minute))
		case "/endless":
			for range 2 * pki.CRLBytesMax / 4096 {
				if _, err := w.Write(make([]byte, 4096)); err != nil {
					return
				}
			}
		}
	})
	for path, want := range map[string]string{
		"/none": "404", "/junk": "parse a revocation list", "/endless": "more than", "/old": "revocation list",
	} {
		s := x.status(x.leaf(path, ""))
		if s.Known || !strings.Contains(s.Trouble, want) || !strings.Contains(s.Trouble, path) {
			t.Errorf("%s: %+v, want %q", path, s, want)
		}
	}
	ldap := x.leaf("", "")
	ldap.CRLDistributionPoints = []string{"ldap://ca.example/cn=list"}
	if s := x.status(ldap); !strings.Contains(s.Trouble, "only http and https") {
		t.Errorf("ldap: %+v", s)
	}
}

// Certificates are written by others: what they name must not make us talk to
// ourselves, follow where we are sent, or remember without bounds.
func TestHostileCertificates(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("secret")) }))
	defer server.Close()
	s := New(Config{})
	for _, place := range []string{server.URL, "http://169.254.169.254/latest", "http://[::1]/", "http://0.0.0.0/", "http://[::ffff:127.0.0.1]:80/"} {
		if _, err := s.fetch(t.Context(), http.MethodGet, place, nil, 100); err == nil || !strings.Contains(err.Error(), "belongs to this host or its links") {
			t.Errorf("%s: %v", place, err)
		}
	}
	redirecting := httptest.NewServer(http.RedirectHandler("http://example.invalid/", http.StatusFound))
	defer redirecting.Close()
	inside := New(Config{Client: &http.Client{CheckRedirect: s.client.CheckRedirect}})
	if _, err := inside.fetch(t.Context(), http.MethodGet, redirecting.URL, nil, 100); err == nil || !strings.Contains(err.Error(), "302") {
		t.Errorf("a redirect: %v", err)
	}
	talkative := New(Config{Client: &http.Client{Transport: answers(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusTeapot, Status: "418 " + strings.Repeat("\x1b", 1<<20), Body: http.NoBody}, nil
	})}})
	if _, err := talkative.fetch(t.Context(), http.MethodGet, "http://ca.example/", nil, 100); err == nil || !strings.Contains(err.Error(), "418") || len(err.Error()) > 1000 {
		t.Errorf("a status of a mebibyte: %.100v", err)
	}
	for i := range entriesMax + 10 {
		c := &x509.Certificate{Raw: []byte{byte(i), byte(i >> 8)}, CRLDistributionPoints: []string{"http://ca.example/"}}
		s.Status(c, c, time.Unix(int64(i), 0))
	}
	if len(s.entries) != entriesMax {
		t.Errorf("%d certificates are remembered", len(s.entries))
	}
}

// Whoever has a certificate of an own authority here names lists of any length.
func TestLongListsAreNotHeld(t *testing.T) {
	issuer, err := pki.NewRoot(pki.Name("issuer"), pki.ECDSAP256, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	entries := make([]pki.Revocation, 7500)
	for i := range entries {
		entries[i] = pki.Revocation{Serial: big.NewInt(1<<62 + int64(i)), At: time.Now(), Reason: pki.KeyCompromise}
	}
	long, err := issuer.NewCRL(entries, 1, time.Now(), time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	crl, err := pki.ParseCRL(long)
	if err != nil {
		t.Fatal(err)
	}
	s := New(Config{})
	for i := range listsBytesMax/len(long) + 2 {
		s.hold(fmt.Sprintf("http://ca.example/%d", i), crl)
	}
	if held := len(s.lists) * len(long); held > listsBytesMax || held == 0 {
		t.Errorf("%d lists of %d bytes are held", len(s.lists), len(long))
	}
}

// answers is an http.RoundTripper.
type answers func(*http.Request) (*http.Response, error)

func (f answers) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
