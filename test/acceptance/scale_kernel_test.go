package acceptance

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"causeway.dev/instance"
	"causeway.dev/instance/cgroup"
	"causeway.dev/internal/netlab"
	"causeway.dev/netfabric/netns"
)

// A bareKernel holds what the kernel has of VPCs and instances, without a daemon: for
// a VPC a namespace that routes and filters, for an instance a namespace, a veth, and
// what the driver of instances makes in the kernel. Nothing is compared, recorded or
// looked at again, so that what of a rate falls here is the kernel's and the machine's.
type bareKernel struct {
	t      testing.TB
	prefix string // of names in the kernel
	first  int    // number of the first VPC of those that were made last
	last   int    // and that behind the last one
	driver *instance.Namespaces
}

// bareAtOnce is how many instances are started or ended side by side, as by package
// node.
const bareAtOnce = 8

func newBareKernel(t testing.TB, lab *netlab.Lab) *bareKernel {
	t.Helper()
	k := &bareKernel{t: t, prefix: lab.Host("bare").Name}
	var err error
	k.driver, err = instance.NewNamespaces(instance.Options{Dir: filepath.Join(lab.Dir(), "bare"), Executable: program, Groups: k.prefix})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.remove)
	return k
}

func (k *bareKernel) remove() {
	list, err := k.driver.List()
	var ends errgroup.Group
	ends.SetLimit(bareAtOnce)
	for _, s := range list {
		ends.Go(func() error { return k.driver.Terminate(context.Background(), s.ID) })
	}
	err = errors.Join(err, ends.Wait(), k.driver.Close())
	names, listErr := netns.List(k.prefix + "-")
	err = errors.Join(err, listErr)
	for _, name := range names {
		err = errors.Join(err, netns.Delete(name))
	}
	if err != nil {
		k.t.Error(err)
	}
}

// begin makes VPCs with an instance in each.
func (k *bareKernel) begin(vpcs int) error {
	k.first, k.last = k.last, k.last+vpcs
	for vpc := k.first; vpc < k.last; vpc++ {
		if err := k.makeVPC(k.vpc(vpc)); err != nil {
			return err
		}
	}
	return k.fill(0, 1)
}

// fill gives the VPCs that were made last their instances up to a number, where they
// have some.
func (k *bareKernel) fill(from, to int) error {
	var starts errgroup.Group
	starts.SetLimit(bareAtOnce)
	for vpc := k.first; vpc < k.last; vpc++ {
		for i := from; i < to; i++ {
			starts.Go(func() error {
				id := fmt.Sprintf("%d-%d", vpc, i)
				namespace := k.prefix + "-i" + id
				if err := k.plug(k.vpc(vpc), namespace, i); err != nil {
					return err
				}
				limits := cgroup.Limits{CPUs: 0.5, MemoryBytes: 512 << 20, Processes: 2048}
				return k.driver.Ensure(context.Background(), instance.Config{ID: id, Boot: 1, Hostname: "bare", NetworkNamespace: namespace, Limits: limits})
			})
		}
		starts.Go(func() error { return netns.Do(k.vpc(vpc), func() error { return bareFilter(to) }) })
	}
	return starts.Wait()
}

func (k *bareKernel) vpc(n int) string { return fmt.Sprintf("%s-v%d", k.prefix, n) }

// makeVPC makes a namespace that routes.
func (k *bareKernel) makeVPC(name string) error {
	if err := netns.Create(name); err != nil {
		return err
	}
	return netns.Do(name, func() error {
		for _, key := range []string{"ip_forward", "conf/all/rp_filter", "conf/default/rp_filter", "conf/all/proxy_arp", "conf/all/send_redirects", "conf/all/arp_ignore"} {
			if err := os.WriteFile("/proc/sys/net/ipv4/"+key, []byte("1"), 0); err != nil {
				return err
			}
		}
		return errors.Join(setUp("lo"), bareFilter(0))
	})
}

func setUp(device string) error {
	link, err := netlink.LinkByName(device)
	if err != nil {
		return err
	}
	return netlink.LinkSetUp(link)
}

