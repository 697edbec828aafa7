package interop

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"causeway.dev/pki"
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

// pingsSoon pings until an answer comes: charon computes the keys of the largest
// groups only after its last message.
func pingsSoon(s scene) {
	s.lab.Eventually(soon, "a ping is answered", func() error {
		_, err := s.our.Try("ping", "-n", "-c", "1", "-W", "1", "-I", ourInside, peerInside)
		return err
	})
}

// Given a ping through the tunnel, when either side renews both phases every few
// seconds, then nothing is lost.
func TestIKEv1RekeysLoseNothing(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name               string
		theirIKE, theirESP string
		more               string
	}{
		{"strongSwan renews", "7s", "3s", ""},
		{"we renew", "", "", "    ike_lifetime: 9s\n    child_lifetime: 7s\n    rekey_margin: 1s\n"},
		{"both renew", "7s", "4s", "    ike_lifetime: 9s\n    child_lifetime: 8s\n    rekey_margin: 1s\n"},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			our := oursIKEv1("aes128-sha256-group14", "aes128gcm16-group14")
			our.more += c.more
			gw := startAppliance(s.lab, s.our, "ours", our)
			theirs := theirIKEv1("aes128-sha256-modp2048", "aes128gcm16-modp2048")
			theirs.rekeyIKE, theirs.rekeyESP = c.theirIKE, c.theirESP
			peer := s.peer.StartCharon(theirs.String())
			if err := peer.Initiate("net"); err != nil {
				t.Fatal(err)
			}
			gw.waitUp(true, soon)
			pingsSoon(s)
			sent, answered := s.peer.StartPing(ourInside, "0.02", "-I", peerInside, "-c", "900").Wait()
			if sent != answered || sent != 900 {
				t.Errorf("%d sent, %d answered", sent, answered)
			}
			mainModes, quickModes := strings.Count(peer.Log(), "] established between"), strings.Count(peer.Log(), "} established with SPIs")
			if mainModes < 2 || quickModes < 3 {
				t.Errorf("%d main modes and %d quick modes: it was not rekeyed", mainModes, quickModes)
			}
			t.Logf("%d pings, none lost; main modes %d, quick modes %d", sent, mainModes, quickModes)
		})
	}
}

// Given a tunnel, when the peer vanishes, then each side notices by DPD: ours is
// down with the reason, and strongSwan's question is answered as long as we live.
func TestIKEv1DeadPeer(t *testing.T) {
	t.Parallel()
	s := newScene(t, "nft")
	our := oursIKEv1("aes128-sha256-group14", "aes128gcm16-group14")
	our.more += "    dpd_timeout: 9s\n    dpd_action: clear\n"
	gw := startAppliance(s.lab, s.our, "ours", our)
	their := theirIKEv1("aes128-sha256-modp2048", "aes128gcm16-modp2048")
	their.more = "dpd_delay = 2s"
	peer := s.peer.StartCharon(their.String())
	if err := peer.Initiate("net"); err != nil {
		t.Fatal(err)
	}
	gw.waitUp(true, soon)
	s.lab.Eventually(soon, "R-U-THERE is answered", func() error {
		if !strings.Contains(peer.Log(), "N(DPD_ACK)") {
			return fmt.Errorf("no answer in charon's log")
		}
		return nil
	})
	time.Sleep(4 * time.Second)
	if !gw.state().Up {
		t.Fatalf("down though the peer lives: %+v", gw.state())
	}
	s.wire.Run("nft", "add table ip cut; add chain ip cut gap { type filter hook forward priority 0; policy drop; }")
	gw.waitUp(false, soon)
	gw.waitMessage("the peer is dead: it has not answered for", soon)
}

// Given a tunnel, when either side takes it down, then the other knows at once.
func TestIKEv1Deletes(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	gw := startAppliance(s.lab, s.our, "ours", oursIKEv1("aes128-sha256-group14", "aes128gcm16-group14"))
	peer := s.peer.StartCharon(theirIKEv1("aes128-sha256-modp2048", "aes128gcm16-modp2048").String())
	connect := func() {
		t.Helper()
		if err := peer.Initiate("net"); err != nil {
			t.Fatal(err)
		}
		gw.waitUp(true, soon)
	}
	connect()
	if out, err := peer.Control("--terminate", "--child", "net"); err != nil {
		t.Fatal(out)
	}
	gw.waitMessage("the peer deleted the child SA", soon)
	connect() // on the ISAKMP SA that stands
	if out, err := peer.Control("--terminate", "--ike", "gw"); err != nil {
		t.Fatal(out)
	}
	gw.waitUp(false, soon)
	connect()
	gw.Stop()
	s.lab.Eventually(soon, "charon was told of our end", func() error {
		if !strings.Contains(peer.Log(), "received DELETE for IKE_SA gw") {
			return fmt.Errorf("not in its log")
		}
		return nil
	})
}

