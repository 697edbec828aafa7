package interop

import (
	"crypto"
	"crypto/x509"
	"flag"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"causeway.dev/internal/netlab"
	"causeway.dev/pki"
)

var long = flag.Bool("long", false, "every combination with strongSwan, for many minutes")

// credentials are what the two sides of a test prove themselves with: leaves of
// two authorities below one root.
type credentials struct {
	root         pki.Authority
	ours, theirs credential
}

type credential struct {
	key   crypto.Signer
	chain []*x509.Certificate // the leaf and the authority that has issued it
	by    pki.Authority
}

const (
	ourName, theirName = "ours.example", "theirs.example"
	theirMail          = "branch@theirs.example"
)

func newCredentials(t *testing.T, ours, theirs pki.KeyAlgorithm) credentials {
	t.Helper()
	now := time.Now()
	root, err := pki.NewRoot(pki.Name("Interop root"), pki.ECDSAP384, now)
	if err != nil {
		t.Fatal(err)
	}
	c := credentials{root: root}
	c.ours = issue(t, root, ours, pki.Request{Subject: pki.Name(ourName), DNSNames: []string{ourName}, Lifetime: time.Hour})
	c.theirs = issue(t, root, theirs, pki.Request{
		Subject: pki.Name(theirName), DNSNames: []string{theirName}, EmailAddresses: []string{theirMail},
		Addresses: []netip.Addr{netip.MustParseAddr(peerAddress)}, Lifetime: time.Hour,
	})
	return c
}

func issue(t *testing.T, root pki.Authority, algorithm pki.KeyAlgorithm, r pki.Request) credential {
	t.Helper()
	now := time.Now()
	key, err := pki.GenerateKey(algorithm)
	if err != nil {
		t.Fatal(err)
	}
	below, err := root.NewSubordinate(pki.Name("Interop authority of "+r.DNSNames[0]), algorithm, now)
	if err != nil {
		t.Fatal(err)
	}
	r.Key = key.Public()
	leaf, err := below.Issue(r, now)
	if err != nil {
		t.Fatal(err)
	}
	return credential{key, []*x509.Certificate{leaf, below.Certificate}, below}
}

func (c credential) pem(t *testing.T) (chain, key string) {
	t.Helper()
	key, err := pki.KeyPEM(c.key)
	if err != nil {
		t.Fatal(err)
	}
	for _, certificate := range c.chain {
		chain += pki.EncodePEM(certificate.Raw)
	}
	return chain, key
}

// install gives charon its files, and returns the lines that our side's tunnel
// needs in place of a key.
func (c credentials) install(t *testing.T, lab *netlab.Lab, peer *netlab.Charon) string {
	t.Helper()
	ca := pki.EncodePEM(c.root.Certificate.Raw)
	_, key := c.theirs.pem(t)
	peer.File("x509ca/root.pem", ca)
	// charon takes one certificate of a file, and sends those of authorities
	// that it has.
	peer.File("x509/theirs.pem", pki.EncodePEM(c.theirs.chain[0].Raw))
	peer.File("x509ca/between.pem", pki.EncodePEM(c.theirs.chain[1].Raw))
	peer.File("private/theirs.pem", key)
	chain, key := c.ours.pem(t)
	return fmt.Sprintf("    certificate: %s\n    key: %s\n    ca: %s\n", lab.File("ours.pem", chain), lab.File("ours.key", key), lab.File("ca.pem", ca))
}

// withCertificate is theirConnection by certificate; id is what charon says it is.
func withCertificate(id string) connection {
	c := theirConnection("aes128-sha256-modp2048", "aes128gcm16-modp2048")
	c.key = ""
	c.local, c.id, c.remoteID = peerAddress, id, ourName
	return c
}

// oursByCertificate is ours without a key.
func oursByCertificate(files, remoteID string) side {
	our := ours()
	our.key = ""
	our.more = files + "    id: " + ourName + "\n    remote_id: " + remoteID + "\n"
	return our
}

// A certificateCase is one combination of keys and roles.
type certificateCase struct {
	ours, theirs pki.KeyAlgorithm
	id           string // what strongSwan says it is
	auth         string // how strongSwan signs
	weStart      bool
}

