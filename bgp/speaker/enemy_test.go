package speaker

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"causeway.dev/bgp/wire"
	"causeway.dev/internal/netlab"
	"causeway.dev/netfabric/netns"
	"causeway.dev/packet"
)

// A crafted peer is the far end of a connection, without a machine behind it.
type crafted struct {
	net.Conn
	t *testing.T
}

// dialFrom connects to our side from an address of a host.
func (p *pair) dialFrom(h *netlab.Host, from netip.Addr, most time.Duration) (c net.Conn, err error) {
	d := net.Dialer{Timeout: most, LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0)), Control: takesLittle}
	err = h.Do(func() (err error) {
		c, err = d.DialContext(context.Background(), "tcp", netip.AddrPortFrom(ours, port).String())
		return err
	})
	return c, err
}

// takesLittle bounds what the kernel takes for a connection whose owner does not read.
// It has to come first: a window that shrinks later has its own ACKs dropped.
func takesLittle(_, _ string, raw syscall.RawConn) error {
	var refused error
	err := raw.Control(func(fd uintptr) { refused = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 4096) })
	return errors.Join(err, refused)
}

// craft connects as the peer.
func (p *pair) craft() *crafted {
	p.t.Helper()
	return p.craftWithin(5 * time.Second)
}

func (p *pair) craftWithin(most time.Duration) *crafted {
	p.t.Helper()
	var c net.Conn
	p.lab.Eventually(most, "our side lets the peer in", func() (err error) {
		c, err = p.dialFrom(p.far, theirs, time.Second)
		return err
	})
	p.t.Cleanup(func() { c.Close() })
	return &crafted{c, p.t}
}

func (c *crafted) send(b []byte) {
	c.t.Helper()
	if _, err := c.Write(b); err != nil {
		c.t.Fatal(err)
	}
}

// open says what a peer says to get its session.
func (c *crafted) open() {
	c.t.Helper()
	c.openFor(3 * time.Second)
}

// openFor does so with a hold time.
func (c *crafted) openFor(hold time.Duration) {
	c.t.Helper()
	c.send(wire.Open{
		ASN: theirASN, HoldTime: hold, Identifier: theirs, FourOctetASN: true, RouteRefresh: true, Families: []wire.Family{wire.IPv4Unicast},
	}.Append(nil))
	c.send(wire.AppendKeepalive(nil))
}

// sockets returns our TCP sockets, with those that are half open or being closed.
func (p *pair) sockets() []string {
	p.t.Helper()
	return strings.Split(strings.TrimSpace(p.near.Run("ss", "-Htan")), "\n")
}

// The peer's path goes down and comes up: nothing is left in between.
func TestPathGoes(t *testing.T) {
	p := newPair(t)
	us, them := p.start("us", p.us()), p.start("them", p.them())
	us.learns("192.168.0.0/24", "192.168.1.0/24")
	peer := p.us()
	for range 10 {
		peer.Path = time.Time{}
		us.set(peer)
		if st := us.status(); st.Established || len(st.Routes) != 0 || st.Message != pathIsDown {
			t.Fatalf("%+v", st)
		}
		peer.Path = time.Now()
		us.set(peer)
	}
	us.learns("192.168.0.0/24", "192.168.1.0/24")
	them.learns("10.0.0.0/16")
	peer.Path = time.Time{}
	us.set(peer)
	p.lab.Eventually(time.Second, "no socket is left", func() error {
		for _, line := range p.sockets() {
			// What is left of connections that had ended in order keeps nothing.
			if line != "" && !strings.HasPrefix(line, "TIME-WAIT") {
				return errors.New(line)
			}
		}
		return nil
	})
}

// The peer's path was down and is up again between two looks: what was learned by the one
// before has gone with it.
func TestAnotherPath(t *testing.T) {
	p := newPair(t)
	peer := p.us()
	us := p.start("us", peer)
	p.start("them", p.them())
	us.learns("192.168.0.0/24", "192.168.1.0/24")
	before := us.status().Since
	peer.Path = peer.Path.Add(time.Second)
	us.set(peer)
	if st := us.status(); st.Established || len(st.Routes) != 0 {
		t.Fatalf("by another path: %+v", st)
	}
	us.learns("192.168.0.0/24", "192.168.1.0/24")
	if again := us.status().Since; !again.After(before) {
		t.Errorf("established since %v, and by another path since %v", before, again)
	}
}

