// Command gateway is one gateway of a benchmark: the product's tunnels without
// its configuration file, so that there can be thousands of them, and with a
// profile of the processor's time.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"runtime"
	"runtime/pprof"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"causeway.dev/ike"
	"causeway.dev/ipsec"
	"causeway.dev/packetio"
	"causeway.dev/tunnel"
)

// deviceGroup is that of all TUNs: the kernel removes a group at once, but
// thousands of devices one by one in minutes.
const deviceGroup = 1

// upPeriod is how often all tunnels are asked for whether they are up.
const upPeriod = 200 * time.Millisecond

// A gateway is one side of a number of tunnels between one pair of addresses.
// Their identities tell them apart.
type gateway struct {
	local, remote netip.Addr
	customers     netip.Prefix // if valid, each tunnel's customer has an address of its own in it, in place of remote, or of local where this side begins
	start         bool         // this side begins
	tunnels       int
	mtu           int
	ike, esp      string       // proposals
	routes        netip.Prefix // the first of a range of addresses, one behind each tunnel
	network       netip.Prefix // behind the first tunnel

	// When SAs are renewed; 0 for the defaults.
	ikeLifetime, childLifetime, rekeyMargin time.Duration

	// report is how often is told what stands; 0 for never.
	report time.Duration
}

func main() {
	var g gateway
	flag.TextVar(&g.local, "local", netip.Addr{}, "own outside address")
	flag.TextVar(&g.remote, "remote", netip.Addr{}, "the peer's outside address")
	flag.TextVar(&g.customers, "customers", netip.Prefix{}, "network with an outside address for each tunnel, of the side that begins, in order; default one for all")
	flag.BoolVar(&g.start, "start", false, "begin to negotiate")
	flag.IntVar(&g.tunnels, "tunnels", 1, "how many there are")
	flag.IntVar(&g.mtu, "mtu", 1400, "of the TUNs, in bytes")
	flag.StringVar(&g.ike, "ike", "aes128-sha256-group19", "proposal")
	flag.StringVar(&g.esp, "esp", "aes128gcm16-group19", "proposal, or \"null\" for one tunnel without IKE and cryptography")
	flag.TextVar(&g.network, "network", netip.Prefix{}, "network that the first tunnel leads to")
	flag.TextVar(&g.routes, "behind", netip.Prefix{}, "network of which each tunnel leads to one address, in order")
	flag.DurationVar(&g.ikeLifetime, "ike-lifetime", 0, "of IKE SAs; 0 for the default")
	flag.DurationVar(&g.childLifetime, "child-lifetime", 0, "of child SAs; 0 for the default")
	flag.DurationVar(&g.rekeyMargin, "rekey-margin", 0, "how long before its end, or up to twice that, a lifetime is renewed; 0 for the default")
	flag.DurationVar(&g.report, "report", 0, "tell in lines of JSON when all tunnels are configured, how many are up, and this often what stands; 0 for not at all")
	profile := flag.String("profile", "", "write a CPU profile, from when all tunnels are up until the end, to this file, and one of the heap beside it, named .heap")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	defer stop()
	run := g.run
	if g.esp == "null" {
		run = g.runNull
	}
	if err := run(ctx, *profile); err != nil {
		fmt.Fprintln(os.Stderr, "gateway:", err)
		os.Exit(1)
	}
}

func (g gateway) run(ctx context.Context, profile string) (err error) {
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	var told reporter
	config := ipsec.Config{Logger: log, Offloads: packetio.AllOffloads, Listen: tunnel.Listen, OpenDevice: g.openDevice}
	if g.report > 0 {
		config.Log = told.count
	}
	host, err := ipsec.New(context.WithoutCancel(ctx), config)
	if err != nil {
		return err
	}
	defer func() {
		goodbye, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		err = errors.Join(err, host.Close(goodbye))
	}()
	tunnels, err := g.configuration()
	if err != nil {
		return err
	}
	if g.report > 0 {
		return g.runReporting(ctx, host, tunnels, &told)
	}
	if err := host.Set(tunnels); err != nil {
		return err
	}
	for !allUp(host) {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(upPeriod):
		}
	}
	return serve(ctx, profile)
}

