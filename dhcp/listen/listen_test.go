package listen

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"causeway.dev/dhcp"
	"causeway.dev/netfabric/netns"
)

const wait = 60 * time.Second

const clientMAC = "02:00:00:00:01:32"

// A link joins a network's namespace to a client's; the network's drops all that its
// filters see.
//
//	network  port 10.0.1.1  ---  eth0  client
type link struct {
	t               *testing.T
	network, client string
	events          string // what the client's script was called for
}

func newLink(t *testing.T) *link {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	if err := exec.Command("busybox", "udhcpc", "--help").Run(); err != nil {
		t.Skipf("there is no DHCP client: %v", err)
	}
	random := make([]byte, 4)
	rand.Read(random)
	l := &link{t: t, events: filepath.Join(t.TempDir(), "events")}
	l.network, l.client = "cwt"+hex.EncodeToString(random)+"n", "cwt"+hex.EncodeToString(random)+"c"
	for _, name := range []string{l.network, l.client} {
		if err := netns.Create(name); err != nil {
			t.Skipf("network namespaces cannot be made here: %v", err)
		}
		t.Cleanup(func() { netns.Delete(name) })
	}
	l.join()
	l.shut()
	return l
}

// shut has the network's filters drop all.
func (l *link) shut() {
	l.t.Helper()
	l.run(l.network, "nft -f -", `table inet closed {
		chain early { type filter hook prerouting priority raw; policy drop; meta l4proto udp drop; accept; }
		chain input { type filter hook input priority filter; policy drop; }
		chain output { type filter hook output priority filter; policy drop; }
	}`)
}

// join makes the link.
func (l *link) join() {
	l.t.Helper()
	l.run(l.network, "ip link add port type veth peer name eth0 netns "+l.client, "")
	l.run(l.network, "ip address add 10.0.1.1/24 dev port", "")
	l.run(l.network, "ip link set port up", "")
	l.run(l.client, "ip link set eth0 address "+clientMAC, "")
	l.run(l.client, "ip link set eth0 up", "")
}

func (l *link) run(namespace, command, input string) {
	l.t.Helper()
	err := netns.Do(namespace, func() error {
		f := strings.Fields(command)
		cmd := exec.Command(f[0], f[1:]...)
		cmd.Stdin = strings.NewReader(input)
		if output, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", command, err, output)
		}
		return nil
	})
	if err != nil {
		l.t.Fatal(err)
	}
}

// port is what the client shall be told.
func (l *link) port(address string) Port {
	return Port{Interface: "eni-1", Namespace: l.network, Device: "port", Lease: dhcp.Lease{
		MAC: [6]byte{2, 0, 0, 0, 1, 0x32}, Address: netip.MustParsePrefix(address), Router: netip.MustParseAddr("10.0.1.1"), Time: time.Hour,
		HostName: "ip-10-0-1-50", Resolvers: []netip.Addr{netip.MustParseAddr("10.0.0.2")}, Domain: "ec2.internal", MTU: 1400,
		LinkLocal: []netip.Addr{netip.MustParseAddr("169.254.169.253")},
	}}
}

func (l *link) set(s *Service, ports ...Port) {
	l.t.Helper()
	if err := s.Set(ports); err != nil {
		l.t.Fatal(err)
	}
}

// start starts Debian's DHCP client, which tells each event with what it has learnt in a
// line, and sets its address.
func (l *link) start(arguments ...string) *exec.Cmd {
	l.t.Helper()
	script := filepath.Join(l.t.TempDir(), "script")
	text := `#!/bin/sh
case $1 in
deconfig) ip address flush dev $interface ;;
bound | renew) ip address replace $ip/$mask dev $interface ;;
esac
echo "$1 ip=$ip/$mask router=$router dns=$dns domain=$domain hostname=$hostname mtu=$mtu lease=$lease staticroutes=$staticroutes" >> ` + l.events + "\n"
	if err := os.WriteFile(script, []byte(text), 0o755); err != nil {
		l.t.Fatal(err)
	}
	arguments = append([]string{"udhcpc", "-f", "-i", "eth0", "-s", script, "-T", "1", "-A", "1", "-O", "staticroutes", "-O", "mtu", "-O", "hostname"}, arguments...)
	cmd := exec.Command("busybox", arguments...)
	if err := netns.Do(l.client, cmd.Start); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	return cmd
}

