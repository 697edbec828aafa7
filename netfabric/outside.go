package netfabric

import (
	"context"
	"fmt"
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
// are devices of ours, and closes them again. A host that was no router becomes
// none for others: the guard is there first and goes last, and remembers which
// devices were opened.
func (f *Fabric) settleForwarding(ctx context.Context, h *rtnl.Handle, want *plan.Joint) error {
	opened, err := nft.Guarded(want.Prefix)
	if err != nil {
		return err
	}
	open := slices.Clone(opened)
	if len(want.Devices) > 0 {
		closed, err := h.Closed(want.Interface)
		if err != nil {
			return err
		}
		open = append(open, closed...)
		whole, err := rtnl.Forwards("all")
		if err != nil {
			return err
		}
		if whole { // somebody has made a router of it
			open = nil
		}
	} else {
		for _, device := range opened {
			if err := f.changeAll(ctx, underlayName, []rtnl.Change{rtnl.SetForwards(device, false)}); err != nil {
				return err
			}
		}
		open = nil
	}
	slices.Sort(open)
	open = slices.Compact(open)
	if !slices.Equal(open, opened) {
		err := f.change(ctx, underlayName, "guard what forwards for us only", func() error { return nft.Guard(ctx, want.Prefix, open) })
		if err != nil {
			return err
		}
	}
	for _, device := range open {
		forwards, err := rtnl.Forwards(device)
		if err != nil {
			return err
		}
		if !forwards {
			if err := f.changeAll(ctx, underlayName, []rtnl.Change{rtnl.SetForwards(device, true)}); err != nil {
				return err
			}
		}
	}
	return nil
}

// Stands reports whether a network was as it shall be when it was looked at last.
func (f *Fabric) Stands(network string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, stands := f.stands[NamespaceName(f.config.Prefix, network)]
	return stands
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
