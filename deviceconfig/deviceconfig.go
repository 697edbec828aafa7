// Package deviceconfig writes what the device at a site needs to know of a VPN
// connection: the XML document that is part of the connection, and a sample
// configuration for each device that we know. All are made from one Config at
// each read, so that they never disagree.
package deviceconfig

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"causeway.dev/resource"
)

// A Config is all that a customer gateway needs to know of one connection. It
// must be made by New.
type Config struct {
	Connection      string // "vpn-…"
	CustomerGateway string // "cgw-…"
	VPNGateway      string // "vgw-…"
	Region          string
	Type            string // "ipsec.1"
	StaticRouting   bool

	// CustomerAddress is the customer gateway's own outside address and, with
	// pre-shared keys, its IKE identity; invalid where it may have any.
	CustomerAddress netip.Addr
	Certificate     *Certificate // nil: pre-shared keys authenticate

	// KeySecret is the ARN of the secret with pre-shared keys that no configuration
	// shows: they are Redacted. Empty: none is.
	KeySecret string

	CustomerASN uint32
	AmazonASN   uint32

	CustomerCIDR netip.Prefix   // traffic selector of the customer's side
	CloudCIDR    netip.Prefix   // traffic selector of our side
	CloudRoutes  []netip.Prefix // what the device sends into the tunnels: the ranges of the attached VPC
	SiteRoutes   []netip.Prefix // what we send to the device: the static routes

	Tunnels [2]Tunnel
}

// A Certificate is what a device proves itself with in place of pre-shared keys.
type Certificate struct {
	ARN string

	// Authorities are in PEM what our side's certificates are signed by: the
	// issuer and the root. The device has to trust the root.
	Authorities []string
}

// Authority is all Authorities in one text.
func (c *Certificate) Authority() string { return strings.Join(c.Authorities, "") }

// A Tunnel is one of the two tunnels of a Config.
type Tunnel struct {
	Number         int        // 1 or 2
	IKEVersion     string     // "ikev1" or "ikev2"
	CloudOutside   netip.Addr // our outside address and IKE identity
	CloudInside    netip.Addr
	CustomerInside netip.Addr
	InsideCIDR     netip.Prefix
	PreSharedKey   Secret
	Options        resource.TunnelOptions // those that it runs with
}

// Redacted stands for a pre-shared key that is in a secret, as in AWS's documents.
const Redacted = "REDACTED"

// A Secret is a key that is printed by Reveal only.
type Secret struct{ key string }

// Reveal returns the key.
func (s Secret) Reveal() string { return s.key }

// String hides the key.
func (Secret) String() string { return "[secret]" }

// GoString hides the key.
func (Secret) GoString() string { return "[secret]" }

