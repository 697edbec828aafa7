package listen

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/sync/semaphore"

	"causeway.dev/internal/run"
	"causeway.dev/netfabric/netns"
	"causeway.dev/resolver"
)

const wait = 20 * time.Second

var (
	hostAddress     = netip.MustParseAddr("10.0.1.4")
	strangerAddress = netip.MustParseAddr("10.0.1.66")
	resolverAddress = netip.MustParseAddr("169.254.169.253")
)

// newPlace makes a network namespace that has, on its loopback, a host's address, a
// stranger's and the resolver's.
func newPlace(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	random := make([]byte, 4)
	rand.Read(random)
	name := "cwt" + hex.EncodeToString(random)
	if err := netns.Create(name); err != nil {
		t.Skipf("network namespaces cannot be made here: %v", err)
	}
	t.Cleanup(func() { netns.Delete(name) })
	furnish(t, name)
	return name
}

func furnish(t *testing.T, name string) {
	t.Helper()
	for _, command := range []string{
		"link set lo up", "address add 10.0.1.4/32 dev lo", "address add 10.0.1.66/32 dev lo", "address add 169.254.169.253/32 dev lo",
	} {
		in(t, name, func() error { return exec.Command("ip", strings.Fields(command)...).Run() })
	}
}

func in(t *testing.T, place string, f func() error) {
	t.Helper()
	if err := netns.Do(place, f); err != nil {
		t.Fatal(err)
	}
}

func network(place string) Network {
	return Network{ID: "vpc-1", Namespace: place, Addresses: []netip.Addr{resolverAddress}, Config: resolver.Config{
		Interfaces: []resolver.Interface{{Addresses: []netip.Addr{hostAddress}, DNS64: true}}, Prefix: netip.MustParsePrefix("64:ff9b::/96"),
		Names: []resolver.Name{{Name: "ip-10-0-1-4.ec2.internal", Address: hostAddress, Reverse: true}},
	}}
}

// ask asks the resolver in a place for an address, from an address of that place.
// The question is repeated until it is answered or the time is over.
func ask(t *testing.T, place, by, name string, from netip.Addr, limit time.Duration) (m dnsmessage.Message, err error) {
	t.Helper()
	return askFor(t, dnsmessage.TypeA, place, by, name, from, limit)
}

// askFor asks for records of a type.
func askFor(t *testing.T, of dnsmessage.Type, place, by, name string, from netip.Addr, limit time.Duration) (m dnsmessage.Message, err error) {
	t.Helper()
	question := dnsmessage.Message{Header: dnsmessage.Header{ID: 9, RecursionDesired: true}, Questions: []dnsmessage.Question{{
		Name: dnsmessage.MustNewName(name), Type: of, Class: dnsmessage.ClassINET,
	}}}
	packed, err := question.Pack()
	if err != nil {
		t.Fatal(err)
	}
	var conn net.Conn
	in(t, place, func() error {
		d := net.Dialer{Timeout: limit, LocalAddr: net.UDPAddrFromAddrPort(netip.AddrPortFrom(from, 0))}
		if by == "tcp" {
			d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))
		}
		conn, err = d.Dial(by, netip.AddrPortFrom(resolverAddress, port).String())
		return nil
	})
	if err != nil {
		return m, err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(limit))
	answer := make([]byte, 4096)
	if by == "tcp" {
		if err := writeMessage(conn, packed); err != nil {
			return m, err
		}
		if answer, err = readMessage(conn, 1<<16-1); err != nil {
			return m, err
		}
		return m, m.Unpack(answer)
	}
	if _, err := conn.Write(packed); err != nil {
		return m, err
	}
	n, err := conn.Read(answer)
	if err != nil {
		return m, err
	}
	return m, m.Unpack(answer[:n])
}

// socket is the inode of the one socket for UDP in a place.
func socket(t *testing.T, place string) string {
	t.Helper()
	var table []byte
	in(t, place, func() (err error) {
		table, err = os.ReadFile("/proc/thread-self/net/udp")
		return err
	})
	lines := strings.Split(strings.TrimSpace(string(table)), "\n")
	if len(lines) != 2 { // a heading and a socket
		t.Fatalf("the sockets are\n%s", table)
	}
	return strings.Fields(lines[1])[9]
}

