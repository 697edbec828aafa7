package interop

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// theirIKEv1 is charon's side of a connection by IKEv1.
func theirIKEv1(ike, esp string) connection {
	c := theirConnection(ike, esp)
	c.version = 1
	return c
}

func oursIKEv1(ike, esp string) side {
	our := ours()
	our.ike, our.esp = ike, esp
	our.more = "    ike_versions: [ikev1]\n"
	return our
}

// A proposal in both notations.
type notation struct{ theirs, ours string }

// The algorithms of phase 1, of ESP, and the groups of both.
var (
	phase1Ciphers = []notation{
		{"aes128-sha1", "aes128-sha1"}, {"aes256-sha256", "aes256-sha256"}, {"aes128-sha384", "aes128-sha384"}, {"aes256-sha512", "aes256-sha512"},
		{"aes256-sha1", "aes256-sha1"}, {"aes128-sha256", "aes128-sha256"}, {"aes256-sha384", "aes256-sha384"}, {"aes128-sha512", "aes128-sha512"},
	}
	phase2Ciphers = []notation{
		{"aes128-sha1", "aes128-sha1"}, {"aes256-sha256", "aes256-sha256"}, {"aes128gcm16", "aes128gcm16"}, {"aes128-sha384", "aes128-sha384"},
		{"aes256gcm16", "aes256gcm16"}, {"aes256-sha512", "aes256-sha512"},
	}
	groupsOfBoth = []notation{
		{"modp1024", "group2"}, {"modp2048", "group14"}, {"modp3072", "group15"}, {"modp4096", "group16"}, {"ecp256", "group19"}, {"ecp384", "group20"}, {"ecp521", "group21"},
		{"modp1024s160", "group22"}, {"modp2048s224", "group23"}, {"modp2048s256", "group24"}, {"modp6144", "group17"}, {"modp8192", "group18"},
	}
)

// Each algorithm of IKEv1 at least once, each side beginning.
func TestIKEv1Proposals(t *testing.T) {
	s := newScene(t)
	peer := s.peer.StartCharon(theirIKEv1("aes128-sha256-modp2048", "aes128gcm16").String())
	for i, group := range groupsOfBoth {
		phase1, phase2 := phase1Ciphers[i%len(phase1Ciphers)], phase2Ciphers[i%len(phase2Ciphers)]
		weStart := i%2 == 1
		t.Run(fmt.Sprintf("%s-%s_%s_we_start_%v", phase1.ours, group.ours, phase2.ours, weStart), func(t *testing.T) {
			their := theirIKEv1(phase1.theirs+"-"+group.theirs, phase2.theirs+"-"+group.theirs)
			our := oursIKEv1(phase1.ours+"-"+group.ours, phase2.ours+"-"+group.ours)
			our.start = weStart
			peer.Configure(their.String())
			gw := startAppliance(s.lab, s.our, "ours", our)
			defer gw.Stop()
			if !weStart {
				gw.waitMessage("no packet from "+peerAddress, 5*time.Second)
				if err := peer.Initiate("net"); err != nil {
					t.Fatal(err)
				}
			}
			gw.waitUp(true, 10*time.Second)
			if m := gw.state().Message; !strings.HasPrefix(m, "IKEv1 "+our.ike) || !strings.Contains(m, phase2.ours) {
				t.Errorf("message %q does not name IKEv1 %s and %s", m, our.ike, phase2.ours)
			}
			pings(t, s.our, ourInside, peerInside)
			pings(t, s.peer, peerInside, ourInside)
		})
	}
}
