package plan_test

import (
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"causeway.dev/netfabric"
	"causeway.dev/nodespec"
	"causeway.dev/plan"
	"causeway.dev/resource"
)

var realWorlds = flag.Uint64("worlds", 6, "let TestPacketsAgainstReference build that many random networks")

// TestPacketsAgainstReference builds random networks in the kernel and sends real
// packets through them, from instances, out of tunnels and from the outside. Each
// must turn up where the records say, as AWS's documentation reads, or nowhere.
func TestPacketsAgainstReference(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes some seconds")
	}
	fates := map[string]int{}
	for seed := range *realWorlds {
		w := randomWorld(rand.New(rand.NewPCG(seed, 10)))
		for i := range w.nics {
			w.nics[i].MAC = fmt.Sprintf("02:00:00:00:00:%02x", i+1)
		}
		desired := plan.Compile(w.put(t, shared), "node-1")
		packets := rand.New(rand.NewPCG(seed, 4))
		r := buildReal(t, desired, w.up)
		sample, unshared, unblocked := map[string]int{}, reference{w.unshared()}, reference{w.unblocked()}
		for range 8000 { // most are dropped, so that a few of each kind are chosen
			p := w.randomPacket(packets)
			want := (reference{w}).send(p)
			kind := p.family() + kindOf(want[0])
			if alone := unshared.send(p); alone[0] != want[0] {
				kind += ", by a group of another VPC"
			}
			if free := unblocked.send(p); free[0] != want[0] {
				kind += ", by public access"
			} else if strings.HasPrefix(want[0], "leaves") && w.access != "off" {
				kind += ", where others are blocked"
			}
			if want[0] != "nowhere" && sample[kind] < 12 && r.sends(w, p) {
				sample[kind]++
				fates[kind]++
				r.send(p, want, w.beyond(p, want[0]))
			}
		}
		r.collect()
		for _, s := range r.sent {
			if !s.isRight() {
				t.Errorf("seed %d: %v: it %s, and shall be one of %q\n%s", seed, s.packet, s.fate(), s.want, plan.Text(desired))
			}
		}
		r.close()
		if t.Failed() {
			return
		}
	}
	t.Logf("packets by their fate: %v", fates)
	for _, kind := range []string{
		"goes", "goes, by a group of another VPC", "tunnelled", "leaves", "dropped: egress", "dropped: route", "dropped: ingress", "dropped: no outside address", "dropped: acl", "dropped: source/destination check",
		"dropped: route, by public access", "dropped: no outside address, by public access", "leaves, where others are blocked",
		"IPv6 dropped: route, by public access", "IPv6 leaves, where others are blocked",
		"IPv6 goes", "IPv6 leaves", "IPv6 dropped: egress", "IPv6 dropped: route", "IPv6 dropped: ingress", "IPv6 dropped: acl", "IPv6 dropped: source/destination check",
	} {
		if fates[kind] < 5 {
			t.Errorf("only %d packets were %s: the test proves little (%v)", fates[kind], kind, fates)
		}
	}
}

// kindOf is a fate without where.
func kindOf(fate string) string {
	kind, _, _ := strings.Cut(fate, " to ")
	kind, _, _ = strings.Cut(kind, " as ")
	return kind
}

// A real is a network in the kernel, with ears in all places where packets end.
type real struct {
	*stack
	desired nodespec.Desired
	ears    []ear
	places  map[string]string // namespaces of interfaces by id, of the outside by ""
	from    map[mouth]int     // raw sockets
	tuns    map[string]int    // of tunnels by id
	sent    []*sent
	spi     map[netip.Addr]bool // who has sent or got a packet of protocol 50
}

// A mouth sends packets from a place under an address, which tells the kernel of an
// instance by which interface they leave.
type mouth struct {
	place  string
	source netip.Addr
}

// An ear hears packets that arrive in one place.
type ear struct {
	fd       int
	place    func(source netip.Addr) string // as the reference calls it
	incoming bool                           // a packet socket, which hears what leaves, too
}

// A sent packet, and where it turned up.
type sent struct {
	packet
	want, got []string
	beyond    string // where it turns up besides, once it has left; "" for nowhere
}