// certificateCases cover each kind of key, of name and of signature once; with
// -long they are every combination.
func certificateCases() []certificateCase {
	cases := []certificateCase{
		{pki.RSA2048, pki.ECDSAP256, theirName, "pubkey", false},
		{pki.ECDSAP256, pki.RSA2048, theirMail, "pubkey", true},
		{pki.ECDSAP384, pki.ECDSAP521, peerAddress, "pubkey", false},
		{pki.ECDSAP521, pki.RSA2048, "CN=" + theirName, "rsa/pss", false},
		{pki.RSA2048, pki.RSA2048, "CN=" + theirName, "rsa/pss", true},
		{pki.ECDSAP256, pki.ECDSAP384, theirName, "ecdsa-sha512", true},
	}
	if !*long {
		return cases
	}
	kinds := []pki.KeyAlgorithm{pki.RSA2048, pki.RSA3072, pki.ECDSAP256, pki.ECDSAP384, pki.ECDSAP521}
	for _, ours := range kinds {
		for _, theirs := range kinds {
			auths := []string{"pubkey", "ecdsa-sha384"}
			if theirs.IsRSA() {
				auths = []string{"pubkey", "rsa/pss", "rsa-sha512"}
			}
			for _, auth := range auths {
				for _, weStart := range []bool{false, true} {
					cases = append(cases, certificateCase{ours, theirs, "CN=" + theirName, auth, weStart})
				}
			}
		}
	}
	return cases
}

// Given certificates of either kind below one root, when either side begins, then
// packets pass, whatever name of its certificate the peer goes by.
func TestStrongSwanCertificates(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	peer := s.peer.StartCharon(theirConnection("aes128-sha256-modp2048", "aes128gcm16").String())
	for _, c := range certificateCases() {
		t.Run(fmt.Sprintf("%s-%s-%s-%v", c.ours, c.theirs, strings.ReplaceAll(c.auth, "/", "_"), c.weStart), func(t *testing.T) {
			files := newCredentials(t, c.ours, c.theirs).install(t, s.lab, peer)
			theirs := withCertificate(c.id)
			theirs.auth = c.auth
			peer.Configure(theirs.String())
			our := oursByCertificate(files, c.id)
			our.start = c.weStart
			gw := startAppliance(s.lab, s.our, "ours", our)
			defer gw.Stop()
			if !c.weStart {
				gw.waitMessage("no packet from "+peerAddress, soon)
				if err := peer.Initiate("net"); err != nil {
					t.Fatal(err)
				}
			}
			gw.waitUp(true, soon)
			pings(t, s.our, ourInside, peerInside)
		})
	}
}

// Given certificates that one side can't accept, when strongSwan begins, then our
// message names what is wrong with them.
func TestCertificateMessageSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	peer := s.peer.StartCharon(theirConnection("aes128-sha256-modp2048", "aes128gcm16").String())
	for _, c := range []struct {
		name  string
		spoil func(t *testing.T, c *credentials, our *side)
		want  string
	}{
		{"unknown authority", func(t *testing.T, c *credentials, _ *side) {
			c.theirs = newCredentials(t, pki.ECDSAP256, pki.ECDSAP256).theirs
		}, "is not issued by an authority that is trusted here"},
		{"revoked", func(t *testing.T, c *credentials, our *side) {
			now := time.Now()
			revoked := []pki.Revocation{{Serial: c.theirs.chain[0].SerialNumber, At: now.Add(-time.Minute)}}
			list, err := c.theirs.by.NewCRL(revoked, 1, now.Add(-time.Minute), now.Add(time.Hour))
			if err != nil {
				t.Fatal(err)
			}
			our.more += "    crl: " + s.lab.File("revoked.crl", string(list)) + "\n"
		}, "was revoked on"},
		{"another's identity", func(_ *testing.T, _ *credentials, our *side) {
			our.more = strings.Replace(our.more, "remote_id: "+theirName, "remote_id: boss.example", 1)
		}, `identifies itself as "theirs.example", this tunnel expects "boss.example"`},
		{"a key", func(_ *testing.T, _ *credentials, our *side) {
			our.key, our.more = key, "    id: "+ourName+"\n    remote_id: "+theirName+"\n"
		}, "signature on P-256, this tunnel expects a pre-shared key"},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			made := newCredentials(t, pki.ECDSAP256, pki.ECDSAP256)
			our := oursByCertificate("", theirName)
			c.spoil(t, &made, &our)
			files := made.install(t, s.lab, peer)
			if our.key == "" {
				our.more += files
			}
			peer.Configure(withCertificate(theirName).String())
			gw := startAppliance(s.lab, s.our, "ours", our)
			defer gw.Stop()
			gw.waitMessage("no packet from "+peerAddress, soon)
			if err := peer.Initiate("net"); err == nil {
				t.Error("charon connected")
			}
			gw.waitMessage(c.want, soon)
			t.Log(gw.state().Message)
		})
	}
}
