package packetio

// Offloads let the kernel and us hand over many packets as one. All are on
// unless the configuration or Probe turns one off; without any of them the
// same packets are carried, one by one.
type Offloads struct {
	// TUNSegmentation: TCP super-packets from and to the stack (TSO).
	TUNSegmentation bool
	// TUNUDPSegmentation: UDP super-packets likewise (USO, since Linux 6.2).
	TUNUDPSegmentation bool
	// SocketSegmentation: many datagrams to one peer in one message
	// (UDP_SEGMENT, since Linux 4.18).
	SocketSegmentation bool
	// SocketCoalescing: many datagrams from one peer in one message (UDP_GRO,
	// since Linux 5.0).
	SocketCoalescing bool
}

// AllOffloads is the default.
var AllOffloads = Offloads{TUNSegmentation: true, TUNUDPSegmentation: true, SocketSegmentation: true, SocketCoalescing: true}

// And returns the offloads that are on in both.
func (o Offloads) And(p Offloads) Offloads {
	return Offloads{
		TUNSegmentation:    o.TUNSegmentation && p.TUNSegmentation,
		TUNUDPSegmentation: o.TUNUDPSegmentation && p.TUNUDPSegmentation,
		SocketSegmentation: o.SocketSegmentation && p.SocketSegmentation,
		SocketCoalescing:   o.SocketCoalescing && p.SocketCoalescing,
	}
}
