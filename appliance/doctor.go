package appliance

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"

	"causeway.dev/capture"
	"causeway.dev/doctor"
	"causeway.dev/internal/localapi"
	"causeway.dev/internal/run"
	"causeway.dev/ipsec"
	"causeway.dev/packetio"
)

// socketDir is where control sockets are that the configuration does not name.
const socketDir = "/run/causeway"

// defaultSocket is the control socket of who runs with a configuration.
func defaultSocket(file string) (string, error) {
	whole, err := filepath.Abs(file)
	if err != nil {
		return "", fmt.Errorf("name the control socket of %s: %w", file, err)
	}
	sum := sha256.Sum256([]byte(whole)) // a socket's name is short
	return filepath.Join(socketDir, fmt.Sprintf("appliance-%x.sock", sum[:8])), nil
}

// openProber opens what measures the MTU of paths.
func openProber(local netip.Addr) (ipsec.Prober, error) {
	s, err := packetio.ListenWhole(local)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// serveControl serves the control socket until the group is stopped.
func (a *running) serveControl(ctx context.Context) *run.Group {
	group := run.New(ctx)
	name := a.config.ControlSocket
	if name == "" {
		return group
	}
	if filepath.Dir(name) == socketDir {
		if err := os.MkdirAll(socketDir, 0o700); err != nil {
			a.log.Warn("make the control socket's directory", "err", err)
		}
	}
	group.Go("control", func(ctx context.Context) error {
		return localapi.Serve(ctx, name, a.log, map[string]http.Handler{
			"GET " + doctor.Path:  doctor.Handler(a.find),
			"GET " + capture.Path: a.capturer(),
		})
	})
	return group
}

// find is a doctor.Source.
func (a *running) find(of, _ string) ([]doctor.Report, error) {
	var reports []doctor.Report
	for _, s := range a.host.Status() {
		if of != "" && of != string(s.ID) {
			continue
		}
		diagnosis, err := a.host.Diagnose(s.ID)
		if err != nil {
			return nil, err
		}
		report := doctor.Report{Name: string(s.ID), Diagnosis: diagnosis}
		a.bgp.report(&report)
		reports = append(reports, report)
	}
	if len(reports) == 0 {
		return nil, fmt.Errorf("%w: %s", doctor.ErrNone, of)
	}
	return reports, nil
}

// Doctor asks the appliance that runs with a configuration for the diagnosis of a
// tunnel, or of all.
func Doctor(ctx context.Context, c Config, tunnel string) ([]doctor.Report, error) {
	if c.ControlSocket == "" {
		return nil, errNoSocket
	}
	reports, err := doctor.Ask(ctx, c.ControlSocket, tunnel, "")
	if err != nil {
		return nil, fmt.Errorf("ask causeway appliance: %w", err)
	}
	return reports, nil
}
