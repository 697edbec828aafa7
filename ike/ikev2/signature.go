package ikev2

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/big"

	// The hashes that signatures name.
	_ "crypto/sha1"
	_ "crypto/sha256"
	_ "crypto/sha512"

	"causeway.dev/ike/wire"
)

// AUTH payloads by signature: RSA with PKCS #1 v1.5 (RFC 7296 section 3.8),
// ECDSA on the NIST curves (RFC 4754), and digital signatures of any kind (RFC
// 7427, with RFC 8420 for Ed25519), which both sides have to announce.

// hashes are the hash algorithms that a peer takes in digital signatures; empty
// if it knows none of RFC 7427.
type hashes uint8

// The numbers are IANA's, RFC 7427 section 7. SHA-1, number 1, is not taken.
const (
	hashSHA256   hashes = 1 << 2
	hashSHA384   hashes = 1 << 3
	hashSHA512   hashes = 1 << 4
	hashIdentity hashes = 1 << 5 // of algorithms that hash by themselves, RFC 8420
)

// hashNumbers are those that we take, in the order in which we prefer them.
var hashNumbers = []struct {
	number uint16
	set    hashes
	hash   crypto.Hash
}{
	{2, hashSHA256, crypto.SHA256}, {3, hashSHA384, crypto.SHA384}, {4, hashSHA512, crypto.SHA512}, {5, hashIdentity, 0},
}

// hashAlgorithms announces what we take. RFC 7427 section 4.
func hashAlgorithms() *wire.Notify {
	n := &wire.Notify{Type: wire.SignatureHashAlgorithms}
	for _, h := range hashNumbers {
		n.Data = binary.BigEndian.AppendUint16(n.Data, h.number)
	}
	return n
}

// announcedHashes reads the peer's announcement.
func announcedHashes(m parts) hashes {
	n := m.notify(wire.SignatureHashAlgorithms)
	if n == nil {
		return 0
	}
	var set hashes
	for data := n.Data; len(data) >= 2; data = data[2:] {
		for _, h := range hashNumbers {
			if binary.BigEndian.Uint16(data) == h.number {
				set |= h.set
			}
		}
	}
	return set
}

// Object identifiers of RFC 7427 appendix A and RFC 8420 appendix A.
var (
	oidRSAWithSHA256   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}
	oidRSAWithSHA384   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 12}
	oidRSAWithSHA512   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 13}
	oidRSAPSS          = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 10}
	oidMGF1            = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 8}
	oidECDSAWithSHA256 = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}
	oidECDSAWithSHA384 = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 3}
	oidECDSAWithSHA512 = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 4}
	oidEd25519         = asn1.ObjectIdentifier{1, 3, 101, 112}
	oidSHA256          = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
	oidSHA384          = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 2}
	oidSHA512          = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 3}
)

// A scheme is one way to make digital signatures.
type scheme struct {
	algorithm []byte // AlgorithmIdentifier in DER, as it is sent
	kind      keyKind
	pss       bool
	hash      crypto.Hash // 0 for Ed25519
}

type keyKind uint8

const (
	keyUnknown keyKind = iota
	keyRSA
	keyECDSA
	keyEd25519
)

func kindOf(key crypto.PublicKey) keyKind {
	switch key.(type) {
	case *rsa.PublicKey:
		return keyRSA
	case *ecdsa.PublicKey:
		return keyECDSA
	case ed25519.PublicKey:
		return keyEd25519
	}
	return keyUnknown
}

