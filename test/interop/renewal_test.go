package interop

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"causeway.dev/ike"
	"causeway.dev/internal/netlab"
	"causeway.dev/ipsec"
	"causeway.dev/packetio"
	"causeway.dev/tunnel"
)

// startHost runs tunnels of ours from within the test, whose configuration can then
// be changed, at a host of the lab.
func startHost(t *testing.T, at *netlab.Host) *ipsec.Host {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	h, err := ipsec.New(ctx, ipsec.Config{
		Listen: func(c tunnel.EndpointConfig) (endpoint *tunnel.Endpoint, err error) {
			err = at.Do(func() error {
				endpoint, err = tunnel.Listen(c)
				return err
			})
			return endpoint, err
		},
		OpenDevice: func(config ipsec.Tunnel) (packetio.Device, error) {
			name := string(config.Peer.ID)
			var device *packetio.TUN
			err := at.Do(func() (err error) {
				device, err = packetio.OpenTUN(name, 1400, packetio.Offloads{})
				return err
			})
			if err != nil {
				return nil, err
			}
			at.Run("ip", "link", "set", name, "up")
			at.Run("ip", "route", "add", "192.168.0.0/16", "dev", name, "src", ourInside)
			return device, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
		defer cancel()
		if err := h.Close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return h
}

// Given a ping of a hundred requests a second, when the options of the tunnel change
// or it is replaced, then strongSwan agrees to new SAs beside the old ones and no
// request is lost.
func TestOptionChangesLoseNothing(t *testing.T) {
	t.Parallel()
	for _, version := range []int{2, 1} {
		t.Run(fmt.Sprintf("IKEv%d", version), func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			h := startHost(t, s.our)
			theirs := theirConnection("aes128-sha256-modp2048,aes256-sha384-ecp384", "aes128gcm16-modp2048,aes256-sha256")
			theirs.version = version
			peer := s.peer.StartCharon(theirs.String())
			config := ipsec.Tunnel{Peer: ike.Peer{
				ID: "vpn1", Local: netip.MustParseAddr(ourAddress), Remote: netip.MustParseAddr(peerAddress),
				Versions: ike.VersionsOf(ike.Version(version)), PreSharedKey: ike.Secret(key), Start: true,
				IKEProposals: proposals(t, ike.ParseIKEProposal, "aes128-sha256-group14"),
				ESPProposals: proposals(t, ike.ParseESPProposal, "aes128gcm16-group14"),
				DPDAction:    ike.DPDRestart,
			}}
			set := func() {
				t.Helper()
				if err := h.Set([]ipsec.Tunnel{config}); err != nil {
					t.Fatal(err)
				}
			}
			set()
			pingsSoon(s)
			established := func() int { return strings.Count(peer.Log(), "] established between") }
			ping := s.peer.StartPing(ourInside, "0.01", "-I", peerInside, "-c", "3000")
			for _, change := range []func(){
				func() { config.Peer.IKELifetime, config.Peer.ChildLifetime = 4*time.Hour, 2*time.Hour },
				func() {
					config.Peer.IKEProposals = proposals(t, ike.ParseIKEProposal, "aes256-sha384-group20")
					config.Peer.ESPProposals = proposals(t, ike.ParseESPProposal, "aes256-sha256")
				},
				func() { config.Replacements++ },
				func() { config.Peer.DPDTimeout, config.Peer.Start = 40*time.Second, false },
			} {
				time.Sleep(time.Second)
				change()
				set()
				time.Sleep(5 * time.Second)
			}
			sent, answered := ping.Wait()
			if sent != answered || sent != 3000 {
				t.Errorf("%d sent, %d answered; ignored: %v", sent, answered, h.Drops())
			}
			if n := established(); n != 4 {
				t.Errorf("%d IKE SAs, want the first and one for each change but the last", n)
			}
			t.Logf("%d pings, none lost; IKE SAs %d; ignored: %v", sent, established(), h.Drops())
			if t.Failed() {
				t.Log(peer.Log())
			}
		})
	}
}

func proposals[P any](t *testing.T, parse func(string) (P, error), name string) []P {
	t.Helper()
	p, err := parse(name)
	if err != nil {
		t.Fatal(err)
	}
	return []P{p}
}
