package appliance

import (
	"context"
	"errors"
	"fmt"

	"causeway.dev/capture"
	"causeway.dev/ike"
)

// capturer serves captures of the tunnels.
func (a *running) capturer() capture.Host {
	return capture.Host{
		Find: a.captured,
		Start: func(tunnel string, r *capture.Recorder) (func(), error) {
			return a.host.StartCapture(ike.PeerID(tunnel), r)
		},
		Command: func(tunnel string, c ike.Command) error { return a.host.Command(ike.PeerID(tunnel), c) },
	}
}

// captured returns the tunnels of a name and an outside address, which is the
// gateway's.
func (a *running) captured(name, outside string) (map[string]string, error) {
	tunnels := map[string]string{}
	for _, t := range a.config.Tunnels {
		if (name == "" || name == t.Name) && (outside == "" || outside == t.Remote.String()) {
			tunnels[t.Name] = t.Name
		}
	}
	if len(tunnels) == 0 {
		return nil, fmt.Errorf("there is no tunnel %q to %q", name, outside)
	}
	return tunnels, nil
}

// Capture writes what tunnels of the appliance that runs with a configuration do to
// files until ctx ends. It returns how many records came too fast.
func Capture(ctx context.Context, c Config, o capture.Options) (lost uint64, err error) {
	if c.ControlSocket == "" {
		return 0, errNoSocket
	}
	if lost, err = capture.Save(ctx, c.ControlSocket, o); err != nil {
		return lost, fmt.Errorf("capture from causeway appliance: %w", err)
	}
	return lost, nil
}

var errNoSocket = errors.New("the configuration names no control socket")
