package plan

import (
	"testing"

	"causeway.dev/nodespec"
	"causeway.dev/resource"
)

func algorithms(encryption, integrity string, group int32) resource.Algorithms {
	return resource.Algorithms{Encryption: encryption, Integrity: integrity, DHGroup: group}
}

func TestNegotiatedInTheirWords(t *testing.T) {
	for _, c := range []struct {
		seen nodespec.Negotiated
		want resource.Negotiated
	}{
		{},
		{
			nodespec.Negotiated{IKEVersion: "ikev2", IKE: "aes256gcm16-prfsha384-group20+mlkem768", ESP: "aes128gcm16"},
			resource.Negotiated{IKEVersion: "ikev2", Phase1: algorithms("AES256-GCM-16", "SHA2-384", 20), Phase2: algorithms("AES128-GCM-16", "", 0)},
		},
		{
			nodespec.Negotiated{IKEVersion: "ikev1", IKE: "aes128-sha1-group2", ESP: "aes256-sha256-group14"},
			resource.Negotiated{IKEVersion: "ikev1", Phase1: algorithms("AES128", "SHA1", 2), Phase2: algorithms("AES256", "SHA2-256", 14)},
		},
		{
			nodespec.Negotiated{IKEVersion: "ikev2", IKE: "chacha20poly1305-prfsha256-group31", ESP: "chacha20poly1305-group31"},
			resource.Negotiated{IKEVersion: "ikev2", Phase1: algorithms("chacha20poly1305", "SHA2-256", 31), Phase2: algorithms("chacha20poly1305", "", 31)},
		},
	} {
		if got := Negotiated(c.seen); got != c.want {
			t.Errorf("%+v: got %+v, want %+v", c.seen, got, c.want)
		}
	}
}
