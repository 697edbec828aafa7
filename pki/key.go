package pki

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

// A KeyAlgorithm is a kind of key with its size, by ACM's name.
type KeyAlgorithm string

// The kinds of keys that certificates are issued for.
const (
	RSA2048   KeyAlgorithm = "RSA_2048"
	RSA3072   KeyAlgorithm = "RSA_3072"
	RSA4096   KeyAlgorithm = "RSA_4096"
	ECDSAP256 KeyAlgorithm = "EC_prime256v1"
	ECDSAP384 KeyAlgorithm = "EC_secp384r1"
	ECDSAP521 KeyAlgorithm = "EC_secp521r1"
)

// RSA1024 is too weak to be issued, and known where somebody imports it.
const RSA1024 KeyAlgorithm = "RSA_1024"

// KeyAlgorithms are those that certificates are issued for.
var KeyAlgorithms = []KeyAlgorithm{RSA2048, RSA3072, RSA4096, ECDSAP256, ECDSAP384, ECDSAP521}

var rsaBits = map[KeyAlgorithm]int{RSA1024: 1024, RSA2048: 2048, RSA3072: 3072, RSA4096: 4096}

var curves = map[KeyAlgorithm]elliptic.Curve{ECDSAP256: elliptic.P256(), ECDSAP384: elliptic.P384(), ECDSAP521: elliptic.P521()}

// IsRSA tells the two families of keys apart. A device that knows only one of
// them needs a whole chain of it.
func (a KeyAlgorithm) IsRSA() bool { return rsaBits[a] != 0 }

// GenerateKey makes a key. RSA keys take tenths of a second and more.
func GenerateKey(a KeyAlgorithm) (crypto.Signer, error) {
	if bits := rsaBits[a]; bits > 1024 {
		return rsa.GenerateKey(rand.Reader, bits)
	}
	if curve := curves[a]; curve != nil {
		return ecdsa.GenerateKey(curve, rand.Reader)
	}
	return nil, fmt.Errorf("generate a key: %q is none of %v", a, KeyAlgorithms)
}

// AlgorithmOf names the kind of a public key, or returns "" for one that ACM
// does not know.
func AlgorithmOf(public crypto.PublicKey) KeyAlgorithm {
	switch k := public.(type) {
	case *rsa.PublicKey:
		for a, bits := range rsaBits {
			if k.N.BitLen() == bits {
				return a
			}
		}
	case *ecdsa.PublicKey:
		for a, curve := range curves {
			if k.Curve == curve {
				return a
			}
		}
	}
	return ""
}

// Bounds of what is read.
const (
	keyBytesMax = 8 << 10 // PKCS #8 of RSA 4096 has 2.4 KiB
	pemBytesMax = 2 << 20 // ACM's bound of a chain
)

// ErrEncryptedKey means a private key that cannot be read without its
// passphrase.
var ErrEncryptedKey = errors.New("the private key is encrypted; decrypt it first")

// ParseKeyPEM reads one private key: PKCS #8, PKCS #1 or SEC 1.
func ParseKeyPEM(text []byte) (crypto.Signer, error) {
	if len(text) > 2*keyBytesMax {
		return nil, fmt.Errorf("the private key has %d bytes; %d are allowed", len(text), 2*keyBytesMax)
	}
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return nil, errors.New("there is no private key in PEM form")
		}
		switch {
		case block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "":
			return nil, ErrEncryptedKey
		case block.Type == "EC PARAMETERS": // openssl writes them before the key
		default:
			return parseKey(block.Bytes)
		}
	}
}

func parseKey(der []byte) (crypto.Signer, error) {
	if len(der) > keyBytesMax {
		return nil, fmt.Errorf("the private key has %d bytes; %d are allowed", len(der), keyBytesMax)
	}
	var key any
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		if key, err = x509.ParsePKCS1PrivateKey(der); err != nil {
			if key, err = x509.ParseECPrivateKey(der); err != nil {
				return nil, errors.New("the private key is no PKCS #8, PKCS #1 or SEC 1 key that is known here")
			}
		}
	}
	signer, ok := key.(crypto.Signer)
	if !ok || AlgorithmOf(signer.Public()) == "" {
		return nil, fmt.Errorf("private keys of type %T are not supported: use RSA with 1024 to 4096 bits, or ECDSA on P-256, P-384 or P-521", key)
	}
	return signer, nil
}

// KeyPEM writes a private key in PKCS #8 as a PEM block.
func KeyPEM(key crypto.Signer) (string, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", fmt.Errorf("encode a private key: %w", err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), nil
}

// Matches reports whether a private key belongs to a public one.
func Matches(key crypto.Signer, public crypto.PublicKey) bool {
	ours, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return false
	}
	theirs, err := x509.MarshalPKIXPublicKey(public)
	return err == nil && bytes.Equal(ours, theirs)
}
