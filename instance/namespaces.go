package instance

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"causeway.dev/instance/cgroup"
	"causeway.dev/netfabric/netns"
)

// Options are what the namespace driver needs.
type Options struct {
	Dir        string       // where instances keep their disks and state, a directory each
	Hide       []string     // directories of the host that instances find empty; Dir always is one
	Executable string       // the program whose InitCommand is InitMain; "" for our own
	Logger     *slog.Logger // nil discards

	// Groups is the name of the control group that has those of the instances in it;
	// "": nothing is limited. Limits says what becomes of the limits that instances
	// are given; nil: they hold.
	Groups string
	Limits func(cgroup.Limits) cgroup.Limits
}

// Namespaces runs an instance as a set of Linux namespaces over the host's own
// root file system: net, mount, pid, uts, ipc, in a control group of its own. Its
// root user has few of the host's root's capabilities, but reads what the host's root
// file system holds, and shares the kernel and disk with all others. It is safe for
// concurrent use.
//
// An instance's directory holds
//
//	config   what its init process was told
//	init     that process's id; locked as long as it lives
//	console  the end of its output
//	reason   why it ended, if it could still say so: one of the reasons below
//	booted   there once its user data has been run
//	killed   how many of its processes the kernel has killed for want of memory
//	upper    what differs from the host's root file system
//
// The lock is the truth about whether it runs. So an instance outlives us, and
// our next life finds it.
type Namespaces struct {
	o      Options
	groups *cgroup.Tree

	memoryInterval time.Duration // a test's is shorter

	mu       sync.Mutex
	busy     map[string]*sync.Mutex // one start or end of an instance at a time; guarded by mu
	resolv   map[string]string      // what instances that run have in their resolv.conf; guarded by mu
	children map[int]bool           // init processes to be waited for; guarded by mu
	watched  map[string]watched     // instances that ran when they were looked at last; guarded by mu
	mounts   *os.File               // the mount namespace that instances' are copied from; guarded by mu
	killed   map[string]uint64      // processes, for want of memory, as far as was told; guarded by mu
	looked   time.Time              // when it was looked for such; guarded by mu
	grouped  map[string]bool        // instances that may have a control group; nil: not looked for yet; guarded by mu
}

var _ Driver = (*Namespaces)(nil)

// Files in an instance's directory.
const (
	fileConfig  = "config"
	fileInit    = "init"
	fileConsole = "console"
	fileReason  = "reason"
	fileBooted  = "booted"
)

// Reasons why an instance has ended.
const (
	reasonStopped  = "it was shut down"
	reasonPowerOff = "it has powered itself off"
	reasonRestart  = "it restarts itself"
	reasonKilled   = "its init process was killed"
)

// How long an instance may take. The init process gives the others termGrace to
// end by themselves, so that it needs less than endWait.
const (
	startWait = 10 * time.Second
	termGrace = 3 * time.Second
	endWait   = 5 * time.Second
)

