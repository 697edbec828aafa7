// Package netlab builds small networks of namespaces for tests: hosts with
// links between them, commands run inside, everything removed at the end, also
// when the test fails. Names carry a random part, so that tests can run side by
// side.
package netlab

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"causeway.dev/netfabric/netns"
)

// A Lab is the network of one test.
type Lab struct {
	t      testing.TB
	prefix string
	dir    string
}

// New returns an empty lab, or skips the test where the machine can't have one:
// it needs root, network namespaces, and the tools given.
func New(t testing.TB, tools ...string) *Lab {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root to make network namespaces")
	}
	for _, tool := range append([]string{"ip"}, tools...) {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed: make setup", tool)
		}
	}
	return &Lab{t: t, prefix: fmt.Sprintf("cwt%06x", rand.Uint32()&0xffffff), dir: t.TempDir()}
}

// Dir is a directory for the test's files.
func (l *Lab) Dir() string { return l.dir }

// File writes a file into Dir, readable by root only, and returns its name.
func (l *Lab) File(name, content string) string {
	l.t.Helper()
	path := filepath.Join(l.dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		l.t.Fatal(err)
	}
	return path
}

// A Host is one namespace.
type Host struct {
	lab  *Lab
	Name string // of the namespace
}

// Host makes a namespace with its loopback up.
func (l *Lab) Host(name string) *Host {
	l.t.Helper()
	h := &Host{lab: l, Name: l.prefix + "-" + name}
	if err := netns.Create(h.Name); err != nil {
		l.t.Fatalf("make host %s: %v", name, err)
	}
	l.t.Cleanup(func() {
		if err := netns.Delete(h.Name); err != nil {
			l.t.Errorf("remove host %s: %v", name, err)
		}
	})
	h.Run("ip", "link", "set", "lo", "up")
	h.Run("sysctl", "-qw", "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0")
	return h
}

// Find returns a host whose namespace something else makes and removes.
func (l *Lab) Find(namespace string) *Host { return &Host{lab: l, Name: namespace} }

// Connect joins two hosts by a veth. Each end has a name and an address with
// its length, such as "192.0.2.1/24"; an empty address leaves the end without.
func (l *Lab) Connect(a *Host, aLink, aAddress string, b *Host, bLink, bAddress string) {
	l.t.Helper()
	l.run("ip", "link", "add", aLink, "netns", a.Name, "type", "veth", "peer", "name", bLink, "netns", b.Name)
	for _, end := range []struct {
		host          *Host
		link, address string
	}{{a, aLink, aAddress}, {b, bLink, bAddress}} {
		if end.address != "" {
			end.host.Run("ip", "addr", "add", end.address, "dev", end.link)
		}
		end.host.Run("ip", "link", "set", end.link, "up")
	}
}

// Forward lets the host route.
func (h *Host) Forward() *Host {
	h.lab.t.Helper()
	h.Run("sysctl", "-qw", "net.ipv4.ip_forward=1")
	return h
}

// Run runs a command inside the host and returns what it wrote; the test ends
// if it fails.
func (h *Host) Run(argv ...string) string {
	h.lab.t.Helper()
	return h.lab.run(h.inside(argv)...)
}

// Try runs a command inside the host, as [Output] does.
func (h *Host) Try(argv ...string) (string, error) { return h.lab.try(h.inside(argv)...) }

// Do calls f on a thread inside the host: sockets that it opens belong there.
func (h *Host) Do(f func() error) error { return netns.Do(h.Name, f) }

func (h *Host) inside(argv []string) []string {
	return append([]string{"ip", "netns", "exec", h.Name}, argv...)
}

// Ping sends count echo requests at the interval in seconds, and returns how
// many were answered.
func (h *Host) Ping(target string, count int, interval string) (answered int) {
	h.lab.t.Helper()
	p := h.StartPing(target, interval, "-c", fmt.Sprint(count))
	_, answered = p.Wait()
	return answered
}

// A Process runs until the test ends or Stop is called.
type Process struct {
	lab  *Lab
	cmd  *exec.Cmd
	out  *os.File
	done bool
}

// Start runs a command inside the host in the background; Log is what it writes.
func (h *Host) Start(name string, argv ...string) *Process {
	h.lab.t.Helper()
	return h.lab.start(name, h.inside(argv)...)
}

// Start runs a command outside of all hosts in the background.
func (l *Lab) Start(name string, argv ...string) *Process {
	l.t.Helper()
	return l.start(name, argv...)
}

