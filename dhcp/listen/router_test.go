package listen

import (
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"causeway.dev/dhcp/dhcp6"
	"causeway.dev/netfabric/netns"
)

// newLink6 is a link whose client speaks IPv6, and takes an address for its own at once.
func newLink6(t *testing.T) *link {
	t.Helper()
	for _, program := range []string{"dhclient", "rdisc6"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("there is no DHCPv6 client: %v", err)
		}
	}
	l := newLink(t)
	l.run(l.client, "ip link set eth0 down", "")
	l.run(l.client, "sysctl -q -w net.ipv6.conf.eth0.accept_dad=0", "")
	l.run(l.client, "ip link set eth0 up", "")
	l.says("ip -6 address show dev eth0 scope link -tentative", "fe80::", true) // now, and not in a moment
	return l
}

// port6 is what the client shall be told.
func (l *link) port6(addresses ...string) Port {
	p := l.port("10.0.1.50/24")
	p.IPv6 = &dhcp6.Lease{
		MAC: p.MAC, Subnet: netip.MustParsePrefix("2001:db8:0:1::/64"), Preferred: 4 * time.Second, Valid: time.Hour,
		Resolvers: []netip.Addr{netip.MustParseAddr("fd00:ec2::253")}, Domains: []string{"ec2.internal"}, MTU: 1400,
	}
	for _, a := range addresses {
		p.IPv6.Addresses = append(p.IPv6.Addresses, netip.MustParseAddr(a))
	}
	return p
}

// start6 starts Debian's DHCPv6 client, which tells each event with what it has learnt in
// a line, and sets its addresses.
func (l *link) start6() {
	l.t.Helper()
	dir := l.t.TempDir()
	script := filepath.Join(dir, "script")
	text := `#!/bin/sh
case $reason in
BOUND6 | RENEW6 | REBIND6) ip address replace $new_ip6_address/$new_ip6_prefixlen dev $interface ;;
EXPIRE6 | DEPREF6) ip address delete $cur_ip6_address/$cur_ip6_prefixlen dev $interface ;;
esac
echo "$reason ip=$new_ip6_address/$new_ip6_prefixlen preferred=$new_preferred_life valid=$new_max_life dns=$new_dhcp6_name_servers domain=$new_dhcp6_domain_search" >> ` + l.events + "\n"
	if err := os.WriteFile(script, []byte(text), 0o755); err != nil {
		l.t.Fatal(err)
	}
	cmd := exec.Command("dhclient", "-6", "-d", "-q", "-sf", script, "-lf", filepath.Join(dir, "leases"), "-pf", filepath.Join(dir, "pid"), "eth0")
	if err := netns.Do(l.client, cmd.Start); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
}

// output is what a command of the client says.
func (l *link) output(command string) (said string, err error) {
	f := strings.Fields(command)
	err = netns.Do(l.client, func() error {
		out, err := exec.Command(f[0], f[1:]...).Output()
		said = string(out)
		return err
	})
	return said, err
}

// says waits until a command of the client says something, or no more.
func (l *link) says(command, what string, want bool) {
	l.t.Helper()
	for deadline := time.Now().Add(wait); ; time.Sleep(20 * time.Millisecond) {
		said, err := l.output(command)
		if err == nil && strings.Contains(said, what) == want {
			return
		}
		if time.Now().After(deadline) {
			l.t.Fatalf("%s: %v, want %q: %v\n%s", command, err, what, want, said)
		}
	}
}

const defaultRoute = "ip -6 route show default"

