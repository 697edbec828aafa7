package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A fake is a tree of files that stands for the kernel's: it gives a group's directory
// the files that the kernel would.
type fake struct {
	t    *testing.T
	tree *Tree
	root string
}

// files of a new group, by the hierarchy's version.
var files = map[int]map[string]string{
	1: {
		"cgroup.procs": "", "tasks": "", "cpu.cfs_period_us": "100000\n", "cpu.cfs_quota_us": "-1\n",
		"memory.limit_in_bytes": "9223372036854771712\n", "memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 0\n", "pids.max": "max\n",
	},
	2: {
		"cgroup.procs": "", "cgroup.type": "domain\n", "cgroup.controllers": "", "cgroup.subtree_control": "", "cpu.max": "max 100000\n",
		"memory.max": "max\n", "memory.swap.max": "max\n", "memory.events": "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\n", "pids.max": "max\n",
	},
}

// newFake mounts hierarchies: "v2" with its controllers, others of version 1, named after
// theirs.
func newFake(t *testing.T, mounts map[string]string) *fake {
	t.Helper()
	f := &fake{t: t, root: t.TempDir()}
	var info strings.Builder
	info.WriteString("22 1 0:21 / /proc rw,nosuid - proc proc rw\n")
	f.tree = &Tree{name: "cwx", rmdir: f.rmdir}
	f.tree.mkdir = func(dir string) error {
		version := 1
		if strings.HasPrefix(dir, filepath.Join(f.root, "v2")) {
			version = 2
		}
		return f.mkdir(dir, version)
	}
	for _, name := range slices.Sorted(maps.Keys(mounts)) {
		at := filepath.Join(f.root, name)
		if name == "v2" {
			f.must(f.mkdir(at, 2))
			f.must(os.Remove(filepath.Join(at, "cgroup.type")))
			f.put("v2/cgroup.controllers", mounts[name]+"\n")
			fmt.Fprintf(&info, "30 22 0:26 / %s rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n", at)
			continue
		}
		f.must(f.mkdir(at, 1))
		fmt.Fprintf(&info, "31 22 0:27 / %s rw shared:9 - cgroup cgroup rw,%s\n", at, mounts[name])
	}
	f.tree.find(info.String(), nil)
	return f
}

func (f *fake) mkdir(dir string, version int) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	for name, text := range files[version] {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// rmdir removes a directory with its files, if there are no others below it.
func (f *fake) rmdir(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.IsDir() {
			return errors.New("device or resource busy")
		}
	}
	return os.RemoveAll(dir)
}

func (f *fake) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *fake) put(file, text string) {
	f.t.Helper()
	f.must(os.WriteFile(filepath.Join(f.root, file), []byte(text), 0o644))
}

func (f *fake) holds(file, want string) {
	f.t.Helper()
	text, err := os.ReadFile(filepath.Join(f.root, file))
	if err != nil || strings.TrimSpace(string(text)) != want {
		f.t.Errorf("%s holds %q, %v, want %q", file, text, err, want)
	}
}

var nano = Limits{CPUs: 0.5, MemoryBytes: 512 << 20, Processes: 2048}

func TestVersion2(t *testing.T) {
	f := newFake(t, map[string]string{"v2": "cpuset cpu io memory hugetlb pids"})
	if len(f.tree.Missing()) != 0 {
		t.Fatalf("missing: %v", f.tree.Missing())
	}
	f.holds("v2/cwx/cgroup.subtree_control", "+pids") // each is a write of its own
	f.must(f.tree.Make("i-1", nano))
	f.holds("v2/cwx/i-1/cpu.max", "50000 100000")
	f.holds("v2/cwx/i-1/memory.max", "536870912")
	f.holds("v2/cwx/i-1/memory.swap.max", "0")
	f.holds("v2/cwx/i-1/pids.max", "2048")
	f.must(f.tree.Set("i-1", Limits{}))
	f.holds("v2/cwx/i-1/cpu.max", "max 100000")
	f.holds("v2/cwx/i-1/memory.max", "max")
	f.holds("v2/cwx/i-1/memory.swap.max", "max")
	f.holds("v2/cwx/i-1/pids.max", "max")
	f.put("v2/cwx/i-1/memory.events", "low 0\nhigh 0\nmax 31\noom 4\noom_kill 3\n")
	if n, err := f.tree.OutOfMemory("i-1"); n != 3 || err != nil {
		t.Errorf("killed %d, %v", n, err)
	}
}

