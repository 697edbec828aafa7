package resource

import "net/netip"

// A NetworkInterface is an address of a subnet with a place in the network.
type NetworkInterface struct {
	Meta
	VPC                 string     `json:"vpc"`
	Subnet              string     `json:"subnet"`
	Zone                string     `json:"zone"`
	Address             netip.Addr `json:"address"` // primary private address
	MAC                 string     `json:"mac"`     // "02:…", locally administered
	Groups              []string   `json:"groups"`  // "sg-…"
	SourceDestCheck     bool       `json:"sourceDestCheck"`
	Description         string     `json:"description,omitempty"`
	Status              string     `json:"status"`                 // available, in-use
	Instance            string     `json:"instance,omitempty"`     // "i-…"
	AttachmentID        string     `json:"attachmentId,omitempty"` // "eni-attach-…"
	DeviceIndex         int32      `json:"deviceIndex,omitempty"`  // 0 is the primary one
	DeleteOnTermination bool       `json:"deleteOnTermination,omitempty"`
}
