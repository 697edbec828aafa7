package instance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// outputWait is how long Exec waits, after a command has ended, for output of
// what the command has left behind.
const outputWait = 2 * time.Second

// exitNotFound is a shell's exit code for a command that is not there.
const exitNotFound = 127

// Exec implements Driver.
func (d *Namespaces) Exec(ctx context.Context, id string, argv []string, stdin io.Reader, stdout, stderr io.Writer, tty bool) (int, error) {
	if !validID().MatchString(id) {
		return 0, fmt.Errorf("execute in instance %q: %w", id, ErrNotRunning)
	}
	if len(argv) == 0 {
		return 0, errors.New("execute in an instance: no command is given")
	}
	p, err := findProcess(d.dir(id))
	if err != nil {
		return 0, fmt.Errorf("execute in instance %s: %w", id, err)
	}
	fd, err := p.open()
	if err != nil {
		return 0, fmt.Errorf("execute in instance %s: %w", id, err)
	}
	defer unix.Close(fd)
	group, err := d.groups.Entry(id)
	if err != nil {
		return 0, fmt.Errorf("execute in instance %s: %w", id, err)
	}
	defer group.Close()

	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env, cmd.Dir, cmd.WaitDelay = environment, "/", outputWait
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, stdout, stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	var terminal *terminal
	err = joined(fd, func() (err error) {
		if cmd.Path, err = lookPath(argv[0]); err != nil {
			return err
		}
		cmd.Err = nil // about the host's programs
		if tty {
			if terminal, err = openTerminal(stdin); err != nil {
				return err
			}
			defer terminal.command.Close()
			terminal.attach(cmd)
		}
		return group.Start(cmd.SysProcAttr, cmd.Start)
	})
	if errors.Is(err, exec.ErrNotFound) {
		return exitNotFound, fmt.Errorf("execute in instance %s: %s: %w", id, argv[0], err)
	}
	if err != nil {
		if terminal != nil {
			terminal.ours.Close()
		}
		return 0, fmt.Errorf("execute in instance %s: %w", id, err)
	}
	if terminal != nil {
		defer terminal.serve(stdin, stdout)()
	}
	return result(cmd.Wait())
}

// result turns what Wait says into an exit code.
func result(err error) (int, error) {
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		status, _ := exit.Sys().(syscall.WaitStatus)
		return exitCode(status), nil
	case errors.Is(err, exec.ErrWaitDelay): // it ended; something that it started did not
		return 0, nil
	}
	return 0, err
}

// joined calls f on a thread that is in all namespaces of a process. The thread
// ends with f: there is no way back for it.
func joined(pidfd int, f func() error) error {
	return apart(func() error {
		const all = unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWNET
		if err := unix.Setns(pidfd, all); err != nil {
			return fmt.Errorf("enter namespaces: %w", err)
		}
		if err := confine(); err != nil {
			return err
		}
		return f()
	})
}

// lookPath finds a program inside the instance that the calling thread is in.
func lookPath(name string) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	for _, dir := range filepath.SplitList(searchPath) {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && !info.IsDir() && info.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	return "", exec.ErrNotFound
}
