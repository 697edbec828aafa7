package keys

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"causeway.dev/ike"
	"causeway.dev/ike/wire"
)

var suites = []ike.IKEProposal{
	{Encryption: ike.AES128CBC, Integrity: ike.HMACSHA1},
	{Encryption: ike.AES128CBC, Integrity: ike.HMACSHA256},
	{Encryption: ike.AES256CBC, Integrity: ike.HMACSHA384},
	{Encryption: ike.AES256CBC, Integrity: ike.HMACSHA512},
	{Encryption: ike.AES128GCM16},
	{Encryption: ike.AES256GCM16},
	{Encryption: ike.ChaCha20Poly1305},
}

var header = wire.Header{
	SPIi: 0x1122334455667788, SPIr: 0x99aabbccddeeff00,
	Major: 2, Exchange: wire.Informational, Flags: wire.FlagInitiator, MessageID: 7,
}

// protectors returns both ends of one direction, with keys that count up.
func protectors(p ike.IKEProposal) (sealer, opener *Protector) {
	encryption, integrity := make(ike.Secret, EncryptionKeyLength(p.Encryption)), make(ike.Secret, IntegrityKeyLength(p.Integrity))
	for i := range encryption {
		encryption[i] = byte(i)
	}
	for i := range integrity {
		integrity[i] = byte(0x80 + i)
	}
	return NewProtector(p, encryption, integrity), NewProtector(p, encryption, integrity)
}

func payloads(n int) []wire.Payload {
	if n == 0 {
		return nil
	}
	return []wire.Payload{
		&wire.Notify{Type: wire.InitialContact},
		&wire.VendorID{Data: bytes.Repeat([]byte{0xab}, n)},
	}
}

func TestSealAndOpen(t *testing.T) {
	for _, p := range suites {
		sealer, opener := protectors(p)
		for n := range 40 { // every length of padding
			sealed := sealer.Seal([]byte("before"), header, payloads(n))
			sealed, ok := bytes.CutPrefix(sealed, []byte("before"))
			if !ok {
				t.Fatalf("%v: Seal changed what was there before", p)
			}
			kept := bytes.Clone(sealed)
			message, err := opener.Open(sealed)
			if err != nil {
				t.Fatalf("%v, %d octets: %v", p, n, err)
			}
			if !bytes.Equal(sealed, kept) {
				t.Fatalf("%v: Open changed the datagram", p)
			}
			if d := cmp.Diff(payloads(n), message.Payloads, cmpopts.EquateEmpty()); d != "" {
				t.Errorf("%v, %d octets (-sealed +opened):\n%s", p, n, d)
			}
			if message.Header.MessageID != header.MessageID || message.Header.SPIr != header.SPIr {
				t.Errorf("%v: opened header %v", p, message.Header)
			}
		}
	}
}

// What Seal makes with the keys of protectors, each decrypted and its checksum
// confirmed by tshark 4.0.17 (ikev2_decryption_table, 2026-11-22).
func TestSealKnownAnswers(t *testing.T) {
	for i, want := range []string{
		`112233445566778899aabbccddeeff002e202508000000070000005c290000407346139595c0b41e497bbde365f42d0a
		f086b81509443a0755161ae52875a8b6ca594819fe28db237623de3bfa1048e414584180127c847e3226713b`,
		`112233445566778999aabbccddeeff002e2025080000000700000060290000447346139595c0b41e497bbde365f42d0a
		f086b81509443a0755161ae52875a8b6ca594819fe28db237623de3bfa1048e49a576656d7693fa52a17d39f330547f6`,
		`112233445566778a99aabbccddeeff002e20250800000007000000682900004cf05d76ae4ab99fe5a6f69b3148c2363d
		878d942785ba6b766a2bb7ab393a6ad14874a49aa81cfd563b42e7aa702171d5c8259bb3fe1c09fefcab0197b0665970
		2462c7d0805f5882`,
		`112233445566778b99aabbccddeeff002e202508000000070000007029000054f05d76ae4ab99fe5a6f69b3148c2363d
		878d942785ba6b766a2bb7ab393a6ad14874a49aa81cfd563b42e7aa702171d5d38e941002de38a775d13b1f829c5e20
		2f08ea41dbb5d07286bd7f69cef80a80`,
		`112233445566778c99aabbccddeeff002e202508000000070000004a2900002e00000000000000017546fa99bb146e16
		3f87ad44b12f594d7a9025c49f816c2ce777502e88b7b88c3c19`,
		`112233445566778d99aabbccddeeff002e202508000000070000004a2900002e0000000000000001428f3bbe566145da
		06cbbb53fa97def5f57e5794f5ff3ed48a313acb42bf1e9c20c9`,
	} {
		sealer, _ := protectors(suites[i])
		h := header
		h.SPIi += uint64(i)
		if got := sealer.Seal(nil, h, payloads(5)); !bytes.Equal(got, unhex(t, want)) {
			t.Errorf("%v: %x, want %s", suites[i], got, want)
		}
	}
}

