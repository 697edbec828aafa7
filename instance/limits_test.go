package instance

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"causeway.dev/instance/cgroup"
)

// limited is a lab on a host that has a controller.
func limited(t *testing.T, controllers ...string) *lab {
	t.Helper()
	l := newLab(t)
	for _, c := range controllers {
		if err := l.Unlimited()[c]; err != nil {
			t.Skipf("control groups have no %s here: %v", c, err)
		}
	}
	return l
}

// groupFile reads one of the files of an instance's control group, in the hierarchy that
// has it.
func (l *lab) groupFile(id, name string) string {
	l.t.Helper()
	for _, hierarchy := range []string{"", "*"} { // of version 2, and of version 1
		files, err := filepath.Glob(filepath.Join("/sys/fs/cgroup", hierarchy, "causeway-"+l.prefix, id, name))
		if err != nil {
			l.t.Fatal(err)
		}
		for _, file := range files {
			if text, err := os.ReadFile(file); err == nil {
				return string(text)
			}
		}
	}
	l.t.Fatalf("the control group of %s has no %s", id, name)
	return ""
}

// counted is a value in a file of names and numbers.
func (l *lab) counted(id, file, name string) int {
	l.t.Helper()
	for line := range strings.Lines(l.groupFile(id, file)) {
		if f := strings.Fields(line); len(f) == 2 && f[0] == name {
			n, err := strconv.Atoi(f[1])
			if err != nil {
				l.t.Fatal(err)
			}
			return n
		}
	}
	l.t.Fatalf("%s of %s has no %s", file, id, name)
	return 0
}

// processorTime is what the processes of an instance have used, those included that
// have ended and been waited for.
func (l *lab) processorTime(id string) (used time.Duration) {
	l.t.Helper()
	const tick = 10 * time.Millisecond // USER_HZ
	for _, pid := range strings.Fields(l.groupFile(id, "cgroup.procs")) {
		stat, err := os.ReadFile("/proc/" + pid + "/stat")
		if err != nil {
			continue // it has ended
		}
		f := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		for _, field := range f[11:15] { // utime, stime, cutime, cstime (proc_pid_stat(5))
			n, err := strconv.Atoi(field)
			if err != nil {
				l.t.Fatal(err)
			}
			used += time.Duration(n) * tick
		}
	}
	return used
}

// The processes of an instance get the processors' time that it may use in each of the
// kernel's periods, by the kernel's own reckoning, however many they are.
func TestProcessorsAreLimited(t *testing.T) {
	l := limited(t, "cpu")
	c := l.config("i-1", "#!/bin/sh\nwhile :; do :; done &\nwhile :; do :; done\n")
	l.ensure(c)
	l.eventually("its processes are busy", func() bool { return l.processorTime("i-1") > 50*time.Millisecond })
	c.Limits.CPUs = 0.02 // 2 ms of 100
	l.ensure(c)          // while it runs
	throttled := func() int { return l.counted("i-1", "cpu.stat", "nr_throttled") }
	before := throttled()
	l.eventually("the limit is felt", func() bool { return throttled() > before })

	periods := l.counted("i-1", "cpu.stat", "nr_periods")
	used := l.processorTime("i-1")
	l.eventually("some periods pass", func() bool { return l.counted("i-1", "cpu.stat", "nr_periods") >= periods+10 })
	used = l.processorTime("i-1") - used
	periods = l.counted("i-1", "cpu.stat", "nr_periods") - periods
	// Of each process's time only whole ticks are told, and the periods at both ends count
	// as one.
	if most := time.Duration(periods+2)*2*time.Millisecond + 100*time.Millisecond; used > most {
		t.Errorf("in %d periods it used %v, want %v at most", periods, used, most)
	}
	if ended := l.life("i-1"); ended.pid == 0 {
		t.Error("it does not run any more")
	}
}

// What asks for more memory than the instance has is killed, and that can be seen.
func TestMemoryIsLimited(t *testing.T) {
	l := limited(t, "memory")
	c := l.config("i-1", "")
	c.Limits.MemoryBytes = 96 << 20
	l.ensure(c)
	if got := l.sh("i-1", "head -c 10M /dev/zero | tail -c 10M | wc -c"); got != "10485760" {
		t.Errorf("within its memory: %q", got)
	}
	// tail keeps a line until it ends; what it is given ends, should nothing limit it.
	code, err := l.Exec(t.Context(), "i-1", []string{"sh", "-c", "head -c 300M /dev/zero | tail -n 1"}, nil, nil, nil, false)
	if err != nil || code != 137 { // 128 and SIGKILL
		t.Errorf("beyond its memory: exit code %d, %v", code, err)
	}
	if !l.running("i-1") {
		t.Fatal("the whole instance was killed")
	}
	killed := l.OutOfMemory()["i-1"]
	if killed == 0 {
		t.Error("nothing is counted")
	}
	says := func() int {
		text, err := l.Console("i-1")
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(text), "Out of memory")
	}
	if says() != 1 {
		t.Errorf("the console says so %d times", says())
	}
	l.newLife()
	if !l.running("i-1") || l.OutOfMemory()["i-1"] != killed || says() != 1 {
		t.Errorf("a new life counts %d, want %d, and the console says so %d times", l.OutOfMemory()["i-1"], killed, says())
	}
	c.Boot++ // a start begins with nothing killed
	l.ensure(c)
	if !l.running("i-1") || len(l.OutOfMemory()) != 0 {
		t.Errorf("after a restart: %v", l.OutOfMemory())
	}
}

