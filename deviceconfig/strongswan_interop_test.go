package deviceconfig

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"causeway.dev/internal/netlab"
	"causeway.dev/resource"
)

// A site is a customer gateway with a host behind it and two gateways on the
// other side, each with the same instance:
//
//	host ------- cgw ======== internet ======== gw1, gw2
//	192.168.1.10  198.51.100.7      203.0.113.10, 203.0.113.11; both 10.0.1.10
//
// So an answer comes from the gateway that the question went through, and needs
// no routing there.
type site struct {
	t                   *testing.T
	lab                 *netlab.Lab
	host, cgw, internet *netlab.Host
	gateways            [2]*netlab.Host
	config              Config
	script              string
}

// newLab returns a lab for tests with real strongSwan.
func newLab(t *testing.T) *netlab.Lab {
	t.Helper()
	if testing.Short() {
		t.Skip("real strongSwan takes seconds")
	}
	t.Parallel()
	lab := netlab.New(t, "swanctl", "nft", "ping", "unshare", "flock", "bash")
	if _, err := os.Stat(netlab.CharonProgram); err != nil {
		t.Skipf("strongSwan's charon is not installed: %v", err)
	}
	return lab
}

func newSite(t *testing.T, change ...func(*resource.VPNConnection)) *site {
	t.Helper()
	lab := newLab(t)
	s := &site{t: t, lab: lab, host: lab.Host("host"), cgw: lab.Host("cgw").Forward(), internet: lab.Host("net").Forward()}
	lab.Connect(s.host, "eth0", "192.168.1.10/24", s.cgw, "lan0", "192.168.1.1/24")
	lab.Connect(s.cgw, "wan0", "198.51.100.7/24", s.internet, "cgw", "198.51.100.1/24")
	s.host.Run("ip", "route", "add", "default", "via", "192.168.1.1")
	s.cgw.Run("ip", "route", "add", "default", "via", "198.51.100.1")

	// An id of its own, since what the script keeps on the host goes by it.
	config := newConfig(t, func(c *resource.VPNConnection) {
		c.ID = fmt.Sprintf("vpn-%017x", time.Now().UnixNano())
		for _, f := range change {
			f(c)
		}
	})
	s.config = config
	for i, tunnel := range config.Tunnels {
		s.gateways[i] = s.startGateway(config, tunnel)
	}
	device, ok := Find("5a0e4c12")
	if !ok {
		t.Fatal("the user-space strongSwan has another id")
	}
	sample, err := device.Sample(config, Recommended)
	if err != nil {
		t.Fatal(err)
	}
	s.script = lab.File("vpn.sh", sample)
	t.Cleanup(func() {
		if out, err := s.cgw.Try("bash", s.script, "down"); err != nil {
			t.Errorf("down: %v\n%s", err, out)
		}
	})
	return s
}

// startGateway runs the other end of a tunnel: one charon with user-space ESP,
// its packets told from those that it encrypts by a mark.
func (s *site) startGateway(config Config, tunnel Tunnel) *netlab.Host {
	s.t.Helper()
	name := fmt.Sprintf("gw%d", tunnel.Number)
	g := s.lab.Host(name)
	s.lab.Connect(g, "wan0", tunnel.CloudOutside.String()+"/32", s.internet, name, "203.0.113.1/32")
	s.internet.Run("ip", "route", "add", tunnel.CloudOutside.String(), "dev", name)
	g.Run("ip", "route", "add", "203.0.113.1", "dev", "wan0")
	g.Run("ip", "route", "add", "default", "via", "203.0.113.1")
	g.Run("ip", "addr", "add", "10.0.1.10/32", "dev", "lo")

	g.StartCharon(fmt.Sprintf(`connections { tunnel {
  version = 2
  local_addrs = %[1]s
  proposals = aes256-sha256-modp2048
  dpd_delay = 10s
  local { auth = psk
    id = %[1]s }
  remote { auth = psk
    id = %[2]s }
  children { tunnel {
    local_ts = 0.0.0.0/0
    remote_ts = 0.0.0.0/0
    esp_proposals = aes256-sha256-modp2048
  } }
} }
secrets { ike { id = %[2]s
  secret = "%[3]s" } }
`, tunnel.CloudOutside, config.CustomerAddress, tunnel.PreSharedKey.Reveal()))
	return g
}

