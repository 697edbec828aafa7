package deviceconfig

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"causeway.dev/resource"
)

// A dialect is what a device can do, in its own words. What is missing in it the
// device lacks, or we are not sure that it has it: a tunnel that allows nothing
// else gets no sample, but an error that says what to allow.
type dialect struct {
	abilities    map[string]ability // by version of IKE
	oneGroup     bool               // phase 2 takes the Diffie-Hellman group of phase 1
	oneESP       bool               // one setting of phase 2 is for both tunnels
	oneVersion   bool               // both tunnels have the same version of IKE
	certificates bool               // the sample knows how to authenticate by certificates
	shortASNs    bool               // AS numbers have two bytes
}

// An ability is what a device knows of the two phases.
type ability struct {
	phase1, phase2 vocabulary
	selectors      selectors
}

// A vocabulary gives AWS's names of algorithms and the numbers of groups the
// device's words.
type vocabulary struct {
	encryption, integrity map[string]string
	groups                map[int32]string
}

// selectors are what a device asks for as traffic selectors.
type selectors int

const (
	asConnection  selectors = iota // those of the connection
	everything                     // 0.0.0.0/0 on both sides only: routes choose the traffic
	onePrefixPair                  // one prefix on each side: the selectors choose the traffic
)

// words are a proposal in the words of a device. With an AEAD, Integrity is the
// PRF in phase 1 and empty in phase 2.
type words struct{ Encryption, Integrity, Group string }

func (v vocabulary) say(p proposal) words {
	return words{v.encryption[p.Encryption], v.integrity[p.Integrity], v.groups[p.Group]}
}

// numbered are words for groups that contain their number.
func numbered(form string, groups ...int32) map[int32]string {
	out := make(map[int32]string, len(groups))
	for _, g := range groups {
		out[g] = fmt.Sprintf(form, g)
	}
	return out
}

// known returns those of allowed that the device has a word for.
func known[K comparable](has map[K]string, allowed []K) []K {
	return slices.DeleteFunc(slices.Clone(allowed), func(k K) bool { return has[k] == "" })
}

// propose chooses the algorithms of a tunnel: the first in the order that its
// options allow and the device knows.
func (d Device) propose(version string, order preference, o resource.TunnelOptions) (phase1, phase2 proposal, err error) {
	if d.dialect == nil {
		return order.phase1(o), order.phase2(o), nil
	}
	has := d.dialect.abilities[version]
	groups1, groups2 := o.Phase1DHGroupNumbers, o.Phase2DHGroupNumbers
	if d.dialect.oneGroup {
		groups1 = slices.DeleteFunc(slices.Clone(groups1), func(g int32) bool { return !slices.Contains(groups2, g) })
		if len(groups1) == 0 {
			return phase1, phase2, d.refuse("uses one Diffie-Hellman group for both phases, and the tunnel's options have none in common")
		}
	}
	if phase1, err = d.choose(1, has.phase1, order, o.Phase1EncryptionAlgorithms, o.Phase1IntegrityAlgorithms, groups1); err != nil {
		return phase1, phase2, err
	}
	if d.dialect.oneGroup {
		groups2 = []int32{phase1.Group}
	}
	phase2, err = d.choose(2, has.phase2, order, o.Phase2EncryptionAlgorithms, o.Phase2IntegrityAlgorithms, groups2)
	return phase1, phase2, err
}

func (d Device) choose(phase int, has vocabulary, order preference, encryption, integrity []string, groups []int32) (proposal, error) {
	lacks := func(what string, allowed, names any) (proposal, error) {
		return proposal{}, d.refuse("knows no %s that phase %d of the tunnel allows (%v), only %v: add one to the tunnel's options", what, phase, allowed, names)
	}
	ciphers, hashes, some := known(has.encryption, encryption), known(has.integrity, integrity), known(has.groups, groups)
	if len(some) == 0 {
		return lacks("Diffie-Hellman group", groups, sortedKeys(has.groups))
	}
	p := proposal{Group: first(order.groups, some)}
	if len(hashes) > 0 {
		p.Integrity = first(order.integrity, hashes)
	} else if ciphers = slices.DeleteFunc(ciphers, func(name string) bool { return phase == 1 || !(proposal{Encryption: name}).AEAD() }); len(ciphers) == 0 {
		return lacks("integrity algorithm", integrity, sortedKeys(has.integrity))
	}
	if len(ciphers) == 0 {
		return lacks("encryption algorithm", encryption, sortedKeys(has.encryption))
	}
	p.Encryption = first(order.encryption, ciphers)
	if phase == 2 && p.AEAD() {
		p.Integrity = ""
	}
	return p, nil
}

