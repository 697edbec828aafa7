package doctor

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"

	"causeway.dev/bgp/rib"
	"causeway.dev/bgp/session"
	"causeway.dev/bgp/speaker"
	"causeway.dev/bgp/wire"
)

func peer() speaker.Peer {
	return speaker.Peer{
		Local: netip.MustParseAddr("169.254.10.2"), Remote: netip.MustParseAddr("169.254.10.1"), ASN: 65000, PeerASN: 64512, MaxPrefixes: 100,
		Advertised: []rib.Route{{Destination: netip.MustParsePrefix("192.168.0.0/16")}},
	}
}

// The session's sentence follows IPsec's, and what is told is shown.
func TestUpTunnelWithItsSession(t *testing.T) {
	r := up()
	s := speaker.Status{
		State: session.Established, Established: true, Since: now.Add(-time.Minute), Message: "BGP with AS 64512", HoldTime: 30 * time.Second, Sent: 12, Received: 13, Refused: 2,
	}
	for i := range byte(10) {
		s.Routes = append(s.Routes, rib.Route{Destination: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, i, 0, 0}), 16), Path: []uint32{64512, 0}, MED: 100, HasMED: true})
	}
	r.AddBGP(peer(), s)
	r.BGP.Refused = []string{"0.0.0.0/0: why not"}
	var b strings.Builder
	if err := Write(&b, r); err != nil {
		t.Fatal(err)
	}
	wantLines(t, b.String(),
		"vpn-1/2 (203.0.113.2) is UP for 1m0s: IKEv2 over UDP 4500; BGP with AS 64512\n",
		"> ESP arrives: yes > BGP: yes\n",
		"  BGP       Established since 1m0s ago, 169.254.10.2 of AS 65000 with 169.254.10.1 of AS 64512, hold time 30s, messages 13 in 12 out\n",
		"  tells     1: 192.168.0.0/16\n",
		"  is told   10: 10.0.0.0/16 by AS 64512 {…}, ",
		" and 2 more\n",
		"2 routes that cannot be meant are ignored\n",
		"not taken: 0.0.0.0/0: why not\n",
	)
	b.Reset()
	if err := WriteJSON(&b, []Report{r}); err != nil {
		t.Fatal(err)
	}
	var read []Report
	if err := json.Unmarshal([]byte(b.String()), &read); err != nil || len(read) != 1 || len(read[0].BGP.Learned) != 10 || *read[0].BGP.Learned[9].MED != 100 {
		t.Errorf("%v: %s", err, b.String())
	}
}

// IPsec is up and its former failures are of no interest: the session is what is wrong.
func TestDownSession(t *testing.T) {
	r := up()
	r.Failures = down().Failures
	ended := session.Notifications{Received: 1, LastReceived: session.Notified{At: now.Add(-time.Minute), Notification: wire.Cease(wire.AdministrativeShutdown)}}
	r.AddBGP(peer(), speaker.Status{State: session.Active, Since: now.Add(-time.Minute), Message: "169.254.10.1 refuses connections to port 179", Notifications: ended})
	var b strings.Builder
	if err := Write(&b, r); err != nil {
		t.Fatal(err)
	}
	wantLines(t, b.String(), "is DOWN for 1m0s: IPsec is up, BGP is not: 169.254.10.1 refuses connections to port 179\n", "> BGP: no\n", "BGP       Active since",
		"  ended     by the peer 1m0s ago with Cease / Administrative Shutdown (6/2)\n")
	if strings.Contains(b.String(), "the peer asks for") || Up([]Report{r}) {
		t.Errorf("IPsec's failure is shown, or it is up:\n%s", b.String())
	}
	r = down()
	r.AddBGP(peer(), speaker.Status{Message: "the path is down"})
	if want := down(); r.Verdict != want.Verdict || r.Change != want.Change || r.Up {
		t.Errorf("IPsec is down, and it says %q", r.Verdict)
	}
}
