//go:build !amd64 || purego

package aesgcm

import (
	"crypto/cipher"
	"fmt"
)

func unsupported() error {
	return fmt.Errorf("aesgcm: %w for this architecture, or in a build tagged purego", ErrUnsupported)
}

func newWide(key []byte) (cipher.AEAD, error) { return NewStandard(key) }
