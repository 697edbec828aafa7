package main

import (
	"os"
	"runtime"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// Nobody but the main goroutine gets the main thread, however many want one of their
// own at once. The main goroutine waits for this test meanwhile.
func TestMainThreadIsKept(t *testing.T) {
	const goroutines = 100 // far more than the runtime has idle threads
	var all, together sync.WaitGroup
	together.Add(goroutines)
	threads := make([]int, goroutines)
	for i := range goroutines {
		all.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			threads[i] = unix.Gettid()
			together.Done()
			together.Wait()
		})
	}
	all.Wait()
	for _, thread := range threads {
		if thread == os.Getpid() {
			t.Fatal("a goroutine ran on the main thread")
		}
	}
}
