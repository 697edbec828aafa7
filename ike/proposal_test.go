package ike

import (
	"fmt"
	"strings"
	"testing"
)

func TestProposalsRoundTrip(t *testing.T) {
	for _, s := range []string{"aes128-sha1-group2", "aes256-sha512-group21", "aes128gcm16-prfsha256-group14", "aes256gcm16-prfsha384-group20"} {
		p, err := ParseIKEProposal(s)
		if err != nil || p.String() != s {
			t.Errorf("ParseIKEProposal(%q) = %v, %v", s, p, err)
		}
	}
	for _, s := range []string{"aes128-sha1", "aes128-sha256-group19", "aes256gcm16", "aes128gcm16-group14"} {
		p, err := ParseESPProposal(s)
		if err != nil || p.String() != s {
			t.Errorf("ParseESPProposal(%q) = %v, %v", s, p, err)
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
		"des-md5-group1":             `"des" is not`,
	} {
		if _, err := ParseIKEProposal(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseIKEProposal(%q) = %v, want %q", s, err, want)
		}
	}
	if _, err := ParseESPProposal("aes128-prfsha1"); err == nil {
		t.Error("an ESP proposal with a PRF was taken")
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
