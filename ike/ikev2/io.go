package ikev2

import "causeway.dev/ike"

// What goes in and out is the same for both versions of IKE.
type (
	// Datagram is what arrives and is sent.
	Datagram = ike.Datagram
	// Output is an event, or a datagram to be sent.
	Output = ike.Output
	// Drop is why a datagram was ignored.
	Drop = ike.Drop
	// Status is what stands with a peer.
	Status = ike.Status
	// NAT says where address translation was found.
	NAT = ike.NAT
)
