package dhcp6

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

func addresses(texts ...string) (all []netip.Addr) {
	for _, text := range texts {
		all = append(all, netip.MustParseAddr(text))
	}
	return all
}

var (
	lease = Lease{
		MAC: [6]byte{2, 0, 0, 0, 1, 0x32}, Router: [6]byte{2, 9, 9, 9, 9, 9},
		Addresses: addresses("2001:db8:0:1::50", "2001:db8:0:1::51"), Subnet: netip.MustParsePrefix("2001:db8:0:1::/64"),
		Preferred: 140 * time.Second, Valid: time.Hour,
		Resolvers: addresses("fd00:ec2::253", "10.0.0.2", "2001:db8::53"), TimeServers: addresses("2001:db8::1", "192.0.2.1", "2001:db8::2"),
		Domains: []string{"ec2.internal", "example.com."}, MTU: 1500,
	}
	host    = netip.MustParseAddr("fe80::ff:fe00:132")
	other   = netip.MustParseAddr("2001:db8:0:1::99")
	foreign = netip.MustParseAddr("2001:db8:ffff::1")
	client  = []byte{0, 3, 0, 1, 2, 0, 0, 0, 1, 0x32}
)

// ask writes a message with options.
func ask(kind Type, options ...[]byte) []byte {
	return append([]byte{byte(kind), 1, 2, 3}, bytes.Join(options, nil)...)
}

func clientID() []byte { return option(nil, optionClientID, client) }
func serverID() []byte { return option(nil, optionServerID, lease.serverID()) }

func wants(codes ...uint16) []byte {
	var value []byte
	for _, c := range codes {
		value = binary.BigEndian.AppendUint16(value, c)
	}
	return option(nil, optionWanted, value)
}

// association writes one with addresses that the client has or would like.
func association(kind uint16, id uint32, has ...netip.Addr) []byte {
	value := binary.BigEndian.AppendUint32(nil, id)
	if kind != optionIATA {
		value = append(value, make([]byte, 8)...)
	}
	for _, a := range has {
		value = option(value, optionIAAddress, append(a.AsSlice(), 0, 0, 0, 9, 0, 0, 0, 9))
	}
	return option(nil, kind, value)
}

// frameOf is a frame of the lease's host.
func frameOf(from, to netip.Addr, protocol byte, payload []byte) []byte {
	l := lease
	l.MAC, l.Router = lease.Router, lease.MAC
	at := 2
	if protocol == protocolUDP {
		udp := make([]byte, udpLength)
		binary.BigEndian.PutUint16(udp, ClientPort)
		binary.BigEndian.PutUint16(udp[2:], ServerPort)
		binary.BigEndian.PutUint16(udp[4:], uint16(udpLength+len(payload)))
		payload, at = append(udp, payload...), 6
	}
	b := l.frame(to, protocol, at, payload)
	copy(b[etherLength+8:], from.AsSlice())
	ip, payload := b[etherLength:], b[etherLength+ipLength:]
	binary.BigEndian.PutUint16(payload[at:], 0)
	binary.BigEndian.PutUint16(payload[at:], checksum(from, to, ip[6], payload))
	return b
}

// text writes an answer's message for readers: its kind and its options.
func text(t *testing.T, frame []byte) string {
	t.Helper()
	p, ok := readFrame(frame)
	if !ok || p.from != router || p.hops != hopLimit || [6]byte(frame) != lease.MAC || p.mac != lease.Router || checksum(p.from, p.to, p.protocol, p.payload) != 0 {
		t.Fatalf("answer % x", frame)
	}
	if p.protocol == protocolICMPv6 {
		return fmt.Sprintf("to %v: %s", p.to, hex.EncodeToString(append(p.payload[:2:2], p.payload[4:]...)))
	}
	m, err := Parse(p.payload[udpLength:])
	if err != nil || p.to != host || binary.BigEndian.Uint16(p.payload) != ServerPort || binary.BigEndian.Uint16(p.payload[2:]) != ClientPort ||
		int(binary.BigEndian.Uint16(p.payload[4:])) != len(p.payload) || m.ID != [3]byte{1, 2, 3} || !bytes.Equal(m.ServerID, lease.serverID()) {
		t.Fatalf("answer %+v, %v", m, err)
	}
	parts := []string{fmt.Sprint(m.Type)}
	if err := eachOption(p.payload[udpLength+messageHeader:], func(code uint16, value []byte) error {
		parts = append(parts, optionText(code, value))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), " ")
}