// forwarder is a DNS server in a place that gives 192.0.2.1, and no address of IPv6, to
// all names; by UDP it says that there is more for names that begin with "long".
func forwarder(t *testing.T, place string) netip.AddrPort {
	t.Helper()
	at := netip.MustParseAddrPort("127.0.0.1:5353")
	var packets net.PacketConn
	var streams net.Listener
	in(t, place, func() (err error) {
		if packets, err = net.ListenPacket("udp", at.String()); err != nil {
			return err
		}
		streams, err = net.Listen("tcp", at.String())
		return err
	})
	t.Cleanup(func() { packets.Close(); streams.Close() })
	answer := func(message []byte, stream bool) []byte {
		var m dnsmessage.Message
		if err := m.Unpack(message); err != nil {
			return nil
		}
		m.Response = true
		if !stream && strings.HasPrefix(m.Questions[0].Name.String(), "long") {
			m.Truncated = true
		} else if m.Questions[0].Type == dnsmessage.TypeA {
			h := dnsmessage.ResourceHeader{Name: m.Questions[0].Name, Class: dnsmessage.ClassINET}
			m.Answers = []dnsmessage.Resource{{Header: h, Body: &dnsmessage.AResource{A: [4]byte{192, 0, 2, 1}}}}
		}
		packed, _ := m.Pack()
		return packed
	}
	go func() {
		buffer := make([]byte, 4096)
		for {
			n, from, err := packets.ReadFrom(buffer)
			if err != nil {
				return
			}
			packets.WriteTo([]byte("noise"), from)
			packets.WriteTo(answer(buffer[:n], false), from)
		}
	}()
	go func() {
		for {
			conn, err := streams.Accept()
			if err != nil {
				return
			}
			if message, err := readMessage(conn, 4096); err == nil {
				writeMessage(conn, answer(message, true))
			}
			conn.Close()
		}
	}()
	return at
}

func TestHostsAreAnswered(t *testing.T) {
	place := newPlace(t)
	to := forwarder(t, place)
	dial := func(ctx context.Context, network string, to netip.AddrPort) (conn net.Conn, err error) {
		err = netns.Do(place, func() error {
			conn, err = new(net.Dialer).DialContext(ctx, network, to.String())
			return err
		})
		return conn, err
	}
	silent := netip.MustParseAddrPort("127.0.0.1:9") // nobody is there
	h := New(Config{Forwarders: []netip.AddrPort{silent, to}, Dial: dial})
	t.Cleanup(h.Close)
	if err := h.Set([]Network{network(place)}, true); err != nil {
		t.Fatal(err)
	}
	for _, by := range []string{"udp", "tcp"} {
		for name, want := range map[string][4]byte{
			"ip-10-0-1-4.ec2.internal.": hostAddress.As4(), "example.com.": {192, 0, 2, 1}, "long.example.com.": {192, 0, 2, 1},
		} {
			m, err := ask(t, place, by, name, hostAddress, wait)
			if err != nil || len(m.Answers) != 1 || m.ID != 9 {
				t.Errorf("%s by %s: %+v, %v", name, by, m, err)
				continue
			}
			if got := m.Answers[0].Body.(*dnsmessage.AResource).A; got != want {
				t.Errorf("%s by %s: %v, want %v", name, by, got, want)
			}
		}
		for name, want := range map[string]string{
			"ip-10-0-1-4.ec2.internal.": "64:ff9b::10.0.1.4", "example.com.": "64:ff9b::192.0.2.1", "long.example.com.": "64:ff9b::192.0.2.1",
		} {
			m, err := askFor(t, dnsmessage.TypeAAAA, place, by, name, hostAddress, wait)
			if err != nil || len(m.Answers) != 1 || m.ID != 9 {
				t.Errorf("%s by %s, by IPv6: %+v, %v", name, by, m, err)
				continue
			}
			if got := netip.AddrFrom16(m.Answers[0].Body.(*dnsmessage.AAAAResource).AAAA); got != netip.MustParseAddr(want) {
				t.Errorf("%s by %s, by IPv6: %v, want %s", name, by, got, want)
			}
		}
		if m, err := ask(t, place, by, "ip-10-0-1-4.ec2.internal.", strangerAddress, 200*time.Millisecond); err == nil {
			t.Errorf("a stranger is answered by %s: %+v", by, m)
		}
	}
}

