// Package node is the agent of one host: it makes the kernel's networks, the
// tunnels and the instances equal a nodespec.Desired, and reports what it sees.
package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"causeway.dev/bgp/speaker"
	dhcp "causeway.dev/dhcp/listen"
	"causeway.dev/ike"
	"causeway.dev/instance"
	"causeway.dev/internal/run"
	"causeway.dev/ipsec"
	"causeway.dev/keeper"
	metadata "causeway.dev/metadata/listen"
	"causeway.dev/nat64/carry"
	"causeway.dev/netfabric"
	"causeway.dev/netfabric/netns"
	"causeway.dev/nodespec"
	"causeway.dev/packetio"
	"causeway.dev/pki/revocation"
	"causeway.dev/resolver/listen"
	"causeway.dev/tunnel"
)

const (
	// resyncInterval is how often the kernel is compared with all of Desired, and
	// not only with what has changed, where that is not too much: repair of what
	// others broke.
	resyncInterval = 30 * time.Second

	// observeInterval is how often instances are looked at, and messages of
	// tunnels that are down are brought up to date.
	observeInterval = time.Second

	// drainInterval is how often is looked for connections under addresses that a
	// translator is about to lose.
	drainInterval = 2 * time.Second

	// retryFirst is the wait after a failed application; it doubles up to
	// resyncInterval.
	retryFirst = time.Second

	// settleTime is how long a tunnel stands before routes come back to it from
	// another that carries their packets: its peer may not have the SA yet
	// that it has just agreed to, and would drop them.
	settleTime = 200 * time.Millisecond

	// tunnelMTUMax is the MTU that a TUN is opened with: above what any cipher
	// leaves of an Ethernet frame, so that the tunnel's own arithmetic decides.
	tunnelMTUMax = 1500
)

// FlowIntervalDefault is how often flows are told of: AWS's shortest time, and the
// one that all interfaces of its newer instances have.
const FlowIntervalDefault = time.Minute

// Config is what a Node needs.
type Config struct {
	Name   string // of this node
	Prefix string // of all names in the kernel

	Underlay netfabric.Underlay
	Driver   instance.Driver
	Logger   *slog.Logger

	Offloads    packetio.Offloads // of tunnels' devices and sockets
	Lanes       int               // goroutines that carry packets; 0: tunnel.DefaultLanes
	StandardAES bool              // AES-GCM by the standard library

	// HandOver is how long a keeper carries the packets of tunnels that stand when
	// the node ends with the cause keeper.ErrSuccession; 0: none does. Keeper is
	// the socket where one is found.
	HandOver time.Duration
	Keeper   string

	// Forwarders are the DNS servers, reached from the underlay, that networks'
	// resolvers ask for names that are not of their hosts. None: nobody is asked.
	Forwarders []netip.AddrPort

	// HardFail refuses peers whose certificate names a place to look up its
	// revocation where nothing could be learnt.
	HardFail bool

	// Log, if set, takes the entries of all tunnels' logs. It must not block.
	Log func(nodespec.TunnelLogEntry)

	// Flows, if set, takes what Counted interfaces have carried, every
	// FlowInterval and when one is counted no more. It must not block.
	Flows        func(nodespec.Flows)
	FlowInterval time.Duration // 0 means FlowIntervalDefault

	// Credentials, if set, makes those of a host's role when the host asks for them.
	Credentials func(instance string, role nodespec.HostRole) (nodespec.Credentials, error)

	// Report takes what has been seen, when it has changed.
	Report func(ctx context.Context, o nodespec.Observed) error
}

// A Node applies what it is Set, the newest only. Run does the work.
type Node struct {
	cfg    Config
	log    *slog.Logger
	fabric *netfabric.Fabric
	host   *ipsec.Host // set by Run
	group  *run.Group  // set by Run

	resolvers   *listen.Host
	metadata    *metadata.Service
	dhcp        *dhcp.Service
	nat64       *carry.Service
	bgp         *sessions
	revocation  *revocation.Service
	credentials credentials // owned by the goroutine that applies

	// What was made of what is desired, kept for what stays as it is. Owned by the
	// goroutine that applies.
	networks memo[nodespec.Network, network]
	tunnels  memo[nodespec.Tunnel, ipsecTranslation]

	// ensured is what the driver was told of the instances that it runs, since
	// everything was looked at last. Owned by the goroutine that applies.
	ensured map[string]instance.Config

	// Owned by the goroutine that reports.
	drained map[string]drained // by network, what was seen last
	learned learnedRoutes

	running atomic.Pointer[ipsec.Host] // host, for those who ask from outside

	wake chan struct{} // something was Set
	look chan struct{} // there may be something to report

	mu      sync.Mutex
	desired *nodespec.Desired // guarded by mu; nil before the first Set
	applied *nodespec.Desired // guarded by mu; nil before the first application
	ending  map[string]bool   // instances that are ended right now; guarded by mu

	endings chan struct{} // a token for each instance that is ended right now
}

