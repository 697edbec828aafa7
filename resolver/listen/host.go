// Package listen carries the questions of networks' hosts to their resolvers: it
// listens inside each network's namespace, and asks forwarders from outside.
package listen

import (
	"cmp"
	"context"
	"log/slog"
	"net"
	"net/netip"

	"golang.org/x/sync/semaphore"

	"causeway.dev/internal/servers"
	"causeway.dev/resolver"
)

// Config is what a Host needs.
type Config struct {
	// Forwarders are asked for what a network does not know itself, one after the
	// other. With none, such questions are refused.
	Forwarders []netip.AddrPort

	// Dial reaches a forwarder by "udp" or "tcp". Nil is from where the process is.
	Dial func(ctx context.Context, network string, to netip.AddrPort) (net.Conn, error)

	Logger *slog.Logger // nil discards
}

// A Network is one whose hosts are answered.
type Network struct {
	ID        string
	Namespace string       // the name of its network namespace
	Addresses []netip.Addr // where its resolver listens, which the namespace has
	resolver.Config
}

// forwardedMax bounds the questions of all networks that others are asked at a
// time: each holds a socket. networkMax bounds those of one network, so that it takes
// none from the others.
const (
	forwardedMax = 512
	networkMax   = 128
)

// A Host runs the resolvers of all networks of one machine. It is safe for
// concurrent use.
type Host struct {
	cfg       Config
	forwarded *semaphore.Weighted
	networks  *servers.Roster[Network]
}

// New returns a host that answers nobody yet.
func New(cfg Config) *Host {
	cfg.Logger = cmp.Or(cfg.Logger, slog.New(slog.DiscardHandler))
	if cfg.Dial == nil {
		cfg.Dial = func(ctx context.Context, network string, to netip.AddrPort) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, to.String())
		}
	}
	h := &Host{cfg: cfg, forwarded: semaphore.NewWeighted(forwardedMax)}
	h.networks = servers.New(servers.Kind[Network]{Name: "resolver of network", ID: func(n Network) string { return n.ID }, Open: h.open})
	return h
}

// Set makes these networks those that are answered, as servers.Roster does. Who is
// asked meanwhile is answered by what was known before.
func (h *Host) Set(networks []Network, look bool) error { return h.networks.Set(networks, look) }

// Close answers nobody any more.
func (h *Host) Close() { h.networks.Close() }
