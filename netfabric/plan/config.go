// Package plan compiles what networks shall be into what the kernel shall hold:
// namespaces with their links, addresses, rules, routes and filters, as values
// with a text form. It is pure.
package plan

import "net/netip"

// Config is everything that the fabric of one host shall consist of. Its ids
// appear in names and texts of the kernel; they are letters, digits, '-', '_'
// and '.', those of links and TUNs also ':' and '/'.
type Config struct {
	// Prefix begins the name of every namespace that is ours, as in
	// "cw3f9a1c-vpc-1". It sets several fabrics on one host apart.
	Prefix string

	Networks []Network
	Links    []Link
	TUNs     []TUN

	// Underlay is what the Outside of networks leads to. Nil: there is none, and
	// nothing is touched there.
	Underlay *Underlay

	// Host is the name of the namespace in which the devices of Places are; "" is
	// that of the process.
	Host string

	// Instances have a namespace each, whether an interface is plugged into it
	// or not.
	Instances []string
}

// A Network is a routing domain of its own in a namespace of its own.
type Network struct {
	ID string

	// Local are the network's own ranges. Within them only Interfaces and ends of
	// Links have addresses; of routes, only Overrides precede that. IPv6 is spoken
	// only where one of them is IPv6's, or one of an Outside's, or a Translator does.
	Local []netip.Prefix

	Interfaces []Interface
	Tables     []Table
	Groups     []Group
	Borders    []Border // no two of their subnets overlap
	ACLs       []ACL    // those of the Borders

	// Services are addresses of the network's own services, such as a resolver's:
	// local in its namespace, where the services listen. What interfaces send there
	// by TCP or UDP under addresses of their own passes neither groups nor ACLs, and
	// nobody else reaches them.
	Services []netip.Addr

	Outside    *Outside    // joins the network to the Underlay; nil: nothing does
	Translator *Translator // nil: packets pass as they are
}

// An Interface is a place in a network where an instance is plugged in. All
// that enters or leaves through it passes its groups' filters.
type Interface struct {
	ID      string
	MAC     string       // of the instance's side, "02:…"
	Address netip.Addr   // the primary one of IPv4; zero: it speaks IPv6 only, by one of the Others
	Subnet  netip.Prefix // of Address: gives the prefix length; its first host is the gateway
	Others  []netip.Addr // further addresses of either family, of Subnet and Subnet6
	Subnet6 netip.Prefix // IPv6; zero: none
	Table   string       // where packets that come from this interface are routed
	Groups  []string     // filters; none means that nothing passes

	// AnySource admits packets with other source or destination addresses
	// than the interface's, as a router's needs.
	AnySource bool

	Instance string // where it is plugged in, "" for nowhere
	Index    int    // of the interface within the instance: 0 is "eth0"

	Place *Place // where it is plugged in, in place of an instance; nil for nowhere

	MTU int // in bytes, of both sides; 0 means 1500

	// Counted says that flows through the interface are counted, those that are
	// rejected included.
	Counted bool
}

// A Table is a route table. It is chosen by where a packet came in.
type Table struct {
	ID     string
	Routes []TableRoute

	// Overrides are asked before the network's Local ranges. Their targets are
	// links and interfaces.
	Overrides []TableRoute
}

// A TableRoute sends a prefix to the first of its targets that is usable: a link
// or outside always is, an interface while it is plugged in, a tunnel while it is
// up. If
// none is usable and one of them is a tunnel, the route does not exist, and the
// next shorter prefix decides; otherwise its packets are dropped in silence, as
// they are without targets, and as those of IPv4 are to an interface that speaks IPv6
// only. What no route knows is dropped with ICMP unreachable.
type TableRoute struct {
	Destination netip.Prefix
	Targets     []Target
}

// A Target is where a route leads.
type Target struct {
	Kind TargetKind
	ID   string
}

// TargetKind says what a target's id names.
type TargetKind string

// Kinds of targets.
const (
	ToLink      TargetKind = "link"
	ToTunnel    TargetKind = "tunnel"
	ToInterface TargetKind = "interface"
	ToOutside   TargetKind = "outside" // the network's own; its id is the network's
)

// A Link joins two networks. What comes out of it in a network is routed by
// that end's table; with an empty Table only to the network's own Interfaces.
type Link struct {
	ID   string
	Ends [2]LinkEnd
	MTU  int // in bytes; 0 means 1500
}

// A LinkEnd is one side of a link.
type LinkEnd struct {
	Network string
	Table   string

	// Addresses are those of the network's own ranges that are behind the link.
	Addresses []netip.Addr

	// Interface, with Addresses, is the network interface that has them: what comes out
	// of the link is what the interface sends. Counted says that its flows are
	// counted, as an Interface's are.
	Interface string
	Counted   bool

	// Answers, where not empty, lets hosts behind the link begin connections, and
	// nobody to them: it is the table by which what an Outside answers to these
	// is routed.
	Answers string
}

// A TUN is the place of a tunnel, or of a Translator's Embedding, in a network. The
// device itself, named TUNName(ID), is opened in the network's namespace by its owner.
type TUN struct {
	ID      string // of the tunnel
	Network string
	Table   string       // where packets that come out of the tunnel are routed
	Inside  netip.Prefix // our address with the length of the inside range; zero for none
	MTU     int          // in bytes; 0 leaves what the device was opened with

	// BGP is the address behind the TUN that may speak BGP with ours: from there to it,
	// and back, TCP port 179 is open. Zero: nobody may.
	BGP netip.Addr

	// Taken are prefixes of either family that lead to the TUN, whatever the table.
	Taken []netip.Prefix
}

// A Group is a stateful filter with the interfaces that share it: what a rule
// allows may pass, and so may its answers.
type Group struct {
	ID      string
	Members []netip.Addr // addresses of all its interfaces, for rules that name the group
	Rules   []FilterRule
}

// A FilterRule allows one kind of traffic between the members and a peer.
type FilterRule struct {
	Egress   bool
	Protocol int // IP protocol number; -1 any

	// FromPort and ToPort bound the destination port of TCP and UDP; for ICMP
	// they are type and code. -1 means any. Other protocols ignore them.
	FromPort, ToPort int

	Peer      netip.Prefix // zero if PeerGroup is set
	PeerGroup string       // id of a Group of the same network
}
