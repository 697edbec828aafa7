package appliance

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/goccy/go-yaml"

	"causeway.dev/ike"
	"causeway.dev/keeper"
	"causeway.dev/packetio"
	"causeway.dev/tunnel"
)

// Config is what `causeway appliance --config FILE` reads: the downloaded
// configuration of the device type 'Causeway', or one written by hand.
type Config struct {
	Local netip.Addr `yaml:"local"` // own outside address; behind a NAT the private one
	ID    string     `yaml:"id"`    // IKE identity: an address, a domain name or user@domain; default Local

	// Mobile instead of Local: the own outside address is the one from which the
	// kernel sends to the gateways, and may change. An ID or a certificate says who we
	// are. With IKEv2 and a gateway that knows MOBIKE (RFC 4555) the SAs stay.
	Mobile  bool     `yaml:"mobile"`
	Tunnels []Tunnel `yaml:"tunnels"`

	// Advertise is what the gateways of tunnels with BGP are told that is reached by
	// us; default nothing.
	Advertise []Advertisement `yaml:"advertise"`

	// Accept are the networks within which routes are learned; default private and
	// shared address space (RFC 1918, RFC 6598).
	Accept []netip.Prefix `yaml:"accept"`

	// OffloadsOff are those that are not to be used, though the kernel has them:
	// "tun-segmentation", "tun-udp-segmentation", "udp-segmentation",
	// "udp-coalescing" or "all"; default none.
	OffloadsOff []string `yaml:"offloads_off"`

	// Lanes is how many goroutines carry packets, tunnel.LanesMax at most; 0:
	// tunnel.DefaultLanes.
	Lanes int `yaml:"lanes"`

	// StandardAES leaves AES-GCM to the standard library, though the processor has
	// the instructions of ours. Default false.
	StandardAES bool `yaml:"standard_aes"`

	// HandOver is how long the tunnels that stand when the process gets SIGTERM are
	// carried on, for the next one with this configuration; "15s" for example, at
	// most 10m. Default 0s: they end, and their TUNs and routes go.
	HandOver Duration `yaml:"hand_over"`

	// TunnelLog is where the log of the tunnels goes.
	TunnelLog TunnelLog `yaml:"tunnel_log"`

	// ControlSocket is where `causeway doctor --appliance FILE` and `causeway capture
	// --appliance FILE` ask; default one in /run/causeway of this file's own.
	ControlSocket string `yaml:"control_socket"`
}

// A Tunnel is one IPsec tunnel to a remote gateway.
type Tunnel struct {
	Name         string         `yaml:"name"`          // of the TUN; at most 15 characters
	ID           string         `yaml:"id"`            // own IKE identity towards this gateway; default that of Config
	Remote       netip.Addr     `yaml:"remote"`        // may be missing where a certificate says who the gateway is and it begins
	RemoteID     string         `yaml:"remote_id"`     // default Remote; "any": whoever has the key or a certificate of CA
	PSK          string         `yaml:"psk"`           // or Certificate, Key and CA
	Certificate  string         `yaml:"certificate"`   // file, PEM: own certificate, then those between it and the root
	Key          string         `yaml:"key"`           // file, PEM: its private key
	CA           string         `yaml:"ca"`            // file, PEM: the authorities whose certificates the gateway may have
	CRL          string         `yaml:"crl"`           // file, DER or PEM: a revocation list of theirs
	IKEVersions  []string       `yaml:"ike_versions"`  // "ikev1", "ikev2"; default both. Of both, IKEv2 is begun with
	IKEProposals []string       `yaml:"ike_proposals"` // default aes128-sha256-group14
	ESPProposals []string       `yaml:"esp_proposals"` // default aes128gcm16-group14
	Start        *bool          `yaml:"start"`         // default true; false: answer only
	Encap        string         `yaml:"encap"`         // "auto", the default, or "always" (UDP 4500)
	FragmentSize int            `yaml:"fragment_size"` // longest IP datagram of IKE messages, 576 to 65535; default 1280
	Inside       netip.Prefix   `yaml:"inside"`        // own inside address with the length of its range
	MTU          int            `yaml:"mtu"`           // of the TUN, 576 to 9000; default what fits the cipher
	Routes       []netip.Prefix `yaml:"routes"`        // installed while the tunnel is up; preferred to the same ones that are learned

	BGP *BGP `yaml:"bgp"` // nil: Routes alone

	LocalSelectors  []netip.Prefix `yaml:"local_selectors"`  // default any
	RemoteSelectors []netip.Prefix `yaml:"remote_selectors"` // default any

	IKELifetime   Duration `yaml:"ike_lifetime"`   // default 8h
	ChildLifetime Duration `yaml:"child_lifetime"` // default 1h
	RekeyMargin   Duration `yaml:"rekey_margin"`   // how long before its end a lifetime is renewed, at the latest; default 270s
	DPDTimeout    Duration `yaml:"dpd_timeout"`    // default 30s
	DPDAction     string   `yaml:"dpd_action"`     // "restart", the default, "clear" or "none"
}

