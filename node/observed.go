package node

import (
	"cmp"
	"context"
	"net/netip"
	"reflect"
	"slices"
	"time"

	"causeway.dev/bgp/speaker"
	"causeway.dev/ipsec"
	"causeway.dev/nodespec"
)

// A view is what tunnels and their sessions say at one time.
type view struct {
	tunnels  []ipsec.Status            // with BGP laid over
	sessions map[string]speaker.Status // by tunnel
	standing map[string]epoch          // since when IPsec stands
}

func (n *Node) viewed() view {
	v := view{tunnels: n.host.Status()}
	v.standing = standing(v.tunnels)
	v.sessions = n.bgp.over(v.tunnels)
	return v
}

// report tells what is seen if it differs from what was told, and returns what has
// been told.
func (n *Node) report(ctx context.Context, v view, told *nodespec.Observed) *nodespec.Observed {
	n.mu.Lock()
	applied := n.applied
	n.mu.Unlock()
	if applied == nil {
		return told // what is not seen yet is not missing
	}
	o := nodespec.Observed{Node: n.cfg.Name, Revision: applied.Revision}
	o.Tunnels = n.tunnelStatuses(v)
	instances, err := n.cfg.Driver.List()
	if err != nil {
		n.log.Error("look at the instances", "err", err)
		return told
	}
	for _, s := range instances {
		o.Instances = append(o.Instances, nodespec.InstanceStatus(s))
		if s.Restarting {
			poke(n.wake)
		}
	}
	o.Interfaces = n.interfaces(applied)
	before := n.drained
	n.drained = map[string]drained{}
	for _, network := range applied.Networks {
		if network.Translator != nil && n.fabric.Stands(network.ID) {
			o.Translating = append(o.Translating, nodespec.TranslatorStatus{ID: network.ID, Addresses: n.translating(network, before[network.ID])})
		}
	}
	if told != nil && sameObserved(o, *told) {
		return told
	}
	if err := n.cfg.Report(ctx, o); err != nil {
		if ctx.Err() == nil {
			n.log.Error("report what is seen", "err", err)
		}
		return told
	}
	return &o
}

// sameObserved compares what was seen. Routes that nobody has told anew are the slices
// that were there before, which costs nothing to compare.
func sameObserved(a, b nodespec.Observed) bool { return reflect.DeepEqual(a, b) }

// tunnelStatuses say a view in the words of nodespec.
func (n *Node) tunnelStatuses(v view) (all []nodespec.TunnelStatus) {
	n.learned.turn()
	for _, s := range v.tunnels {
		status := tunnelStatus(s)
		if session, ok := v.sessions[status.ID]; ok {
			status.BGP = n.learned.bgpStatus(session)
		}
		all = append(all, status)
	}
	return all
}

// translating are the addresses under which connections may run in a network with a
// Translator. Whether some do under those that are leaving is looked at now and then
// only, since the kernel goes through all connections for it: what was seen before
// stands for a while.
func (n *Node) translating(network nodespec.Network, looked drained) []netip.Addr {
	all := slices.Clone(network.Translator.Addresses)
	if leaving := network.Translator.Leaving; len(leaving) > 0 {
		if time.Since(looked.at) >= drainInterval || !slices.Equal(looked.leaving, leaving) {
			used, err := n.fabric.Used(network.ID, leaving)
			if err != nil {
				n.log.Error("look for connections under addresses that are leaving", "network", network.ID, "err", err)
				used = leaving // until it is known
			}
			looked = drained{time.Now(), leaving, used}
		}
		n.drained[network.ID] = looked
		all = append(all, looked.used...)
	}
	slices.SortFunc(all, netip.Addr.Compare)
	return all
}

// drained is which of the addresses that are leaving were still in use at a time.
type drained struct {
	at            time.Time
	leaving, used []netip.Addr
}

// interfaces are those that are plugged in other than with their instance, and those
// that cannot be.
func (n *Node) interfaces(applied *nodespec.Desired) []nodespec.InterfaceStatus {
	var all []nodespec.InterfaceStatus
	for _, network := range applied.Networks {
		for _, i := range network.Interfaces {
			if i.Place == nil && (i.Instance == "" || i.Index == 0) {
				continue
			}
			plugged, err := n.fabric.Plugged(network.ID, fabricInterface(i))
			status := nodespec.InterfaceStatus{ID: i.ID, Attached: plugged}
			if err != nil {
				status.Reason = err.Error()
			}
			if status.Attached || status.Reason != "" {
				all = append(all, status)
			}
		}
	}
	slices.SortFunc(all, func(a, b nodespec.InterfaceStatus) int { return cmp.Compare(a.ID, b.ID) })
	return all
}
