package deviceconfig

import (
	"testing"
	"time"

	"causeway.dev/appliance"
	"causeway.dev/resource"
)

// TestApplianceReadsItsSample: what is downloaded means to the appliance what the
// tunnels' options say.
func TestApplianceReadsItsSample(t *testing.T) {
	device, ok := Find("c6a5e0a1")
	if !ok {
		t.Fatal("the appliance has another id")
	}
	config := newConfig(t, restrict)
	for _, version := range resource.IKEVersions {
		config, err := config.For(version)
		if err != nil {
			t.Fatal(err)
		}
		sample, err := device.Sample(config, Compatible)
		if err != nil {
			t.Fatal(err)
		}
		read, err := appliance.ParseConfig([]byte(sample))
		if err != nil {
			t.Fatalf("%v\n%s", err, sample)
		}
		for i, tunnel := range read.Tunnels {
			want := config.Tunnels[i]
			if got := time.Duration(tunnel.IKELifetime); got != want.Options.Phase1Lifetime() {
				t.Errorf("tunnel %d: the IKE SA lives %v", i+1, got)
			}
			if got := time.Duration(tunnel.ChildLifetime); got != want.Options.Phase2Lifetime() {
				t.Errorf("tunnel %d: the Child SA lives %v", i+1, got)
			}
			if len(tunnel.LocalSelectors) != 1 || tunnel.LocalSelectors[0] != config.CustomerCIDR || len(tunnel.RemoteSelectors) != 1 || tunnel.RemoteSelectors[0] != config.CloudCIDR {
				t.Errorf("tunnel %d: selectors %v and %v", i+1, tunnel.LocalSelectors, tunnel.RemoteSelectors)
			}
			if tunnel.PSK != want.PreSharedKey.Reveal() || tunnel.Remote != want.CloudOutside || tunnel.Inside != want.CustomerInsidePrefix() {
				t.Errorf("tunnel %d has other values: %s %s", i+1, tunnel.Remote, tunnel.Inside)
			}
		}
	}
}
