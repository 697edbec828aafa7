package resource

import "net/netip"

// A VPNConnection joins a customer gateway to a VPN gateway by two tunnels.
type VPNConnection struct {
	Meta
	State            string           `json:"state"`
	Type             string           `json:"type"` // "ipsec.1"
	CustomerGateway  string           `json:"customerGateway"`
	VPNGateway       string           `json:"vpnGateway"`
	StaticRoutesOnly bool             `json:"staticRoutesOnly"` // false: dynamic, its routes are told by BGP
	LocalIPv4CIDR    netip.Prefix     `json:"localIpv4Cidr"`    // the customer's side; default 0.0.0.0/0
	RemoteIPv4CIDR   netip.Prefix     `json:"remoteIpv4Cidr"`   // our side; default 0.0.0.0/0
	Routes           []VPNStaticRoute `json:"routes,omitempty"`
	Tunnels          [2]VPNTunnel     `json:"tunnels"` // the order never changes
}

// Secrets are what the store seals.
func (c *VPNConnection) Secrets() []*string {
	var all []*string
	for i := range c.Tunnels {
		all = append(all, &c.Tunnels[i].PreSharedKey)
		if c.Tunnels[i].FormerPreSharedKey != "" {
			all = append(all, &c.Tunnels[i].FormerPreSharedKey)
		}
	}
	return all
}

// HasKeySecret reports whether keys of some tunnel are in a KeySecret.
func (c *VPNConnection) HasKeySecret() bool {
	return c.Tunnels[0].KeysInSecret() || c.Tunnels[1].KeysInSecret()
}

// A VPNStaticRoute is a prefix behind the customer gateway.
type VPNStaticRoute struct {
	Destination netip.Prefix `json:"destination"`
	State       string       `json:"state"`
}

// AnyIPv4 is the default of both of a connection's CIDRs.
var AnyIPv4 = netip.PrefixFrom(netip.IPv4Unspecified(), 0)

// Validate says what is wrong with the values that a caller chose, those of
// the tunnels included. Inside ranges are compared with each other only; that
// they are unique on the gateway is for the caller to see to.
func (c VPNConnection) Validate() error {
	if c.Type != TypeIPsec1 {
		return Errorf(CodeInvalidParameterValue, "Value (%s) for parameter Type is invalid. The only type of VPN connection is %s", c.Type, TypeIPsec1)
	}
	for _, r := range []struct {
		name   string
		prefix netip.Prefix
	}{{"LocalIpv4NetworkCidr", c.LocalIPv4CIDR}, {"RemoteIpv4NetworkCidr", c.RemoteIPv4CIDR}} {
		if !r.prefix.IsValid() || !r.prefix.Addr().Is4() || r.prefix != r.prefix.Masked() {
			return Errorf(CodeInvalidParameterValue, "Value (%s) for parameter %s is invalid. Give an IPv4 CIDR without host bits", r.prefix, r.name)
		}
	}
	for i, t := range c.Tunnels {
		if err := t.Validate(); err != nil {
			return err
		}
		if i > 0 && t.InsideCIDR.IsValid() && t.InsideCIDR == c.Tunnels[0].InsideCIDR {
			return Errorf(CodeInvalidParameterValue, "Value (%s) for parameter TunnelInsideCidr is invalid. The two tunnels of a connection need different ranges", t.InsideCIDR)
		}
	}
	return nil
}

// ASTrans stands for an ASN that has no room in 2 bytes, and is nobody's own (RFC
// 6793 section 9).
const ASTrans = 23456

// ValidatePeers says whether the two sides of the connection can speak BGP with each
// other, where they shall: a session has a different ASN on each side.
func (c VPNConnection) ValidatePeers(customer CustomerGateway, gateway VPNGateway) error {
	switch {
	case c.StaticRoutesOnly:
		return nil
	case customer.ASN == gateway.AmazonSideASN:
		return Errorf(CodeInvalidParameterCombination, "The customer gateway %s and the virtual private gateway %s both have the ASN %d; for dynamic routing they need different ones", customer.ID, gateway.ID, customer.ASN)
	case customer.ASN == ASTrans:
		return Errorf(CodeInvalidParameterCombination, "The customer gateway %s has the ASN %d, which is reserved (RFC 6793) and can't be used for dynamic routing", customer.ID, customer.ASN)
	}
	return nil
}

// ParseStaticRoute reads the destination of a static route: an IPv4 CIDR that
// a packet can be sent to. One with host bits is refused rather than
// corrected, since clients look a route up by what they had written.
func ParseStaticRoute(s string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if err != nil || !p.Addr().Is4() {
		return netip.Prefix{}, InvalidValue("destinationCidrBlock", s, "This is not a valid IPv4 CIDR block.")
	}
	if p != p.Masked() {
		return netip.Prefix{}, Errorf(CodeInvalidParameterValue, "Value (%s) for parameter destinationCidrBlock is invalid. It has host bits; did you mean %s?", s, p.Masked())
	}
	for _, reserved := range unroutable {
		if p.Bits() >= reserved.Bits() && reserved.Contains(p.Addr()) {
			return netip.Prefix{}, Errorf(CodeInvalidParameterValue, "Value (%s) for parameter destinationCidrBlock is invalid. %s can't be routed to a site", s, reserved)
		}
	}
	return p, nil
}

// unroutable are ranges that mean a host itself, its link or a group.
var unroutable = []netip.Prefix{
	netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("224.0.0.0/3"),
}
