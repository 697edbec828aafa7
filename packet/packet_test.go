package packet

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"net/netip"
	"testing"
)

// tcp4 builds an IPv4 TCP packet with right checksums.
func tcp4(flags byte, id uint16, sequence uint32, options, payload []byte) []byte {
	n := 40 + len(options) + len(payload)
	p := make([]byte, n)
	copy(p, []byte{0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, ProtocolTCP, 0, 0, 10, 0, 0, 1, 192, 168, 0, 1})
	IPv4(p).finish(n, id)
	fillTCP(p[20:], flags, sequence, options, payload)
	writeTransportChecksum(p, ProtocolTCP, 20, tcpChecksum)
	return p
}

func tcp6(flags byte, sequence uint32, options, payload []byte) []byte {
	p := make([]byte, 60+len(options)+len(payload))
	p[0], p[6], p[7], p[8], p[24] = 6<<4, ProtocolTCP, 64, 0xfd, 0xfd
	p[23], p[39] = 1, 2
	binary.BigEndian.PutUint16(p[v6PayloadLen:], uint16(len(p)-40))
	fillTCP(p[40:], flags, sequence, options, payload)
	writeTransportChecksum(p, ProtocolTCP, 40, tcpChecksum)
	return p
}

func fillTCP(h []byte, flags byte, sequence uint32, options, payload []byte) {
	binary.BigEndian.PutUint16(h, 4000)
	binary.BigEndian.PutUint16(h[2:], 80)
	binary.BigEndian.PutUint32(h[tcpSequence:], sequence)
	h[tcpDataOffset], h[tcpFlags], h[15] = byte(5+len(options)/4)<<4, flags, 200
	copy(h[20:], options)
	copy(h[20+len(options):], payload)
}

func udp4(payload []byte) []byte {
	p := make([]byte, 28+len(payload))
	copy(p, []byte{0x45, 0, 0, 0, 0, 0, 0, 0, 64, ProtocolUDP, 0, 0, 10, 0, 0, 1, 192, 168, 0, 1, 0, 9, 0, 10})
	IPv4(p).finish(len(p), 77)
	binary.BigEndian.PutUint16(p[24:], uint16(8+len(payload)))
	copy(p[28:], payload)
	writeTransportChecksum(p, ProtocolUDP, 20, udpChecksum)
	return p
}

func transportChecksumValid(t *testing.T, p []byte) bool {
	t.Helper()
	protocol, at, ok := transport(p)
	return ok && Sum(p[at:], pseudoHeaderSum(p, protocol, len(p)-at)) == 0xffff
}

func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i * 7)
	}
	return b
}

// A header seen on a wire, with the checksum that its sender's stack made.
func TestParseIPv4(t *testing.T) {
	b, _ := hex.DecodeString("450000730000400040" + "11b861c0a80001c0a800c7")
	b = append(b, make([]byte, 0x73-20+9)...)
	p, err := ParseIPv4(b)
	if err != nil || len(p) != 0x73 {
		t.Fatalf("ParseIPv4: %d bytes, %v", len(p), err)
	}
	if p.Source().String() != "192.168.0.1" || p.Destination().String() != "192.168.0.199" || p.Protocol() != ProtocolUDP || p.TTL() != 64 || !p.DontFragment() || p.MoreFragments() || p.FragmentOffset() != 0 {
		t.Fatalf("fields: %v %v %d", p.Source(), p.Destination(), p.Protocol())
	}
	if !p.ChecksumValid() {
		t.Fatal("checksum of a good header")
	}
	p[8]--
	if p.ChecksumValid() {
		t.Fatal("checksum of a changed header")
	}
}

func TestParseRefuses(t *testing.T) {
	good4, good6 := udp4(pattern(8)), tcp6(tcpACK, 1, nil, pattern(8))
	edit := func(p []byte, at int, b byte) []byte {
		p = bytes.Clone(p)
		p[at] = b
		return p
	}
	tests := []struct {
		name string
		b    []byte
		err  error
	}{
		{"nothing", nil, ErrTruncated},
		{"short", good4[:19], ErrTruncated},
		{"IPv6", good6, ErrVersion},
		{"header of 16 bytes", edit(good4, 0, 0x44), ErrHeader},
		{"total length under the header's", edit(good4, 3, 19), ErrHeader},
		{"options longer than the packet", edit(good4, 0, 0x4f), ErrHeader},
		{"total length over what is there", edit(good4, 3, 37), ErrTruncated},
	}
	for _, tt := range tests {
		if _, err := ParseIPv4(tt.b); err != tt.err {
			t.Errorf("ParseIPv4 of %s: %v, want %v", tt.name, err, tt.err)
		}
	}
	for _, tt := range []struct {
		name string
		b    []byte
		err  error
	}{{"short", good6[:39], ErrTruncated}, {"IPv4", tcp4(tcpACK, 1, 1, nil, nil), ErrVersion}, {"payload length over what is there", good6[:len(good6)-1], ErrTruncated}} {
		if _, err := ParseIPv6(tt.b); err != tt.err {
			t.Errorf("ParseIPv6 of %s: %v, want %v", tt.name, err, tt.err)
		}
	}
}

