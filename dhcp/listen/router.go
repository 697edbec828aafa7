package listen

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"reflect"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"causeway.dev/dhcp"
	"causeway.dev/dhcp/dhcp6"
)

// A router answers the host at one port by IPv6, and tells it of itself.
type router struct {
	service *Service
	socket  *os.File
	lease   atomic.Pointer[dhcp6.Lease]
	changed atomic.Bool // the lease, since the host was told

	meter    dhcp.Meter     // owned by serve
	schedule dhcp6.Schedule // owned by serve
}

// openRouter opens the socket of a router on a device of the calling thread's namespace.
func (s *Service) openRouter(index int) (*router, error) {
	socket, err := openSocket(index, unix.ETH_P_IPV6, questions6)
	if err != nil {
		return nil, err
	}
	for _, group := range [][6]byte{dhcp6.AllServersMAC, dhcp6.AllRoutersMAC} {
		if err := join(socket, index, group); err != nil {
			return nil, errors.Join(err, socket.Close())
		}
	}
	return &router{service: s, socket: socket}, nil
}

// learn makes a lease the one that is given over a device. The host is told at once what
// is new.
func (r *router) learn(l dhcp6.Lease, device *net.Interface) {
	l.MTU, l.Router = min(l.MTU, device.MTU), [6]byte(device.HardwareAddr)
	if known := r.lease.Load(); known != nil && reflect.DeepEqual(*known, l) {
		return
	}
	r.lease.Store(&l)
	r.changed.Store(true)
	_ = r.socket.SetReadDeadline(time.Now()) // which only a closed one refuses
}

func (r *router) serve(ctx context.Context) error {
	for {
		if r.changed.Swap(false) {
			r.schedule.Restart()
		}
		r.tell()
		if err := r.answer(ctx, time.Now().Add(r.schedule.Next(rand.Float64()))); err != nil {
			return nil // it is closed
		}
	}
}

// tell sends the host an advertisement unasked.
func (r *router) tell() {
	if !r.meter.Admit(time.Now()) {
		return // it is told when it is time again
	}
	if _, err := r.socket.Write(r.lease.Load().Advertisement()); err == nil { // while the device is down nobody hears it
		r.service.counts[routerAdvertised].Add(1)
	}
}

// answer answers what is asked until the host is to be told something unasked. The error
// is about a socket that was closed.
func (r *router) answer(ctx context.Context, until time.Time) error {
	if err := r.socket.SetReadDeadline(until); err != nil {
		return err
	}
	buffer := make([]byte, frameMax)
	for !r.changed.Load() {
		n, err := r.socket.Read(buffer)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil
		case errors.Is(err, os.ErrClosed):
			return err
		case err != nil:
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(pauseAfterError):
			}
		default:
			if outcome := r.handle(buffer[:n]); outcome != unconcerned {
				r.service.counts[outcome].Add(1)
			}
		}
	}
	return nil
}

// handle answers one frame and tells what became of it.
func (r *router) handle(frame []byte) (outcome int) {
	answer, what := r.lease.Load().Answer(frame)
	switch what {
	case dhcp6.Unconcerned:
		return unconcerned
	case dhcp6.Ignored:
		return ignored
	}
	if !r.meter.Admit(time.Now()) {
		return limited
	}
	if _, err := r.socket.Write(answer); err != nil {
		return ignored // it asks again
	}
	switch what {
	case dhcp6.Advertised:
		return advertised
	case dhcp6.RouterAdvertised:
		return routerAdvertised
	case dhcp6.NeighbourAdvertised:
		return neighbourAdvertised
	default:
		return replied
	}
}
