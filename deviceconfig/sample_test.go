package deviceconfig

import (
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"causeway.dev/resource"
)

// TestInsideSizes compares with AWS's table of maximum transmission units with
// NAT traversal (Site-to-Site VPN user guide, "customer gateway device").
func TestInsideSizes(t *testing.T) {
	for _, row := range []struct {
		encryption, integrity string
		want                  int
	}{
		{"AES128-GCM-16", "SHA1", 1438}, {"AES256-GCM-16", "SHA2-512", 1438},
		{"AES128", "SHA1", 1422}, {"AES256", "SHA2-256", 1422}, {"AES256", "SHA2-384", 1422}, {"AES128", "SHA2-512", 1406},
	} {
		if got := (proposal{row.encryption, row.integrity, 14}).inside(); got != row.want {
			t.Errorf("%s with %s: %d bytes, want %d", row.encryption, row.integrity, got, row.want)
		}
	}
}

// TestSamplesHonourOptions restricts a tunnel to each algorithm alone: all that
// is written names that one, in the notation of the device.
func TestSamplesHonourOptions(t *testing.T) {
	for _, encryption := range resource.EncryptionAlgorithms {
		for _, integrity := range resource.IntegrityAlgorithms {
			for _, group := range (resource.TunnelOptions{}).Effective().Phase1DHGroupNumbers {
				only := proposal{encryption, integrity, group}
				config := newConfig(t, func(c *resource.VPNConnection) {
					for i := range c.Tunnels {
						c.Tunnels[i].TunnelOptions = resource.TunnelOptions{
							Phase1EncryptionAlgorithms: []string{encryption}, Phase1IntegrityAlgorithms: []string{integrity}, Phase1DHGroupNumbers: []int32{group},
							Phase2EncryptionAlgorithms: []string{encryption}, Phase2IntegrityAlgorithms: []string{integrity}, Phase2DHGroupNumbers: []int32{group},
						}
					}
				})
				for _, d := range Devices() {
					sample, err := d.Sample(config, Recommended)
					if err != nil {
						t.Fatal(err)
					}
					wanted := []string{only.short(1, d.group), only.short(2, d.group)}
					if d.Vendor == "Generic" {
						wanted = []string{encryption, integrity}
					}
					for _, want := range wanted {
						if !strings.Contains(sample, want) {
							t.Errorf("the sample for %s lacks %q", d.Platform, want)
						}
					}
					if weak := strings.Contains(sample, "WEAK"); weak != (only.isWeak(1) || only.isWeak(2)) {
						t.Errorf("%+v: the sample for %s is marked weak: %v", only, d.Platform, weak)
					}
				}
			}
		}
	}
}

func TestEveryGroupHasAName(t *testing.T) {
	for _, group := range (resource.TunnelOptions{}).Effective().Phase2DHGroupNumbers {
		if name := strongSwanGroup(group); name == "" || strings.HasPrefix(charonGroup(group), "_") {
			t.Errorf("group %d is %q and %q", group, name, charonGroup(group))
		}
	}
	for _, p := range []preference{weakestFirst, cbcFirst, gcmFirst} {
		for _, group := range resource.Phase2DHGroups {
			if !slices.Contains(p.groups, group) {
				t.Errorf("group %d has no rank in %v", group, p.groups)
			}
		}
	}
}

