package aesgcm

import (
	"bytes"
	"crypto/cipher"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
)

func standard(t testing.TB, key []byte) cipher.AEAD {
	t.Helper()
	g, err := NewStandard(key)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func random(r *rand.ChaCha8, n int) []byte {
	b := make([]byte, n)
	_, _ = r.Read(b)
	return b
}

// implementations are what New can return on this machine.
func implementations(t testing.TB, key []byte) map[string]cipher.AEAD {
	t.Helper()
	all := map[string]cipher.AEAD{"standard": standard(t, key)}
	if unsupported() == nil {
		w, err := newWide(key)
		if err != nil {
			t.Fatal(err)
		}
		all["wide"] = w
	}
	return all
}

// The test cases of the GCM submission to NIST (McGrew, Viega, appendix B) whose nonce
// and authenticated data are of the lengths we take: 1 to 3, 7 to 9, 13 to 15; and
// two of RFC 4106's form, draft-mcgrew-gcm-test-01.
func TestKnownAnswers(t *testing.T) {
	const (
		key  = "feffe9928665731c6d6a8f9467308308"
		iv   = "cafebabefacedbaddecaf888"
		text = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255"
	)
	zeros := func(octets int) string { return hex.EncodeToString(make([]byte, octets)) }
	for _, tt := range []struct{ name, key, nonce, authenticated, text, sealed string }{
		{"1", zeros(16), zeros(12), "", "", "58e2fccefa7e3061367f1d57a4e7455a"},
		{"2", zeros(16), zeros(12), "", zeros(16), "0388dace60b6a392f328c2b971b2fe78" + "ab6e47d42cec13bdf53a67b21257bddf"},
		{"3", key, iv, "", text, "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091473f5985" + "4d5c2af327cd64a62cf35abd2ba6fab4"},
		{"7", zeros(24), zeros(12), "", "", "cd33b28ac773f74ba00ed1f312572435"},
		{"8", zeros(24), zeros(12), "", zeros(16), "98e7247c07f0fe411c267e4384b0f600" + "2ff58d80033927ab8ef4d4587514f0fb"},
		{"9", key + key[:16], iv, "", text, "3980ca0b3c00e841eb06fac4872a2757859e1ceaa6efd984628593b40ca1e19c7d773d00c144c525ac619d18c84a3f4718e2448b2fe324d9ccda2710acade256" + "9924a7c8587336bfb118024db8674a14"},
		{"13", zeros(32), zeros(12), "", "", "530f8afbc74536b9a963b4f1c4cb738b"},
		{"14", zeros(32), zeros(12), "", zeros(16), "cea7403d4d606b6e074ec5d3baf39d18" + "d0d1c8a799996bf0265b98b5d48ab919"},
		{"15", key + key, iv, "", text, "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad" + "b094dac5d93471bdec1a502270e3cc6c"},
		{"RFC 4106, AES-128", key, "cafebabefacedbaddecaf888", "0000a5f80000000a",
			"4500003e698f000080114dccc0a80102c0a801010a980035002a2343b2d001000001000000000000037369700963796265726369747902646b00000100010001",
			"deb22cd9b07c72c16e3a65beeb8df304a5a5897d33ae530f1ba76d5d114d2a5c3de81827c10e9a4f51330d0eec416642cfbb85a5b47e48a4ec3b9ba95d918bd183b70d3aa8bc6ee4c309e9d85a41ad4a"},
		{"RFC 4106, AES-256", "abbccddef00112233445566778899aababbccddef00112233445566778899aab", "112233440102030405060708", "4a2cbfe300000002",
			"4500003069a6400080062690c0a801029389155e0a9e008b2dc57ee0000000007002400020bf0000020405b40101040201020201",
			"ff425c9b724599df7a3bcd510194e00d6a78107f1b0b1cbf06efae9d65a5d763748a637985771d347f0545659f14e99def842d8eb335f4eecfdbf831824b4c4915956c96"},
	} {
		decode := func(s string) []byte {
			b, err := hex.DecodeString(s)
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
		nonce, authenticated, text, sealed := decode(tt.nonce), decode(tt.authenticated), decode(tt.text), decode(tt.sealed)
		for name, g := range implementations(t, decode(tt.key)) {
			if got := g.Seal(nil, nonce, text, authenticated); !bytes.Equal(got, sealed) {
				t.Errorf("case %s, %s: sealed %x, want %x", tt.name, name, got, sealed)
			}
			if got, err := g.Open(nil, nonce, sealed, authenticated); err != nil || !bytes.Equal(got, text) {
				t.Errorf("case %s, %s: opened %x, %v", tt.name, name, got, err)
			}
		}
	}
}

// agree proves that all implementations make one packet of text, open it, in place and
// elsewhere, and refuse it with the bit flipped, leaving nothing of the text behind.
func agree(t *testing.T, key, nonce, text, authenticated []byte, offset, bit int) {
	t.Helper()
	sealed := standard(t, key).Seal(nil, nonce, text, authenticated)
	for name, g := range implementations(t, key) {
		fault := func(what string, got []byte, err error) {
			t.Helper()
			t.Fatalf("%s, %s: key of %d, %d octets at %d, %d authenticated: %x, %v, want %x of %x", name, what, len(key), len(text), offset, len(authenticated), got, err, sealed, text)
		}
		slot := make([]byte, offset+len(sealed))
		prefix, body := slot[:offset], slot[offset:]
		if got := g.Seal(prefix, nonce, text, authenticated); !bytes.Equal(got[offset:], sealed) {
			fault("sealed", got, nil)
		}
		copy(body, text)
		if got := g.Seal(body[:0], nonce, body[:len(text)], authenticated); !bytes.Equal(got, sealed) || &got[0] != &body[0] {
			fault("sealed in place", got, nil)
		}
		if got, err := g.Open(nil, nonce, sealed, authenticated); err != nil || !bytes.Equal(got, text) {
			fault("opened", got, err)
		}
		if got, err := g.Open(body[:0], nonce, body, authenticated); err != nil || !bytes.Equal(got, text) || !bytes.Equal(body[len(text):], sealed[len(text):]) {
			fault("opened in place", got, err)
		}
		// The bit is one of the packet's, the authenticated data's or the nonce's.
		forged, forgedData, forgedNonce := body, bytes.Clone(authenticated), bytes.Clone(nonce)
		copy(forged, sealed)
		all := [][]byte{forged, forgedData, forgedNonce}
		for bit %= 8 * (len(forged) + len(forgedData) + len(forgedNonce)); bit >= 8*len(all[0]); all = all[1:] {
			bit -= 8 * len(all[0])
		}
		all[0][bit/8] ^= 1 << (bit % 8)
		if got, err := g.Open(forged[:0], forgedNonce, forged, forgedData); err == nil || got != nil {
			fault("opened though forged", got, err)
		}
		if len(bytes.Trim(forged[:len(text)], "\x00")) != 0 {
			fault("left behind by a refusal", forged, nil)
		}
	}
}

// Every length, each length of authenticated data, each alignment.
func TestAgreesWithStandard(t *testing.T) {
	r := rand.NewChaCha8([32]byte{1})
	for _, keyLen := range []int{16, 24, 32} {
		for n := range 601 {
			agree(t, random(r, keyLen), random(r, nonceLen), random(r, n), random(r, n*5%(AuthenticatedMax+1)), n*7%33, int(r.Uint64()>>33))
		}
		for authenticatedLen := range AuthenticatedMax + 1 {
			for offset := range 33 {
				agree(t, random(r, keyLen), random(r, nonceLen), random(r, 180+offset), random(r, authenticatedLen), offset, int(r.Uint64()>>33))
			}
		}
		for range 40 {
			agree(t, random(r, keyLen), random(r, nonceLen), random(r, int(r.Uint64()%65536)), random(r, 8), int(r.Uint64()%64), int(r.Uint64()>>33))
		}
	}
}

// Each single bit of packets that end in a tail, a block, a pair and a group.
func TestRefusesEveryFlippedBit(t *testing.T) {
	r := rand.NewChaCha8([32]byte{4})
	for _, n := range []int{0, 5, 16, 36, 128, 175} {
		key, nonce, text, authenticated := random(r, 16), random(r, nonceLen), random(r, n), random(r, 12)
		for bit := range 8 * (n + tagLen + 12 + nonceLen) {
			agree(t, key, nonce, text, authenticated, 0, bit)
		}
	}
	for name, g := range implementations(t, make([]byte, 16)) {
		for n := range tagLen {
			if _, err := g.Open(nil, make([]byte, nonceLen), make([]byte, n), nil); err == nil {
				t.Errorf("%s: %d octets opened", name, n)
			}
		}
	}
}

// New takes what Fault says, and nothing is wrong on the machine of the tests.
func TestNew(t *testing.T) {
	if err := Fault(); err != nil && !errors.Is(err, ErrUnsupported) {
		t.Error(err)
	}
	g, err := New(make([]byte, 16))
	if err != nil {
		t.Fatal(err)
	}
	if _, isWide := g.(interface{ Wipe() }); isWide != (unsupported() == nil) {
		t.Errorf("New returned %T, though Fault says: %v", g, Fault())
	}
}

// What is tried before it is used is found out if it is wrong.
func TestCompareFindsFaults(t *testing.T) {
	if err := compare(NewStandard); err != nil {
		t.Error(err)
	}
	for _, tt := range []struct {
		name  string
		fault faulty
	}{
		{"seals one length wrong", faulty{seal: func(n int, sealed []byte) {
			if n == 255 {
				sealed[200] ^= 1
			}
		}}},
		{"opens wrong", faulty{open: func(n int, text []byte, err error) ([]byte, error) {
			if n == 77 && err == nil {
				text[76] ^= 0x80
			}
			return text, err
		}}},
		{"opens anything", faulty{open: func(_ int, text []byte, err error) ([]byte, error) { return text, nil }}},
	} {
		err := compare(func(key []byte) (cipher.AEAD, error) {
			f := tt.fault
			f.AEAD = standard(t, key)
			return f, nil
		})
		if err == nil {
			t.Errorf("%s: not found", tt.name)
		}
	}
	broken := errors.New("broken")
	if err := compare(func([]byte) (cipher.AEAD, error) { return nil, broken }); !errors.Is(err, broken) {
		t.Errorf("no key: %v", err)
	}
}

// faulty changes what an AEAD made.
type faulty struct {
	cipher.AEAD
	seal func(n int, sealed []byte)
	open func(n int, text []byte, err error) ([]byte, error)
}

func (f faulty) Seal(dst, nonce, text, authenticated []byte) []byte {
	sealed := f.AEAD.Seal(dst, nonce, text, authenticated)
	if f.seal != nil {
		f.seal(len(text), sealed)
	}
	return sealed
}

func (f faulty) Open(dst, nonce, sealed, authenticated []byte) ([]byte, error) {
	text, err := f.AEAD.Open(dst, nonce, sealed, authenticated)
	if f.open != nil {
		return f.open(len(sealed)-tagLen, text, err)
	}
	return text, err
}

func TestNoAllocations(t *testing.T) {
	for name, g := range implementations(t, make([]byte, 16)) {
		slot, nonce, authenticated := make([]byte, 1404+tagLen), make([]byte, nonceLen), make([]byte, 8)
		if n := testing.AllocsPerRun(100, func() {
			sealed := g.Seal(slot[:0], nonce, slot[:1404], authenticated)
			if _, err := g.Open(sealed[:0], nonce, sealed, authenticated); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func FuzzAgree(f *testing.F) {
	f.Add([]byte("sixteen octets.."), []byte("twelve octet"), []byte("text"), []byte("octets.."), uint8(3), uint16(7))
	f.Fuzz(func(t *testing.T, key, nonce, text, authenticated []byte, offset uint8, bit uint16) {
		keyLen := []int{16, 24, 32}[len(key)%3]
		key = append(key, make([]byte, 32)...)[:keyLen]
		nonce = append(nonce, make([]byte, nonceLen)...)[:nonceLen]
		authenticated = authenticated[:min(len(authenticated), AuthenticatedMax)]
		agree(t, key, nonce, text, authenticated, int(offset), int(bit))
	})
}

func BenchmarkGCM(b *testing.B) {
	for _, keyLen := range []int{16, 32} {
		for _, n := range []int{64, 512, 1404, 9000} {
			for _, name := range []string{"standard", "wide"} {
				g, ok := implementations(b, make([]byte, keyLen))[name]
				if !ok {
					continue
				}
				slot, nonce, authenticated := make([]byte, n+tagLen), make([]byte, nonceLen), make([]byte, 8)
				b.Run(fmt.Sprintf("seal/aes%d/%d/%s", keyLen*8, n, name), func(b *testing.B) {
					b.SetBytes(int64(n))
					for b.Loop() {
						g.Seal(slot[:0], nonce, slot[:n], authenticated)
					}
				})
				sealed, opened := g.Seal(nil, nonce, slot[:n], authenticated), make([]byte, n)
				b.Run(fmt.Sprintf("open/aes%d/%d/%s", keyLen*8, n, name), func(b *testing.B) {
					b.SetBytes(int64(n))
					for b.Loop() {
						if _, err := g.Open(opened[:0], nonce, sealed, authenticated); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
		}
	}
}
