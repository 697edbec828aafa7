package deviceconfig

import (
	"embed"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"text/template"
)

// A Device is a kind of customer gateway for which there is a sample
// configuration.
type Device struct {
	ID       string // eight hexadecimal digits, opaque and for ever
	Vendor   string
	Platform string
	Software string

	sample     string     // name of the template
	preference preference // order of algorithms in the recommended sample
	group      func(int32) string
}

// Devices are all that there are, sorted by vendor and platform. Clients choose by the three texts.
func Devices() []Device { return slices.Clone(devices) }

var devices = []Device{
	{ID: "c6a5e0a1", Vendor: "Causeway", Platform: "Appliance", Software: "causeway appliance", sample: "causeway.yaml.tmpl", preference: gcmFirst, group: groupNumber},
	{ID: "9005b6c1", Vendor: "Generic", Platform: "Generic", Software: "Vendor Agnostic", sample: "generic.txt.tmpl", preference: cbcFirst, group: groupNumber},
	{ID: "5a0e4c11", Vendor: "Strongswan", Platform: "Linux with IPsec in the kernel", Software: "Strongswan 5.9.1+", sample: "strongswan_kernel.conf.tmpl", preference: cbcFirst, group: strongSwanGroup},
	{ID: "5a0e4c12", Vendor: "Strongswan", Platform: "Linux with IPsec in user space", Software: "Strongswan 5.9.1+", sample: "strongswan_userspace.sh.tmpl", preference: cbcFirst, group: strongSwanGroup},
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

var templates = template.Must(template.New("").Funcs(template.FuncMap{
	"join":  joinPrefixes,
	"words": func(words []string) string { return strings.Join(words, " ") },
	// comment makes a comment of every line.
	"comment": func(text string) string {
		return "# " + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n# ") + "\n"
	},
}).ParseFS(samples, "samples/*.tmpl"))

// Sample writes the configuration of a device, for the version of IKE in c.
func (d Device) Sample(c Config, kind SampleType) (string, error) {
	order := d.preference
	if kind == Compatible {
		order = weakestFirst
	}
	v := view{Config: c, Device: d}
	for i, t := range c.Tunnels {
		v.Tunnels[i] = d.tunnel(c, t, order)
		v.Weak = v.Weak || v.Tunnels[i].phase1.isWeak(1) || v.Tunnels[i].phase2.isWeak(2)
	}
	var out strings.Builder
	if err := templates.ExecuteTemplate(&out, d.sample, v); err != nil {
		return "", fmt.Errorf("write the sample of %s for %s: %w", c.Connection, d.Platform, err)
	}
	return out.String(), nil
}

// A view is what templates see.
type view struct {
	Config
	Device  Device
	Tunnels [2]tunnelView
	Weak    bool // some tunnel uses what is kept for old devices only
}

// A tunnelView is a tunnel with the algorithms that were chosen for it.
type tunnelView struct {
	Tunnel
	phase1, phase2 proposal

	Key                              string // revealed
	IKE, ESP                         string // proposals in the device's notation
	MTU, MSS                         int    // bytes
	Table                            int    // a routing table of the device
	IKERekeySeconds, ESPRekeySeconds int32
}

func (d Device) tunnel(c Config, t Tunnel, order preference) tunnelView {
	v := tunnelView{Tunnel: t, phase1: order.phase1(t.Options), phase2: order.phase2(t.Options), Key: t.PreSharedKey.Reveal(), Table: c.table(t)}
	v.IKE, v.ESP = v.phase1.short(1, d.group), v.phase2.short(2, d.group)
	v.MTU = v.phase2.inside()
	v.MSS = min(v.MTU-tcpIPHeaderBytes, tcpMSS)
	v.IKERekeySeconds, v.ESPRekeySeconds = t.DeviceRekeySeconds()
	return v
}

// Metric prefers the routes of tunnel 1.
func (v tunnelView) Metric() int { return 100 + v.Number }

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
