// Package netfabric makes the kernel's networks equal a Config: a namespace for
// each network and instance, veths between them, routes, filters.
package netfabric

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"causeway.dev/netfabric/netns"
	"causeway.dev/netfabric/nft"
	"causeway.dev/netfabric/plan"
	"causeway.dev/netfabric/rtnl"
)

// The words of the configuration; see package plan.
type (
	Config     = plan.Config
	Network    = plan.Network
	Interface  = plan.Interface
	Table      = plan.Table
	TableRoute = plan.TableRoute
	Target     = plan.Target
	TargetKind = plan.TargetKind
	Link       = plan.Link
	LinkEnd    = plan.LinkEnd
	TUN        = plan.TUN
	Group      = plan.Group
	FilterRule = plan.FilterRule
	Border     = plan.Border
	ACL        = plan.ACL
	ACLRule    = plan.ACLRule

	Place      = plan.Place
	PlaceKind  = plan.PlaceKind
	Outside    = plan.Outside
	Elastic    = plan.Elastic
	Translator = plan.Translator
	PortRange  = plan.PortRange
	Embedding  = plan.Embedding
)

// Kinds of places.
const (
	InNamespace = plan.InNamespace
	OnBridge    = plan.OnBridge
	OnTAP       = plan.OnTAP
	OnInterface = plan.OnInterface
)

// Kinds of targets.
const (
	ToLink      = plan.ToLink
	ToTunnel    = plan.ToTunnel
	ToInterface = plan.ToInterface
	ToOutside   = plan.ToOutside
)

// IPv6Gateway is the router that hosts find on their link, in every network.
func IPv6Gateway() netip.Addr { return plan.IPv6Gateway() }

// NamespaceName is the name, as "ip netns" and package netns know it, of the
// namespace of a network or an instance.
func NamespaceName(prefix, id string) string { return plan.NamespaceName(prefix, id) }

// PortName is the name, in the network's namespace, of the device that leads to an
// interface.
func PortName(interfaceID string) string { return plan.PortName(interfaceID) }

// TUNName is the name that a tunnel's device must be opened with.
func TUNName(tunnelID string) string { return plan.TUNName(tunnelID) }

// ErrNoTunnel is the error about a tunnel that the Config applied last does not
// have.
var ErrNoTunnel = errors.New("it is in no network")

// Options are what a Fabric needs besides its Config.
type Options struct {
	Logger *slog.Logger // nil discards

	// Flows, if set, is told of the flows of Counted interfaces. It must not block.
	Flows func(Flows)
}

// A Fabric makes the kernel equal a Config. What it counts on it has read from the
// kernel, so a new one goes on where another was killed. It is safe for concurrent
// use.
type Fabric struct {
	log     *slog.Logger
	flows   func(Flows) // may be nil
	changes atomic.Uint64

	// beforeChange, if set, may refuse a change: tests break off there.
	beforeChange func(text string) error

	mu       sync.Mutex
	compiler plan.Compiler    // guarded by mu
	config   Config           // the last one applied; guarded by mu
	tuns     map[string]*TUN  // of config, by id; guarded by mu
	absent   map[string]error // why interfaces of it are not plugged in at their places, by id; guarded by mu
	up       map[string]bool  // tunnels that carry packets; guarded by mu

	// stands is what namespaces held, by name, when they were looked at last;
	// those where something went wrong are missing. Guarded by mu.
	stands  map[string]plan.Namespace
	doubted string      // the last name that Doubt returned, unless it was the last of all. Guarded by mu.
	joint   *plan.Joint // what the underlay held of ours, likewise; nil where something went wrong. Guarded by mu.
}

// New returns a Fabric that has not touched the kernel yet.
func New(o Options) *Fabric {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Fabric{log: o.Logger, flows: o.Flows, up: map[string]bool{}, stands: map[string]plan.Namespace{}}
}

// Apply makes the kernel equal c. Only differences are touched: a second Apply
// changes nothing. Namespaces that carry the prefix and are not in c are
// removed with all that is in them. What is wrong with one network keeps no
// other from being applied; the errors are joined. The fabric keeps c; it must
// not be changed afterwards.
func (f *Fabric) Apply(ctx context.Context, c Config) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.stands)
	f.joint = nil
	f.compiler = plan.Compiler{}
	return f.apply(ctx, c)
}

// Update is Apply without a look at namespaces of which c says what the Config
// before said, so that it does not take longer the more of them there are. What
// others have broken there is repaired by Apply, or where Doubt leads Update.
func (f *Fabric) Update(ctx context.Context, c Config) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.apply(ctx, c)
}

