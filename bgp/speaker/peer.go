package speaker

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"causeway.dev/bgp/rib"
	"causeway.dev/bgp/session"
)

// A Peer is one that a session is to be kept with.
type Peer struct {
	ID            string     // the tunnel's
	Namespace     string     // name of the network namespace; "" is that of the process
	Device        string     // that packets from and to the peer go by
	Local, Remote netip.Addr // of IPv4
	ASN, PeerASN  uint32
	HoldTime      time.Duration // that our side proposes; 30 s where zero
	MaxPrefixes   int           // that the peer may tell; one more ends the session

	// Path is since when the path to the peer stands; zero: it does not, and there are
	// neither sockets nor routes. Another time is another path: the session of the one
	// before has ended with it.
	Path time.Time

	// Adopted says that a process before has had a session by the path, without a word of
	// its end, and that the peer may have kept its routes. It is of the path that the peer
	// has when it is told to Set first; later ones are this process's own.
	Adopted bool

	Log bool // what the session does is told to Config.Log

	Advertised []rib.Route // what the peer is told, sorted by destination; not to be changed afterwards
}

// A Status is what a session says of itself.
type Status struct {
	ID          string
	State       session.State
	Established bool
	Since       time.Time // of the last change of Established
	Message     string    // one sentence: why it is not established and what to change, or what it runs with

	// Pending says that Routes are not, or no longer, what the peer says now: they are kept
	// since it begins anew (RFC 4724), or what was learned by the process before is to be
	// kept by those who have it, since we do.
	Pending bool

	Routes           []rib.Route // learned, sorted by destination; shared, not to be changed
	RemoteIdentifier netip.Addr
	HoldTime         time.Duration // negotiated
	Refused          int           // routes that were ignored
	Advertised       int           // routes that the peer was told
	Sent, Received   uint64        // messages

	// Notifications are those since the path came up.
	Notifications session.Notifications
}

// up reports whether the path stands.
func (p Peer) up() bool { return !p.Path.IsZero() }

func (p Peer) place() place {
	return place{namespace: p.Namespace, device: p.Device, local: p.Local, remote: p.Remote}
}

// session is what a machine for the peer is made from.
func (p Peer) session() session.Config {
	return session.Config{
		ASN: p.ASN, PeerASN: p.PeerASN, Identifier: p.Local, Remote: p.Remote,
		HoldTime: p.HoldTime, ConnectRetry: connectRetry, RestartTime: restartTime,
	}
}

// check returns what no session can be kept with.
func (p Peer) check() error {
	switch {
	case p.ID == "":
		return errors.New("a BGP peer has no id")
	case p.Device == "":
		return fmt.Errorf("BGP peer %s: no device", p.ID)
	case !p.Local.Is4() || !p.Remote.Is4() || p.Local == p.Remote:
		return fmt.Errorf("BGP peer %s: no session between %v and %v", p.ID, p.Local, p.Remote)
	case p.MaxPrefixes < 1:
		return fmt.Errorf("BGP peer %s: %d routes at most", p.ID, p.MaxPrefixes)
	}
	if _, err := session.New(p.session(), nil); err != nil {
		return fmt.Errorf("BGP peer %s: %w", p.ID, err)
	}
	return nil
}

// sameSession reports whether a session goes on where its peer is to be another one.
func (p Peer) sameSession(other Peer) bool {
	return p.ID == other.ID && p.Namespace == other.Namespace && p.Device == other.Device && p.Local == other.Local && p.Remote == other.Remote &&
		p.ASN == other.ASN && p.PeerASN == other.PeerASN && p.HoldTime == other.HoldTime && p.MaxPrefixes == other.MaxPrefixes
}

// sameRoutes compares routes, those that are shared at a glance.
func sameRoutes(a, b []rib.Route) bool {
	if len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0]) {
		return true
	}
	return slices.EqualFunc(a, b, rib.Route.Equal)
}
