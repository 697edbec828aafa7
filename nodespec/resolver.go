package nodespec

import "net/netip"

// A Resolver answers what a network's interfaces ask by DNS: of Names itself, of
// others by asking the node's forwarders.
type Resolver struct {
	Addresses []netip.Addr // where it listens; they are among the network's Services
	Names     []HostName   // sorted by name, then address: a name may have one of each family
	Pointers  []Pointer    // sorted by address

	// Prefix is where IPv4 addresses are embedded for Interfaces with DNS64; zero
	// where none has that.
	Prefix netip.Prefix
}

// A Pointer is what an address that is not the network's own is called. The name
// means nothing the other way round.
type Pointer struct {
	Address netip.Addr
	Name    string
}

// A HostName is a name that a host of the network has.
type HostName struct {
	Name    string // "ip-10-0-1-4.ec2.internal"
	Address netip.Addr
	Reverse bool // it is what the address is called
}
