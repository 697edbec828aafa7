package instance

import (
	"math"
	"runtime/debug"
	"testing"
)

// TestFrugality: garbage is collected by the clock while a user is in, and only then.
func TestFrugality(t *testing.T) {
	percent, limit := debug.SetGCPercent(100), debug.SetMemoryLimit(-1)
	t.Cleanup(func() {
		debug.SetGCPercent(percent)
		debug.SetMemoryLimit(limit)
	})
	check := func(when string, wantPercent int, wantLimit int64) {
		t.Helper()
		limit, percent := debug.SetMemoryLimit(-1), debug.SetGCPercent(-1)
		debug.SetGCPercent(percent)
		if percent != wantPercent || limit != wantLimit {
			t.Errorf("%s: garbage at %d %%, at most %d bytes; want %d %%, %d", when, percent, limit, wantPercent, wantLimit)
		}
	}
	var f frugality
	f.rest()
	check("at rest", -1, restMemory)
	first, second := f.work(), f.work()
	check("with two users", 100, math.MaxInt64)
	first()
	check("with one user", 100, math.MaxInt64)
	second()
	check("alone again", -1, restMemory)
}