// What a process before has left is of the path that there is at first: by another one,
// or after it was down, nobody keeps anything.
func TestAdoptedIsTheFirstPath(t *testing.T) {
	p := newPair(t)
	adopted := p.us()
	adopted.Adopted = true
	again := adopted
	again.Path = again.Path.Add(time.Second)
	us := p.start("us", adopted)
	us.set(adopted)
	if st := us.status(); !st.Pending {
		t.Errorf("handed over: %+v", st)
	}
	us.set(again)
	if st := us.status(); st.Pending {
		t.Errorf("by another path: %+v", st)
	}
	down := adopted
	down.Path = time.Time{}
	us = p.start("late", down)
	us.set(adopted)
	if st := us.status(); st.Pending {
		t.Errorf("it was down at first: %+v", st)
	}
}

// Both dial at the same moment, again and again: RFC 4271 section 6.8.
func TestCollisions(t *testing.T) {
	p := newPair(t)
	ourPeer, theirPeer := p.us(), p.them()
	us, them := p.start("us", ourPeer), p.start("them", theirPeer)
	for range 15 {
		us.learns("192.168.0.0/24", "192.168.1.0/24")
		them.learns("10.0.0.0/16")
		ourPeer.Path, theirPeer.Path = time.Time{}, time.Time{}
		us.set(ourPeer)
		them.set(theirPeer)
		ourPeer.Path, theirPeer.Path = time.Now(), time.Now()
		us.set(ourPeer)
		them.set(theirPeer)
	}
}

// Packets vanish: the hold timer ends the session on both sides, and both find each
// other again.
func TestHoldTimer(t *testing.T) {
	p := newPair(t)
	us, them := p.start("us", p.us()), p.start("them", p.them())
	us.learns("192.168.0.0/24", "192.168.1.0/24")
	them.learns("10.0.0.0/16")
	p.far.Run("ip", "link", "set", device, "down")
	us.until("notices", func(st Status) bool {
		return !st.Established && len(st.Routes) == 0 && !st.Pending && strings.Contains(st.Message, "nothing was heard from the peer for 3s (hold time)")
	})
	them.until("notices", func(st Status) bool { return !st.Established })
	p.far.Run("ip", "link", "set", device, "up")
	us.learns("192.168.0.0/24", "192.168.1.0/24")
}

