// Package nodespec is the contract between control plane and data plane: what a
// node shall be (Desired) and what it has seen (Observed). It speaks of
// networks, interfaces, routes, filters and tunnels; AWS's words stop above it,
// the kernel's below. It imports only the standard library.
package nodespec

import (
	"net/netip"
	"time"
)

// Desired is the complete state of one node. All lists are sorted by id, so
// that equal states are equal values.
type Desired struct {
	Revision  int64 // of the store that this was compiled from
	Networks  []Network
	Links     []Link
	Tunnels   []Tunnel
	Instances []Instance
}

// A Network is a routing domain of its own: its addresses mean nothing outside
// of it. A VPC is one, and so is a gateway.
type Network struct {
	ID string // "vpc-…", "vgw-…", "igw-…", "nat-…"

	// Local are the network's own ranges. Within them only Interfaces and ends of
	// Links have addresses; of routes, only Overrides precede that. IPv6 is spoken
	// only where one of them is IPv6's, or one of an Outside's, or a Translator does.
	Local []netip.Prefix

	Interfaces []Interface
	Tables     []RouteTable
	Groups     []Group
	Borders    []Border // by subnet; no two overlap
	ACLs       []ACL    // those of the Borders

	// Services are addresses of the network's own services, such as a resolver's:
	// local in its namespace, where the services listen. What interfaces send there
	// by TCP or UDP under addresses of their own passes neither groups nor ACLs, and
	// nobody else reaches them. Sorted.
	Services []netip.Addr

	Resolver *Resolver // nil: its hosts have nobody to ask for names

	Metadata []HostMetadata // by instance; served at 169.254.169.254 and fd00:ec2::254, as far as they are among the Services

	// Told is what hosts behind devices learn by DHCP besides their addresses; nil: no
	// interface is behind one.
	Told *HostOptions

	Outside    *Outside    // joins the network to the underlay; nil: nothing does
	Translator *Translator // nil: packets pass as they are
}

// An Interface is a place in a network where an instance is plugged in. All
// that enters or leaves through it passes its groups' filters.
type Interface struct {
	ID      string       // "eni-…"
	MAC     string       // of the instance's side, "02:…"
	Address netip.Addr   // the primary one of IPv4; zero: it speaks IPv6 only, by one of the Others
	Subnet  netip.Prefix // of Address: gives the prefix length; its first host is the gateway
	Others  []netip.Addr // further addresses of either family, sorted; of Subnet and Subnet6
	Subnet6 netip.Prefix // IPv6; zero: none
	Table   string       // where packets that come from this interface are routed
	Groups  []string     // filters; none means that nothing passes

	// AnySource admits packets with other source or destination addresses
	// than the interface's, as a router's needs.
	AnySource bool

	Instance string // where it is plugged in, "" for nowhere
	Index    int    // of the interface within the instance: 0 is "eth0"

	Place *Place // where on the host it is plugged in, in place of an instance; nil for nowhere

	// Counted says that flows through the interface are counted, those that are
	// rejected included, and told of as Flows.
	Counted bool

	// DNS64 has the network's Resolver give names that have IPv4 addresses only the
	// IPv6 ones that embed them.
	DNS64 bool
}

// Addresses are all of the interface's, the primary one first: without one of IPv4, the
// first of IPv6.
func (i Interface) Addresses() []netip.Addr {
	if !i.Address.IsValid() {
		return i.Others
	}
	return append([]netip.Addr{i.Address}, i.Others...)
}

// A Place is somewhere on the node's host that is no instance's.
type Place struct {
	Kind PlaceKind

	// Name is a device's, or a network namespace's: its name or the path of the
	// file that stands for it.
	Name string

	Device string // what the interface is called in a namespace
	Inode  uint64 // of the only namespace that is meant; 0: any of that name
}

// PlaceKind says what a place is.
type PlaceKind string

// Kinds of places.
const (
	InNamespace PlaceKind = "netns"
	OnBridge    PlaceKind = "bridge"
	OnTAP       PlaceKind = "tap"
	OnInterface PlaceKind = "interface" // any other device of the host
)

// A RouteTable is chosen by where a packet came in.
type RouteTable struct {
	ID     string
	Routes []Route

	// Overrides are asked before the network's Local ranges, so that what goes
	// from one part of them to another can be led through an interface.
	Overrides []Route
}

// A Route sends a prefix to the first of its targets that is usable: a link,
// interface or outside always is, a tunnel only while it is up. If none is usable the
// route does not exist, and the next shorter prefix decides. A route without
// targets drops its packets, and so does one of IPv4 to an interface that speaks IPv6
// only. What no route knows is dropped with ICMP unreachable.
type Route struct {
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
	ID   string // "vgw-…:vpc-…"
	Ends [2]LinkEnd
}

