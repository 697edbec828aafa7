package netlab

import (
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// BIRDDir is where scripts/setup unpacks Debian's package of BIRD, which brings a
// service that listens when it is installed.
const BIRDDir = "/opt/causeway-bird"

// A BIRD is a real BIRD inside a host (2.0.12 of Debian 12).
type BIRD struct {
	host    *Host
	dir     string // its configuration and its control socket, whose path must be short
	process *Process
}

// StartBIRD runs bird inside the host with a bird.conf; the test is skipped where
// BIRD is not unpacked.
func (h *Host) StartBIRD(configuration string) *BIRD {
	t := h.lab.t
	t.Helper()
	if _, err := os.Stat(BIRDDir + "/usr/sbin/bird"); err != nil {
		t.Skip("BIRD is not unpacked: make setup")
	}
	t.Attr("peer", strings.TrimSpace(strings.Replace(h.lab.run("sh", "-c", BIRDDir+"/usr/sbin/bird --version 2>&1"), " version", "", 1)))
	b := &BIRD{host: h, dir: h.lab.shortDir("bird-")}
	b.write(configuration)
	b.start()
	return b
}

// Start runs bird again after it was stopped or killed, as one that has begun anew.
func (b *BIRD) Start() {
	b.host.lab.t.Helper()
	os.Remove(b.file("ctl")) // what a killed one left does not answer
	b.start("-R")
}

func (b *BIRD) start(more ...string) {
	b.host.lab.t.Helper()
	b.process = b.host.Start("bird", append([]string{BIRDDir + "/usr/sbin/bird", "-f", "-c", b.file("conf"), "-s", b.file("ctl"), "-P", b.file("pid")}, more...)...)
	b.host.lab.Eventually(10*time.Second, "bird answers", func() error {
		_, err := b.host.Try(b.birdc("show", "status")...)
		return err
	})
}

// Control runs a command of birdc's, as in Control("show", "protocols", "all").
func (b *BIRD) Control(command ...string) string {
	b.host.lab.t.Helper()
	return b.host.Run(b.birdc(command...)...)
}

// Socket is what birdc talks to, where Control would end a test by what fails.
func (b *BIRD) Socket() string { return b.file("ctl") }

// Configure replaces the configuration; sessions that it does not touch go on.
func (b *BIRD) Configure(configuration string) {
	b.host.lab.t.Helper()
	b.write(configuration)
	if out := b.Control("configure"); !strings.Contains(out, "Reconfigur") {
		b.host.lab.t.Fatalf("birdc configure: %s", out)
	}
}

// Stop ends bird in order: its peers are told.
func (b *BIRD) Stop() { b.process.Stop() }

// Kill ends bird as `kill -9` does: its peers see that connections close, no more.
func (b *BIRD) Kill() { b.process.Kill() }

// Signal sends a signal: SIGSTOP makes a peer that is there and does nothing.
func (b *BIRD) Signal(s unix.Signal) { b.process.Signal(s) }

// Log is what bird has logged since it was started last, if its configuration says
// "log stderr all".
func (b *BIRD) Log() string { return b.process.Log() }

func (b *BIRD) birdc(command ...string) []string {
	return append([]string{BIRDDir + "/usr/sbin/birdc", "-s", b.file("ctl")}, command...)
}

func (b *BIRD) file(suffix string) string { return filepath.Join(b.dir, "bird."+suffix) }

func (b *BIRD) write(configuration string) {
	b.host.lab.t.Helper()
	if err := os.WriteFile(b.file("conf"), []byte(configuration), 0o600); err != nil {
		b.host.lab.t.Fatal(err)
	}
}

// shortDir makes a directory for sockets, whose paths must be short: a test's own
// directory may be named by a test of a long name.
func (l *Lab) shortDir(pattern string) string {
	l.t.Helper()
	dir, err := os.MkdirTemp("", pattern)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}
