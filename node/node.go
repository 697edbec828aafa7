// Package node is the agent of one host: it makes the kernel's networks, the
// tunnels and the instances equal a nodespec.Desired, and reports what it sees.
package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"causeway.dev/instance"
	"causeway.dev/ipsec"
	"causeway.dev/netfabric"
	"causeway.dev/netfabric/netns"
	"causeway.dev/nodespec"
	"causeway.dev/packetio"
	"causeway.dev/tunnel"
)

const (
	// resyncInterval is how often the kernel is compared with Desired though
	// nothing has changed: repair of what others broke.
	resyncInterval = 30 * time.Second

	// observeInterval is how often instances are looked at, and messages of
	// tunnels that are down are brought up to date.
	observeInterval = time.Second

	// retryFirst is the wait after a failed application; it doubles up to
	// resyncInterval.
	retryFirst = time.Second

	// instancesAtOnce bounds how many instances are started or ended side by
	// side: each takes a handful of processes and mounts.
	instancesAtOnce = 8

	// tunnelMTUMax is the MTU that a TUN is opened with: above what any cipher
	// leaves of an Ethernet frame, so that the tunnel's own arithmetic decides.
	tunnelMTUMax = 1500
)

// Config is what a Node needs.
type Config struct {
	Name   string // of this node
	Prefix string // of all names in the kernel

	Underlay netfabric.Underlay
	Driver   instance.Driver
	Logger   *slog.Logger

	// Report takes what has been seen, when it has changed.
	Report func(ctx context.Context, o nodespec.Observed) error
}

// A Node applies what it is Set, the newest only. Run does the work.
type Node struct {
	cfg    Config
	log    *slog.Logger
	fabric *netfabric.Fabric
	host   *ipsec.Host // owned by Run

	mu      sync.Mutex
	desired *nodespec.Desired // guarded by mu; nil before the first Set
	wake    chan struct{}

	// owned by Run
	applied  *nodespec.Desired
	tunnelUp map[string]bool // what the fabric's routes follow
	reported nodespec.Observed
	said     bool // reported holds something
}

// New returns a node that has not touched anything yet.
func New(cfg Config) *Node {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Node{
		cfg: cfg, log: cfg.Logger,
		fabric:   netfabric.New(netfabric.Options{Logger: cfg.Logger}),
		wake:     make(chan struct{}, 1), // one waiting wake-up says all
		tunnelUp: map[string]bool{},
	}
}

// Set makes d what the node works towards. It does not wait.
func (n *Node) Set(d nodespec.Desired) {
	n.mu.Lock()
	n.desired = &d
	n.mu.Unlock()
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

func (n *Node) newest() *nodespec.Desired {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.desired
}

// Run applies and reports until ctx ends. Then the tunnels' peers are told, and
// networks and instances are left as they are, for the next start to adopt.
func (n *Node) Run(ctx context.Context) error {
	host, err := ipsec.New(context.WithoutCancel(ctx), ipsec.Config{
		Logger: n.log, OpenDevice: n.openDevice,
		Listen: func(c tunnel.EndpointConfig) (endpoint *tunnel.Endpoint, err error) {
			err = n.cfg.Underlay.Do(func() error {
				endpoint, err = tunnel.Listen(c)
				return err
			})
			return endpoint, err
		},
	})
	if err != nil {
		return fmt.Errorf("start tunnels: %w", err)
	}
	n.host = host
	defer func() {
		goodbye, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		if err := host.Close(goodbye); err != nil {
			n.log.Warn("end tunnels", "err", err)
		}
	}()

	observe := time.NewTicker(observeInterval)
	defer observe.Stop()
	resync := time.NewTimer(resyncInterval)
	defer resync.Stop()
	retry := retryFirst
	for {
		apply := false
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-n.wake:
			apply = true
		case <-resync.C:
			apply = true
		case <-host.Changed():
		case <-observe.C:
		}
		if d := n.newest(); apply && d != nil {
			next := resyncInterval
			if err := n.apply(ctx, *d); err != nil && ctx.Err() == nil {
				n.log.Error("apply what is desired", "revision", d.Revision, "retry", retry, "err", err)
				next, retry = retry, min(2*retry, resyncInterval)
			} else {
				retry = retryFirst
			}
			resync.Reset(next)
		}
		n.followTunnels(ctx)
		n.report(ctx)
	}
}

// apply makes everything equal d. What ends, ends first: peers are told while
// their sockets and routes still stand. What begins, begins from the network
// upwards.
func (n *Node) apply(ctx context.Context, d nodespec.Desired) error {
	var errs []error
	tunnels := make([]ipsec.Tunnel, 0, len(d.Tunnels))
	for _, t := range d.Tunnels {
		translated, err := ipsecTunnel(t)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		tunnels = append(tunnels, translated)
	}
	errs = append(errs,
		n.endTunnels(tunnels),
		n.endInstances(ctx, d.Instances),
		n.fabric.Apply(ctx, fabricConfig(n.cfg.Prefix, d)),
		n.cfg.Underlay.SetAddresses(outsideAddresses(d)),
		n.host.Set(tunnels),
		n.beginInstances(ctx, d),
	)
	n.applied = &d
	return errors.Join(errs...)
}

