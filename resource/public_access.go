package resource

import "time"

// Modes of blocking public access, in AWS's words.
const (
	PublicAccessOpen     = "off"                 // nothing is blocked
	PublicAccessOutbound = "block-ingress"       // only what NAT gateways and egress-only internet gateways let out, with its answers
	PublicAccessBlocked  = "block-bidirectional" // nothing passes an internet gateway or an egress-only one
)

// Modes of exclusions from it.
const (
	ExclusionBidirectional = "allow-bidirectional" // everything passes
	ExclusionEgress        = "allow-egress"        // what PublicAccessOutbound lets pass
)

// PublicAccessOptionsID is the Meta.ID of the only PublicAccessOptions of a scope.
const PublicAccessOptionsID = "options"

// PublicAccessOptions say what passes the internet gateways of an account's region.
// Without a record, everything does.
type PublicAccessOptions struct {
	Meta
	Mode    string    `json:"mode"`
	Updated time.Time `json:"updated"`
}

// A PublicAccessExclusion excepts a VPC, or one of its subnets.
type PublicAccessExclusion struct {
	Meta
	VPC     string     `json:"vpc"`
	Subnet  string     `json:"subnet,omitempty"` // "" for the whole VPC
	Mode    string     `json:"mode"`
	Updated *time.Time `json:"updated,omitempty"`
}

// Excluded is what is blocked where an exclusion holds besides.
func (e *PublicAccessExclusion) Excluded(mode string) string {
	switch {
	case e.Mode == ExclusionBidirectional:
		return PublicAccessOpen
	case mode == PublicAccessBlocked:
		return PublicAccessOutbound
	}
	return mode
}
