package resource

import "net/netip"

// TypeIPsec1 is the only type of customer gateway, VPN gateway and connection.
const TypeIPsec1 = "ipsec.1"

// DefaultCustomerASN is the ASN of a customer gateway that was given none.
const DefaultCustomerASN = 65000

// A CustomerGateway stands for the device at a site.
type CustomerGateway struct {
	Meta
	State      string     `json:"state"`
	Type       string     `json:"type"`    // "ipsec.1"
	Address    netip.Addr `json:"address"` // invalid (zero) with a Certificate: any
	ASN        uint32     `json:"asn"`
	DeviceName string     `json:"deviceName,omitempty"`

	// Certificate is the id of the Certificate that the device proves itself
	// with; empty: by pre-shared keys.
	Certificate string `json:"certificate,omitempty"`
}

// deviceNameLengthMax is AWS's bound, in characters.
const deviceNameLengthMax = 255

// Amazon's own ASNs, which no customer gateway can have: one everywhere, the
// others in one region each.
const amazonASN = 7224

var amazonRegionASNs = map[string]uint32{"eu-west-1": 9059, "ap-northeast-1": 10124, "ap-southeast-1": 17943}

// Validate says what is wrong with the values that a caller chose. Region must
// be set.
func (g CustomerGateway) Validate() error {
	if g.Type != TypeIPsec1 {
		return Errorf(CodeInvalidParameterValue, "Value (%s) for parameter Type is invalid. The only type of customer gateway is %s", g.Type, TypeIPsec1)
	}
	if dynamic := g.Certificate != "" && !g.Address.IsValid(); !dynamic && !isOutsideAddress(g.Address) {
		return Errorf(CodeInvalidParameterValue, "Value (%s) for parameter IpAddress is invalid. Give the IPv4 unicast address from which the device's packets arrive; behind NAT, the NAT's", g.Address)
	}
	if g.ASN == 0 {
		return Errorf(CodeInvalidParameterValue, "Value (0) for parameter BgpAsn is invalid. Give 1 to 4294967295; %d where the site has none of its own", DefaultCustomerASN)
	}
	if g.ASN == amazonASN || amazonRegionASNs[g.Region] == g.ASN {
		return Errorf(CodeInvalidParameterValue, "Value (%d) for parameter BgpAsn is invalid. It is Amazon's own in %s; use another, for example %d", g.ASN, g.Region, DefaultCustomerASN)
	}
	if n := len([]rune(g.DeviceName)); n > deviceNameLengthMax {
		return Errorf(CodeInvalidParameterValue, "DeviceName has %d characters; %d are allowed", n, deviceNameLengthMax)
	}
	return nil
}

// isOutsideAddress reports whether packets of a tunnel can come from a.
func isOutsideAddress(a netip.Addr) bool {
	return a.Is4() && a.IsGlobalUnicast() && a.As4()[0] != 0 && a.As4()[0] < 240
}
