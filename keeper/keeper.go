package keeper

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"causeway.dev/internal/run"
)

// Command is the first argument of the keeper's process, by which a program knows
// that it is to be Main.
const Command = "keep"

// inherited is the descriptor of the socket to the daemon that has started it.
const inherited = 3

// Main is the keeper's process. It returns the exit code.
func Main() int {
	HideMemory()
	_ = os.WriteFile("/proc/self/comm", []byte("causeway-keep"), 0)
	// The log goes where the daemon's went, which may have an end like the terminal's.
	signal.Ignore(unix.SIGPIPE, unix.SIGHUP, unix.SIGINT)
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGTERM)
	defer stop()
	log := slog.New(slog.NewTextHandler(unhurried(os.Stderr.Fd()), nil)).With("process", "keeper")
	if err := serve(ctx, log); err != nil {
		log.Error("the keeper ends", "err", err)
		return 1
	}
	return 0
}

// HideMemory keeps the keys in this process's memory from debuggers and core files.
func HideMemory() {
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) // nothing depends on it
}

// unhurried is a descriptor that what finds no room in is left out: a pipe that
// nobody reads must not hold up the keeper.
type unhurried uintptr

func (u unhurried) Write(line []byte) (int, error) {
	ready := []unix.PollFd{{Fd: int32(u), Events: unix.POLLOUT}}
	if n, err := unix.Poll(ready, 0); err != nil || n == 0 || ready[0].Revents&unix.POLLOUT == 0 {
		return len(line), nil
	}
	return unix.Write(int(u), line)
}

// serve takes over what the daemon at the inherited socket sends, and keeps it.
func serve(ctx context.Context, log *slog.Logger) error {
	daemon, err := fromDescriptor(inherited)
	if err != nil {
		return err
	}
	defer daemon.Close()
	c, err := newCarrier(log) // before the daemon stops to carry packets
	if err != nil {
		return err
	}
	defer c.close()
	if err := daemon.send(message{Verb: ready}); err != nil {
		return err
	}
	m, err := daemon.expect(keep)
	if err != nil || m.state == nil {
		return fmt.Errorf("nothing came to be kept: %w", err)
	}
	k, err := newKeeping(c, m, log)
	if err != nil {
		return errors.Join(err, daemon.send(message{Verb: no, Reason: err.Error()}))
	}
	defer k.close()
	if err := daemon.send(message{Verb: kept}); err != nil {
		return err
	}
	return k.run(ctx)
}

// keeping is a keeper at work. One goroutine owns it.
type keeping struct {
	log      *slog.Logger
	carrier  *carrier
	socket   string // its file
	listener *net.UnixListener
	group    *run.Group
	calls    chan *net.UnixConn

	begun    time.Time
	wait     time.Duration
	deadline *time.Timer

	handedOn, isClosed bool
}

func newKeeping(c *carrier, m message, log *slog.Logger) (*keeping, error) {
	if err := c.take(m.state); err != nil {
		return nil, err
	}
	c.begin()
	if c.isBroken() {
		return nil, errors.New("no tunnel can be kept")
	}
	listener, err := listen(m.Socket)
	if err != nil {
		return nil, err
	}
	wait := min(m.Wait, WaitMax)
	k := &keeping{
		log: log, carrier: c, socket: m.Socket, listener: listener,
		group: run.New(context.Background()), calls: make(chan *net.UnixConn),
		begun: time.Now(), wait: wait, deadline: time.NewTimer(wait),
	}
	k.group.Go("calls", k.accept)
	log.Info("tunnels are kept", "tunnels", len(m.state.Tunnels), "at_most", wait)
	return k, nil
}

// listen makes the keeper's socket, for nobody else's use.
func listen(socket string) (*net.UnixListener, error) {
	if err := os.Remove(socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("remove the last keeper's socket: %w", err)
	}
	var listener *net.UnixListener
	err := shortly(socket, func(name string) (err error) {
		listener, err = net.ListenUnix("unix", &net.UnixAddr{Name: name, Net: "unix"})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("make the keeper's socket: %w", err)
	}
	listener.SetUnlinkOnClose(false) // by another name
	if err := os.Chmod(socket, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("make the keeper's socket: %w", err), listener.Close())
	}
	return listener, nil
}