// A Duration reads as Go writes one: "90s", "8h".
type Duration time.Duration

// UnmarshalText reads "90s" or "8h".
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	*d = Duration(v)
	return err
}

// LoadConfig reads a file.
func LoadConfig(name string) (Config, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return Config{}, fmt.Errorf("read configuration: %w", err)
	}
	c, err := ParseConfig(text)
	if err != nil {
		return Config{}, fmt.Errorf("configuration %s: %w", name, err)
	}
	folder := filepath.Dir(name)
	for i := range c.Tunnels {
		c.Tunnels[i].findFiles(folder)
	}
	findFile(folder, &c.TunnelLog.File)
	if c.ControlSocket == "" {
		c.ControlSocket, err = defaultSocket(name)
	}
	return c, err
}

// ParseConfig reads YAML, fills in defaults and checks every value. Keys that
// Config does not list are refused.
func ParseConfig(text []byte) (Config, error) {
	var c Config
	if err := yaml.NewDecoder(bytes.NewReader(text), yaml.DisallowUnknownField()).Decode(&c); err != nil {
		return Config{}, errors.New(yaml.FormatError(err, false, false))
	}
	switch {
	case c.Mobile && c.Local.IsValid():
		return Config{}, errors.New("mobile: the own outside address is found out; leave local out")
	case !c.Mobile && !c.Local.IsValid():
		return Config{}, errors.New("local: the own outside address is missing")
	}
	if len(c.Tunnels) == 0 {
		return Config{}, errors.New("tunnels: there is none")
	}
	if c.Lanes < 0 || c.Lanes > tunnel.LanesMax {
		return Config{}, fmt.Errorf("lanes: %d is not between 0 and %d", c.Lanes, tunnel.LanesMax)
	}
	if _, err := packetio.Without(c.OffloadsOff); err != nil {
		return Config{}, fmt.Errorf("offloads_off: %w", err)
	}
	if h := time.Duration(c.HandOver); h < 0 || h > keeper.WaitMax {
		return Config{}, fmt.Errorf("hand_over: %v is not between 0s and %v", h, keeper.WaitMax)
	}
	c.TunnelLog.setDefaults()
	if err := c.TunnelLog.validate(); err != nil {
		return Config{}, fmt.Errorf("tunnel_log: %w", err)
	}
	names := map[string]bool{}
	for i := range c.Tunnels {
		t := &c.Tunnels[i]
		t.setDefaults()
		if err := t.validate(); err != nil {
			return Config{}, fmt.Errorf("tunnel %d (%s): %w", i+1, t.Name, err)
		}
		if names[t.Name] {
			return Config{}, fmt.Errorf("tunnel %d: the name %s is taken by another", i+1, t.Name)
		}
		names[t.Name] = true
		if c.Mobile {
			if err := c.validateMobile(*t); err != nil {
				return Config{}, fmt.Errorf("tunnel %d (%s): mobile: %w", i+1, t.Name, err)
			}
			continue
		}
		if t.Remote.IsValid() && t.Remote.Is4() != c.Local.Is4() {
			return Config{}, fmt.Errorf("tunnel %d (%s): local %v and remote %v are of two IP versions", i+1, t.Name, c.Local, t.Remote)
		}
	}
	return c, c.settleRoutes()
}

// names are those of the tunnels, in their order.
func (c Config) names() []string {
	var all []string
	for _, t := range c.Tunnels {
		all = append(all, t.Name)
	}
	return all
}

func (t *Tunnel) setDefaults() {
	if t.BGP != nil {
		t.BGP.setDefaults(t.Inside)
	}
	t.Encap = cmp.Or(t.Encap, "auto")
	t.DPDAction = cmp.Or(t.DPDAction, "restart")
	if len(t.IKEProposals) == 0 {
		t.IKEProposals = []string{"aes128-sha256-group14"}
	}
	if len(t.ESPProposals) == 0 {
		t.ESPProposals = []string{"aes128gcm16-group14"}
	}
}

