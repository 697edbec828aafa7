package daemon

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/diagnosis"
	"causeway.dev/ike/engine"
	"causeway.dev/ike/keys"
	"causeway.dev/ike/wire"
)

var (
	west = netip.MustParseAddr("192.0.2.1")
	east = netip.MustParseAddr("198.51.100.1")
)

// network joins hosts back to back. A datagram that lose picks does not arrive.
type network struct {
	t testing.TB

	mu    sync.Mutex
	hosts map[netip.Addr]*host           // guarded by mu
	lose  func(from, to netip.Addr) bool // guarded by mu
}

func newNetwork(t testing.TB) *network {
	return &network{t: t, hosts: map[netip.Addr]*host{}}
}

func (n *network) send(local, remote netip.AddrPort, datagram []byte) error {
	n.mu.Lock()
	h, lost := n.hosts[remote.Addr()], n.lose != nil && n.lose(local.Addr(), remote.Addr())
	n.mu.Unlock()
	if h != nil && !lost {
		h.Receive(remote, local, datagram)
	}
	return nil
}

func (n *network) losing(lose func(from, to netip.Addr) bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lose = lose
}

// host is a daemon on the network, with what it has told.
type host struct {
	*Daemon
	addr  netip.Addr
	kill  context.CancelFunc
	ended chan struct{}
	err   error // of Run, once ended

	mu    sync.Mutex
	story []string                      // guarded by mu: "east Established", "sent"
	pairs map[ike.PeerID][]*ike.ChildSA // guarded by mu: that are installed
	began map[ike.PeerID][]time.Time    // guarded by mu: attempts
	seen  chan struct{}                 // an event has come
}

// start puts a host at addr. It ends with the test, or by kill, without a word
// to its peers.
func (n *network) start(addr netip.Addr) *host {
	h := &host{
		addr: addr, ended: make(chan struct{}), pairs: map[ike.PeerID][]*ike.ChildSA{}, began: map[ike.PeerID][]time.Time{},
		seen: make(chan struct{}, 1<<12),
	}
	d, err := New(Config{
		Send: func(local, remote netip.AddrPort, datagram []byte) error {
			h.tell("sent")
			return n.send(local, remote, datagram)
		},
		Events: h.observe,
		Logger: slog.New(slog.NewTextHandler(n.t.Output(), nil)),
	})
	if err != nil {
		n.t.Fatal(err)
	}
	h.Daemon = d
	ctx, kill := context.WithCancel(n.t.Context())
	h.kill = func() { kill(); <-h.ended }
	n.mu.Lock()
	n.hosts[addr] = h
	n.mu.Unlock()
	go func() {
		defer close(h.ended)
		h.err = d.Run(ctx)
	}()
	n.t.Cleanup(h.kill)
	return h
}

func (h *host) tell(line string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.story = append(h.story, line)
}

func (h *host) observe(id ike.PeerID, event ike.Event) {
	if _, ok := event.(ike.Exchanged); ok {
		return // no part of the story
	}
	h.tell(fmt.Sprintf("%s %s", id, strings.TrimPrefix(fmt.Sprintf("%T", event), "ike.")))
	h.mu.Lock()
	switch e := event.(type) {
	case ike.Connecting:
		h.began[id] = append(h.began[id], time.Now())
	case ike.ChildInstalled:
		h.pairs[id] = append(h.pairs[id], &e.Child)
	case ike.ChildRemoved:
		h.pairs[id] = slices.DeleteFunc(h.pairs[id], func(c *ike.ChildSA) bool { return c.Inbound == e.Inbound })
	case ike.Closed:
		h.story[len(h.story)-1] += ": " + e.Reason
	case ike.NegotiationFailed:
		h.story[len(h.story)-1] += ": " + e.Reason
	}
	h.mu.Unlock()
	select {
	case h.seen <- struct{}{}:
	default:
	}
}

