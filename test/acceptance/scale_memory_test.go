package acceptance

import (
	"flag"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

var scaleTouch = flag.Bool("scale.touch", false, "let TestScale use all memory that is free once, and keep the machine's host from taking it back, before it measures")

// touchMemory has all free memory of the machine in use once, but for what its other
// programs may want, and from then on lets the kernel have it without giving it back to
// a host. A virtual machine's host gives it memory when that is first used, page by page
// and slowly, and takes large free blocks back (free page reporting): what instances
// cost would grow as soon as the memory of those before has been used up. One page of
// each MiB stays taken until the test ends, so that no free block is large.
func touchMemory(t *testing.T) {
	if !*scaleTouch {
		return
	}
	const (
		spare  = 1500 << 20 // stays free while we take all else
		piece  = 64 << 20   // after which we look whether that is still so
		block  = 1 << 20    // of which a page stays taken
		noMore = 3 * time.Minute
	)
	page := os.Getpagesize()
	var machine unix.Sysinfo_t
	free := func() int {
		if err := unix.Sysinfo(&machine); err != nil {
			t.Fatal(err)
		}
		return int(machine.Freeram) * int(machine.Unit)
	}
	size := (free() - spare) / piece * piece
	if size <= 0 {
		t.Fatalf("%d MiB of memory are free, too few to touch", free()>>20)
	}
	memory, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		t.Fatalf("map %d MiB: %v", size>>20, err)
	}
	t.Cleanup(func() {
		if err := unix.Munmap(memory); err != nil {
			t.Error(err)
		}
	})
	if err := unix.Madvise(memory, unix.MADV_NOHUGEPAGE); err != nil && err != unix.EINVAL { // a kernel without huge pages
		t.Fatal(err)
	}
	start, touched := time.Now(), 0
	for ; touched < size && free() > spare && time.Since(start) < noMore; touched += piece {
		for at := touched; at < touched+piece; at += page {
			memory[at] = 1
		}
	}
	for at := 0; at < touched; at += block {
		if err := unix.Madvise(memory[at+page:at+block], unix.MADV_DONTNEED); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d MiB of memory were in use once, in %v", touched>>20, time.Since(start).Round(time.Second))
}