// plug makes an instance's namespace, and the veth that leads there.
func (k *bareKernel) plug(vpc, instance string, number int) error {
	if err := netns.Create(instance); err != nil {
		return err
	}
	to, err := netns.Open(instance)
	if err != nil {
		return err
	}
	defer unix.Close(to)
	port, address := barePort(number)
	mac := net.HardwareAddr{2, 0, 0, 0, 0, byte(number)}
	err = netns.Do(vpc, func() error {
		attrs := netlink.NewLinkAttrs()
		attrs.Name, attrs.Flags = port, net.FlagUp
		veth := &netlink.Veth{LinkAttrs: attrs, PeerName: "eth0", PeerHardwareAddr: mac, PeerNamespace: netlink.NsFd(to)}
		if err := netlink.LinkAdd(veth); err != nil {
			return err
		}
		return errors.Join(
			netlink.NeighSet(&netlink.Neigh{LinkIndex: veth.Index, Family: unix.AF_INET, State: unix.NUD_PERMANENT, IP: address.AsSlice(), HardwareAddr: mac}),
			netlink.RouteReplace(&netlink.Route{LinkIndex: veth.Index, Scope: netlink.SCOPE_LINK, Dst: hostNet(address, 32)}),
		)
	})
	if err != nil {
		return err
	}
	return netns.Do(instance, func() error {
		link, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		if err := errors.Join(setUp("lo"), netlink.AddrReplace(link, &netlink.Addr{IPNet: hostNet(address, 24)}), netlink.LinkSetUp(link)); err != nil {
			return err
		}
		return netlink.RouteReplace(&netlink.Route{LinkIndex: link.Attrs().Index, Gw: net.IPv4(10, 0, 0, 1)})
	})
}

func hostNet(a netip.Addr, bits int) *net.IPNet {
	return &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(bits, a.BitLen())}
}

// barePort is the device and the address of an instance in its VPC.
func barePort(number int) (device string, address netip.Addr) {
	return fmt.Sprintf("p%d", number), netip.AddrFrom4([4]byte{10, 0, 0, byte(4 + number)})
}

// bareFilter gives the calling thread's namespace rules for so many instances.
func bareFilter(instances int) error {
	var text strings.Builder
	text.WriteString("table inet bare\ndelete table inet bare\ntable inet bare {\n")
	element := func(of func(device string, address netip.Addr) string) string {
		var all []string
		for n := range instances {
			all = append(all, of(barePort(n)))
		}
		if len(all) == 0 {
			return ""
		}
		return "elements = { " + strings.Join(all, ", ") + " }"
	}
	fmt.Fprintf(&text, "map marks {\n type ifname : mark\n%s\n}\n", element(func(d string, _ netip.Addr) string { return fmt.Sprintf("%q : 7", d) }))
	fmt.Fprintf(&text, "set addresses {\n type ifname . ipv4_addr\n%s\n}\n", element(func(d string, a netip.Addr) string { return fmt.Sprintf("%q . %v", d, a) }))
	fmt.Fprintf(&text, "set members {\n type ipv4_addr\n%s\n}\n", element(func(_ string, a netip.Addr) string { return a.String() }))
	text.WriteString("counter dropped { }\n")
	for _, side := range []string{"leave", "enter"} {
		fmt.Fprintf(&text, "chain %s-group {\n ip saddr @members accept\n meta nfproto ipv4 accept\n counter name dropped drop\n}\n", side)
		fmt.Fprintf(&text, "map %s {\n type ifname : verdict\n%s\n}\n", side, element(func(d string, _ netip.Addr) string { return fmt.Sprintf("%q : goto %s-group", d, side) }))
	}
	text.WriteString(`chain prerouting {
 type filter hook prerouting priority mangle
 iifname . ip saddr != @addresses counter name dropped drop
 meta mark set iifname map @marks
}
chain leaving {
 type filter hook forward priority 0; policy drop
 ct state established,related accept
 ct state invalid counter name dropped drop
 iifname vmap @leave
}
chain entering {
 type filter hook forward priority 10; policy drop
 ct state established,related accept
 oifname vmap @enter
}
}
`)
	cmd := exec.Command("nft", "-f", "-")
	cmd.Stdin = strings.NewReader(text.String())
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("load filter: %w: %s", err, out)
	}
	return nil
}
