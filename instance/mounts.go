package instance

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"runtime"

	"golang.org/x/sys/unix"

	"causeway.dev/internal/run"
	"causeway.dev/netfabric/netns"
)

// startIn starts a program in an instance's network namespace and control group, with
// a mount namespace that is copied from the driver's rather than from the process's.
// It begins in its group: to move a process there that runs already, with all its
// threads, keeps the whole host from starting any until the kernel has come round to
// all processors.
func (d *Namespaces) startIn(c Config, cmd *exec.Cmd) error {
	to, err := netns.Open(c.NetworkNamespace)
	if err != nil {
		return err
	}
	defer unix.Close(to)
	mounts, err := d.mountNamespace()
	if err != nil {
		return err
	}
	group, err := d.groups.Entry(c.ID)
	if err != nil {
		return err
	}
	defer group.Close()
	return apart(func() error {
		if err := unix.Setns(int(mounts.Fd()), unix.CLONE_NEWNS); err != nil {
			return fmt.Errorf("enter mount namespace: %w", err)
		}
		if err := unix.Setns(to, unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("enter network namespace %s: %w", c.NetworkNamespace, err)
		}
		return group.Start(cmd.SysProcAttr, cmd.Start)
	})
}

// mountNamespace is the one that instances' are copied from: the host's as it was
// when the first instance was started, without the names of network namespaces.
// Each of these is a mount; to copy them all for an instance, which lets go of them
// at once, would take the longer the more instances there are.
func (d *Namespaces) mountNamespace() (*os.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.mounts != nil {
		return d.mounts, nil
	}
	err := apart(func() (err error) {
		if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
			return fmt.Errorf("make mount namespace: %w", err)
		}
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			return fmt.Errorf("separate mounts: %w", err)
		}
		err = unix.Unmount(netns.Dir, unix.MNT_DETACH)
		if err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, fs.ErrNotExist) { // EINVAL: not mounted
			return fmt.Errorf("unmount the names of network namespaces: %w", err)
		}
		d.mounts, err = os.Open("/proc/thread-self/ns/mnt")
		return err
	})
	return d.mounts, err
}

// apart calls f on a thread that shares neither its root directory nor its working
// directory with others, as who enters a mount namespace must. The thread ends with f.
func apart(f func() error) error {
	var err error
	g := run.New(context.Background())
	g.Go("instance", func(context.Context) error {
		runtime.LockOSThread() // and never unlocked
		if err = unix.Unshare(unix.CLONE_FS); err != nil {
			err = fmt.Errorf("separate thread: %w", err)
			return nil
		}
		err = f()
		return nil
	})
	return errors.Join(g.Wait(), err)
}