func TestVersion1(t *testing.T) {
	f := newFake(t, map[string]string{"v2": "hugetlb", "cpu,cpuacct": "cpu,cpuacct", "memory": "memory", "pids": "pids"})
	if len(f.tree.Missing()) != 0 {
		t.Fatalf("missing: %v", f.tree.Missing())
	}
	f.must(f.tree.Make("i-1", nano))
	f.holds("cpu,cpuacct/cwx/i-1/cpu.cfs_quota_us", "50000")
	f.holds("memory/cwx/i-1/memory.limit_in_bytes", "536870912")
	f.holds("pids/cwx/i-1/pids.max", "2048")
	if _, err := os.Stat(filepath.Join(f.root, "v2/cwx")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a group is where it serves for nothing: %v", err)
	}
	f.put("memory/cwx/i-1/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 7\n")
	if n, err := f.tree.OutOfMemory("i-1"); n != 7 || err != nil {
		t.Errorf("killed %d, %v", n, err)
	}
}

// Version 2 is taken where it has a controller, and version 1 for the others.
func TestBothVersions(t *testing.T) {
	f := newFake(t, map[string]string{"v2": "cpu pids", "memory": "memory", "pids": "pids"})
	if len(f.tree.Missing()) != 0 {
		t.Fatalf("missing: %v", f.tree.Missing())
	}
	f.must(f.tree.Make("i-1", nano))
	f.holds("v2/cwx/i-1/pids.max", "2048")
	f.holds("memory/cwx/i-1/memory.limit_in_bytes", "536870912")
	if _, err := os.Stat(filepath.Join(f.root, "pids/cwx")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a controller is used twice: %v", err)
	}
}

func TestWhatIsMissingIsTold(t *testing.T) {
	f := newFake(t, map[string]string{"pids": "pids"})
	if missing := f.tree.Missing(); len(missing) != 2 || missing["cpu"] == nil || missing["memory"] == nil {
		t.Errorf("missing: %v", missing)
	}
	f.must(f.tree.Make("i-1", nano))
	f.holds("pids/cwx/i-1/pids.max", "2048")

	// In a container the top has processes and is not the root of all.
	f = newFake(t, map[string]string{"v2": ""})
	f.put("v2/cgroup.type", "domain\n")
	f.put("v2/cgroup.procs", "1\n")
	f.put("v2/cgroup.controllers", "cpu memory pids\n")
	f.tree.find(fmt.Sprintf("30 22 0:26 / %s/v2 rw - cgroup2 cgroup2 rw\n", f.root), nil)
	if missing := f.tree.Missing(); len(missing) != 3 || !strings.Contains(missing["memory"].Error(), "has processes") {
		t.Errorf("missing: %v", missing)
	}
	f.holds("v2/cgroup.subtree_control", "")

	unread := &Tree{name: "cwx"}
	unread.find("", fs.ErrPermission)
	if !errors.Is(unread.Missing()["cpu"], fs.ErrPermission) {
		t.Errorf("missing: %v", unread.Missing())
	}
	if err := unread.Make("i-1", nano); err != nil || unread.Has("cpu") {
		t.Errorf("a tree without hierarchies makes a group: %v", err)
	}
}

func TestGroupsAreListedAndRemoved(t *testing.T) {
	f := newFake(t, map[string]string{"memory": "memory", "pids": "pids", "cpu": "cpu"})
	f.must(f.tree.Make("i-1", nano))
	f.must(f.tree.Make("i-2", nano))
	f.must(os.RemoveAll(filepath.Join(f.root, "cpu/cwx/i-2"))) // half removed by a crash
	if names, err := f.tree.List(); err != nil || !slices.Equal(names, []string{"i-1", "i-2"}) {
		t.Errorf("List: %v, %v", names, err)
	}
	if f.tree.Close() == nil {
		t.Error("it closes above groups that are there")
	}
	f.must(f.tree.Remove("i-1"))
	f.must(f.tree.Remove("i-2"))
	f.must(f.tree.Remove("i-2"))
	f.must(f.tree.Close())
	if names, err := f.tree.List(); err != nil || len(names) != 0 {
		t.Errorf("List: %v, %v", names, err)
	}
	f.must(f.tree.Make("i-3", nano)) // which makes the owner's group again
	f.holds("pids/cwx/i-3/pids.max", "2048")
}

func TestSettings(t *testing.T) {
	for _, c := range []struct {
		limits Limits
		want   string
	}{
		{Limits{}, "max 100000"},
		{Limits{CPUs: 2}, "200000 100000"},
		{Limits{CPUs: 0.0001}, "1000 100000"}, // the kernel's least
	} {
		if got := settings(2, "cpu", c.limits); got[0].value != c.want {
			t.Errorf("%+v: %q, want %q", c.limits, got[0].value, c.want)
		}
	}
}
