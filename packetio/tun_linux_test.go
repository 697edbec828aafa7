package packetio

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"causeway.dev/internal/netlab"
	"causeway.dev/packet"
)

func openTUN(t *testing.T, ns *netlab.Host, name, address string) *TUN {
	t.Helper()
	var tun *TUN
	do(t, ns, func() (err error) {
		tun, err = OpenTUN(name, 1400, AllOffloads)
		return err
	})
	t.Cleanup(func() { tun.Close() })
	ns.Run("sysctl", "-qw", "net.ipv6.conf."+name+".disable_ipv6=1")
	ns.Run("ip", "address", "add", address, "dev", name)
	ns.Run("ip", "link", "set", name, "up")
	return tun
}

func TestTUN(t *testing.T) {
	ns := netlab.New(t).Host("a")
	tun := openTUN(t, ns, "vpn1", "10.9.0.1/24")
	if tun.Name() != "vpn1" {
		t.Fatalf("name %q", tun.Name())
	}
	if got := strings.TrimSpace(ns.Run("cat", "/sys/class/net/vpn1/mtu", "/sys/class/net/vpn1/tx_queue_len")); got != "1400\n2000" {
		t.Fatalf("MTU and queue %q", got)
	}
	var conn *net.UDPConn
	do(t, ns, func() (err error) {
		conn, err = net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(10, 9, 0, 1), Port: 7000})
		return err
	})
	defer conn.Close()
	peer := netip.MustParseAddrPort("10.9.0.2:7001")
	for i := range 5 {
		if _, err := conn.WriteToUDPAddrPort(bytes.Repeat([]byte{byte(i)}, 1000+i), peer); err != nil {
			t.Fatal(err)
		}
	}
	batch, readable := NewBatch(24, 64), waiter(t, tun)
	for got := 0; got < 5; {
		readable()
		batch.Reset()
		if err := tun.ReadBatch(batch); err != nil {
			t.Fatal(err)
		}
		for _, p := range batch.Packets {
			v4, err := packet.ParseIPv4(p.Bytes())
			if err != nil || v4.Protocol() != packet.ProtocolUDP || len(v4) != 1028+got || v4[len(v4)-1] != byte(got) || v4.Destination() != peer.Addr() {
				t.Fatalf("packet %d: %v, %x", got, err, p.Bytes())
			}
			if p.Offset < 24 || len(p.Slot)-p.Offset-p.Length < 64 {
				t.Fatalf("packet %d has no room around it", got)
			}
			got++
		}
	}
	// And back, one of them cut short so that the stack refuses it.
	back := packet.AppendUDP(nil, peer, netip.MustParseAddrPort("10.9.0.1:7000"), 0, []byte("answer"))
	if n, err := tun.WriteBatch(new(Gatherer), [][]byte{back, nil, back}); n != 2 || err == nil {
		t.Fatalf("WriteBatch = %d, %v, want 2 and why the other was not", n, err)
	}
	for range 2 {
		b := make([]byte, 100)
		if err := conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if n, from, err := conn.ReadFromUDPAddrPort(b); err != nil || string(b[:n]) != "answer" || from != peer {
			t.Fatalf("%q from %v, %v", b[:n], from, err)
		}
	}
}

func TestClosedTUN(t *testing.T) {
	tun := openTUN(t, netlab.New(t).Host("a"), "vpn1", "10.9.0.1/24")
	tun.Close()
	if err := tun.ReadBatch(NewBatch(0, 0)); !errors.Is(err, os.ErrClosed) {
		t.Fatalf("ReadBatch = %v, want %v", err, os.ErrClosed)
	}
	if _, err := tun.WriteBatch(new(Gatherer), [][]byte{{}}); !errors.Is(err, os.ErrClosed) {
		t.Fatalf("WriteBatch = %v, want %v", err, os.ErrClosed)
	}
}

// Two TUNs joined by hand carry a TCP connection: what the stack left to the
// hardware (segments, checksums) is done, and what is coalesced comes out
// whole. A counter proves that super-packets were taken and given.
func TestTUNOffloadCarriesTCP(t *testing.T) {
	lab := netlab.New(t)
	nsA, nsB := lab.Host("a"), lab.Host("b")
	a, b := openTUN(t, nsA, "vpn1", "10.9.0.1/24"), openTUN(t, nsB, "vpn1", "10.9.0.2/24")
	for _, way := range [][2]*TUN{{a, b}, {b, a}} {
		go func() {
			batch := NewBatch(0, 0)
			var packets [][]byte
			var gatherer Gatherer
			poller, err := NewPoller()
			if err != nil || poller.Add(way[0], 0) != nil {
				t.Errorf("poll a TUN: %v", err)
				return
			}
			defer poller.Close()
			for {
				batch.Reset()
				if way[0].ReadBatch(batch) != nil {
					return
				}
				if len(batch.Packets) == 0 {
					timer := time.AfterFunc(100*time.Millisecond, poller.Wake)
					_, _ = poller.Wait(nil)
					timer.Stop()
					continue
				}
				packets = packets[:0]
				for _, p := range batch.Packets {
					packets = append(packets, p.Bytes())
				}
				_, _ = way[1].WriteBatch(&gatherer, packets)
			}
		}()
	}
	var listener net.Listener
	do(t, nsB, func() (err error) {
		listener, err = net.Listen("tcp4", "10.9.0.2:80")
		return err
	})
	defer listener.Close()
	want := bytes.Repeat([]byte("causeway"), 1<<20/2)
	sent := make(chan error, 1)
	go func() {
		var conn net.Conn
		conn, err := listener.Accept()
		if err == nil {
			_, err = conn.Write(want)
			conn.Close()
		}
		sent <- err
	}()
	var conn net.Conn
	do(t, nsA, func() (err error) {
		conn, err = net.DialTimeout("tcp4", "10.9.0.2:80", 20*time.Second)
		return err
	})
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	var got bytes.Buffer
	if _, err := got.ReadFrom(conn); err != nil || !bytes.Equal(got.Bytes(), want) {
		t.Fatalf("%d of %d bytes, %v", got.Len(), len(want), err)
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	// 4 MiB in segments of 1,348 bytes would be 3,111 packets.
	var received int
	for i, field := range bytes.Fields([]byte(nsA.Run("cat", "/sys/class/net/vpn1/statistics/rx_packets"))) {
		if i == 0 {
			for _, c := range field {
				received = received*10 + int(c-'0')
			}
		}
	}
	if received > 2000 {
		t.Errorf("%d packets went to the stack: nothing was coalesced", received)
	}
}
