package nat64

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"

	"causeway.dev/packet"
)

var (
	prefix  = netip.MustParsePrefix("64:ff9b::/96")
	within  = netip.MustParsePrefix("240.0.0.0/5")
	host    = netip.MustParseAddr("2001:db8:0:1::4")
	router  = netip.MustParseAddr("2001:db8:0:1::1")
	server4 = netip.MustParseAddr("192.0.2.33")
	server6 = Embed(prefix, server4)
)

const mtu = 1500

// site is a translator for one host, and the address that stands for it.
func site() (*Translator, *Hosts, netip.Addr) {
	hosts := NewHosts(nil, within, []netip.Addr{host})
	return New(Config{Prefix: prefix, MTU: mtu}), hosts, netip.AddrFrom4(hosts.ipv4[host.As16()])
}

// translate returns what becomes of a packet, which is kept as it is.
func translate(t testing.TB, p []byte) ([][]byte, Drop) {
	t.Helper()
	translator, hosts, _ := site()
	var o Output
	drop := translator.Translate(&o, hosts, bytes.Clone(p))
	for _, made := range o.Packets {
		checkWhole(t, made)
	}
	return o.Packets, drop
}

// one is translate where there is one.
func one(t testing.TB, p []byte) []byte {
	t.Helper()
	made, drop := translate(t, p)
	if drop != 0 || len(made) != 1 {
		t.Fatalf("%x becomes %x, dropped as %q", p, made, DropNames[drop])
	}
	return made[0]
}

// checkWhole checks lengths, and the checksum of the header.
func checkWhole(t testing.TB, p []byte) {
	t.Helper()
	if packet.Version(p) == 4 {
		if v4, err := packet.ParseIPv4(p); err != nil || len(v4) != len(p) || !v4.ChecksumValid() {
			t.Fatalf("%x: %v", p, err)
		}
		return
	}
	if v6, err := packet.ParseIPv6(p); err != nil || len(v6) != len(p) || len(p) > mtu {
		t.Fatalf("%x: %v", p, err)
	}
}

// sum is the checksum of a packet's payload, which is 0 where it is right. It goes by
// the definition, over all bytes.
func sum(t testing.TB, p []byte) uint16 {
	t.Helper()
	var source, destination netip.Addr
	var payload []byte
	var protocol uint8
	if packet.Version(p) == 4 {
		v4 := packet.IPv4(p)
		source, destination, payload, protocol = v4.Source(), v4.Destination(), v4.Payload(), v4.Protocol()
	} else {
		v6 := packet.IPv6(p)
		source, destination, payload, protocol = v6.Source(), v6.Destination(), v6.Payload(), v6.NextHeader()
	}
	var covered []byte
	if protocol != packet.ProtocolICMP {
		covered = append(append(covered, source.AsSlice()...), destination.AsSlice()...)
		covered = binary.BigEndian.AppendUint32(covered, uint32(len(payload)))
		covered = append(covered, 0, 0, 0, protocol)
	}
	covered = append(covered, payload...)
	if len(covered)%2 == 1 {
		covered = append(covered, 0)
	}
	total := uint32(0)
	for i := 0; i < len(covered); i += 2 {
		total += uint32(binary.BigEndian.Uint16(covered[i:]))
	}
	for total > 0xffff {
		total = total>>16 + total&0xffff
	}
	return ^uint16(total)
}

// packetOf is a packet with a right checksum of its payload at some place.
func packetOf(t testing.TB, source, destination netip.Addr, protocol uint8, payload []byte, checksumAt int) []byte {
	t.Helper()
	payload = bytes.Clone(payload)
	payload[checksumAt], payload[checksumAt+1] = 0, 0
	right := sum(t, packet.AppendIP(nil, source, destination, 0, protocol, payload))
	if right == 0 && protocol == packet.ProtocolUDP {
		right = 0xffff
	}
	binary.BigEndian.PutUint16(payload[checksumAt:], right)
	return packet.AppendIP(nil, source, destination, 0xb8, protocol, payload)
}