// childOf is the youngest pair that is installed, or nil.
func (h *host) childOf(id ike.PeerID) *ike.ChildSA {
	h.mu.Lock()
	defer h.mu.Unlock()
	if n := len(h.pairs[id]); n > 0 {
		return h.pairs[id][n-1]
	}
	return nil
}

// told returns the lines of the story about a peer and forgets the story.
func (h *host) told(id ike.PeerID) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var lines []string
	for _, line := range h.story {
		if rest, ok := strings.CutPrefix(line, string(id)+" "); ok {
			lines = append(lines, rest)
		}
	}
	h.story = nil
	return lines
}

func (h *host) peer(id ike.PeerID, remote netip.Addr) ike.Peer {
	return ike.Peer{
		ID: id, Local: h.addr, Remote: remote,
		LocalID: ike.AddressIdentity(h.addr), RemoteID: ike.AddressIdentity(remote),
		PreSharedKey: ike.Secret("opensesame"),
		IKEProposals: []ike.IKEProposal{{Encryption: ike.AES128CBC, Integrity: ike.HMACSHA256, PRF: ike.PRFHMACSHA256, Group: ike.Group19}},
		ESPProposals: []ike.ESPProposal{{Encryption: ike.AES128CBC, Integrity: ike.HMACSHA256, Group: ike.Group19}},
	}
}

func starting(p ike.Peer) ike.Peer {
	p.Start = true
	return p
}

func set(t testing.TB, h *host, peers ...ike.Peer) {
	t.Helper()
	if err := h.SetPeers(peers); err != nil {
		t.Fatal(err)
	}
}

// requireUp fails unless both sides have the two halves of one child SA.
func requireUp(t testing.TB, a *host, idA ike.PeerID, b *host, idB ike.PeerID) {
	t.Helper()
	ca, cb := a.childOf(idA), b.childOf(idB)
	if ca == nil || cb == nil {
		t.Fatalf("child SA at %v: %v, at %v: %v\n%v: %q\n%v: %q", a.addr, ca != nil, b.addr, cb != nil, a.addr, a.told(idA), b.addr, b.told(idB))
	}
	if ca.Inbound != cb.Outbound || ca.Outbound != cb.Inbound || !bytes.Equal(ca.InboundKey, cb.OutboundKey) || !bytes.Equal(ca.OutboundIntegrityKey, cb.InboundIntegrityKey) {
		t.Fatalf("child SAs do not fit: %v has %08x and %08x, %v has %08x and %08x", a.addr, ca.Inbound, ca.Outbound, b.addr, cb.Inbound, cb.Outbound)
	}
	if s := a.Status(idA); !s.Established || !s.Child || s.Datagrams == 0 || s.LastDatagram.IsZero() {
		t.Fatalf("status of a tunnel that is up: %+v", s)
	}
}

// Given two sites, when one is to start, then both come up, and each installs
// its inbound SA before the other can use it.
func TestHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		a, b := n.start(west), n.start(east)
		set(t, b, b.peer("a", west))
		set(t, a, starting(a.peer("b", east)))
		time.Sleep(time.Second)
		requireUp(t, a, "b", b, "a")

		b.mu.Lock()
		installed, last := slices.Index(b.story, "a ChildInstalled"), len(b.story)-1-slices.Index(reversed(b.story), "sent")
		b.mu.Unlock()
		if installed < 0 || installed > last {
			t.Errorf("the responder's SA was installed by step %d, its answer left by step %d", installed, last)
		}
	})
}

func reversed(s []string) []string {
	s = slices.Clone(s)
	slices.Reverse(s)
	return s
}

