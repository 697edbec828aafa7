package nodespec

import "net/netip"

// An Outside joins a network to the underlay. What its network sends there
// leaves under the addresses of the underlay that stand for its senders, one for
// one, and what comes to these addresses is sent on to those that they stand
// for. Nothing else passes, except what is from and to Ranges.
type Outside struct {
	Table     string // where what comes from the underlay is routed
	Addresses []Elastic
	Ranges    []netip.Prefix // IPv6: their addresses are known outside as they are
}

// An Elastic is an address of the underlay that stands for one inside.
type Elastic struct {
	Outside, Inside netip.Addr
}

// A Translator lets hosts begin connections under a few addresses, each with a port
// of its own: TCP, UDP and ICMP. What others begin it does not take. It has one
// link, by which packets come in and go out again.
type Translator struct {
	Addresses []netip.Addr // over which connections are spread; at least one
	Leaving   []netip.Addr // of connections that run, for which it goes on; none begins under them
	Ports     PortRange    // of each address
	IPv6      *Embedding   // nil: hosts begin connections by IPv4 only
}

// An Embedding lets hosts of IPv6 begin connections to those of IPv4, whose addresses
// are embedded in a prefix (RFC 6052, RFC 6146).
type Embedding struct {
	Prefix netip.Prefix // of 96 bits
	Hosts  []netip.Addr // who may; sorted
}

// A PortRange is bounded by its first and last port. They bound how many
// connections there are to one port of one host at a time.
type PortRange struct{ First, Last uint16 }
