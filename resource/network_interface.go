package resource

import (
	"net/netip"
	"slices"
	"time"
)

// A NetworkInterface is an address of a subnet with a place in the network.
type NetworkInterface struct {
	Meta
	VPC             string       `json:"vpc"`
	Subnet          string       `json:"subnet"`
	Zone            string       `json:"zone"`
	Address         netip.Addr   `json:"address,omitzero"`     // primary private IPv4 address; zero in a subnet that has none
	Secondary       []netip.Addr `json:"secondary,omitempty"`  // further private IPv4 addresses, in the order of their assignment
	IPv6            []netip.Addr `json:"ipv6,omitempty"`       // sorted; where there is no Address, at least one
	PrimaryIPv6     netip.Addr   `json:"primaryIpv6,omitzero"` // the one of these that it keeps; zero: none
	MAC             string       `json:"mac"`                  // "02:…", locally administered
	Groups          []string     `json:"groups"`               // "sg-…"
	SourceDestCheck bool         `json:"sourceDestCheck"`
	Description     string       `json:"description,omitempty"`
	Status          string       `json:"status"` // available, in-use

	// The rest up to Place says what the interface is attached to: an instance
	// or a place on a host, or neither.
	AttachmentID        string    `json:"attachmentId,omitempty"` // "eni-attach-…"
	AttachedAt          time.Time `json:"attachedAt,omitzero"`
	Instance            string    `json:"instance,omitempty"`      // "i-…"
	InstanceOwner       string    `json:"instanceOwner,omitempty"` // account of the instance, where it is another one
	DeviceIndex         int32     `json:"deviceIndex,omitempty"`   // 0 is the primary one
	DeleteOnTermination bool      `json:"deleteOnTermination,omitempty"`
	Place               *Place    `json:"place,omitempty"`

	// Detaching is set while it is still to be taken from where it is attached.
	Detaching bool `json:"detaching,omitempty"`

	// Former is the last attachment, for a moment after its end.
	Former *FormerAttachment `json:"former,omitempty"`

	// NATGateway is whose own interface this is; "" for nobody's. Such an
	// interface is made and removed with the gateway and has no groups.
	NATGateway string `json:"natGateway,omitempty"` // "nat-…"

	// AutoPublicIP says that the interface has an outside address of its own
	// while no other is associated with it.
	AutoPublicIP bool `json:"autoPublicIp,omitempty"`

	// Permissions are what another account may do with the interface, in the order
	// of their creation.
	Permissions []InterfacePermission `json:"permissions,omitempty"`
}

// PrivateAddresses are all private IPv4 addresses, the primary one first; none in a
// subnet that has none.
func (v *NetworkInterface) PrivateAddresses() []netip.Addr {
	if !v.Address.IsValid() {
		return nil
	}
	return append([]netip.Addr{v.Address}, v.Secondary...)
}

// HasPrivateAddress reports whether an address is one of the interface's private IPv4
// ones.
func (v *NetworkInterface) HasPrivateAddress(a netip.Addr) bool {
	return slices.Contains(v.PrivateAddresses(), a)
}

// FirstIPv6 is the IPv6 address that stands for the interface where there is room for
// one; zero if it has none.
func (v *NetworkInterface) FirstIPv6() netip.Addr {
	if v.PrimaryIPv6.IsValid() || len(v.IPv6) == 0 {
		return v.PrimaryIPv6
	}
	return v.IPv6[0]
}

// Attach notes what the interface is attached to from then on.
func (v *NetworkInterface) Attach(id string, at time.Time) {
	v.AttachmentID, v.AttachedAt, v.Status, v.Former = id, at.UTC().Truncate(time.Millisecond), StateInUse, nil
}

// Detach takes the interface from what it is attached to.
func (v *NetworkInterface) Detach(at time.Time) {
	v.Former = &FormerAttachment{ID: v.AttachmentID, Instance: v.Instance, InstanceOwner: v.InstanceOwner, DeviceIndex: v.DeviceIndex, AttachedAt: v.AttachedAt, DetachedAt: at.UTC().Truncate(time.Millisecond)}
	v.AttachmentID, v.AttachedAt, v.Instance, v.InstanceOwner, v.DeviceIndex, v.DeleteOnTermination = "", time.Time{}, "", "", 0, false
	v.Place, v.Detaching, v.Status = nil, false, StateAvailable
}

// A FormerAttachment is what an interface was attached to. Who waits for the end of
// an attachment asks for it by its id, and does not always take an answer without it
// for the end.
type FormerAttachment struct {
	ID            string    `json:"id"`                 // "eni-attach-…"
	Instance      string    `json:"instance,omitempty"` // "i-…"
	InstanceOwner string    `json:"instanceOwner,omitempty"`
	DeviceIndex   int32     `json:"deviceIndex,omitempty"`
	AttachedAt    time.Time `json:"attachedAt,omitzero"`
	DetachedAt    time.Time `json:"detachedAt"`
}

// formerAttachmentVisible is how long an attachment is shown after its end.
const formerAttachmentVisible = time.Minute

// WasAttached returns the attachment that has ended a moment ago, or nil.
func (v *NetworkInterface) WasAttached(now time.Time) *FormerAttachment {
	if v.Former == nil || now.After(v.Former.DetachedAt.Add(formerAttachmentVisible)) {
		return nil
	}
	return v.Former
}

// StateInUse is an interface's that is attached to something.
const StateInUse = "in-use"

// Kinds of places on a host.
const (
	PlaceNamespace = "netns"     // a network namespace, as a container has one
	PlaceBridge    = "bridge"    // a bridge of the host
	PlaceTAP       = "tap"       // a TAP device, as a virtual machine has one
	PlaceInterface = "interface" // another device of the host, such as a network card
)

// A Place is where on a host an interface is attached that is no instance's.
type Place struct {
	Kind string `json:"kind"` // one of the Places above

	// Name is the device's, or the namespace's: its name as "ip netns" has it, or
	// the path of the file that stands for it.
	Name string `json:"name"`

	// Device is what the interface is called inside a namespace: "eth0".
	Device string `json:"device,omitempty"`

	// Inode, where not 0, is the only namespace that is meant by the name: the
	// number of a process may become that of another.
	Inode uint64 `json:"inode,omitempty"`
}

// A NetworkInterfaceStatus is what a node has seen of an interface that is
// attached to a place or is not an instance's primary one; for that the
// instance's status stands. Its ID is the interface's. Without one nobody has
// seen the interface where it is attached.
type NetworkInterfaceStatus struct {
	Meta
	Attachment string `json:"attachment"`       // "eni-attach-…"
	Attached   bool   `json:"attached"`         // it carries packets
	Reason     string `json:"reason,omitempty"` // why it does not
}
