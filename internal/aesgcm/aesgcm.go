// Package aesgcm is AES-GCM (NIST SP 800-38D, RFC 4106) for packets: 12 octets of
// nonce, 16 of tag, at most 16 of authenticated data. Where the processor has 256-bit
// forms of the instructions for it, they are used by assembly of our own, Wide;
// elsewhere the standard library does the work.
package aesgcm

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
	"sync"
)

const (
	nonceLen = 12
	tagLen   = 16

	// AuthenticatedMax is the most authenticated data in octets, one block of
	// GHASH: ESP has 8, or 12 with extended sequence numbers.
	AuthenticatedMax = 16
)

// New returns AES-GCM with a key of 16, 24 or 32 octets: in wide instructions, and then
// it has a method Wipe, unless Fault says why not. Authenticated data must not be
// longer than AuthenticatedMax.
func New(key []byte) (cipher.AEAD, error) {
	if Fault() != nil {
		return NewStandard(key)
	}
	return newWide(key)
}

// NewStandard returns the standard library's AES-GCM.
func NewStandard(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("aesgcm: %w", err)
	}
	return cipher.NewGCM(block)
}

// ErrUnsupported is Fault's where the processor, its kernel or this build has no wide
// instructions.
var ErrUnsupported = errors.New("no 256-bit instructions")

// Fault returns why the wide instructions are not used, nil if they are: the first
// call tries them, which takes some milliseconds.
var Fault = sync.OnceValue(func() error {
	if err := unsupported(); err != nil {
		return err
	}
	return compare(newWide)
})

// compare proves that what made makes is what the standard library makes, for every
// length up to two groups of blocks and their tails.
func compare(made func(key []byte) (cipher.AEAD, error)) error {
	const textMax = 2*128 + 127
	pattern := make([]byte, textMax+32)
	for i := range pattern {
		pattern[i] = byte(i*i>>3 ^ i*151)
	}
	for _, keyLen := range []int{16, 24, 32} {
		key := pattern[textMax-keyLen:][:keyLen]
		want, err := NewStandard(key)
		if err != nil {
			return err
		}
		got, err := made(key)
		if err != nil {
			return err
		}
		for n := range textMax + 1 {
			nonce, authenticated, text := pattern[n%8:][:nonceLen], pattern[n%5:][:n%(AuthenticatedMax+1)], pattern[n%32:][:n]
			sealed := got.Seal(nil, nonce, text, authenticated)
			if !bytes.Equal(sealed, want.Seal(nil, nonce, text, authenticated)) {
				return fmt.Errorf("aesgcm: what this processor sealed with a key of %d octets is wrong, at %d octets", keyLen, n)
			}
			opened, err := got.Open(nil, nonce, sealed, authenticated)
			if err != nil || !bytes.Equal(opened, text) {
				return fmt.Errorf("aesgcm: what this processor opened with a key of %d octets is wrong, at %d octets", keyLen, n)
			}
			sealed[n*7%len(sealed)] ^= 1 << (n % 8)
			if _, err := got.Open(nil, nonce, sealed, authenticated); err == nil {
				return fmt.Errorf("aesgcm: this processor let a forged packet of %d octets pass", n)
			}
		}
	}
	return nil
}
