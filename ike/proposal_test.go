package ike

import (
	"fmt"
	"strings"
	"testing"
)

func TestProposalsRoundTrip(t *testing.T) {
	for _, s := range []string{"aes128-sha1-group2", "aes256-sha512-group21", "aes128gcm16-prfsha256-group14", "aes256gcm16-prfsha384-group20",
		"chacha20poly1305-prfsha512-group31", "aes256-sha384-group24+mlkem768", "aes256gcm16-prfsha384-group32+mlkem1024+mlkem768"} {
		p, err := ParseIKEProposal(s)
		if err != nil || p.String() != s {
			t.Errorf("ParseIKEProposal(%q) = %v, %v", s, p, err)
		}
	}
	for _, s := range []string{"aes128-sha1", "aes128-sha256-group19", "aes256gcm16", "aes128gcm16-group14", "chacha20poly1305-group19+mlkem1024", "aes128gcm16-esn", "aes256-sha1-group2-esn"} {
		p, err := ParseESPProposal(s)
		if err != nil || p.String() != s {
			t.Errorf("ParseESPProposal(%q) = %v, %v", s, p, err)
		}
	}
}

// Every name that AWS and strongSwan have for an algorithm is taken.
func TestOthersNames(t *testing.T) {
	for s, want := range map[string]string{
		"AES256-SHA2-384-group20":              "aes256-sha384-group20",
		"AES128-GCM-16-prfsha256-group14":      "aes128gcm16-prfsha256-group14",
		"aes256gcm128-prfsha512-modp8192":      "aes256gcm16-prfsha512-group18",
		"aes128-sha2_256-modp1024s160":         "aes128-sha256-group22",
		"aes128-sha1-modp2048s224":             "aes128-sha1-group23",
		"aes128-sha1-modp2048s256":             "aes128-sha1-group24",
		"chacha20poly1305-prfsha256-x25519":    "chacha20poly1305-prfsha256-group31",
		"CHACHA20-POLY1305-prfsha256-curve448": "chacha20poly1305-prfsha256-group32",
		"aes256-sha256-x448-ke1_mlkem768":      "aes256-sha256-group32+mlkem768",
	} {
		p, err := ParseIKEProposal(s)
		if err != nil || p.String() != want {
			t.Errorf("ParseIKEProposal(%q) = %v, %v, want %s", s, p, err, want)
		}
	}
}

// The group is shown as it was negotiated.
func TestKeyExchangeIsShown(t *testing.T) {
	for s, want := range map[string]string{
		"aes128-sha1-group2":                              "2",
		"aes256gcm16-prfsha384-group19+mlkem768":          "19+mlkem768",
		"aes256-sha384-curve25519-ke1_mlkem1024":          "31+mlkem1024",
		"aes256-sha384-curve25519-mlkem1024+mlkem768":     "31+mlkem1024+mlkem768",
		"aes256-sha384-ecp384-ke1_mlkem768-ke2_mlkem1024": "20+mlkem768+mlkem1024",
	} {
		if p, err := ParseIKEProposal(s); err != nil || p.KeyExchange() != want {
			t.Errorf("%q: key exchange %s, %v, want %s", s, p.KeyExchange(), err, want)
		}
	}
}

func TestIntegrityImpliesPRF(t *testing.T) {
	p, err := ParseIKEProposal("aes256-sha384-ecp384")
	if err != nil || p.PRF != PRFHMACSHA384 || p.Group != Group20 {
		t.Fatalf("got %+v, %v", p, err)
	}
}

func TestBadProposalsSayWhatIsWrong(t *testing.T) {
	for s, want := range map[string]string{
		"":                           "not an algorithm",
		"aes128":                     "no Diffie-Hellman group",
		"aes128-group14":             "no integrity algorithm",
		"aes128gcm16-sha256-group14": "prfsha256",
		"aes128gcm16-group14":        "no PRF",
		"sha256-group14":             "no encryption",
		"aes128-sha256-group3":       `"group3" is not`,
		"aes128-sha256-mlkem768":     "no Diffie-Hellman group",
		"aes128-sha256-group19+mlkem768+mlkem768": "twice",
		"aes128-sha256-group19-ke8_mlkem768":      `"ke8_mlkem768" is not`,
		"des-md5-group1":                          `"des" is not`,
	} {
		if _, err := ParseIKEProposal(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseIKEProposal(%q) = %v, want %q", s, err, want)
		}
	}
	for s, want := range map[string]string{
		"aes128-prfsha1":       "no PRF",
		"aes256gcm16+mlkem768": "no Diffie-Hellman group",
	} {
		if _, err := ParseESPProposal(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseESPProposal(%q) = %v, want %q", s, err, want)
		}
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	s := Secret("hunter22")
	for _, got := range []string{fmt.Sprint(s), fmt.Sprintf("%v %s %#v %d %x %q", s, s, s, s, s, s), fmt.Sprintf("%v", Peer{PreSharedKey: s})} {
		if strings.Contains(got, "hunter") || strings.Contains(got, "104 117") {
			t.Errorf("secret printed: %s", got)
		}
	}
}
