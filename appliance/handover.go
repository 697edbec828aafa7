package appliance

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"causeway.dev/ipsec"
	"causeway.dev/keeper"
	"causeway.dev/netfabric/netns"
	"causeway.dev/packetio"
)

// keeper is the socket of the process that carries tunnels between two others,
// beside the control socket.
func (c Config) keeper() string {
	if c.ControlSocket == "" {
		return ""
	}
	return strings.TrimSuffix(c.ControlSocket, ".sock") + "-keeper.sock"
}

// end hands the tunnels over where another process is to go on with them; or else
// they end, and the routes go with the TUNs.
func (a *running) end(ctx context.Context, cause error) error {
	wait := time.Duration(a.config.HandOver)
	handOver := errors.Is(cause, keeper.ErrSuccession) && wait > 0
	a.bgp.end(ctx, handOver)
	var err error
	if handOver {
		err = a.host.HandOver(ctx, wait)
	} else {
		err = a.host.Close(ctx)
	}
	return errors.Join(err, setWays(nil, a.set.gateways, a.config.names()))
}

// adoptDevice refuses a TUN of another network namespace, or one that has been
// taken away.
func (a *running) adoptDevice(t ipsec.Tunnel, device *packetio.TUN) error {
	if err := isHere(device.Namespace); err != nil {
		return err
	}
	return errors.Join(setUp(string(t.Peer.ID), t.Inside), device.SetOffloads(a.offloads))
}

// adoptSocket refuses a socket of another network namespace.
func (a *running) adoptSocket(s packetio.Socket) error {
	socket, ok := s.(*packetio.KernelSocket)
	if !ok {
		return nil
	}
	if err := isHere(socket.Namespace); err != nil {
		return err
	}
	return socket.SetOffloads(a.offloads)
}

// isHere compares a namespace with that of the process.
func isHere(namespace func() (uint64, error)) error {
	here, err := netns.Current()
	if err != nil {
		return err
	}
	is, err := namespace()
	if err != nil {
		return err
	}
	if is != here {
		return fmt.Errorf("it is of another network namespace: %d, not %d", is, here)
	}
	return nil
}
