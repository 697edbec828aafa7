package dhcp

import "time"

// Bounds of what one host can have answered: a lease takes two messages, and a client
// that hears nothing waits for seconds.
const (
	answersPerSecond = 5
	answersBurst     = 20
)

// A Meter bounds the answers to one host. The zero value is ready.
type Meter struct {
	left float64
	at   time.Time
}

// Admit reports whether a message may be answered now.
func (m *Meter) Admit(now time.Time) bool {
	if m.at.IsZero() {
		m.left = answersBurst
	} else {
		m.left = min(answersBurst, m.left+now.Sub(m.at).Seconds()*answersPerSecond)
	}
	m.at = now
	if m.left < 1 {
		return false
	}
	m.left--
	return true
}