// segment is a TCP segment or a UDP datagram with random content.
func segment(random *rand.Rand, protocol uint8, bytes int) []byte {
	p := make([]byte, bytes)
	for i := range p {
		p[i] = byte(random.Uint32())
	}
	if protocol == packet.ProtocolUDP {
		binary.BigEndian.PutUint16(p[4:], uint16(bytes))
	}
	return p
}

// turned is a packet with sender and receiver exchanged, the way its answer would be,
// what it quotes included. No checksum depends on who is who.
func turned(p []byte) []byte {
	p = bytes.Clone(p)
	turn(p)
	return p
}

func turn(p []byte) {
	at, size, payload, errorMax := v4Source, 4, packet.IPv4HeaderLen, -1
	protocol := p[9]
	if packet.Version(p) == 6 {
		at, size, payload, protocol = v6Source, 16, packet.IPv6HeaderLen, p[6]
	}
	source := bytes.Clone(p[at : at+size])
	copy(p[at:], p[at+size:at+2*size])
	copy(p[at+size:], source)
	if protocol == packet.ProtocolICMPv6 {
		errorMax = 127
	}
	if kind := int(p[payload]); protocol == packet.ProtocolICMPv6 && kind <= errorMax || protocol == packet.ProtocolICMP && kind != v4Echo && kind != v4EchoReply {
		turn(p[payload+icmpHeaderLen:])
	}
}

// TestThereAndBack translates packets to IPv6, lets them go the other way, and finds
// them as they were.
func TestThereAndBack(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	_, _, standIn := site()
	for range 2000 {
		protocol, at, least := uint8(packet.ProtocolTCP), tcpChecksum, tcpHeaderLen
		switch random.IntN(3) {
		case 1:
			protocol, at, least = packet.ProtocolUDP, udpChecksum, udpHeaderLen
		case 2:
			protocol, at, least = packet.ProtocolICMP, 2, icmpHeaderLen
		}
		payload := segment(random, protocol, least+random.IntN(1200))
		if protocol == packet.ProtocolICMP {
			payload[0], payload[1] = [...]byte{v4Echo, v4EchoReply}[random.IntN(2)], 0
		}
		p := packetOf(t, server4, standIn, protocol, payload, at)
		there := one(t, p)
		if packet.IPv6(there).Source() != server6 || packet.IPv6(there).Destination() != host || packet.IPv6(there).TrafficClass() != 0xb8 || sum(t, there) != 0 {
			t.Fatalf("%x becomes %x, whose checksum is off by %#x", p, there, sum(t, there))
		}
		back := turned(one(t, turned(there)))
		if !bytes.Equal(back[packet.IPv4HeaderLen:], p[packet.IPv4HeaderLen:]) || packet.IPv4(back).Source() != server4 || packet.IPv4(back).Destination() != standIn {
			t.Fatalf("%x becomes %x, and back %x", p, there, back)
		}
		if fragmentable := len(back) <= atomicMax; packet.IPv4(back).DontFragment() == fragmentable || fragmentable == (packet.IPv4(back).ID() == 0) {
			t.Fatalf("of %d bytes, it may be fragmented: %v, with id %d", len(back), !packet.IPv4(back).DontFragment(), packet.IPv4(back).ID())
		}
	}
}

// errorMessage is an ICMP error about a packet.
func errorMessage(kind, code uint8, rest uint32, about []byte) []byte {
	m := binary.BigEndian.AppendUint32([]byte{kind, code, 0, 0}, rest)
	return append(m, about...)
}

