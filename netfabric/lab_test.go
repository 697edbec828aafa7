package netfabric

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"

	"causeway.dev/internal/netlab"
	"causeway.dev/netfabric/netns"
)

// A lab is a fabric under a prefix of its own, removed when the test ends.
type lab struct {
	*Fabric
	t      testing.TB
	prefix string
}

func newLab(t testing.TB) *lab {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	if _, err := exec.LookPath("nft"); err != nil {
		t.Skip("nft is not installed")
	}
	random := make([]byte, 4)
	rand.Read(random)
	prefix := "cwt" + hex.EncodeToString(random)
	if err := netns.Create(prefix + "-probe"); err != nil {
		t.Skipf("network namespaces cannot be made here: %v", err)
	}
	t.Cleanup(func() {
		if err := Clean(context.Background(), prefix); err != nil {
			t.Errorf("Clean: %v", err)
		}
		if left, err := netns.List(prefix); err != nil || len(left) > 0 {
			t.Errorf("after Clean there are %v, %v", left, err)
		}
	})
	return &lab{Fabric: New(Options{}), t: t, prefix: prefix}
}

func (l *lab) apply(c Config) {
	l.t.Helper()
	c.Prefix = l.prefix
	if err := l.Apply(l.t.Context(), c); err != nil {
		l.t.Fatalf("Apply: %v", err)
	}
}

// in runs f in the namespace of a network or an instance.
func (l *lab) in(id string, f func() error) {
	l.t.Helper()
	if err := netns.Do(NamespaceName(l.prefix, id), f); err != nil {
		l.t.Fatalf("in %s: %v", id, err)
	}
}

// output runs a command in a namespace and returns what it prints.
func (l *lab) output(id string, argv ...string) string {
	l.t.Helper()
	var output string
	l.in(id, func() (err error) {
		output, err = netlab.Output(argv...)
		return err
	})
	return output
}

// pinger sends echo requests from an instance.
type pinger struct {
	conn *icmp.PacketConn
	id   int
	seq  int
}

func (l *lab) pinger(id string) *pinger {
	l.t.Helper()
	p := &pinger{id: os.Getpid() & 0xffff}
	l.in(id, func() (err error) {
		p.conn, err = icmp.ListenPacket("ip4:icmp", "0.0.0.0")
		return err
	})
	l.t.Cleanup(func() { p.conn.Close() })
	return p
}

// errLost means that there was no answer in time.
var errLost = fmt.Errorf("no answer")

// ping sends one request and waits for its answer, or for an ICMP error about
// it, which it returns.
func (p *pinger) ping(to string, wait time.Duration) error {
	p.seq = (p.seq + 1) & 0xffff
	request := icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &icmp.Echo{ID: p.id, Seq: p.seq, Data: []byte("causeway")}}
	data, err := request.Marshal(nil)
	if err != nil {
		return err
	}
	if _, err := p.conn.WriteTo(data, &net.IPAddr{IP: net.ParseIP(to)}); err != nil {
		return err
	}
	p.conn.SetReadDeadline(time.Now().Add(wait))
	buffer := make([]byte, 2000)
	for {
		n, _, err := p.conn.ReadFrom(buffer)
		if os.IsTimeout(err) {
			return errLost
		}
		if err != nil {
			return err
		}
		m, err := icmp.ParseMessage(1, buffer[:n])
		if err != nil {
			return err
		}
		switch body := m.Body.(type) {
		case *icmp.Echo:
			if m.Type == ipv4.ICMPTypeEchoReply && body.ID == p.id && body.Seq == p.seq {
				return nil
			}
		case *icmp.DstUnreach:
			return fmt.Errorf("destination unreachable, code %d", m.Code)
		}
	}
}

// wait is how long a test waits for an answer that ought to come, and silence
// how long for one that ought not.
const (
	wait    = 20 * time.Second
	silence = 150 * time.Millisecond
)

func (l *lab) mustPing(from, to string) {
	l.t.Helper()
	if err := l.pinger(from).ping(to, wait); err != nil {
		l.t.Fatalf("ping from %s to %s: %v", from, to, err)
	}
}

func (l *lab) mustNotPing(from, to string) {
	l.t.Helper()
	if err := l.pinger(from).ping(to, silence); err == nil {
		l.t.Fatalf("ping from %s to %s was answered", from, to)
	}
}

// listen accepts TCP connections in an instance and sends back what they send.
func (l *lab) listen(id, address string) {
	l.t.Helper()
	var listener net.Listener
	l.in(id, func() (err error) {
		listener, err = net.Listen("tcp", address)
		return err
	})
	l.t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				buffer := make([]byte, 4096)
				for {
					n, err := conn.Read(buffer)
					if err != nil {
						return
					}
					conn.Write(buffer[:n])
				}
			}()
		}
	}()
}

