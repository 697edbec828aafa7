package keypair

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/big"
	"strings"
)

// ppkLine is the length of PuTTY's lines of base64.
const ppkLine = 64

// PPK is the key as PuTTY reads it, in version 2 of its format, which all of its
// releases know, without encryption.
func (p *Private) PPK(comment string) (string, error) {
	algorithm, encoded, _ := strings.Cut(p.text, " ")
	public, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return "", fmt.Errorf("encode public key: %w", err)
	}
	private, err := p.ppkPrivate()
	if err != nil {
		return "", err
	}
	const encryption = "none"
	var sealed []byte
	for _, part := range []string{algorithm, encryption, comment, string(public), string(private)} {
		sealed = appendString(sealed, []byte(part))
	}
	key := sha1.Sum([]byte("putty-private-key-file-mac-key")) // and the passphrase, which is empty
	mac := hmac.New(sha1.New, key[:])
	mac.Write(sealed)
	var text strings.Builder
	fmt.Fprintf(&text, "PuTTY-User-Key-File-2: %s\r\nEncryption: %s\r\nComment: %s\r\n", algorithm, encryption, comment)
	writeLines(&text, "Public", public)
	writeLines(&text, "Private", private)
	fmt.Fprintf(&text, "Private-MAC: %s\r\n", hex.EncodeToString(mac.Sum(nil)))
	return text.String(), nil
}

// ppkPrivate is what the public half lacks: for RSA d, p, q and q's inverse, for
// Ed25519 the seed.
func (p *Private) ppkPrivate() ([]byte, error) {
	switch key := p.key.(type) {
	case *rsa.PrivateKey:
		key.Precompute()
		var blob []byte
		for _, n := range []*big.Int{key.D, key.Primes[0], key.Primes[1], key.Precomputed.Qinv} {
			blob = appendInteger(blob, n)
		}
		return blob, nil
	case ed25519.PrivateKey:
		return appendString(nil, key.Seed()), nil
	}
	return nil, fmt.Errorf("PuTTY knows no %T", p.key)
}

func writeLines(text *strings.Builder, name string, blob []byte) {
	encoded := base64.StdEncoding.EncodeToString(blob)
	fmt.Fprintf(text, "%s-Lines: %d\r\n", name, (len(encoded)+ppkLine-1)/ppkLine)
	for len(encoded) > 0 {
		n := min(len(encoded), ppkLine)
		fmt.Fprintf(text, "%s\r\n", encoded[:n])
		encoded = encoded[n:]
	}
}

// appendString appends a string as RFC 4251 section 5 has it: its length, itself.
func appendString(to, s []byte) []byte {
	return append(binary.BigEndian.AppendUint32(to, uint32(len(s))), s...)
}

// appendInteger appends a positive mpint (RFC 4251 section 5): a first byte with
// the highest bit set is preceded by a zero.
func appendInteger(to []byte, n *big.Int) []byte {
	b := n.Bytes()
	if len(b) > 0 && b[0]&0x80 != 0 {
		b = append([]byte{0}, b...)
	}
	return appendString(to, b)
}
