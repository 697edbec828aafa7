package netfabric

import (
	"errors"
	"fmt"
	"net"
	"slices"

	"github.com/vishvananda/netlink"

	"causeway.dev/netfabric/netns"
	"causeway.dev/netfabric/plan"
)

// ErrNoPlace is the error about a place that is not there, or where nothing can be
// plugged in.
var ErrNoPlace = errors.New("nothing can be attached there")

// CheckPlace reports why an interface with this MAC address cannot be plugged in at
// a place, or nil if it can or is. Devices of the host are in the network namespace
// host, "" being that of the process.
func CheckPlace(host string, p Place, mac string) error {
	if err := p.Check(); err != nil {
		return fmt.Errorf("%w: %w", ErrNoPlace, err)
	}
	var err error
	if p.Kind == InNamespace {
		err = checkNamespace(p, mac)
	} else {
		err = netns.Do(host, func() error { return checkDevice(p) })
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNoPlace, err)
	}
	return nil
}

func checkNamespace(p Place, mac string) error {
	inode, err := netns.ID(p.Name)
	if err != nil {
		return fmt.Errorf("there is no network namespace %s", p.Name)
	}
	if p.Inode != 0 && p.Inode != inode {
		return fmt.Errorf("%s is another network namespace by now: the process that was meant has ended", p.Name)
	}
	if own, err := netns.ID(""); err != nil || own == inode {
		return fmt.Errorf("%s is the host's own network namespace: name one of its devices in place of it", p.Name)
	}
	return netns.Do(p.Name, func() error {
		link, err := netlink.LinkByName(p.Device)
		if errors.As(err, new(netlink.LinkNotFoundError)) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("look for device %s: %w", p.Device, err)
		}
		if link.Type() != "veth" || link.Attrs().HardwareAddr.String() != mac {
			return fmt.Errorf("%s has a device %s already: name another", p.Name, p.Device)
		}
		return nil
	})
}

// checkDevice looks for a device in the calling thread's namespace.
func checkDevice(p Place) error {
	link, err := netlink.LinkByName(p.Name)
	if errors.As(err, new(netlink.LinkNotFoundError)) {
		return fmt.Errorf("there is no device %s", p.Name)
	}
	if err != nil {
		return fmt.Errorf("look for device %s: %w", p.Name, err)
	}
	is := link.Attrs()
	tap, isTUN := link.(*netlink.Tuntap)
	switch {
	case p.Kind == OnBridge && link.Type() != "bridge":
		return fmt.Errorf("%s is no bridge", p.Name)
	case p.Kind == OnTAP && (!isTUN || tap.Mode != netlink.TUNTAP_MODE_TAP):
		return fmt.Errorf("%s is no TAP device", p.Name)
	case p.Kind == OnInterface && (link.Type() == "bridge" || isTUN):
		return fmt.Errorf("%s is a %s: say so", p.Name, link.Type())
	case len(is.HardwareAddr) != 6:
		return fmt.Errorf("%s carries no Ethernet frames", p.Name)
	case is.MasterIndex != 0:
		return fmt.Errorf("%s is a port of another device: attach to that one", p.Name)
	case is.Flags&net.FlagUp == 0:
		return fmt.Errorf("%s is down: ip link set %s up", p.Name, p.Name)
	}
	return nil
}

// presentPlaces returns c without the interfaces whose places are not there, and
// why not, by their ids.
func presentPlaces(c Config) (present Config, absent map[string]error) {
	absent = map[string]error{}
	for n := range c.Networks {
		for _, i := range c.Networks[n].Interfaces {
			if i.Place == nil {
				continue
			}
			if err := CheckPlace(c.Host, *i.Place, i.MAC); err != nil {
				absent[i.ID] = err
			}
		}
	}
	if len(absent) == 0 {
		return c, absent
	}
	c.Networks = slices.Clone(c.Networks)
	for n := range c.Networks {
		c.Networks[n].Interfaces = slices.DeleteFunc(slices.Clone(c.Networks[n].Interfaces), func(i Interface) bool { return absent[i.ID] != nil })
	}
	return c, absent
}

// Plugged reports whether an interface was plugged in where it shall be when its
// network was looked at last; if not, the error says why, where that is known.
func (f *Fabric) Plugged(network string, i Interface) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.absent[i.ID]; err != nil {
		return false, err
	}
	ends := []string{plan.NamespaceName(f.config.Prefix, network)}
	switch {
	case i.Place == nil:
		ends = append(ends, plan.NamespaceName(f.config.Prefix, i.Instance))
	case i.Place.Kind == InNamespace:
		ends = append(ends, i.Place.Name)
	}
	for _, name := range ends {
		if _, stands := f.stands[name]; !stands {
			return false, nil
		}
	}
	return true, nil
}
