package esp

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash"
	"testing"

	"golang.org/x/crypto/chacha20poly1305"

	"causeway.dev/ike"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The known answers of RFC 3602 section 4, cases 5 to 8, are ESP packets
// without an ICV; ours is put behind them by an independent HMAC.
func TestOpenRFC3602(t *testing.T) {
	const (
		transportKey = "90d382b410eeba7ad938c46cec1a82bf"
		tunnelKey    = "0123456789abcdef0123456789abcdef"
	)
	tests := []struct {
		name, key, packet, payload string
		nextHeader                 byte
	}{
		{"case 5: transport mode ping", transportKey,
			"0000432100000001e96e8c08ab465763fd098d45dd3ff893f663c25d325c18c6a9453e194e120849a4870b66cc6b9965330013b4898dc856a4699e523a55db080b59ec3a8e4b7e52775b07d1db34ed9c538ab50c551b874aa269add047ad2d5913ac19b7cfbad4a6",
			"08000ebda70a00008e9c083db95b070008090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f3031323334353637", 1},
		{"case 6: transport mode ping", transportKey,
			"000043210000000869d08df7d203329db093fc4924e5bd80f51995881ec4e0c4488987ce742e8109689bb379d2d750c0d915dca346a89f75",
			"0800b5e8a80a0500a69c083d0b660e00777777777777777777777777", 1},
		{"case 7: tunnel mode ping", tunnelKey,
			"0000876500000002f4e765244f6407adf13dc1380f673f37773b5241a4c449225e4f3ce5ed611b0c237ca96cf74a93013c1b0ea1a0cf70f8e4ecaec78ac53aad7a0f022b859243c647752e94a859352b8a4d4d2decd136e5c177f132ad3fbfb2201ac9904c74ee0a109e0ca1e4dfe9d5a100b842f1c22f0d",
			"45000054090400004001f988c0a87b03c0a87bc808009f76a90a0100b49c083d02a2040008090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f3031323334353637", 4},
		{"case 8: tunnel mode ping", tunnelKey,
			"000087650000000585d47224b5f3dd5d2101d4ea8dffab2215b92683819596a8047232cc00f7048fe45318e11f8a0f62ede3c3fc61203bb50f980a08c9843fd3a1b06d5c07ff9639b7eb7dfb3512e5de435e7207ed971ef3d2726d9b5ef6affc6d17a0decbb13892",
			"45000044090c00004001f990c0a87b03c0a87bc80800d63caa0a0200c69c083da3de0300ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", 4},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			packet := unhex(t, tt.packet)
			integrityKey := bytes.Repeat([]byte{7}, 32)
			h := hmac.New(sha256.New, integrityKey)
			h.Write(packet)
			packet = append(packet, h.Sum(nil)[:16]...)
			o, err := NewOpener(Params{
				SPI: ike.SPI(binary.BigEndian.Uint32(packet)), Encryption: ike.AES128CBC, Integrity: ike.HMACSHA256,
				Key: unhex(t, tt.key), IntegrityKey: integrityKey,
			})
			if err != nil {
				t.Fatal(err)
			}
			payload, nextHeader, err := o.Open(packet)
			if err != nil || nextHeader != tt.nextHeader || !bytes.Equal(payload, unhex(t, tt.payload)) {
				t.Fatalf("Open = %x, %d, %v, want %s, %d", payload, nextHeader, err, tt.payload, tt.nextHeader)
			}
		})
	}
}