// RFC 7296 section 3.14: every bit of the message is covered, the header's too.
func TestOpenRefusesAnyChange(t *testing.T) {
	for _, p := range suites {
		sealer, opener := protectors(p)
		sealed := sealer.Seal(nil, header, payloads(3))
		for i := range sealed {
			changed := bytes.Clone(sealed)
			changed[i] ^= 1
			if _, err := opener.Open(changed); !errors.Is(err, ErrUnauthenticated) {
				t.Errorf("%v: octet %d of %d changed: %v", p, i, len(sealed), err)
			}
		}
		for n := range sealed {
			cut := bytes.Clone(sealed[:n])
			if n >= wire.HeaderLength {
				binary.BigEndian.PutUint32(cut[24:], uint32(n))
			}
			if n >= wire.HeaderLength+4 {
				binary.BigEndian.PutUint16(cut[wire.HeaderLength+2:], uint16(n-wire.HeaderLength))
			}
			if _, err := opener.Open(cut); !errors.Is(err, ErrUnauthenticated) {
				t.Errorf("%v: cut to %d of %d octets: %v", p, n, len(sealed), err)
			}
		}
		plain := wire.Message{Header: header, Payloads: payloads(3)}
		if _, err := opener.Open(plain.Append(nil)); !errors.Is(err, ErrUnauthenticated) {
			t.Errorf("%v: message without protection: %v", p, err)
		}
		if _, err := opener.Open(wire.Message{Header: header}.Append(nil)); !errors.Is(err, ErrUnauthenticated) {
			t.Errorf("%v: message without payloads: %v", p, err)
		}
	}
}

