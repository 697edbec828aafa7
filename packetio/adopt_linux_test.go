package packetio

import (
	"bytes"
	"net"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"causeway.dev/internal/netlab"
	"causeway.dev/netfabric/netns"
)

// again is what a process has that was sent a descriptor.
func again(t *testing.T, s Source) int {
	t.Helper()
	fd, err := unix.FcntlInt(uintptr(s.Descriptor()), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

// Given datagrams that wait at a socket, when another adopts its descriptor and
// the first is closed, then they are received from there, and answered.
func TestAdoptedSockets(t *testing.T) {
	t.Parallel()
	ns := netlab.New(t).Host("a")
	first := listenUDP(t, ns, "127.0.0.1:4500", AllOffloads)
	peer := listenUDP(t, ns, "127.0.0.1:0", Offloads{})
	payload := bytes.Repeat([]byte{7}, 300)
	if _, err := peer.WriteBatch(NewSender(1), []Datagram{{Remote: first.Local(), Payload: payload}}); err != nil {
		t.Fatal(err)
	}
	adopted, err := AdoptSocket(again(t, first), first.Offloads())
	if err != nil {
		t.Fatal(err)
	}
	defer adopted.Close()
	first.Close()
	if adopted.Local() != first.Local() || adopted.Offloads() != first.Offloads() {
		t.Errorf("adopted as %v with %v, was %v with %v", adopted.Local(), adopted.Offloads(), first.Local(), first.Offloads())
	}
	if got := receive(t, adopted, 1); !bytes.Equal(got[0].Payload, payload) || got[0].Remote != peer.Local() {
		t.Errorf("received %d octets from %v", len(got[0].Payload), got[0].Remote)
	}
	if err := adopted.SetOffloads(Offloads{}); err != nil || adopted.Offloads() != (Offloads{}) {
		t.Errorf("offloads %v after they were switched off: %v", adopted.Offloads(), err)
	}
	if _, err := adopted.WriteBatch(NewSender(1), []Datagram{{Remote: peer.Local(), Payload: payload}}); err != nil {
		t.Error(err)
	}
	receive(t, peer, 1)
	assertNamespace(t, ns, adopted.Namespace)

	var raw *KernelSocket
	do(t, ns, func() (err error) {
		raw, err = ListenESP(netip.MustParseAddr("127.0.0.1"))
		return err
	})
	defer raw.Close()
	adoptedRaw, err := AdoptSocket(again(t, raw), Offloads{})
	if err != nil {
		t.Fatal(err)
	}
	defer adoptedRaw.Close()
	if adoptedRaw.Local() != raw.Local() || !adoptedRaw.isRaw {
		t.Errorf("a raw socket is adopted as %v, raw: %v", adoptedRaw.Local(), adoptedRaw.isRaw)
	}
}

func assertNamespace(t *testing.T, ns *netlab.Host, namespace func() (uint64, error)) {
	t.Helper()
	want, err := netns.ID(ns.Name)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := namespace(); got != want || err != nil {
		t.Errorf("namespace %d, want %d: %v", got, want, err)
	}
}

// A TUN stands until the last descriptor of it is closed; one that was taken away
// is not in any namespace.
func TestAdoptedTUN(t *testing.T) {
	t.Parallel()
	ns := netlab.New(t).Host("a")
	first := openTUN(t, ns, "vpn1", "10.9.0.1/24")
	adopted := AdoptTUN(again(t, first), first.Name(), first.Offloads())
	defer adopted.Close()
	var conn *net.UDPConn
	do(t, ns, func() (err error) {
		conn, err = net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(10, 9, 0, 1), Port: 7000})
		return err
	})
	defer conn.Close()
	if _, err := conn.WriteToUDPAddrPort([]byte("waits"), netip.MustParseAddrPort("10.9.0.2:7001")); err != nil {
		t.Fatal(err)
	}
	first.Close()
	batch := NewBatch(24, 64)
	waiter(t, adopted)()
	if err := adopted.ReadBatch(batch); err != nil || len(batch.Packets) != 1 {
		t.Errorf("%d packets wait at the adopted TUN: %v", len(batch.Packets), err)
	}
	if err := adopted.SetOffloads(Offloads{}); err != nil || adopted.Offloads() != (Offloads{}) {
		t.Errorf("offloads %v after they were switched off: %v", adopted.Offloads(), err)
	}
	assertNamespace(t, ns, adopted.Namespace)
	ns.Run("ip", "link", "delete", "vpn1")
	if id, err := adopted.Namespace(); err == nil {
		t.Errorf("a device that has been taken away is in namespace %d", id)
	}
}
