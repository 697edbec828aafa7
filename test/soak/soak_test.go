// Package soak has many tunnels of one daemon stand for a while, all of them
// renewed every minute, and compares what it costs to set them up and to keep them
// with strongSwan. The peer of either is a program that speaks for all customers.
//
//	10.110.0.0 and so on          192.0.2.2
//	 load ─────────── veth ─────── daemon: ours, or charon
//
// Each customer has an outside address of its own, an identity and a network.
package soak

import (
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"causeway.dev/internal/netlab"
)

var (
	soakDuration = flag.Duration("soak", 0, "let TestSoak run for so long, for example 5m; without it, the test is skipped")
	tunnels      = flag.Int("tunnels", 500, "of TestSoak")
	resultsFile  = flag.String("results", "", "write what TestSoak has found to this file, as JSON")
)

const (
	loadAddress, daemonAddress = "192.0.2.1", "192.0.2.2"
	customers                  = "10.110.0.0/16" // outside
	loadBehind, daemonBehind   = "10.101.0.0/16", "10.102.0.0/16"
	secret                     = "a.key.for.benchmarks"
)

// Lifetimes by which our side renews both kinds of SA about once a minute: the
// margin, and up to as much again, before their end.
var renewing = []string{"-ike-lifetime", "76s", "-child-lifetime", "72s", "-rekey-margin", "8s"}

// A group is what handshakes are measured with.
type group struct{ ours, theirs string }

var groups = []group{{"group19", "ecp256"}, {"group14", "modp2048"}}

// cost is what is found out about a daemon.
type cost struct {
	Daemon string `json:"daemon"`
	Group  string `json:"group"`

	SetupSeconds       float64 `json:"setup_seconds"`
	HandshakesASecond  float64 `json:"handshakes_a_second"`
	CPUMillisPerTunnel float64 `json:"cpu_ms_a_handshake"` // the daemon's
	EmptyMiB           float64 `json:"configured_mib"`     // resident with the configuration, before the first packet
	FullMiB            float64 `json:"full_mib"`           // with all tunnels up
	KiBPerTunnel       float64 `json:"kib_a_tunnel"`       // what came with the tunnels
}

// standing is how a soak went.
type standing struct {
	Tunnels    int     `json:"tunnels"`
	Seconds    float64 `json:"seconds"`
	Downs      int     `json:"downs"`
	IKE        int64   `json:"ike_rekeys"`
	Child      int64   `json:"child_rekeys"`
	PingsSent  int     `json:"pings_sent"`
	PingsLost  int     `json:"pings_lost"`
	MiB        []int   `json:"resident_mib"` // at even distances of time
	CPUPercent float64 `json:"cpu_percent"`  // of one processor
}

// results is what TestSoak writes.
type results struct {
	Machine string    `json:"machine"`
	Costs   []cost    `json:"costs"`
	Soak    *standing `json:"soak,omitempty"`
}

// Given 500 tunnels on one daemon, then they come up, and stay up while both kinds
// of SA of all of them are renewed every minute; no ping is lost, and memory stays.
func TestSoak(t *testing.T) {
	if *soakDuration == 0 {
		t.Skip("-soak gives no time")
	}
	program := filepath.Join(t.TempDir(), "gateway")
	build := exec.Command("go", "build", "-o", program, "causeway.dev/test/bench/gateway")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	all := results{Machine: fmt.Sprintf("%d processors, %s/%s, %s", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version())}
	for _, g := range groups {
		t.Run("costs_"+g.ours, func(t *testing.T) {
			t.Run("ours", func(t *testing.T) { all.Costs = append(all.Costs, costOfOurs(t, program, g)) })
			t.Run("strongSwan", func(t *testing.T) { all.Costs = append(all.Costs, costOfCharon(t, program, g)) })
		})
	}
	t.Run("stand", func(t *testing.T) { all.Soak = stand(t, program) })
	fmt.Print(all)
	if *resultsFile != "" {
		text, err := json.MarshalIndent(all, "", "  ")
		if err == nil {
			err = os.WriteFile(*resultsFile, append(text, '\n'), 0o644)
		}
		if err != nil {
			t.Error(err)
		}
	}
}

func (r results) String() string {
	var text strings.Builder
	fmt.Fprintf(&text, "\n%s, %d tunnels\n\n| daemon | group | set up in, s | handshakes a second | daemon's CPU a handshake, ms | configured, MiB | all up, MiB | KiB a tunnel |\n|---|---|---|---|---|---|---|---|\n", r.Machine, *tunnels)
	for _, c := range r.Costs {
		fmt.Fprintf(&text, "| %s | %s | %.2f | %.0f | %.2f | %.1f | %.1f | %.1f |\n",
			c.Daemon, c.Group, c.SetupSeconds, c.HandshakesASecond, c.CPUMillisPerTunnel, c.EmptyMiB, c.FullMiB, c.KiBPerTunnel)
	}
	if s := r.Soak; s != nil {
		fmt.Fprintf(&text, "\n%d tunnels stood for %.0f s: %d downs, %d rekeys of IKE SAs, %d of child SAs, %d of %d pings lost, resident MiB %v, %.1f %% of a processor\n",
			s.Tunnels, s.Seconds, s.Downs, s.IKE, s.Child, s.PingsLost, s.PingsSent, s.MiB, s.CPUPercent)
	}
	return text.String()
}

