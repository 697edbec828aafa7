// Package keeper carries the packets of IPsec tunnels while the daemon that
// negotiates for them is not there, because it is being restarted or replaced by
// another version.
//
//	old daemon ── Start, Keep ──▶ keeper ── Peek, Claim, Take ──▶ new daemon
//	              state, descriptors        state, descriptors
//
// The keeper is a process of the daemon's own binary. It has the TUNs and sockets by
// their descriptors and the SAs as they were, to the packet; it answers nothing
// and negotiates nothing. If nobody claims what it keeps it tells the peers that
// their SAs are deleted, with messages that the old daemon has sealed for that,
// and ends. What it keeps is never written to a disk.
package keeper

import (
	"fmt"
	"io"
	"net/netip"
	"time"

	"causeway.dev/ike"
	"causeway.dev/packetio"
	"causeway.dev/tunnel"
)

// Version is that of State. It is raised when a field, or a value in one, comes to
// mean something else; new fields whose zero value means what was before need
// none.
const Version = 1

// WaitMax bounds how long a keeper waits for the next daemon: a peer whose rekeys
// are not answered for so long will have given up anyway.
const WaitMax = 10 * time.Minute

// A State is what one process keeps for the next. It holds keys.
type State struct {
	Endpoints []Endpoint
	Tunnels   []Tunnel
}

// An Endpoint is one outside address with its sockets. Descriptors are those of the
// process that has the State.
type Endpoint struct {
	Local          netip.Addr
	IKE, NATT, ESP Socket
}

// A Socket is an open one with the offloads that are in use.
type Socket struct {
	Descriptor int
	Offloads   packetio.Offloads
}

// A Tunnel is one that stands.
type Tunnel struct {
	ID ike.PeerID
	Up bool // it carries packets

	Local      netip.Addr // of its Endpoint
	Device     int        // descriptor of its TUN
	DeviceName string
	Offloads   packetio.Offloads
	MTU        int // as in tunnel.Config
	Inside     netip.Prefix
	SAs        tunnel.State
	Farewell   []ike.Datagram // what tells the peer that all of it is deleted
	Negotiated []byte         // what the daemons know of it, in a form of theirs
}

// Wipe overwrites the keys.
func (s *State) Wipe() {
	for i := range s.Tunnels {
		s.Tunnels[i].SAs.Wipe()
		clear(s.Tunnels[i].Negotiated)
	}
}

// String leaves out all secrets.
func (s State) String() string {
	return fmt.Sprintf("%d tunnels at %d addresses, kept", len(s.Tunnels), len(s.Endpoints))
}

// Format hides the secrets from every verb.
func (s State) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// descriptors are all that go with the state, in the order in which they are sent.
func (s *State) descriptors() []*int {
	var all []*int
	for i := range s.Endpoints {
		e := &s.Endpoints[i]
		all = append(all, &e.IKE.Descriptor, &e.NATT.Descriptor, &e.ESP.Descriptor)
	}
	for i := range s.Tunnels {
		all = append(all, &s.Tunnels[i].Device)
	}
	return all
}
