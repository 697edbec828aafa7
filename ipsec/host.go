package ipsec

import (
	"cmp"
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

	"causeway.dev/ike"
	"causeway.dev/ike/daemon"
	"causeway.dev/internal/aesgcm"
	"causeway.dev/internal/run"
	"causeway.dev/keeper"
	"causeway.dev/packetio"
	"causeway.dev/tunnel"
)

// A Tunnel is the configuration of one tunnel.
type Tunnel struct {
	Peer ike.Peer

	// Place is where the device belongs, in words that Config.OpenDevice
	// understands. A tunnel whose Place changes is made anew.
	Place string

	Inside netip.Prefix // our inside address
	MTU    int          // bound of the inside MTU in bytes; 0 for what fits the cipher

	// Replacements counts up when the tunnel is to negotiate everything anew,
	// beside what stands.
	Replacements int64
}

// Config is what a Host needs of its owner.
type Config struct {
	Logger *slog.Logger

	// Lanes is how many goroutines carry packets; 0: tunnel.DefaultLanes. Offloads
	// are for the endpoints' sockets.
	Lanes    int
	Offloads packetio.Offloads

	// StandardAES leaves AES-GCM to the standard library where packets are sealed
	// and opened.
	StandardAES bool

	// NewPoller is what lanes wait by; default packetio.NewPoller.
	NewPoller func() (packetio.Poller, error)

	// Log, if set, takes the entries of all tunnels' logs. It is called from
	// the IKE loop: it must not block, and must not call back.
	Log func(LogEntry)

	// Listen opens an endpoint in the network that outside addresses belong to.
	Listen func(tunnel.EndpointConfig) (*tunnel.Endpoint, error)

	// OpenProber, if set, opens what measures the MTU of paths from an address, in
	// the network that it belongs to. The Host closes it.
	OpenProber func(local netip.Addr) (Prober, error)

	// OpenDevice creates the TUN of a tunnel; the Host closes it.
	OpenDevice func(Tunnel) (packetio.Device, error)

	// Keeper is the socket of keepers: where the Host hands its tunnels over, and
	// looks for what another has handed over; "": nowhere.
	Keeper string

	// AdoptDevice and AdoptSocket, if set, make a device or socket that was handed
	// over be as OpenDevice and Listen would, or refuse it.
	AdoptDevice func(Tunnel, *packetio.TUN) error
	AdoptSocket func(packetio.Socket) error
}

// A Host runs tunnels. It is safe for concurrent use.
type Host struct {
	cfg     Config
	log     *slog.Logger
	group   *run.Group
	daemon  *daemon.Daemon
	lanes   tunnel.Lanes
	reports chan report // from the hot path to IKE
	answers chan probeReport
	changed chan struct{}

	setting sync.Mutex // one Set at a time
	claimed bool       // what was handed over has been asked for; guarded by setting

	capturing atomic.Int32 // captures that run: IKE datagrams are looked at only then

	mu        sync.Mutex
	tunnels   map[ike.PeerID]*life      // guarded by mu
	endpoints map[netip.Addr]*listening // guarded by mu
	captures  map[ike.PeerID]Capture    // guarded by mu; they outlast tunnels that are made anew
}

// life is one tunnel that runs.
type life struct {
	config  Tunnel
	tunnel  *tunnel.Tunnel
	device  packetio.Device
	group   *run.Group
	tracker *tracker // guarded by Host.mu
	journal journal  // owned by the IKE loop
	pathMTU PathMTU  // guarded by Host.mu

	isMeasured bool // pathMTU is from before this host; owned by the measuring loop

	// Owned by the traffic loop: the traffic that IKE knows of, and the last
	// keep-alive.
	told, keptAlive time.Time
}

// listening is an endpoint with the number of tunnels that use it.
type listening struct {
	endpoint *tunnel.Endpoint
	lane     *tunnel.Lane
	users    int
	group    *run.Group
}

