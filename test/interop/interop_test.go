// Package interop runs the engines against real peers in network namespaces:
// `causeway appliance` on our side, strongSwan or another appliance on the
// other.
//
//	192.168.0.1          192.0.2.10       203.0.113.1          10.0.0.1
//	 site's own ── peer ───────────── wire ───────────── ours ── our own
package interop

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"causeway.dev/appliance"
	"causeway.dev/internal/netlab"
)

const (
	peerAddress = "192.0.2.10"
	ourAddress  = "203.0.113.1"
	peerInside  = "192.168.0.1" // behind the peer
	ourInside   = "10.0.0.1"    // behind us
	key         = "interop.key.0123456789"
)

// program is causeway's executable.
var program string

// atOnce is how many labs there are at a time: most of a test is waiting, and two
// processors stay busy with so many.
const atOnce = "6"

func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", atOnce); err != nil {
		panic(err)
	}
	os.Exit(netlab.WithProgram(func(p string) int {
		program = p
		return m.Run()
	}))
}

// soon is how long a test waits for what follows at once, on a machine that does much
// else beside: it is less than a dead peer detection takes, by which most of it would
// come true as well.
const soon = 20 * time.Second

// A scene is the topology above.
type scene struct {
	lab             *netlab.Lab
	peer, wire, our *netlab.Host
}

func newScene(t *testing.T, tools ...string) scene {
	t.Helper()
	if testing.Short() {
		t.Skip("real peers take seconds")
	}
	lab := netlab.New(t, tools...)
	s := scene{lab: lab, peer: lab.Host("peer"), wire: lab.Host("wire").Forward(), our: lab.Host("ours")}
	lab.Connect(s.peer, "wan", peerAddress+"/24", s.wire, "peer", "192.0.2.1/24")
	lab.Connect(s.our, "wan", ourAddress+"/24", s.wire, "ours", "203.0.113.254/24")
	s.peer.Run("ip", "route", "add", "default", "via", "192.0.2.1")
	s.our.Run("ip", "route", "add", "default", "via", "203.0.113.254")
	s.peer.Run("ip", "addr", "add", peerInside+"/32", "dev", "lo")
	s.our.Run("ip", "addr", "add", ourInside+"/32", "dev", "lo")
	return s
}

// side is what tests vary of an appliance.
type side struct {
	local, remote string
	ike, esp      string
	key           string
	start         bool
	inside, route string
	more          string // further lines of the tunnel
}

func (s side) String() string {
	local := ""
	if s.local != "" {
		local = "local: " + s.local + "\n"
	}
	return fmt.Sprintf(`%stunnels:
  - name: vpn1
    remote: %s
    psk: %q
    ike_proposals: [%s]
    esp_proposals: [%s]
    start: %v
    inside: %s
    routes: [%s]
%s`, local, s.remote, s.key, s.ike, s.esp, s.start, s.inside, s.route, s.more)
}

// ours is our side as most tests have it.
func ours() side {
	return side{local: ourAddress, remote: peerAddress, ike: "aes128-sha256-group14", esp: "aes128gcm16-group14", key: key, inside: "169.254.10.1/30", route: "192.168.0.0/16"}
}

// theirs is an appliance in the peer's place.
func theirs() side {
	return side{local: peerAddress, remote: ourAddress, ike: "aes128-sha256-group14", esp: "aes128gcm16-group14", key: key, start: true, inside: "169.254.10.2/30", route: "10.0.0.0/16"}
}

// A gateway is a running appliance.
type gateway struct {
	*netlab.Process
	lab *netlab.Lab
}

func startAppliance(lab *netlab.Lab, host *netlab.Host, name string, config fmt.Stringer) gateway {
	file := lab.File(name+".yaml", config.String())
	return gateway{host.Start(name, program, "appliance", "--status", "--config", file), lab}
}

// state is the last that the appliance said of its tunnel.
func (g gateway) state() (last appliance.State) {
	for line := range strings.Lines(g.Log()) {
		var s appliance.State
		if json.Unmarshal([]byte(line), &s) == nil && s.Tunnel != "" {
			last = s
		}
	}
	return last
}

// waitUp waits until the tunnel is up, or down.
func (g gateway) waitUp(up bool, most time.Duration) {
	g.lab.Eventually(most, fmt.Sprintf("the tunnel is up: %v", up), func() error {
		if s := g.state(); s.Up != up || s.Tunnel == "" {
			return fmt.Errorf("%+v", s)
		}
		return nil
	})
}