// shortly calls f with a short name of a socket: the kernel takes at most 107
// bytes.
func shortly(socket string, f func(name string) error) error {
	dir := filepath.Dir(socket)
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &fs.PathError{Op: "open directory", Path: dir, Err: err}
	}
	defer unix.Close(fd)
	return f(fmt.Sprintf("/proc/self/fd/%d/%s", fd, filepath.Base(socket)))
}

func (k *keeping) accept(ctx context.Context) error {
	for {
		c, err := k.listener.AcceptUnix()
		if err != nil {
			return err
		}
		select {
		case k.calls <- c:
		case <-ctx.Done():
			return errors.Join(ctx.Err(), c.Close())
		}
	}
}

// lookInterval is how often a keeper looks whether there is anything left to keep.
const lookInterval = time.Second

// run keeps until somebody else does, or the time is over.
func (k *keeping) run(ctx context.Context) error {
	look := time.NewTicker(lookInterval)
	defer look.Stop()
	for {
		select {
		case c := <-k.calls:
			if over := k.answer(conn{c}); over {
				return nil
			}
		case <-k.deadline.C:
			k.sayFarewell("nobody has claimed the tunnels")
			return nil
		case <-ctx.Done():
			k.sayFarewell("asked to end")
			return nil
		case <-look.C:
			if k.carrier.isBroken() {
				k.sayFarewell("no tunnel carries anything any more")
				return nil
			}
		}
	}
}

func (k *keeping) sayFarewell(why string) {
	k.log.Info("the peers are told that their tunnels end", "reason", why)
	k.carrier.farewell()
}

// answer carries out a request and reports whether the keeper's work is done.
func (k *keeping) answer(c conn) (over bool) {
	defer c.Close()
	if !c.isOurs() {
		return false
	}
	m, err := c.receive()
	if err != nil {
		k.log.Warn("a call is not understood", "err", err)
		return false
	}
	switch m.Verb {
	case peek:
		k.extend()
		answer := message{Verb: kept}
		for _, t := range k.carrier.state.Tunnels {
			answer.Kept = append(answer.Kept, KeptTunnel{ID: t.ID, Up: t.Up})
		}
		err = c.send(answer)
	case end:
		k.sayFarewell("another process has asked for it")
		k.close() // who has asked may count on it
		if err := c.send(message{Verb: kept}); err != nil {
			k.log.Debug("end is not confirmed", "err", err)
		}
		return true
	case claim:
		if over, err = k.handOn(c); over {
			return true
		}
	default:
		err = c.send(message{Verb: no, Reason: fmt.Sprintf("%q is no request", m.Verb)})
	}
	if err != nil {
		k.log.Warn("call", "verb", m.Verb, "err", err)
	}
	return false
}

// extend gives a daemon that has come up the whole time to get as far as to claim.
func (k *keeping) extend() {
	k.deadline.Reset(max(0, min(k.wait, WaitMax-time.Since(k.begun))))
}

// handOn sends all to the daemon that claims it. Only when that says that all has
// come, it is told that nobody else carries packets any more. If the connection
// breaks before that, the keeper goes on: a sequence number is never used by both.
func (k *keeping) handOn(c conn) (over bool, err error) {
	k.carrier.pause()
	err = c.send(message{Verb: kept, state: k.carrier.state})
	if err == nil {
		_, err = c.expect(take)
	}
	if err == nil {
		err = c.send(message{Verb: yours})
	}
	if err != nil {
		k.carrier.begin()
		return false, fmt.Errorf("hand on what is kept: %w", err)
	}
	k.log.Info("another process has taken over")
	k.handedOn = true
	k.close() // the other process may wait for the connection's end
	return true, nil
}

// close ends all. The socket's file is that of the process that has taken over, if
// one has, to be used by its own keeper.
func (k *keeping) close() {
	if k.isClosed {
		return
	}
	k.isClosed = true
	errs := []error{k.carrier.close()}
	if !k.handedOn {
		if err := os.Remove(k.socket); !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	k.group.Stop(nil)
	errs = append(errs, k.listener.Close())
	if err := errors.Join(append(errs, ignoreClosed(k.group.Wait()))...); err != nil {
		k.log.Warn("end", "err", err)
	}
}

// ignoreClosed leaves out the error of a listener that has been closed.
func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
