package keys

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha1"
	"net/netip"
	"testing"

	"causeway.dev/ike"
)

// TestPhase1KnownAnswers holds the chain of keys against values that openssl's
// HMAC gave for the same inputs: RFC 2409 has no vectors.
func TestPhase1KnownAnswers(t *testing.T) {
	ni, nr := bytes.Repeat([]byte{0x11}, 16), bytes.Repeat([]byte{0x22}, 16)
	shared := ike.Secret(bytes.Repeat([]byte{0x33}, 128))
	const spii, spir = 0x0102030405060708, 0x1112131415161718
	p := ike.IKEProposal{Encryption: ike.AES256CBC, Integrity: ike.HMACSHA1, PRF: ike.PRFHMACSHA1, Group: ike.Group2}
	k := DerivePhase1(p, SKEYIDByKey(p.PRF, ike.Secret("causeway"), ni, nr), shared, spii, spir)
	for name, c := range map[string]struct {
		got  ike.Secret
		want string
	}{
		"SKEYID":   {k.ID, vectorSKEYID},
		"SKEYID_d": {k.D, vectorSKEYIDd},
		"SKEYID_a": {k.A, vectorSKEYIDa},
		"SKEYID_e": {k.E, vectorSKEYIDe},
		"key":      {k.Key, vectorKey},
	} {
		if !bytes.Equal(c.got, unhex(t, c.want)) {
			t.Errorf("%s is %x, want %s", name, []byte(c.got), c.want)
		}
	}
	if bySignature := SKEYIDBySignature(p.PRF, shared, ni, nr); !bytes.Equal(bySignature, unhex(t, vectorSKEYIDSignature)) {
		t.Errorf("SKEYID with signatures is %x", []byte(bySignature))
	}
	encryption, integrity := k.DerivePhase2(ike.ESPProposal{Encryption: ike.AES128CBC, Integrity: ike.HMACSHA1}, nil, 0xc0ffee01, ni, nr)
	if !bytes.Equal(append(encryption, integrity...), unhex(t, vectorKEYMAT)) {
		t.Errorf("KEYMAT is %x%x", []byte(encryption), []byte(integrity))
	}
	if proof := Phase1Proof(p.PRF, k.ID, []byte("g^xi"), []byte("g^xr"), spii, spir, []byte("SAi"), []byte("IDii")); !bytes.Equal(proof, unhex(t, vectorHASHI)) {
		t.Errorf("HASH_I is %x", proof)
	}
}

// TestPhase1Independently derives the same by loops written from RFC 2409 alone,
// for each hash and key length.
func TestPhase1Independently(t *testing.T) {
	sum := func(p ike.PRF, key []byte, parts ...[]byte) []byte {
		m := hmac.New(prfHash(p), key)
		m.Write(bytes.Join(parts, nil))
		return m.Sum(nil)
	}
	ni, nr, shared := []byte("nonce of the initiator"), []byte("nonce of the responder"), ike.Secret("g^xy")
	ckyI, ckyR := []byte{0, 0, 0, 0, 0, 0, 0, 1}, []byte{0, 0, 0, 0, 0, 0, 0, 2}
	for prfOf, esp := range map[ike.PRF]ike.ESPProposal{
		ike.PRFHMACSHA1:   {Encryption: ike.AES256GCM16, Group: ike.Group19},
		ike.PRFHMACSHA256: {Encryption: ike.AES256CBC, Integrity: ike.HMACSHA512},
		ike.PRFHMACSHA384: {Encryption: ike.AES128GCM16},
		ike.PRFHMACSHA512: {Encryption: ike.AES128CBC, Integrity: ike.HMACSHA384},
	} {
		k := DerivePhase1(ike.IKEProposal{Encryption: ike.AES256CBC, PRF: prfOf}, SKEYIDByKey(prfOf, ike.Secret("key"), ni, nr), shared, 1, 2)
		skeyid := sum(prfOf, []byte("key"), ni, nr)
		d := sum(prfOf, skeyid, shared, ckyI, ckyR, []byte{0})
		a := sum(prfOf, skeyid, d, shared, ckyI, ckyR, []byte{1})
		e := sum(prfOf, skeyid, a, shared, ckyI, ckyR, []byte{2})
		key := e
		if len(e) < 32 {
			k1 := sum(prfOf, e, []byte{0})
			key = append(k1, sum(prfOf, e, k1)...)
		}
		if !bytes.Equal(k.A, a) || !bytes.Equal(k.Key, key[:32]) {
			t.Errorf("%v: SKEYID_a or the cipher's key differs", prfOf)
		}
		length := EncryptionKeyLength(esp.Encryption) + IntegrityKeyLength(esp.Integrity)
		var material, block []byte
		for len(material) < length {
			block = sum(prfOf, d, block, []byte("g^xy of quick mode"), []byte{3}, []byte{0xc0, 0xff, 0xee, 0x01}, ni, nr)
			material = append(material, block...)
		}
		encryption, integrity := k.DerivePhase2(esp, ike.Secret("g^xy of quick mode"), 0xc0ffee01, ni, nr)
		if !bytes.Equal(append(encryption, integrity...), material[:length]) {
			t.Errorf("%v: KEYMAT differs", prfOf)
		}
		k.Wipe()
		if k.D != nil || k.Key != nil {
			t.Error("keys are left")
		}
	}
}