func (s *sent) isRight() bool {
	got := slices.DeleteFunc(slices.Clone(s.got), func(fate string) bool { return fate == s.beyond })
	if len(got) != len(s.got) != (s.beyond != "") {
		return false
	}
	if len(got) == 0 {
		return slices.ContainsFunc(s.want, func(fate string) bool { return strings.HasPrefix(fate, "dropped") })
	}
	return len(got) == 1 && slices.Contains(s.want, got[0])
}

// beyond is where a packet goes that leaves a VPC, if another has its destination.
func (w *world) beyond(p packet, fate string) string {
	if !strings.HasPrefix(fate, "leaves") {
		return ""
	}
	p.nic, p.outside, p.subnet = "", true, ""
	if fates := (reference{w}).send(p); !strings.HasPrefix(fates[0], "dropped") {
		return fates[0]
	}
	return ""
}

func (s *sent) fate() string {
	if len(s.got) == 0 {
		return "turns up nowhere"
	}
	return strings.Join(s.got, " and ")
}

func buildReal(t *testing.T, desired nodespec.Desired, up []string) *real {
	t.Helper()
	r := &real{stack: newStack(t), desired: desired, places: map[string]string{}, from: map[mouth]int{}, tuns: map[string]int{}, spi: map[netip.Addr]bool{}}
	t.Cleanup(r.close)
	r.apply(desired)
	r.places[""] = r.underlay.Namespace
	r.in(r.underlay.Namespace, func() error {
		return r.listen("", func(source netip.Addr) string { return "leaves as " + source.String() })
	})
	for _, network := range desired.Networks {
		for _, i := range network.Interfaces {
			if i.Instance == "" {
				continue
			}
			r.places[i.ID] = r.namespace(i.Instance)
			r.in(r.places[i.ID], func() error {
				// What it gets for others it keeps: it is an ear, and no router.
				for _, setting := range []string{"ipv4/ip_forward", "ipv6/conf/all/forwarding"} {
					if err := os.WriteFile("/proc/sys/net/"+setting, []byte("0"), 0); err != nil {
						return err
					}
				}
				return r.listen(fmt.Sprintf("eth%d", i.Index), func(netip.Addr) string { return "goes to " + i.ID })
			})
		}
	}
	for _, tunnel := range desired.Tunnels {
		r.in(r.namespace(tunnel.Network), func() error { return r.openTUN(tunnel.ID) })
		r.must(r.fabric.TUNOpened(t.Context(), tunnel.ID))
	}
	for _, tunnel := range up {
		if _, ok := r.tuns[tunnel]; ok {
			r.must(r.fabric.SetTunnelUp(t.Context(), tunnel, true))
		}
	}
	return r
}

// listen opens ears, one for each family, in the calling thread's network namespace;
// without a device they hear all.
func (r *real) listen(device string, place func(netip.Addr) string) error {
	index := 0
	if device != "" {
		found, err := net.InterfaceByName(device)
		if err != nil {
			return err
		}
		index = found.Index
	}
	for _, protocol := range []uint16{unix.ETH_P_IP, unix.ETH_P_IPV6} {
		protocol = protocol<<8 | protocol>>8 // in network order
		hear, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		r.ears = append(r.ears, ear{hear, place, true})
		if err := unix.Bind(hear, &unix.SockaddrLinklayer{Protocol: protocol, Ifindex: index}); err != nil {
			return err
		}
	}
	return nil
}

