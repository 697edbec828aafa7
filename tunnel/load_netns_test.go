package tunnel

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"causeway.dev/ike"
	"causeway.dev/internal/netlab"
)

// As fast as it goes, in both directions at once, packets may be lost, for no
// queue is endless; but what arrives is in order, and the tunnel never takes a
// packet of its own for a replay.
func TestLoadOrder(t *testing.T) {
	loadOnly(t)
	forms(t, func(t *testing.T, a, b *site, _ bool) {
		inOrder(a.host, b.host)
		queue(200, a, b) // so that it is empty soon
		there, back := startFlows(t, a.host, hostA, b.host, hostB, 0), startFlows(t, b.host, hostB, a.host, hostA, 0)
		for end := time.Now().Add(30 * time.Second); min(there.received.Load(), back.received.Load()) < 1000 && time.Now().Before(end); time.Sleep(time.Millisecond) {
		} // a busy machine may not begin for a moment
		time.Sleep(200 * time.Millisecond)
		there.halt()
		back.halt()
		for _, f := range []*flows{there, back} {
			sent, received, late := f.stop(lossesExpected)
			t.Logf("%d sent, %d received", sent, received)
			if late != 0 || received == 0 {
				t.Errorf("%d packets came, %d of them late", received, late)
			}
		}
		for _, s := range []*site{a, b} {
			c := s.tunnel.Counters()
			c.Drops[DropSend], c.Drops[DropDevice] = 0, 0 // queues of the kernel that were full
			if e := s.endpoint.Counters(); c.Drops != (Drops{}) || e.Drops != (Drops{}) {
				t.Errorf("%s: drops %v, of the endpoint %v", s.host.Name, named(c.Drops), named(e.Drops))
			}
		}
	})
}

// Below saturation nothing is lost: not while SAs are replaced time and again,
// nor while TCP runs beside.
func TestLoadRekey(t *testing.T) {
	loadOnly(t)
	forms(t, func(t *testing.T, a, b *site, udp bool) {
		inOrder(a.host, b.host)
		queue(patience, a, b)
		tcp := startTransfer(t, a.host, b.host, hostB, 6<<20, 8<<20)
		there, back := startFlows(t, a.host, hostA, b.host, hostB, 4000), startFlows(t, b.host, hostB, a.host, hostA, 4000)
		n := rekeyFor(t, a, b, udp, 700*time.Millisecond)
		there.unharmed()
		back.unharmed()
		tcp.wait(t)
		noDrops(t, a, b)
		t.Logf("%d rekeys", n)
	})
}

// At full load the kernel's queues overflow, and TCP sends again; of the SAs,
// no packet is lost.
func TestLoadRekeyAtFullLoad(t *testing.T) {
	loadOnly(t)
	a, b := newSites(t, gcm128, true)
	// Should TCP be through early, these are the first packets of the last SAs.
	there, back := startFlows(t, a.host, hostA, b.host, hostB, 500), startFlows(t, b.host, hostB, a.host, hostA, 500)
	tcp := startTransfer(t, a.host, b.host, hostB, 24<<20, 0)
	n := rekeyFor(t, a, b, true, 600*time.Millisecond)
	tcp.wait(t)
	there.stop(lossesExpected)
	back.stop(lossesExpected)
	noDrops(t, a, b)
	t.Logf("%d rekeys", n)
}

// rekeyFor replaces the SAs again and again as IKE does: both ends take the new
// pair before either uses it, and the old one goes when each has seen a packet
// of the new one. It returns how often: three times at least, however long that takes
// a busy machine.
func rekeyFor(t *testing.T, a, b *site, udp bool, during time.Duration) (n int) {
	t.Helper()
	install := func(s *site, child ike.ChildSA) ike.ChildSA {
		child.Path = s.path
		if err := s.tunnel.InstallChild(child); err != nil {
			t.Fatal(err)
		}
		return child
	}
	activate := func(s *site, child ike.ChildSA) {
		if err := s.tunnel.ActivateChild(child.Outbound); err != nil {
			t.Fatal(err)
		}
	}
	oldA, oldB := children(gcm128, udp, 0)
	for end := time.Now().Add(during); n < 3 || time.Now().Before(end) && n < 100; {
		n++
		newA, newB := children(gcm128, udp, n)
		newB = install(b, newB)
		newA = install(a, newA)
		activate(a, newA)
		activate(b, newB)
		b.awaitFirst(t, newB.Inbound)
		a.awaitFirst(t, newA.Inbound)
		a.tunnel.RemoveChild(oldA.Inbound, oldA.Outbound)
		b.tunnel.RemoveChild(oldB.Inbound, oldB.Outbound)
		oldA, oldB = newA, newB
	}
	return n
}