func optionText(code uint16, value []byte) string {
	switch code {
	case optionServerID:
		return "" // looked at
	case optionClientID:
		if bytes.Equal(value, client) {
			return ""
		}
	case optionStatus:
		return fmt.Sprint("status=", binary.BigEndian.Uint16(value))
	case optionIANA, optionIAPD:
		inner := ""
		_ = eachOption(value[iaHeader:], func(code uint16, value []byte) error {
			inner += " " + optionText(code, value)
			return nil
		})
		return fmt.Sprintf("%d:%d[%d %d%s]", code, binary.BigEndian.Uint32(value), binary.BigEndian.Uint32(value[4:]), binary.BigEndian.Uint32(value[8:]), inner)
	case optionIAAddress:
		return fmt.Sprintf("%v/%d/%d", netip.AddrFrom16([16]byte(value)), binary.BigEndian.Uint32(value[16:]), binary.BigEndian.Uint32(value[20:]))
	}
	return fmt.Sprintf("%d=%x", code, value)
}

// RFC 8415 section 18.3: who is answered, and what.
func TestAnswers(t *testing.T) {
	const both = "2001:db8:0:1::50/140/3600 2001:db8:0:1::51/140/3600"
	mine := lease.Addresses[0]
	for name, c := range map[string]struct {
		message []byte
		want    string // "": nothing
	}{
		"solicit": {ask(Solicit, clientID(), association(optionIANA, 7)), "2 7=ff 3:7[70 112 " + both + "]"},
		"solicit with a wish for another's address": {ask(Solicit, clientID(), association(optionIANA, 7, other)), "2 7=ff 3:7[70 112 " + both + "]"},
		"solicit at once":              {ask(Solicit, clientID(), option(nil, optionRapidCommit, nil), association(optionIANA, 7)), "7 14= 3:7[70 112 " + both + "]"},
		"solicit twice, and more":      {ask(Solicit, clientID(), association(optionIANA, 7), association(optionIANA, 8), association(optionIATA, 9), association(optionIAPD, 10)), "2 7=ff 3:7[70 112 " + both + "] 3:8[0 0 status=2] 4=00000009000d00020002 25:10[0 0 status=6]"},
		"solicit without being known":  {ask(Solicit, association(optionIANA, 7)), ""},
		"solicit from one server":      {ask(Solicit, clientID(), serverID(), association(optionIANA, 7)), ""},
		"request":                      {ask(Request, clientID(), serverID(), association(optionIANA, 7, mine)), "7 3:7[70 112 " + both + "]"},
		"request of another's":         {ask(Request, clientID(), serverID(), association(optionIANA, 7, other)), "7 3:7[70 112 " + both + "]"},
		"request of another link's":    {ask(Request, clientID(), serverID(), association(optionIANA, 7, foreign)), "7 3:7[0 0 status=4]"},
		"request to nobody":            {ask(Request, clientID(), association(optionIANA, 7, mine)), ""},
		"request to another server":    {ask(Request, clientID(), option(nil, optionServerID, client), association(optionIANA, 7, mine)), ""},
		"renew":                        {ask(Renew, clientID(), serverID(), association(optionIANA, 7, mine)), "7 3:7[70 112 " + both + "]"},
		"renew of what it has no more": {ask(Renew, clientID(), serverID(), association(optionIANA, 7, other)), "7 3:7[70 112 " + both + " 2001:db8:0:1::99/0/0]"},
		"rebind":                       {ask(Rebind, clientID(), association(optionIANA, 7, mine, foreign)), "7 3:7[70 112 " + both + " 2001:db8:ffff::1/0/0]"},
		"rebind with a server":         {ask(Rebind, clientID(), serverID(), association(optionIANA, 7, mine)), ""},
		"confirm":                      {ask(Confirm, clientID(), association(optionIANA, 7, lease.Addresses...)), "7 status=0"},
		"confirm from another link":    {ask(Confirm, clientID(), association(optionIANA, 7, mine, foreign)), "7 status=4"},
		"confirm of another's":         {ask(Confirm, clientID(), association(optionIANA, 7, other)), "7 status=4"},
		"confirm of nothing":           {ask(Confirm, clientID(), association(optionIANA, 7)), ""},
		"release":                      {ask(Release, clientID(), serverID(), association(optionIANA, 7, mine)), "7 status=0"},
		"decline":                      {ask(Decline, clientID(), serverID(), association(optionIANA, 7, mine)), "7 status=0"},
		"information":                  {ask(InformationRequest, wants(optionResolvers, optionRefreshTime)), "7 23=" + "fd000ec2000000000000000000000253" + "20010db8000000000000000000000053 32=00000e10"},
		"information for another":      {ask(InformationRequest, option(nil, optionServerID, client)), ""},
		"information with addresses":   {ask(InformationRequest, association(optionIANA, 7)), ""},
		"a server's message":           {ask(Reply, clientID()), ""},
		"a relay's message":            {ask(12, clientID()), ""},
		"everything that one is told":  {ask(Request, clientID(), serverID(), wants(optionNTP, optionSNTP, optionDomains, optionResolvers, optionRefreshTime, 99)), "7 " + "23=fd000ec200000000000000000000025320010db8000000000000000000000053 24=0365633208696e7465726e616c00076578616d706c6503636f6d00 56=0001001020010db8000000000000000000000001 56=0001001020010db8000000000000000000000002 31=20010db800000000000000000000000120010db8000000000000000000000002"},
		"a client by a name too long":  {ask(Solicit, option(nil, optionClientID, make([]byte, 131))), ""},
		"a client without a name":      {ask(Solicit, option(nil, optionClientID, []byte{0, 1})), ""},
		"an association that is short": {ask(Solicit, clientID(), option(nil, optionIANA, make([]byte, 11))), ""},
		"an address that is short":     {ask(Solicit, clientID(), option(nil, optionIANA, option(make([]byte, 12), optionIAAddress, make([]byte, 23)))), ""},
		"options that are cut off":     {append(ask(Solicit, clientID()), 0, 3, 0), ""},
		"an option that is cut off":    {append(ask(Solicit, clientID()), 0, 3, 0, 9, 1), ""},
		"half an option's code":        {ask(Solicit, clientID(), option(nil, optionWanted, []byte{1})), ""},
		"too many associations":        {ask(Solicit, clientID(), bytes.Repeat(association(optionIANA, 7), associationsMax+1)), ""},
		"no header":                    {[]byte{1, 2, 3}, ""},
	} {
		frame, what := lease.Answer(frameOf(host, allServers, protocolUDP, c.message))
		if c.want == "" {
			if frame != nil || what != Ignored {
				t.Errorf("%s: it is answered (%d): % x", name, what, frame)
			}
			continue
		}
		if got := text(t, frame); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
		if advertised := strings.HasPrefix(c.want, "2 "); (what == Advertised) != advertised || (what == Replied) == advertised {
			t.Errorf("%s: it is counted as %d", name, what)
		}
	}
}