// speak returns a socket that sends packets as they are, and opens it if there is none.
func (r *real) speak(p packet) int {
	r.t.Helper()
	m := mouth{p.nic, p.src}
	if fd, ok := r.from[m]; ok {
		return fd
	}
	r.in(r.places[p.nic], func() error {
		family, level, header, free := unix.AF_INET, unix.IPPROTO_IP, unix.IP_HDRINCL, unix.IP_FREEBIND
		var source unix.Sockaddr
		if p.src.Is6() {
			family, level, header, free = unix.AF_INET6, unix.IPPROTO_IPV6, unix.IPV6_HDRINCL, unix.IPV6_FREEBIND
			source = &unix.SockaddrInet6{Addr: p.src.As16()}
		} else {
			source = &unix.SockaddrInet4{Addr: p.src.As4()}
		}
		fd, err := unix.Socket(family, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
		if err != nil {
			return err
		}
		r.from[m] = fd
		return errors.Join(unix.SetsockoptInt(fd, level, header, 1), unix.SetsockoptInt(fd, level, free, 1), unix.Bind(fd, source))
	})
	return r.from[m]
}

// openTUN opens a tunnel's device, as the tunnel's owner does.
func (r *real) openTUN(id string) error {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	request, err := unix.NewIfreq(netfabric.TUNName(id))
	if err != nil {
		return err
	}
	request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	r.tuns[id] = fd
	r.ears = append(r.ears, ear{fd, func(netip.Addr) string { return "tunnelled to " + id }, false})
	return unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
}

// sends reports whether a packet says the same to the kernel as to the reference,
// whatever was sent before. The kernel remembers flows: those of protocol 50, which
// has no ports, by their addresses, so that only the first of an address counts; and
// an echo reply is no beginning of one. What an instance sends to itself never leaves
// it.
func (r *real) sends(w *world, p packet) bool {
	if p.nic != "" && r.places[p.nic] == "" || p.protocol == "icmp" && p.port != 8 || p.protocol == "icmpv6" && p.port != 128 {
		return false
	}
	instance := w.nic(p.nic).Instance
	if p.nic != "" && slices.ContainsFunc(w.nics, func(nic resource.NetworkInterface) bool { return nic.Instance == instance && has(nic, p.dst) }) {
		return false
	}
	if p.src == p.dst || p.tunnel != "" && !slices.Contains(w.up, p.tunnel) || p.nic != "" && r.unanswered(p) {
		return false
	}
	if p.protocol != "50" {
		return true
	}
	inside := p.dst
	if at := slices.IndexFunc(w.addresses, func(a resource.Address) bool { return a.PublicIP == p.dst }); at >= 0 {
		inside = w.addresses[at].PrivateAddress
	}
	known := r.spi[p.src] || r.spi[inside]
	r.spi[p.src], r.spi[inside] = true, true
	return !known
}

// unanswered reports whether the sender would ask its subnet for an address that
// nobody there has: the question is not answered, and no packet leaves it. For IPv6 it
// asks for its router only.
func (r *real) unanswered(p packet) bool {
	for _, network := range r.desired.Networks {
		at := slices.IndexFunc(network.Interfaces, func(i nodespec.Interface) bool { return i.ID == p.nic })
		if at >= 0 && network.Interfaces[at].Subnet.Contains(p.dst) {
			return !slices.ContainsFunc(network.Interfaces, func(i nodespec.Interface) bool { return addressed(i, p.dst) })
		}
	}
	return false
}

// send sends a packet with its number in it.
func (r *real) send(p packet, want []string, beyond string) {
	r.t.Helper()
	data := realPacket(p, uint32(len(r.sent)))
	r.sent = append(r.sent, &sent{packet: p, want: want, beyond: beyond})
	var err error
	if p.tunnel != "" {
		_, err = unix.Write(r.tuns[p.tunnel], data)
	} else if fd := r.speak(p); p.dst.Is6() {
		err = unix.Sendto(fd, data, 0, &unix.SockaddrInet6{Addr: p.dst.As16()})
	} else {
		err = unix.Sendto(fd, data, 0, &unix.SockaddrInet4{Addr: p.dst.As4()})
	}
	if errors.Is(err, unix.ENETUNREACH) || errors.Is(err, unix.EHOSTUNREACH) || errors.Is(err, unix.EPERM) {
		return // refused on the spot: it turns up nowhere
	}
	r.must(err)
}

// collect listens until all that shall turn up somewhere has. What shall not has
// had the same time, since the kernel carries a packet to its end at once.
func (r *real) collect() {
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		for _, e := range r.ears {
			r.hear(e)
		}
		waiting := slices.ContainsFunc(r.sent, func(s *sent) bool { return len(s.got) < 2 && !s.isRight() })
		if !waiting {
			return
		}
	}
}

func (r *real) hear(e ear) {
	buffer := make([]byte, 2048)
	for {
		var n int
		var from unix.Sockaddr
		var err error
		if e.incoming {
			n, from, err = unix.Recvfrom(e.fd, buffer, 0)
		} else {
			n, err = unix.Read(e.fd, buffer)
		}
		if err != nil { // nothing more now
			return
		}
		if link, ok := from.(*unix.SockaddrLinklayer); ok && link.Pkttype == unix.PACKET_OUTGOING {
			continue
		}
		source, number, ok := numberOf(buffer[:n])
		if !ok || int(number) >= len(r.sent) {
			continue
		}
		r.sent[number].got = append(r.sent[number].got, e.place(source))
	}
}

