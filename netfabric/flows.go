package netfabric

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"causeway.dev/netfabric/netns"
	"causeway.dev/netfabric/nft"
	"causeway.dev/netfabric/plan"
	"causeway.dev/netfabric/rtnl"
)

// Flows are what the Counted interfaces of one network have carried in a time.
type Flows struct {
	Network     string
	From, Until time.Time
	Interfaces  []string          // that were counted, sorted, whether they carried something or not
	Flows       []Flow            // in no order
	Skipped     map[string]uint64 // by interface, packets of flows for which there was no room
}

// A Flow is the packets of one direction between two addresses and ports that
// passed, or did not pass, one interface.
type Flow struct {
	Interface string
	Egress    bool // from the instance into the network
	Accepted  bool // by groups and ACLs

	Source, Destination         netip.Addr
	Protocol                    uint8
	SourcePort, DestinationPort uint16 // 0 where the protocol has none
	TCPFlags                    uint8  // of all packets: FIN 1, SYN 2, RST 4; ACK 16 if one with SYN had it

	Packets, Bytes uint64
	First          time.Time // when the first packet came
}

// TurnFlows ends the time in which flows have been counted, tells of what they
// were by Options.Flows, and begins a new one. Other things that end it do so as
// well: the interfaces that are counted change, or the network goes.
func (f *Fabric) TurnFlows(ctx context.Context) error {
	f.mu.Lock()
	names := slices.Sorted(maps.Keys(f.stands))
	f.mu.Unlock()
	var errs []error
	for _, name := range names {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		errs = append(errs, f.turnNetwork(name))
	}
	return errors.Join(errs...)
}

// turnNetwork keeps others from the fabric no longer than one network takes:
// routes follow tunnels meanwhile.
func (f *Fabric) turnNetwork(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	ns, ok := f.stands[name]
	if !ok || len(ns.Filter.Counted) == 0 {
		return nil
	}
	if err := inside(name, func(h *rtnl.Handle) error { return f.turnFlows(h, ns) }); err != nil {
		return fmt.Errorf("namespace %s: count flows: %w", name, err)
	}
	return nil
}

// countFlows sees to it that the flows of a namespace's Counted devices are counted,
// and no others.
func (f *Fabric) countFlows(ctx context.Context, ns plan.Namespace) error {
	if !ns.Router || !netns.Exists(ns.Name) {
		return nil
	}
	var counts bool
	err := netns.Do(ns.Name, func() (err error) {
		counts, err = nft.CountsFlows(ns.Filter.Counted)
		return err
	})
	if err != nil || counts {
		return err
	}
	return inside(ns.Name, func(h *rtnl.Handle) error {
		return f.change(ctx, ns.Name, "count flows", func() error { return f.turnFlows(h, ns) })
	})
}

// turnFlows does it in the namespace of h.
func (f *Fabric) turnFlows(h *rtnl.Handle, ns plan.Namespace) error {
	now := time.Now()
	windows, err := nft.TurnFlows(ns.Filter.Counted, now)
	if err != nil {
		return err
	}
	network := strings.TrimPrefix(ns.Name, NamespaceName(f.config.Prefix, ""))
	for _, w := range windows {
		if f.flows != nil {
			f.flows(flowsOf(network, w, now, h.Aliases()))
		}
	}
	return nft.Forget(windows)
}

// flowsOf sorts by interface what was counted by pairs of devices. Devices that
// stand for an interface tell by their alias for which.
func flowsOf(network string, w nft.Window, until time.Time, aliases map[int]string) Flows {
	all := Flows{Network: network, From: w.From, Until: until, Skipped: map[string]uint64{}}
	counted, of := map[string]bool{}, map[int]string{}
	for index, alias := range aliases {
		if id, device := plan.StandsFor(alias); slices.Contains(w.Devices, device) {
			of[index], counted[id] = id, true
		}
	}
	all.Interfaces = slices.Sorted(maps.Keys(counted))
	merged := map[Flow]*Flow{} // by what tells flows apart
	add := func(interfaceID string, egress bool, c nft.FlowCount) {
		if interfaceID == "" {
			return
		}
		key := Flow{
			Interface: interfaceID, Egress: egress, Accepted: accepted(egress, c.Mark),
			Source: c.Source, Destination: c.Destination, Protocol: c.Protocol, SourcePort: c.SourcePort, DestinationPort: c.DestinationPort,
		}
		m := merged[key]
		if m == nil {
			m = new(key)
			m.First = c.First
			merged[key] = m
		}
		m.Packets, m.Bytes, m.TCPFlags = m.Packets+c.Packets, m.Bytes+c.Bytes, m.TCPFlags|tcpFlags(c.TCPFlags)
		if c.First.Before(m.First) {
			m.First = c.First
		}
	}
	for _, c := range w.Flows {
		add(of[c.In], true, c)
		if c.Mark != plan.RejectedLeaving { // else it never came there
			add(of[c.Out], false, c)
		}
	}
	for _, m := range merged {
		all.Flows = append(all.Flows, *m)
	}
	for _, s := range w.Skipped {
		for _, device := range []int{s.In, s.Out} {
			if id := of[device]; id != "" {
				all.Skipped[id] += s.Packets
			}
		}
	}
	return all
}

// accepted tells whether a packet passed the interface that it came by (egress) or
// went to.
func accepted(egress bool, mark uint32) bool {
	if egress {
		return mark != plan.RejectedLeaving
	}
	return mark != plan.RejectedEntering
}

// tcpFlags leaves out ACK where it says nothing of how a connection began.
func tcpFlags(flags uint8) uint8 {
	const syn, ack = 2, 16
	if flags&syn == 0 {
		flags &^= ack
	}
	return flags
}