// check refuses what the device's sample cannot say of a connection.
func (d Device) check(c Config) error {
	all := c.CustomerCIDR == resource.AnyIPv4 && c.CloudCIDR == resource.AnyIPv4
	switch {
	case c.StaticRouting && d.withoutStatic != "":
		return d.refuse("%s", d.withoutStatic)
	case !c.StaticRouting && d.withoutBGP != "":
		return d.refuse("%s", d.withoutBGP)
	case !c.StaticRouting && !all && d.withoutStatic == "" && (d.dialect != nil || c.Uses(resource.IKEv1)):
		return d.refuse("can ask for one pair of traffic selectors only, and BGP needs the inside addresses beside those of the connection: set LocalIpv4NetworkCidr and RemoteIpv4NetworkCidr to 0.0.0.0/0 by ModifyVpnConnectionOptions")
	case d.dialect == nil:
		return nil
	}
	for _, t := range c.Tunnels {
		if _, ok := d.dialect.abilities[t.IKEVersion]; !ok {
			return d.refuse("has no %s", t.IKEVersion)
		}
	}
	switch {
	case d.dialect.oneVersion && c.Tunnels[0].IKEVersion != c.Tunnels[1].IKEVersion:
		return d.refuse("has one version of IKE for both tunnels: let them allow one in common by ModifyVpnTunnelOptions")
	case c.Certificate != nil && !d.dialect.certificates:
		return d.refuse("has no sample for certificates; the one for the Generic device says what has to be set")
	case d.dialect.shortASNs && !c.StaticRouting && max(c.CustomerASN, c.AmazonASN) > 65535:
		return d.refuse("knows AS numbers up to 65535 only: give the customer gateway and the VPN gateway such numbers (%d and %d now)", c.CustomerASN, c.AmazonASN)
	case d.asksFor(c, everything) && !all:
		return d.refuse("can only ask for 0.0.0.0/0 on both sides: set LocalIpv4NetworkCidr and RemoteIpv4NetworkCidr to it by ModifyVpnConnectionOptions")
	case d.asksFor(c, onePrefixPair) && all && (len(c.SiteRoutes) != 1 || len(c.CloudRoutes) != 1):
		return d.refuse("chooses traffic by one pair of prefixes, and the connection has %d static routes and its VPC %d ranges: set LocalIpv4NetworkCidr and RemoteIpv4NetworkCidr by ModifyVpnConnectionOptions", len(c.SiteRoutes), len(c.CloudRoutes))
	}
	return nil
}

// asksFor reports whether the device asks for such traffic selectors in a tunnel.
func (d Device) asksFor(c Config, kind selectors) bool {
	return slices.ContainsFunc(c.Tunnels[:], func(t Tunnel) bool { return d.dialect.abilities[t.IKEVersion].selectors == kind })
}

// checkTunnels refuses tunnels that differ where the device has one setting for both.
func (d Device) checkTunnels(one, two tunnelView) error {
	if d.dialect != nil && d.dialect.oneESP && (one.phase2 != two.phase2 || one.Options.Phase2LifetimeSeconds != two.Options.Phase2LifetimeSeconds) {
		return d.refuse("has one setting of phase 2 for both tunnels: give them the same algorithms, groups and lifetime by ModifyVpnTunnelOptions")
	}
	return nil
}

// pair is what the device has to ask for as traffic selectors.
func (d Device) pair(c Config) (site, cloud netip.Prefix) {
	if d.dialect != nil && d.asksFor(c, onePrefixPair) && c.CustomerCIDR == resource.AnyIPv4 && c.CloudCIDR == resource.AnyIPv4 {
		return c.SiteRoutes[0], c.CloudRoutes[0]
	}
	return c.CustomerCIDR, c.CloudCIDR
}

// refuse is the error of a device that cannot do what the connection wants, for
// the caller of the API.
func (d Device) refuse(format string, args ...any) error {
	return resource.Errorf(resource.CodeUnsupportedOperation, "The device %s, %s, %s %s", d.Vendor, d.Platform, d.Software, fmt.Sprintf(format, args...))
}

