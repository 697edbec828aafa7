package netlab

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// A BIRD is a real BIRD (2.0.12 of Debian 12) inside a host.
type BIRD struct {
	host    *Host
	dir     string // of its control socket, whose path must be short
	file    string // its configuration
	process *Process
}

// StartBIRD runs BIRD inside the host; the test is skipped where it is not installed.
func (h *Host) StartBIRD(configuration string) *BIRD {
	t := h.lab.t
	t.Helper()
	program, err := exec.LookPath("bird")
	if err != nil {
		t.Skip("BIRD is not installed: make setup")
	}
	if version, err := exec.Command(program, "--version").CombinedOutput(); err == nil { // it says so on standard error
		t.Attr("peer", strings.TrimSpace(strings.Replace(string(version), " version", "", 1)))
	}
	dir, err := os.MkdirTemp("", "bird-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	b := &BIRD{host: h, dir: dir, file: filepath.Join(dir, "bird.conf")}
	b.write(configuration)
	b.process = h.Start("bird", program, "-f", "-c", b.file, "-s", dir+"/ctl", "-P", dir+"/pid")
	h.lab.Eventually(10*time.Second, "BIRD answers", func() error {
		_, err := h.Try("birdc", "-s", dir+"/ctl", "show", "status")
		return err
	})
	return b
}

func (b *BIRD) write(configuration string) {
	t := b.host.lab.t
	t.Helper()
	if err := os.WriteFile(b.file, []byte(configuration), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Configure replaces the configuration; sessions that it does not touch go on.
func (b *BIRD) Configure(configuration string) {
	t := b.host.lab.t
	t.Helper()
	b.write(configuration)
	if out := b.Control("configure"); !strings.Contains(out, "Reconfigur") {
		t.Fatalf("birdc configure: %s", out)
	}
}

// Control runs a command of birdc's.
func (b *BIRD) Control(command ...string) string {
	b.host.lab.t.Helper()
	return b.host.Run(append([]string{"birdc", "-s", b.dir + "/ctl"}, command...)...)
}

// Log is what BIRD has logged, where its configuration says "log stderr all".
func (b *BIRD) Log() string { return b.process.Log() }

// Stop ends BIRD: peers are told.
func (b *BIRD) Stop() { b.process.Stop() }

// Kill ends BIRD as a crash does.
func (b *BIRD) Kill() { b.process.Kill() }
