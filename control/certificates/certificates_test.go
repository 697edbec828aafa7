package certificates

import (
	"encoding/pem"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"testing"
	"time"

	"causeway.dev/control/reconcile"
	"causeway.dev/pki"
	"causeway.dev/resource"
	"causeway.dev/store"
	"causeway.dev/store/storetest"
)

var (
	scope = store.Scope{Account: "123456789012", Region: "us-east-1"}
	start = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
)

func meta(id string) resource.Meta {
	return resource.Meta{ID: id, Account: scope.Account, Region: scope.Region, Created: start}
}

func update(t *testing.T, s *store.Store, f func(tx *store.Tx) error) {
	t.Helper()
	if err := s.Update(t.Context(), f); err != nil {
		t.Fatal(err)
	}
}

// A desk does a duty by hand, at any time.
type desk struct {
	t     *testing.T
	store *store.Store
	Keeper
}

func newDesk(t *testing.T) desk {
	s := storetest.Open(t)
	return desk{t, s, Keeper{Store: s, Logger: slog.New(slog.DiscardHandler), TunnelLifetime: 30 * time.Hour, URL: "http://gw.example/"}}
}

// do carries out what is due of a duty at a time, and returns when the rest is.
func (d desk) do(duty reconcile.Duty, now time.Time) (later []time.Time) {
	d.t.Helper()
	for key, at := range duty.Due(d.store.Snapshot()) {
		if at.After(now) {
			later = append(later, at)
			continue
		}
		update(d.t, d.store, func(tx *store.Tx) error { return duty.Do(tx, key, now) })
	}
	return later
}

// device stores a certificate of a device, its customer gateway and a
// connection.
func (d desk) device(a pki.KeyAlgorithm) resource.Certificate {
	d.t.Helper()
	p, err := Prepare(d.store.Snapshot(), scope, Family(a), a, start)
	if err != nil {
		d.t.Fatal(err)
	}
	c := resource.Certificate{Meta: meta("cert"), Type: resource.CertificatePrivate, KeyAlgorithm: string(a), DomainName: "branch.example", SubjectAlternativeNames: []string{"branch.example"}}
	update(d.t, d.store, func(tx *store.Tx) error {
		issued, err := p.Issue(tx, RequestFor(&c, d.URL), start)
		issued.Into(&c)
		store.Certificates.Put(tx, c)
		store.CustomerGateways.Put(tx, resource.CustomerGateway{Meta: meta("cgw-1"), Certificate: c.ID})
		v := resource.VPNConnection{Meta: meta("vpn-1"), CustomerGateway: "cgw-1"}
		v.Tunnels[0].OutsideAddress, v.Tunnels[1].OutsideAddress = netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("203.0.113.2")
		store.VPNConnections.Put(tx, v)
		return err
	})
	return c
}

func (d desk) tunnelCertificates() []resource.TunnelCertificate {
	return slices.Collect(store.TunnelCertificates.All(d.store.Snapshot()))
}

// Our side of each tunnel gets a certificate of the device's family, replaced at
// two thirds of its life and gone with the connection.
func TestTunnelCertificates(t *testing.T) {
	for _, a := range []pki.KeyAlgorithm{pki.ECDSAP384, pki.RSA2048} {
		t.Run(string(a), func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			duty := d.issueTunnelCertificates()
			if later := d.do(duty, start); len(later) > 0 || len(d.tunnelCertificates()) > 0 {
				t.Fatal("something is due without tunnels")
			}
			d.device(a)
			d.do(duty, start)
			first := d.tunnelCertificates()
			if len(first) != 2 {
				t.Fatalf("%d certificates", len(first))
			}
			leaf, err := pki.ParseCertificate(first[1].Leaf)
			if err != nil {
				t.Fatal(err)
			}
			if leaf.IPAddresses[0].String() != "203.0.113.2" || leaf.DNSNames[0] != "vpn-1.endpoint-1" || leaf.CRLDistributionPoints[0] != "http://gw.example/pki/123456789012/us-east-1/"+Family(a)+".crl" {
				t.Errorf("it names %v, %v, %v", leaf.IPAddresses, leaf.DNSNames, leaf.CRLDistributionPoints)
			}
			if key, err := pki.ParseKeyPEM([]byte(first[1].PrivateKey)); err != nil || !pki.Matches(key, leaf.PublicKey) || pki.AlgorithmOf(leaf.PublicKey) != a {
				t.Errorf("its key: %v", err)
			}
			if later := d.do(duty, start.Add(20*time.Hour-time.Minute)); len(later) != 2 || !later[0].Equal(start.Add(20*time.Hour)) {
				t.Errorf("before two thirds: the rest is due at %v", later)
			}
			d.do(duty, start.Add(20*time.Hour))
			second := d.tunnelCertificates()
			if string(second[0].Leaf) == string(first[0].Leaf) || !second[0].NotAfter.After(first[0].NotAfter) {
				t.Error("at two thirds nothing is replaced")
			}
			second[1].Replace = true
			update(t, d.store, func(tx *store.Tx) error { store.TunnelCertificates.Put(tx, second[1]); return nil })
			d.do(duty, start.Add(20*time.Hour+time.Minute))
			if third := d.tunnelCertificates(); string(third[0].Leaf) != string(second[0].Leaf) || string(third[1].Leaf) == string(second[1].Leaf) || third[1].Replace {
				t.Error("the one that was to be replaced is not, or the other is")
			}
			update(t, d.store, func(tx *store.Tx) error { store.VPNConnections.Delete(tx, scope, "vpn-1"); return nil })
			d.do(duty, start.Add(21*time.Hour))
			if left := d.tunnelCertificates(); len(left) > 0 {
				t.Errorf("%d certificates of a tunnel that is gone are left", len(left))
			}
		})
	}
}

