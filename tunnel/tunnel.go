package tunnel

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"

	"causeway.dev/ike"
	"causeway.dev/packetio"
)

// Config describes one tunnel.
type Config struct {
	Name     string          // for logs
	Device   packetio.Device // the tunnel's TUN; the owner closes it, after Run has returned
	Endpoint *Endpoint

	// OuterMTU is the MTU of the path to the peer in bytes; default 1500.
	// MTU, if not 0, bounds the inside MTU further than the cipher does.
	OuterMTU, MTU int

	// InsideAddress and InsideAddress6 are the tunnel's own inside addresses:
	// the source of the ICMP errors that it sends. Without one, none of that
	// family are sent.
	InsideAddress, InsideAddress6 netip.Addr

	// Events, if set, is called from the hot path: it must not block, and
	// must not call back into the tunnel.
	Events func(Event)

	Logger *slog.Logger // default: discards
}

// An Event tells the owner what the tunnel has seen.
type Event interface{ event() }

// FirstInbound: the first authenticated packet has arrived on an inbound SA.
type FirstInbound struct{ SPI ike.SPI }

func (FirstInbound) event() {}

// A Tunnel carries the packets of one TUN in ESP.
type Tunnel struct{ cfg Config }

// New returns a tunnel without SAs: it drops all packets until InstallChild
// and ActivateChild.
func New(cfg Config) (*Tunnel, error) { return &Tunnel{cfg: cfg}, nil }

// Run carries packets from the TUN to the peer until ctx ends.
func (t *Tunnel) Run(ctx context.Context) error { return errors.ErrUnsupported }

// InstallChild takes a new pair of SAs: inbound is live when it returns,
// outbound waits for ActivateChild.
func (t *Tunnel) InstallChild(child ike.ChildSA) error { return errors.ErrUnsupported }

// ActivateChild makes outbound the SA by which packets leave from now on.
func (t *Tunnel) ActivateChild(outbound ike.SPI) error { return errors.ErrUnsupported }

// RemoveChild ends both SAs of a pair and wipes their keys.
func (t *Tunnel) RemoveChild(inbound, outbound ike.SPI) {}

// ChangePath sends the packets of all SAs along path from now on.
func (t *Tunnel) ChangePath(path ike.Path) {}

// InsideMTU is the largest inner packet in bytes that the outbound SA takes
// without fragmentation; without an SA, 0.
func (t *Tunnel) InsideMTU() int { return 0 }

// Counters returns what the tunnel has carried and dropped. It is cheap.
func (t *Tunnel) Counters() Counters { return Counters{} }

// Close removes all SAs and wipes their keys.
func (t *Tunnel) Close() {}
