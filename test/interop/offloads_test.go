package interop

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"causeway.dev/internal/netlab"
	"causeway.dev/packetio"
	"causeway.dev/packetio/probe"
)

// What the configuration switches off is off, and nothing else: the appliance
// says so, and so does the kernel of its TUN. What is carried with each of them
// off, tests of package tunnel ask.
func TestOffloadsOff(t *testing.T) {
	if testing.Short() {
		t.Skip("processes take seconds")
	}
	lab := netlab.New(t, "ethtool")
	host := lab.Host("ours")
	host.Run("ip", "address", "add", ourAddress+"/32", "dev", "lo")
	works, _ := probe.Run(packetio.AllOffloads)
	if works == (packetio.Offloads{}) {
		t.Skip("this kernel has no offloads")
	}
	for _, off := range [][]string{nil, {"tun-segmentation"}, {"tun-udp-segmentation"}, {"udp-segmentation"}, {"udp-coalescing"}, {"udp-segmentation", "tun-segmentation"}, {"all"}} {
		t.Run(strings.Join(off, "+"), func(t *testing.T) {
			without, err := packetio.Without(off)
			if err != nil {
				t.Fatal(err)
			}
			want := works.And(without)
			s := ours()
			s.more = fmt.Sprintf("offloads_off: [%s]\n", strings.Join(off, ", "))
			g := startAppliance(lab, host, "ours", s)
			defer g.Stop()
			var features string
			lab.Eventually(20*time.Second, "the TUN stands", func() (err error) {
				// It is up only when it is whole: its offloads are set after it is made.
				if up, err := host.Try("ip", "-oneline", "link", "show", "dev", "vpn1", "up"); err != nil || up == "" {
					return fmt.Errorf("the TUN is not up: %q, %v", up, err)
				}
				if features, err = host.Try("ethtool", "-k", "vpn1"); err == nil && !strings.Contains(g.Log(), "offloads in use") {
					err = errors.New("nothing is said of offloads")
				}
				return err
			})
			if said := strings.ReplaceAll(g.Log(), `"`, "") + "\n"; !strings.Contains(said, "offloads="+want.String()+"\n") {
				t.Errorf("want %v in\n%s", want, said)
			}
			for feature, on := range map[string]bool{"tcp-segmentation-offload": want.TUNSegmentation, "tx-udp-segmentation": want.TUNUDPSegmentation} {
				if state := map[bool]string{true: ": on", false: ": off"}[on]; !strings.Contains(features, feature+state) {
					t.Errorf("want %s%s in\n%s", feature, state, features)
				}
			}
		})
	}
}
