package ipsec

import (
	"cmp"
	"fmt"
	"net/netip"
	"time"

	"causeway.dev/ike"
	"causeway.dev/tunnel"
)

// A Status is what SAs and packets say of one tunnel. Up never means that
// somebody asked for it.
type Status struct {
	ID      ike.PeerID
	Up      bool      // a child SA stands and carries packets
	Since   time.Time // of the last change of Up; of the configuration at first
	Message string    // one sentence: what it runs with, or why it is down and what to change

	Remote   netip.AddrPort // where the peer was last heard from
	Counters tunnel.Counters
}

// arrival says what has come from a peer's address at all, authenticated or
// not.
type arrival struct {
	datagrams uint64
	last      time.Time
}

// tracker turns a peer's events into its status. It is a value without I/O.
type tracker struct {
	remote netip.Addr // configured; invalid for any
	start  bool       // our side initiates

	up    bool
	since time.Time

	active      ike.SPI // outbound SA in use; 0 for none
	children    map[ike.SPI]ike.ChildSA
	established bool
	proposal    ike.IKEProposal
	path        ike.Path

	// failure is the last reason why there is no SA; an SA clears it.
	failure    string
	connecting bool
}

func newTracker(now time.Time, p ike.Peer) *tracker {
	return &tracker{remote: p.Remote, start: p.Start, since: now, children: map[ike.SPI]ike.ChildSA{}}
}

// observe takes an event and reports whether up has changed.
func (t *tracker) observe(now time.Time, event ike.Event) bool {
	switch e := event.(type) {
	case ike.Connecting:
		t.connecting = true
	case ike.Established:
		t.established, t.connecting = true, false
		t.proposal, t.path = e.Proposal, e.Path
	case ike.ChildInstalled:
		t.children[e.Child.Outbound] = e.Child
		t.path = e.Child.Path
	case ike.ChildActivated:
		t.active = e.Outbound
		t.failure = ""
	case ike.ChildRemoved:
		delete(t.children, e.Outbound)
		if t.active == e.Outbound {
			t.active = 0
			t.failure = e.Reason
		}
	case ike.PathChanged:
		t.path = e.Path
	case ike.NegotiationFailed:
		t.connecting = false
		t.failure = e.Reason
	case ike.Closed:
		t.established, t.connecting = false, false
		if t.failure == "" {
			t.failure = e.Reason
		}
	}
	if up := t.active != 0; up != t.up {
		t.up, t.since = up, now
		return true
	}
	return false
}

// message is the status in one sentence.
func (t *tracker) message(seen arrival) string {
	if t.up {
		return t.describe()
	}
	switch {
	case t.failure != "":
		return t.failure
	case t.connecting:
		return fmt.Sprintf("negotiating with %v", t.peerName())
	case seen.datagrams == 0 && t.start:
		return fmt.Sprintf("no packet from %v has arrived; check that the device is on and that UDP 500 and 4500 reach it", t.peerName())
	case seen.datagrams == 0:
		return fmt.Sprintf("no packet from %v has arrived; start IKE on the device, and check that its UDP 500 and 4500 reach this gateway", t.peerName())
	default:
		return fmt.Sprintf("packets from %v arrive, but none has begun a negotiation", t.peerName())
	}
}

func (t *tracker) peerName() string {
	if t.remote.IsValid() {
		return t.remote.String()
	}
	return "the peer"
}

// describe says what an established tunnel runs with.
func (t *tracker) describe() string {
	child := t.children[t.active]
	how := "IP protocol 50"
	if child.Path.UDP {
		how = fmt.Sprintf("UDP %d", cmp.Or(child.Path.Remote.Port(), 4500))
	}
	esp := child.Proposal
	esp.Group = ike.GroupNone // the PFS group matters at a rekey only
	return fmt.Sprintf("IKEv2 %v, ESP %v over %s", t.proposal, esp, how)
}
