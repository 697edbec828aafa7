//go:build !purego

package aesgcm

import (
	"bytes"
	"crypto/aes"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"golang.org/x/sys/unix"
)

func wide(t testing.TB, key []byte) *Wide {
	t.Helper()
	if err := unsupported(); err != nil {
		t.Skip(err)
	}
	w, err := newWide(key)
	if err != nil {
		t.Fatal(err)
	}
	return w.(*Wide)
}

// reference is SP 800-38D with the counter of J0 for the caller to choose, octet by
// octet, from the text of the standard.
func reference(t testing.TB, key, nonce []byte, counter uint32, plaintext, authenticated []byte) (sealed []byte) {
	t.Helper()
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	encrypt := func(counter uint32) (out [16]byte) {
		block.Encrypt(out[:], binary.BigEndian.AppendUint32(bytes.Clone(nonce), counter))
		return out
	}
	for i, p := range plaintext {
		stream := encrypt(counter + 1 + uint32(i/16)) // inc32 forgets the carry
		sealed = append(sealed, p^stream[i%16])
	}
	var h, y [16]byte
	block.Encrypt(h[:], h[:])
	hash := func(data []byte) {
		for ; len(data) > 0; data = data[min(16, len(data)):] {
			for i, b := range data[:min(16, len(data))] {
				y[i] ^= b
			}
			var z [16]byte // section 6.3, algorithm 1
			v := h
			for i := range 128 {
				if y[i/8]>>(7-i%8)&1 == 1 {
					for j := range z {
						z[j] ^= v[j]
					}
				}
				last := v[15] & 1
				for j := 15; j > 0; j-- {
					v[j] = v[j]>>1 | v[j-1]<<7
				}
				v[0] = v[0]>>1 ^ last*0xe1
			}
			y = z
		}
	}
	hash(authenticated)
	hash(sealed)
	hash(binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, uint64(len(authenticated))*8), uint64(len(plaintext))*8))
	mask := encrypt(counter)
	for i := range y {
		sealed = append(sealed, y[i]^mask[i])
	}
	return sealed
}

// SP 800-38D section 6.2: only the last 32 bits of a counter block count, and wrap.
// With J0 of counter 1 no packet is long enough, so the assembly is called itself.
func TestCounterWraps(t *testing.T) {
	r := rand.NewChaCha8([32]byte{2})
	for _, keyLen := range []int{16, 24, 32} {
		key, nonce := random(r, keyLen), random(r, nonceLen)
		w := wide(t, key)
		for left := range uint32(20) {
			counter := ^uint32(0) - left
			for _, n := range []int{1, 16, 100, 127, 128, 200, 300, 511} {
				text := random(r, n)
				want := reference(t, key, nonce, counter, text, nil)
				got, opened, tag := make([]byte, n+tagLen), make([]byte, n), make([]byte, tagLen)
				sealWide(&w.schedule, &got[n], &got[0], &text[0], n, &nonce[0], counter, 0, 0, 0)
				openWide(&w.schedule, &tag[0], &opened[0], &got[0], n, &nonce[0], counter, 0, 0, 0)
				if !bytes.Equal(got, want) || !bytes.Equal(opened, text) || !bytes.Equal(tag, want[n:]) {
					t.Fatalf("key of %d, counter %08x, %d octets: sealed %x, want %x; tag opened %x, text %x of %x", keyLen, counter, n, got, want, tag, opened, text)
				}
			}
		}
	}
}

// guarded returns n octets of which the first is the first of a page, or the last the
// last, and what lies beyond must not be touched.
func guarded(t *testing.T, n int, first bool) []byte {
	t.Helper()
	page := unix.Getpagesize()
	inside := max((n+page-1)/page, 1) * page
	memory, err := unix.Mmap(-1, 0, inside+2*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Munmap(memory); err != nil {
			t.Error(err)
		}
	})
	for _, guard := range [][]byte{memory[:page], memory[page+inside:]} {
		if err := unix.Mprotect(guard, unix.PROT_NONE); err != nil {
			t.Fatal(err)
		}
	}
	if first {
		return memory[page:][:n:n]
	}
	return memory[page+inside-n:][:n:n]
}

