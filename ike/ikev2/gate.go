package ikev2

import (
	"io"
	"time"

	"causeway.dev/ike"
)

// SPIs keeps the SPIs of inbound ESP SAs unique where several gates feed one
// data path.
type SPIs interface {
	// Reserve takes an SPI, or returns false if it is in use.
	Reserve(ike.SPI) bool
	// Release gives an SPI back.
	Release(ike.SPI)
}

// Config is what a Gate needs of its owner.
type Config struct {
	// Rand is the source of keys, nonces and SPIs: crypto/rand.Reader, or in
	// a test a seeded one.
	Rand io.Reader

	// SPIs is shared by gates of one data path. Default: the gate's own.
	SPIs SPIs
}

// A Gate is the IKEv2 of a set of peers: it answers what arrives, creates and
// ends IKE SAs, and sees to it that each peer ends up with one. It is not safe
// for concurrent use.
type Gate struct{}

// NewGate returns a gate without peers.
func NewGate(cfg Config) *Gate { return &Gate{} }

// SetPeer adds a peer, or replaces the configuration of the peer of that ID: SAs
// that stand stay as they are, what is negotiated from now on follows it.
func (g *Gate) SetPeer(p ike.Peer) {}

// RemovePeer deletes all SAs with the peer, with notice to it, and forgets its
// configuration.
func (g *Gate) RemovePeer(now time.Time, id ike.PeerID, reason string) {}

// Receive handles a datagram of a peer. It copies what it keeps.
func (g *Gate) Receive(now time.Time, d Datagram) Drop { return DropMalformed }

// Command carries out what the owner asks for. An error says that the command
// makes no sense now, for example a rekey where no SA stands; Initiate where an
// SA stands or is being set up does nothing.
func (g *Gate) Command(now time.Time, id ike.PeerID, c ike.Command) error { return nil }

// Advance fires what is due.
func (g *Gate) Advance(now time.Time) {}

// Deadline is when Advance is next due; false if nothing is scheduled.
func (g *Gate) Deadline() (time.Time, bool) { return time.Time{}, false }

// TakeOutput hands over what has been produced since, in the order in which it
// is to be carried out. The slice is valid until the next call of any method.
func (g *Gate) TakeOutput() []Output { return nil }

// A Status is what stands with one peer.
type Status struct {
	Connecting  bool            // an attempt of ours, or a half-open one of the peer's
	Established bool            // an authenticated IKE SA stands
	Child       bool            // a child SA stands
	Path        ike.Path        // of the IKE SA
	Proposal    ike.IKEProposal // of the IKE SA
	NAT         NAT
	LastHeard   time.Time // last authenticated message
	RekeyAt     time.Time // of the IKE SA, by us
	ExpiresAt   time.Time // of the IKE SA
}

// NAT says on which side address translation was found. RFC 7296 section 2.23.
type NAT struct{ Local, Remote bool }

// Status returns what stands with a peer.
func (g *Gate) Status(id ike.PeerID) Status { return Status{} }

// Closing reports whether a DELETE of ours still waits for its answer, which a
// graceful stop allows for.
func (g *Gate) Closing() bool { return false }

// Sessions is the number of IKE SA lineages, half-open and ending ones included.
func (g *Gate) Sessions() int { return 0 }
