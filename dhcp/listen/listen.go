// Package listen carries the questions of hosts behind devices to packages dhcp and
// dhcp6: it listens on the devices themselves, inside the namespaces of networks, so that what
// filters packets there neither sees nor stops them.
package listen

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"reflect"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"causeway.dev/dhcp"
	"causeway.dev/dhcp/dhcp6"
	"causeway.dev/internal/run"
	"causeway.dev/internal/servers"
	"causeway.dev/netfabric/netns"
)

// A Port is where one host is answered.
type Port struct {
	Interface string // whose host it is: "eni-…"
	Namespace string // the name of the network's namespace
	Device    string // in it
	dhcp.Lease
	IPv6 *dhcp6.Lease // nil: the network speaks no IPv6
}

// A Service answers the hosts at all ports of one machine. It is safe for concurrent
// use.
type Service struct {
	counts [outcomes]atomic.Uint64
	ports  *servers.Roster[Port]
}

// Outcomes of what is received.
const (
	offered = iota
	acknowledged
	refused
	ignored // of other hosts, or malformed
	limited // too much of it
	advertised
	replied
	routerAdvertised // what was asked about neighbours, or not asked at all
	neighbourAdvertised
	outcomes

	unconcerned // no question: not counted
)

var outcomeNames = [...]string{
	offered: "offer", acknowledged: "ack", refused: "nak", ignored: "ignored", limited: "limited",
	advertised: "advertise", replied: "reply", routerAdvertised: "router-advertisement", neighbourAdvertised: "neighbour-advertisement",
}

// New returns a service that answers nobody yet.
func New() *Service {
	s := &Service{}
	s.ports = servers.New(servers.Kind[Port]{Name: "DHCP for interface", ID: func(p Port) string { return p.Interface }, Open: s.open})
	return s
}

// Counts is what became of the messages that were received, and how often hosts were
// told of their router.
func (s *Service) Counts() map[string]uint64 {
	all := map[string]uint64{}
	for i, name := range outcomeNames {
		all[name] = s.counts[i].Load()
	}
	return all
}

// Set makes these ports those that are answered, as servers.Roster does. A device that
// is not there is waited for until the next Set.
func (s *Service) Set(ports []Port) error { return s.ports.Set(ports, true) }

// Close answers nobody any more.
func (s *Service) Close() { s.ports.Close() }

// find looks for a port's device, and where that is; nil if it is not there. f, if
// there is one, is called there then.
func find(p Port, f func(*net.Interface) error) (device *net.Interface, place netns.Place, err error) {
	place, err = netns.Settle(p.Namespace, func() error {
		var missing error
		if device, missing = net.InterfaceByName(p.Device); missing != nil {
			device = nil // net does not tell why; there is none in all probability
		}
		if device == nil || f == nil {
			return nil
		}
		return f(device)
	})
	if errors.Is(err, os.ErrNotExist) {
		return nil, place, nil
	}
	return device, place, err
}

// A server answers the host at one port.
type server struct {
	service *Service
	place   netns.Place
	index   int // of the device
	mac     [6]byte
	lease   atomic.Pointer[dhcp.Lease]
	socket  *os.File
	ipv6    *router // nil: the network speaks no IPv6
	group   *run.Group
	meter   dhcp.Meter // owned by serve
}

// open begins to answer at a port, if its device is there.
func (s *Service) open(p Port) (servers.Server[Port], error) {
	made := &server{service: s}
	device, place, err := find(p, func(device *net.Interface) (err error) {
		if len(device.HardwareAddr) != 6 {
			return fmt.Errorf("device %s carries no Ethernet frames", p.Device)
		}
		if made.socket, err = openSocket(device.Index, unix.ETH_P_IP, questions); err == nil && p.IPv6 != nil {
			if made.ipv6, err = s.openRouter(device.Index); err != nil {
				made.socket.Close()
			}
		}
		return err
	})
	if device == nil || err != nil {
		return nil, err
	}
	made.place, made.index, made.mac, made.group = place, device.Index, [6]byte(device.HardwareAddr), run.New(context.Background())
	made.learn(p, device)
	made.group.Go("dhcp", made.serve)
	if made.ipv6 != nil {
		made.group.Go("dhcp6", made.ipv6.serve)
	}
	return made, nil
}

// learn makes a port's leases those that are given over a device.
func (s *server) learn(p Port, device *net.Interface) {
	l := p.Lease
	l.MTU = min(l.MTU, device.MTU)
	if known := s.lease.Load(); known == nil || !reflect.DeepEqual(*known, l) {
		s.lease.Store(&l)
	}
	if s.ipv6 != nil {
		s.ipv6.learn(*p.IPv6, device)
	}
}

// Follow implements servers.Server.
func (s *server) Follow(p Port, _ bool) (stays bool, err error) {
	device, place, err := find(p, nil)
	if err != nil || device == nil || device.Index != s.index || place != s.place || (p.IPv6 == nil) != (s.ipv6 == nil) {
		return false, err
	}
	s.learn(p, device)
	return true, nil
}

// End implements servers.Server.
func (s *server) End() {
	s.group.Stop(nil)
	s.socket.Close()
	if s.ipv6 != nil {
		s.ipv6.socket.Close()
	}
	s.group.Wait()
}

// pauseAfterError is the wait after nothing could be read, as while a device is down.
const pauseAfterError = 100 * time.Millisecond

func (s *server) serve(ctx context.Context) error {
	buffer := make([]byte, frameMax)
	for {
		n, err := s.socket.Read(buffer)
		switch {
		case errors.Is(err, os.ErrClosed):
			return nil
		case err != nil:
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(pauseAfterError):
			}
		default:
			s.service.counts[s.handle(buffer[:n])].Add(1)
		}
	}
}

// handle answers one frame and tells what became of it.
func (s *server) handle(frame []byte) (outcome int) {
	payload, ok := dhcp.Payload(frame)
	if !ok {
		return ignored
	}
	m, err := dhcp.Parse(payload)
	if err != nil {
		return ignored
	}
	lease := s.lease.Load()
	reply, ok := lease.Answer(m)
	if !ok {
		return ignored
	}
	if !s.meter.Admit(time.Now()) {
		return limited
	}
	if _, err := s.socket.Write(lease.Frame(s.mac, reply)); err != nil {
		return ignored // it asks again
	}
	switch reply.Type {
	case dhcp.Offer:
		return offered
	case dhcp.ACK:
		return acknowledged
	default:
		return refused
	}
}