// schemes are all that are built. Of those of one kind and hash the first is
// what we sign with, unless the peer has shown that it prefers the other.
var schemes = func() []scheme {
	null := asn1.RawValue{Tag: asn1.TagNull}
	simple := func(oid asn1.ObjectIdentifier, parameters asn1.RawValue) []byte {
		return mustMarshal(pkix.AlgorithmIdentifier{Algorithm: oid, Parameters: parameters})
	}
	return []scheme{
		{simple(oidRSAWithSHA256, null), keyRSA, false, crypto.SHA256},
		{simple(oidRSAWithSHA384, null), keyRSA, false, crypto.SHA384},
		{simple(oidRSAWithSHA512, null), keyRSA, false, crypto.SHA512},
		{pssAlgorithm(oidSHA256, crypto.SHA256), keyRSA, true, crypto.SHA256},
		{pssAlgorithm(oidSHA384, crypto.SHA384), keyRSA, true, crypto.SHA384},
		{pssAlgorithm(oidSHA512, crypto.SHA512), keyRSA, true, crypto.SHA512},
		{simple(oidECDSAWithSHA256, asn1.RawValue{}), keyECDSA, false, crypto.SHA256},
		{simple(oidECDSAWithSHA384, asn1.RawValue{}), keyECDSA, false, crypto.SHA384},
		{simple(oidECDSAWithSHA512, asn1.RawValue{}), keyECDSA, false, crypto.SHA512},
		{simple(oidEd25519, asn1.RawValue{}), keyEd25519, false, 0},
	}
}()

// pssParameters of RFC 4055 section 3.1; the trailer field has its default.
type pssParameters struct {
	Hash       pkix.AlgorithmIdentifier `asn1:"explicit,tag:0"`
	MGF        pkix.AlgorithmIdentifier `asn1:"explicit,tag:1"`
	SaltLength int                      `asn1:"explicit,tag:2"`
	Trailer    int                      `asn1:"optional,explicit,tag:3,default:1"`
}

func pssAlgorithm(oid asn1.ObjectIdentifier, hash crypto.Hash) []byte {
	hashed := pkix.AlgorithmIdentifier{Algorithm: oid, Parameters: asn1.RawValue{Tag: asn1.TagNull}}
	return mustMarshal(pkix.AlgorithmIdentifier{Algorithm: oidRSAPSS, Parameters: asn1.RawValue{FullBytes: mustMarshal(pssParameters{
		Hash:       hashed,
		MGF:        pkix.AlgorithmIdentifier{Algorithm: oidMGF1, Parameters: asn1.RawValue{FullBytes: mustMarshal(hashed)}},
		SaltLength: hash.Size(),
		Trailer:    1,
	})}})
}

func mustMarshal(v any) []byte {
	der, err := asn1.Marshal(v)
	if err != nil {
		panic(err)
	}
	return der
}

// schemeOf finds what an AlgorithmIdentifier names. It is compared as it is
// sent, but for parameters that are absent where NULL is usual (RFC 7427 section
// 3 has both) and for PSS parameters whose hashes lack NULL.
func schemeOf(algorithm []byte) (scheme, bool) {
	for _, s := range schemes {
		if bytes.Equal(s.algorithm, algorithm) {
			return s, true
		}
	}
	var id pkix.AlgorithmIdentifier
	if rest, err := asn1.Unmarshal(algorithm, &id); err != nil || len(rest) != 0 {
		return scheme{}, false
	}
	if !id.Algorithm.Equal(oidRSAPSS) {
		if len(id.Parameters.Bytes) != 0 {
			return scheme{}, false
		}
		for _, s := range schemes {
			var known pkix.AlgorithmIdentifier
			if _, err := asn1.Unmarshal(s.algorithm, &known); err == nil && known.Algorithm.Equal(id.Algorithm) {
				return s, true
			}
		}
		return scheme{}, false
	}
	return pssSchemeOf(id.Parameters.FullBytes)
}

func pssSchemeOf(der []byte) (scheme, bool) {
	var p pssParameters
	var mgf pkix.AlgorithmIdentifier
	if rest, err := asn1.Unmarshal(der, &p); err != nil || len(rest) != 0 || !p.MGF.Algorithm.Equal(oidMGF1) || p.Trailer != 1 {
		return scheme{}, false
	}
	if _, err := asn1.Unmarshal(p.MGF.Parameters.FullBytes, &mgf); err != nil || !mgf.Algorithm.Equal(p.Hash.Algorithm) {
		return scheme{}, false
	}
	for oid, hash := range map[*asn1.ObjectIdentifier]crypto.Hash{&oidSHA256: crypto.SHA256, &oidSHA384: crypto.SHA384, &oidSHA512: crypto.SHA512} {
		if oid.Equal(p.Hash.Algorithm) && p.SaltLength == hash.Size() {
			return scheme{kind: keyRSA, pss: true, hash: hash}, true
		}
	}
	return scheme{}, false
}

