package ikev2

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/engine"
	"causeway.dev/ike/enginetest"
	"causeway.dev/ike/wire"
)

// testKeys are made once: RSA takes its time.
var testKeys = sync.OnceValue(func() map[string]crypto.Signer {
	made := map[string]crypto.Signer{}
	add := func(name string, key crypto.Signer, err error) {
		if err != nil {
			panic(err)
		}
		made[name] = key
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	add("RSA", rsaKey, err)
	for name, curve := range map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521(), "other": elliptic.P256()} {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		add(name, key, err)
	}
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	add("Ed25519", edKey, err)
	return made
})

// An authority issues certificates, and is the Verifier that trusts them.
type authority struct {
	certificate *x509.Certificate
	key         crypto.Signer
	revoked     map[string]bool // by serial number
	above       *authority
}

var serial int64

func newAuthority(t testing.TB, name string, above *authority) *authority {
	t.Helper()
	a := &authority{key: testKeys()["other"], revoked: map[string]bool{}, above: above}
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		NotBefore: enginetest.Epoch.Add(-time.Hour), NotAfter: enginetest.Epoch.Add(1000 * time.Hour),
	}
	issuer := a
	if above != nil {
		issuer = above
	}
	a.certificate = issuer.sign(t, template, a.key.Public())
	return a
}

func (a *authority) sign(t testing.TB, template *x509.Certificate, key crypto.PublicKey) *x509.Certificate {
	t.Helper()
	serial++
	template.SerialNumber = big.NewInt(serial)
	parent := a.certificate
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key, a.key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// issue makes a certificate that change may spoil before it is signed.
func (a *authority) issue(t testing.TB, name, key string, change func(*x509.Certificate)) *ike.Certificate {
	t.Helper()
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: name, Organization: []string{"Causeway"}}, DNSNames: []string{name},
		NotBefore: enginetest.Epoch.Add(-time.Hour), NotAfter: enginetest.Epoch.Add(100 * time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
	}
	if change != nil {
		change(template)
	}
	signer := testKeys()[key]
	c := &ike.Certificate{Chain: [][]byte{a.sign(t, template, signer.Public()).Raw}, Signer: signer}
	for above := a; above.above != nil; above = above.above {
		c.Chain = append(c.Chain, above.certificate.Raw)
	}
	return c
}

func (a *authority) Verify(chain [][]byte, identity ike.Identity, now time.Time) (crypto.PublicKey, error) {
	roots, others := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(a.certificate)
	leaf, err := x509.ParseCertificate(chain[0])
	if err != nil {
		return nil, err
	}
	for _, der := range chain[1:] {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, err
		}
		others.AddCert(c)
	}
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: others, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err != nil {
		return nil, err
	}
	if a.revoked[leaf.SerialNumber.String()] {
		return nil, fmt.Errorf("%s has been revoked", leaf.Subject)
	}
	for _, name := range engine.CertificateNames(&ike.Certificate{Chain: chain}) {
		if name.Same(identity) {
			return leaf.PublicKey, nil
		}
	}
	return nil, fmt.Errorf("it names %s, not %s", leaf.Subject, identity)
}

func (a *authority) Authorities() (hashes, names [][]byte) {
	sum := sha1.Sum(a.certificate.RawSubjectPublicKeyInfo)
	return [][]byte{sum[:]}, [][]byte{a.certificate.RawSubject}
}

