package servers

import (
	"net"
	"net/netip"
)

// Bounded returns a listener that closes the connections for which there is no place
// as soon as they come. A place is given back when its connection is closed.
func Bounded(l net.Listener, places *Places) net.Listener { return &boundedListener{l, places} }

type boundedListener struct {
	net.Listener
	places *Places
}

// Accept implements net.Listener.
func (l *boundedListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		free, ok := l.places.Take(AddressOf(conn.RemoteAddr()))
		if !ok {
			conn.Close()
			continue
		}
		return &boundedConn{Conn: conn, free: free}, nil
	}
}

// AddressOf is who a connection is from. Those whose address can't be read are one
// client.
func AddressOf(remote net.Addr) netip.Addr {
	from, _ := netip.ParseAddrPort(remote.String())
	return from.Addr().Unmap()
}

// A boundedConn gives its place back when it is closed.
type boundedConn struct {
	net.Conn
	free func()
}

// NetConn is the connection itself, for those who need its socket.
func (c *boundedConn) NetConn() net.Conn { return c.Conn }

// Close implements net.Conn.
func (c *boundedConn) Close() error {
	c.free()
	return c.Conn.Close()
}
