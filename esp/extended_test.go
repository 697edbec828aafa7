package esp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"causeway.dev/ike"
)

// The known answers of draft-mcgrew-gcm-test-01 section 4 that have 64-bit sequence
// numbers, each opened by a receiver whose last packet came just before it, or just
// after.
func TestOpenGCMKnownAnswersExtended(t *testing.T) {
	tests := []struct {
		name             string
		encryption       ike.Encryption
		key              string // with the salt
		sequence         uint64
		packet, contents string // contents: with padding and trailer
		padding          int
		before           bool // a packet with the number before can be
	}{
		{"the lower half is zero", ike.AES128GCM16, "4c80cdefbb5d10da906ac73c3613a634" + "2e443b68", 0x87654321_00000000,
			"00004321" + "00000000" + "4956ed7e3b244cfe" + "fecf537e729d5b07dc30df528dd22b768d1b98736696a6fd348509fa13ceac34cfa2436f14a3f3cf65925bf1f4a13c5d15b21e1884f5ff6247aeabb786b93bce61bc17d768fd9732459018148f6cbe722fd04796562dfdb4",
			"45000048699a000080114db7c0a80102c0a801010a9bf15638d301000001000000000000045f736970045f756470037369700963796265726369747902646b000021000101020201", 2, true},
		{"both halves are the same", ike.AES128GCM16, "3de09874b388e6491988d0c3607eae1f" + "57690e43", 0x10101010_10101010,
			"42f67e3f" + "10101010" + "4e280000a2fca1a3" + "fba2caa4853cf9f0f22cb10d86dd83b0fec75691cf1a04b00d1138ec9c35791765acbd8701ad79845bf9fe3fba487bc91755e6662b4c8d0d1f5e22739530320ae0d731cc978ecafaeae88f00e80d6e48",
			"4500003c99c300008001cb7c40679318010101010800085c020043006162636465666768696a6b6c6d6e6f70717273747576776162636465666768690102" + "0201", 2, true},
		{"AES-256", ike.AES256GCM16, "abbccddef00112233445566778899aababbccddef00112233445566778899aab" + "73616c74", 0x156f3126_dd0db99b,
			"17405e67" + "dd0db99b" + "616e640169766563" + "f2d69ecdbd5a0d5b8d5ef38bad4da58d1f278fde98ef67549d524a3018d9a57ff4d3a31ce673119e451626c2415771e3b7eebca614c89b35",
			"45080028732c00004006e9f90a0106120a01038f06b88023dd6bafbecb71260250101f646d540001", 0, true},
		{"the last number", ike.AES256GCM16, "6c6567616c697a656d6172696a75616e61616e64646f69746265666f72656961" + "7475726e", math.MaxUint64,
			"796b6963" + "ffffffff" + "333021696765746d" + "f97ab2aa356d8edce17644ac8c78e25dd24dedbb29ebf1b64a274b39b49c3a864cd3d78ca4ae68a32b42458fb57dbe821dcc63b9d0937ba2945f669368661a329fb4c053",
			"45000030da3a00008001df3bc0a80005c0a800010800c6cd020007006162636465666768696a6b6c6d6e6f707172737401020201", 2, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			packet, contents := unhex(t, tt.packet), unhex(t, tt.contents)
			want := contents[:len(contents)-2-tt.padding]
			tops := []uint64{tt.sequence - 1, tt.sequence - 3000, tt.sequence - 1<<31}
			if tt.before {
				tops = append(tops, tt.sequence+1, tt.sequence+1000)
			}
			for _, top := range tops {
				for _, standardAES := range []bool{false, true} {
					p := Params{SPI: ike.SPI(binary.BigEndian.Uint32(packet)), Encryption: tt.encryption, Key: unhex(t, tt.key), StandardAES: standardAES, ExtendedSequence: true}
					_, o := pair(t, p)
					o.window.Mark(top)
					payload, _, err := o.Open(bytes.Clone(packet))
					if err != nil || !bytes.Equal(payload, want) {
						t.Fatalf("after %x: Open = %x, %v, want %x", top, payload, err, want)
					}
					if _, _, err := o.Open(bytes.Clone(packet)); !errors.Is(err, ErrReplay) {
						t.Fatalf("after %x: a second time: %v", top, err)
					}
				}
			}
			_, o := pair(t, Params{SPI: ike.SPI(binary.BigEndian.Uint32(packet)), Encryption: tt.encryption, Key: unhex(t, tt.key)})
			if _, _, err := o.Open(bytes.Clone(packet)); err == nil {
				t.Error("opened without extended sequence numbers")
			}
		})
	}
}

// Where the number goes over 2^32, each packet carries its lower half and is
// authenticated with the upper one, as an independent composition says, in both
// directions.
func TestExtendedMatchesIndependentComposition(t *testing.T) {
	for _, c := range combinations() {
		if !c.extended {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			p := c.params(t)
			s, o := pair(t, p)
			s.sequence = math.MaxUint32 - 20
			o.window.Mark(s.sequence)
			for range 40 {
				packet := seal(t, s, []byte("over the boundary"))
				upper := uint32(s.Sequence() >> 32)
				if got := binary.BigEndian.Uint32(packet[4:]); got != uint32(s.Sequence()) {
					t.Fatalf("number %x is sent as %x", s.Sequence(), got)
				}
				body, err := independentOpen(c, p, upper, packet)
				if err != nil || !bytes.HasPrefix(body, []byte("over the boundary")) {
					t.Fatalf("number %x: %q, %v", s.Sequence(), body, err)
				}
				theirs := independentSeal(t, c, p, s.Sequence(), body)
				if payload, _, err := o.Open(theirs); err != nil || string(payload) != "over the boundary" {
					t.Fatalf("number %x of theirs: %q, %v", s.Sequence(), payload, err)
				}
			}
		})
	}
}

