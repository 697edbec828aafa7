// Package listen carries what networks' hosts ask about themselves to package
// metadata: it listens inside each network's namespace.
package listen

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"causeway.dev/internal/run"
	"causeway.dev/metadata"
	"causeway.dev/netfabric/netns"
)

// Address is where the service is found in every network.
var Address = netip.AddrFrom4([4]byte{169, 254, 169, 254})

// Bounds of what hosts can take up.
const (
	connectionsMax = 256 // at once, of one network
	addressMax     = 16  // of these, from one address: a host takes none from the others
	headerBytesMax = 8 << 10
	requestTime    = 5 * time.Second
	idleTime       = 20 * time.Second
)

// A Network is one whose hosts are answered.
type Network struct {
	ID        string
	Namespace string                       // the name of its network namespace, which has Address
	Hosts     map[netip.Addr]metadata.Host // by each of their addresses
}

// A Service answers the hosts of all networks of one machine. It is safe for
// concurrent use.
type Service struct {
	logger *slog.Logger
	key    [metadata.KeyLength]byte

	mu      sync.Mutex
	servers map[string]*server // by network; guarded by mu
	closed  bool               // guarded by mu
}

// New returns a service that answers nobody yet. Tokens hold while it lives.
func New(logger *slog.Logger) *Service {
	s := &Service{logger: cmp.Or(logger, slog.New(slog.DiscardHandler)), servers: map[string]*server{}}
	rand.Read(s.key[:]) // never fails
	return s
}

// A server answers the hosts of one network.
type server struct {
	key       [metadata.KeyLength]byte
	namespace string
	place     uint64 // the namespace that it listens in
	hosts     atomic.Pointer[map[netip.Addr]metadata.Host]
	http      http.Server
	group     *run.Group
}

// Set makes these networks those that are answered. What one cannot be given keeps
// no other from it; the errors are joined. With look it also looks whether the
// namespaces are still those that it listens in.
func (s *Service) Set(networks []Network, look bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errors.New("the metadata service has ended")
	}
	wanted := make(map[string]bool, len(networks))
	for _, n := range networks {
		wanted[n.ID] = true
	}
	for id, server := range s.servers {
		if !wanted[id] {
			server.end()
			delete(s.servers, id)
		}
	}
	var errs []error
	for _, n := range networks {
		if err := s.set(n, look); err != nil {
			errs = append(errs, fmt.Errorf("metadata of network %s: %w", n.ID, err))
		}
	}
	return errors.Join(errs...)
}

// set answers one network. s.mu is held.
func (s *Service) set(n Network, look bool) error {
	known := s.servers[n.ID]
	if known != nil && (known.namespace != n.Namespace || look && !known.inPlace()) {
		known.end()
		delete(s.servers, n.ID)
		known = nil
	}
	if known != nil {
		known.hosts.Store(&n.Hosts)
		return nil
	}
	opened, err := s.open(n)
	if err != nil {
		return err
	}
	s.servers[n.ID] = opened
	return nil
}

func (s *server) inPlace() bool {
	id, err := netns.ID(s.namespace)
	return err == nil && id == s.place
}

// open begins to answer a network.
func (s *Service) open(n Network) (*server, error) {
	made := &server{key: s.key, namespace: n.Namespace, group: run.New(context.Background())}
	made.hosts.Store(&n.Hosts)
	var listener net.Listener
	err := netns.Do(n.Namespace, func() (err error) {
		if made.place, err = netns.Current(); err != nil {
			return err
		}
		listener, err = net.Listen("tcp4", netip.AddrPortFrom(Address, 80).String())
		return err
	})
	if err != nil {
		return nil, err
	}
	made.http = http.Server{
		Handler: made, ReadTimeout: requestTime, WriteTimeout: requestTime, IdleTimeout: idleTime, MaxHeaderBytes: headerBytesMax,
		ErrorLog:    log.New(io.Discard, "", 0), // what hosts do wrong is theirs to know
		ConnContext: func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, connKey{}, c) },
	}
	bounded := &boundedListener{Listener: listener, of: map[netip.Addr]int{}}
	made.group.Go("metadata", func(context.Context) error {
		if err := made.http.Serve(bounded); !errors.Is(err, http.ErrServerClosed) {
			s.logger.Warn("metadata service ended", "network", n.ID, "err", err)
		}
		return nil
	})
	return made, nil
}

func (s *server) end() {
	s.http.Close()
	s.group.Wait()
}

// Close answers nobody any more.
func (s *Service) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, server := range s.servers {
		server.end()
	}
	clear(s.servers)
}

// connKey finds a request's connection in its context.
type connKey struct{}

// ServeHTTP answers one request of a host that is known by its address.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	host, known := (*s.hosts.Load())[from.Addr().Unmap()]
	if err != nil || !known {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	asked := metadata.Request{
		Method: r.Method, Path: r.URL.Path, Token: r.Header.Get(metadata.HeaderToken), TTL: r.Header.Get(metadata.HeaderTTL),
		Forwarded: len(r.Header.Values("X-Forwarded-For")) > 0,
	}
	answer := metadata.Answer(s.key, time.Now(), host, asked)
	if r.Method == http.MethodPut && setHopLimit(r.Context(), host.HopLimit) != nil {
		w.WriteHeader(http.StatusInternalServerError) // better no token than one that travels too far
		return
	}
	header := w.Header()
	header.Set("Content-Type", answer.Type)
	header.Set("Server", "EC2ws")
	if answer.TTL > 0 {
		header.Set(metadata.HeaderTTL, strconv.Itoa(answer.TTL))
	}
	w.WriteHeader(answer.Status)
	io.WriteString(w, answer.Body)
}

// setHopLimit sets the IP TTL of what is sent on a request's connection from now on.
func setHopLimit(ctx context.Context, hops int) error {
	conn, ok := ctx.Value(connKey{}).(net.Conn)
	if !ok {
		return errors.New("the request has no connection")
	}
	if bounded, ok := conn.(*boundedConn); ok {
		conn = bounded.Conn
	}
	socket, ok := conn.(syscall.Conn)
	if !ok {
		return errors.New("the connection has no socket")
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return err
	}
	var set error
	err = raw.Control(func(fd uintptr) { set = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_TTL, hops) })
	return errors.Join(err, set)
}

// A boundedListener closes connections beyond connectionsMax, and beyond addressMax
// of one address.
type boundedListener struct {
	net.Listener

	mu  sync.Mutex
	all int                // connections; guarded by mu
	of  map[netip.Addr]int // by who made them; guarded by mu
}

// Accept implements net.Listener.
func (l *boundedListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		// One whose address can't be read shares its bound with others like it.
		remote, _ := netip.ParseAddrPort(conn.RemoteAddr().String())
		from := remote.Addr().Unmap()
		if !l.take(from) {
			conn.Close()
			continue
		}
		return &boundedConn{Conn: conn, free: sync.OnceFunc(func() { l.free(from) })}, nil
	}
}

func (l *boundedListener) take(from netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all == connectionsMax || l.of[from] == addressMax {
		return false
	}
	l.all++
	l.of[from]++
	return true
}

func (l *boundedListener) free(from netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all--
	if l.of[from]--; l.of[from] == 0 {
		delete(l.of, from)
	}
}

// A boundedConn gives its place back when it is closed.
type boundedConn struct {
	net.Conn
	free func()
}

// Close implements net.Conn.
func (c *boundedConn) Close() error {
	c.free()
	return c.Conn.Close()
}