// A bed is the topology above.
type bed struct {
	lab          *netlab.Lab
	load, daemon *netlab.Host
}

func newBed(t *testing.T) bed {
	lab := netlab.New(t)
	b := bed{lab, lab.Host("load"), lab.Host("daemon")}
	for _, h := range []*netlab.Host{b.load, b.daemon} {
		h.Run("sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1") // it would announce itself on each TUN
	}
	lab.Connect(b.load, "wan", loadAddress+"/24", b.daemon, "wan", daemonAddress+"/24")
	b.load.Run("ip", "route", "add", "local", loadBehind, "dev", "lo")
	b.load.Run("ip", "route", "add", "local", customers, "dev", "lo")
	b.daemon.Run("ip", "route", "add", customers, "via", loadAddress)
	b.daemon.Run("ip", "route", "add", "local", daemonBehind, "dev", "lo")
	b.daemon.Run("ip", "addr", "add", "10.102.255.1/32", "dev", "lo") // kernel-libipsec wants an address of its own behind it
	return b
}

// A gateway is a running program of ours.
type gateway struct {
	*netlab.Process
	lab *netlab.Lab
}

// gateway starts one side of all tunnels.
func (b bed) gateway(t *testing.T, program string, host *netlab.Host, name string, more ...string) gateway {
	local, remote, behind := daemonAddress, loadAddress, loadBehind
	if host == b.load {
		local, remote, behind = loadAddress, daemonAddress, daemonBehind
	}
	argv := append([]string{program, "-local", local, "-remote", remote, "-tunnels", fmt.Sprint(*tunnels), "-customers", customers, "-behind", behind, "-network", "10.200.0.0/24", "-report", "2s"}, more...)
	g := gateway{host.Start(name, argv...), b.lab}
	t.Cleanup(func() {
		g.Signal(15)
		time.Sleep(200 * time.Millisecond)
		// The kernel removes a group of devices at once, but one by one in minutes.
		_, _ = host.Try("ip", "link", "delete", "group", "1") // it may have none any more
		g.Kill()
	})
	return g
}

// report is what a gateway tells.
type report struct {
	Event      string
	Seconds    float64
	Up, Downs  int
	IKE, Child int64
}

// last returns the last report of an event.
func (g gateway) last(event string) (found report, ok bool) {
	for line := range strings.Lines(g.Log()) {
		var r report
		if json.Unmarshal([]byte(line), &r) == nil && r.Event == event {
			found, ok = r, true
		}
	}
	return found, ok
}

func (g gateway) wait(event string, most time.Duration) report {
	var r report
	g.lab.Eventually(most, "all tunnels are "+event, func() error {
		var ok bool
		if r, ok = g.last(event); !ok {
			return fmt.Errorf("not yet")
		}
		return nil
	})
	return r
}

// setUp begins with all tunnels and returns what it took the daemon.
func (b bed) setUp(t *testing.T, program, daemon string, pid int, g group) (cost, gateway) {
	time.Sleep(time.Second) // what is left of the daemon's start
	c := cost{Daemon: daemon, Group: g.ours, EmptyMiB: residentMiB(t, pid)}
	load := b.gateway(t, program, b.load, "load", "-start", "-ike", "aes128-sha256-"+g.ours, "-esp", "aes128gcm16-"+g.ours)
	load.wait("configured", time.Minute)
	used := processorTime(t, pid)
	c.SetupSeconds = load.wait("up", 2*time.Minute).Seconds
	n := float64(*tunnels)
	c.HandshakesASecond = n / c.SetupSeconds
	c.CPUMillisPerTunnel = (processorTime(t, pid) - used).Seconds() * 1000 / n
	c.FullMiB = residentMiB(t, pid)
	c.KiBPerTunnel = (c.FullMiB - c.EmptyMiB) * 1024 / n
	return c, load
}

func costOfOurs(t *testing.T, program string, g group) cost {
	b := newBed(t)
	ours := b.gateway(t, program, b.daemon, "ours", "-ike", "aes128-sha256-"+g.ours, "-esp", "aes128gcm16-"+g.ours)
	ours.wait("configured", time.Minute)
	c, _ := b.setUp(t, program, "ours", ours.Pid(), g)
	return c
}

func costOfCharon(t *testing.T, program string, g group) cost {
	b := newBed(t)
	charon := b.daemon.StartCharon(charonConnections(g),
		"dos_protection = no", "filelog { main { default = -1 } }", "init_limit_half_open = 0", "install_routes = no")
	c, _ := b.setUp(t, program, "strongSwan 5.9.8", charon.Pid(), g)
	return c
}

