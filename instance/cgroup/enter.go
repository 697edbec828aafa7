package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// An Entry lets processes be started in a group from anywhere. It belongs to one
// group.
type Entry struct {
	unified *os.File // the group's directory; nil: there is none
	doors   []door
}

// A door is where single threads enter a group of version 1, and where ours come back.
type door struct{ in, out *os.File }

// ownGroups says which groups the calling thread is in (cgroups(7)). In version 1 each
// has its own, and that of /proc/self is the main one, which may just be in another's.
const ownGroups = "/proc/thread-self/cgroup"

// Entry opens the way into a group. Where it is not there, as one of an older version
// of ours, the entry leads nowhere.
func (t *Tree) Entry(id string) (*Entry, error) {
	e := &Entry{}
	if err := e.open(t, id); err != nil {
		e.Close()
		return nil, fmt.Errorf("open control group: %w", err)
	}
	return e, nil
}

func (e *Entry) open(t *Tree, id string) error {
	for _, h := range t.hierarchies {
		var err error
		if h.version == 2 {
			if e.unified, err = os.Open(t.dir(h, id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			continue
		}
		in, err := os.OpenFile(filepath.Join(t.dir(h, id), "tasks"), os.O_WRONLY, 0)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		own, err := ownDir(h)
		if err != nil {
			return errors.Join(err, in.Close())
		}
		out, err := os.OpenFile(filepath.Join(own, "tasks"), os.O_WRONLY, 0)
		if err != nil {
			return errors.Join(err, in.Close())
		}
		e.doors = append(e.doors, door{in, out})
	}
	return nil
}

// ownDir finds the directory of the group of version 1 that the calling thread is in.
func ownDir(h hierarchy) (string, error) {
	text, err := os.ReadFile(ownGroups)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		// 4:memory:/path
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 || !slices.Contains(strings.Split(f[1], ","), h.controllers[0]) {
			continue
		}
		rest, below := strings.CutPrefix(f[2], strings.TrimSuffix(h.root, "/"))
		if !below {
			return "", fmt.Errorf("the group %s is not in what is mounted on %s", f[2], h.mount)
		}
		return filepath.Join(h.mount, rest), nil
	}
	return "", fmt.Errorf("%s names no group of %s", ownGroups, h.controllers[0])
}

// Start calls start so that the process that it starts with these attributes begins in
// the group. The calling goroutine must be locked to its thread, which is in the group
// meanwhile.
func (e *Entry) Start(a *syscall.SysProcAttr, start func() error) error {
	// Also a thread that ends with its goroutine comes back: if it is the main one of the
	// process, it stays for good.
	defer func() {
		for _, d := range e.doors {
			d.out.WriteString("0") // the calling thread; the kernel has let it in before
		}
	}()
	for _, d := range e.doors {
		if _, err := d.in.WriteString("0"); err != nil {
			return fmt.Errorf("enter control group: %w", err)
		}
	}
	if e.unified != nil {
		a.UseCgroupFD, a.CgroupFD = true, int(e.unified.Fd())
	}
	return start()
}

// Close lets go of the group.
func (e *Entry) Close() {
	for _, d := range e.doors {
		d.in.Close()
		d.out.Close()
	}
	if e.unified != nil {
		e.unified.Close()
	}
}