// TestCertificates: RFC 7296 section 2.15 with every kind of key on each side,
// with and without an authority between.
func TestCertificates(t *testing.T) {
	root := newAuthority(t, "root", nil)
	between := newAuthority(t, "between", root)
	for _, key := range []string{"RSA", "P-256", "P-384", "P-521", "Ed25519"} {
		for _, other := range []string{"RSA", "P-256"} {
			t.Run(key+" and "+other, func(t *testing.T) {
				w := newWorld(t, 1, lan, func(left, right *ike.Peer) {
					left.Certificate, left.Verifier = between.issue(t, "left.example", key, nil), root
					right.Certificate, right.Verifier = root.issue(t, "right.example", other, nil), root
					left.PreSharedKey, right.PreSharedKey = nil, nil
				})
				w.Connect()
				w.CheckSettled()
				e, _ := enginetest.Last[ike.Established](w.Right)
				if len(e.RemoteChain) != 2 || !bytes.Equal(e.RemoteChain[0], w.Left.Peer.Certificate.Chain[0]) {
					t.Errorf("the initiator's chain has %d certificates", len(e.RemoteChain))
				}
				if want := "O=Causeway, CN=left.example"; e.RemoteID.String() != want {
					t.Errorf("the initiator is %q, want %q", e.RemoteID, want)
				}
				e, _ = enginetest.Last[ike.Established](w.Left)
				if want := "O=Causeway, CN=right.example"; e.RemoteID.String() != want {
					t.Errorf("the responder is %q, want %q", e.RemoteID, want)
				}
				w.Right.Command(ike.RekeyIKE{})
				w.Net.RunFor(20 * time.Second)
				w.CheckSettled()
			})
		}
	}
}

// RFC 7296 section 3.5 and RFC 4945 section 3.1: each kind of name that a
// certificate has may be who the peer says it is, and finds it among peers of any
// address.
func TestCertificateIdentities(t *testing.T) {
	ca := newAuthority(t, "ca", nil)
	all := func(c *x509.Certificate) {
		c.EmailAddresses, c.IPAddresses = []string{"branch@left.example"}, []net.IP{net.IPv4(192, 0, 2, 1)}
	}
	for _, id := range []string{"left.example", "branch@left.example", "192.0.2.1", "O=Causeway, CN=left.example", "CN=left.example,O=causeway"} {
		t.Run(id, func(t *testing.T) {
			w := newWorld(t, 1, lan, func(left, right *ike.Peer) {
				left.Certificate, left.Verifier = ca.issue(t, "left.example", "P-256", all), ca
				left.LocalID, left.RemoteID = ike.ParseIdentity(id), ike.ParseIdentity("right.example")
				right.Certificate, right.Verifier = ca.issue(t, "right.example", "RSA", nil), ca
				right.Remote, right.RemoteID = netip.Addr{}, ike.ParseIdentity(id)
			})
			for i := range 3 { // others that may come from anywhere
				other := w.Right.Peer
				other.ID, other.RemoteID = ike.PeerID(fmt.Sprint("other", i)), ike.ParseIdentity(fmt.Sprintf("other%d.example", i))
				if err := w.Right.Engine.SetPeer(other); err != nil {
					t.Fatal(err)
				}
			}
			w.Connect()
			w.CheckSettled()
			if e, _ := enginetest.Last[ike.Established](w.Right); !e.RemoteID.Same(ike.ParseIdentity(id)) {
				t.Errorf("the initiator is %q", e.RemoteID)
			}
		})
	}
}

