// Package rtnl compares a network namespace with what it shall hold, except for
// its filter, and makes the difference disappear, by rtnetlink and sysctls.
package rtnl

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"causeway.dev/netfabric/netns"
	"causeway.dev/netfabric/plan"
)

// A Change is one step from what is to what should be. It must be done in the
// namespace of the Handle that it came from and while that is open.
type Change struct {
	Text string
	Do   func() error
}

// A Handle speaks to the kernel about the network namespace that the calling
// thread was in when it was opened, and must be used in it.
type Handle struct {
	nl      *netlink.Handle
	devices map[string]netlink.Link
}

// Open returns a handle for the calling thread's network namespace.
func Open() (*Handle, error) {
	nl, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open rtnetlink: %w", err)
	}
	h := &Handle{nl: nl}
	if err := h.readDevices(); err != nil {
		h.Close()
		return nil, err
	}
	return h, nil
}

// Close releases the handle.
func (h *Handle) Close() { h.nl.Close() }

// dump repeats a listing that was overtaken by changes.
func dump[T any](list func() ([]T, error)) ([]T, error) {
	const tries = 10
	for range tries - 1 {
		found, err := list()
		if !errors.Is(err, netlink.ErrDumpInterrupted) {
			return found, err
		}
	}
	return list()
}

func (h *Handle) readDevices() error {
	links, err := dump(h.nl.LinkList)
	if err != nil {
		return fmt.Errorf("list devices: %w", err)
	}
	h.devices = map[string]netlink.Link{}
	for _, l := range links {
		h.devices[l.Attrs().Name] = l
	}
	return nil
}

// Aliases returns what the devices stand for, by index.
func (h *Handle) Aliases() map[int]string {
	aliases := map[int]string{}
	for _, l := range h.devices {
		if a := l.Attrs(); a.Alias != "" {
			aliases[a.Index] = a.Alias
		}
	}
	return aliases
}

// RemoveAllDevices removes every device that somebody has made.
func (h *Handle) RemoveAllDevices() []Change {
	return h.RemoveDevices(plan.Namespace{Router: true})
}

// RemoveDevices removes devices of a router that are not wanted, and veths that
// lead to another place than wanted, all at once. Those in an instance's
// namespace go with their other ends.
func (h *Handle) RemoveDevices(want plan.Namespace) []Change {
	if !want.Router {
		return nil
	}
	wanted := map[string]plan.Device{}
	for _, d := range want.Devices {
		wanted[d.Name] = d
	}
	var stale, spared []netlink.Link
	for name, link := range h.devices {
		kind := map[string]plan.DeviceKind{"veth": plan.Veth, "tuntap": plan.TUNKind, "macvlan": plan.MACVLAN}[link.Type()]
		if kind == "" {
			continue // the kernel's own
		}
		d, ok := wanted[name]
		if ok && d.Kind == kind && (kind != plan.Veth && kind != plan.MACVLAN || h.leadsTo(link, d)) {
			if link.Attrs().Group == doomed {
				spared = append(spared, link)
			}
			continue
		}
		stale = append(stale, link)
	}
	var changes []Change
	for _, link := range spared {
		changes = append(changes, Change{"spare device " + link.Attrs().Name, func() error {
			return h.nl.LinkSetGroup(link, 0)
		}})
	}
	if len(stale) == 0 {
		return changes
	}
	return append(changes, Change{fmt.Sprintf("remove %d devices", len(stale)), func() error {
		return h.removeAtOnce(stale)
	}})
}

// doomed is the group that devices are put into to be removed together: one by
// one each would take the 20 ms that the kernel waits for packets under way.
const doomed = 0xca05e

func (h *Handle) removeAtOnce(links []netlink.Link) error {
	for _, link := range links {
		err := h.nl.LinkSetGroup(link, doomed)
		if err != nil && !errors.Is(err, unix.ENODEV) { // gone with its other end
			return fmt.Errorf("doom device %s: %w", link.Attrs().Name, err)
		}
	}
	request := nl.NewNetlinkRequest(unix.RTM_DELLINK, unix.NLM_F_ACK)
	request.AddData(nl.NewIfInfomsg(unix.AF_UNSPEC))
	request.AddData(nl.NewRtAttr(unix.IFLA_GROUP, nl.Uint32Attr(doomed)))
	_, err := request.Execute(unix.NETLINK_ROUTE, 0)
	if errors.Is(err, unix.ENODEV) {
		return nil
	}
	return err
}

// leadsTo reports whether the other end of a veth is in the right namespace, and
// what is below a macvlan is the right device. It goes by the number that the kernel
// gave that namespace when it listed the device.
func (h *Handle) leadsTo(link netlink.Link, want plan.Device) bool {
	fd, err := openPeer(want.Peer)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	number, err := h.nl.GetNetNsIdByFd(fd)
	if err != nil || number < 0 || number != link.Attrs().NetNsID {
		return false
	}
	if want.Kind != plan.MACVLAN {
		return true
	}
	below, err := indexOf(want.Peer)
	return err == nil && below == link.Attrs().ParentIndex
}

// indexOf returns the index of a device of another namespace.
func indexOf(p plan.Peer) (index int, err error) {
	err = netns.Do(p.Namespace, func() error {
		link, err := netlink.LinkByName(p.Name)
		if err != nil {
			return fmt.Errorf("find device %s: %w", p.Name, err)
		}
		index = link.Attrs().Index
		return nil
	})
	return index, err
}

