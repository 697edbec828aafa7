package tunnel

import (
	"bytes"
	"encoding/json"
	"testing"

	"causeway.dev/ike"
	"causeway.dev/packetio"
)

// succeed freezes a gateway's tunnel, carries its state through a document and
// thaws a tunnel at the same endpoint with a device of its own.
func (l *lab) succeed(g *gateway) *gateway {
	l.t.Helper()
	state, err := g.tunnel.Freeze()
	if err != nil {
		l.t.Fatal(err)
	}
	document, err := json.Marshal(state)
	if err != nil {
		l.t.Fatal(err)
	}
	state.Wipe()
	var read State
	if err := json.Unmarshal(document, &read); err != nil {
		l.t.Fatal(err)
	}
	next := &gateway{endpoint: g.endpoint, device: packetio.NewMemoryDevice(), events: make(chan Event, 10)}
	if next.tunnel, err = New(Config{Device: next.device, Endpoint: g.endpoint, Events: func(e Event) { next.events <- e }}); err != nil {
		l.t.Fatal(err)
	}
	if err := next.tunnel.Thaw(read); err != nil {
		l.t.Fatal(err)
	}
	read.Wipe()
	end := start(l.t, next.tunnel.Run)
	l.t.Cleanup(end)
	return next
}

// Given a tunnel in the midst of a rekey, when both ends are frozen and thawed,
// then packets go on by the same pair with the next numbers, what was captured is
// not accepted again, and the new pair is there to be activated.
func TestFrozenAndThawed(t *testing.T) {
	for _, proposal := range []ike.ESPProposal{gcm128, cbc256} {
		capture := make(chan packetio.Datagram, 100)
		l := newLabWith(t, proposal, true, func(s packetio.Socket) packetio.Socket { return capturedSocket{s, capture} })
		exchange := func() {
			t.Helper()
			for range 10 {
				out, back := udp(hostA, hostB, 0, 100), udp(hostB, hostA, 0, 200)
				l.a.device.Put(out)
				l.b.device.Put(back)
				if !bytes.Equal(l.b.next(t), out) || !bytes.Equal(l.a.next(t), back) {
					t.Fatal("another packet came out")
				}
			}
		}
		exchange()
		childA, childB := children(proposal, true, 1)
		if err := l.a.tunnel.InstallChild(childA); err != nil {
			t.Fatal(err)
		}
		if err := l.b.tunnel.InstallChild(childB); err != nil {
			t.Fatal(err)
		}
		captured := <-capture
		before := l.b.tunnel.Counters()
		l.a, l.b = l.succeed(l.a), l.succeed(l.b)
		if after := l.b.tunnel.Counters(); after.InboundPackets != before.InboundPackets || !after.LastInbound.Equal(before.LastInbound) || after.OutboundBytes != before.OutboundBytes {
			t.Errorf("counters %+v, were %+v", after, before)
		}
		exchange()
		if len(l.a.events)+len(l.b.events) != 0 {
			t.Error("the first packet on an SA is told of again")
		}
		receiver := l.b
		if captured.Remote.Addr() == outsideA {
			receiver = l.a
		}
		l.send(captured.Remote, 0, captured.Payload)
		receiver.drops(t, DropReplay, 1)
		if err := l.b.tunnel.ActivateChild(childB.Outbound); err != nil {
			t.Fatal(err)
		}
		if err := l.a.tunnel.ActivateChild(childA.Outbound); err != nil {
			t.Fatal(err)
		}
		exchange()
		if e := <-l.b.events; e != (FirstInbound{SPI: childB.Inbound}) {
			t.Errorf("event %v", e)
		}
	}
}

func TestThawRefuses(t *testing.T) {
	l := newLab(t, gcm128, true)
	state, err := l.a.tunnel.Freeze()
	if err != nil {
		t.Fatal(err)
	}
	state.Active = 1
	if err := l.a.tunnel.Thaw(state); err == nil {
		t.Error("a pair that is not there carries packets")
	}
	state.Active = 0
	if err := l.a.tunnel.Thaw(state); err == nil {
		t.Error("a closed tunnel is thawed")
	}
	state.Wipe()
	for _, p := range state.Pairs {
		if !bytes.Equal(p.Inbound.Key, make([]byte, len(p.Inbound.Key))) || !bytes.Equal(p.Outbound.Key, make([]byte, len(p.Outbound.Key))) {
			t.Error("a key is left")
		}
	}
}

// Which implementation seals and opens is the owner's choice, and an SA keeps to it
// in another process.
func TestStandardAESIsKept(t *testing.T) {
	l := newLab(t, gcm128, true)
	for n, standard := range []bool{false, true} {
		made, err := New(Config{Device: packetio.NewMemoryDevice(), Endpoint: l.a.endpoint, StandardAES: standard})
		if err != nil {
			t.Fatal(err)
		}
		child, _ := children(gcm128, true, 5+n)
		if err := made.InstallChild(child); err != nil {
			t.Fatal(err)
		}
		state, err := made.Freeze()
		if err != nil {
			t.Fatal(err)
		}
		if p := state.Pairs[0]; p.Inbound.StandardAES != standard || p.Outbound.StandardAES != standard {
			t.Errorf("StandardAES %v: inbound %v, outbound %v", standard, p.Inbound.StandardAES, p.Outbound.StandardAES)
		}
	}
}
