package keys

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"net/netip"
	"testing"

	"causeway.dev/ike"
)

// A vector of NIST's validation of IKEv2 key derivation (SP 800-135): SHA-1,
// nonces of 8 octets. Its 132 octets of key material are as many as
// AES-128-CBC with HMAC-SHA1 takes.
const (
	nistNi       = "32b50d5f4a3763f3"
	nistNr       = "9206a04b26564cb1"
	nistSPIi     = 0x34c9e7c188868785
	nistSPIr     = 0x3ff77d760d2b2199
	nistShared   = "4b2c1f971981a8ad8d0abeafabf38cf75fc8349c148142465ed9c8b516b8be52"
	nistNew      = "863f3c9d06efd39d2b907b97f8699e5dd5251ef64a2a176f36ee40c87d4f9330"
	nistMaterial = `a14293677cc80ff8f9cc0eee30d895da9d8f405666e30ef0dfcb63c634a46002a2a63080e514a062
		768b76606f9fa5e992204fc5a670bde3f10d6b027113936a5c55b648a194ae587b0088d52204b702c979fa280870d2ed
		41efa9c549fd11198af1670b143d384bd275c5f594cf266b05ebadca855e4249520a441a81157435a7a56cc4`
	nistChild = `8059e3ee8810e6c3a91bc8bcd2a7a41151b8d0e6ae239c7b38093ad85ef4c5811a8e7b5d1cdabd9560b2
		d5e092d1f24e2d4b85eccdf0ad0dc9abd94b51ee71814ca6dbc8bb51b6309f5b9545c7eb35cf5580b1e521a8fe20754a
		2d883ba0c2cf285f524aea6545b33106bc03e614296d319d41d4b50b3f510b1c0a22f3e664994d234cb4`
	nistChildDH = `bb43244c1860ad65ee1e211ffe8bb3661750c8f89cb9f547df7f4fa61d37301628190e38c66232eab4b3
		ab14c400a5197dd3730ed4820a8a10394d51e1c0400052f63ebd36b0e7ef53aaed31eba4a5080d7d4b5666023a8bbb5f
		fb7857240f9a05884d1b7d2f933708450b7b3288f1fc863ab49fa901227cffc06e27899c7054d56fd74c`
	nistRekeySeed = "63e81194946ebd05df7df5ebf5d8750056bf1f1d"
)

var nistSuite = ike.IKEProposal{Encryption: ike.AES128CBC, Integrity: ike.HMACSHA1, PRF: ike.PRFHMACSHA1, Group: ike.Group2}

func nistKeys(t *testing.T) SuiteKeys {
	return DeriveIKE(nistSuite, unhex(t, nistNi), unhex(t, nistNr), unhex(t, nistShared), nistSPIi, nistSPIr)
}

func (k *SuiteKeys) inOrder() []byte { return concat(k.D, k.Ai, k.Ar, k.Ei, k.Er, k.Pi, k.Pr) }

// RFC 7296 section 2.14.
func TestDeriveIKE(t *testing.T) {
	k := nistKeys(t)
	if got := k.inOrder(); !bytes.Equal(got, unhex(t, nistMaterial)) {
		t.Errorf("keys in their order are %x", got)
	}
	for name, length := range map[string][2]int{
		"SK_d": {len(k.D), 20}, "SK_ai": {len(k.Ai), 20}, "SK_ar": {len(k.Ar), 20}, "SK_ei": {len(k.Ei), 16},
		"SK_er": {len(k.Er), 16}, "SK_pi": {len(k.Pi), 20}, "SK_pr": {len(k.Pr), 20},
	} {
		if length[0] != length[1] {
			t.Errorf("%s has %d octets, want %d", name, length[0], length[1])
		}
	}
}

// RFC 7296 section 2.18: the old SA's prf makes the seed, the new suite's the keys.
func TestDeriveRekeyedIKE(t *testing.T) {
	newSuite := ike.IKEProposal{Encryption: ike.AES256GCM16, PRF: ike.PRFHMACSHA512, Group: ike.Group20}
	ni, nr := unhex(t, nistNi), unhex(t, nistNr)
	got := DeriveRekeyedIKE(newSuite, ike.PRFHMACSHA1, nistKeys(t).D, ni, nr, unhex(t, nistNew), 1, 2)
	want := expandIKE(newSuite, unhex(t, nistRekeySeed), ni, nr, 1, 2)
	if !bytes.Equal(got.inOrder(), want.inOrder()) {
		t.Errorf("keys in their order are %x, want %x", got.inOrder(), want.inOrder())
	}
	if len(got.Ei) != 32+4 || len(got.Ai) != 0 || len(got.D) != 64 {
		t.Errorf("SK_ei has %d octets, SK_ai %d, SK_d %d; want 36, 0 and 64", len(got.Ei), len(got.Ai), len(got.D))
	}
}