func (l *Lab) start(name string, argv ...string) *Process {
	l.t.Helper()
	out, err := os.CreateTemp(l.dir, name+"-*.log")
	if err != nil {
		l.t.Fatal(err)
	}
	p := &Process{lab: l, cmd: exec.Command(argv[0], argv[1:]...), out: out}
	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		l.t.Fatalf("start %s: %v", name, err)
	}
	l.t.Cleanup(func() {
		p.Stop()
		if l.t.Failed() {
			l.t.Logf("%s said:\n%s", name, tail(p.Log(), 60))
		}
		out.Close()
	})
	return p
}

// Pid is the process's id; of a command inside a host, that of the command
// itself.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Log returns what the process has written so far.
func (p *Process) Log() string {
	text, err := os.ReadFile(p.out.Name())
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// Signal sends a signal.
func (p *Process) Signal(s unix.Signal) {
	if !p.done {
		_ = p.cmd.Process.Signal(s) // it may have ended by itself
	}
}

// Stop asks the process to end, insists after ten seconds, and waits.
func (p *Process) Stop() {
	if p.done {
		return
	}
	p.Signal(unix.SIGTERM)
	insist := time.AfterFunc(10*time.Second, func() { _ = p.cmd.Process.Kill() })
	defer insist.Stop()
	_ = p.cmd.Wait() // how it ended does not matter here
	p.done = true
}

// Kill ends the process as `kill -9` does, and waits.
func (p *Process) Kill() {
	if !p.done {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
		p.done = true
	}
}

// A Ping runs in the background.
type Ping struct{ p *Process }

// StartPing begins to ping at an interval in seconds.
func (h *Host) StartPing(target, interval string, more ...string) *Ping {
	h.lab.t.Helper()
	return &Ping{h.Start("ping", append(append([]string{"ping", "-n", "-q", "-i", interval, "-W", "2"}, more...), target)...)}
}

// Wait waits until the ping has sent all that it was to send.
func (p *Ping) Wait() (sent, answered int) {
	p.p.lab.t.Helper()
	_ = p.p.cmd.Wait() // its exit code says less than its summary
	p.p.done = true
	for line := range strings.Lines(p.p.Log()) {
		if n, _ := fmt.Sscanf(line, "%d packets transmitted, %d received", &sent, &answered); n == 2 {
			return sent, answered
		}
	}
	p.p.lab.t.Fatalf("ping did not sum up:\n%s", p.p.Log())
	return 0, 0
}

// Answered returns the numbers of the requests that were answered, by what a ping
// without "-q" wrote, and the highest. What comes behind that may be on its way.
func Answered(log string) (numbers map[int]bool, last int) {
	numbers = map[int]bool{}
	for line := range strings.Lines(log) {
		_, after, found := strings.Cut(line, "icmp_seq=")
		var n int
		if _, err := fmt.Sscanf(after, "%d ttl=", &n); !found || err != nil {
			continue
		}
		numbers[n] = true
		last = max(last, n)
	}
	return numbers, last
}

// Eventually waits until check returns nil; the test ends with its last error
// if that takes longer than most.
func (l *Lab) Eventually(most time.Duration, what string, check func() error) {
	l.t.Helper()
	var err error
	for deadline := time.Now().Add(most); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if err = check(); err == nil {
			return
		}
	}
	l.t.Fatalf("%s: not within %v: %v", what, most, err)
}

// Soon waits until check returns true, and reports whether it has within that time.
func (l *Lab) Soon(most time.Duration, check func() bool) bool {
	for deadline := time.Now().Add(most); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if check() {
			return true
		}
	}
	return check()
}

func (l *Lab) run(argv ...string) string {
	l.t.Helper()
	out, err := l.try(argv...)
	if err != nil {
		l.t.Fatal(err)
	}
	return out
}

func (l *Lab) try(argv ...string) (string, error) { return Output(argv...) }

// Output runs a command for a minute at most and returns what it wrote to
// standard output; of one that failed also what it wrote to standard error, which
// the error repeats. Of one that did well that is left out: programs complain there
// of what does not matter, as ip does of others' namespaces that go away while it looks.
func Output(argv ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Run(); err != nil {
		both := out.String() + complaints.String()
		return both, fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, strings.TrimSpace(both))
	}
	return out.String(), nil
}

func tail(text string, lines int) string {
	all := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
