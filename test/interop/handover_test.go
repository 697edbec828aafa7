package interop

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"causeway.dev/internal/netlab"
)

var ikeSPIs = regexp.MustCompile(`[0-9a-f]{16}_i\*? [0-9a-f]{16}_r`)

// spis are those of the IKE SA that charon has.
func spis(t *testing.T, peer *netlab.Charon) string {
	t.Helper()
	out, err := peer.Control("--list-sas")
	if err != nil {
		t.Fatal(err)
	}
	found := ikeSPIs.FindAllString(out, -1)
	if len(found) != 1 {
		t.Fatalf("charon has the IKE SAs %v:\n%s", found, out)
	}
	return found[0]
}

// Given a tunnel with strongSwan, when the appliance is stopped and started with
// hand_over, then a ping of a hundred requests a second loses at most five, the IKE
// SA is the same, and both sides can rekey it and the child SA.
func TestHandOver(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"ikev1", "ikev2"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, "swanctl")
			their, our := theirConnection("aes128-sha256-modp2048", "aes128gcm16-modp2048"), ours()
			if version == "ikev1" {
				their, our = theirIKEv1("aes128-sha256-modp2048", "aes128gcm16-modp2048"), oursIKEv1("aes128-sha256-group14", "aes128gcm16-group14")
			}
			our.more += "hand_over: 10s\n"
			peer := s.peer.StartCharon(their.String())
			gw := startAppliance(s.lab, s.our, "ours", our)
			gw.waitMessage("no packet from "+peerAddress, soon)
			if err := peer.Initiate("net"); err != nil {
				t.Fatal(err)
			}
			gw.waitUp(true, soon)
			before := spis(t, peer)
			ping := s.peer.Start("ping", "ping", "-n", "-i", "0.01", "-I", peerInside, ourInside)
			time.Sleep(500 * time.Millisecond)
			gw.Signal(unix.SIGTERM)
			gw.Stop()
			time.Sleep(time.Second)
			next := startAppliance(s.lab, s.our, "ours", our)
			next.waitUp(true, soon)
			_, then := netlab.Answered(ping.Log())
			var answered map[int]bool
			var last int
			s.lab.Eventually(soon, "requests are still answered", func() error {
				if answered, last = netlab.Answered(ping.Log()); last < then+50 || last < 100 {
					return fmt.Errorf("the last answer was to request %d", last)
				}
				return nil
			})
			ping.Stop()
			lost := last - len(answered) // those behind are on their way
			t.Logf("%d of %d requests lost", lost, last)
			if lost > 5 {
				t.Errorf("%d of %d requests were answered", len(answered), last)
			}
			if after := spis(t, peer); after != before {
				t.Errorf("the IKE SA is %s, was %s", after, before)
			}
			for _, what := range [][]string{{"--child", "net"}, {"--ike", "gw"}} {
				if out, err := peer.Control(append([]string{"--rekey"}, what...)...); err != nil {
					t.Errorf("rekey %s: %v\n%s", what, err, out)
				}
				s.lab.Eventually(soon, "packets after a rekey", func() error {
					if n := s.peer.Ping(ourInside, 3, "0.05"); n != 3 {
						return fmt.Errorf("%d of 3", n)
					}
					return nil
				})
			}
			// Or the end of what is being replaced is all that charon hears. It may keep an
			// ISAKMP SA that it has replaced for half a minute.
			s.lab.Eventually(soon, "charon has another IKE SA", func() error {
				out, err := peer.Control("--list-sas")
				for line := range strings.Lines(out) {
					if strings.Contains(line, ", ESTABLISHED,") && ikeSPIs.FindString(line) != before && !strings.Contains(out, "CONNECTING") {
						return nil
					}
				}
				return fmt.Errorf("%v: %s", err, out)
			})
			next.Signal(unix.SIGINT)
			s.lab.Eventually(soon, "charon has been told", func() error {
				if out, err := peer.Control("--list-sas"); err != nil || ikeSPIs.MatchString(out) {
					return fmt.Errorf("%v: %s", err, out)
				}
				return nil
			})
		})
	}
}
