package verifier

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/sha1"
	"crypto/x509"
	"net/netip"
	"strings"
	"testing"
	"time"

	"causeway.dev/ike"
	"causeway.dev/pki"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

type office struct {
	t            *testing.T
	root, issuer pki.Authority
}

func newOffice(t *testing.T) office {
	t.Helper()
	root, err := pki.NewRoot(pki.Name("root"), pki.ECDSAP256, now)
	if err != nil {
		t.Fatal(err)
	}
	issuer, err := root.NewSubordinate(pki.Name("issuer"), pki.ECDSAP256, now)
	if err != nil {
		t.Fatal(err)
	}
	return office{t, root, issuer}
}

func (o office) issue(r pki.Request) *x509.Certificate {
	o.t.Helper()
	key, err := pki.GenerateKey(pki.ECDSAP256)
	if err != nil {
		o.t.Fatal(err)
	}
	r.Key, r.Lifetime = key.Public(), time.Hour
	c, err := o.issuer.Issue(r, now)
	if err != nil {
		o.t.Fatal(err)
	}
	return c
}

func (o office) trust() *pki.Trust {
	return &pki.Trust{Roots: []*x509.Certificate{o.root.Certificate}, Intermediates: []*x509.Certificate{o.issuer.Certificate}}
}

func dn(c *x509.Certificate) ike.Identity {
	return ike.Identity{Type: ike.IDDERASN1DN, Data: string(c.RawSubject)}
}

// RFC 4945 section 3.1: the certificate must name what the ID payload says, for
// each type of identity.
func TestIdentities(t *testing.T) {
	o := newOffice(t)
	leaf := o.issue(pki.Request{
		Subject: pki.Name("gw.example"), DNSNames: []string{"gw.example", "*.wild.example"}, EmailAddresses: []string{"noc@example.com"},
		Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")},
	})
	other := o.issue(pki.Request{Subject: pki.Name("other.example"), DNSNames: []string{"other.example"}})
	v := New(o.trust(), leaf)
	for _, c := range []struct {
		identity ike.Identity
		fits     bool
	}{
		{dn(leaf), true},
		{ike.ParseIdentity("CN=GW.example"), true},
		{ike.ParseIdentity("gw.example"), true},
		{ike.ParseIdentity("GW.EXAMPLE"), true},
		{ike.ParseIdentity("noc@example.com"), true},
		{ike.ParseIdentity("192.0.2.1"), true},
		{ike.ParseIdentity("2001:db8::1"), true},
		{ike.Identity{}, false},
		{dn(other), false},
		{ike.ParseIdentity("other.example"), false},
		{ike.ParseIdentity("a.wild.example"), false}, // a gateway is one host
		{ike.ParseIdentity("192.0.2.2"), false},
		{ike.ParseIdentity("ceo@example.com"), false},
		{ike.Identity{Type: ike.IDKeyID, Data: "gw.example"}, false},
		{ike.Identity{Type: ike.IDDERASN1DN, Data: "no DER"}, false},
	} {
		key, err := v.Verify([][]byte{leaf.Raw}, c.identity, now)
		if (err == nil) != c.fits || c.fits && !leaf.PublicKey.(*ecdsa.PublicKey).Equal(key) {
			t.Errorf("%v: %v", c.identity, err)
		}
		if err != nil && (!strings.Contains(err.Error(), "the peer says that it is") || !strings.Contains(err.Error(), "CN=gw.example; gw.example")) {
			t.Errorf("%v: the reason is %q", c.identity, err)
		}
	}
}

// A certificate of the same authority is not enough to speak for a site; a
// renewed one of the same name is.
func TestOnlyTheKnownDevice(t *testing.T) {
	o := newOffice(t)
	request := pki.Request{Subject: pki.Name("branch.example"), DNSNames: []string{"branch.example"}}
	known, renewed := o.issue(request), o.issue(request)
	laptop := o.issue(pki.Request{Subject: pki.Name("laptop.example"), DNSNames: []string{"laptop.example"}})
	nameless := o.issue(pki.Request{Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.1")}})
	v := New(o.trust(), known)
	if _, err := v.Verify([][]byte{renewed.Raw}, dn(renewed), now); err != nil {
		t.Errorf("the renewed certificate: %v", err)
	}
	for _, c := range []*x509.Certificate{laptop, nameless} {
		_, err := v.Verify([][]byte{c.Raw}, ike.CertificateNames(c)[0], now)
		if err == nil || !strings.Contains(err.Error(), "this customer gateway has CN=branch.example") {
			t.Errorf("another device's certificate: %v", err)
		}
	}
	if _, err := New(o.trust(), nil).Verify([][]byte{laptop.Raw}, dn(laptop), now); err != nil {
		t.Errorf("without a known certificate: %v", err)
	}
	if _, err := v.Verify([][]byte{known.Raw}, dn(known), now.Add(2*time.Hour)); err == nil || !strings.Contains(err.Error(), "expired") {
		t.Errorf("expired: %v", err)
	}
	// An empty subject is no name that two certificates share.
	other := o.issue(pki.Request{DNSNames: []string{"x.example"}})
	if _, err := New(o.trust(), nameless).Verify([][]byte{other.Raw}, ike.ParseIdentity("x.example"), now); err == nil {
		t.Error("two certificates without a subject are taken for the same device's")
	}
	// A certificate that has no name that IKE knows is not everybody's.
	unnamed := o.issue(pki.Request{})
	if _, err := New(o.trust(), unnamed).Verify([][]byte{other.Raw}, ike.ParseIdentity("x.example"), now); err == nil {
		t.Error("where the device's certificate has no name, another's is taken")
	}
}

// RFC 7296 section 3.7: a CERTREQ has the SHA-1 hashes of the authorities' keys.
func TestAuthorities(t *testing.T) {
	o := newOffice(t)
	hashes, names := New(o.trust(), nil).Authorities()
	want := sha1.Sum(o.root.Certificate.RawSubjectPublicKeyInfo)
	if len(hashes) != 2 || len(names) != 2 || !bytes.Equal(hashes[0], want[:]) || !bytes.Equal(names[1], o.issuer.Certificate.RawSubject) {
		t.Errorf("%x, %x", hashes, names)
	}
}
