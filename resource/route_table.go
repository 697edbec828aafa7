package resource

import "net/netip"

// A RouteTable decides where packets of its subnets go.
type RouteTable struct {
	Meta
	VPC             string                  `json:"vpc"`
	Main            bool                    `json:"main,omitempty"`
	MainAssociation string                  `json:"mainAssociation,omitempty"` // "rtbassoc-…" where Main
	Associations    []RouteTableAssociation `json:"associations,omitempty"`
	Routes          []Route                 `json:"routes,omitempty"`          // entered by hand; local and propagated ones follow from other records
	PropagatingVGWs []string                `json:"propagatingVgws,omitempty"` // "vgw-…"
}

// A RouteTableAssociation ties a subnet, or what a gateway lets into the VPC, to
// a route table.
type RouteTableAssociation struct {
	ID      string `json:"id"` // "rtbassoc-…"
	Subnet  string `json:"subnet,omitempty"`
	Gateway string `json:"gateway,omitempty"` // "igw-…" or "vgw-…", where there is no Subnet
}

// A Route was entered by hand. Exactly one target is set.
type Route struct {
	Destination      netip.Prefix `json:"destination,omitzero"`
	PrefixList       string       `json:"prefixList,omitempty"`       // "pl-…": its ranges are the destinations, and Destination is none
	Gateway          string       `json:"gateway,omitempty"`          // "igw-…" or "vgw-…"
	Instance         string       `json:"instance,omitempty"`         // "i-…"
	NetworkInterface string       `json:"networkInterface,omitempty"` // "eni-…"
	NATGateway       string       `json:"natGateway,omitempty"`       // "nat-…"

	EgressOnlyInternetGateway string `json:"egressOnlyInternetGateway,omitempty"` // "eigw-…"
}

// To is the text of the destination: a range, or the id of a prefix list.
func (r *Route) To() string {
	if r.PrefixList != "" {
		return r.PrefixList
	}
	return r.Destination.String()
}
