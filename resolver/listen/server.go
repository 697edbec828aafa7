package listen

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"causeway.dev/internal/run"
	"causeway.dev/internal/servers"
	"causeway.dev/netfabric/netns"
	"causeway.dev/resolver"
)

const (
	port = 53

	// streamIdle is how long a connection may be silent (RFC 7766 section 6.2.3).
	streamIdle = 10 * time.Second

	// pauseAfterError is the wait after nothing could be taken from a socket.
	pauseAfterError = 50 * time.Millisecond
)

// A server answers the hosts of one network.
type server struct {
	host    *Host
	network Network     // as Set last; touched by one call of the roster at a time
	place   netns.Place // where it listens
	table   atomic.Pointer[resolver.Table]
	asking  *semaphore.Weighted // questions that others are asked
	group   *run.Group
	closers []io.Closer // immutable after open

	mu    sync.Mutex
	meter resolver.Meter // guarded by mu
}

// open begins to answer a network.
func (h *Host) open(n Network) (_ servers.Server[Network], err error) {
	s := &server{host: h, network: n, asking: semaphore.NewWeighted(networkMax), group: run.New(context.Background())}
	s.table.Store(resolver.NewTable(n.Config))
	s.place, err = netns.Settle(n.Namespace, func() error {
		for _, a := range n.Addresses {
			if err := s.listen(netip.AddrPortFrom(a, port)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		s.End()
		return nil, err
	}
	return s, nil
}

// Follow implements servers.Server.
func (s *server) Follow(n Network, look bool) (stays bool, err error) {
	if s.place.Name() != n.Namespace || !slices.Equal(s.network.Addresses, n.Addresses) || look && !s.place.Stands() {
		return false, nil
	}
	if !reflect.DeepEqual(s.network, n) {
		s.network = n
		s.learn(resolver.NewTable(n.Config))
	}
	return true, nil
}

// listen takes questions at one address, in the namespace of the calling thread.
func (s *server) listen(at netip.AddrPort) error {
	packets, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
	if err != nil {
		return err
	}
	s.closers = append(s.closers, packets)
	streams, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at))
	if err != nil {
		return err
	}
	s.closers = append(s.closers, streams)
	s.group.Go("resolver packets", func(ctx context.Context) error { return s.servePackets(ctx, packets) })
	s.group.Go("resolver streams", func(ctx context.Context) error { return s.serveStreams(ctx, streams) })
	return nil
}

// End implements servers.Server.
func (s *server) End() {
	s.group.Stop(nil)
	for _, c := range s.closers {
		c.Close()
	}
	if err := s.group.Wait(); err != nil {
		s.host.cfg.Logger.Warn("resolver ended", "network", s.network.ID, "err", err)
	}
}

// learn makes a table the one that questions are answered by.
func (s *server) learn(t *resolver.Table) {
	s.table.Store(t)
	s.mu.Lock()
	s.meter.Forget(t)
	s.mu.Unlock()
}

// metered calls f with the meter.
func (s *server) metered(f func(m *resolver.Meter) bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return f(&s.meter)
}

// admit finds out who has sent a message, and whether it may.
func (s *server) admit(t *resolver.Table, from netip.Addr) (caller netip.Addr, ok bool) {
	caller, ok = t.Caller(from)
	return caller, ok && s.metered(func(m *resolver.Meter) bool { return m.Packet(time.Now(), caller) })
}

// servePackets answers what comes by UDP. What others must be asked for is waited
// for elsewhere.
func (s *server) servePackets(ctx context.Context, conn *net.UDPConn) error {
	buffer := make([]byte, resolver.QuestionMax+1) // one more tells longer ones
	for {
		n, from, err := conn.ReadFromUDPAddrPort(buffer)
		if err != nil {
			if !goesOn(ctx, err) {
				return nil
			}
			continue
		}
		table := s.table.Load()
		caller, ok := s.admit(table, from.Addr())
		if !ok {
			continue
		}
		answer, question, outcome := table.Handle(buffer[:n], caller)
		switch outcome {
		case resolver.Answered:
			conn.WriteToUDPAddrPort(answer, from) // who does not get it asks again
		case resolver.Unknown:
			if !s.metered(func(m *resolver.Meter) bool { return m.Wait(caller) }) {
				conn.WriteToUDPAddrPort(question.Failure(), from)
				continue
			}
			s.group.Go("resolver question", func(context.Context) error {
				answer := s.ask(ctx, question, false)
				s.done(caller)
				conn.WriteToUDPAddrPort(answer, from)
				return nil
			})
		}
	}
}

// ask asks others, as far as the network may.
func (s *server) ask(ctx context.Context, q resolver.Question, stream bool) []byte {
	if !s.asking.TryAcquire(1) {
		return q.Failure()
	}
	defer s.asking.Release(1)
	return s.host.ask(ctx, q, stream)
}

// goesOn waits a moment after an error of a socket, and reports whether it is still
// to be used.
func goesOn(ctx context.Context, err error) bool {
	if errors.Is(err, net.ErrClosed) {
		return false
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(pauseAfterError):
		return true
	}
}

func (s *server) done(caller netip.Addr) {
	s.metered(func(m *resolver.Meter) bool { m.Done(caller); return true })
}

// serveStreams takes connections by TCP.
func (s *server) serveStreams(ctx context.Context, l *net.TCPListener) error {
	for {
		conn, err := l.AcceptTCP()
		if err != nil {
			if !goesOn(ctx, err) {
				return nil
			}
			continue
		}
		from := conn.RemoteAddr().(*net.TCPAddr).AddrPort().Addr()
		caller, ok := s.table.Load().Caller(from)
		if !ok || !s.metered(func(m *resolver.Meter) bool { return m.Stream(caller) }) {
			conn.Close()
			continue
		}
		s.group.Go("resolver stream", func(ctx context.Context) error {
			defer conn.Close()
			defer context.AfterFunc(ctx, func() { conn.Close() })()
			s.serveStream(ctx, conn, from)
			s.metered(func(m *resolver.Meter) bool { m.Closed(caller); return true })
			return nil
		})
	}
}

// serveStream answers the messages of one connection, each behind its length (RFC
// 1035 section 4.2.2), one after the other.
func (s *server) serveStream(ctx context.Context, conn *net.TCPConn, from netip.Addr) {
	for {
		conn.SetDeadline(time.Now().Add(streamIdle))
		message, err := readMessage(conn, resolver.QuestionMax)
		if err != nil {
			return
		}
		table := s.table.Load()
		caller, ok := s.admit(table, from)
		if !ok {
			return
		}
		answer, question, outcome := table.Handle(message, caller)
		switch outcome {
		case resolver.Ignored:
			return
		case resolver.Unknown:
			answer = question.Failure()
			if s.metered(func(m *resolver.Meter) bool { return m.Wait(caller) }) {
				answer = s.ask(ctx, question, true)
				s.done(caller)
			}
		}
		conn.SetDeadline(time.Now().Add(streamIdle))
		if err := writeMessage(conn, answer); err != nil {
			return
		}
	}
}

func readMessage(conn io.Reader, most int) ([]byte, error) {
	var length [2]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint16(length[:]))
	if n > most {
		return nil, errors.New("the message is too long")
	}
	message := make([]byte, n)
	_, err := io.ReadFull(conn, message)
	return message, err
}

func writeMessage(conn io.Writer, message []byte) error {
	_, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(message))), message...))
	return err
}
