package netlab

import (
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// FRRDir is where scripts/setup unpacks Debian's package of FRR, which brings
// services and users when it is installed.
const FRRDir = "/opt/causeway-frr"

// A FRR is a real FRR inside a host (8.4.4 of Debian 12): zebra, staticd and bgpd,
// as root.
type FRR struct {
	host    *Host
	dir     string // all that it writes; its control sockets' paths must be short
	daemons map[string]*Process
}

// frrScript runs a program of FRR where it finds its libraries, its models and the
// group that may ask it, and where what it writes below /run and /var/tmp is its own.
// The arguments are FRRDir, the directory of a FRR, and the command.
const frrScript = `root=$1 dir=$2; shift 2
LD_LIBRARY_PATH=$(echo "$root"/usr/lib/*-linux-gnu):$(echo "$root"/usr/lib/*-linux-gnu/frr)
export LD_LIBRARY_PATH
mount -t overlay overlay -o lowerdir="$dir/etc:$root/etc:/etc" /etc &&
mount -t overlay overlay -o lowerdir="$root/usr/share:/usr/share" /usr/share &&
mount --bind "$dir/run" /run && mount -t tmpfs tmpfs /var/tmp && exec "$@"`

// frrDaemons in the order in which they start: those after zebra connect to it.
var frrDaemons = []string{"zebra", "staticd", "bgpd"}

// StartFRR runs FRR inside the host with a frr.conf, all lines of which have to
// load; the test is skipped where FRR is not unpacked.
func (h *Host) StartFRR(configuration string) *FRR {
	t := h.lab.t
	t.Helper()
	if _, err := os.Stat(FRRDir + "/usr/lib/frr/bgpd"); err != nil {
		t.Skip("FRR is not unpacked: make setup")
	}
	f := &FRR{host: h, dir: h.lab.shortDir("frr-"), daemons: map[string]*Process{}}
	for _, d := range []string{"run", "etc"} {
		if err := os.Mkdir(filepath.Join(f.dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	f.write("etc/group", "root:x:0:\nfrrvty:x:92:root\n")
	f.write("empty.conf", "")
	f.write("vtysh.conf", "")
	t.Attr("peer", strings.TrimSpace(strings.ReplaceAll(firstLine(h.lab.run(f.program(FRRDir+"/usr/lib/frr/bgpd", "--version")...)), "bgpd version", "FRR")))
	for _, d := range frrDaemons {
		f.start(d)
	}
	f.Configure(configuration)
	return f
}

func (f *FRR) start(daemon string) {
	f.host.lab.t.Helper()
	os.Remove(f.file(daemon + ".vty")) // what a killed one left does not answer
	modules, _ := filepath.Glob(FRRDir + "/usr/lib/*-linux-gnu/frr/modules")
	f.daemons[daemon] = f.host.Start(daemon, f.program(FRRDir+"/usr/lib/frr/"+daemon,
		"-u", "root", "-g", "root", "-f", f.file("empty.conf"), "-i", f.file(daemon+".pid"), "-z", f.file("zserv.api"), "--vty_socket", f.dir,
		"-P", "0", "--log", "stdout", "--moduledir", strings.Join(modules, ""))...)
	f.host.lab.Eventually(10*time.Second, daemon+" opens its control socket", func() error {
		_, err := os.Stat(f.file(daemon + ".vty"))
		return err
	})
}

// Configure adds what a text says to what is configured, as FRR's own start script
// has the daemons read frr.conf.
func (f *FRR) Configure(text string) {
	t := f.host.lab.t
	t.Helper()
	f.write("frr.conf", text)
	// vtysh exits with 0 although it has left lines out, and says which.
	if out, err := f.host.Try(f.vtysh("-f", f.file("frr.conf"))...); err != nil || strings.Contains(out, "%") || strings.Contains(out, "line ") {
		t.Fatalf("vtysh -f: %v\n%s", err, out)
	}
}

// Vtysh runs commands one after the other, "configure" first where they configure.
func (f *FRR) Vtysh(commands ...string) string {
	f.host.lab.t.Helper()
	var arguments []string
	for _, c := range commands {
		arguments = append(arguments, "-c", c)
	}
	return f.host.Run(f.vtysh(arguments...)...)
}

// Kill ends bgpd alone, as a crash does; Start starts it anew. In between zebra keeps
// the routes if what is configured says so.
func (f *FRR) Kill() { f.daemons["bgpd"].Kill() }

// Start starts bgpd after Kill, with a configuration.
func (f *FRR) Start(configuration string) {
	f.host.lab.t.Helper()
	f.start("bgpd")
	f.Configure(configuration)
}

// Signal sends a signal to bgpd: SIGSTOP makes a peer that is there and does nothing.
func (f *FRR) Signal(s unix.Signal) { f.daemons["bgpd"].Signal(s) }

// Stop ends the daemons, bgpd first: peers are told.
func (f *FRR) Stop() {
	for i := len(frrDaemons) - 1; i >= 0; i-- {
		f.daemons[frrDaemons[i]].Stop()
	}
}

// Log is what the daemons have logged.
func (f *FRR) Log() string {
	var all strings.Builder
	for _, d := range frrDaemons {
		all.WriteString(f.daemons[d].Log())
	}
	return all.String()
}

func (f *FRR) vtysh(arguments ...string) []string {
	return f.program(append([]string{FRRDir + "/usr/bin/vtysh", "--vty_socket", f.dir, "--config_dir", f.dir}, arguments...)...)
}

func (f *FRR) program(argv ...string) []string {
	return append([]string{"unshare", "-m", "--propagation", "private", "sh", "-c", frrScript, "sh", FRRDir, f.dir}, argv...)
}

func (f *FRR) file(name string) string { return filepath.Join(f.dir, name) }

func (f *FRR) write(name, content string) {
	f.host.lab.t.Helper()
	if err := os.WriteFile(f.file(name), []byte(content), 0o600); err != nil {
		f.host.lab.t.Fatal(err)
	}
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}