// RFC 7296 section 2.17, without and with perfect forward secrecy.
func TestDeriveChild(t *testing.T) {
	p := ike.ESPProposal{Encryption: ike.AES256CBC, Integrity: ike.HMACSHA256}
	for _, c := range []struct {
		name     string
		shared   []byte
		material string
	}{{"first child", nil, nistChild}, {"with Diffie-Hellman", unhex(t, nistNew), nistChildDH}} {
		k := DeriveChild(p, ike.PRFHMACSHA1, nistKeys(t).D, c.shared, unhex(t, nistNi), unhex(t, nistNr))
		got := concat(k.InitiatorEncryption, k.InitiatorIntegrity, k.ResponderEncryption, k.ResponderIntegrity)
		if want := unhex(t, c.material)[:2*(32+32)]; !bytes.Equal(got, want) {
			t.Errorf("%s: keys in their order are %x, want %x", c.name, got, want)
		}
		if len(k.InitiatorEncryption) != 32 || len(k.ResponderIntegrity) != 32 {
			t.Errorf("%s: keys of %d and %d octets", c.name, len(k.InitiatorEncryption), len(k.ResponderIntegrity))
		}
	}
}

func TestWipe(t *testing.T) {
	k := nistKeys(t)
	d := k.D
	k.Wipe()
	if !bytes.Equal(d, make([]byte, len(d))) {
		t.Error("SK_d can still be read")
	}
	if len(k.inOrder()) != 0 {
		t.Error("a key is left")
	}
}

// RFC 2202 section 3 and RFC 4868 section 2.7.1 (the data is RFC 4231's), test
// case 1 of each.
func TestPRF(t *testing.T) {
	for p, want := range map[ike.PRF]string{
		ike.PRFHMACSHA1:   "b617318655057264e28bc0b6fb378c8ef146be00",
		ike.PRFHMACSHA256: "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
		ike.PRFHMACSHA384: "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59cfaea9ea9076ede7f4af152e8b2fa9cb6",
		ike.PRFHMACSHA512: `87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde
			daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854`,
	} {
		if got := prf(p, bytes.Repeat([]byte{0x0b}, 20), []byte("Hi "), []byte("There")); !bytes.Equal(got, unhex(t, want)) {
			t.Errorf("%v = %x, want %s", p, got, want)
		}
	}
}

// RFC 4868 section 2.7.2, test case 1 of each; RFC 2404 with RFC 2202's: the
// truncated checksum that goes into the message.
func TestChecksum(t *testing.T) {
	for integrity, want := range map[ike.Integrity]string{
		ike.HMACSHA1:   "b617318655057264e28bc0b6",
		ike.HMACSHA256: "198a607eb44bfbc69903a0f1cf2bbdc5",
		ike.HMACSHA384: "b6a8d5636f5c6a7224f9977dcf7ee6c7fb6d0c48cbdee973",
		ike.HMACSHA512: "637edc6e01dce7e6742a99451aae82df23da3e92439e590e43e761b33e910fb8",
	} {
		p := ike.IKEProposal{Encryption: ike.AES128CBC, Integrity: integrity}
		protector := NewProtector(p, make([]byte, 16), bytes.Repeat([]byte{0x0b}, IntegrityKeyLength(integrity)))
		if got := protector.sum([]byte("Hi There")); !bytes.Equal(got, unhex(t, want)) {
			t.Errorf("%v = %x, want %s", integrity, got, want)
		}
	}
}

// RFC 7296 section 2.15.
func TestAuthPSK(t *testing.T) {
	psk, skp := ike.Secret("secret"), ike.Secret("sk_pi")
	message, nonce, id := []byte("first message"), []byte("nonce of the other"), []byte("\x02\x00\x00\x00peer")
	auth := AuthPSK(ike.PRFHMACSHA1, psk, skp, message, nonce, id, nil)
	mac := func(key, data []byte) []byte { h := hmac.New(sha1.New, key); h.Write(data); return h.Sum(nil) }
	want := mac(mac(psk, []byte("Key Pad for IKEv2")), append(append(message, nonce...), mac(skp, id)...))
	if !Equal(auth, want) {
		t.Errorf("AUTH = %x, want %x", auth, want)
	}
	if Equal(auth, AuthPSK(ike.PRFHMACSHA1, ike.Secret("Secret"), skp, message, nonce, id, nil)) {
		t.Error("another key proves the same")
	}
}

// RFC 7296 section 2.23, against SHA-1 of the octets written out.
func TestNATDetectionHash(t *testing.T) {
	for addr, octets := range map[string]string{
		"192.0.2.1:500":          "1122334455667788 99aabbccddeeff00 c0000201 01f4",
		"[::ffff:192.0.2.1]:500": "1122334455667788 99aabbccddeeff00 c0000201 01f4",
		"[2001:db8::1]:4500":     "1122334455667788 99aabbccddeeff00 20010db8000000000000000000000001 1194",
	} {
		got := NATDetectionHash(0x1122334455667788, 0x99aabbccddeeff00, netip.MustParseAddrPort(addr))
		if want := sha1.Sum(unhex(t, octets)); got != want {
			t.Errorf("%s: %x, want %x", addr, got, want)
		}
	}
}

