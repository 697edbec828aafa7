package bench

import (
	"runtime"
	"slices"
	"sync"
	"time"
)

// quietness is how much of the processors was ours before each measurement:
// what all of them together counted in a moment.
type quietness []float64

// quietEnough is the share of the best moment so far that a measurement waits
// for, some seconds long.
const quietEnough = 0.9

// measure waits for a quiet moment, or for one more that is not.
func (q *quietness) measure() {
	const patience = 10
	for range patience {
		if now := spin(); len(*q) == 0 || now >= quietEnough*slices.Max(*q) {
			*q = append(*q, now)
			return
		}
		time.Sleep(300 * time.Millisecond)
	}
	*q = append(*q, spin())
}

// spin is what all processors together count to in a moment.
func spin() float64 {
	counts := make([]int, runtime.GOMAXPROCS(0))
	var wait sync.WaitGroup
	for i := range counts {
		wait.Go(func() {
			n := 0
			for begin := time.Now(); time.Since(begin) < 30*time.Millisecond; {
				n++
			}
			counts[i] = n
		})
	}
	wait.Wait()
	total := 0.0
	for _, n := range counts {
		total += float64(n)
	}
	return total
}

// share is that of the best moment, the only one known to be quiet.
func (q quietness) share() spread {
	if len(q) == 0 {
		return spread{}
	}
	best := slices.Max(q)
	shares := make([]float64, len(q))
	for i, total := range q {
		shares[i] = total / best
	}
	return spreadOf(shares)
}
