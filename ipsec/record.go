package ipsec

import (
	"slices"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/diagnosis"
)

const (
	// failuresMax is how many failures of a tunnel are kept; the same in a row
	// count as one.
	failuresMax = 16

	// sameMoment is how soon after a failure the end that follows from it comes,
	// with the same reason.
	sameMoment = time.Second
)

// A record is what a tunnel has been through, as its diagnosis tells it. It is a
// value without I/O.
type record struct {
	failures []Failure // the newest last
	compared []Comparison

	began       time.Time // the attempt under way, or the last one
	established time.Time
	rekeyed     time.Time

	received, sent time.Time // authentic messages of IKE
}

// observe takes an event; active is the pair that packets left by before it.
func (r *record) observe(now time.Time, event ike.Event, active ike.SPI) {
	switch e := event.(type) {
	case ike.Connecting:
		r.began, r.compared = now, nil
	case ike.Exchanged:
		if e.Sent {
			r.sent = now
		} else {
			r.received = now
		}
	case ike.Compared:
		r.compare(e)
	case ike.Established:
		if e.Rekeyed {
			r.rekeyed = now
		} else {
			r.established, r.rekeyed = now, time.Time{}
		}
	case ike.ChildActivated:
		r.compared = nil
	case ike.ChildRemoved:
		if e.Inbound == active {
			r.fail(now, Failure{Reason: e.Reason})
		}
	case ike.NegotiationFailed:
		r.fail(now, Failure{Reason: e.Reason, Remote: e.Remote})
	case ike.Closed:
		r.fail(now, Failure{Reason: e.Reason})
	}
}

// compare keeps the last of each subject.
func (r *record) compare(e ike.Compared) {
	c := Comparison{Subject: string(e.Subject), Asked: "us", Peer: e.Peer, Own: e.Own}
	if e.ByPeer {
		c.Asked = "peer"
	}
	r.compared = slices.DeleteFunc(r.compared, func(old Comparison) bool { return old.Subject == c.Subject })
	r.compared = append(r.compared, c)
}

func (r *record) fail(now time.Time, f Failure) {
	f.First, f.Last, f.Count = now, now, 1
	f.Cause = diagnosis.CauseOf(f.Reason)
	f.Change = f.Cause.Remedy()
	f.Compared, r.compared = r.compared, nil
	f.IKEReceived, f.IKESent = r.received, r.sent
	if n := len(r.failures); n > 0 && r.failures[n-1].Reason == f.Reason {
		last := r.failures[n-1]
		if now.Sub(last.Last) < sameMoment {
			return
		}
		f.First, f.Count = last.First, last.Count+1
		if len(f.Compared) == 0 {
			f.Compared = last.Compared
		}
		r.failures[n-1] = f
		return
	}
	if len(r.failures) == failuresMax {
		r.failures = append(r.failures[:0], r.failures[1:]...)
	}
	r.failures = append(r.failures, f)
}

// carried says when ESP went each way before the failure of that moment.
func (r *record) carried(now, received, sent time.Time) {
	if n := len(r.failures); n > 0 && r.failures[n-1].Last.Equal(now) {
		r.failures[n-1].ESPReceived, r.failures[n-1].ESPSent = received, sent
	}
}
