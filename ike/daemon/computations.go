package daemon

import (
	"context"
	"runtime"

	"causeway.dev/ike"
)

// computations are what the engines have handed out: key agreements that take
// long. The loop gives them one by one to workers and takes the results back, so
// that it answers other peers meanwhile. Their number is bounded by the engines:
// one for each SA and direction, and so many for half-open ones.
type computations struct {
	urgent, others []ike.Computation // owned by the loop
	work, done     chan ike.Computation
}

func newComputations() computations {
	return computations{work: make(chan ike.Computation), done: make(chan ike.Computation)}
}

// workers leaves a processor to the loop where there is more than one.
func workers() int { return max(1, runtime.GOMAXPROCS(0)-1) }

func (c *computations) add(o ike.Output) {
	if o.Urgent {
		c.urgent = append(c.urgent, o.Computation)
	} else {
		c.others = append(c.others, o.Computation)
	}
}

// next is the computation that is to be done next and where to send it, or a nil
// channel.
func (c *computations) next() (ike.Computation, chan<- ike.Computation) {
	switch {
	case len(c.urgent) > 0:
		return c.urgent[0], c.work
	case len(c.others) > 0:
		return c.others[0], c.work
	}
	return nil, nil
}

// begun takes off what next returned.
func (c *computations) begun() {
	if len(c.urgent) > 0 {
		c.urgent = c.urgent[1:]
	} else {
		c.others = c.others[1:]
	}
}

// compute is a worker.
func (c *computations) compute(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case work := <-c.work:
			work.Compute()
			select {
			case c.done <- work:
			case <-ctx.Done():
				return nil
			}
		}
	}
}
