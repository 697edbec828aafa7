package serve

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"causeway.dev/bgp/speaker"
	"causeway.dev/doctor"
	"causeway.dev/ipsec"
	"causeway.dev/resource"
	"causeway.dev/store"
)

// diagnoser finds the diagnoses of connections' tunnels.
type diagnoser struct {
	records  *store.Store
	diagnose func(tunnel string) (ipsec.Diagnosis, error)
	session  func(tunnel string) (speaker.Peer, speaker.Status, bool) // of those that speak BGP
}

// find is a doctor.Source: of is a connection, a tunnel "vpn-…/1", or all.
func (d diagnoser) find(of, outside string) ([]doctor.Report, error) {
	var reports []doctor.Report
	for v := range store.VPNConnections.All(d.records.Snapshot()) {
		if v.Deleted != nil {
			continue
		}
		for i, t := range v.Tunnels {
			id := resource.TunnelID(v.ID, i+1)
			if of != "" && of != v.ID && of != id || outside != "" && outside != t.OutsideAddress.String() {
				continue
			}
			diagnosis, err := d.diagnose(id)
			if errors.Is(err, ipsec.ErrNoTunnel) {
				diagnosis, err = ipsec.Absent(id), nil
			}
			if err != nil {
				return nil, err
			}
			report := doctor.Report{Connection: v.ID, Name: id, Outside: t.OutsideAddress.String(), Diagnosis: diagnosis}
			if peer, is, ok := d.session(id); ok {
				report.AddBGP(peer, is)
			}
			reports = append(reports, report)
		}
	}
	if len(reports) == 0 && of != "" {
		return nil, fmt.Errorf("%w: %s", doctor.ErrNone, strings.TrimSpace(of+" "+outside))
	}
	return reports, nil
}

// Limits asks the installation that runs on this host whether instances are limited.
func Limits(ctx context.Context, cfg Config) (doctor.InstanceLimits, error) {
	limits, err := doctor.AskLimits(ctx, filepath.Join(cfg.DataDir, controlSocket))
	if err != nil {
		return limits, fmt.Errorf("ask causeway serve: %w", err)
	}
	return limits, nil
}

// Doctor asks the installation that runs on this host for the diagnoses of a
// connection's tunnels, or of all; outside chooses one by its outside address.
func Doctor(ctx context.Context, cfg Config, of, outside string) ([]doctor.Report, error) {
	reports, err := doctor.Ask(ctx, filepath.Join(cfg.DataDir, controlSocket), of, outside)
	if err != nil {
		return nil, fmt.Errorf("ask causeway serve: %w", err)
	}
	return reports, nil
}
