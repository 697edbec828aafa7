package ikev2

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/enginetest"
	"causeway.dev/ike/keys"
	"causeway.dev/ike/wire"
	"causeway.dev/internal/simnet"
)

func init() { panicOnFault = true }

// TestFaultEndsItsSessionOnly: a mistake of this package costs one peer its SAs,
// and nobody else anything.
func TestFaultEndsItsSessionOnly(t *testing.T) {
	w := newWorld(t, 1, lan, nil)
	w.Connect()
	g := w.Left.Engine
	other := w.Left.Peer
	other.ID, other.Remote = "other", netip.MustParseAddr("203.0.113.50")
	if err := g.SetPeer(other); err != nil {
		t.Fatal(err)
	}
	if err := g.Command(w.Net.Now(), "other", ike.Initiate{}); err != nil {
		t.Fatal(err)
	}
	s, bystander := g.standing("left", nil), g.peers["other"].sessions[0]
	wrong := func() { s.setPhase(connecting) }
	func() {
		defer func() {
			if f, ok := recover().(fault); !ok || f.session != s {
				t.Errorf("tests do not see the fault: %v", f)
			}
		}()
		g.attempt(s, wrong)
	}()
	g.TakeOutput()
	panicOnFault = false
	defer func() { panicOnFault = true }()
	g.attempt(bystander, wrong) // as where one session acts on another
	var removed, closed int
	for _, o := range g.TakeOutput() {
		switch e := o.Event.(type) {
		case ike.ChildRemoved:
			removed++
		case ike.Closed:
			closed++
			if want := "closed after an internal error: session goes from established to connecting"; e.Reason != want {
				t.Errorf("closed: %q, want %q", e.Reason, want)
			}
		}
	}
	if removed != 1 || closed != 1 || s.phase != ended || g.standing("left", nil) != nil {
		t.Errorf("%d child SAs removed, %d closed, phase %v", removed, closed, s.phase)
	}
	if bystander.phase != connecting || g.schedule.Len() != 1 || g.schedule.All()[0] != bystander || len(g.bySPI) != 1 {
		t.Errorf("the other session is %v; %d sessions, %d SPIs", bystander.phase, g.schedule.Len(), len(g.bySPI))
	}
	defer func() {
		if recover() == nil {
			t.Error("a panic that is no fault was swallowed")
		}
	}()
	g.attempt(bystander, func() { panic("something else") })
}

// TestForgedHalvesEndThemselvesOnly: RFC 7296 section 2.4: who overhears the
// request and answers it first can't go on to prove itself, nor end the attempt
// by how it fails.
func TestForgedHalvesEndThemselvesOnly(t *testing.T) {
	for name, payloads := range map[string][]wire.Payload{
		"wrong proof": {
			&wire.ID{Role: wire.PayloadIDr, Identity: ike.AddressIdentity(enginetest.RightAddr)},
			&wire.Auth{Method: wire.AuthSharedKey, Data: make([]byte, 32)},
		},
		"refusal":   {&wire.Notify{Type: wire.AuthenticationFailed}},
		"malformed": {&wire.Raw{Type: wire.PayloadNonce, Body: []byte("short")}},
		"nothing":   nil,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 1, lan, nil)
			w.Left.Command(ike.Initiate{})
			s := w.Left.Engine.peers["left"].sessions[0]
			dh := w.Right.Engine.newDH(ike.Group19)
			nonce := make([]byte, 32)
			_, chosen, _ := chooseIKE(offerIKE(w.Left.Peer.IKEProposals, nil).Proposals, w.Left.Peer.IKEProposals)
			answer := wire.Message{
				Header: wire.Header{SPIi: s.init.spi, SPIr: 0xf00d, Major: 2, Exchange: wire.IKESAInit, Flags: wire.FlagResponse},
				Payloads: []wire.Payload{&wire.SA{Proposals: []wire.Proposal{chosen}},
					&wire.KE{Group: ike.Group19, Data: dh.Public()}, &wire.Nonce{Data: nonce},
					&wire.Notify{Type: wire.NATDetectionSourceIP, Data: make([]byte, 20)}},
			}.Append(nil)
			w.Left.Receive(w.Net.Now(), at(enginetest.LeftAddr, 500), at(enginetest.RightAddr, 500), answer)
			shared, err := dh.Shared(s.init.dh.Public())
			if err != nil {
				t.Fatal(err)
			}
			forger := newSA(false, 0xf00d, s.init.spi, s.sas[0].proposal, keys.DeriveIKE(s.sas[0].proposal, s.init.nonce, nonce, shared, s.init.spi, 0xf00d))
			for len(s.sas) < 2 { // until the true answer is there
				w.Net.RunFor(time.Millisecond)
			}
			w.Left.Receive(w.Net.Now(), at(enginetest.LeftAddr, 500), at(enginetest.RightAddr, 500),
				forger.seal.Seal(nil, forger.header(wire.IKEAuth, 1, true), payloads))
			w.Net.RunFor(2 * time.Second)
			w.CheckSettled()
			if failed, n := enginetest.Last[ike.NegotiationFailed](w.Left); n != 0 {
				t.Errorf("reported as failed: %q", failed.Reason)
			}
			if e, _ := enginetest.Last[ike.Established](w.Left); e.Path.UDP || w.Left.Engine.Status("left").NAT != (NAT{}) {
				t.Errorf("a NAT was taken from a forgery: %+v", e.Path)
			}
		})
	}
}