// A host whose addresses were taken away is told so, and is told of no router.
func TestHostWithoutAddresses(t *testing.T) {
	none := lease
	none.Addresses, none.Resolvers, none.Domains, none.Subnet = nil, nil, nil, netip.Prefix{}
	for name, c := range map[string][2]string{
		"solicit": {string(ask(Solicit, clientID(), association(optionIANA, 7))), "2 7=ff 3:7[0 0 status=2]"},
		"renew":   {string(ask(Renew, clientID(), serverID(), association(optionIANA, 7, lease.Addresses[0]))), "7 3:7[0 0 2001:db8:0:1::50/0/0]"},
	} {
		frame, _ := none.Answer(frameOf(host, allServers, protocolUDP, []byte(c[0])))
		if got := text(t, frame); got != c[1] {
			t.Errorf("%s: %s, want %s", name, got, c[1])
		}
	}
	if got, want := text(t, none.Advertisement()), "to ff02::1: 8600"+"40c00000"+"0000000000000000"+"0101020909090909"+"05010000000005dc"; got != want {
		t.Errorf("it is told %s, want %s", got, want)
	}
}

// RFC 4861 section 4.2, RFC 8106: what a host is told of its router, byte by byte.
func TestAdvertisement(t *testing.T) {
	const (
		header = "8600" + "40c02328" + "0000000000000000" // 9,000 s, managed, other configuration
		mac    = "0101020909090909"
		mtu    = "05010000000005dc"
		prefix = "03044000" + "00000e10" + "0000008c" + "00000000" + "20010db8000000010000000000000000"
		rdnss  = "19050000" + "00000708" + "fd000ec2000000000000000000000253" + "20010db8000000000000000000000053"
		dnssl  = "1f050000" + "00000708" + "0365633208696e7465726e616c00" + "076578616d706c6503636f6d00" + "0000000000"
	)
	if got, want := text(t, lease.Advertisement()), "to ff02::1: "+header+mac+mtu+prefix+rdnss+dnssl; got != want {
		t.Errorf("it says\n%s, want\n%s", got, want)
	}
	small := lease
	small.MTU = 1279
	if strings.Contains(text(t, small.Advertisement()), "0501") {
		t.Error("an MTU is told that carries no IPv6")
	}
}