// Given a peer that does not answer, when it appears after an hour, then it is
// reached within the longest wait and an attempt; and attempts were never
// further apart.
func TestRetriesForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		a := n.start(west)
		set(t, a, starting(a.peer("b", east)))
		time.Sleep(time.Hour)
		const attemptMax = time.Minute
		a.mu.Lock()
		began := slices.Clone(a.began["b"])
		a.mu.Unlock()
		if len(began) < int(time.Hour/(retryMax+attemptMax)) {
			t.Errorf("%d attempts in an hour", len(began))
		}
		for i := 1; i < len(began); i++ {
			if gap := began[i].Sub(began[i-1]); gap > retryMax+attemptMax {
				t.Errorf("attempt %d began %v after the one before", i, gap)
			}
		}
		b := n.start(east)
		set(t, b, b.peer("a", west))
		time.Sleep(retryMax + attemptMax)
		requireUp(t, a, "b", b, "a")
		if s := a.Status("b"); !s.NextAttempt.IsZero() {
			t.Errorf("a next attempt is planned for %v though the tunnel is up", s.NextAttempt)
		}
	})
}

// Given a pair that is up, when one side dies without a word and comes back
// empty, then the starting side notices and connects again.
func TestPeerRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		a, b := n.start(west), n.start(east)
		set(t, b, b.peer("a", west))
		set(t, a, starting(a.peer("b", east)))
		time.Sleep(time.Second)
		requireUp(t, a, "b", b, "a")
		old := a.childOf("b").Inbound

		b.kill()
		b = n.start(east)
		set(t, b, b.peer("a", west))
		time.Sleep(5 * time.Minute)
		requireUp(t, a, "b", b, "a")
		if a.childOf("b").Inbound == old {
			t.Error("the SA of before the restart is still in use")
		}
	})
}

// Given the starting side itself dies and comes back, then the other side ends
// up with the new SAs only. RFC 7296 section 2.4.
func TestInitiatorRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		a, b := n.start(west), n.start(east)
		set(t, b, b.peer("a", west))
		set(t, a, starting(a.peer("b", east)))
		time.Sleep(time.Second)
		requireUp(t, a, "b", b, "a")

		a.kill()
		a = n.start(west)
		set(t, a, starting(a.peer("b", east)))
		time.Sleep(time.Minute)
		requireUp(t, a, "b", b, "a")
	})
}

// Given two tunnels, when the key of one changes on both sides, then that one
// restarts and the other does not notice; when it goes from the list, the peer
// is told.
func TestSetPeersChangesOnlyWhatDiffers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		north := netip.MustParseAddr("203.0.113.1")
		a, b, c := n.start(west), n.start(east), n.start(north)
		toB, toC, fromB, fromC := starting(a.peer("b", east)), starting(a.peer("c", north)), b.peer("a", west), c.peer("a", west)
		set(t, b, fromB)
		set(t, c, fromC)
		set(t, a, toB, toC)
		time.Sleep(time.Second)
		requireUp(t, a, "b", b, "a")
		requireUp(t, a, "c", c, "a")
		before := a.childOf("c").Inbound
		a.told("c")

		set(t, a, toC, toB)
		if lines := a.told("b"); len(lines) != 0 {
			t.Errorf("the same peers in another order: %q", lines)
		}

		toB.PreSharedKey, fromB.PreSharedKey = ike.Secret("another"), ike.Secret("another")
		set(t, b, fromB)
		set(t, a, toB, toC)
		time.Sleep(2 * time.Minute)
		requireUp(t, a, "b", b, "a")
		requireUp(t, a, "c", c, "a")
		if lines := a.told("c"); len(lines) != 0 || a.childOf("c").Inbound != before {
			t.Errorf("the other tunnel noticed: %q", lines)
		}

		b.told("a")
		set(t, a, toC)
		time.Sleep(time.Second)
		if b.childOf("a") != nil {
			t.Error("the peer keeps the child SA of a tunnel that has been removed")
		}
		if s := a.Status("b"); s != (Status{}) {
			t.Errorf("status of a removed peer: %+v", s)
		}
		if err := a.Command("b", ike.Initiate{}); !errors.Is(err, ErrUnknownPeer) {
			t.Errorf("command for a removed peer: %v", err)
		}

		if err := a.RemovePeer("c"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if c.childOf("a") != nil {
			t.Error("the peer keeps the child SA of a peer that has been removed")
		}
	})
}

