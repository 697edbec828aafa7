//go:build !purego

package aesgcm

import (
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"unsafe"

	"golang.org/x/sys/cpu"
)

// errOpen says nothing about what is wrong.
var errOpen = errors.New("aesgcm: message authentication failed")

// sealWide encrypts n octets from src to dst, which are the same or apart, and puts
// their tag at tag. nonce has 12 octets, counter is J0's: 1 but in tests. The
// authenticated data are one block, as two big-endian halves, of aadBits bits, zeros
// behind them. It neither reads nor writes other memory.
//
//go:noescape
func sealWide(k *schedule, tag, dst, src *byte, n int, nonce *byte, counter uint32, aadHigh, aadLow, aadBits uint64)

// openWide decrypts likewise; tag becomes what the true one is.
//
//go:noescape
func openWide(k *schedule, tag, dst, src *byte, n int, nonce *byte, counter uint32, aadHigh, aadLow, aadBits uint64)

// timesH multiplies e by H, whose power 1 must be there.
//
//go:noescape
func timesH(k *schedule, e *element)

// substituteWord is FIPS 197's SubWord.
func substituteWord(w uint32) uint32

// extendedFeatures is ECX of CPUID's leaf 7.
func extendedFeatures() uint32

// unsupported returns what Wide lacks here. HasAVX2 includes that the kernel saves
// 256-bit registers, and that CPUID has a leaf 7.
func unsupported() error {
	const vaes, vpclmulqdq = 1 << 9, 1 << 10
	if x := cpu.X86; !x.HasAVX2 || !x.HasAES || !x.HasPCLMULQDQ || extendedFeatures()&(vaes|vpclmulqdq) != vaes|vpclmulqdq {
		return fmt.Errorf("aesgcm: %w: VAES, VPCLMULQDQ or AVX2 is missing", ErrUnsupported)
	}
	return nil
}

// Wide is AES-GCM in 256-bit instructions. It is safe for concurrent use.
type Wide struct{ schedule schedule }

func newWide(key []byte) (cipher.AEAD, error) {
	w := &Wide{}
	if err := w.schedule.set(key); err != nil {
		return nil, err
	}
	return w, nil
}

// NonceSize is 12, in octets.
func (*Wide) NonceSize() int { return nonceLen }

// Overhead is 16, the tag's octets.
func (*Wide) Overhead() int { return tagLen }

// Wipe overwrites all that was made of the key. Wide must not be in use; later calls of
// Seal and Open panic.
func (w *Wide) Wipe() { w.schedule = schedule{} }

// Seal appends to dst plaintext encrypted, and its tag. Plaintext and what is appended
// are the same memory or do not overlap.
func (w *Wide) Seal(dst, nonce, plaintext, authenticated []byte) []byte {
	w.check(nonce, authenticated)
	n := len(plaintext)
	whole := slices.Grow(dst, n+tagLen)[:len(dst)+n+tagLen]
	out := whole[len(dst):]
	checkOverlap(out, plaintext)
	high, low := blockOf(authenticated)
	sealWide(&w.schedule, &out[n], &out[0], unsafe.SliceData(plaintext), n, &nonce[0], 1, high, low, uint64(len(authenticated))*8)
	return whole
}

// Open appends to dst what was sealed, decrypted. Sealed and what is appended are the
// same memory or do not overlap. Text and tag are made in one pass over the packet,
// while it is on its way through the registers anyway; if the tag is wrong, what was
// written is wiped before Open returns, so that nobody sees it.
func (w *Wide) Open(dst, nonce, sealed, authenticated []byte) ([]byte, error) {
	w.check(nonce, authenticated)
	n := len(sealed) - tagLen
	if n < 0 {
		return nil, errOpen
	}
	whole := slices.Grow(dst, n)[:len(dst)+n]
	out := whole[len(dst):]
	checkOverlap(out, sealed)
	high, low := blockOf(authenticated)
	var tag [tagLen]byte
	openWide(&w.schedule, &tag[0], unsafe.SliceData(out), &sealed[0], n, &nonce[0], 1, high, low, uint64(len(authenticated))*8)
	if subtle.ConstantTimeCompare(tag[:], sealed[n:]) != 1 {
		clear(out)
		return nil, errOpen
	}
	return whole, nil
}

// check panics on what only a faulty caller does.
func (w *Wide) check(nonce, authenticated []byte) {
	if w.schedule.rounds == 0 {
		panic("aesgcm: there is no key, or no longer")
	}
	if len(nonce) != nonceLen {
		panic(fmt.Sprintf("aesgcm: nonce of %d octets, want %d", len(nonce), nonceLen))
	}
	if len(authenticated) > AuthenticatedMax {
		panic(fmt.Sprintf("aesgcm: %d octets of authenticated data, want at most %d", len(authenticated), AuthenticatedMax))
	}
}

// checkOverlap panics if a and b overlap without beginning together.
func checkOverlap(a, b []byte) {
	if len(a) == 0 || len(b) == 0 || &a[0] == &b[0] {
		return
	}
	startA, startB := uintptr(unsafe.Pointer(&a[0])), uintptr(unsafe.Pointer(&b[0]))
	if startA < startB+uintptr(len(b)) && startB < startA+uintptr(len(a)) {
		panic("aesgcm: input and output overlap")
	}
}

// blockOf returns authenticated data as one block of two big-endian halves.
func blockOf(authenticated []byte) (high, low uint64) {
	if len(authenticated) == 8 { // ESP's, quickly
		return binary.BigEndian.Uint64(authenticated), 0
	}
	var block [16]byte
	copy(block[:], authenticated)
	return binary.BigEndian.Uint64(block[:8]), binary.BigEndian.Uint64(block[8:])
}
