package instance

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"causeway.dev/internal/run"
)

// A terminal is a pair of pseudo-terminal ends: the command has one, we serve
// the other. If our input is a terminal, too, that one becomes a mere wire
// meanwhile.
type terminal struct {
	ours    *os.File
	fd      int // of ours, which asking the file for would make blocking
	command *os.File

	outer int // descriptor of the terminal that is our input; -1 for none
	saved *unix.Termios
}

// openTerminal makes a terminal of the instance that the calling thread is in.
func openTerminal(stdin io.Reader) (*terminal, error) {
	fd, err := unix.Open("/dev/pts/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open terminal: %w", err)
	}
	t := &terminal{ours: os.NewFile(uintptr(fd), "terminal"), fd: fd, outer: -1}
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.ours.Close()
		return nil, fmt.Errorf("unlock terminal: %w", err)
	}
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.ours.Close()
		return nil, fmt.Errorf("number terminal: %w", err)
	}
	t.command, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.ours.Close()
		return nil, fmt.Errorf("open terminal: %w", err)
	}
	if file, ok := stdin.(*os.File); ok {
		if _, err := unix.IoctlGetTermios(int(file.Fd()), unix.TCGETS); err == nil {
			t.outer = int(file.Fd())
		}
	}
	return t, nil
}

// attach makes the terminal the command's.
func (t *terminal) attach(cmd *exec.Cmd) {
	cmd.Stdin, cmd.Stdout, cmd.Stderr = t.command, t.command, t.command
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	cmd.Env = append(cmd.Env[:len(cmd.Env):len(cmd.Env)], "TERM="+termName())
}

func termName() string {
	if name := os.Getenv("TERM"); name != "" {
		return name
	}
	return "linux"
}

// endOfInput is what a terminal takes as such.
const endOfInput = 4

// serve carries bytes both ways until the returned function is called, which
// brings out what the command has written last. One read of stdin may be left
// under way, since nothing can break it off.
func (t *terminal) serve(stdin io.Reader, stdout io.Writer) (finish func()) {
	t.resize()
	t.makeRaw()
	sizes := make(chan os.Signal, 1)
	signal.Notify(sizes, unix.SIGWINCH)
	writer, helpers := run.New(context.Background()), run.New(context.Background())
	writer.Go("terminal output", func(context.Context) error {
		io.Copy(stdout, t.ours) // ends with an error when the command's end is closed
		return nil
	})
	helpers.Go("terminal size", func(ctx context.Context) error {
		for {
			select {
			case <-sizes:
				t.resize()
			case <-ctx.Done():
				return nil
			}
		}
	})
	if stdin != nil {
		helpers.Go("terminal input", func(context.Context) error {
			io.Copy(t.ours, stdin)
			t.ours.Write([]byte{endOfInput})
			return nil
		})
	}
	return func() {
		t.ours.SetReadDeadline(time.Now().Add(outputWait)) // the command may have left something behind
		writer.Wait()
		helpers.Stop(nil)
		signal.Stop(sizes)
		t.ours.Close()
		if t.saved != nil {
			unix.IoctlSetTermios(t.outer, unix.TCSETS, t.saved)
		}
	}
}

// resize gives the command's terminal the size of ours.
func (t *terminal) resize() {
	if t.outer < 0 {
		return
	}
	if size, err := unix.IoctlGetWinsize(t.outer, unix.TIOCGWINSZ); err == nil {
		unix.IoctlSetWinsize(t.fd, unix.TIOCSWINSZ, size)
	}
}

// makeRaw lets every key through to the command's terminal, which is the one
// that makes something of them.
func (t *terminal) makeRaw() {
	if t.outer < 0 {
		return
	}
	saved, err := unix.IoctlGetTermios(t.outer, unix.TCGETS)
	if err != nil {
		return
	}
	raw := *saved
	raw.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON
	raw.Oflag &^= unix.OPOST
	raw.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
	raw.Cflag = raw.Cflag&^(unix.CSIZE|unix.PARENB) | unix.CS8
	raw.Cc[unix.VMIN], raw.Cc[unix.VTIME] = 1, 0
	if unix.IoctlSetTermios(t.outer, unix.TCSETS, &raw) == nil {
		t.saved = saved
	}
}
