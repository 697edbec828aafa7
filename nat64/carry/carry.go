// Package carry takes packets of IPv6 out of networks' namespaces and puts them back as
// packets of IPv4, and the other way round: one TUN device a network, one goroutine for
// all of them.
package carry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"

	"causeway.dev/internal/run"
	"causeway.dev/internal/servers"
	"causeway.dev/nat64"
	"causeway.dev/netfabric/netns"
	"causeway.dev/packetio"
)

// mtuBytes is what networks' links carry.
const mtuBytes = 1500

// Config is what a Service needs.
type Config struct {
	// Opened is told of each device as soon as it is there, so that packets are led to
	// it.
	Opened func(network string) error

	Offloads packetio.Offloads // of the devices
	Logger   *slog.Logger      // nil discards
}

// A Network is one whose packets are translated.
type Network struct {
	ID        string
	Namespace string // the name of its network namespace
	Device    string // what the TUN is called

	Prefix   netip.Prefix // where addresses of IPv4 are embedded
	StandIns netip.Prefix // of IPv4, for the hosts
	Hosts    []netip.Addr // of IPv6, who are translated for
}

// A Service translates for all networks of one machine. It is safe for concurrent use.
type Service struct {
	cfg      Config
	networks *servers.Roster[Network]
	group    *run.Group
	drops    [len(nat64.DropNames)]atomic.Uint64

	mu      sync.Mutex
	poller  packetio.Poller     // nil before the first device; guarded by mu
	devices map[int]*translated // by the key that the poller knows them by; guarded by mu
	last    int                 // key; guarded by mu
}

// New returns a service that translates for nobody yet.
func New(cfg Config) *Service {
	cfg.Logger = cmp.Or(cfg.Logger, slog.New(slog.DiscardHandler))
	s := &Service{cfg: cfg, group: run.New(context.Background()), devices: map[int]*translated{}}
	s.networks = servers.New(servers.Kind[Network]{Name: "translation from IPv6 in network", ID: func(n Network) string { return n.ID }, Open: s.open})
	return s
}

// Set makes these networks those whose packets are translated, as servers.Roster does.
// Those of hosts that stay go on.
func (s *Service) Set(networks []Network, look bool) error { return s.networks.Set(networks, look) }

// Keep ends, of what Set has begun, all that is not for these networks, whose devices
// may be taken away then.
func (s *Service) Keep(networks []Network) error {
	s.mu.Lock()
	standing := make(map[string]bool, len(s.devices))
	for _, t := range s.devices {
		standing[t.device.Name()] = true
	}
	s.mu.Unlock()
	return s.networks.Set(slices.DeleteFunc(slices.Clone(networks), func(n Network) bool { return !standing[n.Device] }), false)
}

// Close translates for nobody any more.
func (s *Service) Close() {
	s.networks.Close()
	s.mu.Lock()
	poller := s.poller
	s.mu.Unlock()
	if poller == nil {
		return
	}
	s.group.Stop(nil)
	poller.Wake()
	if err := errors.Join(s.group.Wait(), poller.Close()); err != nil {
		s.cfg.Logger.Warn("translation from IPv6 ended", "err", err)
	}
}

// Drops counts, by reason, packets that were not translated.
func (s *Service) Drops() map[string]uint64 {
	counts := map[string]uint64{}
	for reason := range s.drops {
		if n := s.drops[reason].Load(); n > 0 {
			counts[nat64.DropNames[reason]] = n
		}
	}
	return counts
}

// A translated is a network's device with what its packets are translated by.
type translated struct {
	service    *Service
	network    Network // as Set last; touched by one call of the roster at a time
	place      netns.Place
	device     *packetio.TUN
	key        int
	translator *nat64.Translator // owned by the goroutine that carries
	hosts      atomic.Pointer[nat64.Hosts]
	broken     atomic.Bool // somebody else has taken the device
}