// charonConnections are the same tunnels for strongSwan.
func charonConnections(g group) string {
	var connections, secrets strings.Builder
	for i := range *tunnels {
		fmt.Fprintf(&connections, `t%[1]d {
  version = 2
  local_addrs = %[2]s
  remote_addrs = 10.110.%[5]d.%[6]d
  proposals = aes128-sha256-%[3]s
  rekey_time = 0
  unique = never
  local { auth = psk
          id = right%[1]d.example }
  remote { auth = psk
           id = left%[1]d.example }
  children { net { local_ts = %[4]s
                   remote_ts = 10.101.%[5]d.%[6]d/32
                   esp_proposals = aes128gcm16-%[3]s
                   rekey_time = 0 } }
}
`, i, daemonAddress, g.theirs, daemonBehind, i>>8, i&255)
		fmt.Fprintf(&secrets, "ike-t%[1]d { id-1 = left%[1]d.example\n id-2 = right%[1]d.example\n secret = %[2]s }\n", i, secret)
	}
	return "connections {\n" + connections.String() + "}\nsecrets {\n" + secrets.String() + "}\n"
}

// samples is how often memory is looked at.
const samples = 8

// pinged are tunnels with a ping through each.
const pinged = 20

// stand lets the tunnels of our daemon stand, renewed by it every minute.
func stand(t *testing.T, program string) *standing {
	b := newBed(t)
	ours := b.gateway(t, program, b.daemon, "ours", renewing...)
	ours.wait("configured", time.Minute)
	_, load := b.setUp(t, program, "ours", ours.Pid(), groups[0])
	s := &standing{Tunnels: *tunnels}
	count := int(soakDuration.Seconds() / 0.2)
	var pings []*netlab.Ping
	for i := range pinged {
		n := i * *tunnels / pinged
		pings = append(pings, b.load.StartPing(fmt.Sprintf("10.102.%d.%d", n>>8, n&255), "0.2", "-c", fmt.Sprint(count), "-I", fmt.Sprintf("10.101.%d.%d", n>>8, n&255)))
	}
	// What was garbage at the start is gone after the first renewal.
	before := load.wait("standing", 10*time.Second)
	used, begun := processorTime(t, ours.Pid()), time.Now()
	for i := range samples + 1 {
		time.Sleep(time.Until(begun.Add(*soakDuration * time.Duration(i) / samples)))
		s.MiB = append(s.MiB, int(math.Round(residentMiB(t, ours.Pid()))))
	}
	s.Seconds = time.Since(begun).Seconds()
	s.CPUPercent = (processorTime(t, ours.Pid()) - used).Seconds() / s.Seconds * 100
	after, _ := load.last("standing")
	downAtOurs, _ := ours.last("standing")
	s.Downs, s.IKE, s.Child = after.Downs+downAtOurs.Downs, after.IKE-before.IKE, after.Child-before.Child
	for _, p := range pings {
		sent, answered := p.Wait()
		s.PingsSent, s.PingsLost = s.PingsSent+sent, s.PingsLost+sent-answered
	}
	s.check(t, after.Up)
	return s
}

// check is what must be so.
func (s *standing) check(t *testing.T, up int) {
	if s.Downs != 0 || up != s.Tunnels {
		t.Errorf("tunnels went down %d times; %d of %d are up", s.Downs, up, s.Tunnels)
	}
	if s.PingsLost != 0 {
		t.Errorf("%d of %d pings were lost", s.PingsLost, s.PingsSent)
	}
	if rounds := int64(s.Seconds/75) * int64(s.Tunnels); s.IKE < rounds || s.Child < rounds {
		t.Errorf("%d rekeys of IKE SAs and %d of child SAs in %.0f s: less than one a tunnel in 75 s", s.IKE, s.Child, s.Seconds)
	}
	// The second half against the first renewals.
	half := len(s.MiB) / 2
	if first, second := slices.Max(s.MiB[1:half]), slices.Max(s.MiB[half:]); float64(second) > 1.15*float64(first)+4 {
		t.Errorf("memory grows: %v MiB", s.MiB)
	}
}

// residentMiB is a process's memory.
func residentMiB(t *testing.T, pid int) float64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var kB float64
		if n, _ := fmt.Sscanf(line, "VmRSS: %f kB", &kB); n == 1 {
			return kB / 1024
		}
	}
	t.Fatal("no VmRSS")
	return 0
}

// processorTime is what a process has used of processors, with the kernel's work in
// its context.
func processorTime(t *testing.T, pid int) (used time.Duration) {
	t.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(threads) == 0 {
		t.Fatalf("process %d has ended", pid)
	}
	for _, thread := range threads {
		var ns int64
		if text, err := os.ReadFile(thread); err == nil {
			if _, err := fmt.Sscan(string(text), &ns); err != nil {
				t.Fatalf("read %s: %v", thread, err)
			}
		}
		used += time.Duration(ns)
	}
	return used
}