// RFC 7296 section 2.6: a cookie is good for one initiator, one nonce, one
// source and as long as the secret lives. RFC 7296 section 3.10.1: up to 64 octets.
func TestCookie(t *testing.T) {
	secret, nonce, addr := ike.Secret("secret"), []byte("nonce"), netip.MustParseAddrPort("192.0.2.1:500")
	of := func(secret ike.Secret, nonce []byte, addr netip.AddrPort, spii uint64) []byte {
		return NewCookies(secret).Of(nonce, addr, spii)
	}
	cookie := of(secret, nonce, addr, 7)
	if len(cookie) == 0 || len(cookie) > 64 || !Equal(cookie, of(secret, nonce, addr, 7)) {
		t.Fatalf("cookie %x is not repeatable or of a wrong length", cookie)
	}
	for what, other := range map[string][]byte{
		"secret": of(ike.Secret("another"), nonce, addr, 7),
		"nonce":  of(secret, []byte("other"), addr, 7),
		"source": of(secret, nonce, netip.MustParseAddrPort("192.0.2.2:500"), 7),
		"port":   of(secret, nonce, netip.MustParseAddrPort("192.0.2.1:501"), 7),
		"SPI":    of(secret, nonce, addr, 8),
	} {
		if Equal(cookie, other) {
			t.Errorf("cookie is the same for another %s", what)
		}
	}
}

func TestValidate(t *testing.T) {
	for _, group := range groups {
		for _, integrity := range []ike.Integrity{ike.HMACSHA1, ike.HMACSHA256, ike.HMACSHA384, ike.HMACSHA512} {
			p := ike.IKEProposal{Encryption: ike.AES256CBC, Integrity: integrity, PRF: ike.PRF(integrity), Group: group}
			if err := ValidateIKE(p); err != nil {
				t.Errorf("%v: %v", p, err)
			}
		}
	}
	good := ike.IKEProposal{Encryption: ike.AES128GCM16, PRF: ike.PRFHMACSHA256, Group: ike.Group19}
	if err := ValidateIKE(good); err != nil {
		t.Errorf("%v: %v", good, err)
	}
	for what, change := range map[string]func(*ike.IKEProposal){
		"no PRF":                func(p *ike.IKEProposal) { p.PRF = ike.PRFNone },
		"unknown PRF":           func(p *ike.IKEProposal) { p.PRF = 5 },
		"no group":              func(p *ike.IKEProposal) { p.Group = ike.GroupNone },
		"unknown group":         func(p *ike.IKEProposal) { p.Group = 25 },
		"no cipher":             func(p *ike.IKEProposal) { p.Encryption = ike.EncryptionNone },
		"unknown cipher":        func(p *ike.IKEProposal) { p.Encryption = ike.ChaCha20Poly1305 + 1 },
		"AEAD with integrity":   func(p *ike.IKEProposal) { p.Integrity = ike.HMACSHA1 },
		"CBC without integrity": func(p *ike.IKEProposal) { p.Encryption = ike.AES128CBC },
		"a KEM for a group":     func(p *ike.IKEProposal) { p.Group = ike.MLKEM768 },
		"a group for a KEM":     func(p *ike.IKEProposal) { p.Additional[0] = ike.Group19 },
		"a KEM twice":           func(p *ike.IKEProposal) { p.Additional = ike.AdditionalGroups{ike.MLKEM768, ike.MLKEM768} },
		"a gap":                 func(p *ike.IKEProposal) { p.Additional[1] = ike.MLKEM768 },
		"unknown integrity":     func(p *ike.IKEProposal) { p.Encryption, p.Integrity = ike.AES128CBC, 5 },
	} {
		bad := good
		change(&bad)
		if ValidateIKE(bad) == nil {
			t.Errorf("IKE proposal with %s is taken", what)
		}
	}
	if err := ValidateESP(ike.ESPProposal{Encryption: ike.AES128GCM16}); err != nil {
		t.Errorf("ESP proposal without PFS: %v", err)
	}
	for _, bad := range []ike.ESPProposal{{}, {Encryption: ike.AES128CBC}, {Encryption: ike.AES128GCM16, Group: 1},
		{Encryption: ike.AES128GCM16, Additional: ike.AdditionalGroups{ike.MLKEM768}}, {Encryption: ike.AES128GCM16, Group: ike.Group19, Additional: ike.AdditionalGroups{ike.Group2}}} {
		if ValidateESP(bad) == nil {
			t.Errorf("%v is taken", bad)
		}
	}
}