// countingReader counts what is taken of a source of randomness.
type countingReader struct {
	io.Reader
	octets int
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.octets += n
	return n, err
}

// TestInvalidKeyExchangeIsCheap: a request whose KE payload can't be used makes
// no key pair, which nothing would count.
func TestInvalidKeyExchangeIsCheap(t *testing.T) {
	w := newWorld(t, 1, lan, nil)
	counter := &countingReader{Reader: w.Right.Engine.rand}
	w.Right.Engine.rand = counter
	request := func(data []byte) []byte {
		return wire.Message{
			Header: wire.Header{SPIi: 1, Major: 2, Exchange: wire.IKESAInit, Flags: wire.FlagInitiator},
			Payloads: []wire.Payload{offerIKE(w.Left.Peer.IKEProposals, nil),
				&wire.KE{Group: ike.Group19, Data: data}, &wire.Nonce{Data: make([]byte, 32)}},
		}.Append(nil)
	}
	for _, data := range [][]byte{make([]byte, 64), make([]byte, 63), bytes.Repeat([]byte{0xff}, 64)} {
		w.Right.Engine.Receive(enginetest.Epoch, Datagram{Local: at(enginetest.RightAddr, 500), Remote: at(enginetest.LeftAddr, 500), Payload: request(data)})
		out := w.Right.Engine.TakeOutput()
		m, err := wire.Parse(out[0].Datagram.Payload)
		if err != nil || sortPayloads(m.Payloads).notify(wire.InvalidSyntax) == nil {
			t.Errorf("answered with %v, %v", m, err)
		}
	}
	if counter.octets != 0 || w.Right.Engine.Sessions() != 0 {
		t.Errorf("%d octets of randomness, %d sessions", counter.octets, w.Right.Engine.Sessions())
	}
}

// TestRefusalsAreBounded: requests that come to nothing are not counted as
// half-open, and yet can't take all our time.
func TestRefusalsAreBounded(t *testing.T) {
	w := newWorld(t, 1, lan, nil)
	g, now, spi := w.Right.Engine, enginetest.Epoch, uint64(0)
	ask := func(source netip.AddrPort, payloads ...wire.Payload) (Drop, *wire.Notify) {
		request := wire.Message{
			Header: wire.Header{SPIi: spi, Major: 2, Exchange: wire.IKESAInit, Flags: wire.FlagInitiator},
			Payloads: append(payloads, offerIKE(enginetest.IKE(t, "aes256-sha512-group20"), nil),
				&wire.KE{Group: ike.Group20, Data: make([]byte, 96)}, &wire.Nonce{Data: make([]byte, 32)}),
		}.Append(nil)
		drop := g.Receive(now, Datagram{Local: at(enginetest.RightAddr, 500), Remote: source, Payload: request})
		for _, o := range g.TakeOutput() {
			if o.Event == nil {
				m, err := wire.Parse(o.Datagram.Payload)
				if err != nil {
					t.Fatal(err)
				}
				return drop, sortPayloads(m.Payloads).notifies[0]
			}
		}
		return drop, nil
	}
	source := at(enginetest.LeftAddr, 500)
	drops := map[Drop]int{}
	for range 500 {
		spi++
		drop, n := ask(source)
		if drop == ike.DropCookie { // the sender is where it says it is
			drop, _ = ask(source, n)
		}
		drops[drop]++
	}
	if drops[ike.Accepted] != refusedThreshold+refusedMaxSource || drops[ike.DropRefusals] != 500-drops[ike.Accepted] {
		t.Errorf("one source, true: %v", drops)
	}
	now = now.Add(time.Second)
	clear(drops)
	for range 500 { // the sender may be anybody
		spi++
		drop, _ := ask(source)
		drops[drop]++
	}
	if drops[ike.Accepted] != refusedThreshold || drops[ike.DropCookie] != 500-refusedThreshold {
		t.Errorf("one source, forged: %v", drops)
	}
	w.Connect()
	w.CheckSettled()
}

