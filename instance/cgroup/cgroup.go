// Package cgroup bounds what processes take of their host, by Linux's control groups:
// version 2 for the controllers that it has, version 1 for the others.
package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Limits are the most that the processes of a group may have together; 0 is no
// limit.
type Limits struct {
	CPUs        float64 // of processors' time, in processors
	MemoryBytes int64   // with what the files that they use take in memory; nothing is swapped
	Processes   int     // and threads
}

// Controllers, by the kernel's names, are what limits a group.
var Controllers = []string{"cpu", "memory", "pids"}

// A Tree is where groups of one owner are made on a host: below a group of the
// owner's name, at the top of each hierarchy. There they are found whatever group
// their maker is in, and outlast that one. It is safe for concurrent use, but for one
// group at a time.
type Tree struct {
	name        string // of the owner's group
	hierarchies []hierarchy
	missing     map[string]error // by controller

	// A directory's files are the kernel's to make and to remove.
	mkdir, rmdir func(dir string) error
}

// A hierarchy is a mounted tree of groups.
type hierarchy struct {
	mount       string // where it is mounted
	root        string // which of its groups is
	version     int    // 1 or 2
	controllers []string
}

// mountInfo says what is mounted where for the calling thread (proc_pid_mountinfo(5)).
const mountInfo = "/proc/thread-self/mountinfo"

// Open finds out which of the Controllers this host can use for the owner of a name.
// It makes the owner's group. What cannot be used, Missing tells.
func Open(name string) *Tree {
	text, err := os.ReadFile(mountInfo)
	t := &Tree{name: name, mkdir: func(dir string) error { return os.Mkdir(dir, 0o755) }, rmdir: os.Remove}
	t.find(string(text), err)
	return t
}

// find chooses a hierarchy for each controller from the text of mountInfo.
func (t *Tree) find(mounts string, err error) {
	t.missing = make(map[string]error)
	unified, former := hierarchiesOf(mounts)
	for _, controller := range Controllers {
		reason := err
		for _, h := range slices.Concat(unified, former) {
			if !slices.Contains(h.controllers, controller) {
				continue
			}
			if reason = t.try(h, controller); reason == nil {
				t.use(h, controller)
				break
			}
		}
		if !t.Has(controller) {
			if reason == nil {
				reason = errors.New("no hierarchy with it is mounted")
			}
			t.missing[controller] = reason
		}
	}
}

// hierarchiesOf reads the hierarchies of version 2 and of version 1 from the text of
// mountInfo, each with its controllers.
func hierarchiesOf(mounts string) (unified, former []hierarchy) {
	unescape := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
	for line := range strings.Lines(mounts) {
		// 36 35 98:0 /root /mount/point options optional… - type source options
		before, after, ok := strings.Cut(strings.TrimSpace(line), " - ")
		at, kind := strings.Fields(before), strings.Fields(after)
		if !ok || len(at) < 5 || len(kind) < 3 {
			continue
		}
		h := hierarchy{root: unescape.Replace(at[3]), mount: unescape.Replace(at[4])}
		switch kind[0] {
		case "cgroup2":
			h.version = 2
			text, err := os.ReadFile(filepath.Join(h.mount, "cgroup.controllers"))
			if err != nil {
				continue
			}
			h.controllers = strings.Fields(string(text))
			unified = append(unified, h)
		case "cgroup":
			h.version, h.controllers = 1, strings.Split(kind[2], ",")
			former = append(former, h)
		}
	}
	return unified, former
}

// try makes the owner's group in a hierarchy, if it is not there, and looks whether
// the controller is at work in the groups below it.
func (t *Tree) try(h hierarchy, controller string) error {
	if h.version == 2 {
		if err := vacant(h.mount); err != nil {
			return err
		}
	}
	if err := t.prepare(h, []string{controller}); err != nil {
		return err
	}
	for _, s := range settings(h.version, controller, Limits{}) {
		if _, err := os.Stat(filepath.Join(h.mount, t.name, s.file)); err != nil && !s.optional {
			return fmt.Errorf("look for the controller's settings: %w", err)
		}
	}
	return nil
}

