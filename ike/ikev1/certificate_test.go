package ikev1

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"testing"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/enginetest"
	"causeway.dev/ike/wire/isakmp"
)

// trust is a Verifier that knows leaves by their common name, which is to be the
// identity.
type trust struct{ revoked string }

func (v trust) Verify(chain [][]byte, identity ike.Identity, _ time.Time) (crypto.PublicKey, error) {
	leaf, err := x509.ParseCertificate(chain[0])
	if err != nil {
		return nil, err
	}
	switch name := leaf.Subject.CommonName; name {
	case v.revoked:
		return nil, errors.New("it was revoked")
	case identity.Data:
		return leaf.PublicKey, nil
	default:
		return nil, errors.New("it names " + name)
	}
}

func (trust) Authorities() (hashes, names [][]byte) { return nil, [][]byte{[]byte("name in DER")} }

func certified(t *testing.T, p *ike.Peer, name string, key crypto.Signer) {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: enginetest.Epoch, NotAfter: enginetest.Epoch.Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	p.PreSharedKey, p.Certificate, p.Verifier, p.LocalID = nil, &ike.Certificate{Chain: [][]byte{der}, Signer: key}, trust{}, ike.ParseIdentity(name)
}

func newKey(t *testing.T, kind string) crypto.Signer {
	t.Helper()
	if kind == "RSA" {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	curve := map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}[kind]
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// TestCertificates: RFC 2409 section 5.1 and RFC 4754, and what is wrong with the
// peer's.
func TestCertificates(t *testing.T) {
	const sha1AndP256 = "the peer's certificate is refused: it was revoked"
	for _, c := range []struct {
		name, left, right string
		change            func(left, right *ike.Peer)
		leftSays          string
		rightSays         string
	}{
		{"RSA", "RSA", "RSA", nil, "", ""},
		{"P-256", "P-256", "P-256", nil, "", ""},
		{"P-384", "P-384", "P-384", nil, "", ""},
		{"P-521", "P-521", "P-521", nil, "", ""},
		{"kinds differ", "RSA", "P-256", nil,
			"the peer accepts no proposal for the IKE SA that this tunnel offers (NO_PROPOSAL_CHOSEN); this tunnel offers AES-128/SHA-256/group 19",
			"no common proposal for the IKE SA: the peer offers AES-128/SHA-256/group 19/RSA signature, this tunnel accepts AES-128/SHA-256/group 19"},
		{"revoked", "P-256", "P-256", func(_, right *ike.Peer) { right.Verifier = trust{revoked: "left.example"} },
			"the peer refused our authentication (AUTHENTICATION-FAILED): it does not accept our certificate (authority, dates, revocation), or does not know our identity", sha1AndP256},
		{"responder revoked", "P-256", "P-256", func(left, _ *ike.Peer) { left.Verifier = trust{revoked: "right.example"} }, sha1AndP256, ""},
		{"another identity", "P-256", "P-256", func(left, _ *ike.Peer) { left.LocalID = ike.ParseIdentity("other.example") },
			"the peer refused our authentication (AUTHENTICATION-FAILED): it does not accept our certificate (authority, dates, revocation), or does not know our identity",
			"the peer's certificate is refused: it names left.example"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, 1, enginetest.LAN, func(left, right *ike.Peer) {
				certified(t, left, "left.example", newKey(t, c.left))
				certified(t, right, "right.example", newKey(t, c.right))
				if c.change != nil {
					c.change(left, right)
				}
			})
			w.Connect()
			if c.leftSays == "" && c.rightSays == "" {
				w.CheckSettled()
				return
			}
			w.Net.RunFor(time.Minute)
			left, _ := enginetest.Last[ike.NegotiationFailed](w.Left)
			right, _ := enginetest.Last[ike.NegotiationFailed](w.Right)
			if left.Reason != c.leftSays || right.Reason != c.rightSays {
				t.Errorf("left says\n %q, want\n %q\nright says\n %q, want\n %q", left.Reason, c.leftSays, right.Reason, c.rightSays)
			}
			checkNone(w)
		})
	}
}

// A certificate that nobody has issued is looked at too, to say whose it is. Its key
// must not make that costly, even where the signature is right.
func TestLongKeysAreNotUsed(t *testing.T) {
	product, order := big.NewInt(1), big.NewInt(1)
	exponent := big.NewInt(65537)
	for product.BitLen() <= rsaBitsMax { // many short primes are found quickly
		p, err := rand.Prime(rand.Reader, 256)
		if err != nil {
			t.Fatal(err)
		}
		product.Mul(product, p)
		order.Mul(order, p.Sub(p, big.NewInt(1)))
	}
	key := &rsa.PublicKey{N: product, E: 65537}
	hash := make([]byte, 20)
	// RFC 8017 section 9.2, without the hash's name: RFC 2409 section 5.1.
	padded := append([]byte{0, 1}, bytes.Repeat([]byte{0xff}, key.Size()-3-len(hash))...)
	padded = append(append(padded, 0), hash...)
	private := new(big.Int).ModInverse(exponent, order)
	signature := new(big.Int).Exp(new(big.Int).SetBytes(padded), private, product).FillBytes(make([]byte, key.Size()))
	if err := rsa.VerifyPKCS1v15(key, crypto.Hash(0), hash, signature); err != nil {
		t.Fatal(err)
	}
	n := &negotiation{method: isakmp.AuthRSASignature}
	if err := n.verify(key, hash, signature); err == nil {
		t.Errorf("a key of %d bits is used", product.BitLen())
	}
}
