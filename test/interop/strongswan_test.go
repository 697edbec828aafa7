package interop

import (
	"strings"
	"testing"
)

// Given sides whose first choices of a group differ, when either begins, then
// the other names the group that it wants and both go on with that.
func TestStrongSwanWantsAnotherGroup(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	peer := s.peer.StartCharon(theirConnection("aes128-sha256-modp3072,aes128-sha256-modp2048", "aes128gcm16").String())
	gw := startAppliance(s.lab, s.our, "ours", ours())
	if err := peer.Initiate("net"); err != nil {
		t.Fatal(err)
	}
	gw.waitUp(true, soon)
	if !strings.Contains(peer.Log(), "didn't accept DH group MODP_3072, it requested MODP_2048") {
		t.Error("charon was not asked for another group")
	}
	gw.Stop()

	peer.Configure(theirConnection("aes128-sha256-modp2048", "aes128gcm16").String())
	our := ours()
	our.ike, our.start = "aes128-sha256-group20, aes128-sha256-group14", true
	gw = startAppliance(s.lab, s.our, "ours", our)
	gw.waitUp(true, soon)
	if !strings.Contains(peer.Log(), "DH group ECP_384 unacceptable, requesting MODP_2048") {
		t.Error("charon asked for no other group")
	}
	pings(t, s.our, ourInside, peerInside)
}

// Given selectors that are wider than ours, then they are narrowed.
func TestStrongSwanIsNarrowed(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	our := ours()
	our.more = "    local_selectors: [10.0.0.0/16]\n    remote_selectors: [192.168.0.0/24]\n"
	theirs := theirConnection("aes128-sha256-modp2048", "aes128gcm16")
	theirs.localTS, theirs.remoteTS = "192.168.0.0/16", "10.0.0.0/8"
	gw := startAppliance(s.lab, s.our, "ours", our)
	peer := s.peer.StartCharon(theirs.String())
	if err := peer.Initiate("net"); err != nil {
		t.Fatal(err)
	}
	gw.waitUp(true, soon)
	if want := "TS 192.168.0.0/24 === 10.0.0.0/16"; !strings.Contains(peer.Log(), want) {
		t.Errorf("charon does not say %q", want)
	}
	pings(t, s.our, ourInside, peerInside)
}

// Given a strongSwan that has forgotten its SAs without a word that reached us,
// when it begins anew, then the old ones go and packets pass at once.
func TestStrongSwanReturns(t *testing.T) {
	t.Parallel()
	s := newScene(t, "nft")
	gw := startAppliance(s.lab, s.our, "ours", ours())
	peer := s.peer.StartCharon(theirConnection("aes128-sha256-modp2048", "aes128gcm16").String())
	if err := peer.Initiate("net"); err != nil {
		t.Fatal(err)
	}
	gw.waitUp(true, soon)
	s.wire.Run("nft", "add table ip cut; add chain ip cut gap { type filter hook forward priority 0; policy drop; }")
	if out, err := peer.Control("--terminate", "--ike", "gw", "--force"); err != nil {
		t.Fatal(out)
	}
	s.wire.Run("nft", "delete table ip cut")
	if err := peer.Initiate("net"); err != nil {
		t.Fatal(err)
	}
	pings(t, s.our, ourInside, peerInside)
	pings(t, s.peer, peerInside, ourInside)
	if !gw.state().Up {
		t.Errorf("the tunnel is down: %+v", gw.state())
	}
}

// Given a tunnel, when either side takes it down, then the other knows at once.
func TestStrongSwanDeletes(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	gw := startAppliance(s.lab, s.our, "ours", ours())
	peer := s.peer.StartCharon(theirConnection("aes128-sha256-modp2048", "aes128gcm16-modp2048").String())
	connect := func() {
		t.Helper()
		if err := peer.Initiate("net"); err != nil {
			t.Fatal(err)
		}
		gw.waitUp(true, soon)
	}
	connect()
	if out, err := peer.Control("--terminate", "--child", "net"); err != nil { // waits for our answer
		t.Fatal(out)
	}
	gw.waitMessage("the peer deleted the child SA", soon)
	connect() // on the IKE SA that stands
	if out, err := peer.Control("--terminate", "--ike", "gw"); err != nil {
		t.Fatal(out)
	}
	gw.waitMessage("the peer deleted the IKE SA", soon)
	connect()
	gw.Stop()
	if !strings.Contains(peer.Log(), "received DELETE for IKE_SA gw") {
		t.Error("charon was not told of our end")
	}
}
