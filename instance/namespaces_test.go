package instance

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"causeway.dev/netfabric/netns"
)

// TestMain lets the test's own program be the init process of instances.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == InitCommand {
		os.Exit(InitMain(os.Args[2:]))
	}
	os.Exit(m.Run())
}

// A lab is a driver with a directory and network namespaces of its own.
type lab struct {
	*Namespaces
	t      testing.TB
	prefix string
	dir    string
	hidden string // a directory of the host, to be reached by "link" beside it, too
}

func newLab(t testing.TB) *lab {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("instances need root")
	}
	random := make([]byte, 4)
	rand.Read(random)
	l := &lab{t: t, prefix: "cwt" + hex.EncodeToString(random), dir: filepath.Join(t.TempDir(), "instances")}
	// Not below /tmp, of which an instance sees nothing anyway.
	kept, err := os.MkdirTemp("/var/lib", l.prefix+"-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(kept) })
	l.hidden = filepath.Join(kept, "hidden")
	if err := errors.Join(os.Mkdir(l.hidden, 0o700), os.Symlink(l.hidden, filepath.Join(kept, "link"))); err != nil {
		t.Fatal(err)
	}
	l.newLife()
	if err := netns.Create(l.prefix + "-i-1"); err != nil {
		t.Skipf("network namespaces cannot be made here: %v", err)
	}
	t.Cleanup(func() {
		list, err := l.List()
		if err != nil {
			t.Errorf("List: %v", err)
		}
		for _, s := range list {
			if err := l.Terminate(context.Background(), s.ID); err != nil {
				t.Errorf("Terminate: %v", err)
			}
		}
		if err := l.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		names, _ := netns.List(l.prefix)
		for _, name := range names {
			if err := netns.Delete(name); err != nil {
				t.Errorf("Delete: %v", err)
			}
		}
	})
	return l
}

// newLife replaces the driver by one that knows nothing.
func (l *lab) newLife() {
	l.t.Helper()
	d, err := NewNamespaces(Options{Dir: l.dir, Hide: []string{"/boot", filepath.Join(filepath.Dir(l.hidden), "link")}, Groups: "causeway-" + l.prefix})
	if err != nil {
		l.t.Fatal(err)
	}
	d.memoryInterval = 0
	l.Namespaces = d
}

func (l *lab) config(id, userData string) Config {
	return Config{
		ID: id, Hostname: "ip-10-0-1-4", UserData: []byte(userData),
		NetworkNamespace: l.prefix + "-i-1", Addresses: []string{"10.0.1.4"},
	}
}

func (l *lab) ensure(c Config) {
	l.t.Helper()
	if err := l.Ensure(l.t.Context(), c); err != nil {
		console, _ := l.Console(c.ID)
		l.t.Fatalf("Ensure: %v; console: %s", err, console)
	}
}

// sh runs a script in an instance and returns what it prints.
func (l *lab) sh(id, script string) string {
	l.t.Helper()
	var output bytes.Buffer
	code, err := l.Exec(l.t.Context(), id, []string{"sh", "-c", script}, nil, &output, &output, false)
	if err != nil || code != 0 {
		l.t.Fatalf("%s: exit code %d, %v: %s", script, code, err, output.String())
	}
	return strings.TrimSpace(output.String())
}

// eventually waits for something that another process does.
func (l *lab) eventually(what string, done func() bool) {
	l.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			l.t.Fatalf("not within 20 s: %s", what)
		}
	}
}

func TestInstanceIsAWorldOfItsOwn(t *testing.T) {
	l := newLab(t)
	start := time.Now()
	l.ensure(l.config("i-1", ""))
	t.Logf("started in %v", time.Since(start))
	for _, c := range []struct{ script, want string }{
		{"hostname", "ip-10-0-1-4"},
		{"cat /etc/hostname", "ip-10-0-1-4"},
		{"grep ip-10 /etc/hosts", "10.0.1.4\tip-10-0-1-4"},
		{"cat /proc/1/comm", "init"},
		{"ls /tmp /boot /run 2>&1 | grep -v -e '^/' -e '^$' | wc -l", "0"},
		{"echo x > /etc/made-inside && cat /etc/made-inside", "x"},
		{"(echo x > /proc/sys/kernel/panic) 2>/dev/null || echo refused", "refused"},
		{"cat /proc/sys/net/ipv4/ip_forward", "0"},
		{"echo 1 > /proc/sys/net/ipv4/ip_forward && cat /proc/sys/net/ipv4/ip_forward", "1"},
		{"mknod /tmp/disk b 8 0 2>/dev/null || echo refused", "refused"},
		{"ip link set lo up && ping -n -c 1 127.0.0.1 >/dev/null && nft list ruleset && ip link set lo mtu 9000 && echo able", "able"},
		{"ls " + l.dir + " 2>/dev/null | wc -l", "0"},
		{"ls /sys/class/net", "lo"},
		{"echo y > /dev/null && head -c 4 /dev/zero | wc -c", "4"},
	} {
		if got := l.sh("i-1", c.script); got != c.want {
			t.Errorf("%s: %q, want %q", c.script, got, c.want)
		}
	}
	if n := l.sh("i-1", "ls /proc | grep -c '^[0-9]'"); n > "5" || len(n) > 1 {
		t.Errorf("the instance sees %s processes, want its own only", n)
	}
	if _, err := os.Stat("/etc/made-inside"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what was written inside is outside: %v", err)
	}
}