// errNoScheme is why an AUTH payload can't be made.
var errNoScheme = errors.New("the peer takes no kind of signature that the key of our certificate makes")

// sign makes the AUTH payload for the octets that RFC 7296 section 2.15 names.
// The peer takes digital signatures with some hashes; like, if not nil, is the
// AUTH payload that it has made itself: who signs with PSS verifies that.
func sign(signer crypto.Signer, taken hashes, like *wire.Auth, rand io.Reader, octets []byte) (*wire.Auth, error) {
	if taken == 0 {
		return signPlain(signer, rand, octets)
	}
	preferPSS := false
	if like != nil && like.Method == wire.AuthDigitalSignature {
		if algorithm, _, ok := cutAlgorithm(like.Data); ok {
			s, _ := schemeOf(algorithm)
			preferPSS = s.pss
		}
	}
	s, ok := chooseScheme(signer.Public(), taken, preferPSS)
	if !ok {
		return nil, errNoScheme
	}
	signature, err := signer.Sign(rand, digest(s.hash, octets), s.options())
	if err != nil {
		return nil, fmt.Errorf("sign with our certificate's key: %w", err)
	}
	data := append([]byte{byte(len(s.algorithm))}, s.algorithm...)
	return &wire.Auth{Method: wire.AuthDigitalSignature, Data: append(data, signature...)}, nil
}

func (s scheme) options() crypto.SignerOpts {
	if s.pss {
		return &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: s.hash}
	}
	return s.hash
}

// chooseScheme takes the hash that goes with the curve of an ECDSA key, if the
// peer takes it, and otherwise the first that it takes.
func chooseScheme(key crypto.PublicKey, taken hashes, preferPSS bool) (scheme, bool) {
	kind, wanted := kindOf(key), crypto.SHA256
	if k, ok := key.(*ecdsa.PublicKey); ok {
		wanted = curveHash(k.Curve)
	}
	var chosen scheme
	for _, s := range schemes {
		if s.kind != kind || !takes(taken, s.hash) || kind == keyRSA && s.pss != preferPSS {
			continue
		}
		if chosen.kind == keyUnknown || s.hash == wanted {
			chosen = s
		}
	}
	return chosen, chosen.kind != keyUnknown
}

func takes(taken hashes, hash crypto.Hash) bool {
	for _, h := range hashNumbers {
		if h.hash == hash {
			return taken&h.set != 0
		}
	}
	return false
}

// signPlain signs for a peer that does not know RFC 7427. RFC 7296 section 3.8:
// RSA then means SHA-1.
func signPlain(signer crypto.Signer, rand io.Reader, octets []byte) (*wire.Auth, error) {
	switch key := signer.Public().(type) {
	case *rsa.PublicKey:
		signature, err := signer.Sign(rand, digest(crypto.SHA1, octets), crypto.SHA1)
		if err != nil {
			return nil, fmt.Errorf("sign with our certificate's key: %w", err)
		}
		return &wire.Auth{Method: wire.AuthRSASignature, Data: signature}, nil
	case *ecdsa.PublicKey:
		method := curveMethod(key.Curve)
		if method == 0 {
			return nil, errNoScheme
		}
		hash := curveHash(key.Curve)
		der, err := signer.Sign(rand, digest(hash, octets), hash)
		if err != nil {
			return nil, fmt.Errorf("sign with our certificate's key: %w", err)
		}
		var rs struct{ R, S *big.Int }
		if _, err := asn1.Unmarshal(der, &rs); err != nil {
			return nil, fmt.Errorf("read the signature of our certificate's key: %w", err)
		}
		// RFC 4754 section 7: r and s, each as long as the curve's order.
		n := (key.Curve.Params().BitSize + 7) / 8
		data := append(rs.R.FillBytes(make([]byte, n)), rs.S.FillBytes(make([]byte, n))...)
		return &wire.Auth{Method: method, Data: data}, nil
	}
	return nil, errNoScheme
}