// openPeer opens the namespace that the other end of a veth is in.
func openPeer(p plan.Peer) (fd int, err error) {
	if p.Namespace == "" && !p.Foreign {
		return -1, errors.New("the other end is nowhere")
	}
	return netns.Open(p.Namespace)
}

// Missing are the devices that are to be made from here and are not there.
func (h *Handle) Missing(want plan.Namespace) []plan.Device {
	var missing []plan.Device
	for _, d := range want.Devices {
		if h.devices[d.Name] == nil && d.Creator {
			missing = append(missing, d)
		}
	}
	return missing
}

// CreateDevices makes veths, both ends with the attributes that they shall have, and
// macvlans.
func (h *Handle) CreateDevices(missing []plan.Device) []Change {
	var changes []Change
	for _, d := range missing {
		create := h.createVeth
		if d.Kind == plan.MACVLAN {
			create = createMACVLAN
		}
		changes = append(changes, Change{"create " + d.String(), func() error { return create(d) }})
	}
	return changes
}

func (h *Handle) createVeth(d plan.Device) error {
	fd, err := openPeer(d.Peer)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU, attrs.HardwareAddr, attrs.Alias, attrs.Flags = d.Name, d.MTU, d.MAC, d.Alias, net.FlagUp
	return h.nl.LinkAdd(&netlink.Veth{
		LinkAttrs: attrs,
		PeerName:  d.Peer.Name, PeerHardwareAddr: d.Peer.MAC, PeerNamespace: netlink.NsFd(fd),
	})
}

// createMACVLAN makes a device of the calling thread's namespace on one of another.
func createMACVLAN(d plan.Device) error {
	here, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open own network namespace: %w", err)
	}
	defer unix.Close(here)
	return netns.Do(d.Peer.Namespace, func() error {
		below, err := netlink.LinkByName(d.Peer.Name)
		if err != nil {
			return fmt.Errorf("find device %s: %w", d.Peer.Name, err)
		}
		attrs := netlink.NewLinkAttrs()
		attrs.Name, attrs.MTU, attrs.HardwareAddr, attrs.Flags = d.Name, d.MTU, d.MAC, net.FlagUp
		attrs.ParentIndex, attrs.Namespace = below.Attrs().Index, netlink.NsFd(here)
		// Those on one device speak with each other by their networks only.
		return netlink.LinkAdd(&netlink.Macvlan{LinkAttrs: attrs, Mode: netlink.MACVLAN_MODE_PRIVATE})
	})
}

// Settle compares everything but the existence of devices. Devices that are not
// there yet, as a tunnel that nobody has opened, are left out with all that
// names them.
func (h *Handle) Settle(want plan.Namespace) ([]Change, error) {
	if err := h.readDevices(); err != nil {
		return nil, err
	}
	var changes []Change
	for _, d := range want.Devices {
		link := h.devices[d.Name]
		if link == nil && d.Kind != plan.TUNKind {
			return nil, fmt.Errorf("device %s has gone", d.Name)
		}
		if link != nil {
			changes = append(changes, h.settleDevice(d, link)...)
		}
	}
	for _, settle := range []func(plan.Namespace) ([]Change, error){
		h.settleAddresses, h.settleNeighbours, h.settleRoutes, h.settleRules,
	} {
		more, err := settle(want)
		if err != nil {
			return nil, err
		}
		changes = append(changes, more...)
	}
	return changes, nil
}

func (h *Handle) settleDevice(d plan.Device, link netlink.Link) []Change {
	var changes []Change
	add := func(text string, do func() error) {
		changes = append(changes, Change{"set device " + d.Name + " " + text, do})
	}
	is := link.Attrs()
	if d.Alias != "" && is.Alias != d.Alias {
		add("alias "+d.Alias, func() error { return h.nl.LinkSetAlias(link, d.Alias) })
	}
	if d.MTU != 0 && is.MTU != d.MTU {
		add(fmt.Sprintf("mtu %d", d.MTU), func() error { return h.nl.LinkSetMTU(link, d.MTU) })
	}
	if d.MAC != nil && !bytes.Equal(is.HardwareAddr, d.MAC) {
		add(fmt.Sprintf("mac %v", d.MAC), func() error { return h.nl.LinkSetHardwareAddr(link, d.MAC) })
	}
	if is.Flags&net.FlagUp == 0 {
		add("up", func() error { return h.nl.LinkSetUp(link) })
	}
	return changes
}

// awaitMax bounds Await: an instance may have set its end down.
const awaitMax = 200 * time.Millisecond

// Await waits until veths whose other ends have just been set up carry packets.
// Until the kernel has come round to that, it drops what is sent. Asking for the
// device makes it do so at once (Linux 6.8 and later).
func (h *Handle) Await() error {
	deadline := time.Now().Add(awaitMax)
	for name, link := range h.devices {
		for link.Type() == "veth" && link.Attrs().OperState != netlink.OperUp && time.Now().Before(deadline) {
			var err error
			if link, err = h.nl.LinkByIndex(link.Attrs().Index); err != nil {
				return fmt.Errorf("ask for state of device %s: %w", name, err)
			}
			if link.Attrs().OperState != netlink.OperUp {
				time.Sleep(time.Millisecond)
			}
		}
	}
	return nil
}

// Present tells a device that is there from one that is still to come.
func (h *Handle) Present(device string) bool { return h.devices[device] != nil }

func (h *Handle) index(device string) int { return h.devices[device].Attrs().Index }
