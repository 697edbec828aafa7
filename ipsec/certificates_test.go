package ipsec

import (
	"crypto/x509"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"causeway.dev/ike"
	"causeway.dev/pki"
	"causeway.dev/pki/verifier"
)

// An office issues certificates for both sides.
type office struct {
	t            *testing.T
	root, issuer pki.Authority
}

func newOffice(t *testing.T) office {
	t.Helper()
	root, err := pki.NewRoot(pki.Name("root"), pki.ECDSAP256, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	issuer, err := root.NewSubordinate(pki.Name("issuer"), pki.ECDSAP256, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return office{t, root, issuer}
}

// issue returns a certificate for a name, and what IKE needs of it.
func (o office) issue(name string, lifetime time.Duration) (*x509.Certificate, *ike.Certificate) {
	o.t.Helper()
	key, err := pki.GenerateKey(pki.ECDSAP256)
	if err != nil {
		o.t.Fatal(err)
	}
	leaf, err := o.issuer.Issue(pki.Request{Subject: pki.Name(name), DNSNames: []string{name}, Key: key.Public(), Lifetime: lifetime}, time.Now())
	if err != nil {
		o.t.Fatal(err)
	}
	return leaf, &ike.Certificate{Chain: [][]byte{leaf.Raw, o.issuer.Certificate.Raw}, Signer: key}
}

func (o office) verifier(known *x509.Certificate, fetched pki.Fetched, revoked ...*x509.Certificate) ike.Verifier {
	o.t.Helper()
	var entries []pki.Revocation
	for _, c := range revoked {
		entries = append(entries, pki.Revocation{Serial: c.SerialNumber, At: time.Now(), Reason: pki.KeyCompromise})
	}
	der, err := o.issuer.NewCRL(entries, 1, time.Now(), time.Now().Add(48*time.Hour))
	if err != nil {
		o.t.Fatal(err)
	}
	list, err := pki.ParseCRL(der)
	if err != nil {
		o.t.Fatal(err)
	}
	return verifier.New(&pki.Trust{Roots: []*x509.Certificate{o.root.Certificate}, CRLs: []*pki.CRL{list}, Fetched: fetched}, known)
}

// certified is a tunnel whose sides authenticate by certificates.
func certified(t Tunnel, own *ike.Certificate, v ike.Verifier) Tunnel {
	t.Peer.PreSharedKey, t.Peer.Certificate, t.Peer.Verifier = nil, own, v
	return t
}

// unknown is a pki.Fetched that has learnt nothing of what the root signed.
type unknown struct{}

func (unknown) Status(*x509.Certificate, *x509.Certificate, time.Time) pki.Status {
	return pki.Status{Trouble: "the list is out of reach"}
}

// Given a tunnel that stands by certificates, then a new one of ours changes
// nothing, and one of the peer's that is revoked or expires ends it, with the
// reason; it does not come back.
func TestCertificatesOfAStandingTunnel(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(o office, e *site, west, east *x509.Certificate, own *ike.Certificate)
		want  string
	}{
		{"revoked", func(o office, e *site, west, east *x509.Certificate, own *ike.Certificate) {
			e.set(certified(tunnelToAny("e", e.current()["e"].config.Peer.Versions.Preferred()), own, o.verifier(west, unknown{}, west)))
			e.JudgeCertificates()
		}, "the certificate CN=west.example was revoked on"},
		{"expired", func(office, *site, *x509.Certificate, *x509.Certificate, *ike.Certificate) {
			time.Sleep(time.Hour + judgeInterval)
		}, "the certificate CN=west.example expired on"},
	} {
		for _, version := range []ike.Version{ike.IKEv2, ike.IKEv1} {
			t.Run(c.name+" "+version.String(), func(t *testing.T) { standingTunnel(t, version, c.spoil, c.want) })
		}
	}
}

func standingTunnel(t *testing.T, version ike.Version, spoil func(o office, e *site, west, east *x509.Certificate, own *ike.Certificate), want string) {
	pairOfSites(t, func(w, e *site) {
		o := newOffice(t)
		westLeaf, westOwn := o.issue("west.example", time.Hour)
		eastLeaf, eastOwn := o.issue("east.example", 24*time.Hour)
		// East does not know where west comes from.
		e.set(certified(tunnelToAny("e", version), eastOwn, o.verifier(westLeaf, unknown{})))
		w.set(certified(speaking(tunnelTo("w", west, east, true), version), westOwn, o.verifier(eastLeaf, nil)))
		synctest.Wait()
		w.wantUp("w", true, "over IP protocol 50")
		both(t, w, e)
		e.JudgeCertificates()
		e.wantUp("e", true, "; whether CN=issuer is revoked is not known: the list is out of reach")

		since := e.status("e").Since
		time.Sleep(time.Minute)
		eastLeaf, eastOwn = o.issue("east.example", 24*time.Hour)
		e.set(certified(tunnelToAny("e", version), eastOwn, o.verifier(westLeaf, unknown{})))
		synctest.Wait()
		both(t, w, e)
		if s := e.status("e"); !s.Up || s.Since != since || len(e.opened) != 1 {
			t.Errorf("a new certificate of ours: up %v since %v, it was since %v", s.Up, s.Since, since)
		}

		spoil(o, e, westLeaf, eastLeaf, eastOwn)
		synctest.Wait()
		e.wantUp("e", false, want)
		time.Sleep(5 * time.Minute)
		e.wantUp("e", false, want)
	})
}

func tunnelToAny(id string, version ike.Version) Tunnel {
	t := speaking(tunnelTo(id, east, west, false), version)
	t.Peer.Remote = netip.Addr{}
	return t
}

// speaking restricts a tunnel to a version of IKE, with what both versions have.
func speaking(t Tunnel, version ike.Version) Tunnel {
	t.Peer.Versions = ike.VersionsOf(version)
	t.Peer.IKEProposals = []ike.IKEProposal{{Encryption: ike.AES128CBC, Integrity: ike.HMACSHA256, PRF: ike.PRFHMACSHA256, Group: ike.Group19}}
	return t
}
