package instance

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// enterRoot gives the calling process, which must be alone in its mount
// namespace, the host's root file system under an overlay whose changes go to
// dir, and what belongs to an instance alone on top of it: /proc, /sys, /dev,
// /run, /tmp. What is mounted below the host's root is not seen, except by the
// names of its mount points.
func enterRoot(dir string, hide []string) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("separate mounts: %w", err)
	}
	root := filepath.Join(dir, "root")
	if err := mountOverlay(dir, root); err != nil {
		return err
	}
	for _, m := range []mount{
		{"proc", "proc", "proc", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC, ""},
		{"sysfs", "sys", "sysfs", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC | unix.MS_RDONLY, ""},
		{"tmpfs", "dev", "tmpfs", unix.MS_NOSUID | unix.MS_STRICTATIME, "mode=755,size=64k"},
		{"devpts", "dev/pts", "devpts", unix.MS_NOSUID | unix.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5"},
		{"tmpfs", "dev/shm", "tmpfs", unix.MS_NOSUID | unix.MS_NODEV, "mode=1777"},
		{"tmpfs", "run", "tmpfs", unix.MS_NOSUID | unix.MS_NODEV, "mode=755"},
		{"tmpfs", "tmp", "tmpfs", unix.MS_NOSUID | unix.MS_NODEV, "mode=1777"},
	} {
		if err := m.do(root); err != nil {
			return err
		}
	}
	if err := fillDev(root); err != nil {
		return err
	}
	if err := protectProc(root); err != nil {
		return err
	}
	if err := pivot(root); err != nil {
		return err
	}
	for _, path := range hide {
		if err := hideDirectory(path); err != nil {
			return err
		}
	}
	return nil
}

// mountOverlay puts the host's root file system under an overlay at root. That
// the upper directory lies within the lower one is fine with overlayfs, which
// refuses to show it. If it cannot keep changes in dir, as when dir is on an
// overlay itself, it keeps them in memory.
func mountOverlay(dir, root string) error {
	if err := os.MkdirAll(root, 0o755); err != nil {
		return err
	}
	err := overlayIn(dir, root)
	if errors.Is(err, unix.EINVAL) {
		memory := filepath.Join(dir, "memory")
		if err := os.MkdirAll(memory, 0o700); err != nil {
			return err
		}
		if err := unix.Mount("tmpfs", memory, "tmpfs", 0, "mode=700"); err != nil {
			return fmt.Errorf("mount memory for changes: %w", err)
		}
		err = overlayIn(memory, root)
	}
	return err
}

func overlayIn(dir, root string) error {
	upper, work := filepath.Join(dir, "upper"), filepath.Join(dir, "work")
	for _, d := range []string{upper, work} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return err
		}
	}
	escape := strings.NewReplacer(`\`, `\\`, ",", `\,`, ":", `\:`)
	options := fmt.Sprintf("lowerdir=/,upperdir=%s,workdir=%s", escape.Replace(upper), escape.Replace(work))
	if err := unix.Mount("overlay", root, "overlay", 0, options); err != nil {
		return fmt.Errorf("mount overlay over the root file system: %w", err)
	}
	return nil
}

// A mount is a file system to be mounted below a root.
type mount struct {
	source, target, kind string
	flags                uintptr
	options              string
}

func (m mount) do(root string) error {
	target := filepath.Join(root, m.target)
	if err := os.MkdirAll(target, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(m.source, target, m.kind, m.flags, m.options); err != nil {
		return fmt.Errorf("mount %s on /%s: %w", m.kind, m.target, err)
	}
	return nil
}

// hideDirectory mounts nothing over a directory of the host, if it is there. The
// root is the instance's already, so that a link leads to where it leads for the
// instance.
func hideDirectory(path string) error {
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		return nil // not there, or not any more, as below /tmp
	}
	if err := unix.Mount("tmpfs", path, "tmpfs", unix.MS_RDONLY, "mode=000"); err != nil {
		return fmt.Errorf("hide %s: %w", path, err)
	}
	return nil
}

// fillDev takes the devices that do no harm from the host.
func fillDev(root string) error {
	for _, name := range []string{"null", "zero", "full", "random", "urandom", "tty", "net/tun"} {
		if err := bind("/dev/"+name, filepath.Join(root, "dev", name)); err != nil {
			return err
		}
	}
	for name, to := range map[string]string{
		"ptmx": "pts/ptmx", "fd": "/proc/self/fd",
		"stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2",
	} {
		if err := os.Symlink(to, filepath.Join(root, "dev", name)); err != nil {
			return err
		}
	}
	return nil
}

// bind shows one file of the host, if it is there.
func bind(from, to string) error {
	if _, err := os.Stat(from); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	file, err := os.OpenFile(to, os.O_CREATE, 0)
	if err != nil {
		return err
	}
	file.Close()
	if err := unix.Mount(from, to, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount %s: %w", from, err)
	}
	return nil
}

// protectProc makes the host's kernel settings read-only. Those below net are
// the instance's own.
func protectProc(root string) error {
	const flags = unix.MS_BIND | unix.MS_REMOUNT | unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	for _, step := range []struct {
		path  string
		flags uintptr
	}{{"proc/sys", flags | unix.MS_RDONLY}, {"proc/sys/net", flags}, {"proc/sysrq-trigger", flags | unix.MS_RDONLY}} {
		path := filepath.Join(root, step.path)
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err := unix.Mount(path, path, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("mount /%s: %w", step.path, err)
		}
		if err := unix.Mount("", path, "", step.flags, ""); err != nil {
			return fmt.Errorf("protect /%s: %w", step.path, err)
		}
	}
	return nil
}

// pivot makes root the root directory and lets go of the old one.
func pivot(root string) error {
	if err := unix.Chdir(root); err != nil {
		return fmt.Errorf("enter root: %w", err)
	}
	// The old root is put on top of the new one, and taken off.
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("pivot root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("let go of the host's root: %w", err)
	}
	return unix.Chdir("/")
}