// TestDeviceRekeysFirst: with any lifetimes a device replaces its SAs before our
// side does, which begins at twice the margin before the end at the earliest.
func TestDeviceRekeysFirst(t *testing.T) {
	for _, o := range []resource.TunnelOptions{
		{}, {Phase1LifetimeSeconds: 900, Phase2LifetimeSeconds: 899}, {Phase1LifetimeSeconds: 901, Phase2LifetimeSeconds: 900},
		{Phase2LifetimeSeconds: 3600, RekeyMarginTimeSeconds: 900}, {Phase1LifetimeSeconds: 7200, RekeyMarginTimeSeconds: 60},
	} {
		e := o.Effective()
		ike, child := Tunnel{Options: e}.DeviceRekeySeconds()
		if ours := e.Phase1LifetimeSeconds - 2*e.RekeyMarginTimeSeconds; ike >= ours || ike < 60 {
			t.Errorf("%+v: the device replaces the IKE SA after %d s, we after %d s", o, ike, ours)
		}
		if ours := e.Phase2LifetimeSeconds - 2*e.RekeyMarginTimeSeconds; child >= ours || child < 60 {
			t.Errorf("%+v: the device replaces the Child SA after %d s, we after %d s", o, child, ours)
		}
	}
}

// TestNewRefusesWhatShellsWouldRead: whatever was stored, nothing but the known
// forms reaches a sample.
func TestNewRefusesWhatShellsWouldRead(t *testing.T) {
	for name, spoil := range map[string]func(*resource.VPNConnection, *resource.VPNGateway, *resource.CustomerGateway){
		"key": func(c *resource.VPNConnection, _ *resource.VPNGateway, _ *resource.CustomerGateway) {
			c.Tunnels[1].PreSharedKey = "'; reboot; '"
		},
		"no key": func(c *resource.VPNConnection, _ *resource.VPNGateway, _ *resource.CustomerGateway) {
			c.Tunnels[0].PreSharedKey = ""
		},
		"id": func(c *resource.VPNConnection, _ *resource.VPNGateway, _ *resource.CustomerGateway) {
			c.ID = "vpn-1$(reboot)"
		},
		"gateway": func(_ *resource.VPNConnection, g *resource.VPNGateway, _ *resource.CustomerGateway) {
			g.ID = "vgw-1\nreboot"
		},
		"region": func(c *resource.VPNConnection, _ *resource.VPNGateway, _ *resource.CustomerGateway) {
			c.Region = "us east"
		},
		"outside address": func(c *resource.VPNConnection, _ *resource.VPNGateway, _ *resource.CustomerGateway) {
			c.Tunnels[0].OutsideAddress = netip.Addr{}
		},
		"customer": func(_ *resource.VPNConnection, _ *resource.VPNGateway, g *resource.CustomerGateway) {
			g.Address = netip.MustParseAddr("fe80::1%$(reboot)")
		},
		"inside range": func(c *resource.VPNConnection, _ *resource.VPNGateway, _ *resource.CustomerGateway) {
			c.Tunnels[0].InsideCIDR = netip.Prefix{}
		},
		"no version of IKE for both tunnels": func(c *resource.VPNConnection, _ *resource.VPNGateway, _ *resource.CustomerGateway) {
			c.Tunnels[0].IKEVersions = []string{resource.IKEv1}
			c.Tunnels[1].IKEVersions = []string{resource.IKEv2}
		},
	} {
		connection, gateway, customer, routes := example()
		spoil(&connection, &gateway, &customer)
		if _, err := New(connection, gateway, customer, nil, routes); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestScriptParses: bash reads the script with no routes, one and several.
func TestScriptParses(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("bash is not installed")
	}
	connection, gateway, customer, _ := example()
	for _, routes := range [][]netip.Prefix{nil, {netip.MustParsePrefix("10.0.0.0/16")}, {netip.MustParsePrefix("10.0.0.0/16"), netip.MustParsePrefix("10.1.0.0/16")}} {
		connection.Routes = nil
		config, err := New(connection, gateway, customer, nil, routes)
		if err != nil {
			t.Fatal(err)
		}
		device, _ := Find("5a0e4c12")
		script, err := device.Sample(config, Recommended)
		if err != nil {
			t.Fatal(err)
		}
		check := exec.Command(bash, "-n")
		check.Stdin = strings.NewReader(script)
		if out, err := check.CombinedOutput(); err != nil {
			t.Errorf("%d routes: %v\n%s", len(routes), err, out)
		}
	}
}
