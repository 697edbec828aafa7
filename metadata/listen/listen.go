// Package listen carries what networks' hosts ask about themselves to package
// metadata: it listens inside each network's namespace.
package listen

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"causeway.dev/internal/run"
	"causeway.dev/internal/servers"
	"causeway.dev/metadata"
	"causeway.dev/netfabric/netns"
)

// Where the service is found in every network, and in those that speak IPv6.
var (
	Address  = netip.AddrFrom4([4]byte{169, 254, 169, 254})
	Address6 = netip.MustParseAddr("fd00:ec2::254")
)

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
	IPv6      bool                         // it has Address6, too
	Hosts     map[netip.Addr]metadata.Host // by each of their addresses
}

// Config is what a Service needs.
type Config struct {
	Logger *slog.Logger // nil: nobody is told

	// Credentials makes those of a host's role; an error says that the host gets none.
	// Nil: no host does.
	Credentials func(host metadata.Host) (metadata.Credentials, error)
}

// A Service answers the hosts of all networks of one machine. It is safe for
// concurrent use.
type Service struct {
	cfg      Config
	key      [metadata.KeyLength]byte
	networks *servers.Roster[Network]
}

// New returns a service that answers nobody yet. Tokens hold while it lives.
func New(cfg Config) *Service {
	cfg.Logger = cmp.Or(cfg.Logger, slog.New(slog.DiscardHandler))
	s := &Service{cfg: cfg}
	s.networks = servers.New(servers.Kind[Network]{Name: "metadata of network", ID: func(n Network) string { return n.ID }, Open: s.open})
	rand.Read(s.key[:]) // never fails
	return s
}

// Set makes these networks those that are answered, as servers.Roster does.
func (s *Service) Set(networks []Network, look bool) error { return s.networks.Set(networks, look) }

// Close answers nobody any more.
func (s *Service) Close() { s.networks.Close() }

// A server answers the hosts of one network.
type server struct {
	cfg   Config
	key   [metadata.KeyLength]byte
	place netns.Place // where it listens
	ipv6  bool        // at Address6, too
	hosts atomic.Pointer[map[netip.Addr]metadata.Host]
	http  http.Server
	group *run.Group
}

// open begins to answer a network.
func (s *Service) open(n Network) (_ servers.Server[Network], err error) {
	made := &server{cfg: s.cfg, key: s.key, ipv6: n.IPv6, group: run.New(context.Background())}
	made.hosts.Store(&n.Hosts)
	addresses := []netip.Addr{Address}
	if n.IPv6 {
		addresses = append(addresses, Address6)
	}
	var listeners []net.Listener
	made.place, err = netns.Settle(n.Namespace, func() error {
		for _, a := range addresses {
			listener, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(a, 80)))
			if err != nil {
				return err
			}
			listeners = append(listeners, listener)
		}
		return nil
	})
	if err != nil {
		for _, l := range listeners {
			l.Close()
		}
		return nil, err
	}
	made.http = http.Server{
		Handler: made, ReadTimeout: requestTime, WriteTimeout: requestTime, IdleTimeout: idleTime, MaxHeaderBytes: headerBytesMax,
		ErrorLog:    log.New(io.Discard, "", 0), // what hosts do wrong is theirs to know
		ConnContext: func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, connKey{}, c) },
	}
	places := servers.NewPlaces(connectionsMax, addressMax)
	for _, l := range listeners {
		bounded := servers.Bounded(l, places)
		made.group.Go("metadata", func(context.Context) error {
			if err := made.http.Serve(bounded); !errors.Is(err, http.ErrServerClosed) {
				s.cfg.Logger.Warn("metadata service ended", "network", n.ID, "err", err)
			}
			return nil
		})
	}
	return made, nil
}

// Follow implements servers.Server.
func (s *server) Follow(n Network, look bool) (stays bool, err error) {
	if s.place.Name() != n.Namespace || s.ipv6 != n.IPv6 || look && !s.place.Stands() {
		return false, nil
	}
	s.hosts.Store(&n.Hosts)
	return true, nil
}

// End implements servers.Server.
func (s *server) End() {
	s.http.Close()
	s.group.Wait()
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
	if answer.Credentials {
		answer.Body = s.credentials(host)
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

// credentials is what a host is answered that asks for those of its role.
func (s *server) credentials(host metadata.Host) string {
	if s.cfg.Credentials != nil {
		if made, err := s.cfg.Credentials(host); err == nil {
			return made.Text()
		}
	}
	return metadata.Unauthorized(time.Now(), host.Role.ARN)
}

// setHopLimit sets the IP TTL of what is sent on a request's connection from now on.
func setHopLimit(ctx context.Context, hops int) error {
	conn, ok := ctx.Value(connKey{}).(net.Conn)
	if !ok {
		return errors.New("the request has no connection")
	}
	if bounded, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = bounded.NetConn()
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
	level, option := unix.IPPROTO_IP, unix.IP_TTL
	if from, err := netip.ParseAddrPort(conn.RemoteAddr().String()); err == nil && from.Addr().Unmap().Is6() {
		level, option = unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS
	}
	err = raw.Control(func(fd uintptr) { set = unix.SetsockoptInt(int(fd), level, option, hops) })
	return errors.Join(err, set)
}
