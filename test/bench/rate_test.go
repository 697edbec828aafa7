package bench

import "time"

const (
	trialDuration = 250 * time.Millisecond

	// lossMax is the share of packets that may be lost at a rate that counts as
	// carried.
	lossMax = 0.005

	// rateStep is by how much a rate that is carried and one that is not differ
	// at the end of a search.
	rateStep = 1.06
)

// carries reports whether a rate is carried. Two failures are forgiven: they may
// be somebody else's use of the machine.
func (l *blaster) carries(size, perSecond int) bool {
	for range 3 {
		t := l.blast(size, perSecond, trialDuration)
		offered := float64(t.sent) > 0.97*float64(perSecond)*t.took.Seconds()
		if offered && float64(t.arrived) >= (1-lossMax)*float64(t.sent) {
			return true
		}
	}
	return false
}

// rate searches for the highest rate that is carried, in packets a second:
// from a guess by quarters until there is one that is and one that is not, then
// between them.
func (l *blaster) rate(size int, guess float64) float64 {
	l.tb.Helper()
	low, high := 0.0, 0.0
	for r := guess; low == 0 || high == 0; {
		if l.carries(size, int(r)) {
			low, r = r, r*1.25
		} else if high, r = r, r*0.75; r < 500 {
			return 0
		}
	}
	for high/low > rateStep {
		if middle := (low + high) / 2; l.carries(size, int(middle)) {
			low = middle
		} else {
			high = middle
		}
	}
	return low
}

// flood sends 64 bytes as fast as it goes and returns how many a second arrive.
func (l *blaster) flood(size int) float64 {
	t := l.blast(size, 0, trialDuration)
	return float64(t.arrived) / t.took.Seconds()
}