// TestRequestsThatAreKeptAreShort: a half-open session keeps its request.
func TestRequestsThatAreKeptAreShort(t *testing.T) {
	w := newWorld(t, 1, lan, nil)
	send := func(spi uint64, filler int) Drop {
		d := Datagram{Local: at(enginetest.RightAddr, 500), Remote: at(enginetest.LeftAddr, 500), Payload: initRequest(w, spi, &wire.VendorID{Data: make([]byte, filler)})}
		return w.Right.Engine.Receive(enginetest.Epoch, d)
	}
	if drop := send(1, 4000); drop != ike.Accepted {
		t.Errorf("4 KB: %q", drop)
	}
	if drop := send(2, initLengthMax); drop != ike.DropMalformed {
		t.Errorf("over the bound: %q", drop)
	}
}

// TestFailedProofsCount: an attempt whose proof has failed takes room until it is
// forgotten, and counts as long: who does not know the key gets no more of it by
// trying.
func TestFailedProofsCount(t *testing.T) {
	w := newWorld(t, 1, lan, func(left, _ *ike.Peer) { left.PreSharedKey = ike.Secret("wrong") })
	w.Connect()
	if s := w.Right.Engine.schedule.All(); len(s) != 1 || s[0].phase != ending || w.Right.Engine.admission.halfOpen != 1 || w.Right.Engine.admission.sources[enginetest.LeftAddr] != 1 {
		t.Fatalf("%d sessions, %d counted", len(s), w.Right.Engine.admission.halfOpen)
	}
	w.Net.RunFor(time.Minute)
	checkNone(w)
}

// TestReasonsAreBounded: a stranger can't fill logs and records by what it calls
// itself or offers.
func TestReasonsAreBounded(t *testing.T) {
	const longest = 700
	w := newWorld(t, 1, lan, func(left, right *ike.Peer) {
		left.LocalID = ike.Identity{Type: ike.IDFQDN, Data: strings.Repeat("\x00", 20_000)}
		right.RemoteID = ike.AddressIdentity(enginetest.LeftAddr)
	})
	w.Connect()
	failed, n := enginetest.Last[ike.NegotiationFailed](w.Right)
	if n != 1 || !strings.Contains(failed.Reason, "expects \"192.0.2.1\"") || len(failed.Reason) > longest {
		t.Errorf("an identity: %d octets, %.100q", len(failed.Reason), failed.Reason)
	}
	var odd wire.Proposal
	for i := range 250 {
		odd.Transforms = append(odd.Transforms, wire.Transform{Type: wire.TransformEncryption, ID: uint16(1000 + i)})
	}
	text := describeProposals(slices.Repeat([]wire.Proposal{odd}, 60))
	if len(text) > longest || !strings.Contains(text, "1000") || !strings.Contains(text, "…") {
		t.Errorf("proposals: %d octets, %.200q", len(text), text)
	}
}