// sayAES says, before the first packet, what seals them, and has it tried.
func sayAES(cfg Config) {
	err := aesgcm.Fault()
	switch {
	case cfg.StandardAES:
		cfg.Logger.Info("AES-GCM by the standard library", "why", "configuration")
	case errors.Is(err, aesgcm.ErrUnsupported):
		cfg.Logger.Info("AES-GCM by the standard library", "why", err)
	case err != nil:
		cfg.Logger.Warn("AES-GCM by the standard library", "err", err)
	default:
		cfg.Logger.Info("AES-GCM in 256-bit instructions")
	}
}

// New returns a host without tunnels that ends when ctx does. Close it to end
// the tunnels with notice to the peers.
func New(ctx context.Context, cfg Config) (*Host, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	sayAES(cfg)
	h := &Host{
		cfg:       cfg,
		log:       cfg.Logger,
		group:     run.New(ctx),
		reports:   make(chan report, reportQueue),
		answers:   make(chan probeReport, probesAtOnce),
		changed:   make(chan struct{}, 1), // one waiting wake-up says all
		tunnels:   map[ike.PeerID]*life{},
		endpoints: map[netip.Addr]*listening{},
		captures:  map[ike.PeerID]Capture{},
	}
	if cfg.NewPoller == nil {
		cfg.NewPoller = packetio.NewPoller
	}
	lanes, err := tunnel.NewLanes(cfg.Lanes, cfg.NewPoller)
	if err != nil {
		return nil, err
	}
	h.lanes = lanes
	d, err := daemon.New(daemon.Config{Logger: cfg.Logger, Send: h.sendIKE, Events: h.observe})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start IKE: %w", err), lanes.Close())
	}
	h.daemon = d
	for i, lane := range lanes {
		h.group.Go(fmt.Sprintf("lane %d", i), lane.Run)
	}
	h.group.Go("ike", d.Run)
	h.group.Go("reports", h.carryReports)
	h.group.Go("traffic", h.reportTraffic)
	if cfg.OpenProber != nil {
		h.group.Go("path MTU", h.measurePaths)
	}
	h.group.Go("certificates", h.judgeCertificates)
	return h, nil
}

// Changed receives a value after some tunnel has come up or gone down, or its peer has
// used a new key.
func (h *Host) Changed() <-chan struct{} { return h.changed }

// Set makes the tunnels be these: it adds, removes, changes what differs, and
// makes anew those whose device or endpoint has failed. The first that has tunnels
// goes on with those that another Host has handed over.
// A tunnel that cannot be run keeps no other from it; the errors are joined.
func (h *Host) Set(tunnels []Tunnel) error {
	h.setting.Lock()
	defer h.setting.Unlock()
	wanted := make(map[ike.PeerID]Tunnel, len(tunnels))
	for _, t := range tunnels {
		wanted[t.Peer.ID] = t
	}
	h.claim(wanted)
	var errs []error
	for id, l := range h.current() {
		t, ok := wanted[id]
		if ok && moves(l.config, t) && !h.broken(l) {
			if err := h.move(l, t); err != nil {
				errs = append(errs, err)
				delete(wanted, id) // it stays as it is until the next Set
			}
			continue
		}
		if !ok || !sameDevice(l.config, t) || h.broken(l) {
			// IKE says goodbye before the endpoint goes.
			errs = append(errs, h.daemon.RemovePeer(id))
			h.end(id)
		}
	}
	current := h.current()
	for _, t := range tunnels {
		if _, now := wanted[t.Peer.ID]; !now {
			continue
		}
		replace := false
		if l, ok := current[t.Peer.ID]; ok {
			h.mu.Lock()
			replace = t.Replacements > l.config.Replacements
			l.config = t
			l.tracker.start = t.Peer.Start
			h.mu.Unlock()
		} else if err := h.begin(t); err != nil {
			errs = append(errs, fmt.Errorf("run tunnel %s: %w", t.Peer.ID, err))
			continue
		}
		errs = append(errs, h.daemon.SetPeer(t.Peer))
		if replace {
			errs = append(errs, h.daemon.Command(t.Peer.ID, ike.Reauthenticate{}))
		}
	}
	return errors.Join(errs...)
}