func TestWithoutForwardersOthersAreRefused(t *testing.T) {
	place := newPlace(t)
	h := New(Config{})
	t.Cleanup(h.Close)
	n := network(place)
	if err := h.Set([]Network{n}, true); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]dnsmessage.RCode{"example.com.": dnsmessage.RCodeRefused, "ip-10-0-1-5.ec2.internal.": dnsmessage.RCodeNameError} {
		if m, err := ask(t, place, "udp", name, hostAddress, wait); err != nil || m.RCode != want {
			t.Errorf("%s: %v, %v, want %v", name, m.RCode, err, want)
		}
	}
	// A host that is new is known at once, on the same sockets.
	n.Names = append(n.Names, resolver.Name{Name: "ip-10-0-1-5.ec2.internal", Address: netip.MustParseAddr("10.0.1.5")})
	before := socket(t, place)
	if err := h.Set([]Network{n}, true); err != nil {
		t.Fatal(err)
	}
	if m, err := ask(t, place, "udp", "ip-10-0-1-5.ec2.internal.", hostAddress, wait); err != nil || len(m.Answers) != 1 {
		t.Errorf("a new host: %+v, %v", m, err)
	}
	if after := socket(t, place); after != before {
		t.Errorf("the socket was %s and is %s", before, after)
	}
	// The namespace is made anew.
	if err := netns.Delete(place); err != nil {
		t.Fatal(err)
	}
	if err := h.Set([]Network{n}, true); err == nil {
		t.Error("it listens where nothing is")
	}
	if err := netns.Create(place); err != nil {
		t.Fatal(err)
	}
	furnish(t, place)
	if err := h.Set([]Network{n}, true); err != nil {
		t.Fatal(err)
	}
	if m, err := ask(t, place, "udp", "ip-10-0-1-5.ec2.internal.", hostAddress, wait); err != nil || len(m.Answers) != 1 {
		t.Errorf("in a new namespace: %+v, %v", m, err)
	}
	if err := h.Set(nil, false); err != nil {
		t.Fatal(err)
	}
	if m, err := ask(t, place, "udp", "ip-10-0-1-5.ec2.internal.", hostAddress, wait); err == nil {
		t.Errorf("a network that is not wanted any more is answered: %+v", m)
	}
}

// A network that asks more than forwarders answer leaves the others what they need.
func TestNetworksShareForwarders(t *testing.T) {
	release, asked := make(chan struct{}), make(chan struct{}, forwardedMax)
	h := New(Config{Forwarders: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:53")}, Dial: func(ctx context.Context, _ string, _ netip.AddrPort) (net.Conn, error) {
		asked <- struct{}{}
		<-release // and not ctx: they are not to give up while the test looks
		return nil, errors.New("nobody is there")
	}})
	busy, quiet := &server{host: h, asking: semaphore.NewWeighted(networkMax)}, &server{host: h, asking: semaphore.NewWeighted(networkMax)}
	question := dnsmessage.Message{Header: dnsmessage.Header{RecursionDesired: true}, Questions: []dnsmessage.Question{{
		Name: dnsmessage.MustNewName("example.com."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET,
	}}}
	packed, err := question.Pack()
	if err != nil {
		t.Fatal(err)
	}
	_, q, _ := resolver.NewTable(resolver.Config{}).Handle(packed, netip.Addr{})
	g := run.New(t.Context())
	ask := func(s *server) {
		g.Go("ask", func(context.Context) error { s.ask(context.Background(), q, false); return nil })
	}
	for range networkMax {
		ask(busy)
	}
	for range networkMax {
		<-asked
	}
	busy.ask(t.Context(), q, false) // fails at once: nothing else releases the others
	ask(quiet)
	<-asked
	close(release)
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
	if len(asked) != 0 {
		t.Errorf("%d questions too many were asked", len(asked))
	}
}