var linkName = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,15}$`)

func (t *Tunnel) validate() error {
	switch {
	case !linkName.MatchString(t.Name):
		return fmt.Errorf("name: %q is not an interface name of 1 to 15 letters, digits, '.', '_' or '-'", t.Name)
	case !t.Remote.IsValid() && (t.Certificate == "" || t.starts()):
		return errors.New("remote: the gateway's address is missing; only one with a certificate that begins itself (start: false) may have any")
	case !t.Remote.IsValid() && t.RemoteID == "":
		return errors.New("remote_id: without remote it has to say who the gateway is")
	case t.PSK == "" && t.Certificate == "":
		return errors.New("psk: the pre-shared key is missing, and there is no certificate either")
	case t.PSK != "" && t.Certificate != "":
		return errors.New("psk: there is a certificate, too; one of them is enough")
	case t.Certificate != "" && (t.Key == "" || t.CA == ""):
		return errors.New("certificate: it needs its key and a ca for the gateway's")
	case t.Certificate == "" && (t.Key != "" || t.CA != "" || t.CRL != ""):
		return errors.New("certificate: key, ca and crl are of no use without it")
	case t.FragmentSize != 0 && (t.FragmentSize < 576 || t.FragmentSize > 65535):
		return fmt.Errorf("fragment_size: %d is not between 576 and 65535", t.FragmentSize)
	case t.Encap != "auto" && t.Encap != "always":
		return fmt.Errorf("encap: %q is neither auto nor always", t.Encap)
	case t.MTU != 0 && (t.MTU < 576 || t.MTU > 9000):
		return fmt.Errorf("mtu: %d is not between 576 and 9000", t.MTU)
	case t.Inside.IsValid() && t.Inside.Addr() == t.Inside.Masked().Addr() && t.Inside.Bits() < 31:
		return fmt.Errorf("inside: %v is the range's own address, not a host's", t.Inside)
	}
	for _, v := range t.IKEVersions {
		if _, err := ike.ParseVersion(v); err != nil {
			return fmt.Errorf("ike_versions: %w", err)
		}
	}
	if _, ok := dpdActions[t.DPDAction]; !ok {
		return fmt.Errorf("dpd_action: %q is neither restart, clear nor none", t.DPDAction)
	}
	if t.BGP != nil {
		if err := t.validateBGP(); err != nil {
			return fmt.Errorf("bgp: %w", err)
		}
	}
	return nil
}

func (t *Tunnel) starts() bool { return t.Start == nil || *t.Start }

var dpdActions = map[string]ike.DPDAction{"clear": ike.DPDClear, "none": ike.DPDNone, "restart": ike.DPDRestart}

// peer is the tunnel's IKE configuration, with the files that it names.
// validate has passed.
func (c Config) peer(t Tunnel) (ike.Peer, error) {
	p := ike.Peer{
		ID:              ike.PeerID(t.Name),
		Local:           c.Local,
		Mobile:          c.Mobile,
		Remote:          t.Remote,
		LocalSelectors:  t.LocalSelectors,
		RemoteSelectors: t.RemoteSelectors,
		Start:           t.starts(),
		FragmentSize:    t.FragmentSize,
		IKELifetime:     time.Duration(t.IKELifetime),
		ChildLifetime:   time.Duration(t.ChildLifetime),
		RekeyMargin:     time.Duration(t.RekeyMargin),
		DPDTimeout:      time.Duration(t.DPDTimeout),
		DPDAction:       dpdActions[t.DPDAction],
	}
	if err := c.identify(&p, t); err != nil {
		return p, err
	}
	if t.Encap == "always" {
		p.Encapsulation = ike.EncapsulationAlways
	}
	for _, s := range t.IKEVersions {
		version, err := ike.ParseVersion(s)
		if err != nil {
			return p, fmt.Errorf("ike_versions: %w", err)
		}
		p.Versions |= ike.VersionsOf(version)
	}
	for _, s := range t.IKEProposals {
		proposal, err := ike.ParseIKEProposal(s)
		if err != nil {
			return p, fmt.Errorf("ike_proposals: %w", err)
		}
		p.IKEProposals = append(p.IKEProposals, proposal)
	}
	for _, s := range t.ESPProposals {
		proposal, err := ike.ParseESPProposal(s)
		if err != nil {
			return p, fmt.Errorf("esp_proposals: %w", err)
		}
		p.ESPProposals = append(p.ESPProposals, proposal)
	}
	return p, nil
}
