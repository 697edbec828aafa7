package resource

import "net/netip"

// A NetworkInterface is an address of a subnet with a place in the network.
type NetworkInterface struct {
	Meta
	VPC                 string       `json:"vpc"`
	Subnet              string       `json:"subnet"`
	Zone                string       `json:"zone"`
	Address             netip.Addr   `json:"address"`        // primary private address
	IPv6                []netip.Addr `json:"ipv6,omitempty"` // sorted
	MAC                 string       `json:"mac"`            // "02:…", locally administered
	Groups              []string     `json:"groups"`         // "sg-…"
	SourceDestCheck     bool         `json:"sourceDestCheck"`
	Description         string       `json:"description,omitempty"`
	Status              string       `json:"status"`                 // available, in-use
	Instance            string       `json:"instance,omitempty"`     // "i-…"
	AttachmentID        string       `json:"attachmentId,omitempty"` // "eni-attach-…"
	DeviceIndex         int32        `json:"deviceIndex,omitempty"`  // 0 is the primary one
	DeleteOnTermination bool         `json:"deleteOnTermination,omitempty"`

	// NATGateway is whose own interface this is; "" for nobody's. Such an
	// interface is made and removed with the gateway and has no groups.
	NATGateway string `json:"natGateway,omitempty"` // "nat-…"

	// AutoPublicIP says that the interface has an outside address of its own
	// while no other is associated with it.
	AutoPublicIP bool `json:"autoPublicIp,omitempty"`
}