// Doubt lets the next Update look at so many namespaces though the Config says of them
// what it said before, and returns their names: those that come after the ones that
// Doubt returned before, in the order of their names. With the last of them, round is
// true, and the underlay is looked at too; the next time it begins anew.
func (f *Fabric) Doubt(count int) (names []string, round bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for name := range f.stands {
		if name > f.doubted {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	if round = len(names) <= count; round {
		f.doubted, f.joint = "", nil
	} else {
		names = names[:count]
		f.doubted = names[count-1]
	}
	for _, name := range names {
		delete(f.stands, name)
	}
	return names, round
}

// Size is how many namespaces stand as they should.
func (f *Fabric) Size() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.stands)
}

func (f *Fabric) apply(ctx context.Context, c Config) error {
	c, f.absent = presentPlaces(c)
	state, err := f.compiler.Compile(c, f.up)
	if state.Prefix == "" {
		return fmt.Errorf("plan networks: %w", err)
	}
	f.config, f.tuns = c, make(map[string]*TUN, len(c.TUNs))
	for i := range c.TUNs {
		f.tuns[c.TUNs[i].ID] = &c.TUNs[i]
	}
	maps.DeleteFunc(f.up, func(id string, _ bool) bool { return f.tuns[id] == nil })
	return errors.Join(err, f.converge(ctx, state))
}

// SetTunnelUp makes the routes of a network follow a tunnel of it that has come
// up or gone down. It takes milliseconds, and nothing if they do already. Tunnels
// are down until it says otherwise. The tunnel must be part of the Config applied
// last.
func (f *Fabric) SetTunnelUp(ctx context.Context, tunnelID string, up bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	t := f.tuns[tunnelID]
	if t == nil {
		return fmt.Errorf("set tunnel %s up or down: %w", tunnelID, ErrNoTunnel)
	}
	if _, stands := f.stands[NamespaceName(f.config.Prefix, t.Network)]; stands && f.up[tunnelID] == up {
		return nil
	}
	f.up[tunnelID] = up
	return f.settleNetwork(ctx, t.Network)
}

// AssumeUp says before the first Apply which tunnels carry packets already, so that
// their routes are left where they are.
func (f *Fabric) AssumeUp(tunnelIDs []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, id := range tunnelIDs {
		f.up[id] = true
	}
}

// TUNOpened gives a tunnel's device, which its owner has just opened in the
// network's namespace, its address, and sets it up. Apply does the same for
// devices that are there already.
func (f *Fabric) TUNOpened(ctx context.Context, tunnelID string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	t := f.tuns[tunnelID]
	if t == nil {
		return fmt.Errorf("set up device of tunnel %s: %w", tunnelID, ErrNoTunnel)
	}
	return f.settleNetwork(ctx, t.Network)
}

// AbsentTUNs returns the ids of the tunnels in the Config applied last whose
// devices are not in their networks: not opened yet, or taken away by others.
func (f *Fabric) AbsentTUNs() ([]string, error) {
	f.mu.Lock()
	c := f.config
	f.mu.Unlock()
	byNetwork := map[string][]string{}
	for _, t := range c.TUNs {
		byNetwork[t.Network] = append(byNetwork[t.Network], t.ID)
	}
	var absent []string
	for network, ids := range byNetwork {
		err := inside(NamespaceName(c.Prefix, network), func(h *rtnl.Handle) error {
			for _, id := range ids {
				if !h.Present(TUNName(id)) {
					absent = append(absent, id)
				}
			}
			return nil
		})
		if errors.Is(err, fs.ErrNotExist) {
			absent = append(absent, ids...)
		} else if err != nil {
			return nil, fmt.Errorf("look for tunnels of network %s: %w", network, err)
		}
	}
	slices.Sort(absent)
	return absent, nil
}

// Changes counts the changes made to the kernel since New.
func (f *Fabric) Changes() uint64 { return f.changes.Load() }

// Drops counts what a network's filter has dropped, by reason ("dropped-ingress",
// …), since the network was made.
func (f *Fabric) Drops(network string) (map[string]nft.Counter, error) {
	f.mu.Lock()
	prefix := f.config.Prefix
	f.mu.Unlock()
	var counters map[string]nft.Counter
	err := netns.Do(NamespaceName(prefix, network), func() (err error) {
		counters, err = nft.Counters()
		return err
	})
	return counters, err
}

// Clean removes all namespaces that carry the prefix, with all that is in them,
// and what an underlay has of theirs, if it is given.
func Clean(ctx context.Context, prefix string, underlay ...Underlay) error {
	c := Config{Prefix: prefix}
	for _, u := range underlay {
		c.Underlay = u.Plan()
	}
	return New(Options{}).Apply(ctx, c)
}
