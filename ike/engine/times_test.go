package engine

import (
	"testing"
	"time"
)

// A third of the timeout after the last sign of life the side that began asks, the
// other a fifth later, both on the same steps of time.
func TestLivenessAt(t *testing.T) {
	midnight := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		after, timeout time.Duration // of the last sign of life
		began          bool
		want           time.Duration
	}{
		{0, 30 * time.Second, true, 10 * time.Second},
		{0, 30 * time.Second, false, 12 * time.Second},
		{time.Nanosecond, 30 * time.Second, true, 10500 * time.Millisecond},
		{400 * time.Millisecond, 30 * time.Second, false, 12500 * time.Millisecond},
		{0, time.Hour, true, 20 * time.Minute},
		{0, 30, true, 10}, // steps of less than a nanosecond are none
	} {
		if got := LivenessAt(midnight.Add(c.after), c.timeout, c.began).Sub(midnight); got != c.want {
			t.Errorf("heard at %v, timeout %v, began %v: asked at %v, not at %v", c.after, c.timeout, c.began, got, c.want)
		}
	}
}
