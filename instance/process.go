package instance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// A process is the init process of a running instance. Process ids are used
// again, but never by a process that started at the same time.
type process struct {
	pid   int
	start uint64 // in clock ticks after the host's start
	boot  int64  // Config.Boot; 0 for one that an older version has started
}

// findProcess looks for the init process of the instance in dir. The error is
// ErrNotRunning if there is none.
func findProcess(dir string) (process, error) {
	// A process that has just taken the lock may not have written its id yet.
	for deadline := time.Now().Add(time.Second); ; time.Sleep(time.Millisecond) {
		p, err := readProcess(filepath.Join(dir, fileInit))
		if !errors.Is(err, errIncomplete) || time.Now().After(deadline) {
			return p, err
		}
	}
}

var errIncomplete = errors.New("init process has not written its id")

func readProcess(path string) (process, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return process{}, ErrNotRunning
	}
	if err != nil {
		return process{}, err
	}
	defer file.Close()
	lock := unix.Flock_t{Type: unix.F_RDLCK} // asked for, not taken
	if err := unix.FcntlFlock(file.Fd(), unix.F_OFD_GETLK, &lock); err != nil {
		return process{}, fmt.Errorf("look at lock of init process: %w", err)
	}
	if lock.Type == unix.F_UNLCK {
		return process{}, ErrNotRunning
	}
	text, err := io.ReadAll(io.LimitReader(file, initLengthMax))
	if err != nil {
		return process{}, err
	}
	return parseProcess(text)
}

// initLengthMax is above the length of what claim writes.
const initLengthMax = 100

// parseProcess reads what claim has written: a line of two or three numbers.
func parseProcess(text []byte) (p process, err error) {
	line, whole := bytes.CutSuffix(text, []byte("\n"))
	if !whole {
		return process{}, errIncomplete
	}
	n, err := fmt.Sscan(string(line), &p.pid, &p.start, &p.boot)
	if err != nil && n < 2 {
		return process{}, errIncomplete
	}
	return p, nil
}

// claim locks the file for as long as the calling process lives and writes who
// that is, and which start. It must be called while /proc is the host's.
func claim(path string, boot int64) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	lock := unix.Flock_t{Type: unix.F_WRLCK}
	if err := unix.FcntlFlock(file.Fd(), unix.F_OFD_SETLK, &lock); err != nil {
		file.Close()
		return nil, fmt.Errorf("lock %s, as if the instance did not run yet: %w", path, err)
	}
	link, err := os.Readlink("/proc/self")
	if err != nil {
		return nil, err
	}
	pid, err := strconv.Atoi(link)
	if err != nil {
		return nil, err
	}
	start, err := startOf(pid)
	if err != nil {
		return nil, err
	}
	if err := file.Truncate(0); err != nil {
		return nil, err
	}
	_, err = fmt.Fprintf(file, "%d %d %d\n", pid, start, boot)
	return file, err
}

// startOf reads when a process started, the 22nd field of its stat. The second,
// the command in parentheses, may contain anything.
func startOf(pid int) (uint64, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	const startAfterCommand = 22 - 3
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) <= startAfterCommand {
		return 0, fmt.Errorf("stat of process %d has %d fields", pid, len(fields)+2)
	}
	return strconv.ParseUint(string(fields[startAfterCommand]), 10, 64)
}

// open returns a descriptor of the process, which is what stays the same
// process whatever happens.
func (p process) open() (int, error) {
	fd, err := unix.PidfdOpen(p.pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return -1, ErrNotRunning
	}
	if err != nil {
		return -1, fmt.Errorf("open init process %d: %w", p.pid, err)
	}
	if start, err := startOf(p.pid); err != nil || start != p.start {
		unix.Close(fd)
		return -1, ErrNotRunning
	}
	return fd, nil
}

// network identifies the network namespace that the process is in; 0 if it
// cannot be told.
func (p process) network() uint64 {
	var st unix.Stat_t
	if err := unix.Stat(fmt.Sprintf("/proc/%d/ns/net", p.pid), &st); err != nil {
		return 0
	}
	return st.Ino
}

// end asks the process to end, waits, and then kills it, with everything that
// lives in its namespace.
func (p process) end(ctx context.Context, patience time.Duration) error {
	return p.signal(ctx, patience, unix.SIGTERM, unix.SIGKILL)
}

// kill ends the process at once.
func (p process) kill(ctx context.Context) error { return p.signal(ctx, endWait, unix.SIGKILL) }

// signal sends one signal after the other until the process ends.
func (p process) signal(ctx context.Context, patience time.Duration, signals ...unix.Signal) error {
	fd, err := p.open()
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for _, signal := range signals {
		if err := unix.PidfdSendSignal(fd, signal, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("signal init process: %w", err)
		}
		if ended(ctx, fd, patience) {
			return nil
		}
	}
	return errors.New("its init process cannot be killed")
}

// ended waits until the process behind fd has ended. The end of ctx ends the
// waiting.
func ended(ctx context.Context, fd int, wait time.Duration) bool {
	const slice = 20 * time.Millisecond // at which ctx is looked at
	for deadline := time.Now().Add(wait); ctx.Err() == nil && time.Now().Before(deadline); {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(slice.Milliseconds()))
		if err == nil && n > 0 {
			return true
		}
	}
	return false
}
