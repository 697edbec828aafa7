package keys

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"

	"golang.org/x/crypto/chacha20poly1305"

	"causeway.dev/ike"
	"causeway.dev/ike/wire"
)

// ErrUnauthenticated is what Open's error is when a message was not made by the
// holder of the keys: junk, to be counted and forgotten. An error of Open that
// is not ErrUnauthenticated is a *wire.Error in a message from the peer itself.
var ErrUnauthenticated = errors.New("message is not authentic")

// A Protector seals or opens the Encrypted payloads of one direction of an IKE
// SA. It is not safe for concurrent use. RFC 7296 section 3.14, RFC 5282, RFC 7634.
//
//	header | payload header | IV | ciphertext( payloads | padding | pad length ) | ICV
type Protector struct {
	block    cipher.Block // CBC
	checksum hash.Hash    // CBC
	aead     cipher.AEAD  // AES-GCM, ChaCha20-Poly1305
	salt     []byte       // of an AEAD

	icvLength int
	sealed    uint64 // messages so far: the source of IVs
}

const (
	saltLength      = 4 // RFC 5282 section 4, RFC 7634 section 2
	aeadIVLength    = 8 // RFC 5282 section 3.1, RFC 7634 section 2
	padLengthLength = 1
)

// NewProtector takes the keys of one direction: SK_ei and SK_ai, or SK_er and
// SK_ar. An AEAD's integrity key is empty.
func NewProtector(p ike.IKEProposal, encryption, integrity ike.Secret) *Protector {
	if len(encryption) != EncryptionKeyLength(p.Encryption) || len(integrity) != IntegrityKeyLength(p.Integrity) {
		panic("keys: key of the wrong length")
	}
	if p.Encryption.AEAD() {
		key := encryption[:len(encryption)-saltLength]
		aead := newAEAD(p.Encryption, key)
		salt := append([]byte(nil), encryption[len(key):]...)
		return &Protector{aead: aead, salt: salt, icvLength: aead.Overhead()}
	}
	return &Protector{
		block:     mustAES(encryption),
		checksum:  hmac.New(integrityHash(p.Integrity), integrity),
		icvLength: checksumLength(p.Integrity),
	}
}

func newAEAD(e ike.Encryption, key []byte) cipher.AEAD {
	var aead cipher.AEAD
	var err error
	if e == ike.ChaCha20Poly1305 {
		aead, err = chacha20poly1305.New(key)
	} else {
		aead, err = cipher.NewGCM(mustAES(key))
	}
	if err != nil {
		panic(err)
	}
	return aead
}

// Wipe overwrites what of the keys is ours, and lets go of the rest.
func (p *Protector) Wipe() {
	clear(p.salt)
	p.block, p.checksum, p.aead = nil, nil, nil
}

func mustAES(key []byte) cipher.Block {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	return block
}

// ivLength is the length of the IV in the message.
func (p *Protector) ivLength() int {
	if p.aead != nil {
		return aeadIVLength
	}
	return aes.BlockSize
}

// Seal appends the message of h whose one payload is an Encrypted with the given
// payloads inside. Of the header, NextPayload and Length are set here. Each call
// takes a new IV; to retransmit, send the same octets again.
func (p *Protector) Seal(dst []byte, h wire.Header, payloads []wire.Payload) []byte {
	return p.seal(dst, h, wire.AppendPayloads(nil, payloads), func(body []byte) wire.Payload {
		return &wire.Encrypted{Next: wire.FirstPayload(payloads), Body: body}
	})
}

// seal appends a message whose one payload protects plain; envelope makes that
// payload around its octets.
func (p *Protector) seal(dst []byte, h wire.Header, plain []byte, envelope func(body []byte) wire.Payload) []byte {
	padding := 0
	if p.aead == nil {
		padding = aes.BlockSize - 1 - len(plain)%aes.BlockSize
	}
	plain = append(plain[:len(plain):len(plain)], make([]byte, padding)...)
	plain = append(plain, byte(padding))

	body := make([]byte, p.ivLength()+len(plain)+p.icvLength)
	p.putIV(body)
	message := wire.Message{Header: h, Payloads: []wire.Payload{envelope(body)}}
	start := len(dst)
	dst = message.Append(dst)
	sealed := dst[start:]
	body = sealed[len(sealed)-len(body):]
	iv, ciphertext := body[:p.ivLength()], body[p.ivLength():]
	if p.aead != nil {
		p.aead.Seal(ciphertext[:0], p.nonce(iv), plain, sealed[:len(sealed)-len(body)])
		return dst
	}
	cipher.NewCBCEncrypter(p.block, iv).CryptBlocks(ciphertext[:len(plain)], plain)
	signed := sealed[:len(sealed)-p.icvLength]
	copy(sealed[len(signed):], p.sum(signed))
	return dst
}

