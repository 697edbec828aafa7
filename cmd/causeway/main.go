// Command causeway is Causeway: the server, the appliance and the tools around
// them. It parses flags, wires the parts and sets the exit code.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"time"

	"github.com/alecthomas/kong"
	"golang.org/x/sys/unix"

	"causeway.dev/appliance"
	"causeway.dev/capture"
	"causeway.dev/cli/demo"
	_ "causeway.dev/instance/boot" // the first processes of instances end there
	"causeway.dev/internal/version"
	"causeway.dev/keeper"
	"causeway.dev/serve"
)

type commands struct {
	Serve     serveCommand     `cmd:"" help:"Run the API and this host's networks, tunnels and instances."`
	Clean     cleanCommand     `cmd:"" help:"Remove all that serve made in the kernel."`
	Exec      execCommand      `cmd:"" help:"Run a command inside an instance."`
	Attach    attachCommand    `cmd:"" help:"Attach a network interface to a container, a bridge, a virtual machine or a LAN."`
	Detach    detachCommand    `cmd:"" help:"Take a network interface from where attach has put it."`
	Capture   captureCommand   `cmd:"" help:"Capture the packets of VPN tunnels, inside and outside."`
	Billing   billingCommand   `cmd:"" help:"What the VPN connections of a month cost: hours, prices, tax."`
	Doctor    doctorCommand    `cmd:"" help:"Say of VPN tunnels whether they are up, why not, and what to do."`
	Appliance applianceCommand `cmd:"" help:"Run a customer gateway: IKE and ESP in this network namespace."`
	Demo      demoCommand      `cmd:"" help:"Join a VPC to a site by a VPN, on this machine, and look at it."`
	Version   versionCommand   `cmd:"" help:"Print the version."`

	LogLevel slog.Level `help:"Least level that is logged: debug, info, warn or error." default:"info" placeholder:"LEVEL"`
}

// The main goroutine keeps the main thread for itself. What enters a namespace for good,
// as whoever starts an instance does, ends its thread with that, except for the main one,
// which cannot end: it would keep the namespace of an instance, and all that is in
// it, for as long as this process lives.
func init() { runtime.LockOSThread() }

func main() {
	if len(os.Args) > 1 && os.Args[1] == keeper.Command { // carries tunnels while no other process does; not for people
		os.Exit(keeper.Main())
	}
	var c commands
	k := kong.Parse(&c,
		kong.Name("causeway"),
		kong.Description("AWS's VPN and the VPC networking around it, self-hosted, with real packets."),
		kong.UsageOnError(),
		kong.Exit(func(code int) {
			if code == kongUsage {
				code = int(exitUsage)
			}
			os.Exit(code)
		}),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true}),
	)
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: c.LogLevel}))
	ctx, stop := untilSignalled()
	defer stop()
	k.BindTo(ctx, (*context.Context)(nil))
	k.BindTo(os.Stdout, (*io.Writer)(nil))
	var code exitCode
	switch err := k.Run(log); {
	case errors.As(err, &code):
		os.Exit(int(code))
	case err != nil:
		fmt.Fprintln(os.Stderr, "causeway:", err)
		os.Exit(1)
	}
}

// untilSignalled returns a context that ends with SIGINT, SIGHUP or SIGTERM. The
// last is what asks a service to end that may be started again at once: its cause is
// keeper.ErrSuccession.
func untilSignalled() (ctx context.Context, stop context.CancelFunc) {
	ctx, end := context.WithCancelCause(context.Background())
	interrupted, stopInterrupts := signal.NotifyContext(ctx, os.Interrupt, unix.SIGHUP)
	terminated, stopTerms := signal.NotifyContext(ctx, unix.SIGTERM)
	context.AfterFunc(interrupted, func() { end(context.Cause(interrupted)) })
	context.AfterFunc(terminated, func() { end(keeper.ErrSuccession) })
	return ctx, func() {
		stopInterrupts()
		stopTerms()
		end(nil)
	}
}

// kongUsage is what kong exits with where the command line is wrong.
const kongUsage = 80

// An exitCode is a command's own exit code, which says all there is to say.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit code %d", int(c)) }

type configFlag struct {
	Config string `help:"Configuration (YAML). Without it every value has its default." short:"c" placeholder:"FILE"`
}