// RFC 4861 sections 6.1.1 and 7.1.1: which questions are answered, and to whom.
func TestDiscovery(t *testing.T) {
	sourceMAC := append([]byte{optionSourceMAC, 1}, lease.MAC[:]...)
	solicitation := func(options ...byte) []byte {
		return append([]byte{routerSolicitation, 0, 0, 0, 0, 0, 0, 0}, options...)
	}
	who := func(target netip.Addr) []byte {
		return slices.Concat([]byte{neighbourSolicitation, 0, 0, 0, 0, 0, 0, 0}, target.AsSlice(), sourceMAC)
	}
	const nothing, advertised = "", "to %v: 8600"
	neighbour := fmt.Sprintf("to %v: 8800e0000000fe8000000000000000000000000000010201020909090909", host)
	for name, c := range map[string]struct {
		from, to netip.Addr
		payload  []byte
		change   func(frame []byte)
		want     string // how the answer begins
	}{
		"router":                           {host, allRouters, solicitation(sourceMAC...), nil, fmt.Sprintf(advertised, host)},
		"router, known already":            {host, router, solicitation(), nil, fmt.Sprintf(advertised, host)},
		"router, without an address":       {netip.IPv6Unspecified(), allRouters, solicitation(), nil, fmt.Sprintf(advertised, allNodes)},
		"router, by any address":           {foreign, allRouters, solicitation(), nil, fmt.Sprintf(advertised, allNodes)},
		"router, of others":                {host, allNodes, solicitation(), nil, nothing},
		"router, from nobody with a MAC":   {netip.IPv6Unspecified(), allRouters, solicitation(sourceMAC...), nil, nothing},
		"router, by another host":          {host, allRouters, solicitation(), func(b []byte) { b[11]++ }, nothing},
		"router, by the router":            {router, allRouters, solicitation(), nil, nothing},
		"router, from another link":        {host, allRouters, solicitation(), func(b []byte) { b[21] = 254 }, nothing},
		"router, with a wrong checksum":    {host, allRouters, solicitation(), func(b []byte) { b[56]++ }, nothing},
		"router, with an option of none":   {host, allRouters, solicitation(1, 0, 0, 0, 0, 0, 0, 0), nil, nothing},
		"router, with an option cut off":   {host, allRouters, solicitation(1, 2, 0, 0, 0, 0, 0, 0), nil, nothing},
		"router, with half an option":      {host, allRouters, solicitation(1), nil, nothing},
		"router, too short":                {host, allRouters, []byte{routerSolicitation, 0, 0, 0, 0, 0, 0}, nil, nothing},
		"neighbour":                        {host, solicited, who(router), nil, neighbour},
		"neighbour, again":                 {host, router, who(router), nil, neighbour},
		"neighbour, by a global address":   {lease.Addresses[0], solicited, who(router), nil, nothing}, // the router does
		"neighbour, whether it is taken":   {netip.IPv6Unspecified(), solicited, who(router)[:24], nil, nothing},
		"neighbour, another":               {host, solicited, who(host), nil, nothing},
		"neighbour, too short":             {host, solicited, who(router)[:23], nil, nothing},
		"neighbour, sent to another group": {host, allNodes, who(router), nil, nothing},
		"an advertisement":                 {host, allNodes, append([]byte{routerAdvertisement}, make([]byte, 15)...), nil, nothing},
		"an echo request":                  {host, router, []byte{128, 0, 0, 0, 0, 1, 0, 1}, nil, nothing},
	} {
		frame := frameOf(c.from, c.to, protocolICMPv6, c.payload)
		if c.change != nil {
			c.change(frame)
		}
		answer, what := lease.Answer(frame)
		if c.want == nothing {
			if answer != nil || what != Unconcerned {
				t.Errorf("%s: it is answered (%d): % x", name, what, answer)
			}
			continue
		}
		if got := text(t, answer); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %s, want %s…", name, got, c.want)
		}
		if (what == RouterAdvertised) != strings.HasPrefix(name, "router") || (what == NeighbourAdvertised) != strings.HasPrefix(name, "neighbour") {
			t.Errorf("%s: it is counted as %d", name, what)
		}
	}
}