// putIV makes the next IV. For an AEAD it must never repeat under a key: a counter,
// RFC 5282 section 3.1. For CBC it must not be foreseeable either: the counter
// encrypted under the key, NIST SP 800-38A appendix C.
func (p *Protector) putIV(iv []byte) {
	p.sealed++
	if p.aead != nil {
		binary.BigEndian.PutUint64(iv, p.sealed)
		return
	}
	var counter [aes.BlockSize]byte
	binary.BigEndian.PutUint64(counter[8:], p.sealed)
	p.block.Encrypt(iv, counter[:])
}

func (p *Protector) nonce(iv []byte) []byte {
	return append(append(make([]byte, 0, saltLength+aeadIVLength), p.salt...), iv...)
}

func (p *Protector) sum(b []byte) []byte {
	p.checksum.Reset()
	p.checksum.Write(b)
	return p.checksum.Sum(nil)[:p.icvLength]
}

// Open checks and decrypts a message that ends with an Encrypted payload. The
// message it returns has the payloads from inside in that payload's place and
// shares no memory with datagram, which stays as it was.
func (p *Protector) Open(datagram []byte) (wire.Message, error) {
	datagram = append([]byte(nil), datagram...)
	message, err := wire.Parse(datagram)
	if err != nil {
		return wire.Message{}, fmt.Errorf("%w: %v", ErrUnauthenticated, err)
	}
	outer := len(message.Payloads) - 1
	if outer < 0 {
		return wire.Message{}, fmt.Errorf("%w: no payload", ErrUnauthenticated)
	}
	encrypted, ok := message.Payloads[outer].(*wire.Encrypted)
	if !ok {
		return wire.Message{}, fmt.Errorf("%w: no Encrypted payload", ErrUnauthenticated)
	}
	plain, err := p.open(datagram, encrypted.Body)
	if err != nil {
		return wire.Message{}, err
	}
	inside, err := wire.ParsePayloads(encrypted.Next, plain)
	if err != nil {
		return wire.Message{}, err
	}
	message.Payloads = append(message.Payloads[:outer], inside...)
	message.First, message.Inside = encrypted.Next, plain
	return message, nil
}

// open returns what the body of the last payload of a datagram protects.
func (p *Protector) open(datagram, body []byte) ([]byte, error) {
	plain, err := p.decrypt(datagram, body)
	if err != nil {
		return nil, err
	}
	// RFC 7296 section 3.14: padding may have any content and any length up
	// to 255.
	padding := int(plain[len(plain)-1])
	if padding > len(plain)-padLengthLength {
		return nil, &wire.Error{Notify: wire.InvalidSyntax, Problem: fmt.Sprintf("pad length %d in %d octets", padding, len(plain))}
	}
	return plain[:len(plain)-padLengthLength-padding], nil
}

// decrypt returns at least one octet of plain text: the pad length.
func (p *Protector) decrypt(datagram, body []byte) ([]byte, error) {
	if len(body) < p.ivLength()+padLengthLength+p.icvLength {
		return nil, fmt.Errorf("%w: Encrypted payload of %d octets", ErrUnauthenticated, len(body))
	}
	iv, ciphertext := body[:p.ivLength()], body[p.ivLength():]
	if p.aead != nil {
		// RFC 5282 section 5.1: associated is all that precedes the IV.
		plain, err := p.aead.Open(ciphertext[:0], p.nonce(iv), ciphertext, datagram[:len(datagram)-len(body)])
		if err != nil {
			return nil, fmt.Errorf("%w: wrong tag", ErrUnauthenticated)
		}
		return plain, nil
	}
	signed := datagram[:len(datagram)-p.icvLength]
	if !hmac.Equal(p.sum(signed), datagram[len(signed):]) {
		return nil, fmt.Errorf("%w: wrong checksum", ErrUnauthenticated)
	}
	plain := ciphertext[:len(ciphertext)-p.icvLength]
	if len(plain)%aes.BlockSize != 0 {
		return nil, &wire.Error{Notify: wire.InvalidSyntax, Problem: fmt.Sprintf("ciphertext of %d octets", len(plain))}
	}
	cipher.NewCBCDecrypter(p.block, iv).CryptBlocks(plain, plain)
	return plain, nil
}