// New returns a node that has not touched anything yet.
func New(cfg Config) *Node {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	lookups := revocation.New(revocation.Config{Logger: cfg.Logger})
	n := &Node{
		cfg: cfg, log: cfg.Logger,
		fabric:      netfabric.New(netfabric.Options{Logger: cfg.Logger, Flows: cfg.tellFlows}),
		resolvers:   listen.New(listen.Config{Forwarders: cfg.Forwarders, Dial: cfg.dial, Logger: cfg.Logger}),
		metadata:    metadata.New(metadata.Config{Logger: cfg.Logger, Credentials: cfg.hostCredentials}),
		dhcp:        dhcp.New(),
		bgp:         newSessions(),
		revocation:  lookups,
		credentials: credentials{fetched: lookups, hardFail: cfg.HardFail, known: map[string]credential{}},
		wake:        make(chan struct{}, 1), // one waiting wake-up says all
		look:        make(chan struct{}, 1),
		ending:      map[string]bool{},
		endings:     make(chan struct{}, instancesAtOnce),
	}
	n.bgp.host = speaker.New(speaker.Config{Logger: cfg.Logger, Changed: func() { poke(n.bgp.changed) }, Log: n.tellBGP})
	n.nat64 = carry.New(carry.Config{Opened: n.embeddingOpened, Offloads: cfg.Offloads, Logger: cfg.Logger})
	return n
}

// Set makes d what the node works towards. It does not wait.
func (n *Node) Set(d nodespec.Desired) {
	n.mu.Lock()
	n.desired = &d
	n.mu.Unlock()
	poke(n.wake)
}

// poke leaves a wake-up in c unless one is waiting there.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (n *Node) newest() *nodespec.Desired {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.desired
}

// errNotRunning: there are no tunnels before Run, and none after it.
var errNotRunning = errors.New("the node does not run")

// StartCapture lets c see a tunnel until stop is called.
func (n *Node) StartCapture(tunnel string, c ipsec.Capture) (stop func(), err error) {
	host := n.running.Load()
	if host == nil {
		return nil, errNotRunning
	}
	return host.StartCapture(ike.PeerID(tunnel), c)
}

// Diagnose tells all that is known of a tunnel.
func (n *Node) Diagnose(tunnel string) (ipsec.Diagnosis, error) {
	host := n.running.Load()
	if host == nil {
		return ipsec.Diagnosis{}, errNotRunning
	}
	return host.Diagnose(ike.PeerID(tunnel))
}

// Command asks the IKE of one tunnel for something.
func (n *Node) Command(tunnel string, c ike.Command) error {
	host := n.running.Load()
	if host == nil {
		return errNotRunning
	}
	return host.Command(ike.PeerID(tunnel), c)
}

// tell hands an entry of a tunnel's log on.
func (n *Node) tell(e ipsec.LogEntry) {
	if n.cfg.Log == nil {
		return
	}
	n.cfg.Log(nodespec.TunnelLogEntry{
		Tunnel: string(e.Tunnel), At: e.At, IKE: nodespec.SAState(e.IKE), Child: nodespec.SAState(e.Child), UDP: e.UDP,
		Event: nodespec.TunnelLogEvent(e.Event), Details: e.Details,
	})
}