// told waits until the client has been told something.
func (l *link) told(what string) {
	l.t.Helper()
	for deadline := time.Now().Add(wait); ; time.Sleep(10 * time.Millisecond) {
		text, _ := os.ReadFile(l.events)
		if strings.Contains(string(text), what) {
			return
		}
		if time.Now().After(deadline) {
			l.t.Fatalf("not told %q, but\n%s", what, text)
		}
	}
}

// A real client gets the interface's address and all that goes with it, renews it, is
// told when another address is its own, and finds the service again behind another
// device.
func TestClientIsAnswered(t *testing.T) {
	l := newLink(t)
	s := New()
	t.Cleanup(s.Close)
	l.set(s, l.port("10.0.1.50/24"))
	client := l.start()
	l.told("bound ip=10.0.1.50/24 router=10.0.1.1 dns=10.0.0.2 domain=ec2.internal hostname=ip-10-0-1-50 mtu=1400 lease=3600 " +
		"staticroutes=169.254.169.253/32 10.0.1.1 0.0.0.0/0 10.0.1.1\n")
	counts := s.Counts()
	if counts["offer"] == 0 || counts["ack"] == 0 {
		t.Errorf("counts %v", counts)
	}
	client.Process.Signal(unix.SIGUSR1) // renew, by unicast
	l.told("renew ip=10.0.1.50/24")

	l.set(s, l.port("10.0.1.60/24"))
	client.Process.Signal(unix.SIGUSR1)
	l.told("bound ip=10.0.1.60/24")
	if s.Counts()["nak"] == 0 {
		t.Errorf("counts %v", s.Counts())
	}

	l.run(l.network, "ip link delete port", "")
	l.set(s, l.port("10.0.1.70/24")) // nothing is there
	l.join()
	l.set(s, l.port("10.0.1.70/24"))
	l.again(client)
	l.told("bound ip=10.0.1.70/24")
}

// A network that is made anew has another namespace by the same name, in which a
// port's device has the number that it had.
func TestNetworkIsMadeAnew(t *testing.T) {
	l := newLink(t)
	s := New()
	t.Cleanup(s.Close)
	l.set(s, l.port("10.0.1.50/24"))
	client := l.start()
	l.told("bound ip=10.0.1.50/24")

	l.run(l.client, "ip link delete eth0", "")
	if err := netns.Delete(l.network); err != nil {
		t.Fatal(err)
	}
	if err := netns.Create(l.network); err != nil {
		t.Fatal(err)
	}
	l.join()
	l.shut()
	l.set(s, l.port("10.0.1.60/24"))
	l.again(client)
	l.told("bound ip=10.0.1.60/24")
}

// again has the client give its address back and ask for one.
func (l *link) again(client *exec.Cmd) {
	l.t.Helper()
	if err := os.Truncate(l.events, 0); err != nil {
		l.t.Fatal(err)
	}
	client.Process.Signal(unix.SIGUSR2)
	l.told("deconfig")
	client.Process.Signal(unix.SIGUSR1)
}

// sockets counts those that see frames of the network.
func (l *link) sockets() int {
	l.t.Helper()
	var list []byte
	err := netns.Do(l.network, func() (err error) {
		list, err = os.ReadFile("/proc/thread-self/net/packet")
		return err
	})
	if err != nil {
		l.t.Fatal(err)
	}
	return strings.Count(string(list), "\n") - 1 // without the heading
}

// hasSockets waits until so many see frames of the network: a program that another test
// begins has all of this process until it is another program.
func (l *link) hasSockets(n int) {
	l.t.Helper()
	for deadline := time.Now().Add(wait); l.sockets() != n; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			l.t.Fatalf("%d sockets, want %d", l.sockets(), n)
		}
	}
}

// Who has another MAC address is not answered: on a LAN there are other servers for it.
func TestOthersAreNotAnswered(t *testing.T) {
	l := newLink(t)
	s := New()
	t.Cleanup(s.Close)
	port := l.port("10.0.1.50/24")
	port.MAC[5]++
	l.set(s, port)
	client := l.start("-n", "-q", "-t", "3")
	if err := client.Wait(); err == nil {
		text, _ := os.ReadFile(l.events)
		t.Errorf("a stranger has got a lease:\n%s", text)
	}
	if counts := s.Counts(); counts["ignored"] == 0 || counts["offer"]+counts["ack"] > 0 {
		t.Errorf("counts %v", counts)
	}
	l.hasSockets(1)
	l.set(s) // and nobody any more
	l.hasSockets(0)
	s.Close()
	if s.Set(nil) == nil {
		t.Error("a closed service is set")
	}
}
