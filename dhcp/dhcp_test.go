package dhcp

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"
	"time"
)

var (
	mac   = [6]byte{2, 0, 0, 0, 1, 50}
	lease = Lease{
		MAC: mac, Address: netip.MustParsePrefix("10.0.1.50/24"), Router: netip.MustParseAddr("10.0.1.1"), Time: time.Hour,
		HostName: "ip-10-0-1-50", Resolvers: []netip.Addr{netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("10.0.9.9")},
		Domain: "ec2.internal", MTU: 1500, LinkLocal: []netip.Addr{netip.MustParseAddr("169.254.169.253")},
		TimeServers: []netip.Addr{netip.MustParseAddr("192.0.2.1")}, NetBIOSServers: []netip.Addr{netip.MustParseAddr("192.0.2.2")}, NetBIOSNodeType: 2,
	}
	unspecified = netip.IPv4Unspecified()
)

// question is a client's message as Parse would return it.
func question(kind Type, change func(*Message)) Message {
	m := Message{Type: kind, ID: 0x12345678, Client: unspecified, Relay: unspecified, MAC: mac}
	if change != nil {
		change(&m)
	}
	return m
}

// read takes an answer apart: its options, and its address for the client.
func read(t *testing.T, r Reply) (o options, yours netip.Addr) {
	t.Helper()
	b := r.Message
	if len(b) < messageLengthMin || b[0] != bootReply || binary.BigEndian.Uint32(b[atID:]) != 0x12345678 || [6]byte(b[atMAC:]) != mac {
		t.Fatalf("answer % x", b)
	}
	o, err := readOptions(b)
	if err != nil {
		t.Fatal(err)
	}
	if Type(o[optionType][0]) != r.Type || !bytes.Equal(o[optionServer], lease.Router.AsSlice()) {
		t.Errorf("type and server are % x, % x", o[optionType], o[optionServer])
	}
	return o, addressAt(b, atYours)
}

// What the interface's host is told, byte by byte as the options' definitions have it:
// RFC 2132 sections 3 to 9, RFC 3442.
func TestOffer(t *testing.T) {
	r, ok := lease.Answer(question(Discover, func(m *Message) { m.ClientID = []byte{1, 2, 3} }))
	if !ok || r.Type != Offer || r.To != lease.Address.Addr() || r.MAC != mac {
		t.Fatalf("%+v, %v", r, ok)
	}
	o, yours := read(t, r)
	if yours != lease.Address.Addr() {
		t.Errorf("offered %v", yours)
	}
	for code, want := range map[byte][]byte{
		optionSubnetMask:   {255, 255, 255, 0},
		optionRouter:       {10, 0, 1, 1},
		optionResolvers:    {10, 0, 0, 2, 10, 0, 9, 9},
		optionDomain:       []byte("ec2.internal"),
		optionHostName:     []byte("ip-10-0-1-50"),
		optionMTU:          {1500 >> 8, 1500 & 255},
		optionBroadcast:    {10, 0, 1, 255},
		optionLease:        {0, 0, 3600 >> 8, 3600 & 255},
		optionRenewal:      {0, 0, 1800 >> 8, 1800 & 255},
		optionRebinding:    {0, 0, 3150 >> 8, 3150 & 255},
		optionTimeServers:  {192, 0, 2, 1},
		optionNetBIOS:      {192, 0, 2, 2},
		optionNetBIOSNode:  {2},
		optionClientID:     {1, 2, 3},
		optionStaticRoutes: {32, 169, 254, 169, 253, 10, 0, 1, 1, 0, 10, 0, 1, 1},
	} {
		if !bytes.Equal(o[code], want) {
			t.Errorf("option %d: % x, want % x", code, o[code], want)
		}
	}
	// Who names options gets these, besides what each answer has.
	r, _ = lease.Answer(question(Discover, func(m *Message) { m.Parameters = []byte{optionMTU, 250} }))
	o, _ = read(t, r)
	if len(o[optionMTU]) != 2 || o[optionRouter] != nil || o[optionLease] == nil {
		t.Errorf("asked for the MTU alone it says %v", o)
	}
}

