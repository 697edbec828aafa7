package ipsec

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/daemon"
	"causeway.dev/ike/diagnosis"
	"causeway.dev/tunnel"
)

// A Status is what SAs and packets say of one tunnel. Up never means that
// somebody asked for it.
type Status struct {
	ID      ike.PeerID
	Up      bool      // a child SA stands and carries packets
	Since   time.Time // of the last change of Up; of the configuration at first
	Message string    // one sentence: what it runs with, or why it is down and what to change

	// What the SAs run with; zero while the tunnel is down.
	Version ike.Version
	IKE     ike.IKEProposal
	ESP     ike.ESPProposal

	// KeyUsed is the KeyChanges of the configuration whose pre-shared key the peer has
	// used while a former one was configured; 0: none.
	KeyUsed int64

	PathMTU  PathMTU
	Remote   netip.AddrPort // where the peer was last heard from
	Counters tunnel.Counters
}

// arrival says what has come from a peer's address at all, authenticated or
// not, and how much ESP has gone each way.
type arrival struct {
	datagrams uint64    // of IKE
	natt      time.Time // when the last came to UDP port 4500

	espIn, espOut uint64 // packets, in UDP or not
}

func arrivalOf(s daemon.Status, c tunnel.Counters) arrival {
	return arrival{datagrams: s.Datagrams, natt: s.NATT.Last, espIn: c.InboundPackets, espOut: c.OutboundPackets}
}

// tracker turns a peer's events into its status. It is a value without I/O.
type tracker struct {
	remote netip.Addr // configured; invalid for any
	start  bool       // our side initiates

	up    bool
	since time.Time

	pairs       []pair  // installed, the oldest first
	active      ike.SPI // inbound SPI of the pair that packets leave by; 0 for none
	established bool    // an IKE SA stands
	version     ike.Version
	proposal    ike.IKEProposal
	path        ike.Path
	proved      proof  // with certificates: what the peer has proved itself with
	formerKey   bool   // the peer has proved itself by its former pre-shared key
	keyUsed     int64  // Status.KeyUsed
	remarks     string // what an operator should know of it though it is accepted

	broken error // why packets can't be carried, whatever SAs stand

	// failure is the last reason why there is no SA; an SA clears it.
	failure    string
	connecting bool

	record record
}

// pair is what the status shows of a child SA.
type pair struct {
	inbound, outbound ike.SPI // the peer's choice of outbound need not be unique
	proposal          ike.ESPProposal
	about             *about
}

// about is what else a diagnosis tells of a pair.
type about struct {
	local, remote                   []netip.Prefix // selectors
	established, rekeyAt, expiresAt time.Time
}

func newTracker(now time.Time, p ike.Peer) *tracker {
	return &tracker{remote: p.Remote, start: p.Start, since: now}
}

