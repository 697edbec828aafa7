package deviceconfig

import (
	"math/rand/v2"
	"net/netip"
	"os/exec"
	"regexp"
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
					var wanted []string
					switch {
					case d.withoutStatic != "":
						continue // no part in IKE
					case d.Vendor == "Generic":
						wanted = []string{encryption, integrity}
					case d.dialect == nil:
						wanted = []string{only.short(1, d.group), only.short(2, d.group)}
					default:
						if wanted = d.said(config.Tunnels[0].IKEVersion, only); wanted == nil {
							if out := sampleOrRefusal(t, d, config, Recommended); !strings.HasPrefix(out, "UnsupportedOperation: ") {
								t.Errorf("%+v: the sample for %s has what it cannot say:\n%s", only, d.Platform, out)
							}
							continue
						}
					}
					sample, err := d.Sample(config, Recommended)
					if err != nil {
						t.Fatal(err)
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

// said are the words for a proposal in both phases; nil where the device lacks one.
func (d Device) said(version string, only proposal) []string {
	has := d.dialect.abilities[version]
	one, two := has.phase1.say(only), has.phase2.say(only)
	if only.AEAD() {
		two.Integrity = one.Integrity
	}
	out := []string{one.Encryption, one.Integrity, one.Group, two.Encryption, two.Integrity, two.Group}
	if slices.Contains(out, "") {
		return nil
	}
	return out
}

// TestSamplesFollowRandomOptions: whatever the options allow, each sample has both
// tunnels with their keys, routes to the VPC, the words for what was chosen, none
// for what the options exclude, and no trace of its template.
func TestSamplesFollowRandomOptions(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	some := func(all []string) []string { return pick(r, all) }
	for range 60 {
		config := newConfig(t, func(c *resource.VPNConnection) {
			for i := range c.Tunnels {
				o := &c.Tunnels[i].TunnelOptions
				o.Phase1EncryptionAlgorithms, o.Phase2EncryptionAlgorithms = some(resource.EncryptionAlgorithms), some(resource.EncryptionAlgorithms)
				o.Phase1IntegrityAlgorithms, o.Phase2IntegrityAlgorithms = some(resource.IntegrityAlgorithms), some(resource.IntegrityAlgorithms)
				o.Phase1DHGroupNumbers, o.Phase2DHGroupNumbers = pick(r, resource.Phase1DHGroups), pick(r, resource.Phase2DHGroups)
				o.Phase1LifetimeSeconds, o.Phase2LifetimeSeconds = 900+r.Int32N(27900), 900+r.Int32N(2700)
				o.ReplayWindowSize = 64 + r.Int32N(1985)
			}
			if r.IntN(2) == 0 {
				c.LocalIPv4CIDR, c.RemoteIPv4CIDR = netip.MustParsePrefix("192.168.0.0/16"), netip.MustParsePrefix("10.0.0.0/8")
			} else if r.IntN(2) == 0 {
				withBGP(c)
			}
		})
		for _, version := range resource.IKEVersions {
			config, err := config.For(version)
			if err != nil {
				continue // only AES-GCM in phase 1
			}
			for _, d := range Devices() {
				for _, kind := range []SampleType{Recommended, Compatible} {
					sample := sampleOrRefusal(t, d, config, kind)
					if !strings.HasPrefix(sample, "UnsupportedOperation: ") {
						checkSample(t, d, config, sample)
					}
				}
			}
		}
	}
}

// TestSamplesWithoutVPC: where the gateway is attached to none, there are no routes,
// and each sample that would have them says why.
func TestSamplesWithoutVPC(t *testing.T) {
	connection, gateway, customer, _ := example()
	config, err := New(connection, gateway, customer, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range Devices() {
		sample := sampleOrRefusal(t, d, config, Recommended)
		if d.dialect == nil || strings.HasPrefix(sample, "UnsupportedOperation: ") {
			continue
		}
		if !strings.Contains(sample, "attached to no VPC") || strings.Contains(sample, "10.0.0.0") {
			t.Errorf("%s: \n%s", d.Platform, sample)
		}
	}
}

func pick[T any](r *rand.Rand, all []T) []T {
	out := []T{all[r.IntN(len(all))]}
	for _, v := range all {
		if r.IntN(2) == 0 {
			out = append(out, v)
		}
	}
	return out
}

func checkSample(t *testing.T, d Device, c Config, sample string) {
	t.Helper()
	if i := strings.Index(sample, "{{"); i >= 0 || strings.Contains(sample, "}}") || strings.Contains(sample, "<no value>") || strings.Contains(sample, "%!") {
		t.Errorf("%s: traces of the template in\n%s", d.Platform, sample)
	}
	wanted := []string{c.CustomerAddress.String()}
	for _, tunnel := range c.Tunnels {
		wanted = append(wanted, tunnel.CloudOutside.String())
		if d.withoutStatic == "" { // else it has no part in IKE
			wanted = append(wanted, tunnel.PreSharedKey.Reveal())
		}
		if !c.StaticRouting {
			wanted = append(wanted, tunnel.CustomerInside.String())
		}
	}
	if c.StaticRouting || d.ID != "c6a5e0a1" { // the appliance learns it
		wanted = append(wanted, c.CloudRoutes[0].Masked().Addr().String())
	}
	for _, want := range wanted {
		if !strings.Contains(sample, want) {
			t.Errorf("%s: no %q in\n%s", d.Platform, want, sample)
		}
	}
	if d.dialect == nil {
		return
	}
	var allowed, excluded []string
	for _, tunnel := range c.Tunnels {
		has := d.dialect.abilities[tunnel.IKEVersion]
		o := tunnel.Options
		for phase, v := range []vocabulary{has.phase1, has.phase2} {
			encryption, integrity, groups := o.Phase1EncryptionAlgorithms, o.Phase1IntegrityAlgorithms, o.Phase1DHGroupNumbers
			if phase == 1 {
				encryption, integrity, groups = o.Phase2EncryptionAlgorithms, o.Phase2IntegrityAlgorithms, o.Phase2DHGroupNumbers
			}
			allowed, excluded = divide(v.encryption, encryption, allowed, excluded)
			allowed, excluded = divide(v.integrity, integrity, allowed, excluded)
			allowed, excluded = divide(v.groups, groups, allowed, excluded)
		}
	}
	for _, word := range excluded {
		if slices.Contains(allowed, word) {
			continue
		}
		if alone := regexp.MustCompile(`(?m)(^|[^\w-])` + regexp.QuoteMeta(word) + `($|[^\w-])`); alone.MatchString(sample) {
			t.Errorf("%s: %q is excluded by the options, but in\n%s", d.Platform, word, sample)
		}
	}
}

// divide adds the words for what is allowed to one list, and the other words to the other.
func divide[K comparable](words map[K]string, names []K, allowed, excluded []string) ([]string, []string) {
	for k, word := range words {
		if slices.Contains(names, k) {
			allowed = append(allowed, word)
		} else {
			excluded = append(excluded, word)
		}
	}
	return allowed, excluded
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
		"no version of IKE": func(c *resource.VPNConnection, _ *resource.VPNGateway, _ *resource.CustomerGateway) {
			c.Tunnels[0].IKEVersions = []string{resource.IKEv1}
			c.Tunnels[0].Phase1EncryptionAlgorithms = []string{"AES256-GCM-16"}
		},
	} {
		connection, gateway, customer, routes := example()
		spoil(&connection, &gateway, &customer)
		if _, err := New(connection, gateway, customer, nil, routes); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestScriptsParse: bash reads the scripts with no routes, one and several, and with BGP.
func TestScriptsParse(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("bash is not installed")
	}
	connection, gateway, customer, _ := example()
	connection.Routes = nil
	for i, routes := range [][]netip.Prefix{nil, {netip.MustParsePrefix("10.0.0.0/16")}, {netip.MustParsePrefix("10.0.0.0/16"), netip.MustParsePrefix("10.1.0.0/16")}, nil, {netip.MustParsePrefix("10.0.0.0/16")}} {
		connection.StaticRoutesOnly = i < 3
		config, err := New(connection, gateway, customer, nil, routes)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range Devices() {
			if !strings.HasSuffix(d.sample, ".sh.tmpl") {
				continue
			}
			script, err := d.Sample(config, Recommended)
			if err != nil {
				t.Fatal(err)
			}
			check := exec.Command(bash, "-n")
			check.Stdin = strings.NewReader(script)
			if out, err := check.CombinedOutput(); err != nil {
				t.Errorf("%s, %d routes: %v\n%s", d.Vendor, len(routes), err, out)
			}
		}
	}
}

// TestSamplesOfDifferentVersions: where the tunnels have no version of IKE in common,
// each has its own, in the words of each device that can do it, and the document.
func TestSamplesOfDifferentVersions(t *testing.T) {
	config := newConfig(t, func(c *resource.VPNConnection) {
		for i, version := range []string{resource.IKEv1, resource.IKEv2} {
			c.Tunnels[i].IKEVersions = []string{version}
			c.Tunnels[i].Phase1EncryptionAlgorithms = []string{"AES256-GCM-16", "AES256"} // IKEv1 has no AES-GCM there
			c.Tunnels[i].Phase1LifetimeSeconds = 10000 + int32(i)
		}
	})
	if one, two := config.Tunnels[0].IKEVersion, config.Tunnels[1].IKEVersion; one != resource.IKEv1 || two != resource.IKEv2 {
		t.Fatalf("the tunnels have %s and %s", one, two)
	}
	for _, version := range resource.IKEVersions {
		if _, err := config.For(version); err == nil {
			t.Errorf("both tunnels have %s", version)
		}
	}
	document, err := config.XML()
	if err != nil {
		t.Fatal(err)
	}
	one, two, _ := strings.Cut(document, "</ipsec_tunnel>")
	if !strings.Contains(one, "aes-256-cbc") || !strings.Contains(two, "<lifetime>10001</lifetime>") {
		t.Errorf("the document has not each tunnel's own:\n%s", document)
	}
	for _, d := range Devices() {
		if d.withoutStatic != "" {
			continue
		}
		var alone [2]string // the sample as it would be for one version
		for i, version := range resource.IKEVersions {
			both := config
			for n := range both.Tunnels {
				both.Tunnels[n].IKEVersion = version
				both.Tunnels[n].Options = config.Tunnels[i].Options
				both.Tunnels[n].Options.Phase1LifetimeSeconds = config.Tunnels[n].Options.Phase1LifetimeSeconds
			}
			alone[i] = sampleOrRefusal(t, d, both, Recommended)
		}
		mixed := sampleOrRefusal(t, d, config, Recommended)
		if refused := strings.HasPrefix(mixed, "UnsupportedOperation: "); refused || d.dialect != nil && d.dialect.oneVersion {
			if !refused || d.dialect == nil || !d.dialect.oneVersion || !strings.Contains(mixed, "one version of IKE for both tunnels") {
				t.Errorf("%s: %s", d.Platform, mixed)
			}
			continue
		}
		said := regexp.MustCompile(`IKEv1 in tunnel 1, IKEv2 in tunnel 2|^version=\(0 1 2\)`)
		for line := range strings.Lines(mixed) { // what is in the mixed one is of one of the others
			if !strings.Contains(alone[0], line) && !strings.Contains(alone[1], line) && !said.MatchString(line) {
				t.Errorf("%s: neither version has the line %q", d.Platform, line)
			}
		}
		if mixed == alone[0] || mixed == alone[1] {
			t.Errorf("%s: the sample has one version for both tunnels", d.Platform)
		}
		checkSample(t, d, config, mixed)
	}
}
