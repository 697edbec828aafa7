package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"causeway.dev/appliance"
	"causeway.dev/doctor"
	"causeway.dev/serve"
)

type doctorCommand struct {
	configFlag
	Of        string `arg:"" optional:"" name:"connection" help:"VPN connection id, vpn-…, or one of its tunnels, vpn-…/1; of an appliance the name of a tunnel. Without it a table of all tunnels, and whether instances are limited."`
	Tunnel    string `help:"Only the tunnel with this outside address." placeholder:"ADDRESS"`
	Appliance string `help:"Ask the appliance that runs with this configuration." placeholder:"FILE"`
	JSON      bool   `help:"All that is known, as JSON." name:"json"`
}

func (doctorCommand) Help() string {
	return `The first line says what is wrong and the second what to do. Below are both sides of what does not fit, what arrives on which port, the SAs
with their clocks, the path, counters, and why it failed before. It needs the user that the daemon runs as. No secret is shown.

The exit code is 0 if all tunnels that are shown are up, 1 if one is down, and 2 if nobody could be asked or there is no such tunnel.

Examples:
  causeway doctor
  causeway doctor vpn-0123456789abcdef0
  causeway doctor vpn-0123456789abcdef0/2 --json
  causeway doctor --appliance /etc/causeway/appliance.yaml`
}

// Exit codes of doctor.
const (
	exitDown  exitCode = 1
	exitUsage exitCode = 2
)

func (c doctorCommand) Run(ctx context.Context, out io.Writer) error {
	reports, limits, err := c.ask(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, "causeway:", err)
		return exitUsage
	}
	if err := c.write(out, reports); err != nil {
		return err
	}
	if limits != "" {
		if _, err := fmt.Fprintf(out, "\n%s\n", limits); err != nil {
			return err
		}
	}
	if !doctor.Up(reports) {
		return exitDown
	}
	return nil
}

// ask returns what to write: reports, and below the table of all a line about
// instances, which an appliance has none of.
func (c doctorCommand) ask(ctx context.Context) (reports []doctor.Report, limits string, err error) {
	if c.Appliance != "" {
		cfg, err := appliance.LoadConfig(c.Appliance)
		if err != nil {
			return nil, "", err
		}
		reports, err = appliance.Doctor(ctx, cfg, c.Of)
		return reports, "", err
	}
	cfg, err := serve.LoadConfig(c.Config)
	if err != nil {
		return nil, "", err
	}
	if reports, err = serve.Doctor(ctx, cfg, c.Of, c.Tunnel); err != nil || !c.all() {
		return reports, "", err
	}
	l, err := serve.Limits(ctx, cfg)
	return reports, l.String(), err
}

// all reports whether the table of all tunnels is asked for.
func (c doctorCommand) all() bool { return c.Of == "" && c.Tunnel == "" && !c.JSON }

func (c doctorCommand) write(out io.Writer, reports []doctor.Report) error {
	switch {
	case c.JSON:
		return doctor.WriteJSON(out, reports)
	case c.all():
		return doctor.WriteTable(out, reports)
	}
	for i, r := range reports {
		if i > 0 {
			fmt.Fprintln(out)
		}
		if err := doctor.Write(out, r); err != nil {
			return err
		}
	}
	return nil
}
