package interop

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"causeway.dev/internal/netlab"
	"causeway.dev/pki"
)

// dropFragments makes the wire lose fragments of IP, as many firewalls do, and
// narrow, so that whatever is longer than its datagrams is lost.
func (s scene) dropFragments(mtu string) {
	s.wire.Run("nft", "add table ip narrow; add chain ip narrow pass { type filter hook forward priority 0; }; add rule ip narrow pass ip frag-off & 0x3fff != 0 drop; add rule ip narrow pass udp dport { 500, 4500 } ip length > "+mtu+" drop")
}

// Given a path that loses long datagrams and fragments of IP, and certificates that
// make IKE_AUTH longer than it carries, when either side begins, then IKE's own
// fragments pass; those of ours get smaller where the first ones don't.
func TestStrongSwanFragmentation(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, mtu string
		theirs    string // strongSwan's fragment_size
		ours      string
		weStart   bool
	}{
		{"strongSwan begins", "1300", "1280", "", false},
		{"we begin", "1300", "1280", "", true},
		{"narrow, we begin", "580", "576", "", true},
		{"narrow, strongSwan begins", "580", "576", "    fragment_size: 576\n", false},
	} {
		if c.name == "we begin" && !*long {
			continue // the narrow one has it in it
		}
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			s := newScene(t, "nft")
			s.dropFragments(c.mtu)
			peer := s.peer.StartCharon(theirConnection("aes128-sha256-modp2048", "aes128gcm16").String(), "fragment_size = "+c.theirs)
			files := newCredentials(t, pki.RSA2048, pki.RSA2048).install(t, s.lab, peer)
			peer.Configure(withCertificate(theirName).String())
			our := oursByCertificate(files+c.ours, theirName)
			our.start = c.weStart
			gw := startAppliance(s.lab, s.our, "ours", our)
			if !c.weStart {
				gw.waitMessage("no packet from "+peerAddress, soon)
				if err := peer.Initiate("net"); err != nil {
					t.Fatal(err)
				}
			}
			gw.waitUp(true, soon)
			pings(t, s.our, ourInside, peerInside)
			for _, words := range []string{"received fragment #1 of", "splitting IKE message"} {
				if !strings.Contains(peer.Log(), words) {
					t.Errorf("charon does not say %q", words)
				}
			}
		})
	}
}

// Given a strongSwan behind a NAT, when the NAT forgets it and gives it another
// port, then the first packet of its own that comes through is answered there,
// without a word of IKE, and the tunnel was never down.
func TestStrongSwanIsRebound(t *testing.T) {
	t.Parallel()
	s := newScene(t, "nft")
	rebind := func(ports string) {
		s.wire.Run("nft", "add table ip nat; flush table ip nat; add chain ip nat post { type nat hook postrouting priority 100; }; add rule ip nat post oifname ours ip protocol udp masquerade to :"+ports)
		// Masquerading forgets what it has translated by a link that goes down.
		s.wire.Run("ip", "link", "set", "ours", "down")
		s.wire.Run("ip", "link", "set", "ours", "up")
		// The kernel lets a link that has come back wait up to a second where others change, too.
		for host, link := range map[*netlab.Host]string{s.wire: "ours", s.our: "wan"} {
			s.lab.Eventually(soon, "the link is back", func() error {
				if out := host.Run("ip", "-o", "link", "show", link); !strings.Contains(out, "state UP") {
					return errors.New(out)
				}
				return nil
			})
		}
	}
	rebind("20000-20999")
	our := ours()
	our.remote = "203.0.113.254" // the NAT's public address
	our.more = "    remote_id: " + peerAddress + "\n"
	gw := startAppliance(s.lab, s.our, "ours", our)
	theirs := theirConnection("aes128-sha256-modp2048", "aes128gcm16-modp2048")
	peer := s.peer.StartCharon(theirs.String())
	if err := peer.Initiate("net"); err != nil {
		t.Fatal(err)
	}
	gw.waitUp(true, soon)
	pings(t, s.our, ourInside, peerInside)
	rebind("30000-30999")
	// The first answer may leave before the path has been moved by its question.
	if sent, answered := s.peer.StartPing(ourInside, "0.1", "-I", peerInside, "-c", "20").Wait(); answered < sent-1 || sent != 20 {
		t.Errorf("%d sent, %d answered", sent, answered)
	}
	pings(t, s.our, ourInside, peerInside)
	if remote := gw.state().Remote; !gw.state().Up || strings.Count(gw.Log(), `"up":false`) != 1 {
		t.Errorf("the tunnel was down, or is: %s\n%s", remote, gw.Log())
	}
	if n := strings.Count(peer.Log(), "established between"); n != 1 {
		t.Errorf("charon has established %d IKE SAs", n)
	}
}

// Given MOBIKE, when strongSwan's address changes, then packets pass by the new one
// on the same SAs.
func TestStrongSwanMoves(t *testing.T) {
	const newAddress = "192.0.2.11"
	t.Parallel()
	s := newScene(t)
	gw := startAppliance(s.lab, s.our, "ours", ours())
	theirs := theirConnection("aes128-sha256-modp2048", "aes128gcm16-modp2048")
	theirs.mobike, theirs.id = true, peerAddress
	theirs.local = peerAddress + "," + newAddress
	peer := s.peer.StartCharon(theirs.String())
	if err := peer.Initiate("net"); err != nil {
		t.Fatal(err)
	}
	gw.waitUp(true, soon)
	pings(t, s.our, ourInside, peerInside)
	if !strings.Contains(peer.Log(), "peer supports MOBIKE") {
		t.Error("charon has not heard that we take MOBIKE")
	}
	s.peer.Run("ip", "addr", "add", newAddress+"/24", "dev", "wan")
	s.peer.Run("ip", "addr", "del", peerAddress+"/24", "dev", "wan")
	s.peer.Run("ip", "addr", "replace", newAddress+"/24", "dev", "wan")
	s.peer.Run("ip", "route", "replace", "default", "via", "192.0.2.1")
	s.lab.Eventually(soon, "packets pass by the new address", func() error {
		_, err := s.our.Try("ping", "-n", "-c", "1", "-W", "1", "-I", ourInside, peerInside)
		return err
	})
	pings(t, s.peer, peerInside, ourInside)
	if n := strings.Count(peer.Log(), "established between"); n != 1 {
		t.Errorf("charon has established %d IKE SAs", n)
	}
	if !gw.state().Up || strings.Count(gw.Log(), `"up":false`) != 1 {
		t.Errorf("the tunnel was down, or is:\n%s", gw.Log())
	}
}