// The forms of what samples quote without escaping.
var (
	idForm     = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^(vpn|cgw|vgw)-[0-9a-f]{8,17}$`) })
	regionForm = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z0-9-]{1,32}$`) })
	secretForm = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^arn:aws:secretsmanager:[a-z0-9-]{1,32}:[0-9]{12}:secret:s2svpn!vpn-[0-9a-f-]{8,24}$`)
	})
	arnForm = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^arn:aws:acm:[a-z0-9-]{1,32}:[0-9]{12}:certificate/[0-9a-f-]{36}$`)
	})
	pemForm = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^-----BEGIN CERTIFICATE-----\n([A-Za-z0-9+/=]{1,64}\n)+-----END CERTIFICATE-----\n$`)
	})
)

// New collects a Config. CloudRoutes are the ranges of the VPC that the gateway
// is attached to, none if it is detached. The certificate is that of a customer
// gateway that has one, else nil. Values that could mean something to a shell or a
// parser are refused, whoever stored them.
func New(connection resource.VPNConnection, gateway resource.VPNGateway, customer resource.CustomerGateway, certificate *Certificate, cloudRoutes []netip.Prefix) (Config, error) {
	c := Config{
		Connection: connection.ID, CustomerGateway: customer.ID, VPNGateway: gateway.ID, Region: connection.Region, Type: connection.Type,
		StaticRouting:   connection.StaticRoutesOnly,
		CustomerAddress: customer.Address, Certificate: certificate, CustomerASN: customer.ASN, AmazonASN: gateway.AmazonSideASN,
		CustomerCIDR: connection.LocalIPv4CIDR, CloudCIDR: connection.RemoteIPv4CIDR,
		CloudRoutes: slices.Clone(cloudRoutes),
	}
	for _, id := range []string{c.Connection, c.CustomerGateway, c.VPNGateway} {
		if !idForm().MatchString(id) {
			return Config{}, fmt.Errorf("device configuration: %q is no id", id)
		}
	}
	if !regionForm().MatchString(c.Region) {
		return Config{}, fmt.Errorf("device configuration of %s: %q is no region", c.Connection, c.Region)
	}
	if known := c.CustomerAddress.Is4() || certificate != nil && !c.CustomerAddress.IsValid(); !known || !c.CustomerCIDR.IsValid() || !c.CloudCIDR.IsValid() {
		return Config{}, fmt.Errorf("device configuration of %s: an address is missing", c.Connection)
	}
	if err := certificate.validate(); err != nil {
		return Config{}, fmt.Errorf("device configuration of %s: %w", c.Connection, err)
	}
	if connection.HasKeySecret() {
		c.KeySecret = resource.KeySecretARN(connection.Account, c.Region, c.Connection)
		if !secretForm().MatchString(c.KeySecret) {
			return Config{}, fmt.Errorf("device configuration of %s: %q is no ARN of a secret", c.Connection, c.KeySecret)
		}
	}
	for _, r := range connection.Routes {
		c.SiteRoutes = append(c.SiteRoutes, r.Destination)
	}
	for i, t := range connection.Tunnels {
		key := t.PreSharedKey
		if t.KeysInSecret() {
			key = Redacted
		}
		keyless := certificate == nil && resource.ValidatePreSharedKey(key) != nil
		if !t.OutsideAddress.Is4() || keyless || resource.ValidateInsideCIDR(t.InsideCIDR) != nil {
			return Config{}, fmt.Errorf("device configuration of %s: tunnel %d is incomplete", c.Connection, i+1)
		}
		c.Tunnels[i] = Tunnel{
			Number: i + 1, CloudOutside: t.OutsideAddress, CloudInside: t.CloudInside(), CustomerInside: t.CustomerInside(),
			InsideCIDR: t.InsideCIDR, PreSharedKey: Secret{key}, Options: t.Effective(),
		}
	}
	for _, version := range []string{resource.IKEv2, resource.IKEv1} {
		if both, err := c.For(version); err == nil {
			return both, nil
		}
	}
	for i, t := range c.Tunnels {
		var ok bool
		if c.Tunnels[i], ok = t.as(resource.IKEv2); !ok {
			c.Tunnels[i], ok = t.as(resource.IKEv1)
		}
		if !ok {
			return Config{}, fmt.Errorf("device configuration of %s: tunnel %d allows no version of IKE", c.Connection, i+1)
		}
	}
	return c, nil
}

// For returns the configuration for a version of IKE. New chooses the highest that
// both tunnels allow, and for tunnels that have none in common the highest that each
// allows. The error is for the caller of the API.
func (c Config) For(version string) (Config, error) {
	for i, t := range c.Tunnels {
		var ok bool
		if c.Tunnels[i], ok = t.as(version); !ok {
			return Config{}, resource.Errorf(resource.CodeInvalidParameterValue, "Tunnel %d of %s does not allow %s. Ask for another InternetKeyExchangeVersion or for none, or change the tunnel's options", i+1, c.Connection, version)
		}
	}
	return c, nil
}

// as returns the tunnel with a version of IKE, and false if its options do not allow it.
func (t Tunnel) as(version string) (Tunnel, bool) {
	t.IKEVersion = version
	if version == resource.IKEv1 {
		var ok bool
		t.Options, ok = t.Options.ForIKEv1()
		return t, ok
	}
	return t, slices.Contains(t.Options.IKEVersions, version)
}

// Uses reports whether a tunnel has a version of IKE.
func (c Config) Uses(version string) bool {
	return slices.ContainsFunc(c.Tunnels[:], func(t Tunnel) bool { return t.IKEVersion == version })
}

// ikeVersions are those of the tunnels, for an operator to read.
func (c Config) ikeVersions() string {
	one, two := ikeName(c.Tunnels[0].IKEVersion), ikeName(c.Tunnels[1].IKEVersion)
	if one == two {
		return one
	}
	return one + " in tunnel 1, " + two + " in tunnel 2"
}

// ikeName is how RFCs write a version that AWS writes "ikev2".
func ikeName(version string) string { return strings.Replace(version, "ikev", "IKEv", 1) }

func (c *Certificate) validate() error {
	if c == nil {
		return nil
	}
	if !arnForm().MatchString(c.ARN) {
		return fmt.Errorf("%q is no ARN of a certificate", c.ARN)
	}
	for _, text := range c.Authorities {
		if !pemForm().MatchString(text) {
			return errors.New("an authority is no certificate in PEM form")
		}
	}
	return nil
}

// Customer is the device's address for an operator to read.
func (c Config) Customer() string {
	if !c.CustomerAddress.IsValid() {
		return "any address"
	}
	return c.CustomerAddress.String()
}

// CustomerInsidePrefix is the device's address in the tunnel with the length of
// the inside range.
func (t Tunnel) CustomerInsidePrefix() netip.Prefix {
	return netip.PrefixFrom(t.CustomerInside, t.InsideCIDR.Bits())
}

// DeviceRekeySeconds are the ages at which a device should replace its IKE SA
// and its Child SA: a quarter of the lifetime before the end, which is before
// our own side does, so that the two hardly ever rekey at once.
func (t Tunnel) DeviceRekeySeconds() (ike, child int32) {
	early := func(lifetime int32) int32 {
		latest := lifetime - 2*t.Options.RekeyMarginTimeSeconds
		return max(min(lifetime*3/4, latest-30), lifetime/3)
	}
	return early(t.Options.Phase1LifetimeSeconds), early(t.Options.Phase2LifetimeSeconds)
}

// table gives the charon of a tunnel a routing table number that another
// connection on the same host hardly has.
func (c Config) table(t Tunnel) int {
	tail, err := strconv.ParseUint(c.Connection[len(c.Connection)-5:], 16, 32)
	if err != nil {
		panic("deviceconfig: New lets only hexadecimal ids pass: " + err.Error())
	}
	return 10000 + 2*int(tail) + t.Number
}