// Each fault of a certificate has its sentence, at the side that finds it, and
// the other learns what the protocol lets it learn.
func TestCertificateReasons(t *testing.T) {
	ca, stranger := newAuthority(t, "ca", nil), newAuthority(t, "stranger", nil)
	ca.key, stranger.key = testKeys()["P-384"], testKeys()["P-521"]
	ca, stranger = reissued(t, "ca", ca), reissued(t, "stranger", stranger)
	expired := func(c *x509.Certificate) { c.NotAfter = enginetest.Epoch.Add(-time.Minute) }
	for _, c := range []struct {
		name        string
		left, right func(*ike.Peer)
		wantRight   string // what the responder says
		wantLeft    string // what the initiator says
	}{
		{"expired", func(p *ike.Peer) { p.Certificate = ca.issue(t, "left.example", "P-256", expired) }, nil, "certificate is refused: x509: certificate has expired", "does not accept our certificate"},
		{"unknown authority", func(p *ike.Peer) { p.Certificate = stranger.issue(t, "left.example", "P-256", nil) }, nil, "unknown authority", "does not accept our certificate"},
		{"revoked", func(p *ike.Peer) {
			p.Certificate = ca.issue(t, "left.example", "P-256", nil)
			leaf, _ := x509.ParseCertificate(p.Certificate.Chain[0])
			ca.revoked[leaf.SerialNumber.String()] = true
		}, nil, "has been revoked", "does not accept our certificate"},
		{"not its name", func(p *ike.Peer) { p.LocalID = ike.ParseIdentity("boss.example") }, nil, "it names CN=left.example,O=Causeway, not boss.example", "our identity \"boss.example\""},
		{"another's name wanted", nil, func(p *ike.Peer) { p.RemoteID = ike.ParseIdentity("boss.example") }, `identifies itself as "O=Causeway, CN=left.example", this tunnel expects "boss.example"`, "does not accept our certificate"},
		{"responder expired", nil, func(p *ike.Peer) { p.Certificate = ca.issue(t, "right.example", "P-256", expired) }, "AUTHENTICATION_FAILED", "certificate is refused: x509: certificate has expired"},
		{"responder is another", func(p *ike.Peer) { p.RemoteID = ike.ParseIdentity("right.example") }, func(p *ike.Peer) {
			p.Certificate, p.LocalID = ca.issue(t, "wrong.example", "P-256", nil), ike.ParseIdentity("right.example")
		}, "AUTHENTICATION_FAILED", "it names CN=wrong.example,O=Causeway, not right.example"},
		{"key at the initiator", func(p *ike.Peer) { p.Certificate, p.Verifier = nil, nil }, nil, "by a pre-shared key, this tunnel expects a certificate", "AUTHENTICATION_FAILED"},
		{"key at the responder", nil, func(p *ike.Peer) { p.Certificate, p.Verifier = nil, nil }, "the peer proves itself by ECDSA signature on P-256, this tunnel expects a pre-shared key", "does not accept our certificate"},
		{"stolen certificate", func(p *ike.Peer) {
			p.Certificate = &ike.Certificate{Chain: p.Certificate.Chain, Signer: forged{testKeys()["P-256"], testKeys()["other"]}}
		}, nil, "the signature does not fit the key", "does not accept our certificate"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, 1, lan, func(left, right *ike.Peer) {
				left.Certificate, left.Verifier = ca.issue(t, "left.example", "P-256", nil), ca
				right.Certificate, right.Verifier = ca.issue(t, "right.example", "RSA", nil), ca
				if c.left != nil {
					c.left(left)
				}
				if c.right != nil {
					c.right(right)
				}
			})
			w.Left.Command(ike.Initiate{})
			w.Net.RunFor(2 * time.Minute)
			for _, want := range []struct {
				*side
				words string
			}{{w.Right, c.wantRight}, {w.Left, c.wantLeft}} {
				failed, _ := enginetest.Last[ike.NegotiationFailed](want.side)
				closed, _ := enginetest.Last[ike.Closed](want.side)
				if !strings.Contains(failed.Reason+closed.Reason, want.words) {
					t.Errorf("%s says %q and %q, want %q", want.Name, failed.Reason, closed.Reason, want.words)
				}
			}
			checkNone(w)
		})
	}
}

// reissued is an authority that signs with its own key.
func reissued(t *testing.T, name string, a *authority) *authority {
	t.Helper()
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		NotBefore: enginetest.Epoch.Add(-time.Hour), NotAfter: enginetest.Epoch.Add(1000 * time.Hour),
	}
	a.certificate = nil
	a.certificate = a.sign(t, template, a.key.Public())
	return a
}

// forged shows the public half of one key and signs with another.
type forged struct{ shown, used crypto.Signer }

func (f forged) Public() crypto.PublicKey { return f.shown.Public() }
func (f forged) Sign(r io.Reader, digest []byte, o crypto.SignerOpts) ([]byte, error) {
	return f.used.Sign(r, digest, o)
}