func sameDevice(a, b Tunnel) bool {
	return a.Place == b.Place && a.Inside == b.Inside && a.MTU == b.MTU &&
		a.Peer.Local == b.Peer.Local && a.Peer.Remote == b.Peer.Remote
}

func (h *Host) broken(l *life) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return l.tracker.broken != nil
}

func (h *Host) current() map[ike.PeerID]*life {
	h.mu.Lock()
	defer h.mu.Unlock()
	return maps.Clone(h.tunnels)
}

// Running says which tunnels run.
func (h *Host) Running() map[ike.PeerID]bool {
	running := map[ike.PeerID]bool{}
	for id := range h.current() {
		running[id] = true
	}
	return running
}

// begin opens a tunnel's device and endpoint and starts to carry its packets.
func (h *Host) begin(t Tunnel) error {
	endpoint, lane, err := h.listen(t.Peer.Local)
	if err != nil {
		return err
	}
	device, err := h.cfg.OpenDevice(t)
	if err != nil {
		h.unlisten(t.Peer.Local)
		return fmt.Errorf("open device: %w", err)
	}
	l, err := h.newLife(t, device, endpoint, lane)
	if err != nil {
		err = errors.Join(err, device.Close())
		h.unlisten(t.Peer.Local)
		return err
	}
	h.mu.Lock()
	h.add(l)
	h.mu.Unlock()
	h.carry(l)
	return nil
}

// newLife makes a tunnel that carries nothing yet.
func (h *Host) newLife(t Tunnel, device packetio.Device, endpoint *tunnel.Endpoint, lane *tunnel.Lane) (*life, error) {
	id := t.Peer.ID
	carrier, err := tunnel.New(tunnel.Config{
		Name: string(id), Device: device, Endpoint: endpoint, Lane: lane, MTU: t.MTU, Inside: ofFamily(t.Inside, false), Inside6: ofFamily(t.Inside, true), StandardAES: h.cfg.StandardAES, Logger: h.log,
		Events: func(e tunnel.Event) { h.report(id, e) },
	})
	if err != nil {
		return nil, err
	}
	return &life{config: t, tunnel: carrier, device: device, group: run.New(h.group.Context()), tracker: newTracker(time.Now(), t.Peer), journal: newJournal()}, nil
}

// ofFamily is inside if it is of that family, else none.
func ofFamily(inside netip.Prefix, six bool) netip.Prefix {
	if inside.Addr().Is6() == six {
		return inside
	}
	return netip.Prefix{}
}

// add is called with mu held.
func (h *Host) add(l *life) {
	id := l.config.Peer.ID
	h.tunnels[id] = l
	if c := h.captures[id]; c != nil {
		l.tunnel.SetTap(c)
	}
}

// carry starts to carry a tunnel's packets.
func (h *Host) carry(l *life) {
	id := l.config.Peer.ID
	l.group.Go("tunnel "+string(id), func(ctx context.Context) error {
		err := l.tunnel.Run(ctx)
		if err != nil && ctx.Err() == nil {
			h.log.Error("tunnel carries no more packets", "tunnel", string(id), "err", err)
			h.breakDown(err, func(broken *life) bool { return broken == l })
		}
		return err
	})
}

// breakDown says of tunnels whose device or endpoint has failed that they carry
// nothing. The next Set makes them anew.
func (h *Host) breakDown(err error, which func(*life) bool) {
	h.mu.Lock()
	for _, l := range h.tunnels {
		if which(l) {
			l.tracker.breakDown(time.Now(), err)
		}
	}
	h.mu.Unlock()
	h.wake()
}

// end stops a tunnel and frees what it held.
func (h *Host) end(id ike.PeerID) {
	h.mu.Lock()
	l := h.tunnels[id]
	delete(h.tunnels, id)
	h.mu.Unlock()
	if l == nil {
		return
	}
	l.group.Stop(nil)
	if err := l.group.Wait(); err != nil {
		h.log.Debug("tunnel ended", "tunnel", string(id), "err", err)
	}
	l.tunnel.Close()
	if err := l.device.Close(); err != nil {
		h.log.Warn("close device", "tunnel", string(id), "err", err)
	}
	h.unlisten(l.config.Peer.Local)
}

