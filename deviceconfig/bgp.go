package deviceconfig

import (
	"net/netip"
	"slices"
	"strings"
)

// FRR and BIRD speak BGP for those who make tunnels without it. They have no part
// in IKE, so that any algorithm will do for them.
var frrDevices = []Device{{
	ID: "5a0e4c14", Vendor: "FRRouting", Platform: "Linux, beside strongSwan or Libreswan", Software: "FRR 8.4+", sample: "frr.conf.tmpl",
	preference: cbcFirst, group: groupNumber, withoutStatic: withoutStaticRouting,
}}

var birdDevices = []Device{{
	ID: "5a0e4c15", Vendor: "BIRD", Platform: "Linux, beside strongSwan or Libreswan", Software: "BIRD 2.0.12+", sample: "bird.conf.tmpl",
	preference: cbcFirst, group: groupNumber, withoutStatic: withoutStaticRouting,
}}

const withoutStaticRouting = "speaks BGP, and the connection has static routes: the sample for strongSwan or Libreswan makes them without it"

// What all samples with BGP tell and take (decision 55).

// rfc1918 are the private networks (RFC 1918 section 3). A device advertises those
// of its own that are in them, less what is the VPC's.
var rfc1918 = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16")}

// sharedAddresses are what providers number their customers' routers from (RFC 6598):
// a VPC may have them, but where a device has them, they are its provider's.
var sharedAddresses = netip.MustParsePrefix("100.64.0.0/10")

// Learned is what a device takes: private networks, in which other sites are and
// ranges that the VPC gets later, and the VPC's own ranges. The default route is
// not in it, nor are the outside addresses of the tunnels, where they are public.
func (v view) Learned() []netip.Prefix {
	out := append(slices.Clone(rfc1918), sharedAddresses)
	for _, cloud := range v.CloudRoutes {
		if !slices.ContainsFunc(out, func(p netip.Prefix) bool { return covers(p, cloud) }) {
			out = append(out, cloud.Masked())
		}
	}
	return out
}

// Covering are all prefixes within Learned that contain an outside address of a
// tunnel, from the shortest to the address itself: taken by BGP, one of them would
// send the tunnel's own packets into the tunnel. There are none on the internet.
func (v view) Covering() []netip.Prefix {
	var out []netip.Prefix
	for _, t := range v.Tunnels {
		for _, learned := range v.Learned() {
			if !learned.Contains(t.CloudOutside) {
				continue
			}
			for bits := learned.Bits(); bits <= 32; bits++ {
				if p := netip.PrefixFrom(t.CloudOutside, bits).Masked(); !slices.Contains(out, p) {
					out = append(out, p)
				}
			}
		}
	}
	return out
}

// covers reports whether all of b is in a.
func covers(a, b netip.Prefix) bool { return a.Bits() <= b.Bits() && a.Contains(b.Addr()) }

// A listEntry is one of a list of prefixes, of which the first that matches decides.
type listEntry struct {
	Number int // 10, 20, ...
	Permit bool
	Prefix netip.Prefix
	Longer bool // what lies in Prefix, too
}

// Action is the word for Permit that most devices have.
func (e listEntry) Action() string {
	if e.Permit {
		return "permit"
	}
	return "deny"
}

// AdvertisedList chooses of the device's own networks what it advertises: the private ones, not
// the VPC's.
func (v view) AdvertisedList() []listEntry {
	return numberEntries(append(entries(false, true, v.CloudRoutes), entries(true, true, rfc1918)...))
}

// LearnedList chooses what the device takes.
func (v view) LearnedList() []listEntry {
	return numberEntries(append(entries(false, false, v.Covering()), entries(true, true, v.Learned())...))
}

func entries(permit, longer bool, prefixes []netip.Prefix) []listEntry {
	var out []listEntry
	for _, p := range prefixes {
		out = append(out, listEntry{Permit: permit, Prefix: p.Masked(), Longer: longer})
	}
	return out
}

func numberEntries(list []listEntry) []listEntry {
	for i := range list {
		list[i].Number = 10 * (i + 1)
	}
	return list
}

// Private are the networks of which a device advertises those that are its own.
func (view) Private() []netip.Prefix { return rfc1918 }

// Policy tells an operator what the device advertises and takes. Each line begins
// with a mark of a comment.
func (v view) Policy(mark string) string {
	lines := []string{
		"BGP. Advertised are, of the networks that this device has addresses in, the private",
		"ones, but not the VPC's, 100 at most: CHANGE vpc-advertised for others. Taken are the",
		"VPC's ranges and private networks of other sites; no default route, and nothing that",
		"contains " + v.Tunnels[0].CloudOutside.String() + " or " + v.Tunnels[1].CloudOutside.String() + ": the tunnels' packets would be sent into",
		"the tunnels. Tunnel 1 is preferred by our side's MED, 100 and 200.",
	}
	for i, line := range lines {
		lines[i] = strings.TrimSpace(mark + " " + line)
	}
	return strings.Join(lines, "\n")
}

// RouterID is the device's BGP identifier: unique among all that speak to our side,
// and always there.
func (v view) RouterID() netip.Addr { return v.Tunnels[0].CustomerInside }

// SiteSelectors are the traffic selectors of the device's side: that of the connection
// and, with BGP, the inside address, if that leaves it out.
func (v view) SiteSelectors(t tunnelView) []netip.Prefix {
	return v.withInside(v.Site, t.CustomerInside)
}

// CloudSelectors are those of our side, likewise.
func (v view) CloudSelectors(t tunnelView) []netip.Prefix {
	return v.withInside(v.Cloud, t.CloudInside)
}

func (v view) withInside(selector netip.Prefix, inside netip.Addr) []netip.Prefix {
	if v.StaticRouting || selector.Contains(inside) {
		return []netip.Prefix{selector}
	}
	return []netip.Prefix{selector, netip.PrefixFrom(inside, inside.BitLen())}
}

// LearnsMore says that Learned has more than what an appliance takes by itself.
func (v view) LearnsMore() bool { return len(v.Learned()) > len(rfc1918)+1 }

// LastMetric is that of the Linux route which keeps packets to the VPC from leaving in
// clear. With BGP its upper eight bits are all set: FRR takes routes that it has not
// made for better than its own otherwise (zebra reads these bits as the distance).
func (v view) LastMetric() uint32 {
	if v.StaticRouting {
		return 4096
	}
	return 0xff<<24 | 4096
}
