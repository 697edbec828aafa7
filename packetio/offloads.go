package packetio

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

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

// Or returns the offloads that are on in one or the other.
func (o Offloads) Or(p Offloads) Offloads {
	return Offloads{
		TUNSegmentation:    o.TUNSegmentation || p.TUNSegmentation,
		TUNUDPSegmentation: o.TUNUDPSegmentation || p.TUNUDPSegmentation,
		SocketSegmentation: o.SocketSegmentation || p.SocketSegmentation,
		SocketCoalescing:   o.SocketCoalescing || p.SocketCoalescing,
	}
}

// And returns the offloads that are on in both.
func (o Offloads) And(p Offloads) Offloads {
	return Offloads{
		TUNSegmentation:    o.TUNSegmentation && p.TUNSegmentation,
		TUNUDPSegmentation: o.TUNUDPSegmentation && p.TUNUDPSegmentation,
		SocketSegmentation: o.SocketSegmentation && p.SocketSegmentation,
		SocketCoalescing:   o.SocketCoalescing && p.SocketCoalescing,
	}
}

// offloadNames are what the configuration calls them.
var offloadNames = map[string]Offloads{
	"tun-segmentation":     {TUNSegmentation: true},
	"tun-udp-segmentation": {TUNUDPSegmentation: true},
	"udp-segmentation":     {SocketSegmentation: true},
	"udp-coalescing":       {SocketCoalescing: true},
	"all":                  AllOffloads,
}

// String lists the names of those that are on: "none" if none are.
func (o Offloads) String() string {
	var on []string
	for _, name := range slices.Sorted(maps.Keys(offloadNames)) {
		if one := offloadNames[name]; name != "all" && one.And(o) == one {
			on = append(on, name)
		}
	}
	if len(on) == 0 {
		return "none"
	}
	return strings.Join(on, " ")
}

// Without returns all offloads but those named: "tun-segmentation",
// "tun-udp-segmentation", "udp-segmentation", "udp-coalescing" or "all".
func Without(names []string) (Offloads, error) {
	var off Offloads
	for _, name := range names {
		o, ok := offloadNames[name]
		if !ok {
			return Offloads{}, fmt.Errorf("no offload is called %q; there are %s", name, strings.Join(slices.Sorted(maps.Keys(offloadNames)), ", "))
		}
		off = off.Or(o)
	}
	return Offloads{
		TUNSegmentation:    !off.TUNSegmentation,
		TUNUDPSegmentation: !off.TUNUDPSegmentation,
		SocketSegmentation: !off.SocketSegmentation,
		SocketCoalescing:   !off.SocketCoalescing,
	}, nil
}
