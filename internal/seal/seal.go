// Package seal encrypts small secrets (private keys, pre-shared keys) before
// they are stored. The key lies in a file beside the store, so that a copy of
// the store alone tells no secret.
package seal

import (
	"bufio"
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// A Keyring seals with its first key and opens with any. It never changes and
// may be used by any number of goroutines.
type Keyring struct{ keys []key }

// String hides the keys.
func (r *Keyring) String() string { return fmt.Sprintf("[keyring of %d]", len(r.keys)) }

type key struct {
	id   string
	aead cipher.AEAD
}

// keyBytes is the size of a key: AES-256.
const keyBytes = 32

// fileBytesMax bounds the key file: some hundred keys.
const fileBytesMax = 16 << 10

// Generate returns a keyring with a new key that no file has.
func Generate() *Keyring {
	k, err := newKey(randomKey())
	if err != nil {
		panic("seal: " + err.Error()) // a key of the right size is always good
	}
	return &Keyring{[]key{k}}
}

// Rotated returns a keyring that seals with a new key and opens with those of r
// too.
func (r *Keyring) Rotated() *Keyring {
	return &Keyring{append(Generate().keys, r.keys...)}
}

// Newest returns a keyring with only the first key of r.
func (r *Keyring) Newest() *Keyring { return &Keyring{r.keys[:1:1]} }

func randomKey() []byte {
	secret := make([]byte, keyBytes)
	_, _ = rand.Read(secret) // crypto/rand never fails
	return secret
}

func newKey(secret []byte) (key, error) {
	block, err := aes.NewCipher(secret)
	if err != nil {
		return key{}, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return key{}, err
	}
	sum := sha256.Sum256(secret)
	return key{hex.EncodeToString(sum[:4]), aead}, nil
}

// Load reads a key file: a key a line, in base64, the one that seals first;
// lines that begin with # are comments. Where there is no file it makes one with
// a new key, readable for its owner only. A file that others can read is refused.
func Load(path string) (*Keyring, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := create(path); err != nil {
			return nil, fmt.Errorf("make the key file: %w", err)
		}
		text, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, fmt.Errorf("read the key file: %w", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("key file %s: others than its owner can read it; chmod 600 it", path)
	}
	ring, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("key file %s: %w", path, err)
	}
	return ring, nil
}

func parse(text []byte) (*Keyring, error) {
	if len(text) > fileBytesMax {
		return nil, fmt.Errorf("it has %d bytes; %d are allowed", len(text), fileBytesMax)
	}
	ring := &Keyring{}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for number := 1; lines.Scan(); number++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		secret, err := base64.StdEncoding.DecodeString(line)
		if err != nil || len(secret) != keyBytes {
			return nil, fmt.Errorf("line %d is not the base64 of %d bytes", number, keyBytes) // never the line itself
		}
		k, err := newKey(secret)
		if err != nil {
			return nil, err
		}
		ring.keys = append(ring.keys, k)
	}
	if len(ring.keys) == 0 {
		return nil, errors.New("it has no key")
	}
	return ring, nil
}

// create writes a key file whole or not at all: what was sealed with a key that
// did not reach the disk would be lost.
func create(path string) error {
	const head = "# Seals the secrets in the store. Keep a copy apart from copies of the store: without it they are lost.\n"
	temporary, err := os.CreateTemp(filepath.Dir(path), ".seal-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(temporary.Name())
	_, err = temporary.WriteString(head + base64.StdEncoding.EncodeToString(randomKey()) + "\n")
	if err := errors.Join(err, temporary.Sync(), temporary.Close()); err != nil {
		return err
	}
	if err := os.Link(temporary.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

// prefix begins what is sealed, with the version of the form after it:
// "sealed:1:<key id>:<base64 of nonce, ciphertext and tag>".
const prefix = "sealed:1:"

// ErrUnknownKey means a secret that none of the keys has sealed.
var ErrUnknownKey = errors.New("it is sealed with a key that the key file does not have")

// Sealed reports whether a text is the outcome of Seal.
func Sealed(text string) bool { return strings.HasPrefix(text, prefix) }

// Seal encrypts a secret. It opens only with the same place, so that a sealed
// secret cannot be moved to another record.
func (r *Keyring) Seal(secret, place string) string {
	k := r.keys[0]
	box := k.aead.Seal(nil, nil, []byte(secret), []byte(place))
	return prefix + k.id + ":" + base64.RawStdEncoding.EncodeToString(box)
}

// Open returns the secret that was sealed for a place.
func (r *Keyring) Open(sealed, place string) (string, error) {
	rest, ok := strings.CutPrefix(sealed, prefix)
	id, encoded, found := strings.Cut(rest, ":")
	box, err := base64.RawStdEncoding.DecodeString(encoded)
	if !ok || !found || err != nil {
		return "", errors.New("it is not a sealed secret")
	}
	for _, k := range r.keys {
		if k.id != id {
			continue
		}
		secret, err := k.aead.Open(nil, nil, box, []byte(place))
		if err != nil {
			return "", errors.New("the sealed secret has been damaged or moved")
		}
		return string(secret), nil
	}
	return "", ErrUnknownKey
}

// Current reports whether a text is sealed with the first key.
func (r *Keyring) Current(text string) bool {
	return strings.HasPrefix(text, prefix+r.keys[0].id+":")
}
