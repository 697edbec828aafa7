// Package verifier lets IKE judge its peers' certificates with a pki.Trust, and
// by the names that a peer may have.
package verifier

import (
	"crypto"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"time"

	"causeway.dev/ike"
	"causeway.dev/pki"
)

// A Verifier is an ike.Verifier. It never changes; any number of goroutines may
// use it.
type Verifier struct {
	trust *pki.Trust

	// known is how the certificate is shown that the peer is known by, names are
	// those that it has. Without one every certificate of the authorities is the
	// peer's.
	known string
	names []ike.Identity
}

// New returns a verifier that accepts the certificates that trust does. With a
// known certificate (that of the device as it was registered) it accepts only
// those that share its subject or one of its other names: the same certificate,
// and those that it was renewed by. RFC 4945 section 3.1 leaves it to us which
// of an authority's certificates may speak for a peer.
func New(trust *pki.Trust, known *x509.Certificate) *Verifier {
	v := &Verifier{trust: trust}
	if known != nil {
		v.names, v.known = ike.CertificateNames(known), pki.NameOf(known)
	}
	return v
}

// Verify implements ike.Verifier.
func (v *Verifier) Verify(chain [][]byte, identity ike.Identity, now time.Time) (crypto.PublicKey, error) {
	verified, err := v.trust.Verify(chain, now)
	if err != nil {
		return nil, err
	}
	names := ike.CertificateNames(verified.Leaf)
	if !slices.ContainsFunc(names, identity.Same) {
		return nil, fmt.Errorf("the peer says that it is %v, but its certificate names %s", identity, list(names))
	}
	if v.known != "" && !slices.ContainsFunc(names, func(n ike.Identity) bool { return slices.ContainsFunc(v.names, n.Same) }) {
		return nil, fmt.Errorf("the certificate %s is another one's: this customer gateway has %s", pki.NameOf(verified.Leaf), v.known)
	}
	return verified.Leaf.PublicKey, nil
}

// Authorities implements ike.Verifier.
func (v *Verifier) Authorities() (hashes, names [][]byte) { return v.trust.Authorities() }

// Remarks are what an operator should know of a chain that is accepted; none
// of one that is not.
func (v *Verifier) Remarks(chain [][]byte, now time.Time) []string {
	verified, err := v.trust.Verify(chain, now)
	if err != nil {
		return nil
	}
	return verified.Remarks
}

// list shows names to an operator.
func list(names []ike.Identity) string {
	const most = 4
	var words []string
	for _, n := range names[:min(len(names), most)] {
		words = append(words, n.String())
	}
	if rest := len(names) - most; rest > 0 {
		words = append(words, fmt.Sprintf("and %d more", rest))
	}
	if len(words) == 0 {
		return "nobody"
	}
	return strings.Join(words, "; ")
}