// The known answers of draft-mcgrew-gcm-test-01 section 4 that have 32-bit
// sequence numbers.
func TestOpenGCMKnownAnswers(t *testing.T) {
	tests := []struct {
		name                string
		encryption          ike.Encryption
		key                 string // with the salt
		packet, plaintext   string // plaintext: with padding and trailer
		padding, nextHeader int
	}{
		{"AES-128", ike.AES128GCM16, "feffe9928665731c6d6a8f9467308308" + "cafebabe",
			"0000a5f80000000afacedbaddecaf888deb22cd9b07c72c16e3a65beeb8df304a5a5897d33ae530f1ba76d5d114d2a5c3de81827c10e9a4f51330d0eec416642cfbb85a5b47e48a4ec3b9ba95d918bd183b70d3aa8bc6ee4c309e9d85a41ad4a",
			"4500003e698f000080114dccc0a80102c0a801010a980035002a2343b2d001000001000000000000037369700963796265726369747902646b00000100010001", 0, 1},
		{"AES-256", ike.AES256GCM16, "abbccddef00112233445566778899aababbccddef00112233445566778899aab" + "11223344",
			"4a2cbfe3000000020102030405060708ff425c9b724599df7a3bcd510194e00d6a78107f1b0b1cbf06efae9d65a5d763748a637985771d347f0545659f14e99def842d8eb335f4eecfdbf831824b4c4915956c96",
			"4500003069a6400080062690c0a801029389155e0a9e008b2dc57ee0000000007002400020bf0000020405b40101040201020201", 2, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			packet, plaintext := unhex(t, tt.packet), unhex(t, tt.plaintext)
			for _, standardAES := range []bool{false, true} {
				o, err := NewOpener(Params{SPI: ike.SPI(binary.BigEndian.Uint32(packet)), Encryption: tt.encryption, Key: unhex(t, tt.key), StandardAES: standardAES})
				if err != nil {
					t.Fatal(err)
				}
				want := plaintext[:len(plaintext)-2-tt.padding]
				payload, nextHeader, err := o.Open(bytes.Clone(packet))
				if err != nil || int(nextHeader) != tt.nextHeader || !bytes.Equal(payload, want) {
					t.Fatalf("Open = %x, %d, %v, want %x", payload, nextHeader, err, want)
				}
			}
		})
	}
}

// RFC 7634 appendix A: an ICMP echo request in tunnel mode.
func TestOpenRFC7634(t *testing.T) {
	inner := unhex(t, "45000054a6f200004001e778c6336405c000020508005b7a3a080000553bec100007362708090a0b0c0d0e0f1011"+
		"12131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f3031323334353637")
	o, err := NewOpener(Params{
		SPI: 0x01020304, Encryption: ike.ChaCha20Poly1305,
		Key: unhex(t, "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f"+"a0a1a2a3"),
	})
	if err != nil {
		t.Fatal(err)
	}
	packet := unhex(t, "01020304"+"00000005"+"1011121314151617"+
		"24039428b97f417e3c13753a4f05087b67c352e6a7fab1b982d466ef407ae5c614ee8099d52844eb61aa95dfab4c02f7"+
		"2aa71e7c4c4f64c9befe2facc638e8f3cbec163fac469b502773f6fb94e664da9165b82829f641e0"+
		"76aaa8266b7fb0f7b11b369907e1ad43")
	payload, next, err := o.Open(packet)
	if err != nil || next != NextHeaderIPv4 || !bytes.Equal(payload, inner) {
		t.Errorf("opened %x, next header %d, %v", payload, next, err)
	}
}

// A combination is one of all the pairs of algorithms; of AES-GCM, which has two
// implementations, there are two. Extended sequence numbers are with one of each
// kind.
type combination struct {
	name        string
	encryption  ike.Encryption
	integrity   ike.Integrity
	standardAES bool
	extended    bool
}

func combinations() []combination {
	all := []combination{
		{name: "aes128gcm16", encryption: ike.AES128GCM16}, {name: "aes256gcm16", encryption: ike.AES256GCM16},
		{name: "chacha20poly1305", encryption: ike.ChaCha20Poly1305},
	}
	for _, c := range []combination{{name: "aes128cbc", encryption: ike.AES128CBC}, {name: "aes256cbc", encryption: ike.AES256CBC}} {
		for _, i := range []combination{{name: "sha1", integrity: ike.HMACSHA1}, {name: "sha256", integrity: ike.HMACSHA256}, {name: "sha384", integrity: ike.HMACSHA384}, {name: "sha512", integrity: ike.HMACSHA512}} {
			all = append(all, combination{name: c.name + "-" + i.name, encryption: c.encryption, integrity: i.integrity})
		}
	}
	for _, c := range all {
		switch c.name {
		case "aes128gcm16", "chacha20poly1305", "aes128cbc-sha1", "aes256cbc-sha512":
			all = append(all, combination{name: c.name + "-esn", encryption: c.encryption, integrity: c.integrity, extended: true})
		}
	}
	return append(all,
		combination{name: "aes128gcm16-standard-esn", encryption: ike.AES128GCM16, standardAES: true, extended: true},
		combination{name: "aes128gcm16-standard", encryption: ike.AES128GCM16, standardAES: true},
		combination{name: "aes256gcm16-standard", encryption: ike.AES256GCM16, standardAES: true})
}

