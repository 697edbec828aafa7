package nodespec

import "net/netip"

// HostOptions are what hosts of a network are told about it.
type HostOptions struct {
	Resolvers       []netip.Addr // DNS servers
	Domain          string       // in which names are looked for; several have a space between two
	TimeServers     []netip.Addr // NTP's
	NetBIOSServers  []netip.Addr // name servers
	NetBIOSNodeType int          // RFC 2132 section 8.7; 0: none
}