// ACM's certificates that somebody uses are renewed 60 days before their end.
func TestRenewal(t *testing.T) {
	d := newDesk(t)
	before := d.device(pki.ECDSAP256)
	duty := d.renewCertificates()
	at := before.NotAfter.Add(-RenewBefore)
	if later := d.do(duty, at.Add(-time.Second)); len(later) != 1 || !later[0].Equal(at) {
		t.Errorf("it is due at %v, want %v", later, at)
	}
	d.do(duty, at)
	after, _ := store.Certificates.Get(d.store.Snapshot(), scope, "cert")
	if after.Renewed == nil || !after.NotAfter.Equal(at.Add(Lifetime)) || len(after.Former) != 1 || !after.Former[0].NotAfter.Equal(before.NotAfter) {
		t.Errorf("renewed at %v until %v, formerly %v", after.Renewed, after.NotAfter, after.Former)
	}
	// Nobody uses it any more.
	update(t, d.store, func(tx *store.Tx) error { store.CustomerGateways.Delete(tx, scope, "cgw-1"); return nil })
	d.do(duty, after.NotAfter)
	if again, _ := store.Certificates.Get(d.store.Snapshot(), scope, "cert"); !again.NotAfter.Equal(after.NotAfter) {
		t.Error("a certificate that nobody uses is renewed")
	}
}

// Lists are made anew every day, and an issuer keeps its key when it gets a new
// certificate, so that what it had signed stays good.
func TestAuthoritiesAreKept(t *testing.T) {
	d := newDesk(t)
	c := d.device(pki.ECDSAP256)
	authority := func() resource.CertificateAuthority {
		a, ok := store.CertificateAuthorities.Get(d.store.Snapshot(), scope, resource.AuthorityECDSA)
		if !ok {
			t.Fatal("there is no authority")
		}
		return a
	}
	duty := d.keepAuthorities()
	first := authority()
	if later := d.do(duty, start.Add(crlInterval-time.Second)); len(later) != 1 {
		t.Error("a list is made early")
	}
	d.do(duty, start.Add(crlInterval))
	second := authority()
	if second.CRLNumber != first.CRLNumber+1 || string(second.Issuer.Certificate) != string(first.Issuer.Certificate) {
		t.Errorf("after a day list %d follows %d", second.CRLNumber, first.CRLNumber)
	}
	late := first.Issuer.NotAfter.Add(-issuerRenewBefore)
	d.do(duty, late.Add(time.Second))
	third := authority()
	if !third.Issuer.NotAfter.After(first.Issuer.NotAfter) {
		t.Error("the issuer has no new certificate")
	}
	chain, err := pki.ParseChain([][]byte{third.Issuer.Certificate, third.Root.Certificate})
	if err != nil {
		t.Fatal(err)
	}
	trust := pki.Trust{Roots: chain[1:], Intermediates: chain[:1]}
	if _, err := trust.Verify([][]byte{c.Leaf}, start.Add(time.Hour)); err == nil {
		t.Error("the new certificate of the issuer is valid before it was made")
	}
	if err := mustCheck(c.Leaf, third.Issuer.Certificate); err != nil {
		t.Errorf("what the issuer had signed: %v", err)
	}
}

func mustCheck(leaf, issuer []byte) error {
	chain, err := pki.ParseChain([][]byte{leaf, issuer})
	if err != nil {
		return err
	}
	return chain[0].CheckSignatureFrom(chain[1])
}

func TestPublish(t *testing.T) {
	d := newDesk(t)
	d.device(pki.ECDSAP256)
	h := Publish(d.store)
	get := func(method, path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
		return w
	}
	if w := get(http.MethodGet, "/pki/123456789012/us-east-1/ecdsa.crl"); w.Code != http.StatusOK {
		t.Errorf("the list: %d", w.Code)
	} else if _, err := pki.ParseCRL(w.Body.Bytes()); err != nil {
		t.Error(err)
	}
	w := get(http.MethodGet, "/pki/123456789012/us-east-1/ecdsa.pem")
	if chain, err := pki.ParseChainPEM(w.Body.Bytes()); err != nil || len(chain) != 2 || !pki.IsSelfSigned(chain[1]) {
		t.Errorf("the authority: %v, %v", len(chain), err)
	}
	if block, _ := pem.Decode(w.Body.Bytes()); block == nil || block.Type != "CERTIFICATE" {
		t.Error("something else than certificates is published")
	}
	for _, path := range []string{"/pki/", "/pki/123456789012/us-east-1/rsa.crl", "/pki/123456789012/us-east-1/ecdsa.key", "/pki/123456789012/us-east-1/ecdsa", "/pki/1/us-east-1/ecdsa.crl", "/pki/123456789012/us-east-1/x/ecdsa.crl", "/pki//../ecdsa.crl"} {
		if w := get(http.MethodGet, path); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	if w := get(http.MethodPost, "/pki/123456789012/us-east-1/ecdsa.crl"); w.Code != http.StatusNotFound {
		t.Errorf("POST: %d", w.Code)
	}
}