// awaitFirst waits for the first packet on an inbound SA.
func (s *site) awaitFirst(t *testing.T, spi ike.SPI) {
	t.Helper()
	for timeout := time.After(20 * time.Second); ; {
		select {
		case e := <-s.events:
			if e == (FirstInbound{SPI: spi}) {
				return
			}
		case <-timeout:
			t.Fatalf("no packet on %08x: %+v %+v", uint32(spi), s.tunnel.Counters(), s.endpoint.Counters())
		}
	}
}

// From UDP to plain ESP and back again under load: nothing is lost. What is on its
// way at that moment, which two sockets of a gateway then hold, may be overtaken, and
// nothing else.
func TestLoadChangePath(t *testing.T) {
	loadOnly(t)
	a, b := newSites(t, gcm128, true)
	inOrder(a.host, b.host)
	queue(patience, a, b)
	there, back := startFlows(t, a.host, hostA, b.host, hostB, 4000), startFlows(t, b.host, hostB, a.host, hostA, 4000)
	changes, onTheWay := 0, map[*flows]uint64{}
	for end := time.Now().Add(700 * time.Millisecond); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		changes++
		for s, f := range map[*site]*flows{a: there, b: back} {
			s.path.UDP = changes%2 == 0
			received := f.received.Load()
			s.tunnel.ChangePath(s.path)
			onTheWay[f] += f.sent.Load() - received
		}
	}
	for _, f := range []*flows{there, back} {
		sent, received, late := f.stop(lossesNone)
		t.Logf("%d changes: %d packets sent, %d came, %d of them late; %d were on their way", changes, sent, received, late, onTheWay[f])
		if sent != received || late > onTheWay[f] {
			t.Errorf("%d changes: %d packets sent, %d came, %d of them late, though only %d were on their way", changes, sent, received, late, onTheWay[f])
		}
	}
	noDrops(t, a, b)
}

// What the kernel thinks of the checksums, with every combination of offloads.
// Segments and checksums are left to us where the traffic begins, at a, and
// to the kernel of b by us; a host behind b, whose link has no offloads at
// all, looks at each packet as it is on a wire:
//
//	10.0.1.4 lo [ a ] vpn1 == vpn1 [ b ] eth1 ── eth1 192.168.0.9 [ far ]
func TestLoadChecksums(t *testing.T) {
	loadOnly(t)
	lab := netlab.New(t, "ethtool")
	hosts := [2]*netlab.Host{lab.Host("a"), lab.Host("b")}
	far := lab.Host("far")
	connectSites(lab, hosts)
	lab.Connect(hosts[1].Forward(), "eth1", "192.168.0.1/24", far, "eth1", hostB.String()+"/24")
	far.Run("ip", "route", "add", "default", "via", "192.168.0.1")
	hosts[0].Run("ip", "address", "add", hostA.String()+"/32", "dev", "lo")
	for _, h := range []*netlab.Host{hosts[1], far} {
		h.Run("ethtool", "-K", "eth1", "tx", "off", "rx", "off", "tso", "off", "gso", "off", "gro", "off")
	}
	for bits := range 16 {
		offloads := offloadsOf(bits)
		t.Run(offloadsName(offloads), func(t *testing.T) {
			a, b := openSites(t, hosts, gcm128, bits%3 != 2 || bits >= 4, offloads)
			if bits == 0 { // their neighbours stay
				inOrder(hosts[0], hosts[1], far)
			}
			queue(patience, a, b)
			before := checksumErrors(t, far, hosts[0], hosts[1])
			numbered := startFlows(t, hosts[0], hostA, far, hostB, 3000)
			startTransfer(t, hosts[0], far, hostB, 512<<10, 0).wait(t)
			numbered.unharmed()
			if after := checksumErrors(t, far, hosts[0], hosts[1]); after != before {
				t.Errorf("checksum errors: %s, before %s", after, before)
			}
			noDrops(t, a, b)
		})
	}
}

// checksumErrors are the kernels' own counters.
func checksumErrors(t *testing.T, hosts ...*netlab.Host) string {
	t.Helper()
	var all []string
	for _, h := range hosts {
		var lines []string
		for _, file := range []string{"snmp", "netstat"} {
			if err := h.Do(func() error {
				text, err := os.ReadFile("/proc/thread-self/net/" + file)
				lines = append(lines, strings.Split(strings.TrimSpace(string(text)), "\n")...)
				return err
			}); err != nil {
				t.Fatal(err)
			}
		}
		for i := 0; i+1 < len(lines); i += 2 {
			names, values := strings.Fields(lines[i]), strings.Fields(lines[i+1])
			for j, name := range names {
				if name != "InCsumErrors" && name != "InHdrErrors" {
					continue
				}
				if _, err := strconv.Atoi(values[j]); err != nil {
					t.Fatal(err)
				}
				all = append(all, fmt.Sprintf("%s%s %s", names[0], name, values[j]))
			}
		}
	}
	if len(all) < 5*len(hosts) {
		t.Fatalf("counters %v", all)
	}
	return strings.Join(all, ", ")
}