// Run applies and reports until ctx ends. Then tunnels are handed over or their
// peers are told that they end, and networks and instances are left as they are, for
// the next start to adopt.
func (n *Node) Run(ctx context.Context) error {
	host, err := ipsec.New(context.WithoutCancel(ctx), ipsec.Config{
		Log: n.tell, Logger: n.log, OpenProber: n.openProber, OpenDevice: n.openDevice, Offloads: n.cfg.Offloads, Lanes: n.cfg.Lanes, StandardAES: n.cfg.StandardAES,
		Keeper: n.cfg.Keeper, AdoptDevice: n.adoptDevice, AdoptSocket: n.adoptSocket,
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
	n.host, n.group = host, run.New(ctx)
	n.running.Store(host)
	defer n.resolvers.Close()
	defer n.metadata.Close()
	defer n.dhcp.Close()
	defer n.nat64.Close()
	defer func() {
		goodbye, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		if err := n.endAll(goodbye, context.Cause(ctx)); err != nil {
			n.log.Warn("end tunnels", "err", err)
		}
	}()
	var kept []string
	for _, id := range host.Kept() {
		kept = append(kept, string(id))
	}
	n.fabric.AssumeUp(kept)
	n.bgp.adopt(kept)
	// Routes follow tunnels while an application takes its time.
	n.group.Go("apply", n.applyNewest)
	n.group.Go("observe", n.observe)
	n.group.Go("flows", n.turnFlows)
	n.group.Go("revocation", n.revocation.Run)
	n.group.Go("follow revocation", n.followRevocation)
	return n.group.Wait()
}

// endAll hands tunnels over where another process is to go on with them, or else
// tells their peers. Sessions end first, over tunnels that still carry it: where the
// keeper is to take these over without a NOTIFICATION, after which a peer keeps what we
// have told it for the next process to tell it again (RFC 4724 section 4.2).
func (n *Node) endAll(ctx context.Context, cause error) error {
	succession := errors.Is(cause, keeper.ErrSuccession) && n.cfg.HandOver > 0
	n.bgp.host.Close(ctx, succession)
	if succession {
		return n.host.HandOver(ctx, n.cfg.HandOver)
	}
	return n.host.Close(ctx)
}

// applyNewest applies what was Set last, when it is Set, again after a failure,
// and from time to time. A change is applied where it changes something; after a
// failure everything is looked at, and from time to time a part of everything.
func (n *Node) applyNewest(ctx context.Context) error {
	again := time.NewTimer(resyncInterval)
	defer again.Stop()
	retry := retryFirst
	var looks looks
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-n.wake:
		case <-again.C:
		}
		d := n.newest()
		if d == nil {
			continue
		}
		began, look := time.Now(), looks.at(time.Now())
		at, looked := whatChanged, 0
		switch {
		case looks.all():
			at = everything
		case look:
			at, looked = n.doubt(looks.part)
		}
		err := n.apply(ctx, *d, at)
		ended := time.Now()
		if err != nil && ctx.Err() == nil {
			n.log.Error("apply what is desired", "revision", d.Revision, "retry", retry, "err", err)
			looks.failed()
			again.Reset(retry)
			retry = min(2*retry, resyncInterval)
		} else {
			if at == everything {
				looked = n.fabric.Size()
			}
			if look {
				looks.done(began, ended, looked, n.fabric.Size())
			}
			again.Reset(looks.due.Sub(ended))
			retry = retryFirst
		}
		n.mu.Lock()
		n.applied = d
		n.mu.Unlock()
		poke(n.look)
	}
}

// observe lets routes and sessions follow the tunnels, and reports.
func (n *Node) observe(ctx context.Context) error {
	tick := time.NewTicker(observeInterval)
	defer tick.Stop()
	var told *nodespec.Observed
	var settled <-chan time.Time // nil: no tunnel is waited for
	sessions, paused := n.bgp.changed, (<-chan time.Time)(nil)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-n.host.Changed():
		case <-n.look:
		case <-tick.C:
		case <-settled:
		case <-sessions:
			sessions, paused = nil, time.After(bgpPause)
		case <-paused:
			sessions, paused = n.bgp.changed, nil // what has come meanwhile waits there
			continue
		}
		v := n.viewed()
		settled = nil
		if wait := n.followTunnels(ctx, v); wait > 0 {
			settled = time.After(wait)
		}
		told = n.report(ctx, v, told)
	}
}

// doubt lets the next application look at a part of what has not changed: so many
// namespaces and, where they are instances, what runs in them; and at what there is
// few of, as often as all namespaces have had their turn.
func (n *Node) doubt(namespaces int) (at extent, looked int) {
	names, round := n.fabric.Doubt(namespaces)
	doubted := make(map[string]bool, len(names))
	for _, name := range names {
		doubted[name] = true
	}
	maps.DeleteFunc(n.ensured, func(id string, _ instance.Config) bool {
		return doubted[netfabric.NamespaceName(n.cfg.Prefix, id)]
	})
	if round {
		return whatIsFew, len(names)
	}
	return whatChanged, len(names)
}

