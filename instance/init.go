package instance

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"causeway.dev/internal/run"
)

// initConfig is what the init process is told.
type initConfig struct {
	Config
	Hide []string // directories of the host that must not be seen
}

// reportOK is what the init process says when it has set up its world. It says
// so, or what went wrong, on reportFD.
const (
	reportOK = "ok"
	reportFD = 3
)

// searchPath is where an instance's programs are.
const searchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

var environment = []string{"PATH=" + searchPath, "HOME=/root", "LANG=C.UTF-8"}

// userDataPath is where user data lies inside the instance.
const userDataPath = "/run/user-data"

// InitCommand is the hidden command of the program that runs InitMain. It is not for
// people.
const InitCommand = "instance-init"

// InitMain is the init process of an instance; args are what follows InitCommand. It
// returns the exit code. See package boot.
func InitMain(args []string) int {
	// Capabilities are a thread's; processes are to be started from the one
	// that has given them up.
	runtime.LockOSThread()
	unix.CloseOnExec(reportFD)
	report := os.NewFile(reportFD, "report")
	if len(args) != 1 || os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "instance-init is started by causeway itself, not by hand")
		return 2
	}
	i, err := boot(args[0])
	if err != nil {
		fmt.Fprint(report, err)
		return 1
	}
	fmt.Fprint(report, reportOK)
	report.Close()
	i.memory.rest()
	return i.live()
}

// An initProcess is process 1 of an instance.
type initProcess struct {
	config  initConfig
	dir     *os.Root // of the instance on the host, out of reach from inside
	claim   *os.File // keeps the lock
	console console
	signals chan os.Signal
	output  *run.Group // copies what user data prints
	script  int        // process id of the user data; 0 if none runs
	memory  frugality

	calls    chan func()   // what others want live to do
	ending   chan struct{} // closed when live takes no more calls
	children map[int]*child
	inputs   *run.Group // copies what users type; ends with the connections
}

// boot makes the world of the instance and enters it.
func boot(dir string) (*initProcess, error) {
	i := &initProcess{
		signals: make(chan os.Signal, 16), output: run.New(context.Background()), inputs: run.New(context.Background()),
		calls: make(chan func()), ending: make(chan struct{}), children: map[int]*child{},
	}
	signal.Notify(i.signals, unix.SIGCHLD, unix.SIGTERM)
	for s := range ends {
		signal.Notify(i.signals, s)
	}
	signal.Ignore(unix.SIGHUP, unix.SIGPIPE)
	text, err := os.ReadFile(filepath.Join(dir, fileConfig))
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &i.config); err != nil {
		return nil, fmt.Errorf("read config: %w", err)
	}
	if i.claim, err = claim(filepath.Join(dir, fileInit), i.config.Boot); err != nil {
		return nil, err
	}
	if i.dir, err = os.OpenRoot(dir); err != nil {
		return nil, err
	}
	if i.console, err = openConsole(filepath.Join(dir, fileConsole)); err != nil {
		return nil, err
	}
	if err := enterRoot(dir, i.config.Hide); err != nil {
		return nil, err
	}
	if err := os.WriteFile("/proc/self/comm", []byte("init"), 0); err != nil { // for those who list processes
		return nil, err
	}
	if err := i.nameHost(); err != nil {
		return nil, err
	}
	if err := makeDiskOwn(i.config.Config); err != nil {
		return nil, fmt.Errorf("make the disk the instance's own: %w", err)
	}
	return i, errors.Join(closeProcess(), confine())
}

func (i *initProcess) nameHost() error {
	name := i.config.Hostname
	if err := unix.Sethostname([]byte(name)); err != nil {
		return fmt.Errorf("set host name %q: %w", name, err)
	}
	hosts := "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"
	for _, a := range i.config.Addresses {
		hosts += a + "\t" + name + "\n"
	}
	if len(i.config.Addresses) == 0 {
		hosts += "127.0.1.1\t" + name + "\n"
	}
	if err := os.WriteFile("/etc/hosts", []byte(hosts), 0o644); err != nil {
		return err
	}
	if err := os.WriteFile("/etc/hostname", []byte(name+"\n"), 0o644); err != nil {
		return err
	}
	etc, err := os.OpenRoot("/etc")
	if err != nil {
		return err
	}
	defer etc.Close()
	return writeResolv(etc, i.config.Config)
}

