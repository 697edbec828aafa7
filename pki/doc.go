// Package pki issues certificates from private authorities and judges those of
// others: chains, dates, names and revocation. It does no I/O and reads no
// clock: what is stored, fetched or shown, and when, is its users' business.
//
//	root, _ := pki.NewRoot(pki.Name("Example root"), pki.ECDSAP256, now)
//	issuer, _ := root.NewSubordinate(pki.Name("Example issuer"), pki.ECDSAP256, now)
//	key, _ := pki.GenerateKey(pki.ECDSAP256)
//	leaf, _ := issuer.Issue(pki.Request{Subject: pki.Name("gw.example"), DNSNames: …, Key: key.Public()}, now)
//
//	trust := pki.Trust{Roots: …, Intermediates: …}
//	verified, err := trust.Verify([][]byte{leaf.Raw}, now)
package pki
