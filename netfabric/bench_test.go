package netfabric

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// manyInstances is a VPC with n instances in subnets of 200.
func manyInstances(n int) Config {
	c := twoInstances()
	v := &c.Networks[0]
	for i := len(v.Interfaces); i < n; i++ {
		p := port(fmt.Sprintf("i-%d", i+1), netip.AddrFrom4([4]byte{10, 0, byte(2 + i/200), byte(4 + i%200)}).String(), "sg-open")
		v.Interfaces = append(v.Interfaces, p)
		v.Groups[0].Members = append(v.Groups[0].Members, p.Address)
	}
	return c
}

// BenchmarkApply makes a network with its interfaces from nothing, looks at it
// again, and adds one interface.
func BenchmarkApply(b *testing.B) {
	for _, n := range []int{2, 50, 200} {
		b.Run(fmt.Sprintf("make/%d-interfaces", n), func(b *testing.B) {
			l := newLab(b)
			for b.Loop() {
				b.StopTimer()
				l.apply(Config{})
				b.StartTimer()
				l.apply(manyInstances(n))
			}
			perInterface(b, n)
		})
		b.Run(fmt.Sprintf("again/%d-interfaces", n), func(b *testing.B) {
			l := newLab(b)
			l.apply(manyInstances(n))
			for b.Loop() {
				l.apply(manyInstances(n))
			}
			perInterface(b, n)
		})
		b.Run(fmt.Sprintf("one-more/%d-interfaces", n), func(b *testing.B) {
			l := newLab(b)
			for b.Loop() {
				b.StopTimer()
				l.apply(manyInstances(n))
				b.StartTimer()
				l.update(manyInstances(n + 1))
			}
		})
	}
}

func perInterface(b *testing.B, n int) {
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/float64(n), "µs/interface")
}

func BenchmarkSetTunnelUp(b *testing.B) {
	l := newLab(b)
	l.apply(site())
	l.openTUN("vgw-1", "vpn-1/1")
	up := false
	for b.Loop() {
		up = !up
		if err := l.SetTunnelUp(b.Context(), "vpn-1/1", up); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkForward sends small datagrams from one instance to another. Who sends
// also does the kernel's work of carrying them there, as long as the receiver
// keeps up; so the time per datagram is the whole way's, one system call
// included. It must not depend on the number of interfaces. "begin" takes
// another port for each, so that groups are asked each time, and where flows are
// counted each is one of its own.
func BenchmarkForward(b *testing.B) {
	for _, world := range []struct {
		interfaces int
		counted    bool // flows of those that send and receive
	}{{10, false}, {10, true}, {500, false}} {
		if testing.Short() && world.interfaces > 10 { // which take most of the time
			continue
		}
		l := newLab(b)
		config := manyInstances(world.interfaces)
		for i := range 2 {
			config.Networks[0].Interfaces[i].Counted = world.counted
		}
		l.apply(config)
		suffix := fmt.Sprintf("/%d-interfaces", world.interfaces)
		if world.counted {
			suffix += "/counted"
		}
		var receiver net.PacketConn
		fd := -1
		l.in("i-2", func() (err error) {
			receiver, err = net.ListenPacket("udp4", "10.0.1.5:7000")
			return err
		})
		l.in("i-1", func() (err error) {
			fd, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
			return err
		})
		b.Cleanup(func() { unix.Close(fd); receiver.Close() })
		payload := make([]byte, 64)
		for _, c := range []struct {
			name  string
			ports uint16
		}{{"known", 1}, {"begin", 50000}} {
			b.Run(c.name+suffix, func(b *testing.B) {
				to := &unix.SockaddrInet4{Addr: [4]byte{10, 0, 1, 5}}
				var sent uint16
				for b.Loop() {
					to.Port = 7000 + int(sent%c.ports)
					sent++
					if err := unix.Sendto(fd, payload, 0, to); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		receiver.SetReadDeadline(time.Now().Add(wait))
		if _, _, err := receiver.ReadFrom(payload); err != nil {
			b.Fatalf("nothing has arrived: %v", err)
		}
	}
}
