package esp

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"hash"

	"golang.org/x/crypto/chacha20poly1305"

	"causeway.dev/ike"
	"causeway.dev/internal/aesgcm"
)

// A blockMode is what both directions of the standard library's CBC are
// beneath cipher.BlockMode: setting the vector anew saves an object per packet.
type blockMode interface {
	cipher.BlockMode
	SetIV([]byte)
}

// A transform is the keyed part of an association that both directions share.
type transform struct {
	suite
	params Params

	aead  cipher.AEAD // AES-GCM, ChaCha20-Poly1305, else nil
	nonce [12]byte    // [ salt 4 | IV 8 ]: RFC 4106 section 4, RFC 7634 section 2

	mac hash.Hash // with AES-CBC
	sum [64]byte  // scratch of mac

	// extended is what is authenticated of an extended sequence number.
	extended [12]byte
}

// newTransform checks p against its algorithms and keys them. It keeps its own
// copy of the keys, for wipe to overwrite. The block cipher is CBC's.
func newTransform(p Params) (transform, cipher.Block, error) {
	s, err := suiteOf(p.Encryption, p.Integrity)
	if err != nil {
		return transform{}, nil, err
	}
	if p.SPI < 256 {
		// RFC 4303 section 2.1: 0 is for local use, 1 to 255 are reserved.
		return transform{}, nil, fmt.Errorf("esp: SPI %d is reserved", p.SPI)
	}
	if len(p.Key) != s.keyLen+s.saltLen {
		return transform{}, nil, fmt.Errorf("esp: encryption key of %d bytes, want %d", len(p.Key), s.keyLen+s.saltLen)
	}
	if len(p.IntegrityKey) != s.integrityKeyLen {
		return transform{}, nil, fmt.Errorf("esp: integrity key of %d bytes, want %d", len(p.IntegrityKey), s.integrityKeyLen)
	}
	p.Key = append(ike.Secret(nil), p.Key...)
	p.IntegrityKey = append(ike.Secret(nil), p.IntegrityKey...)
	t := transform{suite: s, params: p}
	if p.Encryption.AEAD() {
		if t.aead, err = newAEAD(p, p.Key[:s.keyLen]); err != nil {
			return transform{}, nil, fmt.Errorf("esp: key encryption %d: %w", p.Encryption, err)
		}
		copy(t.nonce[:], p.Key[s.keyLen:])
		return t, nil, nil
	}
	block, err := aes.NewCipher(p.Key[:s.keyLen])
	if err != nil {
		return transform{}, nil, fmt.Errorf("esp: key AES: %w", err)
	}
	t.mac = hmac.New(hashOf(p.Integrity), p.IntegrityKey)
	return t, block, nil
}

func newAEAD(p Params, key []byte) (cipher.AEAD, error) {
	switch {
	case p.Encryption == ike.ChaCha20Poly1305:
		return chacha20poly1305.New(key)
	case p.StandardAES:
		return aesgcm.NewStandard(key)
	default:
		return aesgcm.New(key)
	}
}

func hashOf(i ike.Integrity) func() hash.Hash {
	switch i {
	case ike.HMACSHA1:
		return sha1.New
	case ike.HMACSHA384:
		return sha512.New384
	case ike.HMACSHA512:
		return sha512.New
	default:
		return sha256.New
	}
}

// associated is what an AEAD authenticates beside the body: the header, with all of
// an extended sequence number. RFC 4106 section 5, RFC 7634 section 2.1.
//
//	[ SPI 4 | sequence number 4 ]   [ SPI 4 | upper half 4 | lower half 4 ]
func (t *transform) associated(header []byte, sequence uint64) []byte {
	if !t.params.ExtendedSequence {
		return header
	}
	copy(t.extended[:4], header)
	binary.BigEndian.PutUint64(t.extended[4:], sequence)
	return t.extended[:]
}

// icv returns the integrity check value of authenticated, cut to the length
// that its RFC says, valid until the next call. The upper half of an extended
// sequence number follows what is sent: RFC 4303 section 3.3.2.1.
func (t *transform) icv(authenticated []byte, sequence uint64) []byte {
	t.mac.Reset()
	t.mac.Write(authenticated)
	if t.params.ExtendedSequence {
		binary.BigEndian.PutUint32(t.extended[:], uint32(sequence>>32))
		t.mac.Write(t.extended[:4])
	}
	return t.mac.Sum(t.sum[:0])[:t.icvLen]
}

// verify compares in constant time.
func (t *transform) verify(authenticated, icv []byte, sequence uint64) bool {
	return subtle.ConstantTimeCompare(t.icv(authenticated, sequence), icv) == 1
}

// wipe overwrites the keys that are ours and lets go of those inside the
// standard library's objects, which cannot be overwritten from here.
func (t *transform) wipe() {
	clear(t.params.Key)
	clear(t.params.IntegrityKey)
	clear(t.nonce[:])
	clear(t.sum[:])
	if w, ok := t.aead.(interface{ Wipe() }); ok {
		w.Wipe()
	}
	t.aead, t.mac = nil, nil
}