// vacant reports whether a group of version 2 can have groups with limits below it:
// it is the root of all, or has no processes of its own. In a container it mostly
// has, though it looks like the root from there.
func vacant(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, "cgroup.type")); errors.Is(err, fs.ErrNotExist) {
		return nil // only the root of all has no such file
	}
	text, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	if err != nil {
		return err
	}
	if len(text) > 0 {
		return fmt.Errorf("%s has processes, and is not the root of all groups", dir)
	}
	return nil
}

// use notes that a hierarchy serves for a controller.
func (t *Tree) use(h hierarchy, controller string) {
	at := slices.IndexFunc(t.hierarchies, func(other hierarchy) bool { return other.mount == h.mount })
	if at < 0 {
		h.controllers = nil
		t.hierarchies, at = append(t.hierarchies, h), len(t.hierarchies)
	}
	t.hierarchies[at].controllers = append(t.hierarchies[at].controllers, controller)
}

// Has reports whether a controller is used.
func (t *Tree) Has(controller string) bool {
	return slices.ContainsFunc(t.hierarchies, func(h hierarchy) bool { return slices.Contains(h.controllers, controller) })
}

// Missing are the controllers that cannot be used here, with the reason.
func (t *Tree) Missing() map[string]error { return t.missing }

// prepare makes the owner's group and lets controllers work in the groups below it.
func (t *Tree) prepare(h hierarchy, controllers []string) error {
	own := filepath.Join(h.mount, t.name)
	if h.version == 2 {
		if err := enable(h.mount, controllers); err != nil {
			return err
		}
	}
	if err := t.mkdir(own); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make control group: %w", err)
	}
	if h.version == 2 {
		return enable(own, controllers)
	}
	return nil
}

// enable lets controllers of version 2 work in the groups below a group. The kernel
// refuses it where processes are in that group, unless it is the root of all.
func enable(dir string, controllers []string) error {
	const file = "cgroup.subtree_control"
	text, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		return fmt.Errorf("look at controllers: %w", err)
	}
	for _, c := range controllers {
		if slices.Contains(strings.Fields(string(text)), c) {
			continue
		}
		if err := write(dir, file, "+"+c); err != nil {
			return fmt.Errorf("switch the controller on below %s: %w", dir, err)
		}
	}
	return nil
}