func (s *site) up() string {
	s.t.Helper()
	begin := time.Now()
	out, err := s.cgw.Try("env", "VPN_UP_TIMEOUT=10", "bash", s.script, "up")
	if err != nil {
		s.t.Fatalf("up: %v\n%s", err, out)
	}
	s.t.Logf("both tunnels up after %v", time.Since(begin).Round(time.Millisecond))
	return out
}

// status is what the script says of its tunnels.
func (s *site) status() string {
	s.t.Helper()
	return s.cgw.Run("bash", s.script, "status")
}

func (s *site) ping() error {
	out, err := s.host.Try("ping", "-c", "1", "-W", "1", "10.0.1.10")
	if err != nil {
		return fmt.Errorf("ping: %w\n%s", err, out)
	}
	return nil
}

// eventually waits until f succeeds.
func (s *site) eventually(what string, within time.Duration, f func() bool) {
	s.t.Helper()
	begin := time.Now()
	for !f() {
		if time.Since(begin) > within {
			s.t.Fatalf("%s: not within %v. Status:\n%s", what, within, s.status())
		}
		time.Sleep(50 * time.Millisecond)
	}
	s.t.Logf("%s: after %v", what, time.Since(begin).Round(time.Millisecond))
}

func (s *site) carries(tunnel int) bool {
	return strings.Contains(s.status(), fmt.Sprintf("tunnel %d to %s is UP", tunnel, s.gatewayAddress(tunnel))) &&
		strings.Contains(lineOf(s.status(), fmt.Sprintf("tunnel %d ", tunnel)), "carries the traffic")
}

func (s *site) gatewayAddress(tunnel int) string { return fmt.Sprintf("203.0.113.%d", 9+tunnel) }

func lineOf(text, part string) string {
	for line := range strings.Lines(text) {
		if strings.Contains(line, part) {
			return line
		}
	}
	return ""
}

// TestUserSpaceSampleFailsOver runs the downloaded script untouched: tunnel 1 is
// preferred, tunnel 2 takes over while the underlay drops tunnel 1, and tunnel 1
// comes back; afterwards nothing of it is left.
func TestUserSpaceSampleFailsOver(t *testing.T) {
	s := newSite(t)
	before := s.cgw.Run("ip", "-4", "route") + s.cgw.Run("ip", "rule") + s.cgw.Run("nft", "list", "ruleset")
	s.up()
	if !s.carries(1) {
		t.Fatalf("tunnel 1 does not carry the traffic:\n%s", s.status())
	}
	if err := s.ping(); err != nil {
		t.Fatal(err)
	}
	for _, size := range []string{"1372", "1373", "1400", "1472", "3000"} { // up to the device's MTU, and in fragments
		if out, err := s.host.Try("ping", "-n", "-c", "1", "-W", "1", "-M", "dont", "-s", size, "10.0.1.10"); err != nil {
			t.Errorf("a ping of %s octets: %v\n%s", size, err, out)
		}
	}
	if again := s.up(); !strings.Contains(again, "tunnel 2") {
		t.Errorf("up a second time says %q", again)
	}

	s.internet.Run("nft", "add table ip block; add chain ip block forward { type filter hook forward priority 0; }; "+
		"add rule ip block forward ip daddr 203.0.113.10 drop; add rule ip block forward ip saddr 203.0.113.10 drop")
	s.eventually("traffic moves to tunnel 2", 30*time.Second, func() bool { return s.ping() == nil && s.carries(2) })
	s.internet.Run("nft", "delete", "table", "ip", "block")
	s.eventually("traffic comes back to tunnel 1", 30*time.Second, func() bool { return s.ping() == nil && s.carries(1) })

	s.cgw.Run("bash", s.script, "down")
	if err := s.ping(); err == nil {
		t.Error("the VPC answers although both tunnels are down")
	}
	if after := s.cgw.Run("ip", "-4", "route") + s.cgw.Run("ip", "rule") + s.cgw.Run("nft", "list", "ruleset"); after != before {
		t.Errorf("down leaves something behind. Before:\n%s\nafter:\n%s", before, after)
	}
	if pids, err := exec.Command("ip", "netns", "pids", s.cgw.Name).Output(); err != nil || len(pids) > 0 {
		t.Errorf("processes are left: %s (%v)", pids, err)
	}
}

