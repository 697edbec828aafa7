// Package netns creates, removes and enters named network namespaces, the same
// ones that "ip netns" shows.
package netns

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"causeway.dev/internal/run"
)

// Dir is where names of network namespaces are kept: a file each, on which the
// namespace is mounted.
const Dir = "/run/netns"

// Path is the file of a named namespace. A name that is a path already, such as
// "/proc/42/ns/net", stands for itself.
func Path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(Dir, name)
}

// Do calls f on a thread that is in the named namespace, or in that of the process
// for an empty name, and returns what f returns. Sockets and devices that f opens belong to the namespace and can be
// used anywhere afterwards; processes that it starts live in it. f must not
// start goroutines that count on the namespace. The error is fs.ErrNotExist if
// there is no such namespace.
func Do(name string, f func() error) error {
	target, err := Open(name)
	if err != nil {
		return err
	}
	defer unix.Close(target)
	return onThread("netns "+name, func() error {
		if err := unix.Setns(target, unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("enter network namespace %s: %w", name, err)
		}
		return f()
	})
}

// Open opens a named namespace, or that of the process for an empty name. The
// caller closes it.
func Open(name string) (fd int, err error) {
	if name != "" {
		return open(name)
	}
	err = onThread("netns home", func() (err error) {
		fd, err = unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return -1, fmt.Errorf("open network namespace of the process: %w", err)
	}
	return fd, nil
}

// Temporary calls f as Do does, in a new network namespace that has no name and
// goes with the last that f has opened in it.
func Temporary(f func() error) error {
	return onThread("netns temporary", func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("make network namespace: %w", err)
		}
		return f()
	})
}

// onThread runs f on a thread of its own and puts the thread back into the
// network namespace that it came from. If that does not work the thread ends
// with its goroutine, so that nobody inherits the wrong namespace.
func onThread(name string, f func() error) error {
	var err error
	g := run.New(context.Background())
	g.Go(name, func(context.Context) error {
		runtime.LockOSThread()
		home, openErr := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if openErr != nil {
			err = fmt.Errorf("open own network namespace: %w", openErr)
			return nil
		}
		defer unix.Close(home)
		err = f()
		if unix.Setns(home, unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread()
		}
		return nil
	})
	return errors.Join(g.Wait(), err)
}

// Exists reports whether there is a namespace of that name.
func Exists(name string) bool {
	fd, err := open(name)
	if err != nil {
		return false
	}
	unix.Close(fd)
	return true
}

// ID identifies the namespace behind a name, or that of the process for an empty
// one, as long as it lives: its inode.
func ID(name string) (uint64, error) {
	fd, err := Open(name)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return 0, fmt.Errorf("stat network namespace %s: %w", name, err)
	}
	return st.Ino, nil
}

// open opens a namespace, and nothing that only has its name: an interrupted
// Create leaves a plain file.
func open(name string) (int, error) {
	fd, err := unix.Open(Path(name), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, &fs.PathError{Op: "open network namespace", Path: name, Err: err}
	}
	var st unix.Statfs_t
	if err := unix.Fstatfs(fd, &st); err != nil || st.Type != unix.NSFS_MAGIC {
		unix.Close(fd)
		return -1, &fs.PathError{Op: "open network namespace", Path: name, Err: unix.ENOENT}
	}
	return fd, nil
}

// Create makes a named namespace with its loopback down. The error is
// fs.ErrExist if there is one.
func Create(name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	if Exists(name) {
		return &fs.PathError{Op: "create network namespace", Path: name, Err: unix.EEXIST}
	}
	if err := prepareDir(); err != nil {
		return err
	}
	file, err := os.OpenFile(Path(name), os.O_RDONLY|os.O_CREATE, 0)
	if err != nil {
		return fmt.Errorf("create network namespace: %w", err)
	}
	file.Close()
	err = onThread("netns create "+name, func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("create network namespace %s: %w", name, err)
		}
		if err := unix.Mount("/proc/thread-self/ns/net", Path(name), "none", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("mount network namespace %s: %w", name, err)
		}
		return nil
	})
	if err != nil {
		os.Remove(Path(name))
	}
	return err
}

// Delete removes the name. The namespace itself lives on as long as something
// is in it: a process, or a socket. No error if there is no such name.
func Delete(name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	err := unix.Unmount(Path(name), unix.MNT_DETACH)
	if err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) { // EINVAL: not mounted
		return fmt.Errorf("unmount network namespace %s: %w", name, err)
	}
	if err := os.Remove(Path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove name of network namespace: %w", err)
	}
	return nil
}

// List returns all names that begin with prefix, in order, even those whose
// creation was interrupted.
func List(prefix string) ([]string, error) {
	entries, err := os.ReadDir(Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list network namespaces: %w", err)
	}
	var names []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

func checkName(name string) error {
	if name == "" || len(name) > 255 || strings.ContainsRune(name, '/') || name == "." || name == ".." {
		return fmt.Errorf("%q cannot be the name of a network namespace", name)
	}
	return nil
}

// prepareDir makes Dir a shared mount of its own, as "ip netns" does, so that
// names mounted and unmounted here are so in every mount namespace that has
// been made since: a copy of a mount elsewhere would keep a namespace alive.
func prepareDir() error {
	if err := os.MkdirAll(Dir, 0o755); err != nil {
		return fmt.Errorf("make directory of network namespaces: %w", err)
	}
	dir, err := os.Open(Dir)
	if err != nil {
		return fmt.Errorf("open directory of network namespaces: %w", err)
	}
	defer dir.Close()
	// "ip netns" takes the same lock.
	if err := unix.Flock(int(dir.Fd()), unix.LOCK_EX); err != nil {
		return fmt.Errorf("lock directory of network namespaces: %w", err)
	}
	err = unix.Mount("", Dir, "none", unix.MS_SHARED|unix.MS_REC, "")
	if errors.Is(err, unix.EINVAL) { // not a mount yet
		if err = unix.Mount(Dir, Dir, "none", unix.MS_BIND|unix.MS_REC, ""); err == nil {
			err = unix.Mount("", Dir, "none", unix.MS_SHARED|unix.MS_REC, "")
		}
	}
	if err != nil {
		return fmt.Errorf("share directory of network namespaces: %w", err)
	}
	return nil
}
