package netfabric

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"causeway.dev/netfabric/netns"
	"causeway.dev/netfabric/plan"
)

// An Underlay is the network that outside addresses belong to: an interface,
// in a named namespace or, without a name, in that of the process.
type Underlay struct {
	Namespace string
	Interface string

	// Label marks the IPv4 addresses that are ours, at most 15 characters.
	Label string

	// Elastic are the ranges that elastic addresses are from.
	Elastic []netip.Prefix
}

// Plan is the underlay as Config has it.
func (u Underlay) Plan() *plan.Underlay {
	return &plan.Underlay{Namespace: u.Namespace, Interface: u.Interface, Elastic: u.Elastic}
}

// Do calls f in the underlay's namespace, as netns.Do does.
func (u Underlay) Do(f func() error) error {
	if u.Namespace == "" {
		return f()
	}
	return netns.Do(u.Namespace, f)
}

// SetAddresses makes these addresses, and no others of ours, stand on the
// interface, each as a host's own. Addresses that stand there without our label
// are left alone, and serve as they are.
func (u Underlay) SetAddresses(addresses []netip.Addr) error {
	wanted := make(map[netip.Addr]bool, len(addresses))
	for _, a := range addresses {
		wanted[a] = true
	}
	return u.Do(func() error {
		link, err := netlink.LinkByName(u.Interface)
		if err != nil {
			return fmt.Errorf("find outside interface %s: %w", u.Interface, err)
		}
		present, err := netlink.AddrList(link, netlink.FAMILY_V4)
		if err != nil {
			return fmt.Errorf("list addresses of %s: %w", u.Interface, err)
		}
		var errs []error
		for _, p := range present {
			a, _ := netip.AddrFromSlice(p.IP.To4())
			if p.Label == u.Label && !wanted[a] {
				if err := netlink.AddrDel(link, &p); err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
					errs = append(errs, fmt.Errorf("remove %v from %s: %w", a, u.Interface, err))
				}
			}
			delete(wanted, a)
		}
		for a := range wanted {
			host := &netlink.Addr{Label: u.Label, IPNet: &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(a.BitLen(), a.BitLen())}}
			if err := netlink.AddrAdd(link, host); err != nil && !errors.Is(err, unix.EEXIST) {
				errs = append(errs, fmt.Errorf("put %v on %s: %w", a, u.Interface, err))
			}
		}
		return errors.Join(errs...)
	})
}