func curveHash(c elliptic.Curve) crypto.Hash {
	switch c {
	case elliptic.P384():
		return crypto.SHA384
	case elliptic.P521():
		return crypto.SHA512
	}
	return crypto.SHA256
}

func curveMethod(c elliptic.Curve) wire.AuthMethod {
	switch c {
	case elliptic.P256():
		return wire.AuthECDSA256
	case elliptic.P384():
		return wire.AuthECDSA384
	case elliptic.P521():
		return wire.AuthECDSA521
	}
	return 0
}

func digest(hash crypto.Hash, octets []byte) []byte {
	if hash == 0 {
		return octets
	}
	h := hash.New()
	h.Write(octets)
	return h.Sum(nil)
}

// errSignature is what a signature that does not fit comes to.
var errSignature = errors.New("the signature does not fit the key of the peer's certificate")

// verifySignature checks an AUTH payload against the key of a certificate that
// has been found good.
func verifySignature(key crypto.PublicKey, auth *wire.Auth, octets []byte) error {
	switch auth.Method {
	case wire.AuthRSASignature:
		k, ok := key.(*rsa.PublicKey)
		if !ok {
			return errSignature
		}
		// RFC 7296 section 3.8: SHA-1 is the default, others are allowed, and
		// only the signature itself says which it is.
		for _, hash := range []crypto.Hash{crypto.SHA1, crypto.SHA256, crypto.SHA384, crypto.SHA512} {
			if rsa.VerifyPKCS1v15(k, hash, digest(hash, octets), auth.Data) == nil {
				return nil
			}
		}
		return errSignature
	case wire.AuthECDSA256, wire.AuthECDSA384, wire.AuthECDSA521:
		k, ok := key.(*ecdsa.PublicKey)
		if !ok || curveMethod(k.Curve) != auth.Method || len(auth.Data) != 2*((k.Curve.Params().BitSize+7)/8) {
			return errSignature
		}
		half := len(auth.Data) / 2
		r, s := new(big.Int).SetBytes(auth.Data[:half]), new(big.Int).SetBytes(auth.Data[half:])
		if !ecdsa.Verify(k, digest(curveHash(k.Curve), octets), r, s) {
			return errSignature
		}
		return nil
	case wire.AuthDigitalSignature:
		return verifyDigital(key, auth.Data, octets)
	}
	return fmt.Errorf("the peer proves itself by the method %v, which is not taken", auth.Method)
}

// cutAlgorithm takes digital signatures apart. RFC 7427 section 3.
//
//	[ length 1 | AlgorithmIdentifier length | signature ]
func cutAlgorithm(data []byte) (algorithm, signature []byte, ok bool) {
	if len(data) < 1 {
		return nil, nil, false
	}
	length, rest := int(data[0]), data[1:]
	if len(rest) < length {
		return nil, nil, false
	}
	return rest[:length], rest[length:], true
}

func verifyDigital(key crypto.PublicKey, data, octets []byte) error {
	algorithm, signature, ok := cutAlgorithm(data)
	if !ok {
		return errors.New("the peer's digital signature is malformed")
	}
	s, ok := schemeOf(algorithm)
	if !ok {
		return errors.New("the peer's digital signature is of a kind that is not taken")
	}
	if s.kind != kindOf(key) {
		return errSignature
	}
	fits := false
	switch k := key.(type) {
	case *rsa.PublicKey:
		if s.pss {
			fits = rsa.VerifyPSS(k, s.hash, digest(s.hash, octets), signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
		} else {
			fits = rsa.VerifyPKCS1v15(k, s.hash, digest(s.hash, octets), signature) == nil
		}
	case *ecdsa.PublicKey:
		fits = ecdsa.VerifyASN1(k, digest(s.hash, octets), signature)
	case ed25519.PublicKey:
		fits = ed25519.Verify(k, octets, signature)
	}
	if !fits {
		return errSignature
	}
	return nil
}
