package esp

import (
	"bytes"
	"crypto/cipher"
	"errors"
	"math"
	"math/rand/v2"
	"strconv"
	"testing"

	"causeway.dev/ike"
	"causeway.dev/internal/aesgcm"
)

func pair(t testing.TB, p Params) (*Sealer, *Opener) {
	t.Helper()
	s, err := NewSealer(p)
	if err != nil {
		t.Fatal(err)
	}
	o, err := NewOpener(p)
	if err != nil {
		t.Fatal(err)
	}
	return s, o
}

// seal seals payload in a slot that has just the room that it needs.
func seal(t testing.TB, s *Sealer, payload []byte) []byte {
	t.Helper()
	slot := make([]byte, s.SealedLen(len(payload)))
	copy(slot[s.Headroom():], payload)
	packet, err := s.Seal(slot, s.Headroom(), len(payload), NextHeaderIPv4)
	if err != nil {
		t.Fatal(err)
	}
	return packet
}

func TestRoundTrip(t *testing.T) {
	for _, c := range combinations() {
		t.Run(c.name, func(t *testing.T) {
			s, o := pair(t, c.params(t))
			var bytesSealed uint64
			for _, n := range []int{0, 1, 20, 63, 64, 65, 512, 1400, 1438, 65000} {
				payload := bytes.Repeat([]byte{0xa5}, n)
				got, nextHeader, err := o.Open(seal(t, s, payload))
				if err != nil || nextHeader != NextHeaderIPv4 || !bytes.Equal(got, payload) {
					t.Fatalf("%d bytes: %d bytes came back, next header %d, %v", n, len(got), nextHeader, err)
				}
				bytesSealed += uint64(n)
			}
			if want := (Counters{Packets: 10, Bytes: bytesSealed}); s.Counters() != want || o.Counters() != want {
				t.Fatalf("counters %v and %v, want %v", s.Counters(), o.Counters(), want)
			}
		})
	}
}

func TestOpenRefusesEveryFlippedBit(t *testing.T) {
	for _, c := range combinations() {
		t.Run(c.name, func(t *testing.T) {
			s, o := pair(t, c.params(t))
			packet := seal(t, s, []byte("forty bytes of payload, more or less...."))
			for bit := 32; bit < len(packet)*8; bit++ { // not the SPI: it chooses the association
				forged := bytes.Clone(packet)
				forged[bit/8] ^= 1 << (bit % 8)
				if _, _, err := o.Open(forged); !errors.Is(err, ErrAuthentication) && !errors.Is(err, ErrReplay) {
					t.Fatalf("bit %d flipped: %v", bit, err)
				}
			}
			for n := range packet {
				if _, _, err := o.Open(bytes.Clone(packet[:n])); err == nil {
					t.Fatalf("cut to %d bytes: accepted", n)
				}
			}
			// None of it moved the window or wasted the association.
			if _, _, err := o.Open(packet); err != nil {
				t.Fatalf("the true packet: %v", err)
			}
		})
	}
}

// Authentic packets with a broken trailer: only a faulty peer makes them, and
// they must neither panic nor pass.
func TestOpenRefusesBadPadding(t *testing.T) {
	tests := []struct {
		name    string
		trailer []byte
	}{
		{"longer than the body", []byte{255, NextHeaderIPv4}},
		{"one longer than the body", []byte{63, NextHeaderIPv4}},
		{"does not count", []byte{1, 1, 2, NextHeaderIPv4}},
	}
	for _, c := range combinations() {
		for _, tt := range tests {
			p := c.params(t)
			_, o := pair(t, p)
			body := make([]byte, 64)
			copy(body[64-len(tt.trailer):], tt.trailer)
			packet := independentSeal(t, c, p, 1, body)
			if _, _, err := o.Open(packet); !errors.Is(err, ErrPadding) {
				t.Errorf("%s, padding %s: %v, want %v", c.name, tt.name, err, ErrPadding)
			}
		}
	}
}

func TestOpenTakesPaddingOfAnyLength(t *testing.T) {
	// RFC 4303 section 2.4: up to 255 bytes, to hide the length.
	for _, c := range combinations() {
		p := c.params(t)
		_, o := pair(t, p)
		body := []byte("payload")
		for i := range 255 {
			body = append(body, byte(i+1))
		}
		body = append(body, 255, NextHeaderDummy) // 264 bytes: whole blocks of 4
		if c.integrity != ike.IntegrityNone {
			body = append([]byte("12345678"), body...) // 272: of 16
		}
		want := body[:len(body)-257]
		got, nextHeader, err := o.Open(independentSeal(t, c, p, 1, body))
		if err != nil || nextHeader != NextHeaderDummy || !bytes.Equal(got, want) {
			t.Errorf("%s: %q, %d, %v", c.name, got, nextHeader, err)
		}
	}
}

