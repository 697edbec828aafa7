package interop

import (
	"fmt"
	"strings"
	"testing"

	"causeway.dev/ike"
)

// Algorithms that AWS does not have, and AWS's groups with small subgroups, in both
// phases, each side beginning, with a rekey of both kinds.
func TestIKEv2AlgorithmsBeyondTheUsual(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	peer := s.peer.StartCharon(theirConnection("aes128-sha256-modp2048", "aes128gcm16").String())
	for i, c := range []struct{ theirIKE, theirESP, ourIKE, ourESP string }{
		{"chacha20poly1305-prfsha256-curve25519", "chacha20poly1305-curve25519", "chacha20poly1305-prfsha256-group31", "chacha20poly1305-group31"},
		{"aes256gcm16-prfsha384-curve448", "chacha20poly1305-curve448", "aes256gcm16-prfsha384-x448", "chacha20poly1305-x448"},
		{"aes128-sha1-modp1024s160", "aes128-sha1-modp1024s160", "aes128-sha1-group22", "aes128-sha1-group22"},
		{"aes256-sha256-modp2048s224", "aes256-sha256-modp2048s256", "aes256-sha256-group23", "aes256-sha256-group24"},
		{"aes256-sha512-modp8192", "aes256-sha512-modp8192", "aes256-sha512-group18", "aes256-sha512-group18"},
	} {
		for _, weStart := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d_%s_we_start_%v", i, c.ourIKE, weStart), func(t *testing.T) {
				our := ours()
				our.ike, our.esp, our.start = c.ourIKE, c.ourESP, weStart
				peer.Configure(theirConnection(c.theirIKE, c.theirESP).String())
				gw := startAppliance(s.lab, s.our, "ours", our)
				defer gw.Stop()
				if !weStart {
					if err := peer.Initiate("net"); err != nil {
						t.Fatal(err)
					}
				}
				gw.waitUp(true, soon)
				want, err := ike.ParseIKEProposal(c.ourIKE)
				if err != nil {
					t.Fatal(err)
				}
				if m := gw.state().Message; !strings.Contains(m, want.String()) {
					t.Errorf("message %q does not name %v", m, want)
				}
				pingsSoon(s)
				for _, what := range []string{"--child", "--ike"} {
					name := map[string]string{"--child": "net", "--ike": "gw"}[what]
					if out, err := peer.Control("--rekey", what, name); err != nil {
						t.Fatal(out)
					}
				}
				pings(t, s.our, ourInside, peerInside)
				pings(t, s.peer, peerInside, ourInside)
			})
		}
	}
}