// TestSignatures: every way to sign that RFC 7296 section 3.8, RFC 4754, RFC 7427
// and RFC 8420 have, against the same and other keys and octets.
func TestSignatures(t *testing.T) {
	octets := []byte("signed")
	every := hashSHA256 | hashSHA384 | hashSHA512 | hashIdentity
	pss := &wire.Auth{Method: wire.AuthDigitalSignature}
	algorithm := pssAlgorithm(oidSHA256, crypto.SHA256)
	pss.Data = append([]byte{byte(len(algorithm))}, algorithm...)
	for _, c := range []struct {
		key    string
		taken  hashes
		like   *wire.Auth
		method wire.AuthMethod
		id     string // of the scheme, for digital signatures
	}{
		{"RSA", 0, nil, wire.AuthRSASignature, ""},
		{"P-256", 0, nil, wire.AuthECDSA256, ""},
		{"P-384", 0, nil, wire.AuthECDSA384, ""},
		{"P-521", 0, nil, wire.AuthECDSA521, ""},
		{"RSA", every, nil, wire.AuthDigitalSignature, "RSA SHA-256"},
		{"RSA", hashSHA512, nil, wire.AuthDigitalSignature, "RSA SHA-512"},
		{"RSA", every, pss, wire.AuthDigitalSignature, "RSA PSS SHA-256"},
		{"RSA", hashSHA384, pss, wire.AuthDigitalSignature, "RSA PSS SHA-384"},
		{"P-256", every, nil, wire.AuthDigitalSignature, "ECDSA SHA-256"},
		{"P-384", every, nil, wire.AuthDigitalSignature, "ECDSA SHA-384"},
		{"P-521", every, pss, wire.AuthDigitalSignature, "ECDSA SHA-512"},
		{"P-521", hashSHA256, nil, wire.AuthDigitalSignature, "ECDSA SHA-256"},
		{"Ed25519", every, nil, wire.AuthDigitalSignature, "Ed25519"},
	} {
		signer := testKeys()[c.key]
		auth, err := sign(signer, c.taken, c.like, rand.Reader, octets)
		if err != nil {
			t.Errorf("%s with %b: %v", c.key, c.taken, err)
			continue
		}
		id := ""
		if algorithm, _, ok := cutAlgorithm(auth.Data); ok && auth.Method == wire.AuthDigitalSignature {
			s, _ := schemeOf(algorithm)
			id = [...]string{keyRSA: "RSA", keyECDSA: "ECDSA", keyEd25519: "Ed25519"}[s.kind]
			if s.pss {
				id += " PSS"
			}
			if s.hash != 0 {
				id += " " + s.hash.String()
			}
		}
		if auth.Method != c.method || id != c.id {
			t.Errorf("%s with %b signs by %v, %s", c.key, c.taken, auth.Method, id)
		}
		if err := verifySignature(signer.Public(), auth, octets); err != nil {
			t.Errorf("%s %v: %v", c.key, auth.Method, err)
		}
		if verifySignature(signer.Public(), auth, []byte("Signed")) == nil {
			t.Errorf("%s %v fits other octets", c.key, auth.Method)
		}
		for name, other := range testKeys() {
			if name != c.key && verifySignature(other.Public(), auth, octets) == nil {
				t.Errorf("%s %v fits the key %s", c.key, auth.Method, name)
			}
		}
		algorithm, _, _ := cutAlgorithm(auth.Data)
		step := 1 + len(auth.Data)/100 // RSA is slow
		for i := 0; i < len(auth.Data); i += step {
			if auth.Method == wire.AuthDigitalSignature && i > 0 && i <= len(algorithm) {
				continue // some names have several spellings
			}
			changed := &wire.Auth{Method: auth.Method, Data: bytes.Clone(auth.Data)}
			changed.Data[i] ^= 1
			if verifySignature(signer.Public(), changed, octets) == nil {
				t.Errorf("%s %v with octet %d changed is taken", c.key, auth.Method, i)
			}
			changed.Data = changed.Data[:i]
			if verifySignature(signer.Public(), changed, octets) == nil {
				t.Errorf("%s %v cut to %d octets is taken", c.key, auth.Method, i)
			}
		}
	}
	if _, err := sign(testKeys()["Ed25519"], 0, nil, rand.Reader, octets); err == nil {
		t.Error("Ed25519 signs for a peer that knows no digital signatures")
	}
	if _, err := sign(testKeys()["Ed25519"], hashSHA256, nil, rand.Reader, octets); err == nil {
		t.Error("Ed25519 signs for a peer that does not take it")
	}
}