func TestUserDataRunsOnce(t *testing.T) {
	l := newLab(t)
	c := l.config("i-1", "#!/bin/sh\necho \"booted as $(hostname) in $PWD\"\necho once >> /var/boots\nexit 3\n")
	for range 2 {
		l.ensure(c)
		l.eventually("user data ends", func() bool {
			text, _ := l.Console("i-1")
			return strings.Contains(string(text), "exit code 3") && strings.Contains(string(text), "booted as")
		})
		if got := l.sh("i-1", "cat /var/boots"); got != "once" {
			t.Errorf("/var/boots holds %q, want one line", got)
		}
		// As if the host had been started again: the disk is there, the process is not.
		p, err := findProcess(l.Namespaces.dir("i-1"))
		if err != nil {
			t.Fatal(err)
		}
		unix.Kill(p.pid, unix.SIGKILL)
		l.eventually("the instance has ended", func() bool { return !l.running("i-1") })
	}
	text, err := l.Console("i-1")
	if err != nil || !strings.Contains(string(text), "booted as ip-10-0-1-4 in /") {
		t.Errorf("console: %q, %v", text, err)
	}
}

func TestUserDataThatIsNoScriptIsLeftAlone(t *testing.T) {
	l := newLab(t)
	l.ensure(l.config("i-1", "touch /var/ran"))
	l.ensure(l.config("i-2", "#!/no/such/interpreter\n"))
	l.eventually("the console says why", func() bool {
		text, _ := l.Console("i-2")
		return strings.Contains(string(text), "user data was not run")
	})
	if got := l.sh("i-1", "ls /var/ran 2>/dev/null || echo absent"); got != "absent" {
		t.Errorf("ls /var/ran: %s", got)
	}
}

func (l *lab) status(id string) (Status, bool) {
	l.t.Helper()
	list, err := l.List()
	if err != nil {
		l.t.Fatal(err)
	}
	for _, s := range list {
		if s.ID == id {
			return s, true
		}
	}
	return Status{}, false
}

func (l *lab) running(id string) bool {
	s, _ := l.status(id)
	return s.Running
}

func TestNewLifeAdoptsRunningInstance(t *testing.T) {
	l := newLab(t)
	c := l.config("i-1", "#!/bin/sh\nsleep 1000 &\n")
	l.ensure(c)
	l.ensure(c)
	before, err := findProcess(l.Namespaces.dir("i-1"))
	if err != nil {
		t.Fatal(err)
	}
	l.newLife()
	if !l.running("i-1") {
		t.Error("a new life does not see the instance")
	}
	l.ensure(c)
	if after, err := findProcess(l.Namespaces.dir("i-1")); err != nil || after != before {
		t.Errorf("process is %v, %v, want %v as before", after, err, before)
	}
}

func TestInstanceFollowsItsNetworkNamespace(t *testing.T) {
	l := newLab(t)
	c := l.config("i-1", "")
	l.ensure(c)
	l.sh("i-1", "echo kept > /var/kept")
	if err := errors.Join(netns.Delete(c.NetworkNamespace), netns.Create(c.NetworkNamespace)); err != nil {
		t.Fatal(err)
	}
	l.ensure(c)
	p, err := findProcess(l.Namespaces.dir("i-1"))
	if err != nil {
		t.Fatal(err)
	}
	if id, err := netns.ID(c.NetworkNamespace); err != nil || p.network() != id {
		t.Errorf("it lives in network namespace %d, want %d, %v", p.network(), id, err)
	}
	if got := l.sh("i-1", "cat /var/kept"); got != "kept" {
		t.Errorf("its disk holds %q", got)
	}
}