type serveCommand struct{ configFlag }

func (serveCommand) Help() string {
	return `The network namespace that it is started in is the underlay: the internet, as far as the gateways are concerned.
It needs root (network namespaces, TUNs, nftables). SIGTERM ends it and leaves networks and instances as they are; tunnels go on for
the configuration's hand_over (15s), for the next serve to take over. SIGINT (Ctrl-C) ends them at once.

Examples:
  causeway serve
  causeway serve --config /etc/causeway.yaml
  AWS_SHARED_CREDENTIALS_FILE=/var/lib/causeway/credentials aws --endpoint-url http://127.0.0.1:4599 --region us-east-1 ec2 describe-vpcs`
}

func (c serveCommand) Run(ctx context.Context, log *slog.Logger) error {
	cfg, err := serve.LoadConfig(c.Config)
	if err != nil {
		return err
	}
	keeper.HideMemory()
	return serve.Run(ctx, cfg, log)
}

type cleanCommand struct {
	configFlag
	Data bool `help:"Remove the data directory too: all records are lost."`
}

func (cleanCommand) Help() string {
	return `Removes the namespaces, links, rules, instances and outside addresses of the installation that the configuration's data_dir names.
The records stay, so that a later serve makes all of it again, unless --data is given. It refuses while serve runs.

Examples:
  causeway clean
  causeway clean --config /etc/causeway.yaml --data`
}

func (c cleanCommand) Run(ctx context.Context, log *slog.Logger) error {
	cfg, err := serve.LoadConfig(c.Config)
	if err != nil {
		return err
	}
	return serve.Clean(ctx, cfg, c.Data, log)
}

type execCommand struct {
	configFlag
	Instance string   `arg:"" help:"Instance id, i-…."`
	Command  []string `arg:"" help:"Command and arguments; put -- before it." passthrough:""`
}

func (execCommand) Help() string {
	return `The exit code is the command's; 128 and the signal's number if a signal ended it.

Examples:
  causeway exec i-0123456789abcdef0 -- ping -c 3 192.168.0.10
  causeway exec i-0123456789abcdef0 -- bash`
}

func (c execCommand) Run(ctx context.Context, log *slog.Logger) error {
	cfg, err := serve.LoadConfig(c.Config)
	if err != nil {
		return err
	}
	argv := c.Command
	if len(argv) > 0 && argv[0] == "--" {
		argv = argv[1:]
	}
	if len(argv) == 0 {
		return errors.New("exec: there is no command after the instance")
	}
	code, err := serve.Exec(ctx, cfg, c.Instance, argv, os.Stdin, os.Stdout, os.Stderr, log)
	if err != nil {
		return err
	}
	if code != 0 {
		return exitCode(code)
	}
	return nil
}

type captureCommand struct {
	configFlag
	Connection string        `arg:"" optional:"" help:"VPN connection id, vpn-…; of an appliance the name of a tunnel, all of them without it."`
	Tunnel     string        `help:"Only the tunnel with this outside address." placeholder:"ADDRESS"`
	Appliance  string        `help:"Capture from the appliance that runs with this configuration." placeholder:"FILE"`
	Write      string        `help:"Directory for the files." default:"." type:"existingdir" placeholder:"DIR"`
	MaxMiB     int64         `help:"Size of one file." default:"16" name:"max-mib"`
	Files      int           `help:"Files of each kind that are kept, the newest included." default:"4"`
	For        time.Duration `help:"End after this time; without it when interrupted." placeholder:"DURATION"`
	Keys       bool          `help:"Also write the keys, in the form of Wireshark's tables. The child SAs are rekeyed for that."`
}

func (captureCommand) Help() string {
	return `For each tunnel it writes rings of files that Wireshark reads: VPN-ADDRESS-outer.pcap has ESP and IKE as on the wire, and
VPN-ADDRESS-inner.pcap what is inside of it, with IKE's messages in clear. Each IKE message is printed in a line. Keys, and what
proves a pre-shared key, are left out unless --keys asks for them.

Examples:
  causeway capture vpn-0123456789abcdef0
  causeway capture vpn-0123456789abcdef0 --tunnel 203.0.113.1 --write /tmp --for 1m
  causeway capture vpn-0123456789abcdef0 --keys
  causeway capture --appliance /etc/causeway/appliance.yaml vpn1 --for 1m`
}

