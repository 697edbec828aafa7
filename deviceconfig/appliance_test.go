package deviceconfig

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"causeway.dev/appliance"
	"causeway.dev/resource"
)

// TestApplianceReadsItsSample: what is downloaded means to the appliance what the
// tunnels' options say, and what a dynamic connection does.
func TestApplianceReadsItsSample(t *testing.T) {
	for _, version := range resource.IKEVersions {
		config, err := newConfig(t, restrict).For(version)
		if err != nil {
			t.Fatal(err)
		}
		read := readByAppliance(t, config)
		if read.Advertise != nil {
			t.Errorf("a static connection has BGP: %+v", read.Advertise)
		}
	}

	connection, gateway, customer, _ := example()
	restrict(&connection)
	withBGP(&connection)
	odd := netip.MustParsePrefix("198.18.0.0/16")
	config, err := New(connection, gateway, customer, nil, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16"), odd})
	if err != nil {
		t.Fatal(err)
	}
	read := readByAppliance(t, config)
	if len(read.Advertise) != 1 || !read.Advertise[0].Connected || !slices.Contains(read.Accept, odd) || !slices.Contains(read.Accept, rfc1918[0]) {
		t.Errorf("advertised %+v, accepted %v", read.Advertise, read.Accept)
	}
	for i, tunnel := range read.Tunnels {
		if b := tunnel.BGP; b == nil || b.ASN != config.CustomerASN || b.PeerASN != config.AmazonASN || b.Peer != config.Tunnels[i].CloudInside || tunnel.Routes != nil {
			t.Errorf("tunnel %d has %+v and the routes %v", i+1, b, tunnel.Routes)
		}
	}
}

// readByAppliance checks what the appliance reads of the tunnels.
func readByAppliance(t *testing.T, config Config) appliance.Config {
	t.Helper()
	device, ok := Find("c6a5e0a1")
	if !ok {
		t.Fatal("the appliance has another id")
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
		local, remote := []netip.Prefix{config.CustomerCIDR}, []netip.Prefix{config.CloudCIDR}
		if !config.StaticRouting {
			local, remote = append(local, netip.PrefixFrom(want.CustomerInside, 32)), append(remote, netip.PrefixFrom(want.CloudInside, 32))
		}
		if !slices.Equal(tunnel.LocalSelectors, local) || !slices.Equal(tunnel.RemoteSelectors, remote) {
			t.Errorf("tunnel %d: selectors %v and %v", i+1, tunnel.LocalSelectors, tunnel.RemoteSelectors)
		}
		if tunnel.PSK != want.PreSharedKey.Reveal() || tunnel.Remote != want.CloudOutside || tunnel.Inside != want.CustomerInsidePrefix() {
			t.Errorf("tunnel %d has other values: %s %s", i+1, tunnel.Remote, tunnel.Inside)
		}
	}
	return read
}