func TestErrorsToIPv6(t *testing.T) {
	_, _, standIn := site()
	sent := packetOf(t, standIn, server4, packet.ProtocolTCP, segment(rand.New(rand.NewPCG(3, 4)), packet.ProtocolTCP, 400), tcpChecksum)
	somewhere := netip.MustParseAddr("198.51.100.9")
	const none = 0xff
	for _, c := range []struct {
		kind, code uint8
		rest       uint32
		wantKind   uint8
		wantCode   uint8
		wantRest   uint32
	}{
		{v4Unreachable, 0, 0, v6Unreachable, 0, 0}, {v4Unreachable, 1, 0, v6Unreachable, 0, 0}, {v4Unreachable, 2, 0, v6ParameterProblem, 1, 6},
		{v4Unreachable, 3, 0, v6Unreachable, 4, 0}, {v4Unreachable, 13, 0, v6Unreachable, 1, 0}, {v4Unreachable, 10, 0, v6Unreachable, 1, 0},
		{v4Unreachable, 14, 0, none, 0, 0}, {v4Unreachable, 16, 0, none, 0, 0},
		{v4Unreachable, 4, 1400, v6PacketTooBig, 0, 1420}, {v4Unreachable, 4, 9000, v6PacketTooBig, 0, mtu}, {v4Unreachable, 4, 576, v6PacketTooBig, 0, 1280},
		{v4Unreachable, 4, 0, v6PacketTooBig, 0, 1300}, // the quoted packet says 420 bytes: no plateau is below, so the least
		{v4TimeExceeded, 0, 0, v6TimeExceeded, 0, 0}, {v4TimeExceeded, 1, 0, v6TimeExceeded, 1, 0}, {v4TimeExceeded, 2, 0, none, 0, 0},
		{v4ParameterProblem, 0, 8 << 24, v6ParameterProblem, 0, 7}, {v4ParameterProblem, 2, 16 << 24, v6ParameterProblem, 0, 24}, {v4ParameterProblem, 0, 5 << 24, none, 0, 0},
		{4, 0, 0, none, 0, 0}, {5, 0, 0, none, 0, 0}, {13, 0, 0, none, 0, 0},
	} {
		p := packetOf(t, somewhere, standIn, packet.ProtocolICMP, errorMessage(c.kind, c.code, c.rest, sent), 2)
		if c.wantKind == none {
			if made, drop := translate(t, p); drop != Untranslated || len(made) > 0 {
				t.Errorf("type %d code %d becomes %x, dropped as %q", c.kind, c.code, made, DropNames[drop])
			}
			continue
		}
		made := one(t, p)
		message := made[packet.IPv6HeaderLen:]
		if message[0] != c.wantKind || message[1] != c.wantCode || binary.BigEndian.Uint32(message[4:]) != c.wantRest || sum(t, made) != 0 {
			t.Errorf("type %d code %d rest %#x becomes %x", c.kind, c.code, c.rest, message[:8])
		}
		quoted := message[icmpHeaderLen:]
		if packet.IPv6(made).Source() != Embed(prefix, somewhere) || packet.IPv6(quoted).Source() != host || packet.IPv6(quoted).Destination() != server6 || sum(t, quoted) != 0 {
			t.Errorf("type %d code %d: it is from %v about %x", c.kind, c.code, packet.IPv6(made).Source(), quoted)
		}
	}
}

