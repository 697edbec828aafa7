package acceptance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"causeway.dev/instance/cgroup"
	"causeway.dev/internal/netlab"
	"causeway.dev/internal/run"
	"causeway.dev/netfabric/netns"
)

// A bareKernel holds what the kernel has of VPCs and instances, made by itself: for a
// VPC a namespace that routes and filters; for an instance a namespace, a veth, and a
// process in further namespaces and in control groups of its own, with the mounts of
// an instance. Nothing is compared, recorded or looked at again, so that what of a
// rate falls here is the kernel's.
type bareKernel struct {
	t      testing.TB
	lab    *netlab.Lab
	prefix string // of names in the kernel
	first  int    // number of the first VPC of those that were made last
	last   int    // and that behind the last one
	groups *cgroup.Tree
	starts chan func() // what the thread that starts processes shall do
}

// bareAtOnce is how many instances are started side by side, as by package node.
const bareAtOnce = 8

func newBareKernel(t testing.TB, lab *netlab.Lab) *bareKernel {
	t.Helper()
	k := &bareKernel{t: t, lab: lab, prefix: lab.Host("bare").Name, starts: make(chan func())}
	k.groups = cgroup.Open(k.prefix)
	starter := run.New(context.Background())
	starter.Go("start processes", k.starter)
	t.Cleanup(func() {
		close(k.starts)
		if err := starter.Wait(); err != nil {
			t.Error(err)
		}
		k.remove()
	})
	return k
}

// starter starts processes by a thread whose mounts are without the names of network
// namespaces: each is one, and to copy them for every instance takes the longer the
// more there are. The processes end with the thread, also when the test is killed.
func (k *bareKernel) starter(context.Context) error {
	runtime.LockOSThread() // and never unlocked
	err := errors.Join(unix.Unshare(unix.CLONE_FS|unix.CLONE_NEWNS), unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""), unix.Unmount(netns.Dir, unix.MNT_DETACH))
	for start := range k.starts {
		start()
	}
	return err
}

// remove removes what has not ended with the processes.
func (k *bareKernel) remove() {
	ids, err := k.groups.List()
	for _, id := range ids {
		k.lab.Eventually(startMax, "the process of "+id+" has ended", func() error { return k.groups.Remove(id) })
	}
	names, listErr := netns.List(k.prefix + "-")
	err = errors.Join(err, listErr, k.groups.Close())
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
				if err := k.plug(k.vpc(vpc), k.prefix+"-i"+id, i); err != nil {
					return err
				}
				return k.run(id)
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

// run starts the process of an instance and waits until it has its mounts.
func (k *bareKernel) run(id string) error {
	dir := filepath.Join(k.lab.Dir(), "bare", id)
	if err := errors.Join(os.MkdirAll(dir, 0o700), k.groups.Make(id, cgroup.Limits{CPUs: 0.5, MemoryBytes: 512 << 20, Processes: 2048})); err != nil {
		return err
	}
	network, err := netns.Open(k.prefix + "-i" + id)
	if err != nil {
		return err
	}
	defer unix.Close(network)
	ready, report, err := os.Pipe()
	if err != nil {
		return err
	}
	defer ready.Close()
	group, err := k.groups.Entry(id)
	if err != nil {
		return err
	}
	defer group.Close()
	cmd := exec.Command("/proc/self/exe", dir)
	cmd.Args[0], cmd.Env, cmd.ExtraFiles = bareInit, []string{"GOMAXPROCS=1"}, []*os.File{report}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC,
		Setsid:     true, Pdeathsig: unix.SIGKILL,
	}
	started := make(chan error)
	k.starts <- func() {
		if err := unix.Setns(network, unix.CLONE_NEWNET); err != nil {
			started <- err
			return
		}
		started <- group.Start(cmd.SysProcAttr, cmd.Start)
	}
	err = <-started
	report.Close()
	if err != nil {
		return fmt.Errorf("start process: %w", err)
	}
	said, err := io.ReadAll(ready)
	if string(said) != "ok" {
		return fmt.Errorf("start process: %w: %s", err, said)
	}
	return nil
}

// bareInit is the name that the test's own program has as the process of an instance.
const bareInit = "bare-init"

// bareInitMain mounts what an instance has, and does nothing ever after. The argument
// is the instance's directory.
func bareInitMain() {
	report := os.NewFile(3, "report")
	dir := os.Args[1]
	var errs []error
	root := filepath.Join(dir, "root")
	for _, d := range []string{"root", "upper", "work"} {
		errs = append(errs, os.Mkdir(filepath.Join(dir, d), 0o755))
	}
	mount := func(source, target, kind string, flags uintptr, options string) {
		target = filepath.Join(root, target)
		errs = append(errs, os.MkdirAll(target, 0o755))
		if err := unix.Mount(source, target, kind, flags, options); err != nil {
			errs = append(errs, fmt.Errorf("mount %s: %w", target, err))
		}
	}
	mount("overlay", "", "overlay", 0, fmt.Sprintf("lowerdir=/,upperdir=%s/upper,workdir=%s/work", dir, dir))
	mount("proc", "proc", "proc", 0, "")
	mount("sysfs", "sys", "sysfs", unix.MS_RDONLY, "")
	mount("tmpfs", "dev", "tmpfs", 0, "size=64k")
	mount("devpts", "dev/pts", "devpts", 0, "newinstance")
	for _, target := range []string{"dev/shm", "run", "tmp"} {
		mount("tmpfs", target, "tmpfs", 0, "")
	}
	for _, device := range []string{"null", "zero", "full", "random", "urandom", "tty"} {
		errs = append(errs, os.WriteFile(filepath.Join(root, "dev", device), nil, 0o600), unix.Mount("/dev/"+device, filepath.Join(root, "dev", device), "", unix.MS_BIND, ""))
	}
	for _, path := range []string{"proc/sys", "proc/sys/net"} {
		mount(filepath.Join(root, path), path, "", unix.MS_BIND, "")
	}
	errs = append(errs, unix.Chdir(root), unix.PivotRoot(".", "."), unix.Unmount(".", unix.MNT_DETACH))
	if err := errors.Join(errs...); err != nil {
		fmt.Fprint(report, err)
		os.Exit(1)
	}
	report.WriteString("ok")
	report.Close()
	for {
		unix.Pause()
	}
}
