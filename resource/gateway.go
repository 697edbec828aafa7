package resource

import (
	"net/netip"
	"strings"
	"time"
)

// Codes that several nouns of this file share.
const (
	CodeGatewayNotAttached        Code = "Gateway.NotAttached"
	CodeResourceAlreadyAssociated Code = "Resource.AlreadyAssociated"
)

// An InternetGateway joins one VPC to what lies outside.
type InternetGateway struct {
	Meta
	VPC string `json:"vpc,omitempty"` // that it is attached to
}

// An EgressOnlyInternetGateway lets a VPC's IPv6 addresses begin connections to
// the outside, and nobody outside to them.
type EgressOnlyInternetGateway struct {
	Meta
	VPC string `json:"vpc"`
}

// An Address is one of the outside's that stands for a private address of a
// network interface, or is kept for that. It is one to one.
type Address struct {
	Meta                // "eipalloc-…"
	PublicIP netip.Addr `json:"publicIp"`

	// Auto says that the address came with its interface and goes with it:
	// nobody has allocated it.
	Auto bool `json:"auto,omitempty"`

	// DomainName is what the address is called, in lower case without a dot at its end;
	// "" for nothing.
	DomainName string `json:"domainName,omitempty"`

	// The rest says what the address stands for; empty where it is only kept.
	Association      string     `json:"association,omitempty"`      // "eipassoc-…"
	NetworkInterface string     `json:"networkInterface,omitempty"` // "eni-…"
	InterfaceOwner   string     `json:"interfaceOwner,omitempty"`   // account of the interface, where it is another one
	PrivateAddress   netip.Addr `json:"privateAddress,omitzero"`
}

// domainNameLengthMax is that of a domain name in text (RFC 1035 section 2.3.4), without
// a dot at its end.
const domainNameLengthMax = 253

// ParseDomainName reads what an address shall be called: a name of at least two labels,
// with or without a dot at its end.
func ParseDomainName(s string) (string, error) {
	name := strings.ToLower(strings.TrimSuffix(s, "."))
	if len(name) > domainNameLengthMax || !strings.Contains(name, ".") || strings.Contains(name, " ") || !validDomains(name) {
		return "", InvalidValue("DomainName", s, "Give a domain name, as mail.example.com.")
	}
	return name, nil
}

// Free takes from an address what it stands for.
func (a *Address) Free() {
	a.Association, a.NetworkInterface, a.InterfaceOwner, a.PrivateAddress = "", "", "", netip.Addr{}
}

// Kinds of connectivity of a NAT gateway, as AWS spells them.
const (
	ConnectivityPublic  = "public"
	ConnectivityPrivate = "private"
)

// StateFailed is a NAT gateway's that could not be made.
const StateFailed = "failed"

// A NATGateway lets hosts begin connections under its own address, and nobody
// to them. It has a network interface in a subnet, by whose route table its
// packets go on.
type NATGateway struct {
	Meta
	VPC          string `json:"vpc"`
	Subnet       string `json:"subnet"`
	Connectivity string `json:"connectivity"` // public or private

	NetworkInterface string     `json:"networkInterface,omitempty"` // "eni-…"; none where it failed
	PrivateAddress   netip.Addr `json:"privateAddress,omitzero"`

	// Allocation, Association and PublicIP are of a public one's address, which
	// may belong to somebody else once the gateway is deleted.
	Allocation  string     `json:"allocation,omitempty"`
	Association string     `json:"association,omitempty"`
	PublicIP    netip.Addr `json:"publicIp,omitzero"`

	// Secondary are its further addresses, in the order in which they came.
	Secondary []NATGatewayAddress `json:"secondary,omitempty"`

	// FailureCode and FailureMessage say why it could not be made.
	FailureCode    Code   `json:"failureCode,omitempty"`
	FailureMessage string `json:"failureMessage,omitempty"`
}

// A NATGatewayAddress is a secondary address of a NAT gateway, over which, with the
// others, it spreads connections.
type NATGatewayAddress struct {
	PrivateAddress netip.Addr `json:"privateAddress"`

	// The rest up to PublicIP is of a public gateway's.
	Allocation  string     `json:"allocation,omitempty"`
	Association string     `json:"association,omitempty"`
	PublicIP    netip.Addr `json:"publicIp,omitzero"`

	// DrainUntil, where not zero, is when the gateway loses the address at the latest:
	// no connection begins under it, and it goes with the last one.
	DrainUntil time.Time `json:"drainUntil,omitzero"`
}

// Draining reports whether the gateway is about to lose the address.
func (a *NATGatewayAddress) Draining() bool { return !a.DrainUntil.IsZero() }

// Works reports whether the gateway is wanted in the network.
func (g *NATGateway) Works() bool { return g.Deleted == nil && g.FailureCode == "" }

// A NATGatewayStatus is what a node has seen of a NAT gateway. Its ID is the
// gateway's. Without one nobody has seen the gateway yet.
type NATGatewayStatus struct {
	Meta
	Stands bool `json:"stands"` // it carries packets

	// Addresses are the private ones under which connections may run, sorted; of
	// draining ones those under which some do.
	Addresses []netip.Addr `json:"addresses,omitempty"`
}

// InitialState notes that something was done that is done once: its ID says what.
type InitialState struct {
	Meta
}

// Ids of InitialStates.
const (
	// InitialStateID says that an account has had its default VPC of a region, so
	// that it is not made again once it is deleted.
	InitialStateID = "default-vpc"

	// UpgradedID says that the VPCs of an installation have what those of earlier
	// versions lacked. It is in no account.
	UpgradedID = "upgraded-vpcs"
)
