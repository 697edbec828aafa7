package nodespec

import (
	"net/netip"
	"time"
)

// HostOptions are what hosts of a network are told about it.
type HostOptions struct {
	Resolvers       []netip.Addr // DNS servers
	Resolvers6      []netip.Addr // those of IPv6, for hosts that ask by it
	Domain          string       // in which names are looked for; several have a space between two
	TimeServers     []netip.Addr // NTP's
	NetBIOSServers  []netip.Addr // name servers
	NetBIOSNodeType int          // RFC 2132 section 8.7; 0: none

	// IPv6Preferred is for how long hosts prefer an IPv6 address that they have been
	// given, unless they are told so again; in whole seconds.
	IPv6Preferred time.Duration
}
