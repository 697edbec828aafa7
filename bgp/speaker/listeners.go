package speaker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"causeway.dev/internal/run"
	"causeway.dev/netfabric/netns"
	"causeway.dev/packetio"
)

// listeners waits at the listening sockets of all sessions, with one goroutine. It is
// safe for concurrent use.
type listeners struct {
	group  *run.Group
	logger *slog.Logger

	mu     sync.Mutex
	poller packetio.Poller   // nil before the first one is opened; guarded by mu
	next   int               // guarded by mu
	byKey  map[int]*listener // guarded by mu
}

// A listener is the socket that one peer connects to.
type listener struct {
	all       *listeners
	key       int
	fd        int    // -1 once closed; guarded by all.mu
	namespace uint64 // that it is in
	place     place
	take      func(*net.TCPConn) bool // must not wait; false: it does not want the connection
}

func newListeners(g *run.Group, logger *slog.Logger) *listeners {
	return &listeners{group: g, logger: logger, byKey: map[int]*listener{}}
}

// Descriptor is what the poller polls.
func (l *listener) Descriptor() int { return l.fd }

// open listens at a place.
func (ls *listeners) open(p place, take func(*net.TCPConn) bool) (*listener, error) {
	namespace, err := p.namespaceID()
	if err != nil {
		return nil, err
	}
	fd, err := p.listen()
	if err != nil {
		return nil, err
	}
	l, err := ls.add(&listener{all: ls, fd: fd, namespace: namespace, place: p, take: take})
	if err != nil {
		unix.Close(fd)
	}
	return l, err
}

// add waits at a socket, too.
func (ls *listeners) add(l *listener) (*listener, error) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if ls.poller == nil {
		poller, err := packetio.NewPoller()
		if err != nil {
			return nil, err
		}
		ls.poller = poller
		ls.group.Go("bgp listeners", func(ctx context.Context) error {
			ls.run(ctx, poller)
			return nil
		})
	}
	l.key = ls.next
	if err := ls.poller.Add(l, l.key); err != nil {
		return nil, err
	}
	ls.next++
	ls.byKey[l.key] = l
	return l, nil
}

// close lets nobody in any more.
func (l *listener) close() {
	l.all.mu.Lock()
	defer l.all.mu.Unlock()
	if l.fd >= 0 {
		delete(l.all.byKey, l.key)
		unix.Close(l.fd) // leaves the poller by itself
		l.fd = -1
	}
}

// stands reports whether the socket is where its place is now: namespaces and devices of
// the same names may have come since, and a socket stays with that it was opened on.
func (l *listener) stands() bool {
	l.all.mu.Lock()
	defer l.all.mu.Unlock()
	if l.fd < 0 {
		return false
	}
	// The kernel returns the present name of the device, and an error if it is gone.
	device, err := unix.GetsockoptString(l.fd, unix.SOL_SOCKET, unix.SO_BINDTODEVICE)
	if err != nil || device != l.place.device {
		return false
	}
	namespace, err := l.place.namespaceID()
	return err == nil && namespace == l.namespace
}

// namespaceID tells a namespace from others of its name. That of the process is always
// the same.
func (p place) namespaceID() (uint64, error) {
	if p.namespace == "" {
		return 0, nil
	}
	return netns.ID(p.namespace)
}

// retryAccept is how long nobody is let in after the machine had no room.
const retryAccept = 100 * time.Millisecond

// run lets peers in until ctx is over and stop is called.
func (ls *listeners) run(ctx context.Context, poller packetio.Poller) {
	var keys []int
	for {
		var err error
		if keys, err = poller.Wait(keys[:0]); err != nil {
			ls.logger.Error("cannot wait for BGP peers", "err", err)
			return
		}
		if ctx.Err() != nil {
			return
		}
		for _, key := range keys {
			if err := ls.accept(key); err != nil {
				ls.logger.Warn("cannot let a BGP peer in", "err", err)
				select {
				case <-time.After(retryAccept):
				case <-ctx.Done():
				}
			}
		}
	}
}

// accept lets in one that waits at a socket. The error is that of the machine.
func (ls *listeners) accept(key int) error {
	ls.mu.Lock()
	l, ok := ls.byKey[key]
	if !ok {
		ls.mu.Unlock()
		return nil
	}
	fd, peer, err := unix.Accept4(l.fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
	ls.mu.Unlock()
	switch {
	case errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE), errors.Is(err, unix.ENOBUFS), errors.Is(err, unix.ENOMEM):
		return fmt.Errorf("accept: %w", err)
	case err != nil:
		return nil // it has gone meanwhile
	}
	tcp, err := adopt(fd)
	if err != nil {
		return fmt.Errorf("accept: %w", err)
	}
	// The socket's filter has seen to it that it is the peer.
	if from, ok := peer.(*unix.SockaddrInet4); !ok || from.Addr != l.place.remote.As4() || !l.take(tcp) {
		reset(tcp)
	}
	return nil
}

// adopt makes a connection of a descriptor, which it takes.
func adopt(fd int) (*net.TCPConn, error) {
	file := os.NewFile(uintptr(fd), "BGP connection")
	defer file.Close() // FileConn has one of its own
	c, err := net.FileConn(file)
	if err != nil {
		return nil, err
	}
	return c.(*net.TCPConn), nil
}

// stop ends run.
func (ls *listeners) stop() {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if ls.poller != nil {
		ls.poller.Wake()
	}
}

// close frees what is left when run has ended.
func (ls *listeners) close() {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if ls.poller != nil {
		ls.poller.Close()
		ls.poller = nil
	}
}