// write sets one of a group's files, which is there.
func write(dir, file, value string) error {
	f, err := os.OpenFile(filepath.Join(dir, file), os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}

func (t *Tree) dir(h hierarchy, id string) string { return filepath.Join(h.mount, t.name, id) }

// Make makes a group, which must not be there yet.
func (t *Tree) Make(id string, l Limits) error {
	for _, h := range t.hierarchies {
		if err := t.prepare(h, h.controllers); err != nil {
			return err
		}
		if err := t.mkdir(t.dir(h, id)); err != nil {
			return fmt.Errorf("make control group: %w", err)
		}
	}
	return t.Set(id, l)
}

// Set gives a group its limits, where it has others.
func (t *Tree) Set(id string, l Limits) error {
	for _, h := range t.hierarchies {
		for _, c := range h.controllers {
			if err := set(t.dir(h, id), settings(h.version, c, l)); err != nil {
				return fmt.Errorf("limit %s: %w", c, err)
			}
		}
	}
	return nil
}

// A setting is the content of one of a group's files.
type setting struct {
	file, value string
	optional    bool // the kernel may have no such file
}

// periodMicroseconds is how long processors' time is reckoned over: the kernel's
// own choice.
const periodMicroseconds = 100000

// quotaMin is the kernel's: a millisecond of each period.
const quotaMin = 1000

// settings are what a controller's limits look like, in the order in which they can
// be lowered.
func settings(version int, controller string, l Limits) []setting {
	quota := int64(0)
	if l.CPUs > 0 {
		quota = max(int64(l.CPUs*periodMicroseconds), quotaMin)
	}
	period := strconv.Itoa(periodMicroseconds)
	if version == 2 {
		switch controller {
		case "cpu":
			return []setting{{file: "cpu.max", value: number(quota, "max") + " " + period}}
		case "memory":
			swap := setting{file: "memory.swap.max", value: "max", optional: true}
			if l.MemoryBytes > 0 {
				swap.value = "0"
			}
			return []setting{{file: "memory.max", value: number(l.MemoryBytes, "max")}, swap}
		}
	}
	switch controller {
	case "cpu":
		return []setting{{file: "cpu.cfs_period_us", value: period}, {file: "cpu.cfs_quota_us", value: number(quota, "-1")}}
	case "memory": // the second counts memory and swap together
		bytes := number(l.MemoryBytes, "-1")
		return []setting{{file: "memory.limit_in_bytes", value: bytes}, {file: "memory.memsw.limit_in_bytes", value: bytes, optional: true}}
	default:
		return []setting{{file: "pids.max", value: number(int64(l.Processes), "max")}}
	}
}

// number is a limit, or how none is written.
func number(n int64, none string) string {
	if n <= 0 {
		return none
	}
	return strconv.FormatInt(n, 10)
}

// set writes the settings that a group has not. A limit of memory may be above or
// below another one that stands; in one of the two orders the kernel takes them.
func set(dir string, wanted []setting) error {
	var differ []setting
	for _, s := range wanted {
		text, err := os.ReadFile(filepath.Join(dir, s.file))
		if s.optional && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if strings.TrimSpace(string(text)) != s.value {
			differ = append(differ, s)
		}
	}
	writeAll := func() error {
		for _, s := range differ {
			if err := write(dir, s.file, s.value); err != nil {
				return err
			}
		}
		return nil
	}
	err := writeAll()
	if err != nil && len(differ) > 1 {
		slices.Reverse(differ)
		err = writeAll()
	}
	return err
}

// Remove removes a group whose processes have ended. No error if there is none.
func (t *Tree) Remove(id string) error {
	var errs []error
	for _, h := range t.hierarchies {
		if err := t.rmdir(t.dir(h, id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("remove control group: %w", err))
		}
	}
	return errors.Join(errs...)
}

// Close removes the owner's group, unless there are groups below it.
func (t *Tree) Close() error {
	var errs []error
	for _, h := range t.hierarchies {
		if err := t.rmdir(filepath.Join(h.mount, t.name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("remove control group: %w", err))
		}
	}
	return errors.Join(errs...)
}

// List returns the names of the groups that there are in any hierarchy.
func (t *Tree) List() ([]string, error) {
	var names []string
	for _, h := range t.hierarchies {
		entries, err := os.ReadDir(filepath.Join(h.mount, t.name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("list control groups: %w", err)
		}
		for _, e := range entries {
			if e.IsDir() {
				names = append(names, e.Name())
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// OutOfMemory is how many processes of a group the kernel has killed for want of
// memory.
func (t *Tree) OutOfMemory(id string) (uint64, error) {
	for _, h := range t.hierarchies {
		if !slices.Contains(h.controllers, "memory") {
			continue
		}
		file := "memory.oom_control"
		if h.version == 2 {
			file = "memory.events"
		}
		text, err := os.ReadFile(filepath.Join(t.dir(h, id), file))
		if err != nil {
			return 0, err
		}
		return counter(string(text), "oom_kill")
	}
	return 0, nil
}

// counter finds a number in a text of names with numbers, one a line.
func counter(text, name string) (uint64, error) {
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) == 2 && f[0] == name {
			return strconv.ParseUint(f[1], 10, 64)
		}
	}
	return 0, nil
}
