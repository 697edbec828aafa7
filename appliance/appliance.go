// Package appliance runs IKE and ESP as a customer gateway of one's own: the
// same engines as the gateways', with a TUN for each tunnel in the network
// namespace that the process is started in.
package appliance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/netip"
	"time"

	"causeway.dev/ipsec"
	"causeway.dev/packetio"
	"causeway.dev/packetio/probe"
	"causeway.dev/tunnel"
)

// defaultMTU is the TUN's where none is given: what AES-GCM in UDP leaves of
// 1500 bytes is more, and every other cipher fits too.
const defaultMTU = 1400

// goodbyeMax bounds how long the peers' answers to our DELETE are waited for.
const goodbyeMax = 2 * time.Second

// Run runs the tunnels of c until ctx ends, then says goodbye to the peers and
// removes the routes and TUNs, or hands them over as the configuration says. Each change of a tunnel's state is written to
// status as a line of JSON; nil keeps silent.
func Run(ctx context.Context, c Config, log *slog.Logger, status io.Writer) (err error) {
	var tunnels []ipsec.Tunnel
	for _, t := range c.Tunnels {
		peer, err := c.peer(t)
		if err != nil {
			return fmt.Errorf("tunnel %s: %w", t.Name, err)
		}
		tunnels = append(tunnels, ipsec.Tunnel{Peer: peer, Inside: t.Inside, MTU: t.MTU})
	}
	wanted, err := packetio.Without(c.OffloadsOff)
	if err != nil {
		return fmt.Errorf("offloads_off: %w", err)
	}
	a := &running{config: c, tunnels: tunnels, log: log, status: status, said: map[string]State{}, offloads: probe.Settle(wanted, log)}
	tell, written := a.startTunnelLog(ctx)
	defer func() { err = errors.Join(err, written()) }()
	host, err := ipsec.New(context.WithoutCancel(ctx), ipsec.Config{
		Log: tell, Logger: log, Offloads: a.offloads, Lanes: c.Lanes, StandardAES: c.StandardAES, Listen: tunnel.Listen, OpenProber: openProber, OpenDevice: a.openDevice,
		Keeper: c.keeper(), AdoptDevice: a.adoptDevice, AdoptSocket: a.adoptSocket,
	})
	if err != nil {
		return err
	}
	a.host, a.bgp = host, a.startDialogue(host.Kept())
	defer func() {
		goodbye, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbyeMax)
		defer cancel()
		err = errors.Join(err, a.end(goodbye, context.Cause(ctx)))
	}()
	control := a.serveControl(ctx)
	defer func() {
		control.Stop(nil)
		err = errors.Join(err, control.Wait())
	}()
	if c.Mobile {
		a.locate()
	}
	if err := a.settle(); err != nil {
		return err
	}
	for {
		a.move()
		a.complain(a.follow())
		select {
		case <-ctx.Done():
			return nil
		case <-host.Changed():
		case <-a.bgp.wake():
		case <-time.After(a.pause()):
		}
	}
}

// pause is how long nobody looks at the tunnels unless one changes. What is to be
// said of one that is down changes with every packet of its peer's, of one that is
// up with a rekey at most.
func (a *running) pause() time.Duration {
	for _, up := range a.up {
		if !up {
			return time.Second
		}
	}
	if a.complained != "" || a.config.Mobile {
		return time.Second
	}
	return 5 * time.Second
}

// running is an appliance between start and end. One goroutine owns it.
type running struct {
	config Config
	log    *slog.Logger
	host   *ipsec.Host
	bgp    *dialogue // nil: no tunnel has a session
	status io.Writer

	offloads packetio.Offloads

	tunnels   []ipsec.Tunnel
	unsettled bool // the host does not have what tunnels say

	said map[string]State

	up         map[string]bool // tunnels, with their sessions
	set        routing         // as the routes were set
	routesSet  time.Time
	complained string // about routes; "" if all is well
}

// routesInterval is how long a route that somebody else has taken away may be
// missing.
const routesInterval = 15 * time.Second

// openDevice creates a tunnel's TUN with its inside address.
func (a *running) openDevice(t ipsec.Tunnel) (packetio.Device, error) {
	mtu := t.MTU
	if mtu == 0 {
		mtu = defaultMTU
	}
	name := string(t.Peer.ID)
	device, err := packetio.OpenTUN(name, mtu, a.offloads)
	if err != nil {
		return nil, err
	}
	if err := setUp(name, t.Inside); err != nil {
		return nil, errors.Join(err, device.Close())
	}
	return device, nil
}

// follow makes sessions, routes and what was said of the tunnels equal their state.
func (a *running) follow() error {
	if err := a.bgp.look(); err != nil {
		return err // and all stays as it is
	}
	tunnels := a.host.Status()
	sessions, err := a.bgp.follow(tunnels)
	now := a.route(tunnels, sessions)
	a.up = map[string]bool{}
	for _, t := range tunnels {
		a.up[string(t.ID)] = a.say(t, sessions, now.over)
	}
	if now.equal(a.set) && !now.intoItself() && time.Since(a.routesSet) < routesInterval && a.complained == "" {
		return err
	}
	a.set, a.routesSet = now, time.Now()
	if failed := setOver(now.over, now.gateways, a.config.names(), now.pending); failed != nil {
		return errors.Join(err, failed)
	}
	maps.DeleteFunc(now.gateways, func(_ netip.Addr, still bool) bool { return !still }) // they are done with
	return err
}

// complain logs why routes could not be set, once as long as it stays the same.
func (a *running) complain(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text != "" && text != a.complained {
		a.log.Error("move routes", "err", err)
	}
	a.complained = text
}