func TestErrorsToIPv4(t *testing.T) {
	_, _, standIn := site()
	sent := packetOf(t, server6, host, packet.ProtocolUDP, segment(rand.New(rand.NewPCG(5, 6)), packet.ProtocolUDP, 300), udpChecksum)
	const none = 0xff
	for _, c := range []struct {
		kind, code uint8
		rest       uint32
		wantKind   uint8
		wantCode   uint8
		wantRest   uint32
	}{
		{v6Unreachable, 0, 0, v4Unreachable, 1, 0}, {v6Unreachable, 1, 0, v4Unreachable, 10, 0}, {v6Unreachable, 3, 0, v4Unreachable, 1, 0},
		{v6Unreachable, 4, 0, v4Unreachable, 3, 0}, {v6Unreachable, 5, 0, none, 0, 0},
		{v6PacketTooBig, 0, 1400, v4Unreachable, 4, 1380}, {v6PacketTooBig, 0, 100, v4Unreachable, 4, 1260}, {v6PacketTooBig, 0, 1 << 30, v4Unreachable, 4, mtu - 20},
		{v6TimeExceeded, 1, 0, v4TimeExceeded, 1, 0}, {v6TimeExceeded, 7, 0, none, 0, 0},
		{v6ParameterProblem, 1, 6, v4Unreachable, 2, 0}, {v6ParameterProblem, 0, 7, v4ParameterProblem, 0, 8 << 24}, {v6ParameterProblem, 0, 2, none, 0, 0}, {v6ParameterProblem, 2, 40, none, 0, 0},
		{133, 0, 0, none, 0, 0}, {135, 0, 0, none, 0, 0},
	} {
		for _, from := range []netip.Addr{host, router} { // who speaks for the host, but is not known itself
			p := packetOf(t, from, server6, packet.ProtocolICMPv6, errorMessage(c.kind, c.code, c.rest, sent), 2)
			if c.wantKind == none {
				if made, drop := translate(t, p); drop != Untranslated || len(made) > 0 {
					t.Errorf("type %d code %d becomes %x, dropped as %q", c.kind, c.code, made, DropNames[drop])
				}
				continue
			}
			made := one(t, p)
			message := made[packet.IPv4HeaderLen:]
			if message[0] != c.wantKind || message[1] != c.wantCode || binary.BigEndian.Uint32(message[4:]) != c.wantRest || sum(t, made) != 0 {
				t.Errorf("type %d code %d rest %#x becomes %x", c.kind, c.code, c.rest, message[:8])
			}
			quoted := message[icmpHeaderLen:]
			checkWhole(t, quoted)
			if packet.IPv4(made).Source() != standIn || packet.IPv4(made).Destination() != server4 || packet.IPv4(quoted).Source() != server4 || packet.IPv4(quoted).Destination() != standIn || sum(t, quoted) != 0 {
				t.Errorf("type %d code %d: %x", c.kind, c.code, made)
			}
		}
	}
}

// TestQuotedEchoes has a ping that finds nobody.
func TestQuotedEchoes(t *testing.T) {
	_, _, standIn := site()
	echo := packetOf(t, standIn, server4, packet.ProtocolICMP, []byte{v4Echo, 0, 0, 0, 1, 2, 3, 4, 'x'}, 2)
	made := one(t, packetOf(t, server4, standIn, packet.ProtocolICMP, errorMessage(v4Unreachable, 1, 0, echo), 2))
	quoted := made[packet.IPv6HeaderLen+icmpHeaderLen:]
	if quoted[packet.IPv6HeaderLen] != v6Echo || packet.IPv6(quoted).NextHeader() != packet.ProtocolICMPv6 || sum(t, quoted) != 0 {
		t.Errorf("an echo is quoted as %x", quoted)
	}
	back := turned(one(t, turned(made)))
	if got := back[packet.IPv4HeaderLen+icmpHeaderLen+packet.IPv4HeaderLen:]; !bytes.Equal(got, echo[packet.IPv4HeaderLen:]) {
		t.Errorf("and back as %x, want %x", got, echo[packet.IPv4HeaderLen:])
	}
}

// TestTooBig has packets of IPv4 that do not fit when they are of IPv6.
func TestTooBig(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	_, _, standIn := site()
	fits := packetOf(t, server4, standIn, packet.ProtocolTCP, segment(random, packet.ProtocolTCP, 1460), tcpChecksum)
	setFragment(fits, 7, v4DontFragment)
	if made := one(t, fits); len(made) != mtu {
		t.Errorf("%d bytes become %d", len(fits), len(made))
	}
	big := packetOf(t, server4, standIn, packet.ProtocolTCP, segment(random, packet.ProtocolTCP, 1464), tcpChecksum)
	setFragment(big, 7, v4DontFragment)
	made, drop := translate(t, big)
	if drop != TooBig || len(made) != 1 {
		t.Fatalf("%d bytes become %d packets, dropped as %q", len(big), len(made), DropNames[drop])
	}
	answer := packet.IPv4(made[0])
	if message := answer.Payload(); answer.Destination() != server4 || answer.Source() != standIn || message[0] != v4Unreachable || message[1] != 4 || binary.BigEndian.Uint16(message[6:]) != mtu-20 {
		t.Errorf("the sender is told %x", made[0])
	}

	setFragment(big, 7, 0)
	parts, drop := translate(t, big)
	if drop != 0 || len(parts) != 2 {
		t.Fatalf("where it may be fragmented, it becomes %d packets, dropped as %q", len(parts), DropNames[drop])
	}
	whole := reassemble(t, parts, 7)
	if whole := packet.AppendIP(nil, server6, host, 0, packet.ProtocolTCP, whole); sum(t, whole) != 0 || len(whole) != packet.IPv6HeaderLen+1464 {
		t.Errorf("the fragments make up %d bytes, with a checksum that is off by %#x", len(whole), sum(t, whole))
	}
}