// Given a tunnel that is up, when its key is replaced and the former one stays
// valid, then it stays up, and the peer may come back with the former key; when
// the key is replaced without that, it ends unless the peer has the new one.
func TestKeyRotationKeepsTheTunnel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		a, b := n.start(west), n.start(east)
		answering, beginning := b.peer("a", west), starting(a.peer("b", east))
		set(t, b, answering)
		set(t, a, beginning)
		time.Sleep(time.Second)
		requireUp(t, a, "b", b, "a")
		b.told("a")

		answering.FormerKey, answering.FormerKeyUntil = answering.PreSharedKey, time.Now().Add(time.Hour)
		answering.PreSharedKey = ike.Secret("another")
		set(t, b, answering)
		time.Sleep(time.Second)
		requireUp(t, a, "b", b, "a")
		if lines := b.told("a"); slices.ContainsFunc(lines, func(line string) bool { return line != "sent" }) {
			t.Errorf("the tunnel noticed: %q", lines)
		}
		if err := a.Command("b", ike.Terminate{Reason: "test"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if err := a.Command("b", ike.Initiate{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		requireUp(t, a, "b", b, "a")
		b.told("a")

		answering.PreSharedKey, answering.FormerKey = ike.Secret("a third"), nil
		set(t, b, answering)
		time.Sleep(engine.ReauthenticationTime + time.Second)
		if lines := b.told("a"); !slices.Contains(lines, "Closed: "+diagnosis.Outdated) {
			t.Errorf("a key that is no longer valid keeps the tunnel: %q", lines)
		}
	})
}

// Given tunnels in the costliest group, when they begin, then key agreements do not
// hold up the loop: another tunnel's command is answered long before they are done.
// Of a few attempts one must show it; in the others the machine may have been busy.
func TestCostlyKeyAgreementsDoNotHoldUpTheLoop(t *testing.T) {
	var waits []string
	for range 5 {
		longest, one := costlyTunnel(t)
		if longest <= 2*one { // the responder's takes twice as long as a key pair
			return
		}
		waits = append(waits, fmt.Sprintf("the longest wait was %v, a key pair takes %v", longest, one))
	}
	t.Error(strings.Join(waits, "; "))
}

// costlyTunnel returns how long the loops of two daemons kept others waiting while
// they set up a tunnel, and how long a key pair takes.
func costlyTunnel(t *testing.T) (longest, keyPair time.Duration) {
	n := newNetwork(t)
	a, b := n.start(west), n.start(east)
	costly := func(p ike.Peer) ike.Peer {
		proposal, err := ike.ParseIKEProposal("aes128-sha256-group18")
		if err != nil {
			t.Fatal(err)
		}
		p.IKEProposals = []ike.IKEProposal{proposal}
		return p
	}
	set(t, b, costly(b.peer("a", west)))
	set(t, a, costly(starting(a.peer("b", east))))
	for begin := time.Now(); a.childOf("b") == nil || b.childOf("a") == nil; {
		asked := time.Now()
		b.Status("a")
		a.Status("b")
		longest = max(longest, time.Since(asked))
		if time.Since(begin) > time.Minute {
			t.Fatal("the tunnel does not come up")
		}
		time.Sleep(time.Millisecond)
	}
	requireUp(t, a, "b", b, "a")
	begin := time.Now()
	dh, err := keys.NewDH(ike.Group18, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	dh.Public()
	return longest, time.Since(begin)
}

// Given a wrong key, then both sides say so, and the starting side goes on
// trying; when the key is put right, it succeeds.
func TestWrongKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		a, b := n.start(west), n.start(east)
		wrong := b.peer("a", west)
		wrong.PreSharedKey = ike.Secret("closesesame")
		set(t, b, wrong)
		set(t, a, starting(a.peer("b", east)))
		time.Sleep(10 * time.Minute)
		failures := slices.DeleteFunc(a.told("b"), func(line string) bool { return !strings.HasPrefix(line, "NegotiationFailed") })
		if len(failures) < 5 || !strings.Contains(failures[0], "pre-shared key") {
			t.Errorf("failures in 10 minutes: %q", failures)
		}
		set(t, b, b.peer("a", west))
		time.Sleep(2 * time.Minute)
		requireUp(t, a, "b", b, "a")
	})
}

