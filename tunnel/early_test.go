package tunnel

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"causeway.dev/ike"
	"causeway.dev/packetio"
)

// What comes by a new pair before it is installed is carried when it is, unless that
// takes too long; what nobody has a key for is not.
func TestEarlyPacketsWaitForTheirSA(t *testing.T) {
	l := newLab(t, gcm128, true)
	sender := func(n int) (theirs ike.ChildSA) {
		ours, theirs := children(gcm128, true, n)
		if err := l.a.tunnel.InstallChild(ours); err != nil {
			t.Fatal(err)
		}
		if err := l.a.tunnel.ActivateChild(ours.Outbound); err != nil {
			t.Fatal(err)
		}
		return theirs
	}
	install := func(child ike.ChildSA) {
		t.Helper()
		if err := l.b.tunnel.InstallChild(child); err != nil {
			t.Fatal(err)
		}
	}
	child := sender(1)
	for n := range 3 {
		l.a.device.Put(udp(hostA, hostB, 0, 100+n))
	}
	l.b.drops(t, DropUnknownSPI, 3)
	install(child)
	for n := range 3 {
		if got, want := len(l.b.next(t)), len(udp(hostA, hostB, 0, 100+n)); got != want {
			t.Errorf("packet %d has %d octets, want %d", n, got, want)
		}
	}
	if c := l.b.endpoint.Counters(); c.Early != 3 {
		t.Errorf("%d packets were early", c.Early)
	}
	if c := l.b.tunnel.Counters(); c.InboundPackets != 3 || c.Drops != (Drops{}) {
		t.Errorf("counters %+v", c)
	}

	child = sender(2)
	l.a.device.Put(udp(hostA, hostB, 0, 200))
	l.b.drops(t, DropUnknownSPI, 4)
	time.Sleep(earlyTime + 10*time.Millisecond)
	install(child)
	l.a.device.Put(udp(hostA, hostB, 0, 300))
	if got, want := len(l.b.next(t)), len(udp(hostA, hostB, 0, 300)); got != want {
		t.Errorf("the next packet has %d octets, want %d", got, want)
	}

	forged := sender(3)
	l.send(netip.AddrPortFrom(outsideB, PortNATT), 0, append([]byte{byte(forged.Inbound >> 24), byte(forged.Inbound >> 16), byte(forged.Inbound >> 8), byte(forged.Inbound)}, bytes.Repeat([]byte{7}, 96)...))
	l.b.drops(t, DropUnknownSPI, 5)
	install(forged)
	l.a.device.Put(udp(hostA, hostB, 0, 400))
	l.b.next(t)
	if c := l.b.tunnel.Counters(); c.Drops[DropAuthentication] != 1 {
		t.Errorf("drops %v", c.Drops)
	}
}

// Whoever sends much for nobody takes neither memory nor the place of all others.
func TestEarlyPacketsAreFew(t *testing.T) {
	var e earlyPackets
	now := time.Now()
	for n := range 10 * earlyMax {
		e.keep(now, netip.AddrPort{}, ike.SPI(n), packetio.Datagram{Payload: make([]byte, 100)})
	}
	if len(e.kept) != earlyMax || cap(e.kept) > 2*earlyMax || e.kept[0].spi != 9*earlyMax {
		t.Errorf("%d kept, room for %d, the oldest is %d", len(e.kept), cap(e.kept), e.kept[0].spi)
	}
	if taken := e.take(now, 10*earlyMax-1); len(taken) != 1 || len(e.kept) != earlyMax-1 {
		t.Errorf("%d taken, %d left", len(taken), len(e.kept))
	}
	if taken := e.take(now.Add(earlyTime+1), 10*earlyMax-2); len(taken) != 0 || len(e.kept) != 0 {
		t.Errorf("%d taken too late, %d left", len(taken), len(e.kept))
	}
}
