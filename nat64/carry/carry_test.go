package carry

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"causeway.dev/internal/netlab"
	"causeway.dev/internal/run"
	"causeway.dev/netfabric/netns"
)

// An end is a namespace that is a host of IPv6 and one of IPv4 to itself: what the
// first sends comes back to the second, translated.
//
//	2001:db8::1 -> 64:ff9b::192.0.2.1 --- TUN --- stand-in -> 192.0.2.1
type end struct {
	t    *testing.T
	name string
}

func newEnd(t *testing.T) *end {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	random := make([]byte, 4)
	rand.Read(random)
	e := &end{t, "cwt" + hex.EncodeToString(random)}
	if err := netns.Create(e.name); err != nil {
		t.Skipf("network namespaces cannot be made here: %v", err)
	}
	t.Cleanup(func() { netns.Delete(e.name) })
	e.runs("ip link set lo up", "ip address add 192.0.2.1/32 dev lo", "ip address add 2001:db8::1/128 dev lo nodad")
	return e
}

func (e *end) runs(commands ...string) {
	e.t.Helper()
	if err := e.do(commands...); err != nil {
		e.t.Fatal(err)
	}
}

func (e *end) do(commands ...string) error {
	return netns.Do(e.name, func() error {
		for _, command := range commands {
			if _, err := netlab.Output(strings.Fields(command)...); err != nil {
				return err
			}
		}
		return nil
	})
}

func (e *end) network() Network {
	return Network{
		ID: e.name, Namespace: e.name, Device: "nat64", Prefix: netip.MustParsePrefix("64:ff9b::/96"),
		StandIns: netip.MustParsePrefix("240.0.0.0/5"), Hosts: []netip.Addr{netip.MustParseAddr("2001:db8::1")},
	}
}

// dial reaches a port of the end's other half.
func (e *end) dial(port string) net.Conn {
	e.t.Helper()
	var conn net.Conn
	if err := netns.Do(e.name, func() (err error) {
		conn, err = net.Dial("udp6", "[64:ff9b::192.0.2.1]:"+port)
		return err
	}); err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(func() { conn.Close() })
	return conn
}

// listen opens a UDP port for hosts of IPv4.
func (e *end) listen(port string) net.PacketConn {
	e.t.Helper()
	var conn net.PacketConn
	if err := netns.Do(e.name, func() (err error) {
		conn, err = net.ListenPacket("udp4", "192.0.2.1:"+port)
		return err
	}); err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(func() { conn.Close() })
	return conn
}

// TestFloodStarvesNobodyElse floods one network without end, while datagrams of another
// one are answered: each has its turn.
func TestFloodStarvesNobodyElse(t *testing.T) {
	t.Parallel()
	flooded, quiet := newEnd(t), newEnd(t)
	ends := map[string]*end{flooded.name: flooded, quiet.name: quiet}
	service := New(Config{Opened: func(network string) error {
		return ends[network].do("ip link set nat64 up", "ip route add 240.0.0.0/5 dev nat64", "ip -6 route add 64:ff9b::/96 dev nat64 src 2001:db8::1")
	}})
	t.Cleanup(service.Close)
	if err := service.Set([]Network{flooded.network(), quiet.network()}, true); err != nil {
		t.Fatal(err)
	}
	server := quiet.listen("53")
	group := run.New(t.Context())
	group.Go("answer", func(ctx context.Context) error {
		buffer := make([]byte, 100)
		for {
			n, from, err := server.ReadFrom(buffer)
			if err != nil {
				return nil
			}
			server.WriteTo(buffer[:n], from)
		}
	})
	sink := flooded.listen("9")
	arrived, conn := make(chan struct{}), flooded.dial("9")
	group.Go("take the flood", func(context.Context) error {
		buffer := make([]byte, 100)
		for first := true; ; first = false {
			if _, _, err := sink.ReadFrom(buffer); err != nil {
				return nil
			}
			if first {
				close(arrived)
			}
		}
	})
	group.Go("flood", func(ctx context.Context) error {
		for ctx.Err() == nil {
			conn.Write(make([]byte, 64)) // what is refused is a part of it
		}
		return nil
	})
	defer func() {
		group.Stop(nil)
		server.Close()
		sink.Close()
		group.Wait()
	}()
	select {
	case <-arrived:
	case <-time.After(20 * time.Second):
		t.Fatal("the flood does not come through")
	}
	asking := quiet.dial("53")
	slowest, answer := time.Duration(0), make([]byte, 100)
	for n := range 60 {
		begun := time.Now()
		asking.SetDeadline(begun.Add(20 * time.Second))
		if _, err := asking.Write([]byte{byte(n)}); err != nil {
			t.Fatal(err)
		}
		if got, err := asking.Read(answer); err != nil || got != 1 || answer[0] != byte(n) {
			t.Fatalf("datagram %d: %v", n, err)
		}
		slowest = max(slowest, time.Since(begun))
	}
	t.Logf("the slowest of 60 answers took %v", slowest)
}