// apply makes everything equal d. What ends, ends first, and from the top: BGP's peers
// are told while their tunnels still carry it, then IKE's while its sockets stand. What
// begins, begins from the network upwards.
func (n *Node) apply(ctx context.Context, d nodespec.Desired, at extent) error {
	var errs []error
	tunnels := make([]ipsec.Tunnel, 0, len(d.Tunnels))
	n.tunnels.turn()
	for _, t := range d.Tunnels {
		// What its peer is told by BGP changes often, and is no business of IPsec's.
		withoutBGP := t
		withoutBGP.BGP = nil
		translated := n.tunnels.get(t.ID, withoutBGP, translateTunnel)
		if translated.err == nil {
			translated.err = n.credentials.give(&translated.tunnel.Peer, t)
		}
		if translated.err != nil {
			errs = append(errs, translated.err)
			continue
		}
		tunnels = append(tunnels, translated.tunnel)
	}
	fabric, resolving, telling := n.translated(d)
	networks := n.fabric.Update
	if at == everything {
		networks = n.fabric.Apply
		clear(n.ensured)
	}
	present, err := n.cfg.Driver.List()
	if err != nil {
		errs = append(errs, fmt.Errorf("list instances: %w", err))
	}
	embedding := embeddings(n.cfg.Prefix, d)
	peers, err := n.bgp.begin(n.cfg.Prefix, d.Tunnels)
	errs = append(errs, err,
		n.endTunnels(tunnels),
		n.nat64.Keep(embedding),
		n.endInstances(ctx, d.Instances, present),
		networks(ctx, fabricConfig(n.cfg.Prefix, n.cfg.Underlay, d, fabric)),
		n.cfg.Underlay.SetAddresses(outsideAddresses(d)),
	)
	if at >= whatIsFew {
		errs = append(errs, n.endLostTunnels(tunnels))
	}
	errs = append(errs, n.host.Set(tunnels))
	errs = append(errs, n.bgp.set(peers, standing(n.host.Status())))
	if n.credentials.keep(d.Tunnels); n.credentials.changed {
		n.credentials.changed = false
		n.host.JudgeCertificates()
	}
	errs = append(errs, n.nat64.Set(embedding, at >= whatIsFew), n.resolvers.Set(resolving, at >= whatIsFew), n.metadata.Set(telling, at >= whatIsFew),
		n.dhcp.Set(dhcpPorts(n.cfg.Prefix, d)), n.beginInstances(ctx, d, present))
	return errors.Join(errs...)
}

// endTunnels stops the tunnels that are not in keep.
func (n *Node) endTunnels(keep []ipsec.Tunnel) error {
	running := n.host.Running()
	return n.host.Set(slices.DeleteFunc(slices.Clone(keep), func(t ipsec.Tunnel) bool { return !running[t.Peer.ID] }))
}

// endLostTunnels stops those whose devices others have taken away, alone or with
// the namespace, so that they begin anew.
func (n *Node) endLostTunnels(tunnels []ipsec.Tunnel) error {
	absent, err := n.fabric.AbsentTUNs()
	if err != nil {
		return err
	}
	running := n.host.Running()
	absent = slices.DeleteFunc(absent, func(id string) bool { return !running[ike.PeerID(id)] })
	if len(absent) == 0 {
		return nil
	}
	n.log.Warn("tunnels have lost their devices and begin anew", "tunnels", absent)
	return n.endTunnels(slices.DeleteFunc(slices.Clone(tunnels), func(t ipsec.Tunnel) bool {
		return slices.Contains(absent, string(t.Peer.ID))
	}))
}

