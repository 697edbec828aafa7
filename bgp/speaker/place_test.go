package speaker

import (
	"net"
	"regexp"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// What either side sends of a connection that stands, whoever has made it, gets as far
// as to the neighbor.
func TestTTL(t *testing.T) {
	p := newPair(t)
	p.far.Run("nft", "add table ip t; add chain ip t in { type filter hook input priority 0; }; "+
		"add rule ip t in tcp flags & (ack | rst) == ack ip ttl 1 counter; add rule ip t in tcp flags & (ack | rst) == ack ip ttl != 1 counter")
	us := p.start("us", p.us())
	c := p.craft() // by the listener; our own dial is refused
	c.open()
	us.until("is established", func(st Status) bool { return st.Established })
	c.Close()
	p.start("them", p.them()) // and by a dial of ours, or theirs
	us.learns("192.168.0.0/24", "192.168.1.0/24")
	packets := regexp.MustCompile(`counter packets (\d+)`).FindAllStringSubmatch(p.far.Run("nft", "list", "table", "ip", "t"), -1)
	if len(packets) != 2 || packets[0][1] == "0" || packets[1][1] != "0" {
		t.Errorf("packets with a TTL of 1, and with another: %v", packets)
	}
}

// A peer that sends a whole table at once does not wait; one that sends without end gets
// no more than the rate.
func TestAllowance(t *testing.T) {
	var a allowance
	now := time.Now()
	for range readBurst / chunk {
		if wait := a.take(now, chunk); wait != 0 {
			t.Fatalf("waits for %v within the burst", wait)
		}
	}
	octets, began := 0, now
	for now.Sub(began) < 10*time.Second {
		now = now.Add(a.take(now, chunk) + time.Microsecond)
		octets += chunk
	}
	if rate := float64(octets) / now.Sub(began).Seconds(); rate > 1.01*readRate || rate < 0.9*readRate {
		t.Errorf("%.0f octets a second, want %d", rate, readRate)
	}
	if wait := a.take(now.Add(time.Minute), chunk); wait != 0 {
		t.Errorf("waits for %v after a minute's rest", wait)
	}
}

// A peer that has lost its connection without a word, as by a power cut, and comes back,
// need not wait until its old connection is over by the hold timer: what comes for that is
// reset.
func TestPeerComesBackFromNowhere(t *testing.T) {
	p := newPair(t)
	peer := p.us()
	peer.HoldTime = time.Minute
	us := p.start("us", peer)
	c := p.craft()
	c.openFor(time.Minute)
	us.until("is established", func(st Status) bool { return st.Established })
	raw, err := c.Conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	// A socket that is being repaired closes without a word.
	if err := raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_REPAIR, 1) }); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Skipf("the kernel repairs no sockets: %v", err)
	}
	c.Close()
	p.start("them", p.them())
	us.learns("192.168.0.0/24", "192.168.1.0/24")
}