// TestUserSpaceSampleHoldsOneTunnelDown: for maintenance one tunnel is taken
// down by hand, stays so, and comes back by hand.
func TestUserSpaceSampleHoldsOneTunnelDown(t *testing.T) {
	s := newSite(t)
	s.up()
	s.cgw.Run("bash", s.script, "down", "1")
	s.eventually("tunnel 2 carries the traffic", 30*time.Second, func() bool { return s.carries(2) })
	for range 3 { // longer than the watcher's second
		time.Sleep(time.Second)
		if err := s.ping(); err != nil {
			t.Error(err)
		}
	}
	if status := s.status(); !strings.Contains(status, "held down") {
		t.Errorf("tunnel 1 is not held down:\n%s", status)
	}
	s.cgw.Run("bash", s.script, "up", "1")
	if !s.carries(1) {
		t.Errorf("tunnel 1 does not carry the traffic again:\n%s", s.status())
	}
	s.cgw.Run("bash", s.script, "down")
}

// TestUserSpaceSampleNeverLeaks: without a tunnel nothing goes to the VPC in
// clear, and up says which tunnel is down and why.
func TestUserSpaceSampleNeverLeaks(t *testing.T) {
	s := newSite(t)
	s.up()
	for n := range s.gateways {
		s.internet.Run("ip", "route", "replace", "blackhole", s.gatewayAddress(n+1))
	}
	s.eventually("both tunnels are down", 30*time.Second, func() bool { return strings.Count(s.status(), "DOWN") == 2 })
	if out := s.cgw.Run("ip", "-4", "route", "show", "10.0.0.0/16"); !strings.HasPrefix(out, "unreachable") {
		t.Errorf("route to the VPC while no tunnel is up: %q", out)
	}
}

// TestUserSpaceSampleRestartsCharon: the watcher replaces a charon that died.
func TestUserSpaceSampleRestartsCharon(t *testing.T) {
	s := newSite(t)
	s.up()
	pid := strings.TrimSpace(s.cgw.Run("bash", "-c", "cat /var/lib/causeway-vpn/"+s.connection()+"/1/pid"))
	s.cgw.Run("kill", "-KILL", pid)
	s.eventually("another charon carries tunnel 1", 30*time.Second, func() bool {
		now, err := os.ReadFile("/var/lib/causeway-vpn/" + s.connection() + "/1/pid")
		return err == nil && strings.TrimSpace(string(now)) != pid && s.carries(1) && s.ping() == nil
	})
}

// TestUserSpaceSampleWithWrongKey: up fails and shows what charon said.
func TestUserSpaceSampleWithWrongKey(t *testing.T) {
	s := newSite(t)
	script, err := os.ReadFile(s.script)
	if err != nil {
		t.Fatal(err)
	}
	s.script = s.lab.File("wrong.sh", strings.ReplaceAll(string(script), "EXAMPLE_psk_tunnel_two.0002", "another_key"))
	out, err := s.cgw.Try("env", "VPN_UP_TIMEOUT=2", "bash", s.script, "up")
	if err == nil || !strings.Contains(out, "tunnel 1 to 203.0.113.10 is UP") || !strings.Contains(out, "AUTHENTICATION_FAILED") {
		t.Errorf("up with a wrong key for tunnel 2: %v\n%s", err, out)
	}
}