// RFC 2131 section 4.3: who is answered, how and where.
func TestAnswers(t *testing.T) {
	ours, other := lease.Address.Addr(), netip.MustParseAddr("10.0.1.51")
	for name, c := range map[string]struct {
		kind   Type
		change func(*Message)
		want   Type // 0: none
		to     netip.Addr
	}{
		"discover, no unicast yet":         {Discover, func(m *Message) { m.Broadcast = true }, Offer, everybody},
		"select":                           {Request, func(m *Message) { m.Server, m.Requested = lease.Router, ours }, ACK, ours},
		"select another address":           {Request, func(m *Message) { m.Server, m.Requested = lease.Router, other }, NAK, everybody},
		"select another server":            {Request, func(m *Message) { m.Server, m.Requested = other, ours }, 0, unspecified},
		"start again":                      {Request, func(m *Message) { m.Requested = ours }, ACK, ours},
		"start again from another network": {Request, func(m *Message) { m.Requested = netip.MustParseAddr("192.168.0.9") }, NAK, everybody},
		"renew":                            {Request, func(m *Message) { m.Client = ours }, ACK, ours},
		"renew another":                    {Request, func(m *Message) { m.Client = other }, NAK, everybody},
		"inform":                           {Inform, func(m *Message) { m.Client = other }, ACK, other},
		"inform of nothing":                {Inform, nil, 0, unspecified},
		"release":                          {Release, func(m *Message) { m.Client = ours }, 0, unspecified},
		"decline":                          {Decline, func(m *Message) { m.Requested = ours }, 0, unspecified},
		"another host":                     {Discover, func(m *Message) { m.MAC[5]++ }, 0, unspecified},
		"by a relay":                       {Discover, func(m *Message) { m.Relay = other }, 0, unspecified},
		"a server's message":               {Offer, nil, 0, unspecified},
	} {
		r, ok := lease.Answer(question(c.kind, c.change))
		if ok != (c.want != 0) || ok && (r.Type != c.want || r.To != c.to) {
			t.Errorf("%s: %v, %v to %v, want %v to %v", name, ok, r.Type, r.To, c.want, c.to)
			continue
		}
		if !ok {
			continue
		}
		o, yours := read(t, r)
		switch {
		case c.kind == Inform && (yours != unspecified || o[optionLease] != nil):
			t.Errorf("%s: it gives %v for %v", name, yours, o[optionLease])
		case c.want == NAK && (yours != unspecified || o[optionRouter] != nil || len(o[optionText]) == 0):
			t.Errorf("%s: the refusal gives %v, %v", name, yours, o)
		case c.want == ACK && c.kind == Request && yours != ours:
			t.Errorf("%s: it gives %v", name, yours)
		}
	}
}

// A host that has no IPv4 address is told none.
func TestWithoutAddress(t *testing.T) {
	without := Lease{MAC: lease.MAC}
	for _, kind := range []Type{Discover, Request, Inform} {
		if r, ok := without.Answer(question(kind, nil)); ok {
			t.Errorf("%v is answered by %v", kind, r.Type)
		}
	}
}

func TestAnswersFit(t *testing.T) {
	long := lease
	long.Domain = string(bytes.Repeat([]byte("example.org "), 21)) // 252 bytes
	for _, c := range []struct {
		takes  int
		domain bool
	}{{0, false}, {300, false}, {1500, true}, {65535, true}} {
		r, _ := long.Answer(question(Discover, func(m *Message) { m.LengthMax = c.takes }))
		o, _ := read(t, r)
		if most := max(576, min(c.takes, 1500)) - headersLength; len(r.Message) > most || (o[optionDomain] != nil) != c.domain || o[optionResolvers] == nil {
			t.Errorf("for one that takes %d bytes: %d bytes, domain %q", c.takes, len(r.Message), o[optionDomain])
		}
	}
}

// ask writes a client's message with options.
func ask(options ...byte) []byte {
	b := make([]byte, atOption)
	b[0], b[1], b[2] = bootRequest, ethernet, macLength
	binary.BigEndian.PutUint32(b[atID:], 0x12345678)
	copy(b[atMAC:], mac[:])
	binary.BigEndian.PutUint32(b[atCookie:], cookie)
	return append(b, options...)
}

func TestParse(t *testing.T) {
	b := ask(0, 0, optionType, 1, byte(Request), optionRequested, 4, 10, 0, 1, 50, optionServer, 4, 10, 0, 1, 1, optionLengthMax, 2, 5, 220,
		optionParameters, 2, 1, 3, optionClientID, 2, 1, 2, optionParameters, 1, 6, optionEnd, 99)
	binary.BigEndian.PutUint16(b[atFlags:], flagBroadcast)
	m, err := Parse(b)
	if err != nil || m.Type != Request || !m.Broadcast || m.Requested != lease.Address.Addr() || m.Server != lease.Router || m.LengthMax != 1500 ||
		!slices.Equal(m.Parameters, []byte{1, 3, 6}) || !slices.Equal(m.ClientID, []byte{1, 2}) || m.MAC != mac || m.ID != 0x12345678 {
		t.Errorf("%+v, %v", m, err)
	}
	// Options in the fields for names (RFC 2131 section 4.1).
	b = ask(optionOverload, 1, 3, optionEnd)
	copy(b[atFile:], []byte{optionType, 1, byte(Discover), optionEnd})
	copy(b[atSname:], []byte{optionRequested, 4, 10, 0, 1, 50, optionEnd})
	if m, err := Parse(b); err != nil || m.Type != Discover || m.Requested != lease.Address.Addr() {
		t.Errorf("%+v, %v", m, err)
	}
	whole := ask(optionType, 1, byte(Discover), optionEnd)
	for name, broken := range map[string][]byte{
		"nothing":             nil,
		"no options":          ask(),
		"no type":             ask(optionRequested, 4, 10, 0, 1, 50, optionEnd),
		"short":               whole[:atOption-1],
		"an option cut off":   ask(optionType, 1),
		"a length cut off":    ask(optionType),
		"a type of two":       ask(optionType, 2, 1, 1),
		"a short address":     ask(optionType, 1, 1, optionRequested, 3, 1, 2, 3),
		"a short server":      ask(optionType, 1, 1, optionServer, 3, 1, 2, 3),
		"a short size":        ask(optionType, 1, 1, optionLengthMax, 1, 3),
		"a reply":             append([]byte{bootReply}, whole[1:]...),
		"another hardware":    append([]byte{bootRequest, 6}, whole[2:]...),
		"another cookie":      append(append(slices.Clone(whole[:atCookie]), 1, 2, 3, 4), whole[atOption:]...),
		"a broken overload":   ask(optionType, 1, 1, optionOverload, 2, 1, 1),
		"overloaded nonsense": append(append(slices.Clone(whole[:atFile]), bytes.Repeat([]byte{9, 200}, 64)...), ask(optionType, 1, 1, optionOverload, 1, 1)[atCookie:]...),
	} {
		if m, err := Parse(broken); err == nil {
			t.Errorf("%s: %+v", name, m)
		}
	}
}