// RFC 7427 section 3: parameters of NULL may be left out, and those of PSS may
// have hashes with and without.
func TestAlgorithmIdentifiers(t *testing.T) {
	null := []byte{5, 0}
	for i, s := range schemes {
		without := bytes.ReplaceAll(s.algorithm, null, nil)
		if s.pss || bytes.Equal(without, s.algorithm) {
			continue
		}
		without[1] -= 2
		if got, ok := schemeOf(without); !ok || got.hash != s.hash || got.kind != s.kind {
			t.Errorf("scheme %d without parameters is %+v", i, got)
		}
	}
	// SHA-1, which is PSS's default, is not taken.
	if s, ok := schemeOf(mustMarshal(pkix.AlgorithmIdentifier{Algorithm: oidRSAPSS})); ok {
		t.Errorf("PSS with defaults is taken as %+v", s)
	}
	if s, ok := schemeOf([]byte{0x30, 0}); ok {
		t.Errorf("an empty identifier is taken as %+v", s)
	}
}

// RFC 7427 section 3: an AlgorithmIdentifier has up to 255 octets, whatever is in
// them. Who sends it has shown nothing but a certificate, which is public.
func TestLengthOfAlgorithmIdentifier(t *testing.T) {
	for length := range 256 {
		data := append([]byte{byte(length)}, make([]byte, length)...)
		if algorithm, signature, ok := cutAlgorithm(append(data, 1, 2)); !ok || len(algorithm) != length || len(signature) != 2 {
			t.Errorf("of %d octets: %d and %d, %v", length, len(algorithm), len(signature), ok)
		}
		if _, _, ok := cutAlgorithm(data[:length]); ok {
			t.Errorf("%d octets without the last are taken", length)
		}
		if err := verifyDigital(ed25519.PublicKey(make([]byte, ed25519.PublicKeySize)), data, nil); err == nil {
			t.Errorf("%d zero octets are a signature", length)
		}
	}
}

// Given a peer without a certificate that fits its key, when it is set, then it
// is refused.
func TestSetPeerRefusesCredentials(t *testing.T) {
	ca := newAuthority(t, "ca", nil)
	good := ca.issue(t, "a.example", "P-256", nil)
	w := newWorld(t, 1, lan, nil)
	for name, change := range map[string]func(*ike.Peer){
		"nothing":        func(p *ike.Peer) { p.PreSharedKey = nil },
		"no verifier":    func(p *ike.Peer) { p.Certificate = good },
		"no certificate": func(p *ike.Peer) { p.Verifier = ca },
		"no chain":       func(p *ike.Peer) { p.Certificate, p.Verifier = &ike.Certificate{Signer: good.Signer}, ca },
		"no key":         func(p *ike.Peer) { p.Certificate, p.Verifier = &ike.Certificate{Chain: good.Chain}, ca },
		"another's key": func(p *ike.Peer) {
			p.Certificate, p.Verifier = &ike.Certificate{Chain: good.Chain, Signer: testKeys()["other"]}, ca
		},
		"no certificate in it": func(p *ike.Peer) {
			p.Certificate, p.Verifier = &ike.Certificate{Chain: [][]byte{{1}}, Signer: good.Signer}, ca
		},
	} {
		p := w.Left.Peer
		change(&p)
		if err := w.Left.Engine.SetPeer(p); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}
