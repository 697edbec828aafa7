package netfabric

import (
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// closedSite is site with a group that lets nothing in, and tunnel 1 up.
func closedSite() Config {
	c := site()
	c.Networks[0].Groups[0].Rules = []FilterRule{allOut}
	return c
}

// TestTooBigFromATunnelIsLearned proves that what a tunnel says about the size of
// packets, as an ICMP error under the far side's inside address, reaches the
// instance through a group that lets nothing in.
func TestTooBigFromATunnelIsLearned(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.apply(closedSite())
	file := l.openTUN("vgw-1", "vpn-1/1")
	if err := l.SetTunnelUp(t.Context(), "vpn-1/1", true); err != nil {
		t.Fatal(err)
	}
	var fd int
	l.in("i-1", func() (err error) {
		fd, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		return err
	})
	defer unix.Close(fd)
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DO); err != nil {
		t.Fatal(err)
	}
	if err := unix.Connect(fd, &unix.SockaddrInet4{Port: 9, Addr: [4]byte{192, 168, 1, 1}}); err != nil {
		t.Fatal(err)
	}
	unix.Write(fd, make([]byte, 1300))
	file.SetReadDeadline(time.Now().Add(wait))
	packet := make([]byte, 2000)
	if n, err := file.Read(packet); err != nil || n != 1328 {
		t.Fatalf("read a packet of %d bytes, %v, want 1328", n, err)
	}
	const mtu = 1290
	answer := make([]byte, 20+8+28)
	copy(answer, []byte{0x45, 0, 0, byte(len(answer)), 0, 1, 0, 0, 64, 1, 0, 0, 169, 254, 10, 2, 10, 0, 1, 4, 3, 4})
	binary.BigEndian.PutUint16(answer[26:], mtu)
	copy(answer[28:], packet[:28])
	checksum(answer[:20], 10)
	checksum(answer[20:], 2)
	if _, err := file.Write(answer); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(wait); ; time.Sleep(time.Millisecond) {
		learned, err := unix.GetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MTU)
		if err == nil && learned == mtu {
			return
		}
		if time.Now().After(deadline) {
			drops, _ := l.Drops("vpc-1")
			t.Fatalf("path MTU is %d, %v, want %d; drops %v", learned, err, mtu, drops)
		}
	}
}

// TestHopsAnswer proves that each router on the way says so when a packet's time
// to live ends there, as traceroute asks it to.
func TestHopsAnswer(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.apply(closedSite())
	reflectPings(l.openTUN("vgw-1", "vpn-1/1"))
	if err := l.SetTunnelUp(t.Context(), "vpn-1/1", true); err != nil {
		t.Fatal(err)
	}
	for ttl, hop := range map[string]string{"1": "From 10.0.1.1 ", "2": "From 169.254."} {
		said := l.output("i-1", "sh", "-c", "ping -n -c 1 -W 1 -t "+ttl+" 192.168.1.1 || true")
		if !strings.Contains(said, hop) || !strings.Contains(said, "Time to live exceeded") {
			t.Errorf("with a time to live of %s want %q:\n%s", ttl, hop, said)
		}
	}
}

// TestHostsSettingsDoNotMatter gives a router the settings of a hardened host,
// which new namespaces inherit.
func TestHostsSettingsDoNotMatter(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	c := twoInstances()
	l.apply(c)
	l.output("vpc-1", "sysctl", "-qw", "net.ipv4.conf.all.arp_ignore=2", "net.ipv4.conf.all.arp_filter=1", "net.ipv4.conf.all.accept_source_route=1")
	c.Networks[0].Interfaces = append(c.Networks[0].Interfaces, port("i-3", "10.0.2.4", "sg-open"))
	l.apply(c)
	l.mustPing("i-1", "10.0.2.4")
	if said := l.output("vpc-1", "sysctl", "-n", "net.ipv4.conf.all.accept_source_route"); strings.TrimSpace(said) != "0" {
		t.Errorf("accept_source_route is %s", said)
	}
}

// TestNoIPv6LeavesAnInstance proves that instances do not see each other's or a
// router's IPv6, which no group filters yet.
func TestNoIPv6LeavesAnInstance(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.apply(twoInstances())
	if said := l.output("vpc-1", "ip", "-6", "address", "show"); said != "" {
		t.Errorf("the router has IPv6 addresses:\n%s", said)
	}
	said := l.output("i-1", "sh", "-c", "ping -6 -n -c 2 -i 0.1 -W 0.3 ff02::1%eth0 || true")
	if strings.Contains(said, "DUP") || strings.Count(said, "bytes from") > 2 {
		t.Errorf("others answer on the link:\n%s", said)
	}
}