// waitMessage waits for words in the tunnel's message.
func (g gateway) waitMessage(words string, most time.Duration) {
	g.lab.Eventually(most, "the message says "+words, func() error {
		if s := g.state(); !strings.Contains(s.Message, words) {
			return fmt.Errorf("it says %q", s.Message)
		}
		return nil
	})
}

func pings(t *testing.T, from *netlab.Host, source, target string) {
	t.Helper()
	if out, err := from.Try("ping", "-n", "-c", "3", "-i", "0.02", "-W", "2", "-I", source, target); err != nil {
		t.Errorf("ping: %v\n%s", err, out)
	}
}

func theirConnection(ike, esp string) connection {
	return connection{local: peerAddress, remote: ourAddress, ike: ike, esp: esp, localTS: "192.168.0.0/16", remoteTS: "10.0.0.0/16", key: key}
}

// masquerade makes the wire a NAT in front of the peer.
func (s scene) masquerade() {
	s.wire.Run("nft", "add table ip nat; add chain ip nat post { type nat hook postrouting priority 100; }; add rule ip nat post oifname ours masquerade")
}

// Given a NAT between two of ours, then both see it and ESP goes through UDP;
// without one it is IP protocol 50.
func TestEncapsulationFollowsTheNAT(t *testing.T) {
	t.Parallel()
	for _, nat := range []bool{false, true} {
		t.Run(fmt.Sprintf("nat_%v", nat), func(t *testing.T) {
			t.Parallel()
			s := newScene(t, "nft")
			s.wire.Run("nft", "add table ip seen; add chain ip seen passing { type filter hook forward priority 0; }; add rule ip seen passing ip protocol 50 counter; add rule ip seen passing udp dport 4500 counter")
			our := ours()
			if nat {
				s.masquerade()
				our.remote = "203.0.113.254"
				our.more = "    remote_id: " + peerAddress + "\n"
			}
			gw := startAppliance(s.lab, s.our, "ours", our)
			startAppliance(s.lab, s.peer, "theirs", theirs())
			gw.waitUp(true, soon)
			pings(t, s.our, ourInside, peerInside)
			pings(t, s.peer, peerInside, ourInside)
			esp := !strings.Contains(s.wire.Run("nft", "list", "chain", "ip", "seen", "passing"), "ip protocol esp counter packets 0 ")
			if esp == nat {
				t.Errorf("IP protocol 50 seen: %v, behind a NAT: %v; we say %q", esp, nat, gw.state().Message)
			}
		})
	}
}

// Given a ping through the tunnel, when strongSwan or we renew both kinds of
// SA every few seconds, then nothing is lost.
func TestRekeysLoseNothing(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name               string
		theirIKE, theirESP string
		more               string
	}{
		{"strongSwan renews", "7s", "3s", ""},
		{"we renew", "", "", "    ike_lifetime: 9s\n    child_lifetime: 5s\n    rekey_margin: 1s\n"},
		{"both renew", "7s", "4s", "    ike_lifetime: 9s\n    child_lifetime: 6s\n    rekey_margin: 1s\n"},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			our := ours()
			our.more = c.more
			gw := startAppliance(s.lab, s.our, "ours", our)
			theirs := theirConnection("aes128-sha256-modp2048", "aes128gcm16-modp2048")
			theirs.rekeyIKE, theirs.rekeyESP = c.theirIKE, c.theirESP
			peer := s.peer.StartCharon(theirs.String())
			if err := peer.Initiate("net"); err != nil {
				t.Fatal(err)
			}
			gw.waitUp(true, soon)
			// By count: one that is stopped has a request under way.
			sent, answered := s.peer.StartPing(ourInside, "0.02", "-I", peerInside, "-c", "900").Wait()
			if sent != answered || sent != 900 {
				t.Errorf("%d sent, %d answered", sent, answered)
			}
			if children := strings.Count(peer.Log(), "CHILD_SA net{"); children < 4 {
				t.Errorf("only %d lines of child SAs in charon's log: it was not rekeyed", children)
			}
			t.Logf("%d pings, none lost; IKE SAs %d, child SAs %d", sent, strings.Count(peer.Log(), "IKE_SA gw["), strings.Count(peer.Log(), "CHILD_SA net{"))
		})
	}
}