// TestRekeysAreBounded: a peer that rekeys and never deletes is told to wait.
func TestRekeysAreBounded(t *testing.T) {
	w := newWorld(t, 1, lan, func(left, right *ike.Peer) {
		left.ESPProposals = enginetest.ESP(t, "aes128gcm16")
		right.ESPProposals = left.ESPProposals
	})
	w.Connect()
	s := w.Right.Engine.standing("right", nil)
	old := s.children[0].out
	refused := 0
	for i := range childrenMax + 10 {
		next := ike.SPI(0x10000 + i)
		m := request(w, wire.CreateChildSA,
			&wire.Notify{Type: wire.RekeySA, Protocol: wire.ProtocolESP, SPI: spiOctets(old)},
			offerESP(w.Left.Peer.ESPProposals, true, next), &wire.Nonce{Data: binary.BigEndian.AppendUint64(make([]byte, 24), uint64(i))},
			offerSelectors(wire.PayloadTSi, w.Left.Peer.LocalSelectors), offerSelectors(wire.PayloadTSr, w.Left.Peer.RemoteSelectors))
		if n := m.failure(); n != nil {
			if n.Type != wire.TemporaryFailure {
				t.Fatalf("refused with %v", n.Type)
			}
			refused++
			continue
		}
		old = next
	}
	if refused == 0 || len(s.children) > childrenMax || len(w.Right.Children) > childrenMax {
		t.Fatalf("%d refused, %d child SAs", refused, len(s.children))
	}
	for i := range sasMax {
		s.sas = append(s.sas, &ikeSA{state: saClosed, local: uint64(i + 1), expiresAt: w.Net.Now().Add(lingerTime)})
	}
	for len(s.children) > 1 {
		s.removeChild(s.children[0], "room for a rekey")
	}
	m := request(w, wire.CreateChildSA, offerIKE(w.Left.Peer.IKEProposals, make([]byte, 8)), &wire.Nonce{Data: make([]byte, 32)},
		&wire.KE{Group: ike.Group19, Data: w.Left.Engine.newDH(ike.Group19).Public()})
	if n := m.failure(); n == nil || n.Type != wire.TemporaryFailure {
		t.Fatalf("a rekey of the IKE SA beside %d others: %v", len(s.sas), n)
	}
}

// TestOffers: what a side proposes to begin with may be less than it accepts.
func TestOffers(t *testing.T) {
	w := newWorld(t, 1, lan, func(left, right *ike.Peer) {
		left.IKEProposals = enginetest.IKE(t, fastIKE, "aes256-sha256-group19", "aes128-sha1-group19")
		left.IKEOffers = enginetest.IKE(t, "aes128-sha1-group19")
		left.ESPProposals = enginetest.ESP(t, fastESP, "aes128-sha1-group19")
		left.ESPOffers = enginetest.ESP(t, "aes128-sha1-group19")
		right.IKEProposals, right.ESPProposals = left.IKEProposals, left.ESPProposals
	})
	w.Connect()
	w.CheckSettled()
	e, _ := enginetest.Last[ike.Established](w.Right)
	c, _ := enginetest.Last[ike.ChildInstalled](w.Right)
	if got := fmt.Sprint(e.Proposal, " ", c.Child.Proposal.Encryption, "-", c.Child.Proposal.Integrity); got != "aes128-sha1-group19 aes128-sha1" {
		t.Errorf("left's offers led to %s", got)
	}
	if err := w.Left.Engine.SetPeer(func() ike.Peer { p := w.Left.Peer; p.IKEOffers = []ike.IKEProposal{{}}; return p }()); err == nil {
		t.Error("an offer that can't be used was taken")
	}
}

// TestBehindNAT: the owner is told when keep-alives are needed.
func TestBehindNAT(t *testing.T) {
	w := newWorld(t, 1, simnet.Conditions{DelayMin: time.Millisecond, DelayMax: time.Millisecond}, func(_, right *ike.Peer) { right.Remote = netip.Addr{} })
	w.Net.Translate(enginetest.LeftAddr, netip.MustParseAddr("203.0.113.9"))
	w.Connect()
	left, _ := enginetest.Last[ike.Established](w.Left)
	right, _ := enginetest.Last[ike.Established](w.Right)
	if !left.Path.BehindNAT || right.Path.BehindNAT {
		t.Errorf("left's path is %+v, right's %+v", left.Path, right.Path)
	}
}
