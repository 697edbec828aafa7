package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// processorTime is what the bed's VPN processes have used, with the kernel's
// work in their context.
func (s *bed) processorTime(tb testing.TB) (used time.Duration) {
	tb.Helper()
	for _, pid := range s.processes {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
		if err != nil || len(threads) == 0 {
			tb.Fatalf("a gateway of %s has ended", s.kind.name)
		}
		for _, thread := range threads {
			text, err := os.ReadFile(thread)
			if err != nil {
				continue // the thread has ended since
			}
			// The first field: nanoseconds on a processor.
			var ns int64
			if _, err := fmt.Sscan(string(text), &ns); err != nil {
				tb.Fatalf("read %s: %v", thread, err)
			}
			used += time.Duration(ns)
		}
	}
	return used
}

// residentMiB is the larger memory of the bed's VPN processes, in MiB.
func (s *bed) residentMiB(tb testing.TB) (largest float64) {
	tb.Helper()
	for _, pid := range s.processes {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			tb.Fatalf("a gateway of %s has ended: %v", s.kind.name, err)
		}
		for line := range strings.Lines(string(text)) {
			var kB float64
			if n, _ := fmt.Sscanf(line, "VmRSS: %f kB", &kB); n == 1 {
				largest = max(largest, kB/1024)
			}
		}
	}
	return largest
}
