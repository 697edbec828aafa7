package daemon

import (
	"container/heap"
	"math/rand/v2"
	"time"

	"causeway.dev/ike"
)

// After a failed attempt the next one waits retryMin, then twice as long each
// time up to retryMax, less up to a quarter at random so that peers that failed
// together do not come back together.
const (
	retryMin = time.Second
	retryMax = time.Minute
)

// retry is when a peer that is to be started is initiated again.
type retry struct {
	at        time.Time // zero: nothing is planned
	wait      time.Duration
	suspended bool // by ike.Terminate
}

func (r *retry) due(now time.Time) bool { return !r.at.IsZero() && !r.at.After(now) }

// back returns how long to wait this time.
func (r *retry) back() time.Duration {
	r.wait = min(max(2*r.wait, retryMin), retryMax)
	return r.wait - rand.N(r.wait/4)
}

// observe keeps the peers that are to be started going.
func (d *Daemon) observe(now time.Time, id ike.PeerID, event ike.Event) {
	p := d.peers[id]
	if p == nil {
		return
	}
	if _, installed := event.(ike.ChildInstalled); installed {
		p.met = true
	}
	if !p.config.Start {
		return
	}
	switch event.(type) {
	case ike.ChildInstalled:
		p.retry = retry{suspended: p.retry.suspended}
	case ike.NegotiationFailed, ike.Closed:
		if p.retry.at.IsZero() && !p.retry.suspended {
			d.schedule(p, now.Add(p.retry.back()))
		}
	}
}

func (d *Daemon) schedule(p *peer, at time.Time) {
	p.retry.at = at
	heap.Push(&d.retries, attempt{at: at, id: p.config.ID})
}

// initiate begins an attempt; where the peer has come by itself meanwhile, the
// engine does nothing.
func (d *Daemon) initiate(now time.Time, p *peer) {
	p.retry.at = time.Time{}
	if err := d.gate.Command(now, p.config.ID, ike.Initiate{}); err != nil {
		d.cfg.Logger.Warn("IKE peer not initiated", "tunnel", string(p.config.ID), "err", err)
		if p.config.Start {
			d.schedule(p, now.Add(p.retry.back()))
		}
	}
	d.carryOut(now)
}

// retries is a heap of planned attempts, the earliest first. An attempt that has
// been called off stays in it; its peer then has another time or none.
type retries []attempt

type attempt struct {
	at time.Time
	id ike.PeerID
}

func (r retries) Len() int           { return len(r) }
func (r retries) Less(i, j int) bool { return r[i].at.Before(r[j].at) }
func (r retries) Swap(i, j int)      { r[i], r[j] = r[j], r[i] }

// Push is for package heap.
func (r *retries) Push(x any) { *r = append(*r, x.(attempt)) }

// Pop is for package heap.
func (r *retries) Pop() any {
	last := (*r)[len(*r)-1]
	*r = (*r)[:len(*r)-1]
	return last
}

func (r retries) next() (time.Time, bool) {
	if len(r) == 0 {
		return time.Time{}, false
	}
	return r[0].at, true
}

// pop takes the earliest attempt that is due.
func (r *retries) pop(now time.Time) (ike.PeerID, bool) {
	if at, ok := r.next(); !ok || at.After(now) {
		return "", false
	}
	return heap.Pop(r).(attempt).id, true
}