// TestPhase1Encryption: blocks chain from message to message.
func TestPhase1Encryption(t *testing.T) {
	k := Phase1Keys{Key: ike.Secret(bytes.Repeat([]byte{7}, 16)), hash: ike.PRFHMACSHA1}
	iv := k.Phase1IV([]byte("g^xi"), []byte("g^xr"))
	if whole := sha1.Sum([]byte("g^xig^xr")); !bytes.Equal(iv, whole[:16]) {
		t.Errorf("IV is %x", iv)
	}
	first, next := k.Encrypt([]byte("header"), iv, []byte("seventeen octets."))
	if len(first) != len("header")+32 || !bytes.Equal(next, first[len(first)-16:]) {
		t.Fatalf("%d octets, next IV %x", len(first), next)
	}
	block, _ := aes.NewCipher(k.Key)
	plain := make([]byte, 32)
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(plain, first[len("header"):])
	if want := append([]byte("seventeen octets."), make([]byte, 15)...); !bytes.Equal(plain, want) {
		t.Errorf("decrypted to %q", plain)
	}
	if got, err := k.Decrypt(iv, first[len("header"):]); err != nil || !bytes.Equal(got, plain) {
		t.Errorf("Decrypt: %q, %v", got, err)
	}
	for _, broken := range [][]byte{nil, make([]byte, 15), make([]byte, 33)} {
		if _, err := k.Decrypt(iv, broken); err == nil {
			t.Errorf("%d octets were decrypted", len(broken))
		}
	}
	if a, b := k.Phase2IV(next, 1), k.Phase2IV(next, 2); bytes.Equal(a, b) || len(a) != 16 {
		t.Errorf("IVs of two exchanges: %x, %x", a, b)
	}
}

// TestNATDHash: RFC 3947 section 3.2, by hand.
func TestNATDHash(t *testing.T) {
	want := sha1.Sum([]byte{0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 192, 0, 2, 1, 1, 0xf4})
	if got := NATDHash(ike.PRFHMACSHA1, 1, 2, netip.MustParseAddrPort("192.0.2.1:500")); !bytes.Equal(got, want[:]) {
		t.Errorf("got %x", got)
	}
}

const (
	vectorSKEYID          = "5e975e11a6c98336833bda88b2f0928979d6e2ae"
	vectorSKEYIDd         = "1e3b92d73282c3cdbfd10a1893ac432cdb20a732"
	vectorSKEYIDa         = "d8b2b5aa283ec4e9d089960ab6f6fad7d00fd163"
	vectorSKEYIDe         = "6d4682792732888b48852b228926f2aa70ea9ed9"
	vectorKey             = "2146038ed251a76a488401192a42ffef3366ea6bcd835d4884e53c12d3d9ba1c"
	vectorSKEYIDSignature = "c6f764a5a374f5202dd888b0c14f855686e3bf21"
	vectorKEYMAT          = "8ec4a83bd333a0594f81e6224acea8da0ee87f1185a5d2715782241578a7417680fb7916"
	vectorHASHI           = "12f5d2486216d891dce5a664705498f83482c6a7"
)
