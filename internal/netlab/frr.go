package netlab

import (
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// frrPrograms is where Debian has FRR's daemons.
const frrPrograms = "/usr/lib/frr"

// An FRR is a real FRRouting (8.4 of Debian 12) inside a host: zebra, which puts
// routes into the host's kernel, and bgpd.
type FRR struct {
	host      *Host
	dir       string // of its sockets, whose paths must be short
	processes []*Process
}

// StartFRR runs FRR inside the host with what vtysh is to read; the test is skipped
// where FRR is not installed.
func (h *Host) StartFRR(configuration string) *FRR {
	t := h.lab.t
	t.Helper()
	if _, err := os.Stat(filepath.Join(frrPrograms, "bgpd")); err != nil {
		t.Skip("FRR is not installed: make setup")
	}
	t.Attr("peer", "FRR "+frrVersion.FindString(h.lab.run(filepath.Join(frrPrograms, "bgpd"), "--version")))
	dir, err := os.MkdirTemp("", "frr-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	// The daemons become frr as soon as they have their privileges, and vtysh is of the
	// group that may enter.
	if err := chown(dir, "frr"); err != nil {
		t.Fatal(err)
	}
	f := &FRR{host: h, dir: dir}
	for _, daemon := range []string{"zebra", "bgpd"} {
		f.processes = append(f.processes, h.Start(daemon, filepath.Join(frrPrograms, daemon),
			"-A", "127.0.0.1", "-P", "0", "-i", dir+"/"+daemon+".pid", "-z", dir+"/zserv.api", "--vty_socket", dir, "-f", "/dev/null", "--log", "stdout"))
		h.lab.Eventually(10*time.Second, daemon+" opens its control socket", func() error {
			_, err := os.Stat(dir + "/" + daemon + ".vty")
			return err
		})
	}
	f.Configure(configuration)
	return f
}

var frrVersion = regexp.MustCompile(`[0-9]+\.[0-9.]+`)

// Configure adds what a file says to what is configured.
func (f *FRR) Configure(text string) {
	t := f.host.lab.t
	t.Helper()
	file := f.host.lab.File("frr-"+f.host.Name+".conf", text)
	// vtysh exits with 0 although it has left lines out, and says which.
	if out, err := f.host.Try("vtysh", "--vty_socket", f.dir, "-f", file); err != nil || strings.Contains(out, "%") || strings.Contains(out, "line ") {
		t.Fatalf("vtysh -f: %v\n%s", err, out)
	}
}

// Vtysh runs commands one after the other, "configure" first where they configure.
func (f *FRR) Vtysh(commands ...string) string {
	f.host.lab.t.Helper()
	argv := []string{"vtysh", "--vty_socket", f.dir}
	for _, c := range commands {
		argv = append(argv, "-c", c)
	}
	return f.host.Run(argv...)
}

// Log is what its daemons have logged.
func (f *FRR) Log() (all string) {
	for _, p := range f.processes {
		all += p.Log()
	}
	return all
}

// Stop ends the daemons, bgpd first: peers are told.
func (f *FRR) Stop() {
	for n := len(f.processes) - 1; n >= 0; n-- {
		f.processes[n].Stop()
	}
}

// Kill ends bgpd as a crash does.
func (f *FRR) Kill() { f.processes[len(f.processes)-1].Kill() }

func chown(path, name string) error {
	u, err := user.Lookup(name)
	if err != nil {
		return err
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return err
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return err
	}
	return os.Chown(path, uid, gid)
}

