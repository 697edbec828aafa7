package instance

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"causeway.dev/instance/cgroup"
)

// groupWait is how long a control group may take to be removed whose first process has
// ended: on a busy machine what was killed with it waits for a processor to end on.
const groupWait = 10 * time.Second

// limits are what an instance's processes are bound by.
func (d *Namespaces) limits(c Config) cgroup.Limits {
	if d.o.Limits == nil {
		return c.Limits
	}
	return d.o.Limits(c.Limits)
}

// Unlimited are the controllers of control groups that cannot be used on this host,
// with the reason: what they count is not limited.
func (d *Namespaces) Unlimited() map[string]error { return d.groups.Missing() }

// OutOfMemory is how many processes of each instance the kernel has killed for want
// of memory since the instance's start; instances that have lost none are not in it.
func (d *Namespaces) OutOfMemory() map[string]uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return maps.Clone(d.killed)
}

// Close removes what is left of control groups, once all instances have ended.
func (d *Namespaces) Close() error { return d.groups.Close() }

// makeGroup makes the control group that an instance is about to start in.
func (d *Namespaces) makeGroup(c Config) error {
	if err := os.Remove(d.killedFile(c.ID)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	d.mu.Lock()
	delete(d.killed, c.ID)
	if d.grouped != nil {
		d.grouped[c.ID] = true
	}
	d.mu.Unlock()
	if err := d.removeGroup(c.ID); err != nil {
		return err
	}
	return d.groups.Make(c.ID, d.limits(c))
}

// followLimits gives an instance that runs the limits that it shall have. One that an
// older version has started has none until it starts again; one that uses more than it
// may have keeps what it has.
func (d *Namespaces) followLimits(c Config) {
	err := d.groups.Set(c.ID, d.limits(c))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		d.o.Logger.Warn("instance keeps the limits that it has", "instance", c.ID, "err", err)
	}
}

// removeGroup removes the control group of an instance that has ended.
func (d *Namespaces) removeGroup(id string) error {
	for deadline := time.Now().Add(groupWait); ; time.Sleep(time.Millisecond) {
		err := d.forgetGroup(id)
		if !errors.Is(err, unix.EBUSY) || time.Now().After(deadline) {
			return err
		}
	}
}

// memoryInterval is how often it is looked whether instances' memory was enough. To
// read a file of each takes the longer the more there are.
const memoryInterval = 5 * time.Second

// lookAtGroups tells of instances whose memory was not enough, and removes the control
// groups of those that don't run, unless one of them is being started or ended: of
// those that have ended by themselves, and what a life of ours has left that ended in
// between.
func (d *Namespaces) lookAtGroups(list []Status) {
	running := make(map[string]bool, len(list))
	for _, s := range list {
		if s.Running {
			running[s.ID] = true
		}
	}
	if d.memoryIsDue(time.Now()) {
		for id := range running {
			d.lookAtMemory(id)
		}
	}
	for _, id := range d.groupsWithout(running) {
		unlock, ok := d.tryLock(id)
		if !ok {
			continue
		}
		if _, err := findProcess(d.dir(id)); errors.Is(err, ErrNotRunning) {
			d.lookAtMemory(id)
			if err := d.forgetGroup(id); err != nil && !errors.Is(err, unix.EBUSY) { // which passes
				d.o.Logger.Warn("remove the control group of an instance that has ended", "instance", id, "err", err)
			}
		}
		unlock()
	}
}

func (d *Namespaces) memoryIsDue(now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	due := now.Sub(d.looked) >= d.memoryInterval
	if due {
		d.looked = now
	}
	return due
}

// groupsWithout are the instances that may have a control group and don't run.
func (d *Namespaces) groupsWithout(running map[string]bool) (ids []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.grouped == nil {
		all, err := d.groups.List()
		if err != nil {
			d.o.Logger.Warn("look for control groups that are left", "err", err)
		}
		d.grouped = map[string]bool{}
		for _, id := range all {
			d.grouped[id] = validID().MatchString(id)
		}
	}
	for id, ours := range d.grouped {
		if ours && !running[id] {
			ids = append(ids, id)
		}
	}
	return ids
}

// forgetGroup removes an instance's control group.
func (d *Namespaces) forgetGroup(id string) error {
	err := d.groups.Remove(id)
	if err == nil {
		d.mu.Lock()
		delete(d.grouped, id)
		d.mu.Unlock()
	}
	return err
}

// killedFile holds how many processes the kernel has killed, as far as was told.
func (d *Namespaces) killedFile(id string) string { return filepath.Join(d.dir(id), "killed") }

// lookAtMemory tells, in the log and on its console, that an instance's memory was not
// enough.
func (d *Namespaces) lookAtMemory(id string) {
	killed, err := d.groups.OutOfMemory(id)
	if err != nil || killed == 0 {
		return // or it has no group
	}
	d.mu.Lock()
	told, known := d.killed[id]
	d.mu.Unlock()
	if !known {
		text, _ := os.ReadFile(d.killedFile(id))
		told, _ = strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	}
	d.mu.Lock()
	d.killed[id] = killed
	d.mu.Unlock()
	if killed == told {
		return
	}
	if err := os.WriteFile(d.killedFile(id), []byte(strconv.FormatUint(killed, 10)+"\n"), 0o600); err != nil {
		return // the instance is being deleted
	}
	d.o.Logger.Warn("instance is out of memory, and the kernel has killed some of its processes", "instance", id, "killed", killed)
	if console, err := openConsole(filepath.Join(d.dir(id), fileConsole)); err == nil {
		fmt.Fprintf(console, "Out of memory: %d processes were killed since the start of the instance\n", killed)
		console.file.Close()
	}
}