// Each fault has its sentence, whichever side begins.
func TestIKEv1SaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		ours    func(*side)
		peer    func(*connection)
		weStart bool
		want    []string
	}{
		{"wrong key", nil, func(c *connection) { c.key = "another.key.0123456789" }, false, []string{"pre-shared key mismatch"}},
		{"wrong key, we start", nil, func(c *connection) { c.key = "another.key.0123456789" }, true, []string{"pre-shared key mismatch"}},
		{"wrong IKE proposal", nil, func(c *connection) { c.ike = "aes256-sha384-modp3072" }, false, []string{"offers AES-256/SHA-384/group 15", "accepts AES-128/SHA-256/group 14"}},
		{"wrong IKE proposal, we start", nil, func(c *connection) { c.ike = "aes256-sha384-modp3072" }, true, []string{"accepts no proposal for the IKE SA", "offers AES-128/SHA-256/group 14"}},
		{"wrong ESP proposal", nil, func(c *connection) { c.esp = "aes256-sha512" }, false, []string{"offers AES-256/SHA-512/no PFS", "accepts AES-128-GCM-16/group 14"}},
		{"wrong ESP proposal, we start", nil, func(c *connection) { c.esp = "aes256-sha512" }, true, []string{"accepts no proposal for the child SA", "offers AES-128-GCM-16/group 14"}},
		{"wrong selectors", func(s *side) { s.more += "    local_selectors: [10.9.0.0/16]\n" }, nil, false, []string{"selectors", "10.0.0.0/16", "10.9.0.0/16"}},
		{"wrong identity", func(s *side) { s.more += "    remote_id: somebody.example\n" }, nil, false, []string{peerAddress, "somebody.example"}},
		{"aggressive mode", nil, func(c *connection) { c.more = "aggressive = yes" }, false, []string{"aggressive mode", "let it use main mode"}},
		{"IKEv1 is not allowed", func(s *side) { s.more = "    ike_versions: [ikev2]\n" }, nil, false, []string{"begins with IKEv1, this tunnel accepts IKEv2 only"}},
		{"IKEv2 is not allowed", nil, func(c *connection) { c.version = 2 }, false, []string{"begins with IKEv2, this tunnel accepts IKEv1 only"}},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			our, their := oursIKEv1("aes128-sha256-group14", "aes128gcm16-group14"), theirIKEv1("aes128-sha256-modp2048", "aes128gcm16-modp2048")
			our.start = c.weStart
			if c.ours != nil {
				c.ours(&our)
			}
			if c.peer != nil {
				c.peer(&their)
			}
			peer := s.peer.StartCharon(their.String())
			gw := startAppliance(s.lab, s.our, "ours", our)
			if !c.weStart {
				gw.waitMessage("no packet from "+peerAddress+" has arrived", soon)
				if err := peer.Initiate("net"); err == nil {
					t.Error("charon connected")
				}
			}
			for _, words := range c.want {
				gw.waitMessage(words, soon)
			}
			t.Log(gw.state().Message)
		})
	}
}

// Given certificates of one kind of key below one root, when either side begins,
// then packets pass. IKEv1 has one method for both sides.
func TestIKEv1Certificates(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	peer := s.peer.StartCharon(theirIKEv1("aes128-sha256-modp2048", "aes128gcm16").String())
	for i, kind := range []pki.KeyAlgorithm{pki.RSA2048, pki.ECDSAP256, pki.ECDSAP384, pki.ECDSAP521} {
		for _, weStart := range []bool{i%2 == 0, i%2 == 1} {
			t.Run(fmt.Sprintf("%s-%v", kind, weStart), func(t *testing.T) {
				files := newCredentials(t, kind, kind).install(t, s.lab, peer)
				theirs := withCertificate(theirName)
				theirs.version = 1
				peer.Configure(theirs.String())
				our := oursByCertificate(files, theirName)
				our.start = weStart
				our.more += "    ike_versions: [ikev1]\n"
				gw := startAppliance(s.lab, s.our, "ours", our)
				defer gw.Stop()
				if !weStart {
					gw.waitMessage("no packet from "+peerAddress, soon)
					if err := peer.Initiate("net"); err != nil {
						t.Fatal(err)
					}
				}
				gw.waitUp(true, soon)
				pingsSoon(s)
			})
		}
	}
}
