package deviceconfig

import (
	"cmp"
	"embed"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"text/template"
)

// A Device is a kind of customer gateway for which there is a sample
// configuration.
type Device struct {
	ID       string // eight hexadecimal digits, opaque and for ever
	Vendor   string
	Platform string
	Software string

	sample     string             // name of the template
	written    string             // the version of the software that the sample is written for, where it says so
	checked    string             // how the sample was checked, where that is more than against the manual
	preference preference         // order of algorithms in the recommended sample
	group      func(int32) string // names of groups in proposals as strongSwan writes them
	dialect    *dialect           // nil: the device knows all that AWS has

	// Why there is no sample for a connection with static routes, or for one with BGP,
	// and what to do; empty: there is one.
	withoutStatic, withoutBGP string
}

// Devices are all that there are, sorted by vendor and platform. Clients choose by the three texts.
func Devices() []Device { return slices.Clone(devices) }

var devices = sorted([]Device{
	{ID: "c6a5e0a1", Vendor: "Causeway", Platform: "Appliance", Software: "causeway appliance", sample: "causeway.yaml.tmpl", preference: gcmFirst, group: groupNumber},
	{ID: "9005b6c1", Vendor: "Generic", Platform: "Generic", Software: "Vendor Agnostic", sample: "generic.txt.tmpl", preference: cbcFirst, group: groupNumber},
	{ID: "5a0e4c11", Vendor: "Strongswan", Platform: "Linux with IPsec in the kernel", Software: "Strongswan 5.9.1+", sample: "strongswan_kernel.conf.tmpl", preference: cbcFirst, group: strongSwanGroup},
	{ID: "5a0e4c12", Vendor: "Strongswan", Platform: "Linux with IPsec in user space", Software: "Strongswan 5.9.1+", sample: "strongswan_userspace.sh.tmpl", preference: cbcFirst, group: strongSwanGroup},
}, ciscoDevices, juniperDevices, fortinetDevices, paloAltoDevices, mikrotikDevices, vyosDevices, yamahaDevices, windowsDevices, libreswanDevices, pfSenseDevices, opnSenseDevices, sonicWallDevices, frrDevices, birdDevices)

// sorted puts devices in the order of vendor, platform and software.
func sorted(lists ...[]Device) []Device {
	out := slices.Concat(lists...)
	slices.SortStableFunc(out, func(a, b Device) int {
		return cmp.Or(strings.Compare(a.Vendor, b.Vendor), strings.Compare(a.Platform, b.Platform), strings.Compare(a.Software, b.Software))
	})
	return out
}

// Find returns the device with an ID.
func Find(id string) (Device, bool) {
	i := slices.IndexFunc(devices, func(d Device) bool { return d.ID == id })
	if i < 0 {
		return Device{}, false
	}
	return devices[i], true
}

// Kinds of samples, AWS's SampleType.
type SampleType string

// The recommended sample has the strongest algorithms that the device surely
// knows and the tunnel allows; the compatible one has the weakest, which every
// device knows, and says so.
const (
	Recommended SampleType = "recommended"
	Compatible  SampleType = "compatibility"
)

//go:embed samples
var samples embed.FS

// templates are parsed when the first is asked for: the processes of instances,
// which are this program too, never do.
var templates = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("").Funcs(template.FuncMap{
		"join":     joinPrefixes,
		"words":    func(words []string) string { return strings.Join(words, " ") },
		"netmask":  netmask,
		"wildcard": wildcard,
		"atMost":   atMost,
		"minutes":  func(seconds int32) int32 { return seconds / 60 },
		"sum":      func(a, b int) int { return a + b },
		// comment makes a comment of every line.
		"comment": func(text string) string {
			return "# " + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n# ") + "\n"
		},
	}).ParseFS(samples, "samples/*.tmpl"))
})

// Sample writes the configuration of a device, for the version of IKE in c. An
// error of what the device cannot do is for the caller of the API.
func (d Device) Sample(c Config, kind SampleType) (string, error) {
	order := d.preference
	if kind == Compatible {
		order = weakestFirst
	}
	if err := d.check(c); err != nil {
		return "", err
	}
	v := view{Config: c, Device: d}
	v.Site, v.Cloud = d.pair(c)
	for i, t := range c.Tunnels {
		var err error
		if v.Tunnels[i], err = d.tunnel(c, t, order); err != nil {
			return "", err
		}
		v.Weak = v.Weak || v.Tunnels[i].phase1.isWeak(1) || v.Tunnels[i].phase2.isWeak(2)
	}
	if err := d.checkTunnels(v.Tunnels[0], v.Tunnels[1]); err != nil {
		return "", err
	}
	var out strings.Builder
	if err := templates().ExecuteTemplate(&out, d.sample, v); err != nil {
		return "", fmt.Errorf("write the sample of %s for %s: %w", c.Connection, d.Platform, err)
	}
	return out.String(), nil
}

// A view is what templates see.
type view struct {
	Config
	Device      Device
	Tunnels     [2]tunnelView
	Site, Cloud netip.Prefix // traffic selectors that the device asks for
	Weak        bool         // some tunnel uses what is kept for old devices only
}

// A tunnelView is a tunnel with the algorithms that were chosen for it.
type tunnelView struct {
	Tunnel
	phase1, phase2 proposal

	Key                              string // revealed
	IKE, ESP                         string // proposals as strongSwan and Causeway write them
	Words1, Words2                   words  // the proposals in the device's words, where it has a dialect
	MTU, MSS                         int    // bytes
	Table                            int    // a routing table of the device
	IKERekeySeconds, ESPRekeySeconds int32
}

func (d Device) tunnel(c Config, t Tunnel, order preference) (tunnelView, error) {
	v := tunnelView{Tunnel: t, Key: t.PreSharedKey.Reveal(), Table: c.table(t)}
	var err error
	if v.phase1, v.phase2, err = d.propose(t.IKEVersion, order, t.Options); err != nil {
		return v, err
	}
	if d.dialect == nil {
		v.IKE, v.ESP = v.phase1.short(1, d.group), v.phase2.short(2, d.group)
	} else {
		has := d.dialect.abilities[t.IKEVersion]
		v.Words1, v.Words2 = has.phase1.say(v.phase1), has.phase2.say(v.phase2)
	}
	v.MTU = v.phase2.inside()
	v.MSS = min(v.MTU-tcpIPHeaderBytes, tcpMSS)
	v.IKERekeySeconds, v.ESPRekeySeconds = t.DeviceRekeySeconds()
	return v, nil
}

// Metric prefers the routes of tunnel 1.
func (v tunnelView) Metric() int { return 100 + v.Number }

// ESPMarginSeconds is how long before its end a device replaces a Child SA, for
// those that ask for that.
func (v tunnelView) ESPMarginSeconds() int32 {
	return v.Options.Phase2LifetimeSeconds - v.ESPRekeySeconds
}

// Phase1 is the proposal of the IKE SA.
func (v tunnelView) Phase1() proposal { return v.phase1 }

// Phase2 is the proposal of the Child SA.
func (v tunnelView) Phase2() proposal { return v.phase2 }

// joinPrefixes separates prefixes by what a list in the sample needs.
func joinPrefixes(separator string, prefixes []netip.Prefix) string {
	out := make([]string, len(prefixes))
	for i, p := range prefixes {
		out[i] = p.String()
	}
	return strings.Join(out, separator)
}
