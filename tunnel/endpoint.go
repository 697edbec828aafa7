// Package tunnel is the hot path: it carries packets from a TUN through ESP to
// a socket and back, in batches and to completion, without a queue, a lock or
// an allocation per packet.
package tunnel

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
)

// EndpointConfig describes one outside address of ours.
type EndpointConfig struct {
	Local netip.Addr // to be bound; an IPv4 or IPv6 unicast address of this namespace

	// IKE is called for each IKE datagram: of port 500, or of port 4500 with
	// the non-ESP marker removed. It must not block; datagram is valid until
	// it returns.
	IKE func(local, remote netip.AddrPort, datagram []byte)

	Logger *slog.Logger // default: discards

	// NoOffload turns UDP segmentation and receive offload off.
	NoOffload bool
}

// EndpointCounters are what an Endpoint has seen that no tunnel can claim.
type EndpointCounters struct {
	IKEDatagrams uint64 // handed to EndpointConfig.IKE
	Keepalives   uint64 // NAT keep-alives: RFC 3948 section 2.3
	Drops        Drops
}

// An Endpoint is one of our outside addresses: UDP ports 500 and 4500 and IP
// protocol 50, shared by all tunnels that use it.
type Endpoint struct{ cfg EndpointConfig }

// Listen binds the address in the network namespace of the calling thread.
func Listen(cfg EndpointConfig) (*Endpoint, error) { return &Endpoint{cfg: cfg}, nil }

// SendIKE sends one IKE datagram from local, one of the endpoint's own, to
// remote, with the non-ESP marker before it if local's port is 4500.
func (e *Endpoint) SendIKE(local, remote netip.AddrPort, datagram []byte) error {
	return errors.ErrUnsupported
}

// Run receives until ctx ends or the endpoint is closed.
func (e *Endpoint) Run(ctx context.Context) error { return errors.ErrUnsupported }

// Counters returns what the endpoint has seen that no tunnel can claim.
func (e *Endpoint) Counters() EndpointCounters { return EndpointCounters{} }

// Close closes the sockets; tunnels of the endpoint can send no more.
func (e *Endpoint) Close() error { return nil }
