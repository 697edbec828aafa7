package speaker

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"causeway.dev/bgp/session"
)

// listen lets the peer in, anew if its place is another one.
func (l *loop) listen() {
	if l.listener != nil && l.listener.stands() {
		return
	}
	if l.listener != nil {
		l.listener.close()
	}
	var err error
	if l.listener, err = l.host.listen(l.peer.place(), l.accepted); err != nil {
		l.listener = nil
		if l.openProblem != err.Error() {
			l.host.logger.Warn("cannot listen for a BGP peer", "tunnel", l.peer.ID, "err", err)
		}
		l.openProblem = err.Error()
		return
	}
	l.openProblem = ""
}

// accepted hands the loop a connection that the peer has made. It is called by the
// goroutine that waits for all peers, and does not wait itself.
func (l *loop) accepted(tcp *net.TCPConn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return false
	}
	select {
	case l.incoming <- tcp:
		return true
	default:
		return false
	}
}

// dial begins to connect to the peer.
func (l *loop) dial() {
	l.listen()
	l.dialed++
	number := l.dialed
	ctx, cancel := context.WithCancel(l.host.group.Context())
	l.undial = cancel
	l.host.group.Go("bgp dial", func(context.Context) error {
		defer cancel()
		tcp, err := l.host.dial(ctx, l.peer.place())
		if !l.post(func(now time.Time) { l.dialEnded(now, number, tcp, err) }) && tcp != nil {
			reset(tcp)
		}
		return nil
	})
}

// dialEnded tells the session what has come of a dial, unless it has been taken back.
func (l *loop) dialEnded(now time.Time, number int, tcp *net.TCPConn, err error) {
	switch {
	case number != l.dialed:
		if tcp != nil {
			reset(tcp)
		}
	case err != nil:
		l.undial = nil
		failure, detail := dialFailure(err)
		l.session.DialFailed(now, failure, detail)
	default:
		l.undial = nil
		l.connected(now, tcp, true)
	}
}

// dialFailure is what an error of a dial means for people.
func dialFailure(err error) (failure session.DialFailure, detail string) {
	switch {
	case errors.Is(err, unix.ECONNREFUSED):
		return session.Refused, ""
	case errors.Is(err, unix.ETIMEDOUT), errors.Is(err, os.ErrDeadlineExceeded):
		return session.NoAnswer, ""
	default:
		return session.Unreachable, err.Error()
	}
}

// connected hands the session a connection.
func (l *loop) connected(now time.Time, tcp *net.TCPConn, outgoing bool) {
	c, err := newConn(l.lastConn+1, tcp)
	if err != nil || !outgoing && len(l.conns) >= connsMost {
		reset(tcp)
		if outgoing {
			l.session.DialFailed(now, session.Unreachable, err.Error())
		}
		return
	}
	l.lastConn++
	l.conns[c.id] = c
	l.host.keep(c)
	l.session.Connected(now, c.id, outgoing)
	l.readers.Add(1)
	l.host.group.Go("bgp reader", func(context.Context) error {
		defer l.readers.Done()
		l.read(c)
		return nil
	})
}

// read hands the loop what comes on a connection, until its end.
func (l *loop) read(c *conn) {
	var a allowance
	for {
		octets, n, err := c.receive()
		if err != nil {
			l.readEnded(c, err)
			return
		}
		if c.over.Load() || !l.post(func(now time.Time) {
			if !c.over.Load() {
				l.session.Received(now, c.id, octets[:n])
			}
			chunks.Put(octets)
		}) {
			chunks.Put(octets)
			continue
		}
		if wait := a.take(time.Now(), n); wait > 0 {
			select {
			case <-time.After(wait):
			case <-l.ended:
			}
		}
	}
}

// readEnded closes a connection that is over, and tells the session if that did not know.
func (l *loop) readEnded(c *conn, err error) {
	if errors.Is(err, io.EOF) {
		c.tcp.Close()
	} else {
		reset(c.tcp)
	}
	l.host.drop(c)
	l.post(func(now time.Time) {
		if !c.over.Swap(true) {
			l.session.Lost(now, c.id, lossReason(err))
		}
		delete(l.conns, c.id)
		delete(l.stuckAt, c.id)
	})
}

// lossReason is what an error of a connection means for people; empty: the peer has
// closed it.
func lossReason(err error) string {
	var errno unix.Errno
	switch {
	case errors.Is(err, io.EOF):
		return ""
	case errors.As(err, &errno):
		return errno.Error()
	default:
		return err.Error()
	}
}

// flush writes what the peer takes at once; a goroutine waits for it to take more.
func (l *loop) flush(now time.Time, c *conn) {
	for len(c.queue) > 0 && !c.waiting {
		n, err := c.write(c.queue[:min(len(c.queue), chunk)], false)
		if err != nil {
			// What the peer has said before may not have been read yet: the reader comes to
			// the end, too.
			c.queue = nil
			break
		}
		c.queue = c.queue[n:]
		if n > 0 {
			delete(l.stuckAt, c.id)
			continue
		}
		if _, ok := l.stuckAt[c.id]; !ok {
			l.stuckAt[c.id] = now.Add(l.session.SendHold())
		}
		c.waiting = true
		piece := c.queue[:min(len(c.queue), chunk)]
		l.host.group.Go("bgp writer", func(context.Context) error {
			n, err := c.write(piece, true)
			l.post(func(now time.Time) { l.wrote(now, c, n, err) })
			return nil
		})
	}
	if len(c.queue) == 0 {
		c.queue = nil
		delete(l.stuckAt, c.id)
	}
}

func (l *loop) wrote(now time.Time, c *conn, n int, err error) {
	c.waiting = false
	if c.over.Load() {
		return
	}
	if err != nil {
		c.queue = nil
	} else {
		c.queue = c.queue[n:]
		delete(l.stuckAt, c.id)
	}
	l.flush(now, c)
}

// findStuck tells the session of peers that take nothing.
func (l *loop) findStuck(now time.Time) {
	for id, at := range l.stuckAt {
		if !now.Before(at) {
			delete(l.stuckAt, id)
			l.session.Stuck(now, id)
		}
	}
}

// readRate is how many octets a second are taken from one peer, and readBurst how many
// at once. The routes that one may tell take a few thousand; one that sends more keeps
// its own TCP waiting, not us at work.
const (
	readRate  = 256 << 10
	readBurst = 1 << 20
)

// An allowance is how much of it is used.
type allowance struct {
	used float64
	at   time.Time
}

// take uses some octets, and returns how long to wait before more are read.
func (a *allowance) take(now time.Time, octets int) time.Duration {
	a.used = max(a.used-now.Sub(a.at).Seconds()*readRate, 0) + float64(octets)
	a.at = now
	return time.Duration(max(a.used-readBurst, 0) / readRate * float64(time.Second))
}