// RFC 6023: Given a strongSwan that makes its child SA by an exchange of its own,
// then packets pass; a second child is refused with words.
func TestStrongSwanChildless(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	gw := startAppliance(s.lab, s.our, "ours", ours())
	theirs := theirConnection("aes128-sha256-modp2048", "aes128gcm16-modp2048")
	theirs.more = "childless = force"
	theirs.children = "other { local_ts = 192.168.9.0/24\n remote_ts = 10.9.0.0/16\n esp_proposals = aes128gcm16-modp2048 }"
	peer := s.peer.StartCharon(theirs.String())
	if err := peer.Initiate("net"); err != nil {
		t.Fatal(err)
	}
	gw.waitUp(true, soon)
	pings(t, s.our, ourInside, peerInside)
	if !strings.Contains(peer.Log(), "generating CREATE_CHILD_SA request") {
		t.Error("charon has made its child SA with the IKE SA")
	}
	if err := peer.Initiate("other"); err == nil {
		t.Error("charon has a second child SA")
	} else if !strings.Contains(peer.Log(), "NO_ADDITIONAL_SAS") && !strings.Contains(peer.Log(), "NO_ADD_SAS") {
		t.Error("charon does not say why")
	}
	pings(t, s.our, ourInside, peerInside)
}

// Given a tunnel between two of ours under a ping, when the one that only answers
// is killed and comes back with nothing, then the other finds out by its own packets
// and is back long before its dead peer detection.
func TestKilledGatewayIsFoundOut(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	gw := startAppliance(s.lab, s.our, "ours", ours())
	other := startAppliance(s.lab, s.peer, "theirs", theirs())
	gw.waitUp(true, soon)
	s.peer.StartPing(ourInside, "0.2", "-I", peerInside)
	gw.Signal(unix.SIGKILL)
	gw.Stop()
	killed := time.Now()
	gw = startAppliance(s.lab, s.our, "ours", ours())
	gw.waitUp(true, soon)
	s.lab.Eventually(soon, "packets pass", func() error {
		_, err := s.peer.Try("ping", "-n", "-c", "1", "-W", "1", "-I", peerInside, ourInside)
		return err
	})
	t.Logf("back after %v", time.Since(killed).Round(100*time.Millisecond))
	if !other.state().Up {
		t.Errorf("the other side is down: %+v", other.state())
	}
}

// Given our side as a device whose address may change, when it gets another one, behind
// a NAT or not, then packets go on from there on the same SAs.
func TestWeMove(t *testing.T) {
	const name, newAddress = "roamer.example", "203.0.113.77"
	t.Parallel()
	for _, c := range []struct {
		peer string
		nat  bool // before the new address
	}{{"strongSwan", false}, {"strongSwan", true}, {"ours", false}} {
		t.Run(fmt.Sprintf("%s_nat_%t", c.peer, c.nat), func(t *testing.T) {
			t.Parallel()
			s := newScene(t, "nft")
			if c.nat {
				s.wire.Run("nft", "add table ip nat; add chain ip nat post { type nat hook postrouting priority 100; }; add rule ip nat post oifname peer ip saddr "+newAddress+" masquerade")
			}
			our := ours()
			our.start, our.local, our.more = true, "", "mobile: true\nid: "+name+"\n"
			var log func() string
			if c.peer == "ours" {
				their := theirs()
				their.start, their.more = false, "    remote_id: "+name+"\n"
				log = startAppliance(s.lab, s.peer, "theirs", their).Log
			} else {
				their := theirConnection("aes128-sha256-modp2048", "aes128gcm16-modp2048")
				their.mobike, their.remote, their.remoteID = true, "%any", name
				log = s.peer.StartCharon(their.String()).Log
			}
			gw := startAppliance(s.lab, s.our, "ours", our)
			gw.waitUp(true, soon)
			pings(t, s.our, ourInside, peerInside)
			s.our.Run("sh", "-ec", "ip addr add "+newAddress+"/24 dev wan; ip addr del "+ourAddress+"/24 dev wan; ip addr replace "+newAddress+"/24 dev wan; ip route replace default via 203.0.113.254")
			s.lab.Eventually(soon, "packets leave by the new address", func() error {
				_, err := s.our.Try("ping", "-n", "-c", "1", "-W", "1", "-I", ourInside, peerInside)
				return err
			})
			pings(t, s.peer, peerInside, ourInside)
			for _, word := range []string{"established between", `"up":true`} {
				if n := strings.Count(log(), word); n > 1 {
					t.Errorf("the peer says %q %d times", word, n)
				}
			}
			if !gw.state().Up || strings.Count(gw.Log(), `"up":false`) > 1 {
				t.Errorf("the tunnel was down, or is:\n%s", gw.Log())
			}
		})
	}
}