// observe takes an event and reports whether up has changed.
func (t *tracker) observe(now time.Time, event ike.Event) bool {
	t.record.observe(now, event, t.active)
	switch e := event.(type) {
	case ike.Connecting:
		t.connecting = true
	case ike.Established:
		t.established, t.connecting = true, false
		t.version, t.proposal, t.path, t.formerKey = e.Version, e.Proposal, e.Path, e.FormerKey
		if !e.Rekeyed || len(e.RemoteChain) > 0 { // a rekey proves nothing anew
			t.proved = proof{e.RemoteChain, e.RemoteID}
		}
	case ike.KeyUsed:
		t.keyUsed = e.KeyChanges
	case ike.ChildInstalled:
		c := e.Child
		t.pairs = append(t.pairs, pair{c.Inbound, c.Outbound, c.Proposal, &about{c.LocalSelectors, c.RemoteSelectors, now, c.RekeyAt, c.ExpiresAt}})
		t.path = e.Child.Path
	case ike.ChildActivated:
		for _, p := range slices.Backward(t.pairs) {
			if p.outbound == e.Outbound {
				t.active, t.failure = p.inbound, ""
				break
			}
		}
	case ike.ChildRemoved:
		t.pairs = slices.DeleteFunc(t.pairs, func(p pair) bool { return p.inbound == e.Inbound })
		if t.active == e.Inbound {
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
		t.proved, t.remarks = proof{}, ""
		if t.failure == "" {
			t.failure = e.Reason
		}
	}
	return t.settle(now)
}

// settle brings up up to date and reports whether it has changed.
func (t *tracker) settle(now time.Time) bool {
	if up := t.active != 0 && t.broken == nil; up != t.up {
		t.up, t.since = up, now
		return true
	}
	return false
}

// carrier is the pair that packets leave by, of a tunnel that is up.
func (t *tracker) carrier() pair {
	return t.pairs[slices.IndexFunc(t.pairs, func(p pair) bool { return p.inbound == t.active })]
}

func (t *tracker) breakDown(now time.Time, err error) {
	t.broken = err
	t.settle(now)
}

// message is the status in one sentence, with what to change.
func (t *tracker) message(seen arrival) string {
	message, change, _ := t.verdict(seen)
	if change != "" {
		message += "; " + change
	}
	return message
}

// verdict is the status in one sentence, what to do about it where the sentence
// does not say it, and its kind.
func (t *tracker) verdict(seen arrival) (message, change string, cause diagnosis.Cause) {
	if t.up {
		message, change = t.upWith(seen)
		return message, change, diagnosis.CauseNone
	}
	switch {
	case t.broken != nil:
		return fmt.Sprintf("this side can't carry packets: %v", t.broken), "look into this side's log", diagnosis.CauseLocal
	case t.failure != "":
		cause = diagnosis.CauseOf(t.failure)
		if cause == diagnosis.CausePort && strings.Contains(t.failure, "4500") && seen.natt.Before(t.record.began) {
			return fmt.Sprintf("UDP 4500 is blocked: packets of %v come to UDP 500, but none to UDP 4500", t.peerName()), "let UDP 4500 pass both ways", cause
		}
		return t.failure, cause.Remedy(), cause
	case t.established: // as after main mode, while the peer does not answer quick mode
		return fmt.Sprintf("the IKE SA with %v stands, its child SA has not been agreed upon yet", t.peerName()), "", diagnosis.CauseNone
	case t.connecting:
		return fmt.Sprintf("negotiating with %v", t.peerName()), "", diagnosis.CauseNone
	case seen.datagrams == 0 && t.start:
		return fmt.Sprintf("no packet from %v has arrived; check that the device is on and that UDP 500 and 4500 reach it", t.peerName()), "", diagnosis.CauseSilence
	case seen.datagrams == 0:
		return fmt.Sprintf("no packet from %v has arrived; start IKE on the device, and check that its UDP 500 and 4500 reach this gateway", t.peerName()), "", diagnosis.CauseSilence
	default:
		return fmt.Sprintf("packets from %v arrive, but none has begun a negotiation; start IKE on the device", t.peerName()), "", diagnosis.CauseSilence
	}
}

// oneWayMin is how many packets have left without one coming back before that is
// said: less may be a beginning.
const oneWayMin = 5

// upWith says of a tunnel that is up what it runs with, and what is to be done
// all the same.
func (t *tracker) upWith(seen arrival) (message, change string) {
	message = t.describe()
	var changes []string
	if t.formerKey {
		message += "; the peer still uses the former pre-shared key"
		changes = append(changes, "give it the new one")
	}
	if t.remarks != "" {
		message += "; " + t.remarks
	}
	if diagnosis.CauseOf(t.failure) == diagnosis.CauseSecondPair { // since the last rekey
		message += "; " + t.failure
	}
	if seen.espIn == 0 && seen.espOut >= oneWayMin {
		message += "; packets leave, but none has come back through it"
		way := "let IP protocol 50 pass both ways, which may be blocked, or turn UDP encapsulation on"
		if t.path.UDP {
			way = "let UDP 4500 pass both ways"
		}
		changes = append(changes, way+", and check that the peer routes answers into the tunnel")
	}
	return message, strings.Join(changes, "; ")
}

func (t *tracker) peerName() string {
	if t.remote.IsValid() {
		return t.remote.String()
	}
	return "the peer"
}

// describe says what an established tunnel runs with.
func (t *tracker) describe() string {
	how := "IP protocol 50"
	if t.path.UDP {
		how = fmt.Sprintf("UDP %d", t.path.Remote.Port())
	}
	esp := t.carrier().proposal
	esp.Group = ike.GroupNone // the PFS group matters at a rekey only
	return fmt.Sprintf("%v %v, ESP %v over %s", t.version, t.proposal, esp, how)
}