// open opens a network's device.
func (s *Service) open(n Network) (_ servers.Server[Network], err error) {
	if err := nat64.CheckPrefix(n.Prefix); err != nil {
		return nil, err
	}
	t := &translated{service: s, network: n, translator: nat64.New(nat64.Config{Prefix: n.Prefix, MTU: mtuBytes})}
	t.hosts.Store(nat64.NewHosts(nil, n.StandIns, n.Hosts))
	t.place, err = netns.Settle(n.Namespace, func() (err error) {
		t.device, err = packetio.OpenTUN(n.Device, mtuBytes, s.cfg.Offloads)
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := s.add(t); err != nil {
		return nil, errors.Join(err, t.device.Close())
	}
	if err := s.cfg.Opened(n.ID); err != nil {
		t.End()
		return nil, fmt.Errorf("set up device: %w", err)
	}
	return t, nil
}

// add lets a device's packets be carried.
func (s *Service) add(t *translated) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.poller == nil {
		poller, err := packetio.NewPoller()
		if err != nil {
			return err
		}
		s.poller = poller
		s.group.Go("translation from IPv6", func(ctx context.Context) error { return s.carry(ctx, poller) })
	}
	s.last++
	t.key = s.last
	s.devices[t.key] = t
	return s.poller.Add(t.device, t.key)
}

// Follow implements servers.Server.
func (t *translated) Follow(n Network, look bool) (stays bool, err error) {
	same := t.place.Name() == n.Namespace && t.network.Device == n.Device && t.network.Prefix == n.Prefix && t.network.StandIns == n.StandIns
	if !same || t.broken.Load() || look && !t.place.Stands() {
		return false, nil
	}
	if !slices.Equal(t.network.Hosts, n.Hosts) {
		t.hosts.Store(nat64.NewHosts(t.hosts.Load(), n.StandIns, n.Hosts))
	}
	t.network = n
	return true, nil
}

// End implements servers.Server.
func (t *translated) End() {
	t.service.mu.Lock()
	delete(t.service.devices, t.key)
	t.service.mu.Unlock()
	if err := t.device.Close(); err != nil {
		t.service.cfg.Logger.Warn("close device", "network", t.network.ID, "err", err)
	}
}

// headroom is none: packets are written anew.
const headroom = 0

// carry translates what comes from any device, until ctx ends.
func (s *Service) carry(ctx context.Context, poller packetio.Poller) error {
	batch := packetio.NewBatch(headroom, headroom)
	var (
		keys     []int
		out      nat64.Output
		gatherer packetio.Gatherer
	)
	for {
		var err error
		if keys, err = poller.Wait(keys[:0]); err != nil {
			return fmt.Errorf("wait for packets: %w", err)
		}
		if ctx.Err() != nil {
			return nil
		}
		for _, key := range keys {
			s.mu.Lock()
			t := s.devices[key]
			s.mu.Unlock()
			if t == nil {
				continue
			}
			if err := t.turn(batch, &out, &gatherer); err != nil {
				t.giveUp(poller, err)
			}
		}
	}
}

// turn translates a turn's packets of one device, with what is left of the last one.
func (t *translated) turn(batch *packetio.Batch, out *nat64.Output, gatherer *packetio.Gatherer) error {
	for more := true; more; more = batch.More() {
		batch.Reset()
		if err := t.device.ReadBatch(batch); err != nil {
			return err
		}
		hosts := t.hosts.Load()
		out.Reset()
		for _, p := range batch.Packets {
			if drop := t.translator.Translate(out, hosts, p.Bytes()); drop != 0 {
				t.service.drops[drop].Add(1)
			}
		}
		// What the stack does not take is lost, as on any network.
		if _, err := t.device.WriteBatch(gatherer, out.Packets); errors.Is(err, os.ErrClosed) {
			return err
		}
	}
	return nil
}

// giveUp leaves a device alone that carries nothing any more, until it is opened anew.
func (t *translated) giveUp(poller packetio.Poller, err error) {
	if errors.Is(err, os.ErrClosed) {
		return
	}
	t.broken.Store(true)
	t.service.cfg.Logger.Warn("device is lost", "device", t.device.Name(), "err", errors.Join(err, poller.Remove(t.device)))
}