func (c captureCommand) Run(ctx context.Context, out io.Writer) error {
	if c.MaxMiB < 1 || c.Files < 1 {
		return errors.New("capture: --max-mib and --files must be at least 1")
	}
	if c.For > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.For)
		defer cancel()
	}
	lost, err := c.capture(ctx, capture.Options{
		Of: c.Connection, Outside: c.Tunnel, Keys: c.Keys,
		Files: capture.Files{Dir: c.Write, BytesMax: c.MaxMiB << 20, Count: c.Files, Notes: out},
	})
	if lost > 0 {
		fmt.Fprintf(out, "%d packets came faster than they could be written\n", lost)
	}
	return err
}

func (c captureCommand) capture(ctx context.Context, o capture.Options) (lost uint64, err error) {
	if c.Appliance != "" {
		cfg, err := appliance.LoadConfig(c.Appliance)
		if err != nil {
			return 0, err
		}
		return appliance.Capture(ctx, cfg, o)
	}
	if c.Connection == "" {
		return 0, errors.New("capture: which VPN connection? vpn-… is missing")
	}
	cfg, err := serve.LoadConfig(c.Config)
	if err != nil {
		return 0, err
	}
	return serve.Capture(ctx, cfg, o)
}

type applianceCommand struct {
	Config string `help:"Configuration (YAML): what the device type 'Causeway' downloads, or one of your own." short:"c" required:"" placeholder:"FILE"`
	Status bool   `help:"Print each tunnel's state as a line of JSON whenever it changes."`
}

func (applianceCommand) Help() string {
	return `It ends cleanly on SIGINT and SIGTERM: peers are told, routes and TUNs are removed. With hand_over: 15s in the configuration tunnels
go on after SIGTERM for so long, for the next appliance with this configuration to take over.

A tunnel leads to its routes, or, with bgp, to what the gateway tells; advertise is what the gateways are told. Nothing is learned
outside of private address space unless accept names it.

Example:
  local: 198.51.100.7
  tunnels:
    - name: vpn1
      remote: 203.0.113.1
      psk: "the.key.of.tunnel.1"
      ike_proposals: [aes128-sha256-group14]
      esp_proposals: [aes128gcm16-group14]
      inside: 169.254.10.2/30
      routes: [10.0.0.0/16]

The same with BGP:
  local: 198.51.100.7
  advertise: [192.168.0.0/16, connected]
  tunnels:
    - name: vpn1
      remote: 203.0.113.1
      psk: "the.key.of.tunnel.1"
      inside: 169.254.10.2/30
      bgp: {asn: 65000, peer_asn: 64512}`
}

func (c applianceCommand) Run(ctx context.Context, log *slog.Logger) error {
	cfg, err := appliance.LoadConfig(c.Config)
	if err != nil {
		return err
	}
	var status io.Writer
	if c.Status {
		status = os.Stdout
	}
	keeper.HideMemory()
	return appliance.Run(ctx, cfg, log, status)
}

type demoCommand struct {
	Once   bool   `help:"End when all is shown, with exit code 0 if every step held."`
	Device string `help:"What runs on the customer's side: strongswan, causeway, or auto (strongSwan where it is installed)." enum:"auto,strongswan,causeway" default:"auto"`
	Keep   string `help:"Keep logs and configurations in this directory." placeholder:"DIR"`
}

func (demoCommand) Help() string {
	return `Everything happens in network namespaces that it makes itself and removes at the end.

Examples:
  causeway demo
  causeway demo --once --device causeway`
}

func (c demoCommand) Run(ctx context.Context, out io.Writer) error {
	// Whoever reads along may leave, as `head` does: what was made is removed all the same.
	signal.Notify(make(chan os.Signal, 1), unix.SIGPIPE)
	return demo.Run(ctx, demo.Options{Once: c.Once, Device: c.Device, Keep: c.Keep, Out: out})
}

type versionCommand struct{}

func (versionCommand) Run(out io.Writer) error {
	_, err := fmt.Fprintln(out, "causeway", version.String())
	return err
}