// Each fault has its sentence.
func TestStatusMessageSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		ours func(*side)
		peer func(*connection)
		want []string
	}{
		{"wrong key", nil, func(c *connection) { c.key = "another.key.0123456789" }, []string{"pre-shared key"}},
		{"wrong IKE proposal", nil, func(c *connection) { c.ike = "aes256-sha384-modp3072" }, []string{"offers", "AES-256/SHA-384/group 15", "accepts AES-128/SHA-256/group 14"}},
		{"wrong ESP proposal", nil, func(c *connection) { c.esp = "aes256-sha512" }, []string{"offers AES-256/SHA-512", "accepts AES-128-GCM-16"}},
		{"wrong selectors", func(s *side) { s.more = "    local_selectors: [10.9.0.0/16]\n" }, nil, []string{"selector", "10.0.0.0/16", "10.9.0.0/16"}},
		{"wrong identity", func(s *side) { s.more = "    remote_id: somebody.example\n" }, nil, []string{peerAddress, "somebody.example"}},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			our, their := ours(), theirConnection("aes128-sha256-modp2048", "aes128gcm16-modp2048")
			if c.ours != nil {
				c.ours(&our)
			}
			if c.peer != nil {
				c.peer(&their)
			}
			gw := startAppliance(s.lab, s.our, "ours", our)
			gw.waitMessage("no packet from "+peerAddress+" has arrived", soon)
			peer := s.peer.StartCharon(their.String())
			if err := peer.Initiate("net"); err == nil {
				t.Error("charon connected")
			}
			for _, words := range c.want {
				gw.waitMessage(words, soon)
			}
			t.Log(gw.state().Message)
		})
	}
}

// Given a tunnel under a ping, when 10,000 random packets a second hit both
// ports, then nothing is lost and memory stays.
func TestJunkFloodHarmsNothing(t *testing.T) {
	s := newScene(t)
	gw := startAppliance(s.lab, s.our, "ours", ours())
	peer := s.peer.StartCharon(theirConnection("aes128-sha256-modp2048", "aes128gcm16-modp2048").String())
	if err := peer.Initiate("net"); err != nil {
		t.Fatal(err)
	}
	gw.waitUp(true, soon)
	before := memoryKiB(t, gw.Pid())
	ping := s.peer.StartPing(ourInside, "0.02", "-I", peerInside, "-c", "450")
	sent, err := flood(s.wire, 10*time.Second, 10_000)
	if err != nil {
		t.Fatal(err)
	}
	pings, answered := ping.Wait()
	after := memoryKiB(t, gw.Pid())
	t.Logf("%d junk packets in 10 s; %d pings, %d answered; memory %d KiB before, %d after", sent, pings, answered, before, after)
	if pings != answered {
		t.Errorf("%d pings lost", pings-answered)
	}
	if sent < 50_000 {
		t.Errorf("only %d junk packets were sent", sent)
	}
	if after > before+32<<10 {
		t.Errorf("memory grew from %d to %d KiB", before, after)
	}
}

func memoryKiB(t *testing.T, pid int) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		var n int
		if got, _ := fmt.Sscanf(line, "VmRSS: %d kB", &n); got == 1 {
			return n
		}
	}
	t.Fatal("no VmRSS")
	return 0
}

// Given tunnels and routes, when SIGTERM comes, then the appliance leaves
// nothing behind.
func TestApplianceEndsCleanly(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	gw := startAppliance(s.lab, s.our, "ours", ours())
	other := startAppliance(s.lab, s.peer, "theirs", theirs())
	gw.waitUp(true, soon)
	if !strings.Contains(s.our.Run("ip", "route"), "192.168.0.0/16 dev vpn1") {
		t.Error("the route is not there while the tunnel is up")
	}
	gw.Signal(unix.SIGTERM)
	gw.Stop()
	if out := s.our.Run("ip", "-o", "link"); strings.Contains(out, "vpn1") {
		t.Errorf("the TUN is left:\n%s", out)
	}
	if out := s.our.Run("ip", "route"); strings.Contains(out, "192.168.0.0/16") {
		t.Errorf("the route is left:\n%s", out)
	}
	other.waitUp(false, soon) // it was told
}
