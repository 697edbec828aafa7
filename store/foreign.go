package store

import (
	"cmp"

	"causeway.dev/resource"
)

// A network interface can be attached to an instance of another account, and an address
// can stand for an interface of one. What belongs together is in one region all the same.

// InterfaceScope is where a network interface of an instance is.
func InterfaceScope(v *resource.Instance, id string) Scope {
	return Scope{cmp.Or(v.ForeignInterfaces[id], v.Account), v.Region}
}

// InstanceScope is where the instance is that a network interface is attached to.
func InstanceScope(v *resource.NetworkInterface) Scope { return Scope{v.InstanceAccount(), v.Region} }

// AddressedScope is where the network interface is that an address stands for.
func AddressedScope(v *resource.Address) Scope {
	return Scope{cmp.Or(v.InterfaceOwner, v.Account), v.Region}
}