// serve says that all tunnels are up and waits for the end.
func serve(ctx context.Context, profile string) error {
	fmt.Println("up")
	if profile != "" {
		file, err := os.Create(profile)
		if err != nil {
			return err
		}
		defer file.Close()
		if err := pprof.StartCPUProfile(file); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	<-ctx.Done()
	if profile != "" {
		return profileHeap(profile + ".heap")
	}
	return nil
}

// profileHeap writes what is in use.
func profileHeap(name string) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	runtime.GC() // a profile is as of the last collection
	return errors.Join(pprof.WriteHeapProfile(file), file.Close())
}

func allUp(host *ipsec.Host) bool {
	for _, s := range host.Status() {
		if !s.Up {
			return false
		}
	}
	return true
}

func (g gateway) configuration() (tunnels []ipsec.Tunnel, err error) {
	ikeProposal, err := ike.ParseIKEProposal(g.ike)
	if err != nil {
		return nil, err
	}
	espProposal, err := ike.ParseESPProposal(g.esp)
	if err != nil {
		return nil, err
	}
	ours, theirs := "left", "right"
	if !g.start {
		ours, theirs = theirs, ours
	}
	for i := range g.tunnels {
		local, remote := g.local, g.remote
		if customer := &remote; g.customers.IsValid() {
			if g.start {
				customer = &local
			}
			*customer = nth(g.customers, i)
		}
		tunnels = append(tunnels, ipsec.Tunnel{MTU: g.mtu, Peer: ike.Peer{
			ID:    ike.PeerID(fmt.Sprintf("vpn%d", i)),
			Local: local, Remote: remote,
			LocalID:       ike.ParseIdentity(fmt.Sprintf("%s%d.example", ours, i)),
			RemoteID:      ike.ParseIdentity(fmt.Sprintf("%s%d.example", theirs, i)),
			PreSharedKey:  ike.Secret("a.key.for.benchmarks"),
			IKEProposals:  []ike.IKEProposal{ikeProposal},
			ESPProposals:  []ike.ESPProposal{espProposal},
			Start:         g.start,
			Encapsulation: ike.EncapsulationAlways,
			IKELifetime:   g.ikeLifetime,
			ChildLifetime: g.childLifetime,
			RekeyMargin:   g.rekeyMargin,
		}})
	}
	return tunnels, nil
}

// nth is the address of a number in a network of 16 bits.
func nth(network netip.Prefix, number int) netip.Addr {
	first := network.Addr().As4()
	return netip.AddrFrom4([4]byte{first[0], first[1], byte(number >> 8), byte(number)})
}

func (g gateway) openDevice(t ipsec.Tunnel) (packetio.Device, error) {
	return g.openTUN(string(t.Peer.ID))
}

// openTUN makes a tunnel's TUN with the routes that lead to it.
func (g gateway) openTUN(name string) (*packetio.TUN, error) {
	device, err := packetio.OpenTUN(name, g.mtu, packetio.AllOffloads)
	if err != nil {
		return nil, err
	}
	if err := g.route(name); err != nil {
		return nil, errors.Join(err, device.Close())
	}
	return device, nil
}

func (g gateway) route(name string) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return fmt.Errorf("find %s: %w", name, err)
	}
	if err := netlink.LinkSetGroup(link, deviceGroup); err != nil {
		return fmt.Errorf("put %s into a group: %w", name, err)
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return fmt.Errorf("set %s up: %w", name, err)
	}
	var number int
	if _, err := fmt.Sscanf(name, "vpn%d", &number); err != nil {
		return err
	}
	behind := netip.PrefixFrom(nth(g.routes, number), 32)
	routes := []netip.Prefix{behind}
	if number == 0 {
		routes = append(routes, g.network)
	}
	for _, r := range routes {
		to := &net.IPNet{IP: r.Addr().AsSlice(), Mask: net.CIDRMask(r.Bits(), 32)}
		if err := netlink.RouteAdd(&netlink.Route{Dst: to, LinkIndex: link.Attrs().Index, Scope: netlink.SCOPE_LINK}); err != nil {
			return fmt.Errorf("route %v over %s: %w", r, name, err)
		}
	}
	return nil
}
