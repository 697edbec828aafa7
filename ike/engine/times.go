package engine

import (
	"encoding/binary"
	"io"
	"time"

	"causeway.dev/ike"
)

// Defaults of a peer's configuration.
const (
	IKELifetimeDefault   = 8 * time.Hour
	ChildLifetimeDefault = time.Hour
	RekeyMarginDefault   = 270 * time.Second
	RekeyFuzzDefault     = 100 // percent
	ReplayWindowDefault  = 1024
	DPDTimeoutDefault    = 30 * time.Second
)

// FarFuture stands for never in comparisons of times.
var FarFuture = time.Unix(1<<40, 0)

// LivenessInterval is the silence after which a peer is asked for a sign of life.
// The rest of its timeout is for retransmissions.
func LivenessInterval(timeout time.Duration) time.Duration { return timeout / 3 }

// LivenessAt is when a peer that was last heard then is asked. A question shows
// life as an answer does, so one of the sides is enough: the other, that has not
// begun the IKE SA, gives it a fifth more time. Times are whole sixtieths of the
// timeout, so that what a thousand idle tunnels ask leaves, and comes, by the
// dozen for one awakening.
func LivenessAt(lastHeard time.Time, timeout time.Duration, began bool) time.Time {
	interval, step := LivenessInterval(timeout), timeout/60
	if !began {
		interval += interval / 5
	}
	at := lastHeard.Add(interval)
	if step > 0 {
		if over := at.UnixNano() % int64(step); over > 0 {
			at = at.Add(step - time.Duration(over))
		}
	}
	return at
}

// Soonest is the earliest of the times that are not zero, or FarFuture.
func Soonest(times ...time.Time) time.Time {
	first := FarFuture
	for _, t := range times {
		if !t.IsZero() && t.Before(first) {
			first = t
		}
	}
	return first
}

// Latest is the later of two times.
func Latest(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// OrDefault is value, unless that is zero.
func OrDefault[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}

// RekeyTime draws when a rekey begins: the margin and a random share of it before
// the end, so that the two sides seldom begin at once, and at the latest in the
// last three quarters of a lifetime that is short for its margin.
func RekeyTime(rand io.Reader, now time.Time, p *ike.Peer, lifetime time.Duration) time.Time {
	margin := OrDefault(p.RekeyMargin, RekeyMarginDefault)
	fuzz := time.Duration(max(0, OrDefault(p.RekeyFuzz, RekeyFuzzDefault)))
	early := margin + RandomDuration(rand, margin*fuzz/100)
	return now.Add(lifetime - min(early, lifetime*3/4))
}

// RandomDuration is between zero and most.
func RandomDuration(rand io.Reader, most time.Duration) time.Duration {
	if most <= 0 {
		return 0
	}
	return time.Duration(binary.BigEndian.Uint64(Random(rand, 8)) % uint64(most))
}

// Random returns n random octets. It panics if the source ends, as crypto/rand
// does.
func Random(rand io.Reader, n int) []byte {
	b := make([]byte, n)
	if _, err := io.ReadFull(rand, b); err != nil {
		panic("IKE: the source of randomness ended: " + err.Error())
	}
	return b
}

// A Retransmission says when a message is sent again.
type Retransmission struct {
	First time.Time // when it was first sent
	Next  time.Time
	Tries int
}

const (
	retransmitFirst = 500 * time.Millisecond // then doubled …
	RetransmitMax   = 8 * time.Second        // … up to this: at 0.5, 1.5, 3.5, 7.5, 15.5, 23.5 s
	RetransmitIdle  = time.Minute            // up to this where nobody gives up
)

// Sent notes that the message has been sent, and when it is to be sent again:
// longest bounds the wait.
func (r *Retransmission) Sent(now time.Time, longest time.Duration) {
	if r.Tries == 0 {
		r.First = now
	}
	wait := longest
	if r.Tries < 10 {
		wait = min(wait, retransmitFirst<<r.Tries)
	}
	r.Next = now.Add(wait)
	r.Tries++
}
