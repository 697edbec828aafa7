package keys

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"hash"
	"math/rand/v2"
	"testing"

	"causeway.dev/ike"
)

// A second derivation of keys, from the RFCs' text in its plainest form, which shares
// nothing with the first: octets are joined, hashed and cut.

var plainHashes = map[ike.PRF]func() hash.Hash{
	ike.PRFHMACSHA1: sha1.New, ike.PRFHMACSHA256: sha256.New, ike.PRFHMACSHA384: sha512.New384, ike.PRFHMACSHA512: sha512.New,
}

func plainPRF(p ike.PRF, key []byte, data string) string {
	h := hmac.New(plainHashes[p], key)
	h.Write([]byte(data))
	return string(h.Sum(nil))
}

// RFC 7296 section 2.13: T1 = prf (K, S | 0x01), T2 = prf (K, T1 | S | 0x02), …
func plainPRFPlus(p ike.PRF, key, s string, length int) string {
	all, t := "", ""
	for n := 1; len(all) < length; n++ {
		t = plainPRF(p, []byte(key), t+s+string([]byte{byte(n)}))
		all += t
	}
	return all[:length]
}

var (
	plainKeys      = map[ike.Encryption]int{ike.AES128CBC: 16, ike.AES256CBC: 32, ike.AES128GCM16: 20, ike.AES256GCM16: 36, ike.ChaCha20Poly1305: 36}
	plainIntegrity = map[ike.Integrity]int{ike.IntegrityNone: 0, ike.HMACSHA1: 20, ike.HMACSHA256: 32, ike.HMACSHA384: 48, ike.HMACSHA512: 64}
	plainPRFs      = map[ike.PRF]int{ike.PRFHMACSHA1: 20, ike.PRFHMACSHA256: 32, ike.PRFHMACSHA384: 48, ike.PRFHMACSHA512: 64}
)

func plainSPI(spi uint64) string {
	var b [8]byte
	for i := range b {
		b[i] = byte(spi >> (56 - 8*i))
	}
	return string(b[:])
}

// RFC 7296 section 2.14.
func plainExpand(p ike.IKEProposal, seed, ni, nr string, spii, spir uint64) []string {
	d, a, e := plainPRFs[p.PRF], plainIntegrity[p.Integrity], plainKeys[p.Encryption]
	material := plainPRFPlus(p.PRF, seed, ni+nr+plainSPI(spii)+plainSPI(spir), 3*d+2*a+2*e)
	var keys []string
	for _, n := range []int{d, a, a, e, e, d, d} {
		keys, material = append(keys, material[:n]), material[n:]
	}
	return keys
}

func (k *SuiteKeys) each() []string {
	return []string{string(k.D), string(k.Ai), string(k.Ar), string(k.Ei), string(k.Er), string(k.Pi), string(k.Pr)}
}