// A peer that takes nothing of what it is sent has its own queue, which is bounded, and
// an end. RFC 9687.
func TestPeerThatDoesNotRead(t *testing.T) {
	p := newPair(t)
	peer := p.us()
	us := p.start("us", peer)
	c := p.craft()
	c.open()
	us.until("is established", func(st Status) bool { return st.Established })
	began := time.Now()
	ended := false
	for n := 0; !ended; n++ {
		c.Write(wire.AppendKeepalive(nil)) // it lives, as far as its own words go
		peer.Advertised = nil
		for i := range 1000 {
			r := routes(fmt.Sprintf("10.%d.%d.0/24", i/256, i%256))[0]
			r.Path = []uint32{uint32(n + 1), uint32(i + 1)}
			peer.Advertised = append(peer.Advertised, r)
		}
		us.set(peer)
		st := us.status()
		ended = !st.Established
		if ended && !strings.Contains(st.Message, "the peer has not taken what we send for") {
			t.Errorf("ended by: %s", st.Message)
		}
		if time.Since(began) > 15*time.Second {
			t.Fatalf("still established: %+v", st.Sent)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// A peer that sends a byte now and then is no better than one that is silent.
func TestPeerThatDribbles(t *testing.T) {
	p := newPair(t)
	us := p.start("us", p.us())
	c := p.craft()
	c.open()
	us.until("is established", func(st Status) bool { return st.Established })
	keepalive := wire.AppendKeepalive(nil)
	for i := 0; ; i++ {
		if _, err := c.Write(keepalive[i%18 : i%18+1]); err != nil || i > 60 {
			break
		}
		if st := us.status(); !st.Established {
			if !strings.Contains(st.Message, "(hold time)") {
				t.Errorf("ended by: %s", st.Message)
			}
			return
		}
		time.Sleep(200 * time.Millisecond)
	}
	t.Error("it was kept")
}

// Connections of a peer are bounded, however many it makes, and it gets its session all
// the same.
func TestPeerThatConnectsOftenIsBounded(t *testing.T) {
	p := newPair(t)
	us := p.start("us", p.us())
	p.craft().Close()
	for range 30 {
		if c, err := p.dialFrom(p.far, theirs, 200*time.Millisecond); err == nil {
			t.Cleanup(func() { c.Close() })
		}
	}
	count := func() (n int) {
		for _, line := range p.sockets() {
			if strings.HasPrefix(line, "ESTAB") || strings.HasPrefix(line, "CLOSE-WAIT") || strings.HasPrefix(line, "FIN-WAIT") {
				n++
			}
		}
		return n
	}
	// Before those that are being closed have gone by themselves.
	p.lab.Eventually(closeMost/2, "few connections are left", func() error {
		if n := count(); n > connsMost+1 {
			return fmt.Errorf("%d connections:\n%s", n, strings.Join(p.sockets(), "\n"))
		}
		return nil
	})
	p.start("them", p.them())
	us.learns("192.168.0.0/24", "192.168.1.0/24")
}

// Nobody but the peer, by its device, gets as far as a half-open connection.
func TestStrangers(t *testing.T) {
	p := newPair(t)
	p.far.Run("ip", "address", "add", "192.168.0.5/32", "dev", "lo")
	p.near.Run("ip", "route", "add", "192.168.0.0/24", "via", theirs.String())
	other := p.lab.Host("other")
	p.lab.Connect(p.near, "eth1", "10.0.0.1/24", other, "eth0", "10.0.0.2/24")
	other.Run("ip", "route", "add", ours.String()+"/32", "via", "10.0.0.1")
	p.start("us", p.us())
	p.craft() // it does listen

	// A host behind the peer: not even a refusal.
	if _, err := p.dialFrom(p.far, netip.MustParseAddr("192.168.0.5"), 1500*time.Millisecond); !isTimeout(err) {
		t.Errorf("a host behind the peer: %v", err)
	}
	for _, line := range p.sockets() {
		if strings.Contains(line, "192.168.0.5") {
			t.Errorf("a half-open connection: %s", line)
		}
	}
	// An instance of the VPC: there is nobody.
	if _, err := p.dialFrom(other, netip.MustParseAddr("10.0.0.2"), 1500*time.Millisecond); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("a host at another device: %v", err)
	}
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// A namespace goes with the last that is in it. Sockets whose peer does not answer must
// not keep it.
func TestNamespaceGoes(t *testing.T) {
	p := newPair(t)
	us := p.start("us", p.us())
	p.start("them", p.them())
	us.learns("192.168.0.0/24", "192.168.1.0/24")
	p.far.Run("ip", "link", "set", device, "down")
	us.set()
	if err := netns.Delete(p.near.Name); err != nil {
		t.Fatal(err)
	}
	p.lab.Eventually(5*time.Second, "the namespace's end of the link goes", func() error {
		if out, err := p.far.Try("ip", "link", "show", device); err == nil {
			return errors.New(out)
		}
		return nil
	})
}

// A device of the same name takes the place of another one, and the peer may connect
// by it.
func TestDeviceComesAnew(t *testing.T) {
	p := newPair(t)
	us := p.start("us", p.us())
	p.craft().Close()
	p.near.Run("ip", "link", "delete", device)
	p.lab.Connect(p.near, device, ours.String()+"/30", p.far, device, theirs.String()+"/30")
	c := p.craftWithin(12 * time.Second)
	c.open()
	us.until("is established", func(st Status) bool { return st.Established })
	if _, err := io.ReadAtLeast(c, make([]byte, 19), 19); err != nil {
		t.Error(err)
	}
}

// SYNs that nobody goes on with, by the peer's own address, keep no more than a few
// sockets, and the peer gets its session while they come.
func TestFloodOfSYNs(t *testing.T) {
	p := newPair(t)
	us := p.start("us", p.us())
	p.craft().Close()
	var flood int
	err := p.far.Do(func() (err error) {
		flood, err = unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(flood)
	syns := func() {
		for source := range 3000 {
			// The peer's own TCP has nothing to refuse: the answers go by a port that it drops.
			if err := unix.Sendto(flood, syn(uint16(20000+source)), 0, &unix.SockaddrInet4{Addr: ours.As4()}); err != nil {
				t.Fatal(err)
			}
		}
	}
	p.far.Run("nft", "add table ip flood; add chain ip flood in { type filter hook input priority 0; }; add rule ip flood in tcp sport 179 tcp dport 20000-22999 drop")
	syns()
	half := 0
	for _, line := range p.sockets() {
		if strings.HasPrefix(line, "SYN-RECV") {
			half++
		}
	}
	if half > 5 {
		t.Errorf("%d half-open connections", half)
	}
	p.start("them", p.them())
	us.until("is established all the same", func(st Status) bool {
		syns()
		return st.Established
	})
}

// syn returns a SYN from the peer to our port.
func syn(source uint16) []byte {
	s := make([]byte, 20)
	binary.BigEndian.PutUint16(s[0:], source)
	binary.BigEndian.PutUint16(s[2:], port)
	binary.BigEndian.PutUint32(s[4:], uint32(source)<<16)
	s[12], s[13] = 5<<4, 2 // 20 octets, SYN
	binary.BigEndian.PutUint16(s[14:], 1024)
	from, to := theirs.As4(), ours.As4()
	binary.BigEndian.PutUint16(s[16:], ^packet.Sum(s, packet.PseudoHeaderSum(from[:], to[:], unix.IPPROTO_TCP, len(s))))
	return s
}