// Ids become names of directories.
var validID = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`) })

// ErrNotRunning is the error about an instance that is not there or has ended.
var ErrNotRunning = errors.New("instance is not running")

// NewNamespaces returns the driver. It starts no instance.
func NewNamespaces(o Options) (*Namespaces, error) {
	var err error
	if o.Dir, err = filepath.Abs(o.Dir); err != nil {
		return nil, fmt.Errorf("find directory of instances: %w", err)
	}
	o.Hide = append([]string{o.Dir}, o.Hide...)
	for i := range o.Hide {
		if o.Hide[i], err = filepath.Abs(o.Hide[i]); err != nil {
			return nil, fmt.Errorf("find directory to hide: %w", err)
		}
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make directory of instances: %w", err)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	// The link leads to our program even if its file has been replaced since.
	o.Executable = cmp.Or(o.Executable, "/proc/self/exe")
	d := &Namespaces{o: o, groups: &cgroup.Tree{}, busy: map[string]*sync.Mutex{}, resolv: map[string]string{}, children: map[int]bool{}, watched: map[string]watched{}, killed: map[string]uint64{}, memoryInterval: memoryInterval}
	if o.Groups != "" {
		d.groups = cgroup.Open(o.Groups)
	}
	return d, nil
}

func (d *Namespaces) dir(id string) string { return filepath.Join(d.o.Dir, id) }

// lock makes the caller the only one that starts or ends an instance.
func (d *Namespaces) lock(id string) (unlock func(), err error) {
	if !validID().MatchString(id) {
		return nil, fmt.Errorf("instance id %q is malformed", id)
	}
	m := d.busyWith(id)
	m.Lock()
	return m.Unlock, nil
}

// tryLock does the same if nobody else is just at it.
func (d *Namespaces) tryLock(id string) (unlock func(), ok bool) {
	m := d.busyWith(id)
	return m.Unlock, m.TryLock()
}

func (d *Namespaces) busyWith(id string) *sync.Mutex {
	d.mu.Lock()
	defer d.mu.Unlock()
	m := d.busy[id]
	if m == nil {
		m = new(sync.Mutex)
		d.busy[id] = m
	}
	return m
}

// Ensure implements Driver.
func (d *Namespaces) Ensure(ctx context.Context, c Config) error {
	unlock, err := d.lock(c.ID)
	if err != nil {
		return err
	}
	defer unlock()
	network, err := netns.ID(c.NetworkNamespace)
	if err != nil {
		return fmt.Errorf("start instance %s: %w", c.ID, err)
	}
	p, err := findProcess(d.dir(c.ID))
	if err != nil && !errors.Is(err, ErrNotRunning) {
		return fmt.Errorf("look for instance %s: %w", c.ID, err)
	}
	if err == nil {
		switch {
		case p.boot != c.Boot:
			d.o.Logger.Info("instance restarts", "instance", c.ID)
		case p.network() == network:
			d.followLimits(c)
			return d.follow(p, c)
		default:
			// Its network has been removed and made anew: nothing can be plugged
			// into the one that it lives in.
			d.o.Logger.Warn("instance restarts in its new network namespace", "instance", c.ID)
		}
		if err := p.end(ctx, endWait); err != nil {
			return fmt.Errorf("end instance %s: %w", c.ID, err)
		}
	} else if s := d.ended(c.ID); s.PoweredOff && s.Boot == c.Boot {
		return nil
	}
	if err := d.start(ctx, c); err != nil {
		return fmt.Errorf("start instance %s: %w", c.ID, err)
	}
	return nil
}

// start runs the init process and waits until it has set up its world.
func (d *Namespaces) start(ctx context.Context, c Config) error {
	dir := d.dir(c.ID)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(dir, fileReason)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := d.makeGroup(c); err != nil {
		return err
	}
	if err := d.tell(c); err != nil {
		return err
	}
	d.mu.Lock()
	delete(d.resolv, c.ID) // what it has is read again, should the start fail
	d.mu.Unlock()
	console, err := openConsole(filepath.Join(dir, fileConsole))
	if err != nil {
		return err
	}
	defer console.file.Close()
	ready, report, err := os.Pipe()
	if err != nil {
		return err
	}
	defer ready.Close()

	cmd := exec.Command(d.o.Executable, InitCommand, dir)
	cmd.Args[0] = "causeway"                                               // for those who list processes
	cmd.Dir, cmd.Env = "/", []string{"PATH=" + searchPath, "GOMAXPROCS=1"} // it waits, for all its life
	cmd.Stdout, cmd.Stderr = console.file, console.file
	cmd.ExtraFiles = []*os.File{report}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC,
		Setsid:     true, // so that what ends us does not end it
	}
	err = d.startIn(c, cmd)
	report.Close()
	if err != nil {
		return err
	}
	d.mu.Lock()
	d.children[cmd.Process.Pid] = true
	d.mu.Unlock()
	if err := awaitReport(ctx, ready); err != nil {
		cmd.Process.Kill()
		return err
	}
	return nil
}

// awaitReport reads what the init process says of its start: "ok", or what went
// wrong.
func awaitReport(ctx context.Context, ready *os.File) error {
	deadline := time.Now().Add(startWait)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	ready.SetReadDeadline(deadline)
	defer context.AfterFunc(ctx, func() { ready.SetReadDeadline(time.Now()) })()
	buffer := make([]byte, 1000)
	n, err := ready.Read(buffer)
	switch text := string(buffer[:n]); {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case text == reportOK:
		return nil
	case text != "":
		return errors.New(text)
	default:
		return fmt.Errorf("wait for its init process: %w", err)
	}
}

// reap collects init processes that have ended. Those that an earlier life of
// ours started are the host's init's to collect.
func (d *Namespaces) reap() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for pid := range d.children {
		if got, err := unix.Wait4(pid, nil, unix.WNOHANG, nil); got == pid || errors.Is(err, unix.ECHILD) {
			delete(d.children, pid)
		}
	}
}

// Stop implements Driver.
func (d *Namespaces) Stop(ctx context.Context, id string, force bool) error {
	unlock, err := d.lock(id)
	if err != nil {
		return err
	}
	defer unlock()
	return d.end(ctx, id, force)
}

// end ends the processes of an instance.
func (d *Namespaces) end(ctx context.Context, id string, force bool) error {
	p, err := findProcess(d.dir(id))
	switch {
	case err == nil && force:
		err = p.kill(ctx)
	case err == nil:
		err = p.end(ctx, endWait)
	}
	if err != nil && !errors.Is(err, ErrNotRunning) {
		return fmt.Errorf("end instance %s: %w", id, err)
	}
	d.reap()
	if err := d.removeGroup(id); err != nil {
		return fmt.Errorf("end instance %s: %w", id, err)
	}
	return nil
}

// Terminate implements Driver.
func (d *Namespaces) Terminate(ctx context.Context, id string) error {
	unlock, err := d.lock(id)
	if err != nil {
		return err
	}
	defer unlock()
	if err := d.end(ctx, id, false); err != nil {
		return err
	}
	if err := os.RemoveAll(d.dir(id)); err != nil {
		return fmt.Errorf("delete disk of instance %s: %w", id, err)
	}
	return nil
}

// List implements Driver.
func (d *Namespaces) List() ([]Status, error) {
	d.reap()
	entries, err := os.ReadDir(d.o.Dir)
	if err != nil {
		return nil, fmt.Errorf("list instances: %w", err)
	}
	alive, err := d.alive()
	if err != nil {
		return nil, fmt.Errorf("list instances: %w", err)
	}
	list := make([]Status, 0, len(entries))
	for _, e := range entries {
		if boot, ok := alive[e.Name()]; ok {
			list = append(list, Status{ID: e.Name(), Running: true, Boot: boot})
			continue
		}
		if !e.IsDir() || !validID().MatchString(e.Name()) {
			continue
		}
		switch p, err := findProcess(d.dir(e.Name())); {
		case err == nil:
			d.watch(e.Name(), p)
			list = append(list, Status{ID: e.Name(), Running: true, Boot: p.boot})
		case errors.Is(err, ErrNotRunning):
			list = append(list, d.ended(e.Name()))
		default:
			return nil, fmt.Errorf("look for instance %s: %w", e.Name(), err)
		}
	}
	d.lookAtGroups(list)
	return list, nil
}

// ended is the status of an instance that does not run.
func (d *Namespaces) ended(id string) Status {
	s := Status{ID: id, Reason: reasonKilled}
	if text, err := os.ReadFile(filepath.Join(d.dir(id), fileReason)); err == nil {
		s.Reason = strings.TrimSpace(string(text))
	}
	if text, err := os.ReadFile(filepath.Join(d.dir(id), fileInit)); err == nil {
		if p, err := parseProcess(text); err == nil {
			s.Boot = p.boot
		}
	}
	s.PoweredOff, s.Restarting = s.Reason == reasonPowerOff, s.Reason == reasonRestart
	return s
}

// Console implements Driver.
func (d *Namespaces) Console(id string) ([]byte, error) {
	if !validID().MatchString(id) {
		return nil, fmt.Errorf("read console of instance %q: %w", id, fs.ErrNotExist)
	}
	return readConsole(filepath.Join(d.dir(id), fileConsole))
}