// A process that only starts others takes no more of the host than the instance may.
func TestProcessesAreLimited(t *testing.T) {
	l := limited(t, "pids")
	c := l.config("i-1", "")
	c.Limits.Processes = 40
	l.ensure(c)
	code, err := l.Exec(t.Context(), "i-1", []string{"sh", "-c", "i=0; while [ $i -lt 200 ]; do sleep 1000 & i=$((i+1)); done"}, nil, nil, nil, false)
	if err == nil && code == 0 {
		t.Error("it started them all")
	}
	if n := len(strings.Fields(l.groupFile("i-1", "cgroup.procs"))); n < 20 || n > 40 {
		t.Errorf("it has %d processes, want 40 at most, threads included", n)
	}
	// From outside, what starts a command is counted too. It fails in one way or another,
	// as soon as there is no room for all of it.
	for started := 0; ; started++ {
		if started > 40 {
			t.Fatal("more and more can be started from outside")
		}
		if code, err := l.Exec(t.Context(), "i-1", []string{"sh", "-c", "sleep 1000 &"}, nil, nil, nil, false); err != nil || code != 0 {
			break
		}
	}
	if err := l.Terminate(t.Context(), "i-1"); err != nil {
		t.Error(err)
	}
}

// An instance of the smallest type runs its init process, an SSH server and a shell in
// what the type gives it.
func TestSmallestTypeIsEnough(t *testing.T) {
	l := limited(t, "memory", "pids")
	c := l.config("i-1", "#!/bin/sh\nexec sleep 1000\n")
	c.AuthorizedKeys = []string{"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ4sXMlBSsU1HYwW5Lq9nhVDYAZbWSQ8lMqyqJzqYtCd test"}
	c.Limits = cgroup.Limits{CPUs: 2, MemoryBytes: 64 << 20, Processes: 256} // an eighth of t3.nano's
	l.ensure(c)
	l.eventually("user data runs", func() bool { return l.sh("i-1", "pgrep -c sleep || true") == "1" })
	if !l.running("i-1") || len(l.OutOfMemory()) != 0 {
		t.Errorf("out of memory: %v", l.OutOfMemory())
	}
}

func (l *lab) groupsAre(want ...string) {
	l.t.Helper()
	names, err := l.groups.List()
	if err != nil || !slices.Equal(names, want) {
		l.t.Errorf("control groups %v, %v, want %v", names, err, want)
	}
}

// Each instance has a control group from before it does anything until it has ended,
// whoever ends it and whoever looks.
func TestGroupsLiveWithInstances(t *testing.T) {
	l := limited(t, "pids")
	c := l.config("i-1", "#!/bin/sh\ncat /proc/self/cgroup\necho done\n")
	l.ensure(c)
	l.groupsAre("i-1")
	name := "/causeway-" + l.prefix + "/i-1"
	l.eventually("user data has run", func() bool {
		text, _ := l.Console("i-1")
		return strings.Contains(string(text), "done")
	})
	if text, _ := l.Console("i-1"); !strings.Contains(string(text), "pids:"+name) && !strings.Contains(string(text), "0::"+name) {
		t.Errorf("user data runs in %s", text)
	}
	if got := l.sh("i-1", "cat /proc/self/cgroup"); !strings.Contains(got, "pids:"+name) && !strings.Contains(got, "0::"+name) {
		t.Errorf("what is executed runs in %s", got)
	}
	l.newLife()
	l.ensure(c)
	l.groupsAre("i-1")
	if err := l.Stop(t.Context(), "i-1", false); err != nil {
		t.Fatal(err)
	}
	l.groupsAre()

	c.Boot++
	l.ensure(c)
	l.groupsAre("i-1")
	l.Exec(t.Context(), "i-1", []string{"poweroff"}, nil, nil, nil, false)
	l.eventually("its group is gone", func() bool {
		l.status("i-1")
		names, err := l.groups.List()
		return err == nil && len(names) == 0
	})

	// What a crash has left goes with the next look.
	if err := l.groups.Make("i-2", cgroup.Limits{}); err != nil {
		t.Fatal(err)
	}
	l.newLife()
	l.status("i-2")
	l.groupsAre()
}

func TestLimitsCanBeScaled(t *testing.T) {
	d, err := NewNamespaces(Options{Dir: t.TempDir(), Limits: func(l cgroup.Limits) cgroup.Limits { l.CPUs *= 2; return l }})
	if err != nil {
		t.Fatal(err)
	}
	if got := d.limits(Config{Limits: cgroup.Limits{CPUs: 1, Processes: 9}}); got != (cgroup.Limits{CPUs: 2, Processes: 9}) {
		t.Errorf("limits %+v", got)
	}
	if len(d.Unlimited()) != 0 || errors.Join(d.groups.Make("i-1", cgroup.Limits{CPUs: 1}), d.Close()) != nil || fmt.Sprint(d.OutOfMemory()) != "map[]" {
		t.Error("a driver that was given no name for groups uses some")
	}
}
