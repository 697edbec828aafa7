package netfabric

import (
	"context"
	"fmt"
	"net/netip"
	"reflect"
	"slices"

	"causeway.dev/netfabric/netns"
	"causeway.dev/netfabric/nft"
	"causeway.dev/netfabric/plan"
	"causeway.dev/netfabric/rtnl"
)

// settleJoint makes what the underlay holds of ours equal a Joint: the other ends
// of the devices that lead to it, routes to the elastic addresses, and that packets
// are forwarded between those devices and the world.
func (f *Fabric) settleJoint(ctx context.Context, want *plan.Joint) error {
	if want == nil || f.joint != nil && reflect.DeepEqual(*f.joint, *want) {
		return nil
	}
	f.joint = nil
	err := within(want.Namespace, func() error {
		h, err := rtnl.Open()
		if err != nil {
			return err
		}
		defer h.Close()
		if err := f.settleForwarding(ctx, h, want); err != nil {
			return err
		}
		changes, err := h.SettleJoint(*want)
		if err != nil {
			return err
		}
		return f.changeAll(ctx, underlayName, changes)
	})
	if err != nil {
		return fmt.Errorf("underlay: %w", err)
	}
	f.joint = want
	return nil
}

// underlayName stands for the underlay's namespace in logs.
const underlayName = "(underlay)"

// within calls f in a named namespace, or in that of the process.
func within(namespace string, f func() error) error {
	if namespace == "" {
		return f()
	}
	return netns.Do(namespace, f)
}

// settleForwarding opens the devices that the world comes in by, as long as there
// are devices of ours, and closes them again; and the whole for IPv6, as long as
// there are routes of that. A host that was no router becomes none for others: the
// guard is there first and goes last, and remembers what was opened.
func (f *Fabric) settleForwarding(ctx context.Context, h *rtnl.Handle, want *plan.Joint) error {
	opened, err := nft.Guarded(want.Prefix)
	if err != nil {
		return err
	}
	open, err := f.opening(h, want, opened)
	if err != nil {
		return err
	}
	if err := f.changeAll(ctx, underlayName, closing(want, opened, open)); err != nil {
		return err
	}
	if !reflect.DeepEqual(open, opened) {
		err := f.change(ctx, underlayName, "guard what forwards for us only", func() error { return nft.Guard(ctx, want.Prefix, open) })
		if err != nil {
			return err
		}
	}
	changes, err := rtnl.Opening(open.Devices, open.Advised, open.IPv6)
	if err != nil {
		return err
	}
	return f.changeAll(ctx, underlayName, changes)
}

// opening is what has to be open in the underlay, of which some was opened before.
// What somebody else has opened is none of it.
func (f *Fabric) opening(h *rtnl.Handle, want *plan.Joint, opened nft.Opened) (open nft.Opened, err error) {
	if len(want.Devices) == 0 {
		return open, nil
	}
	whole, err := rtnl.Forwards("all")
	if err != nil {
		return open, err
	}
	if !whole {
		closed, err := h.Closed(want.Interface)
		if err != nil {
			return open, err
		}
		open.Devices = slices.Compact(slices.Sorted(slices.Values(append(closed, opened.Devices...))))
	}
	if !want.IPv6() {
		return open, nil
	}
	if opened.IPv6 {
		open.IPv6, open.Advised = true, opened.Advised
		return open, nil
	}
	whole, err = rtnl.ForwardsIPv6()
	if err != nil || whole {
		return open, err
	}
	open.IPv6 = true
	open.Advised, err = h.Advised()
	return open, err
}

// closing closes what was opened and need not be open any more. What somebody has
// made a router of in the meantime stays one.
func closing(want *plan.Joint, opened, open nft.Opened) []rtnl.Change {
	var changes []rtnl.Change
	if len(want.Devices) == 0 {
		for _, device := range opened.Devices {
			changes = append(changes, rtnl.SetForwards(device, false))
		}
	}
	if opened.IPv6 && !open.IPv6 {
		changes = append(changes, rtnl.CloseIPv6(opened.Advised)...)
	}
	return changes
}

// Stands reports whether a network was as it shall be when it was looked at last.
func (f *Fabric) Stands(network string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, stands := f.stands[NamespaceName(f.config.Prefix, network)]
	return stands
}

// Used returns those of a translator's addresses under which connections run.
func (f *Fabric) Used(network string, addresses []netip.Addr) ([]netip.Addr, error) {
	f.mu.Lock()
	prefix := f.config.Prefix
	f.mu.Unlock()
	var used []netip.Addr
	err := netns.Do(NamespaceName(prefix, network), func() error {
		running, err := nft.Translated()
		for _, a := range addresses {
			if running[a] {
				used = append(used, a)
			}
		}
		return err
	})
	return used, err
}

// Exhaustion counts the connections that a network's translator has had no port
// for since the network was made. They were refused, and hold up nobody.
func (f *Fabric) Exhaustion(network string) (uint64, error) {
	f.mu.Lock()
	prefix := f.config.Prefix
	f.mu.Unlock()
	var count uint64
	err := netns.Do(NamespaceName(prefix, network), func() (err error) {
		count, err = nft.InsertsFailed()
		return err
	})
	return count, err
}