// Other hosts' frames, and what pretends to come from the link, are no questions.
func TestFrames(t *testing.T) {
	solicit := ask(Solicit, clientID(), association(optionIANA, 7))
	good := func() []byte { return frameOf(host, allServers, protocolUDP, solicit) }
	if _, what := lease.Answer(append(good(), 0, 0, 0)); what != Advertised { // filled up to what Ethernet carries
		t.Errorf("the question is %d", what)
	}
	for name, c := range map[string]struct {
		frame []byte
		want  Outcome
	}{
		"another host's":       {changed(good(), func(b []byte) { b[11]++ }), Ignored},
		"from another network": {frameOf(foreign, allServers, protocolUDP, solicit), Ignored},
		"from the router":      {frameOf(router, allServers, protocolUDP, solicit), Ignored},
		"to one server":        {frameOf(host, router, protocolUDP, solicit), Ignored},
		"nothing":              {nil, Unconcerned},
		"short":                {good()[:etherLength+ipLength-1], Unconcerned},
		"cut off":              {good()[:len(good())-1], Unconcerned},
		"IPv4":                 {changed(good(), func(b []byte) { b[12], b[13] = 8, 0 }), Unconcerned},
		"no IPv6":              {changed(good(), func(b []byte) { b[14] = 4 << 4 }), Unconcerned},
		"TCP":                  {changed(good(), func(b []byte) { b[20] = 6 }), Unconcerned},
		"another port":         {changed(good(), func(b []byte) { b[57]++ }), Unconcerned},
		"long UDP":             {changed(good(), func(b []byte) { b[58] = 255 }), Unconcerned},
		"short UDP":            {changed(good(), func(b []byte) { b[58], b[59] = 0, 7 }), Unconcerned},
	} {
		if answer, what := lease.Answer(c.frame); answer != nil || what != c.want {
			t.Errorf("%s: %d, % x", name, what, answer)
		}
	}
}

func changed(b []byte, change func([]byte)) []byte {
	change(b)
	return b
}

