// Package keypair makes and reads the keys by which users enter instances, in the
// forms in which EC2 hands them out and takes them.
package keypair

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/md5"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/crypto/ssh"
)

// A Type is an algorithm, as EC2 names it.
type Type string

// The types that there are.
const (
	RSA     Type = "rsa"
	Ed25519 Type = "ed25519"
)

// rsaBits is the length of the keys that EC2 makes.
const rsaBits = 2048

// A Public is the half of a key pair that is kept.
type Public struct {
	Type        Type
	Fingerprint string // as EC2 computes it, which depends on who made the key
	Text        string // in the form of authorized_keys, without a comment: "ssh-ed25519 AAAA…"
}

// A Private is the half that is handed out once.
type Private struct {
	key  crypto.Signer
	text string // of the public half
}

// String hides the key.
func (*Private) String() string { return "[private key]" }

// GoString hides the key.
func (*Private) GoString() string { return "[private key]" }

// Generate makes a key pair.
func Generate(t Type, random io.Reader) (*Private, Public, error) {
	switch t {
	case RSA:
		key, err := rsa.GenerateKey(random, rsaBits)
		if err != nil {
			return nil, Public{}, fmt.Errorf("generate RSA key: %w", err)
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return nil, Public{}, fmt.Errorf("encode RSA key: %w", err)
		}
		digest := sha1.Sum(der)
		return describe(t, key, colons(digest[:]))
	case Ed25519:
		_, key, err := ed25519.GenerateKey(random)
		if err != nil {
			return nil, Public{}, fmt.Errorf("generate Ed25519 key: %w", err)
		}
		return describe(t, key, "")
	}
	return nil, Public{}, fmt.Errorf("key type %q is not known", t)
}

// describe returns both halves of a key. An empty fingerprint is the public key's.
func describe(t Type, key crypto.Signer, fingerprint string) (*Private, Public, error) {
	public, err := ssh.NewPublicKey(key.Public())
	if err != nil {
		return nil, Public{}, fmt.Errorf("encode public key: %w", err)
	}
	if fingerprint == "" {
		fingerprint = blobFingerprint(public)
	}
	text := authorized(public)
	return &Private{key, text}, Public{t, fingerprint, text}, nil
}

func authorized(key ssh.PublicKey) string {
	return strings.TrimSuffix(string(ssh.MarshalAuthorizedKey(key)), "\n")
}

// blobFingerprint is OpenSSH's, with the padding that EC2 leaves in.
func blobFingerprint(key ssh.PublicKey) string {
	digest := sha256.Sum256(key.Marshal())
	return base64.StdEncoding.EncodeToString(digest[:])
}

// colons writes a digest as pairs of digits: "1f:51:ae".
func colons(digest []byte) string {
	pairs := make([]string, len(digest))
	for i, b := range digest {
		pairs[i] = hex.EncodeToString([]byte{b})
	}
	return strings.Join(pairs, ":")
}

// PEM is the key as OpenSSH reads it: PKCS #1 for RSA, OpenSSH's own for Ed25519.
func (p *Private) PEM() (string, error) {
	if key, ok := p.key.(*rsa.PrivateKey); ok {
		return string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})), nil
	}
	block, err := ssh.MarshalPrivateKey(p.key, "")
	if err != nil {
		return "", fmt.Errorf("encode private key: %w", err)
	}
	return string(pem.EncodeToMemory(block)), nil
}

// importLengthMax bounds what Parse looks at: an RSA key of 16384 bits in any form
// is shorter.
const importLengthMax = 8 << 10

// ErrFormat is the error of what is no public key of a type that EC2 takes.
var ErrFormat = errors.New("it is no RSA key of 1024, 2048 or 4096 bits and no Ed25519 key, in OpenSSH's form, as base64 of DER or as RFC 4716 has it")

// Parse reads a public key in one of the forms that EC2 imports: a line of
// OpenSSH's, base64 of DER (of SubjectPublicKeyInfo), also as PEM, or RFC 4716's.
func Parse(text []byte) (Public, error) {
	text = bytes.TrimSpace(text)
	if len(text) == 0 || len(text) > importLengthMax {
		return Public{}, ErrFormat
	}
	key, err := parse(text)
	if err != nil {
		return Public{}, errors.Join(ErrFormat, err)
	}
	ours, ok := key.(ssh.CryptoPublicKey)
	if !ok {
		return Public{}, ErrFormat
	}
	switch public := ours.CryptoPublicKey().(type) {
	case ed25519.PublicKey:
		return Public{Ed25519, blobFingerprint(key), authorized(key)}, nil
	case *rsa.PublicKey:
		if bits := public.N.BitLen(); bits != 1024 && bits != 2048 && bits != 4096 {
			return Public{}, ErrFormat
		}
		der, err := x509.MarshalPKIXPublicKey(public)
		if err != nil {
			return Public{}, errors.Join(ErrFormat, err)
		}
		digest := md5.Sum(der)
		return Public{RSA, colons(digest[:]), authorized(key)}, nil
	}
	return Public{}, ErrFormat
}

const (
	rfc4716Begin = "---- BEGIN SSH2 PUBLIC KEY ----"
	rfc4716End   = "---- END SSH2 PUBLIC KEY ----"
)

func parse(text []byte) (ssh.PublicKey, error) {
	if body, ok := bytes.CutPrefix(text, []byte(rfc4716Begin)); ok {
		blob, err := decodeRFC4716(body)
		if err != nil {
			return nil, err
		}
		return ssh.ParsePublicKey(blob)
	}
	if block, _ := pem.Decode(text); block != nil {
		return parseDER(block.Bytes)
	}
	if der, err := base64.StdEncoding.DecodeString(string(bytes.Join(bytes.Fields(text), nil))); err == nil {
		return parseDER(der)
	}
	if bytes.ContainsAny(text, "\r\n") {
		return nil, errors.New("there is more than one line")
	}
	key, _, options, _, err := ssh.ParseAuthorizedKey(text)
	if len(options) > 0 {
		return nil, errors.New("the key has options")
	}
	return key, err
}

func parseDER(der []byte) (ssh.PublicKey, error) {
	key, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, err
	}
	return ssh.NewPublicKey(key)
}

// decodeRFC4716 reads what follows the first line: headers, which continue where
// they end in a backslash, and base64 (RFC 4716 section 3).
func decodeRFC4716(body []byte) ([]byte, error) {
	body, ended := bytes.CutSuffix(body, []byte(rfc4716End))
	if !ended {
		return nil, errors.New("the last line is missing")
	}
	var encoded []byte
	continued := false
	for line := range bytes.Lines(body) {
		line = bytes.TrimSpace(line)
		if continued || bytes.Contains(line, []byte(":")) {
			continued = bytes.HasSuffix(line, []byte(`\`))
			continue
		}
		encoded = append(encoded, line...)
	}
	return base64.StdEncoding.DecodeString(string(encoded))
}