// RFC 1071 section 3's own example, and the definition applied word by word.
func TestSum(t *testing.T) {
	if got := Sum([]byte{0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7}, 0); got != 0xddf2 {
		t.Fatalf("RFC 1071's example: %04x, want ddf2", got)
	}
	slow := func(b []byte, initial uint16) uint16 {
		sum := uint64(initial)
		for i, x := range b {
			sum += uint64(x) << (8 * (1 - i%2))
		}
		for sum > 0xffff {
			sum = sum>>16 + sum&0xffff
		}
		return uint16(sum)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for n := range 300 {
		b := make([]byte, n)
		for range 20 {
			for i := range b {
				b[i] = []byte{0, 0xff, byte(r.Uint32())}[r.IntN(3)] // many carries
			}
			initial := uint16(r.Uint32())
			if got, want := Sum(b, initial), slow(b, initial); got != want {
				t.Fatalf("%d bytes: %04x, want %04x", n, got, want)
			}
		}
		for i := range b {
			b[i] = 0xff
		}
		if got, want := Sum(b, 0xffff), slow(b, 0xffff); got != want {
			t.Fatalf("%d bytes of ones: %04x, want %04x", n, got, want)
		}
	}
}

// RFC 1624 section 4's own example: the equation that RFC 1141 got wrong.
func TestAdjust(t *testing.T) {
	if got := Adjust(0xdd2f, 0x5555, 0x3285); got != 0x0000 {
		t.Fatalf("RFC 1624's example: %04x, want 0000", got)
	}
}

func TestSetTOS(t *testing.T) {
	p := IPv4(udp4(pattern(4)))
	for tos := range 256 {
		p.SetTOS(uint8(tos))
		if p.TOS() != uint8(tos) || !p.ChecksumValid() {
			t.Fatalf("TOS %x: %x, checksum %v", tos, p.TOS(), p.ChecksumValid())
		}
	}
	six := IPv6(tcp6(tcpACK, 1, nil, nil))
	before := bytes.Clone(six)
	six.SetTrafficClass(0xb9)
	if six.TrafficClass() != 0xb9 || Version(six) != 6 {
		t.Fatalf("traffic class %x of version %d", six.TrafficClass(), Version(six))
	}
	six.SetTrafficClass(0)
	if !bytes.Equal(before, six) {
		t.Fatal("SetTrafficClass touched something else")
	}
}

// RFC 6040 section 4.2, figure 4, all sixteen.
func TestDecapsulateECN(t *testing.T) {
	const drop ECN = 99
	want := map[[2]ECN]ECN{ // {inner, outer}
		{NotECT, NotECT}: NotECT, {NotECT, ECT0}: NotECT, {NotECT, ECT1}: NotECT, {NotECT, CE}: drop,
		{ECT0, NotECT}: ECT0, {ECT0, ECT0}: ECT0, {ECT0, ECT1}: ECT1, {ECT0, CE}: CE,
		{ECT1, NotECT}: ECT1, {ECT1, ECT0}: ECT1, {ECT1, ECT1}: ECT1, {ECT1, CE}: CE,
		{CE, NotECT}: CE, {CE, ECT0}: CE, {CE, ECT1}: CE, {CE, CE}: CE,
	}
	for k, want := range want {
		for _, p := range [][]byte{udp4(pattern(8)), tcp6(tcpACK, 1, nil, pattern(8))} {
			const dscp = 46 << 2
			if Version(p) == 4 {
				IPv4(p).SetTOS(dscp | k[0])
			} else {
				IPv6(p).SetTrafficClass(dscp | k[0])
			}
			// The outer DSCP must not come in: RFC 4301 section 5.1.2.1.
			ok := DecapsulateECN(p, 10<<2|k[1])
			if !ok && want != drop || ok && TOS(p) != dscp|want {
				t.Errorf("IPv%d, inner %d, outer %d: %v, TOS %x, want %x", Version(p), k[0], k[1], ok, TOS(p), dscp|want)
			}
			if Version(p) == 4 && !IPv4(p).ChecksumValid() {
				t.Errorf("inner %d, outer %d: checksum", k[0], k[1])
			}
		}
	}
}

func TestClampMSS(t *testing.T) {
	mss := func(n int) []byte { return []byte{2, 4, byte(n >> 8), byte(n)} }
	odd := append(append([]byte{1, 3, 3, 7}, 1), append(mss(1460), 1, 1, 0)...) // the value at an odd place
	tests := []struct {
		name    string
		p       []byte
		mtu, at int // where the value is, 0: must not change
		want    int
	}{
		{"SYN", tcp4(tcpSYN, 1, 1, mss(1460), nil), 1446, 42, 1406},
		{"SYN ACK", tcp4(tcpSYN|tcpACK, 1, 1, mss(1460), nil), 1446, 42, 1406},
		{"with data", tcp4(tcpSYN, 1, 1, mss(1460), pattern(31)), 1438, 42, 1398},
		{"odd place", tcp4(tcpSYN, 1, 1, odd, nil), 1422, 47, 1382},
		{"IPv6", tcp6(tcpSYN, 1, mss(1440), nil), 1446, 62, 1386},
		{"small enough", tcp4(tcpSYN, 1, 1, mss(1406), nil), 1446, 0, 0},
		{"no SYN", tcp4(tcpACK, 1, 1, mss(1460), nil), 1446, 0, 0},
		{"no option", tcp4(tcpSYN, 1, 1, []byte{1, 1, 1, 0}, nil), 1446, 0, 0},
		{"behind the end", tcp4(tcpSYN, 1, 1, append([]byte{0, 0, 0, 0}, mss(1460)...), nil), 1446, 0, 0},
		{"option cut off", tcp4(tcpSYN, 1, 1, []byte{1, 1, 2, 4}, nil), 1446, 0, 0},
		{"option of length 0", tcp4(tcpSYN, 1, 1, append([]byte{9, 0, 0, 0}, mss(1460)...), nil), 1446, 0, 0},
		{"UDP", udp4(pattern(40)), 100, 0, 0},
	}
	for _, tt := range tests {
		before := bytes.Clone(tt.p)
		changed := ClampMSS(tt.p, tt.mtu)
		if changed != (tt.at != 0) || !changed && !bytes.Equal(before, tt.p) {
			t.Errorf("%s: changed %v", tt.name, changed)
		}
		if changed && int(binary.BigEndian.Uint16(tt.p[tt.at:])) != tt.want {
			t.Errorf("%s: MSS %d, want %d", tt.name, binary.BigEndian.Uint16(tt.p[tt.at:]), tt.want)
		}
		if !transportChecksumValid(t, tt.p) {
			t.Errorf("%s: checksum", tt.name)
		}
	}
	fragment := tcp4(tcpSYN, 1, 1, mss(1460), nil)
	fragment[6], fragment[7] = 0, 5
	if ClampMSS(fragment, 1400) {
		t.Error("clamped a later fragment, which has no TCP header")
	}
}

// fragments cuts p; reassemble puts the pieces together by their own offsets.
func fragments(t *testing.T, p IPv4, mtu int) []IPv4 {
	t.Helper()
	var all []IPv4
	for offset := 0; ; {
		dst := make([]byte, mtu)
		n, next := FragmentIPv4(dst, p, mtu, offset)
		f, err := ParseIPv4(dst[:n])
		if err != nil || len(f) != n || !f.ChecksumValid() {
			t.Fatalf("fragment at %d of %d bytes: %v", offset, n, err)
		}
		all = append(all, f)
		if next == 0 {
			return all
		}
		if next <= offset {
			t.Fatalf("offset %d after %d", next, offset)
		}
		offset = next
	}
}

func TestFragmentIPv4(t *testing.T) {
	for _, mtu := range []int{68, 576, 1406, 1438, 1446} {
		for _, size := range []int{mtu - 28 + 1, 1473, 4000, 65535 - 28} {
			p := IPv4(udp4(pattern(size)))
			var whole []byte
			all := fragments(t, p, mtu)
			for i, f := range all {
				if len(f) > mtu || f.ID() != p.ID() || f.FragmentOffset() != len(whole) || f.MoreFragments() != (i < len(all)-1) || f.Source() != p.Source() {
					t.Fatalf("mtu %d, size %d: fragment %d of %d bytes at %d, more %v", mtu, size, i, len(f), f.FragmentOffset(), f.MoreFragments())
				}
				whole = append(whole, f.Payload()...)
			}
			if !bytes.Equal(whole, p.Payload()) {
				t.Fatalf("mtu %d, size %d: %d bytes came together", mtu, size, len(whole))
			}
		}
	}
}

func TestFragmentOfAFragment(t *testing.T) {
	p := IPv4(udp4(pattern(3000)))
	middle := fragments(t, p, 1500)[1] // 1480 to 2960, more to come
	all := fragments(t, middle, 800)
	if first, last := all[0], all[len(all)-1]; first.FragmentOffset() != 1480 || !last.MoreFragments() {
		t.Fatalf("first at %d, last says more: %v", first.FragmentOffset(), last.MoreFragments())
	}
}

// RFC 791 section 3.1: an option without the copied flag is in the first
// fragment only, one with it in all.
func TestFragmentCopiesOptions(t *testing.T) {
	options := []byte{7, 3, 4, 0x88, 4, 1, 2, 0} // record route, then stream identifier (copied), end
	plain := udp4(pattern(200))
	p := append(append(bytes.Clone(plain[:20]), options...), plain[20:]...)
	p[0] = 0x47
	IPv4(p).finish(len(p), 5)
	all := fragments(t, p, 100)
	if !bytes.Equal(all[0][20:28], options) {
		t.Fatalf("first: %x", all[0][20:all[0].HeaderLen()])
	}
	for _, f := range all[1:] {
		if !bytes.Equal(f[20:f.HeaderLen()], []byte{0x88, 4, 1, 2}) {
			t.Fatalf("later: %x", f[20:f.HeaderLen()])
		}
	}
}

func TestFragmentNeedsRoom(t *testing.T) {
	if n, _ := FragmentIPv4(make([]byte, 20), udp4(pattern(99)), 20, 0); n != 0 {
		t.Fatal("a fragment without payload")
	}
}

func TestAppendFragmentationNeeded(t *testing.T) {
	from := netip.MustParseAddr("169.254.10.1")
	p := IPv4(tcp4(tcpACK, 1, 1, nil, pattern(1460)))
	b, ok := AppendFragmentationNeeded(nil, from, p, 1446)
	made, err := ParseIPv4(b)
	if !ok || err != nil || len(made) != 576 || !made.ChecksumValid() || made.Source() != from || made.Destination() != p.Source() || made.Protocol() != ProtocolICMP {
		t.Fatalf("%x, %v", b, err)
	}
	message := made.Payload()
	if message[0] != 3 || message[1] != 4 || binary.BigEndian.Uint16(message[6:]) != 1446 || Sum(message, 0) != 0xffff || !bytes.Equal(message[8:], p[:548]) {
		t.Fatalf("message %x", message)
	}
	for name, edit := range map[string]func(IPv4){
		"later fragment": func(p IPv4) { p[7] = 9 },
		"ICMP error":     func(p IPv4) { p[9], p[20] = ProtocolICMP, 3 },
		"from nobody":    func(p IPv4) { copy(p[12:], []byte{0, 0, 0, 0}) },
		"to a group":     func(p IPv4) { p[16] = 224 },
		"to everybody":   func(p IPv4) { copy(p[16:], []byte{255, 255, 255, 255}) },
		"from a group":   func(p IPv4) { p[12] = 239 },
	} {
		p := IPv4(bytes.Clone(p))
		edit(p)
		if b, ok := AppendFragmentationNeeded(nil, from, p, 1446); ok || len(b) != 0 {
			t.Errorf("answered %s", name)
		}
	}
	echo := IPv4(bytes.Clone(p))
	echo[9], echo[20] = ProtocolICMP, 8
	if _, ok := AppendFragmentationNeeded(nil, from, echo, 1446); !ok {
		t.Error("did not answer an echo request")
	}
}

func TestAppendPacketTooBig(t *testing.T) {
	from := netip.MustParseAddr("fd00::1")
	p := IPv6(tcp6(tcpACK, 1, nil, pattern(1460)))
	b, ok := AppendPacketTooBig(nil, from, p, 1426)
	made, err := ParseIPv6(b)
	if !ok || err != nil || len(made) != 1280 || made.Source() != from || made.Destination() != p.Source() || made.NextHeader() != ProtocolICMPv6 {
		t.Fatalf("%x, %v", b, err)
	}
	if message := made.Payload(); message[0] != 2 || message[1] != 0 || binary.BigEndian.Uint32(message[4:]) != 1426 || !transportChecksumValid(t, made) || !bytes.Equal(message[8:], p[:1232]) {
		t.Fatalf("message %x", message)
	}
	p[v6NextHeader], p[40] = ProtocolICMPv6, 1
	if _, ok := AppendPacketTooBig(nil, from, p, 1426); ok {
		t.Error("answered an ICMPv6 error")
	}
}