// listen returns the endpoint of a local address, which the first user opens,
// and the lane for a new tunnel of it: the endpoint's own for the first, so that
// both directions are in one; for others whichever has the least to do.
func (h *Host) listen(local netip.Addr) (*tunnel.Endpoint, *tunnel.Lane, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if l, ok := h.endpoints[local]; ok {
		l.users++
		return l.endpoint, h.lanes.Least(), nil
	}
	lane := h.lanes.Least()
	endpoint, err := h.cfg.Listen(h.endpointConfig(local, lane))
	if err != nil {
		return nil, nil, fmt.Errorf("listen on %v: %w", local, err)
	}
	l := h.newListening(endpoint, lane)
	l.users++
	h.receive(local, l)
	h.endpoints[local] = l
	return endpoint, lane, nil
}

func (h *Host) endpointConfig(local netip.Addr, lane *tunnel.Lane) tunnel.EndpointConfig {
	return tunnel.EndpointConfig{Local: local, Lane: lane, Offloads: h.cfg.Offloads, IKE: h.receiveIKE, UnknownSPI: h.daemon.StrayESP,
		SegmentationOff: func(local netip.AddrPort, err error) {
			h.log.Warn("packets are carried more slowly", "local", local, "err", err)
		}}
}

func (h *Host) newListening(endpoint *tunnel.Endpoint, lane *tunnel.Lane) *listening {
	return &listening{endpoint: endpoint, lane: lane, group: run.New(h.group.Context())}
}

// receive starts to receive at an endpoint.
func (h *Host) receive(local netip.Addr, l *listening) {
	l.group.Go("endpoint "+local.String(), func(ctx context.Context) error {
		err := l.endpoint.Run(ctx)
		if err != nil && ctx.Err() == nil {
			h.log.Error("endpoint receives no more packets", "local", local, "err", err)
			h.breakDown(err, func(broken *life) bool { return broken.config.Peer.Local == local })
		}
		return err
	})
}

// unlisten gives an endpoint back; the last user closes it.
func (h *Host) unlisten(local netip.Addr) {
	h.mu.Lock()
	l := h.endpoints[local]
	if l == nil {
		h.mu.Unlock()
		return
	}
	if l.users--; l.users > 0 {
		h.mu.Unlock()
		return
	}
	delete(h.endpoints, local)
	h.mu.Unlock()
	l.group.Stop(nil)
	err := errors.Join(l.endpoint.Close(), l.group.Wait())
	if err != nil {
		h.log.Debug("endpoint closed", "local", local, "err", err)
	}
}

func (h *Host) sendIKE(local, remote netip.AddrPort, datagram []byte) error {
	h.mu.Lock()
	l := h.endpoints[local.Addr()]
	h.mu.Unlock()
	if l == nil {
		return fmt.Errorf("no endpoint at %v", local.Addr())
	}
	h.captureIKE(true, local, remote, datagram)
	return l.endpoint.SendIKE(local, remote, datagram)
}

