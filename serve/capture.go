package serve

import (
	"context"
	"fmt"
	"path/filepath"

	"causeway.dev/capture"
	"causeway.dev/node"
	"causeway.dev/resource"
	"causeway.dev/store"
)

// capturer returns what serves captures of connections' tunnels.
func capturer(records *store.Store, agent *node.Node) capture.Host {
	return capture.Host{
		Find: func(of, outside string) (map[string]string, error) { return connectionTunnels(records, of, outside) },
		Start: func(tunnel string, r *capture.Recorder) (func(), error) {
			return agent.StartCapture(tunnel, r)
		},
		Command: agent.Command,
	}
}

// connectionTunnels returns the tunnels of a connection, by id, with names for their
// files.
func connectionTunnels(records *store.Store, connection, outside string) (map[string]string, error) {
	tunnels := map[string]string{}
	for v := range store.VPNConnections.All(records.Snapshot()) {
		for i, t := range v.Tunnels {
			if v.ID == connection && (outside == "" || t.OutsideAddress.String() == outside) {
				tunnels[resource.TunnelID(v.ID, i+1)] = v.ID + "-" + t.OutsideAddress.String()
			}
		}
	}
	if len(tunnels) == 0 {
		if outside == "" {
			return nil, fmt.Errorf("there is no VPN connection %q", connection)
		}
		return nil, fmt.Errorf("there is no VPN connection %q with a tunnel to %q", connection, outside)
	}
	return tunnels, nil
}

// Capture writes what tunnels of the installation that runs on this host do to
// files until ctx ends. It returns how many records came too fast.
func Capture(ctx context.Context, cfg Config, o capture.Options) (lost uint64, err error) {
	if lost, err = capture.Save(ctx, filepath.Join(cfg.DataDir, controlSocket), o); err != nil {
		return lost, fmt.Errorf("capture from causeway serve: %w", err)
	}
	return lost, nil
}
