package cgroup

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// Threads of version 1 come back to where they were, also if the process's main thread
// is in some other group when the way in is opened.
func TestMainThreadIsElsewhere(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: it makes control groups")
	}
	tree := Open(fmt.Sprintf("causeway-test-%08x", rand.Uint32()))
	t.Cleanup(func() { tree.Close() })
	at := slices.IndexFunc(tree.hierarchies, func(h hierarchy) bool { return h.version == 1 })
	if at < 0 {
		t.Skip("no hierarchy of version 1 is mounted")
	}
	h := tree.hierarchies[at]
	if err := tree.Make("i-1", Limits{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tree.Remove("i-1") })
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := ownDir(h)
	if err != nil {
		t.Fatal(err)
	}
	move := func(dir string) {
		t.Helper()
		if err := write(dir, "tasks", strconv.Itoa(os.Getpid())); err != nil {
			t.Fatal(err)
		}
	}
	move(tree.dir(h, "i-1"))
	defer move(home)

	var e *Entry
	open := func() { e, err = tree.Entry("i-1") }
	if unix.Gettid() == os.Getpid() { // another goroutine has another thread then
		done := make(chan struct{})
		go func() { defer close(done); open() }()
		<-done
	} else {
		open()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	want := filepath.Join(home, "tasks")
	if !slices.ContainsFunc(e.doors, func(d door) bool { return d.out.Name() == want }) {
		t.Errorf("no thread comes back to %s", want)
	}
}