// RFC 7296 section 3.14, by the standard library alone: CBC with padding of the
// peer's choice, checksum over all that precedes it.
func TestOpenTakesAnyPadding(t *testing.T) {
	p := ike.IKEProposal{Encryption: ike.AES128CBC, Integrity: ike.HMACSHA1}
	_, opener := protectors(p)
	encryption, integrity := make([]byte, 16), make([]byte, 20)
	for i := range encryption {
		encryption[i] = byte(i)
	}
	for i := range integrity {
		integrity[i] = byte(0x80 + i)
	}
	seal := func(first wire.PayloadType, plain []byte) []byte {
		iv := bytes.Repeat([]byte{0x5a}, aes.BlockSize)
		block, err := aes.NewCipher(encryption)
		if err != nil {
			t.Fatal(err)
		}
		ciphertext := make([]byte, len(plain))
		cipher.NewCBCEncrypter(block, iv).CryptBlocks(ciphertext, plain)
		m := wire.Message{Header: header, Payloads: []wire.Payload{
			&wire.VendorID{Data: []byte("outside")},
			&wire.Encrypted{Next: first, Body: append(append(iv, ciphertext...), make([]byte, 12)...)},
		}}
		b := m.Append(nil)
		mac := hmac.New(sha1.New, integrity)
		mac.Write(b[:len(b)-12])
		copy(b[len(b)-12:], mac.Sum(nil))
		return b
	}

	inside := []byte{0, 0, 0, 8, 0, 0, 0x40, 0} // N(INITIAL_CONTACT)
	padding := bytes.Repeat([]byte{0xee}, 255)
	got, err := opener.Open(seal(wire.PayloadNotify, append(append(bytes.Clone(inside), padding[:39]...), 39)))
	if err != nil {
		t.Fatal(err)
	}
	want := []wire.Payload{&wire.VendorID{Data: []byte("outside")}, &wire.Notify{Type: wire.InitialContact}}
	if d := cmp.Diff(want, got.Payloads); d != "" {
		t.Errorf("39 octets of padding (-want +got):\n%s", d)
	}

	// What the peer itself got wrong is an error that it is owed.
	for what, b := range map[string][]byte{
		"pad length beyond the plain text":       seal(wire.PayloadNotify, append(make([]byte, 15), 16)),
		"payload inside that is cut":             seal(wire.PayloadNotify, append(append(bytes.Clone(inside[:4]), padding[:11]...), 11)),
		"ciphertext that is not of whole blocks": cutBlock(t, seal(wire.PayloadNotify, append(append(bytes.Clone(inside), padding[:7]...), 7)), integrity),
	} {
		_, err := opener.Open(b)
		var owed *wire.Error
		if !errors.As(err, &owed) || owed.Notify != wire.InvalidSyntax || errors.Is(err, ErrUnauthenticated) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// cutBlock takes an octet off the ciphertext of a message with a checksum of
// SHA-1 and a VendorID of 7 octets in front, and signs it anew.
func cutBlock(t *testing.T, b []byte, integrity []byte) []byte {
	t.Helper()
	b = b[:len(b)-1]
	binary.BigEndian.PutUint32(b[24:], uint32(len(b)))
	encrypted := b[wire.HeaderLength+4+7:]
	binary.BigEndian.PutUint16(encrypted[2:], uint16(len(encrypted)))
	mac := hmac.New(sha1.New, integrity)
	mac.Write(b[:len(b)-12])
	copy(b[len(b)-12:], mac.Sum(nil))
	return b
}

// RFC 5282 section 3.1, NIST SP 800-38A appendix C: no IV is used twice, and for
// CBC two neighbours have nothing in common.
func TestIVsDiffer(t *testing.T) {
	for _, p := range suites {
		sealer, _ := protectors(p)
		seen := map[string]bool{}
		for range 1000 {
			sealed := sealer.Seal(nil, header, nil)
			iv := string(sealed[wire.HeaderLength+4:][:sealer.ivLength()])
			if seen[iv] {
				t.Fatalf("%v: IV %x twice", p, iv)
			}
			seen[iv] = true
		}
	}
}

func FuzzOpen(f *testing.F) {
	var openers []*Protector
	genuine := map[string]bool{}
	for _, p := range suites {
		sealer, opener := protectors(p)
		sealed := sealer.Seal(nil, header, payloads(5))
		f.Add(sealed)
		genuine[string(sealed)] = true
		openers = append(openers, opener)
	}
	f.Fuzz(func(t *testing.T, datagram []byte) {
		for _, opener := range openers {
			if message, err := opener.Open(datagram); err == nil && !genuine[string(datagram)] {
				t.Fatalf("forged: %v", message)
			}
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	for _, p := range suites {
		b.Run(ike.ESPProposal{Encryption: p.Encryption, Integrity: p.Integrity}.String(), func(b *testing.B) {
			sealer, _ := protectors(p)
			var dst []byte
			for b.Loop() {
				dst = sealer.Seal(dst[:0], header, payloads(200))
			}
			b.SetBytes(int64(len(dst)))
		})
	}
}