func TestTerminateIsPoliteAtFirst(t *testing.T) {
	l := newLab(t)
	l.ensure(l.config("i-1", "#!/bin/sh\ntrap 'echo goodbye; exit 0' TERM\necho ready\nwhile :; do sleep 0.01; done\n"))
	l.eventually("user data is ready", func() bool {
		text, _ := l.Console("i-1")
		return strings.Contains(string(text), "ready")
	})
	console, err := os.Open(filepath.Join(l.dir, "i-1", fileConsole))
	if err != nil {
		t.Fatal(err)
	}
	defer console.Close()
	if err := l.Terminate(t.Context(), "i-1"); err != nil {
		t.Fatal(err)
	}
	if text, err := tail(console); err != nil || !strings.Contains(string(text), "goodbye") {
		t.Errorf("console: %q, %v, want goodbye", text, err)
	}
	if _, there := l.status("i-1"); there {
		t.Error("something is left of the instance")
	}
	if err := l.Terminate(t.Context(), "i-1"); err != nil {
		t.Errorf("a second time: %v", err)
	}
}

func TestTerminateKillsInTheEnd(t *testing.T) {
	l := newLab(t)
	l.ensure(l.config("i-1", "#!/bin/sh\ntrap '' TERM\necho ready\nwhile :; do sleep 0.01; done\n"))
	l.eventually("user data is ready", func() bool {
		text, _ := l.Console("i-1")
		return strings.Contains(string(text), "ready")
	})
	if err := l.Terminate(t.Context(), "i-1"); err != nil {
		t.Fatal(err)
	}
	if _, there := l.status("i-1"); there {
		t.Error("something is left of the instance")
	}
}

func TestShutDownFromInside(t *testing.T) {
	l := newLab(t)
	l.ensure(l.config("i-1", ""))
	l.Exec(t.Context(), "i-1", []string{"sh", "-c", "kill -TERM 1"}, nil, nil, nil, false)
	l.eventually("the instance has ended", func() bool { return !l.running("i-1") })
	if s, _ := l.status("i-1"); s.Reason != "it was shut down" {
		t.Errorf("status %+v", s)
	}
}

func TestConsoleIsBounded(t *testing.T) {
	l := newLab(t)
	l.ensure(l.config("i-1", "#!/bin/sh\nseq 100000\necho the end\n"))
	l.eventually("the end", func() bool {
		text, err := l.Console("i-1")
		if err != nil || len(text) > ConsoleBytes {
			t.Fatalf("console of %d bytes, %v", len(text), err)
		}
		return bytes.HasSuffix(text, []byte("100000\nthe end\n"))
	})
	info, err := os.Stat(filepath.Join(l.dir, "i-1", fileConsole))
	if err != nil || info.Size() > consoleBytesMax+32<<10 {
		t.Errorf("file of %d bytes, %v", info.Size(), err)
	}
	if _, err := l.Console("i-9"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("console of an unknown instance: %v", err)
	}
}

func TestExec(t *testing.T) {
	l := newLab(t)
	l.ensure(l.config("i-1", ""))
	for _, c := range []struct {
		name   string
		argv   []string
		stdin  string
		stdout string
		stderr string
		code   int
		tty    bool
	}{
		{name: "output", argv: []string{"sh", "-c", "echo out; echo err >&2"}, stdout: "out\n", stderr: "err\n"},
		{name: "input", argv: []string{"cat"}, stdin: "hello", stdout: "hello"},
		{name: "exit code", argv: []string{"sh", "-c", "exit 7"}, code: 7},
		{name: "signal", argv: []string{"sh", "-c", "kill -KILL $$"}, code: 137},
		{name: "path", argv: []string{"/bin/echo", "x"}, stdout: "x\n"},
		{name: "terminal", argv: []string{"sh", "-c", "tty; test -t 0 && exit 5"}, stdout: "/dev/pts/0\r\n", code: 5, tty: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			var stdin *strings.Reader
			if c.stdin != "" {
				stdin = strings.NewReader(c.stdin)
			} else {
				stdin = strings.NewReader("")
			}
			code, err := l.Exec(t.Context(), "i-1", c.argv, stdin, &stdout, &stderr, c.tty)
			if err != nil || code != c.code {
				t.Errorf("exit code %d, %v, want %d", code, err, c.code)
			}
			// A terminal shows what is typed, here the end of input.
			out := strings.ReplaceAll(strings.ReplaceAll(stdout.String(), "^D", ""), "\b", "")
			if out != c.stdout || stderr.String() != c.stderr {
				t.Errorf("stdout %q, stderr %q, want %q, %q", out, stderr.String(), c.stdout, c.stderr)
			}
		})
	}
	if code, err := l.Exec(t.Context(), "i-1", []string{"no-such-command"}, nil, nil, nil, false); err == nil || code != exitNotFound {
		t.Errorf("an unknown command: exit code %d, %v", code, err)
	}
	if _, err := l.Exec(t.Context(), "i-9", []string{"true"}, nil, nil, nil, false); !errors.Is(err, ErrNotRunning) {
		t.Errorf("in an unknown instance: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := l.Exec(ctx, "i-1", []string{"sleep", "1000"}, nil, nil, nil, false); ctx.Err() == nil {
		t.Errorf("Exec outlived its context: %v", err)
	}
}