func (c combination) params(t testing.TB) Params {
	t.Helper()
	s, err := suiteOf(c.encryption, c.integrity)
	if err != nil {
		t.Fatal(err)
	}
	p := Params{SPI: 0xc0ffee01, Encryption: c.encryption, Integrity: c.integrity, StandardAES: c.standardAES, ExtendedSequence: c.extended}
	for i := range s.keyLen + s.saltLen {
		p.Key = append(p.Key, byte(i*7+1))
	}
	for i := range s.integrityKeyLen {
		p.IntegrityKey = append(p.IntegrityKey, byte(i*5+3))
	}
	return p
}

// independentlyAssociated is what an AEAD authenticates of a header: RFC 4106 section
// 5, with the upper half of an extended sequence number in the middle.
func independentlyAssociated(p Params, header []byte, upper uint32) []byte {
	if !p.ExtendedSequence {
		return header
	}
	return append(binary.BigEndian.AppendUint32(bytes.Clone(header[:4]), upper), header[4:]...)
}

// independentICV is the whole HMAC: RFC 4303 section 2.8, with the upper half of an
// extended sequence number at the end.
func independentICV(c combination, p Params, authenticated []byte, upper uint32) []byte {
	h := hmac.New(hmacs[c.integrity].newHash, p.IntegrityKey)
	h.Write(authenticated)
	if p.ExtendedSequence {
		h.Write(binary.BigEndian.AppendUint32(nil, upper))
	}
	return h.Sum(nil)
}

// independentOpen takes an ESP packet apart with the standard library's
// one-shot objects, written from the RFCs and sharing no code with Open.
func independentOpen(c combination, p Params, upper uint32, packet []byte) (body []byte, err error) {
	if c.encryption.AEAD() {
		// RFC 4106 section 4, RFC 7634 section 2: nonce = salt | IV. Section 5: AAD = SPI | sequence number.
		n := len(p.Key) - 4
		aead, err := independentAEAD(c.encryption, p.Key[:n])
		if err != nil {
			return nil, err
		}
		return aead.Open(nil, append(bytes.Clone(p.Key[n:]), packet[8:16]...), packet[16:], independentlyAssociated(p, packet[:8], upper))
	}
	icvLen := hmacs[c.integrity].icvLen
	authenticated, icv := packet[:len(packet)-icvLen], packet[len(packet)-icvLen:]
	if !bytes.Equal(independentICV(c, p, authenticated, upper)[:icvLen], icv) {
		return nil, errors.New("ICV differs")
	}
	block, err := aes.NewCipher(p.Key)
	if err != nil {
		return nil, err
	}
	body = make([]byte, len(authenticated)-24)
	cipher.NewCBCDecrypter(block, authenticated[8:24]).CryptBlocks(body, authenticated[24:])
	return body, nil
}