// A frame that is written is one that is read, by another's checksums, too.
func TestFrames(t *testing.T) {
	r, _ := lease.Answer(question(Discover, nil))
	frame := lease.Frame([6]byte{2, 9, 9, 9, 9, 9}, r)
	ip := frame[etherLength:]
	if Checksum(0, ip[:ipLength]) != 0 {
		t.Error("the IP header's checksum is wrong")
	}
	udp := ip[ipLength:]
	if Checksum(protocolUDP+uint32(len(udp)), ip[12:ipLength], udp) != 0 {
		t.Error("UDP's checksum is wrong")
	}
	if _, ok := Payload(frame); ok {
		t.Error("an answer is taken for a question")
	}
	binary.BigEndian.PutUint16(udp[2:], ServerPort)
	if payload, ok := Payload(append(frame, 0, 0)); !ok || !bytes.Equal(payload, r.Message) {
		t.Errorf("payload %d bytes, %v, want %d", len(payload), ok, len(r.Message))
	}
	for name, change := range map[string]func(b []byte) []byte{
		"short":      func(b []byte) []byte { return b[:41] },
		"ARP":        func(b []byte) []byte { b[13] = 6; return b },
		"IPv6":       func(b []byte) []byte { b[14] = 0x60; return b },
		"TCP":        func(b []byte) []byte { b[23] = 6; return b },
		"a fragment": func(b []byte) []byte { b[20] = 0x20; return b },
		"cut off":    func(b []byte) []byte { return b[:len(b)-1] },
		"long UDP":   func(b []byte) []byte { b[38], b[39] = 255, 255; return b },
		"short UDP":  func(b []byte) []byte { b[38], b[39] = 0, 7; return b },
		"long IP":    func(b []byte) []byte { b[14] = 0x4f; b[16], b[17] = 0, 61; return b },
	} {
		if _, ok := Payload(change(slices.Clone(frame))); ok {
			t.Errorf("%s is taken", name)
		}
	}
}

func TestMeter(t *testing.T) {
	var m Meter
	now := time.Unix(1e9, 0)
	admitted := 0
	for range 100 {
		if m.Admit(now) {
			admitted++
		}
	}
	if admitted != answersBurst || !m.Admit(now.Add(time.Second)) {
		t.Errorf("%d at once", admitted)
	}
}

// Whatever comes, an answer is one for the interface's host, and well-formed.
func FuzzAnswer(f *testing.F) {
	f.Add(ask(optionType, 1, byte(Discover), optionEnd))
	f.Add(ask(optionType, 1, byte(Request), optionRequested, 4, 10, 0, 1, 50, optionClientID, 3, 1, 2, 3, optionEnd))
	f.Add(ask(optionOverload, 1, 3, optionType, 1, byte(Inform), optionLengthMax, 2, 0, 1, optionEnd))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Parse(b)
		if err != nil {
			return
		}
		r, ok := lease.Answer(m)
		if !ok {
			return
		}
		if m.MAC != mac || len(r.Message) < messageLengthMin || len(r.Message) > messageLengthUseful {
			t.Fatalf("%+v is answered by %d bytes", m, len(r.Message))
		}
		o, err := readOptions(r.Message)
		if err != nil || len(o[optionType]) != 1 || Type(o[optionType][0]) != r.Type {
			t.Fatalf("the answer % x is malformed: %v", r.Message, err)
		}
		if frame := lease.Frame(mac, r); len(frame) != etherLength+ipLength+udpLength+len(r.Message) {
			t.Fatalf("a frame of %d bytes", len(frame))
		}
	})
}

func FuzzPayload(f *testing.F) {
	r, _ := lease.Answer(question(Discover, nil))
	frame := lease.Frame(mac, r)
	frame[37] = ServerPort
	f.Add(frame)
	f.Fuzz(func(t *testing.T, b []byte) {
		if payload, ok := Payload(b); ok && len(payload) > len(b)-etherLength-ipLength-udpLength {
			t.Fatalf("%d bytes of %d", len(payload), len(b))
		}
	})
}