// TestUserSpaceSampleWithBGP runs the script of a dynamic connection and the frr.conf
// beside it, both untouched: the tunnels have their inside addresses, the routes are
// those that BIRDs in our place tell, and they follow the tunnels long before the hold
// time is over. FRR and BIRD alike, since they notice it in different ways.
func TestUserSpaceSampleWithBGP(t *testing.T) {
	for _, r := range routers {
		t.Run(r.vendor, func(t *testing.T) { userSpaceSampleWithBGP(t, r) })
	}
}

func userSpaceSampleWithBGP(t *testing.T, r router) {
	s := newSite(t, withBGP)
	before := s.cgw.Run("ip", "-4", "route") + s.cgw.Run("ip", "rule") + s.cgw.Run("nft", "list", "ruleset")
	s.up()
	for i, tunnel := range s.config.Tunnels {
		s.gateways[i].Forward()
		s.gateways[i].Run("ip", "addr", "add", tunnel.CloudInside.String()+"/30", "dev", "ipsec0")
		if s.cgw.Ping(tunnel.CloudInside.String(), 2, "0.2") != 2 {
			t.Errorf("our inside address of tunnel %d does not answer", i+1)
		}
	}
	if out, err := s.cgw.Try("ip", "route", "get", "10.0.1.10"); err == nil {
		t.Errorf("there is a way to the VPC before BGP: %s", out)
	}
	for i, tunnel := range s.config.Tunnels {
		s.gateways[i].StartBIRD(fmt.Sprintf(ourSide, tunnel.CloudInside, tunnel.CustomerInside, tunnel.Number))
	}
	stop := r.start(s.cgw, sampleOf(t, r.vendor, s.config))
	by := func(tunnel int) bool {
		device, err := os.ReadFile(fmt.Sprintf("/var/lib/causeway-vpn/%s/%d/device", s.connection(), tunnel))
		return err == nil && strings.Contains(s.cgw.Run("ip", "-4", "route", "show", "10.0.0.0/16"), "dev "+strings.TrimSpace(string(device))) && s.ping() == nil
	}
	s.eventually("BGP leads through tunnel 1", 30*time.Second, func() bool { return by(1) })
	s.internet.Run("ip", "route", "replace", "blackhole", s.gatewayAddress(1))
	s.eventually("BGP leads through tunnel 2", 20*time.Second, func() bool { return by(2) })
	s.internet.Run("ip", "route", "replace", "blackhole", s.gatewayAddress(2))
	s.eventually("nothing leads to the VPC", 20*time.Second, func() bool {
		_, err := s.cgw.Try("ip", "route", "get", "10.0.1.10")
		return err != nil
	})
	for i := range s.gateways {
		s.internet.Run("ip", "route", "replace", s.gatewayAddress(i+1), "dev", fmt.Sprintf("gw%d", i+1))
	}
	s.eventually("BGP leads through tunnel 1 again", 40*time.Second, func() bool { return by(1) })

	stop()
	s.cgw.Run("bash", s.script, "down")
	if after := s.cgw.Run("ip", "-4", "route") + s.cgw.Run("ip", "rule") + s.cgw.Run("nft", "list", "ruleset"); after != before {
		t.Errorf("down leaves something behind. Before:\n%s\nafter:\n%s", before, after)
	}
}

// TestKernelSampleLoads: strongSwan knows all options of the sample for IPsec in
// the kernel. It can't be run here, where the kernel has none.
func TestKernelSampleLoads(t *testing.T) {
	lab := newLab(t)
	device, ok := Find("5a0e4c11")
	if !ok {
		t.Fatal("strongSwan with IPsec in the kernel has another id")
	}
	for i, config := range []Config{newConfig(t, nil), newConfig(t, withBGP)} {
		sample, err := device.Sample(config, Recommended)
		if err != nil {
			t.Fatal(err)
		}
		lab.Host(fmt.Sprintf("cgw%d", i)).StartCharon(sample)
	}
}

// connection is the id in the script.
func (s *site) connection() string {
	s.t.Helper()
	script, err := os.ReadFile(s.script)
	if err != nil {
		s.t.Fatal(err)
	}
	return strings.TrimPrefix(strings.TrimSpace(lineOf(string(script), "connection=vpn-")), "connection=")
}