// Neither reads nor writes go a single octet beyond the buffers.
func TestNothingBeyondBuffers(t *testing.T) {
	r := rand.NewChaCha8([32]byte{3})
	const most = 300
	for _, first := range []bool{false, true} {
		// Slices of one guarded buffer end, or begin, where it does.
		at := func(memory []byte, n int) []byte {
			if first {
				return memory[:n:n]
			}
			return memory[len(memory)-n:]
		}
		from, to, nonceAt, authenticatedAt := guarded(t, most+tagLen, first), guarded(t, most+tagLen, first), guarded(t, nonceLen, first), guarded(t, AuthenticatedMax, first)
		for _, keyLen := range []int{16, 32} {
			key := random(r, keyLen)
			w, want := wide(t, key), standard(t, key)
			for n := range most + 1 {
				text, authenticated := at(from, n), at(authenticatedAt, n%(AuthenticatedMax+1))
				for _, b := range [][]byte{text, authenticated, nonceAt} {
					_, _ = r.Read(b)
				}
				sealed := want.Seal(nil, nonceAt, text, authenticated)
				if got := w.Seal(at(to, n+tagLen)[:0], nonceAt, text, authenticated); !bytes.Equal(got, sealed) {
					t.Fatalf("%d octets: sealed %x, want %x", n, got, sealed)
				}
				copy(at(to, n+tagLen), sealed)
				plain := bytes.Clone(text)
				if got, err := w.Open(text[:0], nonceAt, at(to, n+tagLen), authenticated); err != nil || !bytes.Equal(got, plain) {
					t.Fatalf("%d octets: opened %x, %v, want %x", n, got, err, plain)
				}
			}
		}
	}
}

func TestWipe(t *testing.T) {
	w := wide(t, bytes.Repeat([]byte{7}, 32))
	w.Wipe()
	if w.schedule != (schedule{}) {
		t.Fatal("keys left behind")
	}
	for name, use := range map[string]func(){
		"Seal": func() { w.Seal(nil, make([]byte, nonceLen), nil, nil) },
		"Open": func() { _, _ = w.Open(nil, make([]byte, nonceLen), make([]byte, 16), nil) },
	} {
		mustPanic(t, name+" without a key", use)
	}
}

// A faulty caller must not get a packet.
func TestMisuse(t *testing.T) {
	w := wide(t, make([]byte, 16))
	buffer, nonce := make([]byte, 100), make([]byte, nonceLen)
	mustPanic(t, "nonce of 11 octets", func() { w.Seal(nil, nonce[1:], nil, nil) })
	mustPanic(t, "nonce of 13 octets", func() { _, _ = w.Open(nil, make([]byte, 13), buffer, nil) })
	mustPanic(t, "17 octets of authenticated data", func() { w.Seal(nil, nonce, nil, buffer[:17]) })
	mustPanic(t, "output before input", func() { w.Seal(buffer[:0], nonce, buffer[1:40], nil) })
	mustPanic(t, "output behind input", func() { w.Seal(buffer[39:39], nonce, buffer[:40], nil) })
	mustPanic(t, "opened before", func() { _, _ = w.Open(buffer[:0], nonce, buffer[1:40], nil) })
	for _, n := range []int{0, 15, 17, 31, 33} {
		if _, err := New(make([]byte, n)); err == nil {
			t.Errorf("key of %d octets: accepted", n)
		}
		if _, err := newWide(make([]byte, n)); err == nil {
			t.Errorf("key of %d octets for Wide: accepted", n)
		}
	}
}

func mustPanic(t *testing.T, what string, f func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Errorf("%s: no panic", what)
		}
	}()
	f()
}