// openDevice creates a tunnel's TUN in its network's namespace.
func (n *Node) openDevice(t ipsec.Tunnel) (packetio.Device, error) {
	id := string(t.Peer.ID)
	var device *packetio.TUN
	err := netns.Do(netfabric.NamespaceName(n.cfg.Prefix, t.Place), func() (err error) {
		device, err = packetio.OpenTUN(netfabric.TUNName(id), tunnelMTUMax, n.cfg.Offloads)
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

// adoptDevice refuses a TUN that is not in its network's namespace any more.
func (n *Node) adoptDevice(t ipsec.Tunnel, device *packetio.TUN) error {
	wanted, err := netns.ID(netfabric.NamespaceName(n.cfg.Prefix, t.Place))
	if err != nil {
		return err
	}
	is, err := device.Namespace()
	if err != nil {
		return err
	}
	if is != wanted || device.Name() != netfabric.TUNName(string(t.Peer.ID)) {
		return fmt.Errorf("device %s is not in the network of the tunnel any more", device.Name())
	}
	return device.SetOffloads(n.cfg.Offloads)
}

// adoptSocket refuses a socket that is not in the underlay's namespace any more.
func (n *Node) adoptSocket(s packetio.Socket) error {
	socket, ok := s.(*packetio.KernelSocket)
	if !ok {
		return nil
	}
	var wanted uint64
	err := n.cfg.Underlay.Do(func() (err error) {
		wanted, err = netns.Current()
		return err
	})
	if err != nil {
		return err
	}
	is, err := socket.Namespace()
	if err != nil {
		return err
	}
	if is != wanted {
		return fmt.Errorf("socket %v is not in the underlay any more", socket.Local())
	}
	return socket.SetOffloads(n.cfg.Offloads)
}

// sessionsWait is how long to wait for sessions to follow their tunnels while others are
// being ended.
const sessionsWait = 20 * time.Millisecond

// followTunnels lets routes and sessions follow the tunnels that came up or went down,
// and returns how long to wait until one has settled; 0 if none has to. Routes come
// first: over a tunnel whose IPsec has ended nothing goes, whatever its session says.
func (n *Node) followTunnels(ctx context.Context, v view) (wait time.Duration) {
	n.mu.Lock()
	applied := n.applied
	n.mu.Unlock()
	carried := carriedByOthers(applied, v.tunnels)
	for _, s := range v.tunnels {
		if rest := carried[string(s.ID)]; rest > 0 {
			wait = max(wait, rest)
			continue
		}
		err := n.fabric.SetTunnelUp(ctx, string(s.ID), s.Up)
		if err != nil && !errors.Is(err, netfabric.ErrNoTunnel) && ctx.Err() == nil { // it may have ended meanwhile
			n.log.Error("move routes with a tunnel", "tunnel", string(s.ID), "up", s.Up, "err", err) // the next look tries again
		}
	}
	done, err := n.bgp.follow(v.standing)
	if err != nil {
		n.log.Error("let BGP follow the tunnels", "err", err)
	}
	if !done {
		wait = sessionsWait
	}
	return wait
}

// carriedByOthers returns those of the tunnels that have just come up whose routes lead
// over others now, which stand longer, with how long they still have to wait.
func carriedByOthers(d *nodespec.Desired, tunnels []ipsec.Status) map[string]time.Duration {
	if d == nil {
		return nil
	}
	fresh, settled, carried := map[string]time.Duration{}, map[string]bool{}, map[string]time.Duration{}
	for _, t := range tunnels {
		if !t.Up {
			continue
		}
		if rest := settleTime - time.Since(t.Since); rest > 0 {
			fresh[string(t.ID)] = rest
		} else {
			settled[string(t.ID)] = true
		}
	}
	if len(fresh) == 0 || len(settled) == 0 {
		return nil
	}
	networks := map[string]bool{} // there may be many, and many routes in each
	for _, t := range d.Tunnels {
		if fresh[t.ID] > 0 {
			networks[t.Network] = true
		}
	}
	for _, network := range d.Networks {
		if !networks[network.ID] {
			continue
		}
		for _, table := range network.Tables {
			for _, route := range table.Routes {
				if !slices.ContainsFunc(route.Targets, func(t nodespec.Target) bool { return settled[t.ID] }) {
					continue
				}
				for _, t := range route.Targets {
					if rest := fresh[t.ID]; rest > 0 {
						carried[t.ID] = rest
					}
				}
			}
		}
	}
	return carried
}

// Tunnels is the state of all tunnels with what they have carried, by id; none
// before Run has begun.
func (n *Node) Tunnels() []ipsec.Status {
	if host := n.running.Load(); host != nil {
		return host.Status()
	}
	return nil
}

// Drops counts packets from outside that were ignored, by layer ("ike", "endpoint")
// and reason.
func (n *Node) Drops() map[[2]string]uint64 {
	if host := n.running.Load(); host != nil {
		return host.Drops()
	}
	return nil
}

// Exhaustion counts, by network, the connections that no port was left for in a
// network that translates many addresses to one.
func (n *Node) Exhaustion() map[string]uint64 {
	n.mu.Lock()
	applied := n.applied
	n.mu.Unlock()
	counts := map[string]uint64{}
	if applied == nil {
		return counts
	}
	for _, network := range applied.Networks {
		if network.Translator == nil {
			continue
		}
		if count, err := n.fabric.Exhaustion(network.ID); err == nil { // else it is about to go
			counts[network.ID] = count
		}
	}
	return counts
}