// The 64-bit number that a window finds is the only one of those there are that is
// neither left of the window nor 2^32 or more to the right of its left edge; and a
// receiver that gets packets late, twice, or not at all, around the boundary of 2^32
// and the last number, accepts each packet that is in its window once.
func TestExtendedAgreesWithModel(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 3))
		size := ReplayWindowMin + r.IntN(ReplayWindowMax-ReplayWindowMin+1)
		w, seen := NewWindow(size), map[uint64]bool{}
		upper := []uint64{0, 1, 2, 0x87654321, math.MaxUint32}[r.IntN(5)]
		next := upper<<32 | uint64([]uint32{1, 1000, math.MaxUint32 - 3000}[r.IntN(3)])
		top := next
		w.Mark(top)
		seen[top] = true
		for range 4000 {
			if next > math.MaxUint64-3000 {
				break
			}
			next += uint64(r.IntN(3))
			if r.IntN(200) == 0 {
				next += uint64(r.IntN(1500))
			}
			sequence := next - min(uint64(r.IntN(8)*r.IntN(size/4)), next-1) // on the way it may be overtaken
			var edge uint64
			if top >= uint64(size) {
				edge = top - uint64(size) + 1
			}
			var possible []uint64
			for _, half := range []uint64{sequence>>32 - 1, sequence >> 32, sequence>>32 + 1} {
				if n := half<<32 | sequence&math.MaxUint32; n >= edge && n-edge < 1<<32 && half <= math.MaxUint32 {
					possible = append(possible, n)
				}
			}
			got := w.Extended(uint32(sequence))
			if len(possible) == 0 { // beyond the last number
				if w.Fresh(got) {
					t.Fatalf("seed %d, size %d, top %x: %x for %x is fresh", seed, size, top, got, sequence)
				}
				continue
			}
			if len(possible) > 1 || got != possible[0] {
				t.Fatalf("seed %d, size %d, top %x: Extended of %x is %x, possible are %x", seed, size, top, sequence, got, possible)
			}
			if sequence >= edge && got != sequence {
				t.Fatalf("seed %d, size %d, top %x: %x is taken for %x", seed, size, top, sequence, got)
			}
			if fresh := w.Fresh(got); sequence >= edge && fresh == seen[sequence] {
				t.Fatalf("seed %d, size %d, top %x: Fresh(%x) = %v", seed, size, top, sequence, fresh)
			}
			if sequence >= edge && !seen[sequence] {
				w.Mark(sequence)
				seen[sequence], top = true, max(top, sequence)
			}
		}
	}
}

// Given two ends with extended sequence numbers near the boundary of 2^32, when
// packets arrive out of order and are frozen and thawed on the way, then all open, and
// a forged upper half is found out by the ICV.
func TestExtendedOverTheBoundary(t *testing.T) {
	for _, c := range combinations() {
		if !c.extended {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			s, o := pair(t, c.params(t))
			s.sequence = math.MaxUint32 - 500
			o.window.Mark(s.sequence)
			var packets [][]byte
			for range 1000 {
				packets = append(packets, seal(t, s, []byte("payload")))
			}
			random := rand.New(rand.NewPCG(5, 6))
			for block := range slices.Chunk(packets, 200) {
				random.Shuffle(len(block), func(i, j int) { block[i], block[j] = block[j], block[i] })
				for _, packet := range block {
					if _, _, err := o.Open(bytes.Clone(packet)); err != nil {
						t.Fatal(err)
					}
				}
				s, o = moved(t, s.Freeze, ThawSealer), moved(t, o.Freeze, ThawOpener)
			}
			if s.Sequence() != math.MaxUint32+500 {
				t.Errorf("sealed up to %x", s.Sequence())
			}
			// The lower half of the next one, with another upper half.
			s.sequence += 5 << 32
			if _, _, err := o.Open(seal(t, s, []byte("payload"))); !errors.Is(err, ErrAuthentication) {
				t.Errorf("five times round: %v", err)
			}
			s.sequence = math.MaxUint64 - 1
			seal(t, s, nil)
			if _, err := s.Seal(make([]byte, 200), 100, 1, NextHeaderIPv4); !errors.Is(err, ErrSequenceExhausted) {
				t.Errorf("beyond the last number: %v", err)
			}
		})
	}
}

func TestThawRefusesNumbersThatAreTooLong(t *testing.T) {
	s, o := pair(t, combinations()[0].params(t))
	outbound, err := s.Freeze()
	if err != nil {
		t.Fatal(err)
	}
	inbound, err := o.Freeze()
	if err != nil {
		t.Fatal(err)
	}
	outbound.Sequence, inbound.Sequence = math.MaxUint32+1, math.MaxUint32+1
	if _, err := ThawSealer(outbound); err == nil {
		t.Error("a Sealer with a number of 33 bits is thawed without extended sequence numbers")
	}
	if _, err := ThawOpener(inbound); err == nil {
		t.Error("an Opener is")
	}
}
