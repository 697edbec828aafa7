// Package listen carries the questions of networks' hosts to their resolvers: it
// listens inside each network's namespace, and asks forwarders from outside.
package listen

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"sync"

	"golang.org/x/sync/semaphore"

	"causeway.dev/netfabric/netns"
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
// time: each holds a socket.
const forwardedMax = 512

// A Host runs the resolvers of all networks of one machine. It is safe for
// concurrent use.
type Host struct {
	cfg       Config
	forwarded *semaphore.Weighted

	mu      sync.Mutex
	servers map[string]*server // by network; guarded by mu
	closed  bool               // guarded by mu
}

// New returns a host that answers nobody yet.
func New(cfg Config) *Host {
	cfg.Logger = cmp.Or(cfg.Logger, slog.New(slog.DiscardHandler))
	if cfg.Dial == nil {
		cfg.Dial = func(ctx context.Context, network string, to netip.AddrPort) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, to.String())
		}
	}
	return &Host{cfg: cfg, forwarded: semaphore.NewWeighted(forwardedMax), servers: map[string]*server{}}
}

// Set makes these networks those that are answered. What one cannot be given keeps
// no other from it; the errors are joined. With look it also looks whether the
// namespaces are still those that it listens in. Who is asked meanwhile is answered
// by what was known before.
func (h *Host) Set(networks []Network, look bool) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return errors.New("the resolvers have ended")
	}
	wanted := make(map[string]bool, len(networks))
	for _, n := range networks {
		wanted[n.ID] = true
	}
	for id, s := range h.servers {
		if !wanted[id] {
			s.end()
			delete(h.servers, id)
		}
	}
	var errs []error
	for _, n := range networks {
		if err := h.set(n, look); err != nil {
			errs = append(errs, fmt.Errorf("resolver of network %s: %w", n.ID, err))
		}
	}
	return errors.Join(errs...)
}

// set answers one network. h.mu is held.
func (h *Host) set(n Network, look bool) error {
	s := h.servers[n.ID]
	if s != nil && (s.network.Namespace != n.Namespace || !slices.Equal(s.network.Addresses, n.Addresses) || look && !s.inPlace()) {
		s.end()
		delete(h.servers, n.ID)
		s = nil
	}
	if s == nil {
		s, err := h.open(n)
		if err == nil {
			h.servers[n.ID] = s
		}
		return err
	}
	if !reflect.DeepEqual(s.network, n) {
		s.network = n
		s.learn(resolver.NewTable(n.Config))
	}
	return nil
}

// inPlace reports whether the server's namespace is still there.
func (s *server) inPlace() bool {
	id, err := netns.ID(s.network.Namespace)
	return err == nil && id == s.place
}

// Close answers nobody any more.
func (h *Host) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for _, s := range h.servers {
		s.end()
	}
	clear(h.servers)
}