// observe carries out an event of IKE. IKE sends what it has to say next only
// after this returns, so that an inbound SA is ready before the peer knows it.
func (h *Host) observe(id ike.PeerID, event ike.Event) {
	h.mu.Lock()
	l, capture := h.tunnels[id], h.captures[id]
	h.mu.Unlock()
	if l == nil {
		return // removed while its last events were on their way
	}
	if capture != nil {
		capture.Event(event) // before keys are wiped
	}
	switch e := event.(type) {
	case ike.ChildInstalled:
		err := l.tunnel.InstallChild(e.Child)
		for _, key := range []ike.Secret{e.Child.InboundKey, e.Child.InboundIntegrityKey, e.Child.OutboundKey, e.Child.OutboundIntegrityKey} {
			clear(key) // the tunnel has its own copies
		}
		if err != nil {
			h.log.Error("install SAs", "tunnel", string(id), "err", err)
			event = ike.NegotiationFailed{Reason: err.Error(), Remote: e.Child.Path.Remote}
		}
	case ike.KeysRevealed: // to the capture, which has told of them
		for _, key := range []ike.Secret{e.Ei, e.Er, e.Ai, e.Ar} {
			clear(key)
		}
	case ike.ChildActivated:
		if err := l.tunnel.ActivateChild(e.Outbound); err != nil {
			h.log.Error("activate SA", "tunnel", string(id), "err", err)
		}
	case ike.ChildRemoved:
		l.tunnel.RemoveChild(e.Inbound, e.Outbound)
	case ike.PathChanged:
		l.tunnel.ChangePath(e.Path)
	}
	if h.cfg.Log != nil {
		if entry := l.journal.observe(time.Now(), id, event); entry.Details != "" {
			h.cfg.Log(entry)
		}
	}
	now := time.Now()
	received, sent := l.tunnel.LastTraffic()
	h.mu.Lock()
	flipped := l.tracker.observe(now, event)
	l.tracker.record.carried(now, received, sent)
	if !flipped {
		h.mu.Unlock()
		if _, used := event.(ike.KeyUsed); used { // until it is written down, a crash brings the former key back
			h.wake()
		}
		return
	}
	up, message := l.tracker.up, l.tracker.message(arrival{datagrams: 1})
	h.mu.Unlock()
	h.log.Info("tunnel changed", "tunnel", string(id), "up", up, "message", message)
	h.wake()
}

func (h *Host) wake() {
	select {
	case h.changed <- struct{}{}:
	default:
	}
}

func (h *Host) command(id ike.PeerID, c ike.Command) {
	if err := h.daemon.Command(id, c); err != nil {
		h.log.Debug("IKE command not taken", "tunnel", string(id), "err", err)
	}
}

// Command asks IKE for something that concerns one tunnel, such as a rekey.
func (h *Host) Command(id ike.PeerID, c ike.Command) error { return h.daemon.Command(id, c) }

// Drops counts packets that were ignored and that no tunnel can claim, by layer
// ("ike", "endpoint") and reason.
func (h *Host) Drops() map[[2]string]uint64 {
	all := map[[2]string]uint64{}
	for reason, n := range h.daemon.Drops() {
		all[[2]string{"ike", string(reason)}] += n
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, l := range h.endpoints {
		for reason, n := range l.endpoint.Counters().Drops {
			if n > 0 {
				all[[2]string{"endpoint", tunnel.Drop(reason).String()}] += n
			}
		}
	}
	return all
}

// Status returns the state of all tunnels, by id.
func (h *Host) Status() []Status {
	all := make([]Status, 0, 8)
	for id, l := range h.current() {
		seen := h.daemon.Status(id)
		counters := l.tunnel.Counters()
		h.mu.Lock()
		s := Status{
			ID: id, Up: l.tracker.up, Since: l.tracker.since,
			Message: l.tracker.message(arrivalOf(seen, counters)),
			KeyUsed: l.tracker.keyUsed, Remote: l.tracker.path.Remote, PathMTU: l.pathMTU, Counters: counters,
		}
		if s.Up {
			s.Version, s.IKE, s.ESP = l.tracker.version, l.tracker.proposal, l.tracker.carrier().proposal
		}
		all = append(all, s)
		h.mu.Unlock()
	}
	slices.SortFunc(all, func(a, b Status) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

// Close ends all tunnels, also what was handed over and not claimed; ctx bounds how
// long the peers' answers to our DELETE are waited for.
func (h *Host) Close(ctx context.Context) error {
	h.setting.Lock()
	defer h.setting.Unlock()
	err := h.close(ctx)
	if h.cfg.Keeper != "" && !h.claimed {
		err = errors.Join(err, keeper.End(h.cfg.Keeper))
	}
	return err
}

// close is called with setting held.
func (h *Host) close(ctx context.Context) error {
	return errors.Join(h.daemon.Stop(ctx), h.free())
}

// free gives back what the tunnels hold, and joins all goroutines.
func (h *Host) free() error {
	for id := range h.current() {
		h.end(id)
	}
	h.group.Stop(nil)
	return errors.Join(h.group.Wait(), h.lanes.Close())
}