func (l *lab) dial(id, address string, timeout time.Duration) (conn net.Conn, err error) {
	l.t.Helper()
	l.in(id, func() error {
		conn, err = net.DialTimeout("tcp", address, timeout)
		return nil
	})
	if err == nil {
		l.t.Cleanup(func() { conn.Close() })
	}
	return conn, err
}

// echo sends a line over a connection and expects it back.
func echo(conn net.Conn, line string) error {
	conn.SetDeadline(time.Now().Add(wait))
	if _, err := conn.Write([]byte(line)); err != nil {
		return err
	}
	buffer := make([]byte, len(line))
	if _, err := conn.Read(buffer); err != nil {
		return err
	}
	if string(buffer) != line {
		return fmt.Errorf("sent %q, got %q", line, buffer)
	}
	return nil
}

// openTUN opens a tunnel's device as its owner does.
func (l *lab) openTUN(network, tunnelID string) *os.File {
	l.t.Helper()
	var file *os.File
	l.in(network, func() (err error) {
		file, err = openTUN(TUNName(tunnelID))
		return err
	})
	l.t.Cleanup(func() { file.Close() })
	if err := l.TUNOpened(l.t.Context(), tunnelID); err != nil {
		l.t.Fatalf("TUNOpened: %v", err)
	}
	return file
}

// openTUN opens a TUN in the calling thread's namespace.
func openTUN(name string) (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	request, err := unix.NewIfreq(name)
	if err != nil {
		return nil, err
	}
	request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// reflectPings answers every echo request that comes out of a TUN device as if the
// far side had the destination, and counts them.
func reflectPings(file *os.File) *atomic.Int64 {
	var count atomic.Int64
	go func() {
		buffer := make([]byte, 2000)
		for {
			n, err := file.Read(buffer)
			if err != nil {
				return
			}
			packet := buffer[:n]
			header := int(packet[0]&15) * 4
			if packet[0]>>4 != 4 || packet[9] != 1 || packet[header] != 8 {
				continue
			}
			count.Add(1)
			source := bytes.Clone(packet[12:16])
			copy(packet[12:16], packet[16:20])
			copy(packet[16:20], source)
			packet[header] = 0 // echo reply: the checksum grows by what the type lost
			sum := uint32(binary.BigEndian.Uint16(packet[header+2:])) + 0x0800
			binary.BigEndian.PutUint16(packet[header+2:], uint16(sum+sum>>16))
			file.Write(packet)
		}
	}()
	return &count
}

func prefixes(list ...string) []netip.Prefix {
	var made []netip.Prefix
	for _, s := range list {
		made = append(made, netip.MustParsePrefix(s))
	}
	return made
}

// port is an interface of an instance in the /24 around its address.
func port(instance, address string, groups ...string) Interface {
	a := netip.MustParseAddr(address)
	b := a.As4()
	return Interface{
		ID: "eni-" + instance, MAC: fmt.Sprintf("02:00:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3]), Address: a,
		Subnet: netip.PrefixFrom(a, 24).Masked(), Table: "rtb-main", Groups: groups, Instance: instance,
	}
}

// allow is a rule that admits a protocol from or to a prefix or group.
func allow(egress bool, protocol, from, to int, peer string) FilterRule {
	r := FilterRule{Egress: egress, Protocol: protocol, FromPort: from, ToPort: to}
	if strings.Contains(peer, "/") {
		r.Peer = netip.MustParsePrefix(peer)
	} else {
		r.PeerGroup = peer
	}
	return r
}

// to is a route.
func to(destination string, targets ...Target) TableRoute {
	return TableRoute{Destination: netip.MustParsePrefix(destination), Targets: targets}
}

func target(kind TargetKind, id string) Target { return Target{Kind: kind, ID: id} }

var (
	allOut  = allow(true, -1, -1, -1, "0.0.0.0/0")
	pingsIn = allow(false, 1, -1, -1, "0.0.0.0/0")
)

func group(id string, rules ...FilterRule) Group { return Group{ID: id, Rules: rules} }

// vpc is a network of 10.0.0.0/16 with the interfaces; groups get their members
// from them.
func vpc(id string, groups []Group, ports ...Interface) Network {
	for i := range groups {
		for _, p := range ports {
			for _, g := range p.Groups {
				if g == groups[i].ID && p.Address.IsValid() {
					groups[i].Members = append(groups[i].Members, p.Address)
				}
			}
		}
	}
	return Network{
		ID: id, Local: prefixes("10.0.0.0/16"), Interfaces: ports, Groups: groups,
		Tables: []Table{{ID: "rtb-main"}},
	}
}
