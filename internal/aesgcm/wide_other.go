//go:build !amd64 || purego

package aesgcm

import (
	"crypto/cipher"
	"errors"
)

func unsupported() error {
	return errors.New("aesgcm: wide instructions are used on amd64 only, and not in a build tagged purego")
}

func newWide(key []byte) (cipher.AEAD, error) { return NewStandard(key) }