func setFragment(p []byte, id, field uint16) {
	binary.BigEndian.PutUint16(p[4:], id)
	binary.BigEndian.PutUint16(p[6:], field)
	binary.BigEndian.PutUint16(p[10:], 0)
	binary.BigEndian.PutUint16(p[10:], ^packet.Sum(p[:packet.IPv4HeaderLen], 0))
}

// reassemble puts fragments of IPv6 together.
func reassemble(t *testing.T, parts [][]byte, id uint32) (whole []byte) {
	t.Helper()
	for i, p := range parts {
		f := p[packet.IPv6HeaderLen:]
		field := binary.BigEndian.Uint16(f[2:])
		if last := i == len(parts)-1; p[6] != headerFragment || binary.BigEndian.Uint32(f[4:]) != id || int(field>>3)*8 != len(whole) || (field&1 == 0) != last {
			t.Fatalf("fragment %d is %x", i, p[:packet.IPv6HeaderLen+fragmentHeaderLen])
		}
		whole = append(whole, f[fragmentHeaderLen:]...)
	}
	return whole
}

// TestFragments sends a datagram in fragments, there and back.
func TestFragments(t *testing.T) {
	_, _, standIn := site()
	datagram := packetOf(t, server4, standIn, packet.ProtocolUDP, segment(rand.New(rand.NewPCG(9, 10)), packet.ProtocolUDP, 3000), udpChecksum)
	setFragment(datagram, 99, 0)
	var parts, back [][]byte
	for offset := 0; ; {
		buffer := make([]byte, 1400)
		n, next := packet.FragmentIPv4(buffer, datagram, 1400, offset)
		made := one(t, buffer[:n])
		parts = append(parts, made)
		back = append(back, one(t, turned(made)))
		if offset = next; next == 0 {
			break
		}
	}
	whole := packet.AppendIP(nil, server6, host, 0, packet.ProtocolUDP, reassemble(t, parts, 99))
	if sum(t, whole) != 0 {
		t.Errorf("the fragments make up a datagram whose checksum is off by %#x", sum(t, whole))
	}
	for i, p := range back {
		v4 := packet.IPv4(p)
		if v4.ID() != 99 || v4.MoreFragments() != (i < len(back)-1) || v4.DontFragment() || v4.FragmentOffset() != i*1376 {
			t.Errorf("fragment %d comes back as %x", i, p[:packet.IPv4HeaderLen])
		}
	}
}

func TestWithoutChecksum(t *testing.T) {
	_, _, standIn := site()
	random := rand.New(rand.NewPCG(11, 12))
	p := packetOf(t, server4, standIn, packet.ProtocolUDP, segment(random, packet.ProtocolUDP, 101), udpChecksum)
	p[packet.IPv4HeaderLen+udpChecksum], p[packet.IPv4HeaderLen+udpChecksum+1] = 0, 0
	if made := one(t, p); sum(t, made) != 0 || binary.BigEndian.Uint16(made[packet.IPv6HeaderLen+udpChecksum:]) == 0 {
		t.Errorf("it becomes %x", made)
	}
	setFragment(p, 1, v4MoreFragments)
	if made, drop := translate(t, p); drop != Fragmented {
		t.Errorf("a fragment becomes %x, dropped as %q", made, DropNames[drop])
	}
}

