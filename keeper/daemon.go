package keeper

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"time"

	"golang.org/x/sys/unix"
)

// What a daemon does with a keeper: Start and Keep at its end, Peek and Claim at
// its beginning, End to be rid of one.

// ErrSuccession, as the cause of a context's end, says that a process ends for another
// to go on with its tunnels. To all others it is an orderly end like any.
var ErrSuccession = fmt.Errorf("%w: another process goes on", context.Canceled)

// ErrNone: there is no keeper.
var ErrNone = errors.New("there is no keeper")

// A Started keeper has nothing to keep yet, so that little time passes between
// the last packet of the daemon and its first.
type Started struct {
	conn    conn
	process *exec.Cmd
}

// Start starts a keeper. Its log goes where this process's errors go.
func Start() (*Started, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("start a keeper: %w", err)
	}
	theirs := os.NewFile(uintptr(pair[1]), "daemon")
	defer theirs.Close()
	ours, err := fromDescriptor(pair[0])
	if err != nil {
		return nil, fmt.Errorf("start a keeper: %w", err)
	}
	// The same binary, though another may have its name by now. All other
	// descriptors are close-on-exec.
	s := &Started{conn: ours, process: &exec.Cmd{
		Path: "/proc/self/exe", Args: []string{"causeway", Command}, Dir: "/", Env: []string{},
		ExtraFiles: []*os.File{theirs}, Stderr: os.Stderr,
		SysProcAttr: &unix.SysProcAttr{Setsid: true},
	}}
	if err := s.process.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start a keeper: %w", err), ours.Close())
	}
	if _, err := ours.expect(ready); err != nil {
		s.Abandon()
		return nil, fmt.Errorf("start a keeper: %w", err)
	}
	return s, nil
}

// Keep hands a state over. After nil the keeper carries the packets, for wait at
// most, and can be found at socket; this process must not use the state, which it
// wipes, nor its descriptors any more. After an error the keeper has gone.
func (s *Started) Keep(state *State, socket string, wait time.Duration) error {
	err := s.conn.send(message{Verb: keep, Socket: socket, Wait: wait, state: state})
	if err == nil {
		_, err = s.conn.expect(kept)
	}
	if err != nil {
		s.Abandon()
		return fmt.Errorf("hand over to the keeper: %w", err)
	}
	state.Wipe()
	return errors.Join(s.process.Process.Release(), s.conn.Close())
}

// Abandon ends a keeper that keeps nothing.
func (s *Started) Abandon() {
	_ = s.conn.Close()
	_ = s.process.Process.Kill()
	_ = s.process.Wait() // killed
}

// call connects to the keeper at a socket.
func call(socket string) (c conn, err error) {
	err = shortly(socket, func(name string) error {
		dialed, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: name, Net: "unix"})
		c = conn{dialed}
		return err
	})
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ECONNREFUSED):
		return conn{}, ErrNone
	case err != nil:
		return conn{}, fmt.Errorf("call the keeper at %s: %w", socket, err)
	case !c.isOurs():
		return conn{}, errors.Join(fmt.Errorf("the keeper at %s is somebody else's", socket), c.Close())
	}
	return c, nil
}

// Peek tells what the keeper at socket keeps, or ErrNone. A keeper of another version
// is ended.
func Peek(socket string, log *slog.Logger) ([]KeptTunnel, error) {
	c, err := call(socket)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if err := c.send(message{Verb: peek}); err != nil {
		return nil, err
	}
	m, err := c.expect(kept)
	if err != nil {
		return nil, err
	}
	if m.Version != Version {
		log.Warn("tunnels that are kept begin anew: their keeper is of another version", "theirs", m.Version, "ours", Version)
		return nil, errors.Join(ErrNone, End(socket))
	}
	return m.Kept, nil
}

// A Claim is what a daemon takes over.
type Claim struct {
	State *State // with descriptors, which are the caller's

	conn   conn
	socket string
}

// Claimed asks the keeper at socket for what it keeps, or returns ErrNone. The keeper
// carries nothing until Take or Close, which must not be long.
func Claimed(socket string) (*Claim, error) {
	c, err := call(socket)
	if err != nil {
		return nil, err
	}
	if err = c.send(message{Verb: claim}); err == nil {
		var m message
		if m, err = c.expect(kept); err == nil && m.state != nil {
			return &Claim{State: m.state, conn: c, socket: socket}, nil
		}
	}
	return nil, errors.Join(fmt.Errorf("claim what is kept at %s: %w", socket, err), c.Close())
}

// Take takes over. Only after nil may packets be carried: until then the keeper
// may go on.
func (c *Claim) Take() error {
	err := c.conn.send(message{Verb: take})
	if err == nil {
		_, err = c.conn.expect(yours)
	}
	if err != nil {
		return fmt.Errorf("take over what is kept at %s: %w", c.socket, err)
	}
	_ = os.Remove(c.socket) // nobody is there any more
	return nil
}

// AwaitEnd waits until the keeper has closed its descriptors, after Take.
func (c *Claim) AwaitEnd() {
	_ = c.conn.SetReadDeadline(time.Now().Add(endMax))
	_, _ = c.conn.Read(make([]byte, 1)) // nothing comes but the end
}

// endMax bounds how long a keeper that has handed all on takes to end.
const endMax = time.Second

// Close ends the claim. Without Take the keeper goes on.
func (c *Claim) Close() {
	c.State.Wipe()
	_ = c.conn.Close()
}

// End has the keeper at socket tell the peers that their SAs are deleted, and waits
// until it has gone; one that hangs is killed. Without one it does nothing.
func End(socket string) error {
	c, err := call(socket)
	if errors.Is(err, ErrNone) {
		return nil
	}
	if err != nil {
		return err
	}
	defer c.Close()
	peer, err := c.credentials() // of who listens
	if err != nil {
		return fmt.Errorf("end the keeper at %s: %w", socket, err)
	}
	process, err := unix.PidfdOpen(int(peer.Pid), 0)
	if errors.Is(err, unix.ESRCH) {
		return nil // meanwhile
	}
	if err != nil {
		return fmt.Errorf("end the keeper at %s: %w", socket, err)
	}
	defer unix.Close(process)
	if err = c.send(message{Verb: end}); err == nil {
		_, err = c.expect(kept)
	}
	if err == nil && ended(process, exchangeMax) {
		return nil
	}
	if err := unix.PidfdSendSignal(process, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("end the keeper at %s: %w", socket, err)
	}
	ended(process, exchangeMax)
	if err := os.Remove(socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the last keeper's socket: %w", err)
	}
	return nil
}

// ended waits until a process has ended.
func ended(process int, most time.Duration) bool {
	for deadline := time.Now().Add(most); ; {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(process), Events: unix.POLLIN}}, int(time.Until(deadline).Milliseconds()))
		if !errors.Is(err, unix.EINTR) {
			return n == 1 && err == nil
		}
	}
}