func independentAEAD(e ike.Encryption, key []byte) (cipher.AEAD, error) {
	if e == ike.ChaCha20Poly1305 {
		return chacha20poly1305.New(key)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// independentSeal makes an authentic ESP packet around any body of whole
// blocks, trailer and all: also ones that Seal would not make.
func independentSeal(t *testing.T, c combination, p Params, sequence uint64, body []byte) []byte {
	t.Helper()
	packet := binary.BigEndian.AppendUint32(nil, uint32(p.SPI))
	packet = binary.BigEndian.AppendUint32(packet, uint32(sequence))
	if c.encryption.AEAD() {
		n := len(p.Key) - 4
		aead, err := independentAEAD(c.encryption, p.Key[:n])
		if err != nil {
			t.Fatal(err)
		}
		iv := []byte("12345678")
		return aead.Seal(append(packet, iv...), append(bytes.Clone(p.Key[n:]), iv...), body, independentlyAssociated(p, packet[:8], uint32(sequence>>32)))
	}
	block, err := aes.NewCipher(p.Key)
	if err != nil {
		t.Fatal(err)
	}
	iv, ciphertext := []byte("0123456789abcdef"), make([]byte, len(body))
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(ciphertext, body)
	packet = append(append(packet, iv...), ciphertext...)
	return append(packet, independentICV(c, p, packet, uint32(sequence>>32))[:hmacs[c.integrity].icvLen]...)
}

// RFC 2404 and RFC 4868 section 2.3: half the hash, but 96 bits of SHA-1.
var hmacs = map[ike.Integrity]struct {
	newHash func() hash.Hash
	icvLen  int
}{
	ike.HMACSHA1:   {sha1.New, 12},
	ike.HMACSHA256: {sha256.New, 16},
	ike.HMACSHA384: {sha512.New384, 24},
	ike.HMACSHA512: {sha512.New, 32},
}

func TestSealMatchesIndependentComposition(t *testing.T) {
	for _, c := range combinations() {
		t.Run(c.name, func(t *testing.T) {
			p := c.params(t)
			s, err := NewSealer(p)
			if err != nil {
				t.Fatal(err)
			}
			ivs := map[string]bool{}
			for n := range 100 {
				slot := make([]byte, HeadroomMax+n+TailroomMax)
				payload := bytes.Repeat([]byte{byte(n)}, n)
				copy(slot[HeadroomMax:], payload)
				packet, err := s.Seal(slot, HeadroomMax, n, NextHeaderIPv4)
				if err != nil {
					t.Fatal(err)
				}
				if len(packet) != s.SealedLen(n) {
					t.Fatalf("packet of %d bytes, SealedLen says %d", len(packet), s.SealedLen(n))
				}
				if spi, seq := binary.BigEndian.Uint32(packet), binary.BigEndian.Uint32(packet[4:]); spi != uint32(p.SPI) || seq != uint32(n+1) {
					t.Fatalf("SPI %x, sequence number %d, want %x, %d", spi, seq, p.SPI, n+1)
				}
				iv := string(packet[8 : 8+s.ivLen])
				if ivs[iv] {
					t.Fatal("initialization vector used twice")
				}
				ivs[iv] = true
				body, err := independentOpen(c, p, 0, packet)
				if err != nil {
					t.Fatal(err)
				}
				pad := int(body[len(body)-2])
				if want := append(payload, body[n:]...); !bytes.Equal(body, want) || n+pad+2 != len(body) || body[len(body)-1] != 4 || pad >= 16 {
					t.Fatalf("body %x for payload of %d", body, n)
				}
				for i, b := range body[n : n+pad] {
					if b != byte(i+1) {
						t.Fatalf("padding %x", body[n:n+pad])
					}
				}
			}
		})
	}
}

// AWS's published table: the reference of Inside.
func TestInside(t *testing.T) {
	tests := []struct {
		name       string
		plain, udp int
	}{
		{"aes128gcm16", 1446, 1438},
		{"aes256gcm16", 1446, 1438},
		{"aes128-sha1", 1438, 1422},
		{"aes256-sha256", 1438, 1422},
		{"aes128-sha384", 1422, 1422},
		{"aes256-sha512", 1422, 1406},
	}
	for _, tt := range tests {
		proposal, err := ike.ParseESPProposal(tt.name)
		if err != nil {
			t.Fatal(err)
		}
		s := sealerOf(t, proposal)
		if plain, udp := s.Inside(1500-20), s.Inside(1500-28); plain != tt.plain || udp != tt.udp {
			t.Errorf("%s: %d and %d in UDP, want %d and %d", tt.name, plain, udp, tt.plain, tt.udp)
		}
		if n := s.Inside(20); n != 0 {
			t.Errorf("%s: %d bytes fit into 20", tt.name, n)
		}
	}
}

// Inside is the largest that fits: one byte more does not.
func TestInsideIsTight(t *testing.T) {
	for _, c := range combinations() {
		s := sealerOf(t, ike.ESPProposal{Encryption: c.encryption, Integrity: c.integrity})
		for _, room := range []int{1252, 1372, 1464, 1472, 8972} {
			n := s.Inside(room)
			if fits, over := s.SealedLen(n), s.SealedLen(n+1); fits > room || over <= room {
				t.Errorf("%s in %d: %d gives %d, %d gives %d", c.name, room, n, fits, n+1, over)
			}
		}
	}
}

func sealerOf(t *testing.T, proposal ike.ESPProposal) *Sealer {
	t.Helper()
	for _, c := range combinations() {
		if c.encryption != proposal.Encryption || c.integrity != proposal.Integrity {
			continue
		}
		s, err := NewSealer(c.params(t))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	t.Fatalf("no combination for %v", proposal)
	return nil
}
