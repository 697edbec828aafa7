// Package deviceconfig writes what the device at a site needs to know of a VPN
// connection: the XML document that is part of the connection, and a sample
// configuration for each device that we know. All are made from one Config at
// each read, so that they never disagree.
package deviceconfig

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"

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

	CustomerAddress netip.Addr // the customer gateway's own outside address and IKE identity
	CustomerASN     uint32
	AmazonASN       uint32

	CustomerCIDR netip.Prefix   // traffic selector of the customer's side
	CloudCIDR    netip.Prefix   // traffic selector of our side
	CloudRoutes  []netip.Prefix // what the device sends into the tunnels: the ranges of the attached VPC
	SiteRoutes   []netip.Prefix // what we send to the device: the static routes

	Tunnels [2]Tunnel
}

// A Tunnel is one of the two tunnels of a Config.
type Tunnel struct {
	Number         int        // 1 or 2
	CloudOutside   netip.Addr // our outside address and IKE identity
	CloudInside    netip.Addr
	CustomerInside netip.Addr
	InsideCIDR     netip.Prefix
	PreSharedKey   Secret
	Options        resource.TunnelOptions // those that it runs with
}

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
	idForm     = regexp.MustCompile(`^(vpn|cgw|vgw)-[0-9a-f]{8,17}$`)
	regionForm = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)
)

// New collects a Config. CloudRoutes are the ranges of the VPC that the gateway
// is attached to, none if it is detached. Values that could mean something to a
// shell or a parser are refused, whoever stored them.
func New(connection resource.VPNConnection, gateway resource.VPNGateway, customer resource.CustomerGateway, cloudRoutes []netip.Prefix) (Config, error) {
	c := Config{
		Connection: connection.ID, CustomerGateway: customer.ID, VPNGateway: gateway.ID, Region: connection.Region, Type: connection.Type,
		StaticRouting:   connection.StaticRoutesOnly,
		CustomerAddress: customer.Address, CustomerASN: customer.ASN, AmazonASN: gateway.AmazonSideASN,
		CustomerCIDR: connection.LocalIPv4CIDR, CloudCIDR: connection.RemoteIPv4CIDR,
		CloudRoutes: slices.Clone(cloudRoutes),
	}
	for _, id := range []string{c.Connection, c.CustomerGateway, c.VPNGateway} {
		if !idForm.MatchString(id) {
			return Config{}, fmt.Errorf("device configuration: %q is no id", id)
		}
	}
	if !regionForm.MatchString(c.Region) {
		return Config{}, fmt.Errorf("device configuration of %s: %q is no region", c.Connection, c.Region)
	}
	if !c.CustomerAddress.Is4() || !c.CustomerCIDR.IsValid() || !c.CloudCIDR.IsValid() {
		return Config{}, fmt.Errorf("device configuration of %s: an address is missing", c.Connection)
	}
	for _, r := range connection.Routes {
		c.SiteRoutes = append(c.SiteRoutes, r.Destination)
	}
	for i, t := range connection.Tunnels {
		if !t.OutsideAddress.Is4() || resource.ValidatePreSharedKey(t.PreSharedKey) != nil || resource.ValidateInsideCIDR(t.InsideCIDR) != nil {
			return Config{}, fmt.Errorf("device configuration of %s: tunnel %d is incomplete", c.Connection, i+1)
		}
		c.Tunnels[i] = Tunnel{
			Number: i + 1, CloudOutside: t.OutsideAddress, CloudInside: t.CloudInside(), CustomerInside: t.CustomerInside(),
			InsideCIDR: t.InsideCIDR, PreSharedKey: Secret{t.PreSharedKey}, Options: t.Built(),
		}
		o := c.Tunnels[i].Options
		if len(o.Phase1DHGroupNumbers) == 0 || len(o.Phase2DHGroupNumbers) == 0 || len(o.IKEVersions) == 0 {
			return Config{}, fmt.Errorf("device configuration of %s: tunnel %d allows nothing that is built", c.Connection, i+1)
		}
	}
	return c, nil
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
