package instance

import (
	"math"
	"runtime/debug"
	"sync"
)

// restMemory is what an init process at rest may take, of which it needs a third, until
// its garbage is collected.
const restMemory = 8 << 20

// frugality is when an init process collects garbage. Go's runtime does so every two
// minutes even where nothing has happened, which has a host with a thousand instances at
// work for some 70 ms a second. While nobody is in, garbage is collected when there is
// much of it, and never by the clock.
type frugality struct {
	mu      sync.Mutex
	working int // users that are in; guarded by mu
}

// rest lets go of what the start of the program has left behind. It is called before
// the first work.
func (f *frugality) rest() {
	debug.FreeOSMemory()
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(restMemory)
}

// work tells that a user has come, and returns what tells that they left. What users
// need at once may be more than restMemory.
func (f *frugality) work() (done func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.working++
	if f.working == 1 {
		debug.SetMemoryLimit(math.MaxInt64)
		debug.SetGCPercent(100)
	}
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.working--
		if f.working == 0 {
			debug.SetGCPercent(-1)
			debug.SetMemoryLimit(restMemory)
		}
	}
}