func TestDrops(t *testing.T) {
	_, _, standIn := site()
	tcp := make([]byte, tcpHeaderLen)
	from6 := func(source, destination netip.Addr, protocol uint8, payload []byte) []byte {
		return packet.AppendIP(nil, source, destination, 0, protocol, payload)
	}
	routing := append([]byte{packet.ProtocolTCP, 0, 0, 1, 0, 0, 0, 0}, tcp...)
	ping := []byte{v6Echo, 0, 0, 0, 0, 0, 0, 0}
	sourceRouted := append([]byte{0x47, 0, 0, 28, 0, 0, 0, 0, 64, 6, 0, 0, 192, 0, 2, 33}, append(standIn.AsSlice(), 131, 7, 4, 10, 0, 0, 1, 0)...)
	for what, c := range map[string]struct {
		p    []byte
		want Drop
	}{
		"nothing":                       {nil, Malformed},
		"another version":               {[]byte{0x50, 0}, Malformed},
		"a stranger":                    {from6(router, server6, packet.ProtocolTCP, tcp), Stranger},
		"a stranger's ping":             {from6(router, server6, packet.ProtocolICMPv6, ping), Stranger},
		"not for the prefix":            {from6(host, router, packet.ProtocolTCP, tcp), Unreachable},
		"for itself":                    {from6(host, Embed(prefix, netip.MustParseAddr("127.0.0.1")), packet.ProtocolTCP, tcp), Unreachable},
		"for its link":                  {from6(host, Embed(prefix, netip.MustParseAddr("169.254.169.254")), packet.ProtocolTCP, tcp), Unreachable},
		"for many":                      {from6(host, Embed(prefix, netip.MustParseAddr("224.0.0.1")), packet.ProtocolTCP, tcp), Unreachable},
		"back to where it comes from":   {from6(host, Embed(prefix, standIn), packet.ProtocolTCP, tcp), Unreachable},
		"another protocol":              {from6(host, server6, 47, tcp), Untranslated},
		"half a header":                 {from6(host, server6, packet.ProtocolTCP, tcp[:19]), Malformed},
		"by other places":               {from6(host, server6, headerRouting, routing), Unfinished},
		"by other places, in IPv4":      {sourceRouted, Unfinished},
		"half a ping":                   {from6(host, server6, packet.ProtocolICMPv6, ping[:6]), Malformed},
		"part of a ping":                {from6(host, server6, headerFragment, append([]byte{packet.ProtocolICMPv6, 0, 0, 1, 0, 0, 0, 0}, ping...)), Fragmented},
		"for nobody who is translated":  {from6(server4, netip.MustParseAddr("240.0.0.9"), packet.ProtocolTCP, tcp), Unreachable},
		"an error about somebody else":  {from6(server4, standIn, packet.ProtocolICMP, errorMessage(v4Unreachable, 1, 0, from6(server4, server4, packet.ProtocolTCP, tcp))), Stranger},
		"an error about something else": {from6(host, server6, packet.ProtocolICMPv6, errorMessage(v6Unreachable, 0, 0, from6(router, host, packet.ProtocolTCP, tcp))), Stranger},
	} {
		if made, drop := translate(t, c.p); drop != c.want || len(made) > 0 {
			t.Errorf("%s becomes %x, dropped as %q, want %q", what, made, DropNames[drop], DropNames[c.want])
		}
	}
	options := append([]byte{headerDestination, 0, 0, 0, 0, 0, 0, 0, packet.ProtocolTCP, 1}, make([]byte, 14)...)
	if made := one(t, from6(host, server6, headerHopByHop, append(options, tcp...))); len(made) != packet.IPv4HeaderLen+tcpHeaderLen || made[9] != packet.ProtocolTCP {
		t.Errorf("with options it becomes %x", made)
	}
}