// A real client gets the interface's addresses and all that goes with them, a real
// kernel its router, and both learn of changes.
func TestClientIsAnsweredByIPv6(t *testing.T) {
	t.Parallel()
	l := newLink6(t)
	s := New()
	t.Cleanup(s.Close)
	l.set(s, l.port6("2001:db8:0:1::50", "2001:db8:0:1::51"))
	l.start6()
	for _, address := range []string{"50", "51"} {
		l.told("BOUND6 ip=2001:db8:0:1::" + address + "/128 preferred=4 valid=3600 dns=fd00:ec2::253 domain=ec2.internal.")
	}
	l.says(defaultRoute, "default via fe80::1 dev eth0 proto ra", true)
	l.says("ip -6 route", "2001:db8:0:1::/64", false) // nobody in the subnet is a neighbour

	// It is found again, by a host that asks under the address that it made for its link.
	for deadline := time.Now().Add(wait); s.Counts()["neighbour-advertisement"] == 0; {
		if time.Now().After(deadline) {
			t.Fatal("the host does not ask who its router is")
		}
		l.run(l.client, "ip -6 neigh flush to fe80::1 dev eth0", "")
		_, _ = l.output("ping -c 1 -W 1 -I eth0 fe80::1") // the network's filters drop the ping
	}
	l.says("ip -6 neigh show fe80::1 dev eth0", "lladdr", true)
	counts := s.Counts()
	if counts["advertise"] == 0 || counts["reply"] == 0 || counts["router-advertisement"] == 0 {
		t.Errorf("counts %v", counts)
	}

	l.set(s, l.port6("2001:db8:0:1::51", "2001:db8:0:1::52"))
	l.told("ip=2001:db8:0:1::52/128")
	l.says("ip -6 address show dev eth0", "2001:db8:0:1::50/128", false)

	none := l.port6()
	l.set(s, none)
	l.says(defaultRoute, "default", false)
	l.says("ip -6 address show dev eth0", "2001:db8", false)

	none.IPv6 = nil // the network speaks no IPv6 any more
	l.set(s, none)
	l.hasSockets(1)
	l.set(s, l.port6("2001:db8:0:1::53"))
	l.says(defaultRoute, "default via fe80::1", true)
	l.told("ip=2001:db8:0:1::53/128")
}

// What solicitations are answered, as Debian's program reads it.
func TestRouterIsDiscovered(t *testing.T) {
	t.Parallel()
	l := newLink6(t)
	s := New()
	t.Cleanup(s.Close)
	l.set(s, l.port6("2001:db8:0:1::50"))
	said, err := l.output("rdisc6 -1 -r 30 eth0")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"Hop limit *: *64 ", "Stateful address conf. *: *Yes", "Stateful other conf. *: *Yes", "Router lifetime *: *9000 ", "MTU *: *1400 ",
		"Prefix *: 2001:db8:0:1::/64", "On-link *: *No", "Autonomous address conf.: *No", "Recursive DNS server *: fd00:ec2::253", "DNS search list *: ec2.internal",
	} {
		if !regexp.MustCompile(want).MatchString(said) {
			t.Errorf("it does not say %q:\n%s", want, said)
		}
	}
}

// Who has another MAC address is told nothing: neither addresses nor a router.
func TestOthersAreNotToldOfIPv6(t *testing.T) {
	t.Parallel()
	l := newLink6(t)
	s := New()
	t.Cleanup(s.Close)
	port := l.port6("2001:db8:0:1::50")
	port.IPv6.MAC[5]++
	l.set(s, port)
	l.start6()
	for deadline := time.Now().Add(wait); s.Counts()["ignored"] < 2; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the client asks nothing: %v", s.Counts())
		}
	}
	if said, err := l.output("rdisc6 -1 -r 2 -w 500 eth0"); err == nil {
		t.Errorf("a stranger is told\n%s", said)
	}
	if counts := s.Counts(); counts["advertise"]+counts["reply"]+counts["neighbour-advertisement"] > 0 {
		t.Errorf("counts %v", counts)
	}
	l.says(defaultRoute, "default", false)
	l.says("ip -6 address show dev eth0", "2001:db8", false)
	l.hasSockets(2)
	l.set(s) // and nobody any more
	l.hasSockets(0)
}