// Given a tunnel that its owner has terminated, then it stays down until the
// owner wants it back.
func TestTerminate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		a, b := n.start(west), n.start(east)
		set(t, b, b.peer("a", west))
		set(t, a, starting(a.peer("b", east)))
		time.Sleep(time.Second)
		requireUp(t, a, "b", b, "a")
		if err := a.Command("b", ike.Terminate{Reason: "maintenance"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if a.childOf("b") != nil || b.childOf("a") != nil {
			t.Error("a child SA is left, or has come back by itself")
		}
		if err := a.Command("b", ike.Initiate{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		requireUp(t, a, "b", b, "a")
	})
}

// Given a pair that is up, when one side is stopped, then the other is told, and
// nothing of the first is left.
func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		a, b := n.start(west), n.start(east)
		set(t, b, b.peer("a", west))
		set(t, a, starting(a.peer("b", east)))
		time.Sleep(time.Second)
		requireUp(t, a, "b", b, "a")

		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if err := a.Stop(ctx); err != nil {
			t.Errorf("Stop: %v", err)
		}
		if waited := time.Since(began); waited > time.Second {
			t.Errorf("Stop waited %v for a peer that answers at once", waited)
		}
		<-a.ended
		if a.err != nil {
			t.Errorf("Run: %v", a.err)
		}
		synctest.Wait()
		if b.childOf("a") != nil {
			t.Error("the peer has not been told")
		}
		if a.childOf("b") != nil {
			t.Error("the owner was not told to remove the child SA")
		}
		for name, err := range map[string]error{
			"SetPeer": a.SetPeer(a.peer("b", east)), "RemovePeer": a.RemovePeer("b"),
			"Command": a.Command("b", ike.Initiate{}), "Stop": a.Stop(ctx),
		} {
			if !errors.Is(err, ErrStopped) {
				t.Errorf("%s after the end: %v", name, err)
			}
		}
	})
}

// Given a peer that is out of reach, when its neighbour is stopped, then Stop
// gives up at its deadline and says so.
func TestStopOutOfReach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		a, b := n.start(west), n.start(east)
		set(t, b, b.peer("a", west))
		set(t, a, starting(a.peer("b", east)))
		time.Sleep(time.Second)
		requireUp(t, a, "b", b, "a")
		n.losing(func(from, to netip.Addr) bool { return true })
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		began := time.Now()
		if err := a.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Stop: %v", err)
		}
		if waited := time.Since(began); waited != 3*time.Second {
			t.Errorf("Stop waited %v, its deadline was 3s", waited)
		}
		if err := a.SetPeer(a.peer("c", east)); !errors.Is(err, ErrStopped) {
			t.Errorf("SetPeer while stopping: %v", err)
		}
	})
}

