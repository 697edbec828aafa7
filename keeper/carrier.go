package keeper

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"causeway.dev/ike"
	"causeway.dev/internal/run"
	"causeway.dev/packetio"
	"causeway.dev/tunnel"
)

// A carrier carries the packets of a State's tunnels.
type carrier struct {
	state     *State // its SAs are in the tunnels while packets are carried
	log       *slog.Logger
	lanes     tunnel.Lanes
	working   *run.Group // the lanes
	endpoints map[netip.Addr]*listening
	devices   []*packetio.TUN // as in state.Tunnels

	tunnels  []*tunnel.Tunnel // as in state.Tunnels; nil: paused, or it can't be carried
	carrying *run.Group       // nil: paused
	broken   atomic.Int64     // tunnels that carry nothing any more
	isClosed bool
}

type listening struct {
	*tunnel.Endpoint
	lane *tunnel.Lane
}

// newCarrier returns a carrier without tunnels.
func newCarrier(log *slog.Logger) (*carrier, error) {
	lanes, err := tunnel.NewLanes(0, packetio.NewPoller)
	if err != nil {
		return nil, err
	}
	c := &carrier{state: new(State), log: log, lanes: lanes, endpoints: map[netip.Addr]*listening{}, working: run.New(context.Background())}
	for i, lane := range lanes {
		c.working.Go(fmt.Sprintf("lane %d", i), lane.Run)
	}
	return c, nil
}

// take takes over a state with its descriptors. It carries nothing yet.
func (c *carrier) take(state *State) error {
	c.state = state
	var errs []error
	for i, e := range state.Endpoints {
		sockets, err := e.Adopt()
		errs = append(errs, err)
		if err == nil {
			lane := c.lanes[i%len(c.lanes)]
			c.endpoints[e.Local] = &listening{tunnel.NewEndpoint(tunnel.EndpointConfig{Local: e.Local, Lane: lane}, sockets), lane}
		}
	}
	for _, t := range state.Tunnels {
		c.devices = append(c.devices, packetio.AdoptTUN(t.Device, t.DeviceName, t.Offloads))
	}
	c.tunnels = make([]*tunnel.Tunnel, len(state.Tunnels))
	return errors.Join(errs...)
}

// Adopt makes sockets of the endpoint's descriptors. If it does not work all are
// closed.
func (e Endpoint) Adopt() (tunnel.Sockets, error) {
	var sockets tunnel.Sockets
	var errs []error
	for _, one := range []struct {
		Socket
		to *packetio.Socket
	}{{e.IKE, &sockets.IKE}, {e.NATT, &sockets.NATT}, {e.ESP, &sockets.ESP}} {
		s, err := packetio.AdoptSocket(one.Descriptor, one.Offloads)
		if err != nil {
			errs = append(errs, err, unix.Close(one.Descriptor))
			continue
		}
		*one.to = s
	}
	if len(errs) == 0 {
		return sockets, nil
	}
	for _, s := range []packetio.Socket{sockets.IKE, sockets.NATT, sockets.ESP} {
		if s != nil {
			errs = append(errs, s.Close())
		}
	}
	return tunnel.Sockets{}, fmt.Errorf("adopt endpoint %v: %w", e.Local, errors.Join(errs...))
}

// begin carries packets from now on. A tunnel that can't be carried keeps no other
// from it.
func (c *carrier) begin() {
	c.carrying = run.New(context.Background())
	c.broken.Store(0)
	for i := range c.state.Tunnels {
		t := &c.state.Tunnels[i]
		if err := c.thaw(i, t); err != nil {
			c.fail("keep tunnel", err, "tunnel", string(t.ID))
		}
	}
	for local, e := range c.endpoints {
		c.carrying.Go("endpoint "+local.String(), func(ctx context.Context) error {
			if err := e.Run(ctx); err != nil && ctx.Err() == nil {
				c.log.Error("endpoint receives no more packets", "local", local, "err", err)
			}
			return nil
		})
	}
	c.carrying.Go("keep-alives", c.keepAlive)
}