// live runs the user data and collects processes until it is told to end.
func (i *initProcess) live() int {
	if err := i.runUserData(); err != nil {
		fmt.Fprintf(i.console, "user data was not run: %v\n", err)
	}
	if err := i.startSSH(); err != nil {
		fmt.Fprintf(i.console, "there is no SSH server: %v\n", err)
	}
	for {
		select {
		case f := <-i.calls:
			f()
		case s := <-i.signals:
			i.reap()
			if s != unix.SIGCHLD {
				close(i.ending)
				i.shutDown(cmp.Or(ends[s], reasonStopped))
				return 0
			}
		}
	}
}

// ends are the signals by which processes inside end the instance, as they do with
// other inits: sysvinit's and systemd's for power failure, halt, power off; Ctrl-Alt-Del
// and systemd's for a restart.
var ends = map[os.Signal]string{
	unix.SIGPWR:           reasonPowerOff,
	signalRealTimeMin + 3: reasonPowerOff,
	signalRealTimeMin + 4: reasonPowerOff,
	unix.SIGINT:           reasonRestart,
	signalRealTimeMin + 5: reasonRestart,
}

// signalRealTimeMin is what programs call SIGRTMIN: the C library keeps two for itself.
const signalRealTimeMin = unix.Signal(34)

// runUserData starts the user data if this is the first start. It counts as run
// from the moment that it may have begun.
func (i *initProcess) runUserData() error {
	if bytes.HasPrefix(i.config.UserData, []byte("#cloud-config")) {
		return errors.New("it is for cloud-init, which instances don't have: only scripts that begin with #! are run")
	}
	if !bytes.HasPrefix(i.config.UserData, []byte("#!")) {
		return nil
	}
	marker, err := i.dir.OpenFile(fileBooted, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	marker.Close()
	if err := os.WriteFile(userDataPath, i.config.UserData, 0o700); err != nil {
		return err
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	defer null.Close()
	output, input, err := os.Pipe()
	if err != nil {
		return err
	}
	defer input.Close()
	p, err := os.StartProcess(userDataPath, []string{userDataPath}, &os.ProcAttr{
		Dir: "/", Env: environment, Files: []*os.File{null, input, input},
		Sys: &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		output.Close()
		return err
	}
	i.script = p.Pid
	i.output.Go("console", func(context.Context) error {
		_, err := io.Copy(i.console, output)
		return err
	})
	return p.Release()
}

// reap collects what has ended, and tells whether anything is left.
func (i *initProcess) reap() (left bool) {
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, unix.WNOHANG, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return false
		case pid == 0:
			return true
		case i.children[pid] != nil:
			i.children[pid].ended = true
			i.children[pid].status <- syscall.WaitStatus(status)
			delete(i.children, pid)
		case pid == i.script:
			i.script = 0
			if code := exitCode(syscall.WaitStatus(status)); code != 0 {
				fmt.Fprintf(i.console, "user data ended with exit code %d\n", code)
			}
		}
	}
}

// exitCode is what a shell makes of a status.
func exitCode(s syscall.WaitStatus) int {
	if s.Signaled() {
		return 128 + int(s.Signal())
	}
	return s.ExitStatus()
}

// shutDown ends all processes, at first politely.
func (i *initProcess) shutDown(reason string) {
	if err := i.dir.WriteFile(fileReason, []byte(reason), 0o600); err != nil {
		fmt.Fprintf(i.console, "write reason: %v\n", err)
	}
	unix.Kill(-1, unix.SIGTERM)
	unix.Kill(-1, unix.SIGCONT)
	timeout := time.After(termGrace)
	for i.reap() {
		select {
		case <-i.signals:
		case <-timeout:
			return // and the kernel kills what is left with us
		}
	}
	i.output.Wait() // who could write has gone, so it ends
}