// What finds no room is left out, the addresses that are many first.
func TestAnswersFit(t *testing.T) {
	many := lease
	many.Addresses = nil
	for a := range 100 {
		many.Addresses = append(many.Addresses, netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 7: 1, 15: byte(a)}))
	}
	many.Domains = slices.Repeat([]string{strings.Repeat("a", 63) + ".example"}, 20)
	many.Domains = append(many.Domains, "", ".", "a..b", strings.Repeat("a", 64), strings.Repeat("a.", 128))
	for mtu, most := range map[int]int{0: 1280, 1280: 1280, 1400: 1400, 9001: 1500} {
		many.MTU = mtu
		frame, _ := many.Answer(frameOf(host, allServers, protocolUDP, ask(Solicit, clientID(), wants(optionResolvers, optionDomains), association(optionIANA, 7), association(optionIANA, 8))))
		got := text(t, frame)
		if len(frame) > etherLength+most || len(frame) < etherLength+most-2*optionHeader-iaHeader-iaAddressLength || !strings.Contains(got, "23=") || !strings.Contains(got, "2001:db8:0:1::/140") {
			t.Errorf("for a link of %d: %d bytes: %s", mtu, len(frame), got)
		}
		if frame := many.Advertisement(); len(frame) > etherLength+1280 {
			t.Errorf("an advertisement of %d bytes", len(frame))
		}
	}
}

// RFC 4861 section 6.2.4: the first few come sooner, and none comes more often than it
// may, or later than lifetimes last.
func TestSchedule(t *testing.T) {
	var s Schedule
	for range 2 {
		for range initialCount {
			if got := s.Next(0.99); got != initialInterval {
				t.Errorf("at first after %v", got)
			}
		}
		for _, random := range []float64{0, 0.5, 0.999} {
			if got := s.Next(random); got < intervalMin || got > intervalMax || 2*got > resolverLifetime || 2*got > routerLifetime {
				t.Errorf("after %v", got)
			}
		}
		s.Restart()
	}
}

// Whatever comes, an answer is one to the lease's host, well-formed, and gives away none
// but its addresses.
func FuzzAnswer(f *testing.F) {
	f.Add(frameOf(host, allServers, protocolUDP, ask(Solicit, clientID(), wants(optionResolvers, optionDomains, optionNTP), association(optionIANA, 7, other))))
	f.Add(frameOf(host, allServers, protocolUDP, ask(Renew, clientID(), serverID(), association(optionIANA, 7, lease.Addresses...), association(optionIATA, 8), association(optionIAPD, 9))))
	f.Add(frameOf(host, allRouters, protocolICMPv6, []byte{routerSolicitation, 0, 0, 0, 0, 0, 0, 0}))
	f.Add(frameOf(host, solicited, protocolICMPv6, append([]byte{neighbourSolicitation, 0, 0, 0, 0, 0, 0, 0}, router.AsSlice()...)))
	f.Fuzz(func(t *testing.T, b []byte) {
		answer, what := lease.Answer(b)
		if (answer == nil) != (what == Unconcerned || what == Ignored) {
			t.Fatalf("outcome %d with %d bytes", what, len(answer))
		}
		if answer == nil {
			return
		}
		p, ok := readFrame(answer)
		if !ok || [6]byte(b[6:]) != lease.MAC || [6]byte(answer) != lease.MAC || p.from != router || checksum(p.from, p.to, p.protocol, p.payload) != 0 || len(answer) > etherLength+lease.MTU {
			t.Fatalf("% x is answered by % x", b, answer)
		}
		if what != Advertised && what != Replied {
			return
		}
		m, err := Parse(p.payload[udpLength:])
		if err != nil || len(m.Associations) > associationsMax {
			t.Fatalf("the answer % x is malformed: %v", p.payload, err)
		}
	})
}

// A message reads as what it says; nothing is read that is not there.
func FuzzParse(f *testing.F) {
	f.Add(ask(Solicit, clientID(), wants(optionResolvers), association(optionIANA, 7, other)))
	f.Add(ask(Request, clientID(), serverID(), association(optionIATA, 7, other), association(optionIAPD, 8)))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Parse(b)
		if err != nil {
			return
		}
		size := messageHeader + len(m.ClientID) + len(m.ServerID) + 2*len(m.Wanted)
		for _, a := range m.Associations {
			size += 4 + iaAddressLength*len(a.Addresses)
		}
		if size > len(b) || len(m.Associations) > associationsMax {
			t.Fatalf("%+v of %d bytes", m, len(b))
		}
	})
}