func (r *real) close() {
	for _, e := range r.ears {
		unix.Close(e.fd)
	}
	for _, fd := range r.from {
		unix.Close(fd)
	}
	r.ears, r.from = nil, nil
}

// What follows the headers: a word to know our packets by, and their number.
const realMark = "causeway"

var protocolNumbers = map[string]byte{"icmp": 1, "tcp": 6, "udp": 17, "50": 50, "icmpv6": 58}

// realHeaders are the lengths of what stands between the IP header and the mark.
var realHeaders = map[byte]int{1: 8, 6: 20, 17: 8, 50: 8, 58: 8}

// realPacket makes a packet of IPv4 (RFC 791) or IPv6 (RFC 8200): the beginning of a
// flow of its own.
func realPacket(p packet, number uint32) []byte {
	protocol := protocolNumbers[p.protocol]
	payload := make([]byte, realHeaders[protocol])
	payload = binary.BigEndian.AppendUint32(append(payload, realMark...), number)
	pseudo := uint32(protocol) + uint32(len(payload))
	addresses := slices.Concat(p.src.AsSlice(), p.dst.AsSlice())
	own := uint16(20000 + number)
	switch p.protocol {
	case "tcp", "udp":
		binary.BigEndian.PutUint16(payload, own)
		binary.BigEndian.PutUint16(payload[2:], uint16(p.port))
		at := 6
		if p.protocol == "tcp" {
			payload[12], payload[13], at = 5<<4, 0x02, 16 // SYN
		} else {
			binary.BigEndian.PutUint16(payload[4:], uint16(len(payload)))
		}
		binary.BigEndian.PutUint16(payload[at:], checksum(pseudo, slices.Concat(addresses, payload)))
	case "icmp", "icmpv6":
		payload[0] = byte(p.port)
		binary.BigEndian.PutUint16(payload[4:], own)
		covered := payload
		if p.protocol == "icmp" {
			pseudo = 0
		} else {
			covered = slices.Concat(addresses, payload)
		}
		binary.BigEndian.PutUint16(payload[2:], checksum(pseudo, covered))
	default: // ESP: an SPI and a sequence number
		binary.BigEndian.PutUint32(payload, 0x1000+number)
		payload[7] = 1
	}
	return slices.Concat(ipHeader(p, protocol, len(payload)), payload)
}

func ipHeader(p packet, protocol byte, length int) []byte {
	addresses := slices.Concat(p.src.AsSlice(), p.dst.AsSlice())
	if p.dst.Is6() {
		return append([]byte{0x60, 0, 0, 0, byte(length >> 8), byte(length), protocol, 64}, addresses...)
	}
	ip := append([]byte{0x45, 0, 0, byte(20 + length), 0, 0, 0, 0, 64, protocol, 0, 0}, addresses...)
	binary.BigEndian.PutUint16(ip[10:], checksum(0, ip))
	return ip
}

// checksum is the internet's (RFC 1071).
func checksum(sum uint32, data []byte) uint16 {
	for len(data) > 1 {
		sum, data = sum+uint32(binary.BigEndian.Uint16(data)), data[2:]
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// numberOf knows a packet of ours again, and tells by whom it says that it is.
// Answers, and errors about it, are others.
func numberOf(data []byte) (source netip.Addr, number uint32, ok bool) {
	if len(data) < 40 {
		return source, 0, false
	}
	protocol, payload := data[9], data[20:]
	source = netip.AddrFrom4([4]byte(data[12:]))
	if data[0]>>4 == 6 {
		protocol, payload = data[6], data[40:]
		source = netip.AddrFrom16([16]byte(data[8:]))
	}
	length, known := realHeaders[protocol]
	if !known || len(payload) < length+len(realMark)+4 || string(payload[length:length+len(realMark)]) != realMark {
		return source, 0, false
	}
	if protocol == 1 && payload[0] != 8 || protocol == 58 && payload[0] != 128 { // the answer to an echo request has its payload
		return source, 0, false
	}
	return source, binary.BigEndian.Uint32(payload[length+len(realMark):]), true
}