func (c *carrier) thaw(i int, t *Tunnel) error {
	endpoint := c.endpoints[t.Local]
	if endpoint == nil {
		return fmt.Errorf("there is no endpoint at %v", t.Local)
	}
	made, err := tunnel.New(tunnel.Config{
		Name: string(t.ID), Device: c.devices[i], Endpoint: endpoint.Endpoint, Lane: endpoint.lane, MTU: t.MTU, Inside: t.Inside, Logger: c.log,
	})
	if err != nil {
		return err
	}
	if err := made.Thaw(t.SAs); err != nil {
		made.Close()
		return err
	}
	t.SAs.Wipe()
	c.tunnels[i] = made
	c.carrying.Go("tunnel "+string(t.ID), func(ctx context.Context) error {
		if err := made.Run(ctx); err != nil && ctx.Err() == nil {
			c.fail("tunnel carries no more packets", err, "tunnel", string(t.ID))
		}
		return nil
	})
	return nil
}

func (c *carrier) fail(what string, err error, more ...any) {
	c.broken.Add(1)
	c.log.Error(what, append(more, "err", err)...)
}

// isBroken reports whether no tunnel carries anything any more.
func (c *carrier) isBroken() bool { return c.broken.Load() >= int64(len(c.state.Tunnels)) }

// pause carries nothing more and brings the state up to date. Packets wait in the
// kernel.
func (c *carrier) pause() {
	if c.carrying == nil {
		return
	}
	c.carrying.Stop(nil)
	if err := c.carrying.Wait(); err != nil {
		c.log.Warn("end of what was carried", "err", err)
	}
	c.carrying = nil
	for i, t := range c.tunnels {
		if t == nil {
			continue
		}
		sas, err := t.Freeze()
		if err != nil {
			c.log.Warn("SAs are lost", "tunnel", string(c.state.Tunnels[i].ID), "err", err)
		}
		c.state.Tunnels[i].SAs = sas
		c.tunnels[i] = nil
	}
}

// keepAliveInterval: RFC 3948 section 4.
const keepAliveInterval = 20 * time.Second

// keepAlive keeps NATs on our side from forgetting their mappings.
func (c *carrier) keepAlive(ctx context.Context) error {
	tick := time.NewTicker(keepAliveInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case now := <-tick.C:
			for i, t := range c.tunnels {
				kept := c.state.Tunnels[i]
				if t == nil || !kept.SAs.Path.BehindNAT {
					continue
				}
				if _, outbound := t.LastTraffic(); now.Sub(outbound) >= keepAliveInterval {
					_ = c.endpoints[kept.Local].SendKeepalive(kept.SAs.Path.Remote) // the next one may get through
				}
			}
		}
	}
}

// farewellAgain is after how long a farewell is said once more: a datagram may get
// lost, and nobody waits for the answer.
const farewellAgain = 200 * time.Millisecond

// farewell tells all peers that their SAs are deleted.
func (c *carrier) farewell() {
	c.pause()
	for try := range 2 {
		if try > 0 {
			time.Sleep(farewellAgain)
		}
		for _, t := range c.state.Tunnels {
			if e := c.endpoints[t.Local]; e != nil {
				c.bid(e.Endpoint, t.ID, t.Farewell)
			}
		}
	}
}

func (c *carrier) bid(e *tunnel.Endpoint, id ike.PeerID, farewell []ike.Datagram) {
	for _, d := range farewell {
		if err := e.SendIKE(d.Local, d.Remote, d.Payload); err != nil {
			c.log.Warn("the peer is not told", "tunnel", string(id), "err", err)
		}
	}
}

// close closes all that was taken over and wipes the keys.
func (c *carrier) close() error {
	if c.isClosed {
		return nil
	}
	c.isClosed = true
	c.pause()
	c.state.Wipe()
	c.working.Stop(nil)
	errs := []error{c.working.Wait(), c.lanes.Close()}
	for _, e := range c.endpoints {
		errs = append(errs, e.Close())
	}
	for _, d := range c.devices {
		errs = append(errs, d.Close())
	}
	return errors.Join(errs...)
}