func sortedKeys[K int32 | string](m map[K]string) []K {
	out := make([]K, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// Header begins a sample: whose it is, for which device, and what to know before
// it is used. Each line begins with a mark of a comment.
func (v view) Header(mark string) string {
	lines := []string{
		"VPN connection " + v.Connection + ": both tunnels of customer gateway " + v.CustomerGateway + " (" + v.Customer() + ")",
		"to VPN gateway " + v.VPNGateway + " in region " + v.Region + ". " + v.ikeVersions() + ", " + v.routing() + ".",
		"",
		"Written for " + v.Device.written + ".",
		cmp.Or(v.Device.checked, "It was checked against manuals and published configurations, not run on a device by us."),
		"Set up both tunnels: when one is down, for maintenance or by a fault, the other",
		"has to take over. After a change of the tunnel options download this again.",
	}
	if v.Certificate == nil {
		lines = append(lines, "It contains the pre-shared keys: keep it where only you can read it.")
	}
	if v.KeySecret != "" {
		lines = append(lines, "Where a key is "+Redacted+", put in its place the one in the secret", v.KeySecret+".")
	}
	if v.Weak {
		lines = append(lines,
			"WEAK: SHA-1 and the groups of less than 2048 bits are kept for old devices only.",
			"Allow more in the tunnel options and ask for the recommended sample for IKEv2.")
	}
	if len(v.CloudRoutes) == 0 {
		lines = append(lines, "The VPN gateway is attached to no VPC: attach it and download this again,", "for the routes.")
	}
	lines = append(lines, "",
		"Firewalls on the way have to let UDP 500, UDP 4500 and ESP (IP protocol 50) pass",
		"between "+v.Customer()+" and "+v.Tunnels[0].CloudOutside.String()+", "+v.Tunnels[1].CloudOutside.String()+". Your side starts both tunnels.")
	if v.Tunnels[0].Options.StartupAction == resource.StartupActionStart && v.Tunnels[1].Options.StartupAction == resource.StartupActionStart {
		lines[len(lines)-1] = strings.Replace(lines[len(lines)-1], "Your side starts", "Either side starts", 1)
	}
	for i, line := range lines {
		lines[i] = strings.TrimSpace(mark + " " + line)
	}
	return strings.Join(lines, "\n")
}

// routing names the kind of routing for an operator.
func (c Config) routing() string {
	if c.StaticRouting {
		return "static routing"
	}
	return "dynamic routing (BGP)"
}

// netmask is 255.255.0.0 for a prefix of 16 bits.
func netmask(p netip.Prefix) string {
	mask := ^uint32(0) << (32 - p.Bits())
	return netip.AddrFrom4([4]byte{byte(mask >> 24), byte(mask >> 16), byte(mask >> 8), byte(mask)}).String()
}

// wildcard is 0.0.255.255 for a prefix of 16 bits.
func wildcard(p netip.Prefix) string {
	mask := ^(^uint32(0) << (32 - p.Bits()))
	return netip.AddrFrom4([4]byte{byte(mask >> 24), byte(mask >> 16), byte(mask >> 8), byte(mask)}).String()
}

// atMost returns the largest of the sizes that is not above the limit, or the
// smallest: for settings that are chosen from a list.
func atMost(limit int32, sizes ...int32) int32 {
	best := slices.Min(sizes)
	for _, size := range sizes {
		if size <= limit {
			best = max(best, size)
		}
	}
	return best
}

// Everything says that the device asks for all traffic, so that routes choose.
func (v view) Everything() bool {
	return v.Site == resource.AnyIPv4 && v.Cloud == resource.AnyIPv4
}

// LeastReplayWindow and LeastMSS are for devices that have one setting for all
// tunnels.
func (v view) LeastReplayWindow() int32 {
	return min(v.Tunnels[0].Options.ReplayWindowSize, v.Tunnels[1].Options.ReplayWindowSize)
}

// LeastMSS is in bytes.
func (v view) LeastMSS() int { return min(v.Tunnels[0].MSS, v.Tunnels[1].MSS) }

// Underlined is the connection's id where a hyphen would not be taken.
func (v view) Underlined() string { return strings.ReplaceAll(v.Connection, "-", "_") }
