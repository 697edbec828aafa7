package resource

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Keys of DHCP options.
const (
	DHCPDomainName            = "domain-name"
	DHCPDomainNameServers     = "domain-name-servers"
	DHCPNTPServers            = "ntp-servers"
	DHCPNetBIOSNameServers    = "netbios-name-servers"
	DHCPNetBIOSNodeType       = "netbios-node-type"
	DHCPIPv6PreferredLifetime = "ipv6-address-preferred-lease-time"
)

// AmazonProvidedDNS stands among the domain-name-servers for the VPC's own
// resolver.
const AmazonProvidedDNS = "AmazonProvidedDNS"

// NoDHCPOptions stands for the id where a VPC's hosts are told nothing.
const NoDHCPOptions = "default"

// Bounds of DHCP options ("DHCP option sets" in the VPC user guide).
const (
	dhcpServersMax      = 4
	dhcpNTPServersMax   = 8 // four of each family
	dhcpDomainLengthMax = 255

	// DHCPIPv6Preferred is how long hosts prefer an IPv6 address where the options do not
	// say it, and the shortest time that they can say.
	DHCPIPv6Preferred = 140 * time.Second
)

// DHCPOptions are what hosts of a VPC are told about the network.
type DHCPOptions struct {
	Meta
	Configurations []DHCPConfiguration `json:"configurations"` // sorted by key
}

// A DHCPConfiguration is one option: a key with its values.
type DHCPConfiguration struct {
	Key    string   `json:"key"`
	Values []string `json:"values"`
}

// Values returns those of a key; nil if the options do not have it.
func (o *DHCPOptions) Values(key string) []string {
	for _, c := range o.Configurations {
		if c.Key == key {
			return c.Values
		}
	}
	return nil
}

// ValidateDHCPConfiguration checks one option.
func ValidateDHCPConfiguration(c DHCPConfiguration) error {
	refuse := func(value, format string, args ...any) error {
		return InvalidValue(c.Key, value, fmt.Sprintf(format, args...))
	}
	counts := map[string]int{
		DHCPDomainName: 1, DHCPDomainNameServers: dhcpServersMax, DHCPNTPServers: dhcpNTPServersMax, DHCPNetBIOSNameServers: dhcpServersMax,
		DHCPNetBIOSNodeType: 1, DHCPIPv6PreferredLifetime: 1,
	}
	most, known := counts[c.Key]
	switch {
	case !known:
		return InvalidValue("DhcpConfiguration.Key", c.Key, "It is not a DHCP option that can be set.")
	case len(c.Values) == 0:
		return Errorf(CodeMissingParameter, "The request must contain a value for the DHCP option %s", c.Key)
	case len(c.Values) > most:
		return refuse(strings.Join(c.Values, ","), "The option has at most %d values.", most)
	}
	for i, value := range c.Values {
		if slices.Contains(c.Values[:i], value) {
			return refuse(value, "The same value is given twice.")
		}
		switch c.Key {
		case DHCPDomainName:
			if !validDomains(value) {
				return refuse(value, "Give domain names of letters, digits, '-' and '.', with a space between two; at most %d characters.", dhcpDomainLengthMax)
			}
		case DHCPNetBIOSNodeType:
			if !slices.Contains([]string{"1", "2", "4", "8"}, value) {
				return refuse(value, "Give 1, 2, 4 or 8.")
			}
		case DHCPIPv6PreferredLifetime:
			if seconds, err := strconv.ParseInt(value, 10, 32); err != nil || time.Duration(seconds)*time.Second < DHCPIPv6Preferred {
				return refuse(value, "Give a number of seconds from %d to 2147483647.", DHCPIPv6Preferred/time.Second)
			}
		default:
			a, err := netip.ParseAddr(value)
			named := c.Key == DHCPDomainNameServers && value == AmazonProvidedDNS
			if !named && (err != nil || a.Zone() != "" || a.IsUnspecified() || a.IsMulticast() || c.Key == DHCPNetBIOSNameServers && !a.Is4()) {
				return refuse(value, "It is not the IP address of a server.")
			}
		}
	}
	return nil
}

// validDomains reports whether a text is domain names with a space between two.
func validDomains(s string) bool {
	if len(s) > dhcpDomainLengthMax {
		return false
	}
	for domain := range strings.SplitSeq(s, " ") {
		for label := range strings.SplitSeq(strings.TrimSuffix(domain, "."), ".") {
			if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "" {
				return false
			}
		}
	}
	return true
}
