package speaker

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"causeway.dev/bgp/session"
)

// chunk is what is read or written at a time: a message of BGP at its longest.
const chunk = 4096

// chunks are lent to connections while something is read. One that is silent, as most
// are most of the time, has none.
var chunks = sync.Pool{New: func() any { return new([chunk]byte) }}

// A conn is one TCP connection to the peer.
type conn struct {
	id  session.ConnID
	tcp *net.TCPConn
	raw syscall.RawConn

	queue   []byte // to be written; owned by the loop
	waiting bool   // a goroutine waits until the peer takes more; owned by the loop

	// over says that the session is through with the connection: what still comes is
	// dropped.
	over atomic.Bool
}

func newConn(id session.ConnID, tcp *net.TCPConn) (*conn, error) {
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil, err
	}
	return &conn{id: id, tcp: tcp, raw: raw}, nil
}

// receive waits for octets, in a chunk that is to be given back.
func (c *conn) receive() (octets *[chunk]byte, n int, err error) {
	waited := c.raw.Read(func(fd uintptr) (done bool) {
		octets = chunks.Get().(*[chunk]byte)
		n, err = again(func() (int, error) { return unix.Read(int(fd), octets[:]) })
		if errors.Is(err, unix.EAGAIN) {
			chunks.Put(octets)
			octets = nil
			return false
		}
		return true
	})
	switch {
	case waited != nil:
		return nil, 0, waited
	case err == nil && n == 0:
		err = io.EOF
	}
	if err != nil {
		chunks.Put(octets)
		return nil, 0, err
	}
	return octets, n, nil
}

// write writes what the peer takes at once, or waits until it takes something.
func (c *conn) write(octets []byte, wait bool) (n int, err error) {
	waited := c.raw.Write(func(fd uintptr) (done bool) {
		n, err = again(func() (int, error) { return unix.Write(int(fd), octets) })
		if errors.Is(err, unix.EAGAIN) {
			n, err = 0, nil
			return !wait
		}
		return true
	})
	if waited != nil {
		return 0, waited
	}
	return max(n, 0), err
}

// again calls f until no signal interrupts it.
func again(f func() (int, error)) (n int, err error) {
	for {
		if n, err = f(); !errors.Is(err, unix.EINTR) {
			return n, err
		}
	}
}

// closeMost bounds how long a peer has to take the last that it is told.
const closeMost = time.Second

// finish tells the peer that nothing more comes. Closed at once, a connection on which
// something has come that was not read yet is reset, and the peer may never see what
// it was told last. So it is read until the peer has closed, too.
func (c *conn) finish() {
	c.over.Store(true)
	if c.tcp.CloseWrite() != nil || c.tcp.SetReadDeadline(time.Now().Add(closeMost)) != nil {
		c.reset()
	}
}

// reset closes at once. The kernel keeps nothing of the connection, nor of the
// namespace that it was in.
func (c *conn) reset() {
	c.over.Store(true)
	reset(c.tcp)
}

func reset(tcp *net.TCPConn) {
	_ = tcp.SetLinger(0) // an error means that it is closed already
	tcp.Close()
}