func TestReplayIsRefused(t *testing.T) {
	for _, window := range []int{64, 100, 1024, 2048} {
		t.Run(strconv.Itoa(window), func(t *testing.T) {
			p := combination{encryption: ike.AES128GCM16}.params(t)
			p.ReplayWindow = window
			s, o := pair(t, p)
			packets := make([][]byte, window+1)
			for i := range packets {
				packets[i] = seal(t, s, []byte("x"))
			}
			open := func(i int) error {
				_, _, err := o.Open(bytes.Clone(packets[i]))
				return err
			}
			if err := open(window); err != nil { // the newest first
				t.Fatal(err)
			}
			if err := open(0); !errors.Is(err, ErrReplay) {
				t.Fatalf("left of the window: %v, want %v", err, ErrReplay)
			}
			for i := 1; i < window; i++ {
				if err := open(i); err != nil {
					t.Fatalf("in the window, sequence number %d: %v", i+1, err)
				}
			}
			for i := range packets {
				if err := open(i); !errors.Is(err, ErrReplay) {
					t.Fatalf("second time, sequence number %d: %v, want %v", i+1, err, ErrReplay)
				}
			}
		})
	}
}

// The window agrees with the plainest model: a set of all that was seen.
func TestWindowAgreesWithModel(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		size := ReplayWindowMin + r.IntN(ReplayWindowMax-ReplayWindowMin+1)
		w, seen, top := NewWindow(size), map[uint64]bool{}, uint64(0)
		if seed%2 == 1 { // near the end of the numbers
			top = math.MaxUint32 - uint64(r.IntN(3000)) - 1
			w.Mark(top)
			seen[top] = true
		}
		for range 3000 {
			var sequence uint64
			switch r.IntN(10) {
			case 0:
				sequence = uint64(r.Uint32())
			case 1:
				sequence = top + uint64(r.IntN(3*size))
			default:
				sequence = max(top+uint64(r.IntN(8)), uint64(size+70)) - uint64(r.IntN(size+70))
			}
			want := sequence != 0 && !seen[sequence] && sequence+uint64(size) > top
			if got := w.Fresh(sequence); got != want {
				t.Fatalf("seed %d, size %d, top %d: Fresh(%d) = %v", seed, size, top, sequence, got)
			}
			if want && r.IntN(4) > 0 && (sequence < top+5000 || r.IntN(50) == 0) {
				w.Mark(sequence)
				seen[sequence], top = true, max(top, sequence)
			}
		}
	}
}

func TestSequenceNumbersNeverWrap(t *testing.T) {
	s, _ := pair(t, combination{encryption: ike.AES128GCM16}.params(t))
	s.sequence = math.MaxUint32 - 1
	seal(t, s, []byte("the last"))
	for range 2 {
		if _, err := s.Seal(make([]byte, 100), 40, 8, NextHeaderIPv4); !errors.Is(err, ErrSequenceExhausted) {
			t.Fatalf("Seal = %v, want %v", err, ErrSequenceExhausted)
		}
	}
	if s.Sequence() != math.MaxUint32 {
		t.Fatalf("sequence number %d", s.Sequence())
	}
}

func TestSealWantsRoom(t *testing.T) {
	s, _ := pair(t, combination{encryption: ike.AES128GCM16}.params(t))
	for _, tt := range []struct{ size, offset, n int }{{100, 15, 8}, {s.SealedLen(8) - 1, 16, 8}, {100, 16, 90}, {100, 16, -1}} {
		if _, err := s.Seal(make([]byte, tt.size), tt.offset, tt.n, NextHeaderIPv4); !errors.Is(err, ErrRoom) {
			t.Errorf("%v: %v, want %v", tt, err, ErrRoom)
		}
	}
	if s.Sequence() != 0 {
		t.Fatal("a refused packet took a sequence number")
	}
}

func TestParamsAreChecked(t *testing.T) {
	gcm, cbc := combination{encryption: ike.AES128GCM16}, combination{encryption: ike.AES128CBC, integrity: ike.HMACSHA1}
	tests := []struct {
		name string
		of   combination
		edit func(*Params)
	}{
		{"no encryption", gcm, func(p *Params) { p.Encryption = ike.EncryptionNone }},
		{"key without salt", gcm, func(p *Params) { p.Key = p.Key[:16] }},
		{"AEAD with integrity", gcm, func(p *Params) { p.Integrity = ike.HMACSHA256 }},
		{"AEAD with integrity key", gcm, func(p *Params) { p.IntegrityKey = make(ike.Secret, 20) }},
		{"CBC without integrity", cbc, func(p *Params) { p.Integrity = ike.IntegrityNone }},
		{"short key", cbc, func(p *Params) { p.Key = p.Key[:15] }},
		{"short integrity key", cbc, func(p *Params) { p.IntegrityKey = p.IntegrityKey[:19] }},
		{"reserved SPI", cbc, func(p *Params) { p.SPI = 255 }},
		{"narrow window", cbc, func(p *Params) { p.ReplayWindow = 63 }},
		{"wide window", cbc, func(p *Params) { p.ReplayWindow = 2049 }},
	}
	for _, tt := range tests {
		p := tt.of.params(t)
		tt.edit(&p)
		if _, err := NewOpener(p); err == nil {
			t.Errorf("%s: accepted", tt.name)
		}
	}
}