// Given a pair that is up, when 20,000 datagrams of junk come in, many of them
// true messages with a few octets changed, then the SAs stay, rekeys work, and
// every one of them is counted.
func TestJunkIsHarmless(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		a, b := n.start(west), n.start(east)
		set(t, b, b.peer("a", west))
		var mu sync.Mutex
		var genuine [][]byte
		n.losing(func(_, _ netip.Addr) bool { return false })
		record := a.cfg.Send
		a.cfg.Send = func(local, remote netip.AddrPort, datagram []byte) error {
			mu.Lock()
			genuine = append(genuine, bytes.Clone(datagram))
			mu.Unlock()
			return record(local, remote, datagram)
		}
		set(t, a, starting(a.peer("b", east)))
		time.Sleep(time.Second)
		requireUp(t, a, "b", b, "a")
		inbound := b.childOf("a").Inbound

		random := mathrand.New(mathrand.NewPCG(1, 2))
		const junk = 20000
		for i := range junk {
			mu.Lock()
			datagram := bytes.Clone(genuine[random.IntN(len(genuine))])
			mu.Unlock()
			if i%4 == 0 {
				datagram = make([]byte, random.IntN(200))
				for j := range datagram {
					datagram[j] = byte(random.Uint32())
				}
			} else {
				for range 1 + random.IntN(3) {
					datagram[random.IntN(len(datagram))] ^= byte(1 + random.IntN(255))
				}
			}
			from := netip.AddrPortFrom(west, 500)
			if i%2 == 0 {
				from = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), uint16(1+random.IntN(65535)))
			}
			b.Receive(netip.AddrPortFrom(east, 500), from, datagram)
			if i%100 == 0 {
				synctest.Wait()
			}
		}
		time.Sleep(time.Minute)
		requireUp(t, a, "b", b, "a")
		if b.childOf("a").Inbound != inbound {
			t.Error("the child SA has been replaced")
		}
		counted := uint64(0)
		for reason, count := range b.Drops() {
			t.Logf("%v: %d", reason, count)
			counted += count
		}
		if counted < junk*8/10 {
			t.Errorf("%d of %d datagrams of junk are counted", counted, junk)
		}
		if err := a.Command("b", ike.RekeyChild{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		requireUp(t, a, "b", b, "a")
		if b.childOf("a").Inbound == inbound {
			t.Error("the child SA has not been rekeyed")
		}
	})
}

// What comes faster than it is taken is dropped and counted, by number and by
// octets.
func TestQueueIsBounded(t *testing.T) {
	for _, size := range []int{1, 60000} {
		synctest.Test(t, func(t *testing.T) {
			d, err := New(Config{
				Send:   func(_, _ netip.AddrPort, _ []byte) error { return nil },
				Events: func(ike.PeerID, ike.Event) {},
				Logger: slog.New(slog.DiscardHandler),
			})
			if err != nil {
				t.Fatal(err)
			}
			for range 2 * queueLength {
				d.Receive(netip.AddrPortFrom(west, 500), netip.AddrPortFrom(east, 500), make([]byte, size))
			}
			kept := min(queueLength, firstOctetsMax/size)
			// What belongs to an SA still has room.
			h := wire.Header{SPIi: 1, SPIr: 2, Major: 2, Exchange: wire.Informational, Flags: wire.FlagInitiator, Length: wire.HeaderLength}
			d.Receive(netip.AddrPortFrom(west, 500), netip.AddrPortFrom(east, 500), h.Append(nil))
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			go d.Run(ctx)
			synctest.Wait()
			drops := d.Drops()
			if drops[DropQueueFull] != uint64(2*queueLength-kept) || drops[ike.DropMalformed] != uint64(kept) || drops[ike.DropUnknownSPI] != 1 {
				t.Errorf("datagrams of %d octets: %v, want %d kept of %d", size, drops, kept, 2*queueLength)
			}
			if left := d.queued.Load(); left != 0 {
				t.Errorf("%d octets counted as waiting in an empty queue", left)
			}
		})
	}
}

// A datagram that could not be sent is shown until the next one is.
func TestSendError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		a := n.start(west)
		works := a.cfg.Send
		var broken sync.Map
		broken.Store("link", true)
		a.cfg.Send = func(local, remote netip.AddrPort, datagram []byte) error {
			if _, ok := broken.Load("link"); ok {
				return errors.New("network is unreachable")
			}
			return works(local, remote, datagram)
		}
		set(t, a, starting(a.peer("b", east)))
		time.Sleep(time.Second)
		if s := a.Status("b"); s.SendError != "network is unreachable" {
			t.Errorf("SendError = %q", s.SendError)
		}
		broken.Delete("link")
		time.Sleep(time.Minute)
		if s := a.Status("b"); s.SendError != "" {
			t.Errorf("SendError = %q after a datagram was sent", s.SendError)
		}
	})
}

func TestPeersThatCannotBeUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newNetwork(t).start(west)
		for what, change := range map[string]func(*ike.Peer){
			"no ID":                        func(p *ike.Peer) { p.ID = "" },
			"no local address":             func(p *ike.Peer) { p.Local = netip.Addr{} },
			"addresses of two families":    func(p *ike.Peer) { p.Remote = netip.IPv6Loopback() },
			"to be started, but nowhere":   func(p *ike.Peer) { p.Start, p.Remote = true, netip.Addr{} },
			"no key":                       func(p *ike.Peer) { p.PreSharedKey = nil },
			"certificate without a key":    func(p *ike.Peer) { p.Certificate = &ike.Certificate{Chain: [][]byte{{1}}} },
			"fragments that are too small": func(p *ike.Peer) { p.FragmentSize = 100 },
			"no IKE proposal":              func(p *ike.Peer) { p.IKEProposals = nil },
			"no ESP proposal":              func(p *ike.Peer) { p.ESPProposals = nil },
			"unknown IKE algorithm":        func(p *ike.Peer) { p.IKEProposals = []ike.IKEProposal{{}} },
			"unknown ESP algorithm":        func(p *ike.Peer) { p.ESPProposals = []ike.ESPProposal{{}} },
		} {
			p := a.peer("b", east)
			change(&p)
			if err := a.SetPeer(p); err == nil {
				t.Errorf("%s: taken", what)
			}
		}
		bad := a.peer("bad", east)
		bad.PreSharedKey = nil
		good := a.peer("good", east)
		err := a.SetPeers([]ike.Peer{bad, good, good})
		if err == nil || !strings.Contains(err.Error(), "bad") || !strings.Contains(err.Error(), "good: configured twice") {
			t.Errorf("SetPeers: %v", err)
		}
		if err := a.Command("good", ike.Terminate{}); errors.Is(err, ErrUnknownPeer) {
			t.Errorf("a good peer among bad ones was not taken: %v", err)
		}
		if _, err := New(Config{}); err == nil {
			t.Error("New takes a configuration without Send")
		}
	})
}

// BenchmarkHandshake sets a tunnel up and deletes it again between two daemons
// in this process: both sides' work, on as many cores as there are.
func BenchmarkHandshake(b *testing.B) {
	for _, group := range []ike.Group{ike.Group2, ike.Group14, ike.Group15, ike.Group19, ike.Group20, ike.Group21} {
		b.Run(fmt.Sprintf("psk/%v", group), func(b *testing.B) {
			n := newNetwork(b)
			initiator, responder := n.start(west), n.start(east)
			out, in := initiator.peer("b", east), responder.peer("a", west)
			out.IKEProposals[0].Group, in.IKEProposals[0].Group = group, group
			set(b, responder, in)
			set(b, initiator, out)
			await := func(up bool) {
				for (initiator.childOf("b") != nil) != up || (responder.childOf("a") != nil) != up {
					select {
					case <-initiator.seen:
					case <-responder.seen:
					case <-time.After(10 * time.Second):
						b.Fatalf("no child SA comes or goes: %q, %q", initiator.told("b"), responder.told("a"))
					}
				}
			}
			for b.Loop() {
				if err := initiator.Command("b", ike.Initiate{}); err != nil {
					b.Fatal(err)
				}
				await(true)
				if err := initiator.Command("b", ike.Terminate{}); err != nil {
					b.Fatal(err)
				}
				await(false)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "handshakes/s")
		})
	}
}