// A LinkEnd is one side of a link.
type LinkEnd struct {
	Network string
	Table   string

	// Addresses are those of the network's own ranges that are behind the link: a
	// Translator's.
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

// A Group is a stateful filter with the interfaces that share it: what a rule
// allows may pass, and so may its answers.
type Group struct {
	ID      string       // "sg-…"
	Members []netip.Addr // addresses of all its interfaces, for rules that name the group
	Rules   []Rule
}

// A Rule allows one kind of traffic between the members and a peer.
type Rule struct {
	Egress   bool
	Protocol int // IP protocol number; -1 any

	// FromPort and ToPort bound the destination port of TCP and UDP; for ICMP
	// they are type and code. -1 means any.
	FromPort, ToPort int

	Peer      netip.Prefix // zero if PeerGroup is set
	PeerGroup string       // id of a Group of the same network
}

// A Secret is a key that neither prints nor marshals by accident.
type Secret string

// String hides the secret.
func (Secret) String() string { return "[secret]" }

// GoString hides the secret.
func (Secret) GoString() string { return "[secret]" }

// A Tunnel is one IPsec tunnel, ending in a network.
type Tunnel struct {
	ID      string // "vpn-…/1"
	Network string
	Table   string // where packets that come out of the tunnel are routed

	Local  netip.Addr // our outside address, put on the underlay by the node
	Remote netip.Addr // the peer's; invalid (zero): any, and its certificate tells who it is

	Inside netip.Prefix // our inside address with the length of the inside range

	PreSharedKey Secret

	// FormerKey, where not empty, is valid beside PreSharedKey until the peer
	// has used that one, but no longer than FormerUntil.
	FormerKey   Secret
	FormerUntil time.Time

	// KeyChanges counts how often PreSharedKey was replaced.
	KeyChanges int64

	// Certificates authenticate both sides in place of the pre-shared key,
	// where set.
	Certificates *Certificates

	// Replacements counts up when the SAs are to be negotiated anew, beside
	// those that stand.
	Replacements int64

	IKEVersions []string // "ikev1", "ikev2": those that may be spoken

	// Proposals are in the notation "aes128-sha256-group14" and
	// "aes128gcm16-prfsha256-group14". The Offers are what our side proposes,
	// the Accepts all that it takes.
	IKEAccepts, IKEOffers []string
	ESPAccepts, ESPOffers []string

	LocalSelectors, RemoteSelectors []netip.Prefix // seen from our side

	Start         bool // our side initiates
	IKELifetime   time.Duration
	ChildLifetime time.Duration
	RekeyMargin   time.Duration
	RekeyFuzz     int // percent
	ReplayWindow  int // packets
	DPDTimeout    time.Duration
	DPDAction     string // "clear", "none", "restart"

	BGP *BGP // nil: its routes are told by nobody, and follow the tunnel
}

// Certificates are what both sides of a tunnel prove themselves with.
type Certificates struct {
	Chain [][]byte // ours in DER: the leaf first, without the root
	Key   Secret   // of the leaf; PKCS #8 in PEM

	// Roots, Intermediates and CRLs, in DER, are what the peer's is judged by.
	Roots, Intermediates, CRLs [][]byte

	// Peer is the peer's certificate as it was registered, in DER. Others are
	// the peer's too if they share one of its names.
	Peer []byte
}

// An Instance is a host on this node.
type Instance struct {
	ID       string // "i-…"
	Hostname string // "ip-10-0-1-4"
	UserData []byte // run at first boot if it begins with "#!"

	// AuthorizedKeys are those that the instance lets users in with from its first
	// boot on, in OpenSSH's form; none: it has no SSH server.
	AuthorizedKeys []string

	// Stopped keeps its disk and ends its processes; with Force at once, without
	// asking them to end.
	Stopped, Force bool

	// Resolvers are the DNS servers that it asks, and Domain has the domains, with
	// a space between two, in which it looks for names. They also change while it
	// runs.
	Resolvers []netip.Addr
	Domain    string

	// Boot tells starts apart: an instance that runs with another number starts
	// anew, and one that has switched itself off stays off while it is the same.
	Boot int64

	// CPUs, MemoryBytes and Processes are the most that it takes of the node:
	// processors' time in processors, memory with what files take of it, processes
	// and threads. They are bounds; nothing is set aside. 0: no limit.
	CPUs        float64
	MemoryBytes int64
	Processes   int
}

// Observed is what a node has seen. It is complete: what is not in it is not
// there.
type Observed struct {
	Node string

	// Revision is that of the Desired that the node had applied when it looked.
	// What was asked for later, it does not know of.
	Revision int64

	Tunnels   []TunnelStatus
	Instances []InstanceStatus

	// Interfaces are those that are plugged in at a Place, or in an instance
	// beside the one with index 0, by id.
	Interfaces []InterfaceStatus

	// Translating are the networks with a Translator that carry packets, by id.
	Translating []TranslatorStatus
}

// A TranslatorStatus is what a Translator does.
type TranslatorStatus struct {
	ID        string       // of its network
	Addresses []netip.Addr // sorted: its Addresses, and those of the Leaving under which connections still run
}

// A TunnelStatus is what SAs and packets say of a tunnel.
type TunnelStatus struct {
	ID      string
	Up      bool      // it carries packets: with BGP, its session is established, too
	Since   time.Time // of the last change of Up
	Message string    // one sentence: why it is down and what to change

	Negotiated Negotiated // zero while it is down

	BGP *BGPStatus // nil: it has no BGP

	// KeyUsed is the KeyChanges of the Tunnel whose PreSharedKey the peer has used
	// while a FormerKey was there; 0: none.
	KeyUsed int64
}

// Negotiated is what the SAs of a tunnel run with.
type Negotiated struct {
	IKEVersion string // "ikev1", "ikev2"
	IKE, ESP   string // in the notation of Tunnel's proposals
}

// An InterfaceStatus says whether an interface is where it shall be.
type InterfaceStatus struct {
	ID       string
	Attached bool
	Reason   string // why not
}

// An InstanceStatus says whether an instance runs.
type InstanceStatus struct {
	ID      string
	Running bool
	Reason  string // why not

	Boot       int64 // of its last start
	PoweredOff bool  // it has switched itself off
	Restarting bool  // it has ended in order to start anew
}