// TestDiskWhereOverlaysCannotBe lets an instance start where its changes cannot
// be kept on disk: on an overlay, as in a container.
func TestDiskWhereOverlaysCannotBe(t *testing.T) {
	l := newLab(t)
	dir := t.TempDir()
	for _, d := range []string{"lower", "upper", "work", "merged"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	merged := filepath.Join(dir, "merged")
	options := fmt.Sprintf("lowerdir=%[1]s/lower,upperdir=%[1]s/upper,workdir=%[1]s/work", dir)
	if err := unix.Mount("overlay", merged, "overlay", 0, options); err != nil {
		t.Skipf("overlays cannot be mounted here: %v", err)
	}
	before := l.dir
	t.Cleanup(func() {
		if err := unix.Unmount(merged, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
		l.dir = before
		l.newLife()
	})
	l.dir = filepath.Join(merged, "instances")
	l.newLife()
	l.ensure(l.config("i-1", ""))
	if got := l.sh("i-1", "echo x > /etc/made-inside && cat /etc/made-inside"); got != "x" {
		t.Errorf("got %q", got)
	}
	_, err := os.Stat(filepath.Join(l.dir, "i-1", "memory"))
	t.Logf("changes are kept in memory: %v", err == nil)
	if err := l.Terminate(t.Context(), "i-1"); err != nil {
		t.Error(err)
	}
}

func TestConfigKeepsUserDataToItself(t *testing.T) {
	c := Config{ID: "i-1", UserData: []byte("password")}
	if text := fmt.Sprintf("%v %+v %s", c, c, c); strings.Contains(text, "password") || strings.Contains(text, "112") {
		t.Error(text)
	}
}

func TestMalformedIDsAreRefused(t *testing.T) {
	l := newLab(t)
	for _, id := range []string{"", "..", "../etc", "a/b", "-x", strings.Repeat("i", 65)} {
		if err := l.Ensure(t.Context(), l.config(id, "")); err == nil {
			t.Errorf("Ensure of %q was accepted", id)
		}
		if err := l.Terminate(t.Context(), id); err == nil {
			t.Errorf("Terminate of %q was accepted", id)
		}
	}
}

func TestFailedStartSaysWhy(t *testing.T) {
	l := newLab(t)
	c := l.config("i-1", "")
	c.Hostname = strings.Repeat("h", 100)
	if err := l.Ensure(t.Context(), c); err == nil || !strings.Contains(err.Error(), "host name") {
		t.Errorf("Ensure = %v, want an error about the host name", err)
	}
	c.NetworkNamespace = l.prefix + "-absent"
	if err := l.Ensure(t.Context(), c); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Ensure = %v, want an error about the network namespace", err)
	}
}

func TestDirectoriesOfInitProcessesAreTold(t *testing.T) {
	dir := t.TempDir()
	if _, err := findProcess(dir); !errors.Is(err, ErrNotRunning) {
		t.Errorf("of nothing: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, fileInit), fmt.Appendf(nil, "%d 1\n", os.Getpid()), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := findProcess(dir); !errors.Is(err, ErrNotRunning) {
		t.Errorf("of a file that nobody has locked: %v", err)
	}
	if fd, err := (process{pid: os.Getpid(), start: 1}).open(); !errors.Is(err, ErrNotRunning) {
		t.Errorf("a process id that was used again: %d, %v", fd, err)
	}
}

func BenchmarkEnsure(b *testing.B) {
	l := newLab(b)
	for b.Loop() {
		l.ensure(l.config("i-1", ""))
		b.StopTimer()
		if err := l.Terminate(b.Context(), "i-1"); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

func BenchmarkExec(b *testing.B) {
	l := newLab(b)
	l.ensure(l.config("i-1", ""))
	for b.Loop() {
		l.sh("i-1", "true")
	}
}