// endTunnels stops the tunnels that are not in keep.
func (n *Node) endTunnels(keep []ipsec.Tunnel) error {
	running := n.host.Running()
	return n.host.Set(slices.DeleteFunc(slices.Clone(keep), func(t ipsec.Tunnel) bool { return !running[t.Peer.ID] }))
}

// openDevice creates a tunnel's TUN in its network's namespace.
func (n *Node) openDevice(t ipsec.Tunnel) (packetio.Device, error) {
	id := string(t.Peer.ID)
	var device *packetio.TUN
	err := netns.Do(netfabric.NamespaceName(n.cfg.Prefix, t.Place), func() (err error) {
		device, err = packetio.OpenTUN(netfabric.TUNName(id), tunnelMTUMax)
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := n.fabric.TUNOpened(context.Background(), id); err != nil {
		return nil, errors.Join(err, device.Close())
	}
	return device, nil
}

// followTunnels lets routes follow the tunnels that came up or went down.
func (n *Node) followTunnels(ctx context.Context) {
	present := map[string]bool{}
	for _, s := range n.host.Status() {
		id := string(s.ID)
		present[id] = true
		if n.tunnelUp[id] == s.Up {
			continue
		}
		if err := n.fabric.SetTunnelUp(ctx, id, s.Up); err != nil {
			n.log.Error("move routes with a tunnel", "tunnel", id, "up", s.Up, "err", err)
			continue // the next look tries again
		}
		n.tunnelUp[id] = s.Up
	}
	maps.DeleteFunc(n.tunnelUp, func(id string, _ bool) bool { return !present[id] })
}

func (n *Node) endInstances(ctx context.Context, keep []nodespec.Instance) error {
	present, err := n.cfg.Driver.List()
	if err != nil {
		return fmt.Errorf("list instances: %w", err)
	}
	wanted := map[string]bool{}
	for _, i := range keep {
		wanted[i.ID] = true
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(instancesAtOnce)
	for _, s := range present {
		if !wanted[s.ID] {
			group.Go(func() error {
				if err := n.cfg.Driver.Terminate(ctx, s.ID); err != nil {
					return fmt.Errorf("terminate instance %s: %w", s.ID, err)
				}
				return nil
			})
		}
	}
	return group.Wait()
}

func (n *Node) beginInstances(ctx context.Context, d nodespec.Desired) error {
	addresses := map[string][]string{}
	for _, network := range d.Networks {
		for _, i := range network.Interfaces {
			if i.Instance != "" {
				addresses[i.Instance] = append(addresses[i.Instance], i.Address.String())
			}
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(instancesAtOnce)
	for _, i := range d.Instances {
		group.Go(func() error {
			err := n.cfg.Driver.Ensure(ctx, instance.Config{
				ID: i.ID, Hostname: i.Hostname, UserData: i.UserData, Addresses: addresses[i.ID],
				NetworkNamespace: netfabric.NamespaceName(n.cfg.Prefix, i.ID),
			})
			if err != nil {
				return fmt.Errorf("run instance %s: %w", i.ID, err)
			}
			return nil
		})
	}
	return group.Wait()
}

// report tells what is seen if it differs from what was told.
func (n *Node) report(ctx context.Context) {
	if n.applied == nil {
		return // what is not seen yet is not missing
	}
	o := nodespec.Observed{Node: n.cfg.Name, Revision: n.applied.Revision}
	for _, s := range n.host.Status() {
		o.Tunnels = append(o.Tunnels, nodespec.TunnelStatus{ID: string(s.ID), Up: s.Up, Since: s.Since, Message: s.Message})
	}
	instances, err := n.cfg.Driver.List()
	if err != nil {
		n.log.Error("look at the instances", "err", err)
		return
	}
	for _, s := range instances {
		o.Instances = append(o.Instances, nodespec.InstanceStatus{ID: s.ID, Running: s.Running, Reason: s.Reason})
	}
	if n.said && reflect.DeepEqual(o, n.reported) {
		return
	}
	if err := n.cfg.Report(ctx, o); err != nil {
		if ctx.Err() == nil {
			n.log.Error("report what is seen", "err", err)
		}
		return
	}
	n.reported, n.said = o, true
}

// Console returns the end of an instance's console output.
func (n *Node) Console(id string) ([]byte, error) { return n.cfg.Driver.Console(id) }

// Exec runs a command inside an instance and returns its exit code.
func (n *Node) Exec(ctx context.Context, id string, argv []string, stdin io.Reader, stdout, stderr io.Writer, tty bool) (int, error) {
	return n.cfg.Driver.Exec(ctx, id, argv, stdin, stdout, stderr, tty)
}