func TestHostsKeepTheirAddresses(t *testing.T) {
	var all []netip.Addr
	for i := range byte(100) {
		all = append(all, netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 15: i}))
	}
	first := NewHosts(nil, within, all)
	for address, host := range first.ipv6 {
		if !within.Contains(netip.AddrFrom4(address)) || first.ipv4[host] != address {
			t.Fatalf("%v stands for %v", address, host)
		}
	}
	again := NewHosts(nil, within, all[50:])
	small := netip.MustParsePrefix("240.0.0.0/29") // where they meet
	crowded := NewHosts(nil, small, all[:4])
	more := NewHosts(crowded, small, all[1:9])
	if len(first.ipv4) != 100 || len(more.ipv4) != 7 {
		t.Errorf("%d of 100 and %d of 8 have an address, want 100 and the 7 that there are", len(first.ipv4), len(more.ipv4))
	}
	for i, a := range all[50:] {
		if first.ipv4[a.As16()] != again.ipv4[a.As16()] {
			t.Errorf("host %d has another address when it is asked for anew", i)
		}
	}
	for i, a := range all[1:4] {
		if crowded.ipv4[a.As16()] != more.ipv4[a.As16()] {
			t.Errorf("host %d has lost its address", i)
		}
	}
}

// FuzzTranslate takes anything for a packet. What becomes of it is whole, its checksum
// right if it was, and nothing is written beyond its room.
func FuzzTranslate(f *testing.F) {
	_, _, standIn := site()
	random := rand.New(rand.NewPCG(13, 14))
	f.Add(packetOf(f, server4, standIn, packet.ProtocolTCP, segment(random, packet.ProtocolTCP, 40), tcpChecksum))
	f.Add(packetOf(f, host, server6, packet.ProtocolUDP, segment(random, packet.ProtocolUDP, 40), udpChecksum))
	sent := packetOf(f, server6, host, packet.ProtocolUDP, segment(random, packet.ProtocolUDP, 60), udpChecksum)
	f.Add(packetOf(f, router, server6, packet.ProtocolICMPv6, errorMessage(v6PacketTooBig, 0, 1280, sent), 2))
	answered := packetOf(f, standIn, server4, packet.ProtocolICMP, []byte{v4Echo, 0, 0, 0, 1, 2, 3, 4}, 2)
	f.Add(packetOf(f, server4, standIn, packet.ProtocolICMP, errorMessage(v4Unreachable, 4, 0, answered), 2))
	f.Add(packet.AppendIP(nil, host, server6, 0, headerFragment, append([]byte{packet.ProtocolUDP, 0, 0, 9, 0, 0, 0, 1}, make([]byte, 16)...)))
	f.Fuzz(func(t *testing.T, p []byte) {
		made, _ := translate(t, p)
		if len(made) != 1 {
			return
		}
		h, drop := readAny(p)
		if drop != 0 || h.fragment || h.length != len(h.payload) || sum(t, plain(p, h)) != 0 {
			return
		}
		if got, drop := readAny(made[0]); drop != 0 || !got.fragment && sum(t, made[0]) != 0 {
			t.Errorf("%x becomes %x, dropped as %q", p, made[0], DropNames[drop])
		}
	})
}

func readAny(p []byte) (header, Drop) {
	if packet.Version(p) == 4 {
		return readIPv4(p)
	}
	return readIPv6(p)
}

// plain is a packet without options.
func plain(p []byte, h header) []byte {
	if packet.Version(p) == 4 {
		return packet.AppendIP(nil, netip.AddrFrom4([4]byte(h.source)), netip.AddrFrom4([4]byte(h.destination)), 0, h.protocol, h.payload)
	}
	return packet.AppendIP(nil, netip.AddrFrom16([16]byte(h.source)), netip.AddrFrom16([16]byte(h.destination)), 0, h.protocol, h.payload)
}

func BenchmarkTranslate(b *testing.B) {
	translator, hosts, standIn := site()
	random := rand.New(rand.NewPCG(15, 16))
	for name, p := range map[string][]byte{
		"ToIPv4": packetOf(b, host, server6, packet.ProtocolTCP, segment(random, packet.ProtocolTCP, 1440), tcpChecksum),
		"ToIPv6": packetOf(b, server4, standIn, packet.ProtocolTCP, segment(random, packet.ProtocolTCP, 1440), tcpChecksum),
	} {
		b.Run(name, func(b *testing.B) {
			var o Output
			b.ReportAllocs()
			b.SetBytes(int64(len(p)))
			for b.Loop() {
				o.Reset()
				if drop := translator.Translate(&o, hosts, p); drop != 0 {
					b.Fatal(DropNames[drop])
				}
			}
		})
	}
}