func TestCloseWipesKeys(t *testing.T) {
	for _, c := range combinations() {
		p := c.params(t)
		s, o := pair(t, p)
		packet := seal(t, s, []byte("x"))
		aeads := []cipher.AEAD{s.aead, o.aead}
		s.Close()
		o.Close()
		for _, aead := range aeads {
			_, wide := aead.(interface{ Wipe() })
			if isGCM := c.encryption == ike.AES128GCM16 || c.encryption == ike.AES256GCM16; wide != (isGCM && !c.standardAES && aesgcm.Fault() == nil) {
				t.Fatalf("%s: sealed by %T", c.name, aead)
			}
			if wide && !panics(func() { aead.Seal(nil, make([]byte, 12), nil, nil) }) {
				t.Fatalf("%s: what was made of the key is left behind", c.name)
			}
		}
		for _, key := range []ike.Secret{s.params.Key, s.params.IntegrityKey, o.params.Key, o.params.IntegrityKey} {
			if len(bytes.Trim(key, "\x00")) != 0 {
				t.Fatalf("%s: key left behind", c.name)
			}
		}
		if p.Key[0] == 0 {
			t.Fatalf("%s: the caller's key was wiped", c.name)
		}
		if _, err := s.Seal(make([]byte, 200), 40, 8, NextHeaderIPv4); !errors.Is(err, ErrClosed) {
			t.Fatalf("Seal = %v", err)
		}
		if _, _, err := o.Open(packet); !errors.Is(err, ErrClosed) {
			t.Fatalf("Open = %v", err)
		}
	}
}

func panics(f func()) (yes bool) {
	defer func() { yes = recover() != nil }()
	f()
	return
}

func TestNoAllocations(t *testing.T) {
	for _, c := range combinations() {
		s, o := pair(t, c.params(t))
		slot := make([]byte, 2048)
		seal := func() []byte {
			packet, err := s.Seal(slot, HeadroomMax, 1400, NextHeaderIPv4)
			if err != nil {
				t.Fatal(err)
			}
			return packet
		}
		_, _, _ = o.Open(seal()) // the first HMAC saves its state for later ones
		if n := testing.AllocsPerRun(100, func() {
			if _, _, err := o.Open(seal()); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations for one packet there and back", c.name, n)
		}
	}
}

func FuzzOpen(f *testing.F) {
	all := combinations()
	for i, c := range all {
		s, _ := pair(f, c.params(f))
		f.Add(uint8(i), seal(f, s, []byte("seed")))
	}
	f.Fuzz(func(t *testing.T, which uint8, packet []byte) {
		p := all[int(which)%len(all)].params(t)
		s, o := pair(t, p)
		if _, ok := ParseSPI(packet); !ok {
			packet = append(packet, make([]byte, 40)...)
		}
		// Nobody without the key makes a packet that opens; the seeds, which
		// have the key, are the exception.
		if payload, _, err := o.Open(bytes.Clone(packet)); err == nil && !bytes.Equal(payload, []byte("seed")) {
			t.Fatalf("forged: %x", packet)
		}
		// What is sealed opens, whatever it is.
		if payload, _, err := o.Open(seal(t, s, packet)); err != nil && !errors.Is(err, ErrReplay) || err == nil && !bytes.Equal(payload, packet) {
			t.Fatalf("round trip of %x: %x, %v", packet, payload, err)
		}
	})
}

var benchSizes = []int{64, 512, 1400}

func BenchmarkSeal(b *testing.B) {
	for _, c := range combinations() {
		for _, n := range benchSizes {
			b.Run(c.name+"/"+strconv.Itoa(n), func(b *testing.B) {
				s, _ := pair(b, c.params(b))
				slot := make([]byte, HeadroomMax+n+TailroomMax)
				b.SetBytes(int64(n))
				b.ReportAllocs()
				for b.Loop() {
					s.sequence = 0 // never used up, however long it runs
					if _, err := s.Seal(slot, HeadroomMax, n, NextHeaderIPv4); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	for _, c := range combinations() {
		for _, n := range benchSizes {
			b.Run(c.name+"/"+strconv.Itoa(n), func(b *testing.B) {
				s, o := pair(b, c.params(b))
				sealed := seal(b, s, make([]byte, n))
				packet := make([]byte, len(sealed))
				b.SetBytes(int64(n))
				b.ReportAllocs()
				for b.Loop() {
					copy(packet, sealed) // opening destroys it
					o.window.bits[0], o.window.top = 0, 0
					if _, _, err := o.Open(packet); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