// RFC 7296 sections 2.14, 2.17 and 2.18, RFC 9370 sections 2.2.2 and 2.2.4: for every
// suite, and for a life of an IKE SA: its beginning, additional key exchanges, child
// SAs with and without any exchange of their own, and a rekey to another suite.
func TestDerivationsAgreeWithPlainOnes(t *testing.T) {
	random := rand.NewChaCha8([32]byte{1})
	octets := func(n int) []byte { b := make([]byte, n); random.Read(b); return b }
	var suites []ike.IKEProposal
	for prf := range plainPRFs {
		for e := range plainKeys {
			for i := range plainIntegrity {
				if p := (ike.IKEProposal{Encryption: e, Integrity: i, PRF: prf, Group: ike.Group19}); ValidateIKE(p) == nil {
					suites = append(suites, p)
				}
			}
		}
	}
	if len(suites) != 4*(2*4+3) {
		t.Fatalf("%d suites", len(suites))
	}
	same := func(what string, p ike.IKEProposal, got SuiteKeys, want []string) {
		for i, name := range []string{"SK_d", "SK_ai", "SK_ar", "SK_ei", "SK_er", "SK_pi", "SK_pr"} {
			if got.each()[i] != want[i] {
				t.Errorf("%v, %s: %s is %x, want %x", p, what, name, got.each()[i], want[i])
			}
		}
	}
	for n, p := range suites {
		ni, nr, shared := octets(16+n%241), octets(32), octets(32+n)
		spii, spir := uint64(n)<<40+1, uint64(n)<<50+2
		k := DeriveIKE(p, ni, nr, shared, spii, spir)
		want := plainExpand(p, plainPRF(p.PRF, []byte(string(ni)+string(nr)), string(shared)), string(ni), string(nr), spii, spir)
		same("IKE_SA_INIT", p, k, want)

		for range n % 3 {
			secret := octets(32)
			k = DeriveIntermediate(p, k.D, secret, ni, nr, spii, spir)
			want = plainExpand(p, plainPRF(p.PRF, []byte(want[0]), string(secret)+string(ni)+string(nr)), string(ni), string(nr), spii, spir)
			same("IKE_INTERMEDIATE", p, k, want)
		}

		for exchanges := range 4 { // none, one, and with additional ones
			ni, nr := octets(32), octets(20)
			var shared ike.Secret
			var additional []ike.Secret
			seed := ""
			if exchanges > 0 {
				shared = octets(66)
				seed = string(shared)
			}
			seed += string(ni) + string(nr)
			for range max(0, exchanges-1) {
				secret := octets(32)
				additional = append(additional, secret)
				seed += string(secret)
			}
			child := ike.ESPProposal{Encryption: p.Encryption, Integrity: p.Integrity}
			e, a := plainKeys[p.Encryption], plainIntegrity[p.Integrity]
			got := DeriveChild(child, p.PRF, k.D, shared, ni, nr, additional...)
			all := concat(got.InitiatorEncryption, got.InitiatorIntegrity, got.ResponderEncryption, got.ResponderIntegrity)
			if want := plainPRFPlus(p.PRF, want[0], seed, 2*(e+a)); string(all) != want || len(got.InitiatorEncryption) != e || len(got.ResponderIntegrity) != a {
				t.Errorf("%v: child SA of %d exchanges has %x, want %x", p, exchanges, all, want)
			}

			if exchanges == 0 {
				continue // an IKE SA is never rekeyed without
			}
			next := suites[(n+7*exchanges)%len(suites)]
			rekeyed := DeriveRekeyedIKE(next, p.PRF, k.D, ni, nr, shared, spir, spii, additional...)
			seed = plainPRF(p.PRF, []byte(want[0]), string(shared)+string(ni)+string(nr))
			if exchanges > 1 {
				seed = string(shared) + string(ni) + string(nr)
				for _, secret := range additional {
					seed += string(secret)
				}
				seed = plainPRF(p.PRF, []byte(want[0]), seed)
			}
			same("rekey", next, rekeyed, plainExpand(next, seed, string(ni), string(nr), spir, spii))
		}
	}
}

// Both sides of every group, and of every agreement that is handed out, come to the
// same secret.
func TestAgreementsAgree(t *testing.T) {
	random := rand.NewChaCha8([32]byte{2})
	for _, group := range groups {
		ours, err := NewDH(group, random)
		if err != nil {
			t.Fatal(err)
		}
		pair := ours.Agree(nil)
		ours.Wipe() // what was handed out has its own
		pair.Compute()
		theirs, err := NewDH(group, random)
		if err != nil {
			t.Fatal(err)
		}
		answer := theirs.Agree(pair.DH().Public())
		answer.Compute()
		b, err := answer.Shared()
		if err != nil || !answer.Of(group, pair.DH().Public()) || answer.Of(group, answer.DH().Public()) {
			t.Fatalf("group %d: %v", group, err)
		}
		last := pair.DH().Agree(answer.DH().Public())
		last.Compute()
		a, err := last.Shared()
		if err != nil || !bytes.Equal(a, b) || len(a) == 0 {
			t.Errorf("group %d: secrets %x and %x, %v", group, []byte(a), []byte(b), err)
		}
		unread := pair.DH().Agree(answer.DH().Public())
		unread.Compute()
		secret := unread.shared
		unread.Wipe()
		if len(secret) == 0 || !bytes.Equal(secret, make([]byte, len(secret))) {
			t.Errorf("group %d: a secret that nobody took can still be read", group)
		}
	}
}
