package resolver

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// translated is a host that speaks IPv6 only.
var translated = netip.MustParseAddr("2001:db8:0:1::9")

// site is a network with two hosts, of which one has a public name, and one that
// speaks IPv6 only.
func site() *Table {
	web, quiet := netip.MustParseAddr("10.0.1.4"), netip.MustParseAddr("10.0.1.5")
	return NewTable(Config{
		Local: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16"), netip.MustParsePrefix("2001:db8::/56")},
		Interfaces: []Interface{
			{Addresses: []netip.Addr{web, netip.MustParseAddr("10.0.1.7")}}, {Addresses: []netip.Addr{quiet}}, {Addresses: []netip.Addr{translated}, DNS64: true},
		},
		Prefix: netip.MustParsePrefix("64:ff9b::/96"),
		Names: []Name{
			{"ip-10-0-1-4.ec2.internal", web, true}, {"ip-10-0-1-5.ec2.internal", quiet, true},
			{"ec2-198-51-100-1.compute-1.amazonaws.com", web, false},
			{"i-0123456789abcdef0.ec2.internal", web, false}, {"i-0123456789abcdef0.ec2.internal", netip.MustParseAddr("2001:db8:0:1::4"), true},
		},
		Pointers: []Pointer{{netip.MustParseAddr("198.51.100.1"), "mail.example.com"}},
	})
}

// ask writes a question.
func ask(t testing.TB, name string, of dnsmessage.Type, change ...func(*dnsmessage.Message)) []byte {
	t.Helper()
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: 0x1234, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name), Type: of, Class: dnsmessage.ClassINET}},
	}
	for _, f := range change {
		f(&m)
	}
	packed, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return packed
}

// extended lets a question speak EDNS.
func extended(bytes int, version uint32) func(*dnsmessage.Message) {
	return func(m *dnsmessage.Message) {
		r := dnsmessage.Resource{Body: &dnsmessage.OPTResource{}}
		r.Header.SetEDNS0(bytes, 0, true)
		r.Header.TTL |= version << 16
		m.Additionals = append(m.Additionals, r)
	}
}

// read parses an answer, which must be one to the question.
func read(t testing.TB, answer []byte) dnsmessage.Message {
	t.Helper()
	var m dnsmessage.Message
	if err := m.Unpack(answer); err != nil {
		t.Fatal(err)
	}
	if !m.Response || m.ID != 0x1234 {
		t.Fatalf("it answers another question: %+v", m.Header)
	}
	return m
}

func TestNames(t *testing.T) {
	for _, c := range []struct {
		name string
		of   dnsmessage.Type
		want string // the record, or the code
	}{
		{"ip-10-0-1-4.ec2.internal.", dnsmessage.TypeA, "10.0.1.4"},
		{"IP-10-0-1-5.Ec2.Internal.", dnsmessage.TypeA, "10.0.1.5"},
		{"ip-10-0-1-4.ec2.internal.", typeANY, "10.0.1.4"},
		{"ip-10-0-1-4.ec2.internal.", dnsmessage.TypeAAAA, "RCodeSuccess"},
		{"ip-10-0-1-4.ec2.internal.", dnsmessage.TypeMX, "RCodeSuccess"},
		{"i-0123456789abcdef0.ec2.internal.", dnsmessage.TypeA, "10.0.1.4"},
		{"i-0123456789abcdef0.ec2.internal.", dnsmessage.TypeAAAA, "2001:db8:0:1::4"},
		{"i-0123456789abcdef0.ec2.internal.", dnsmessage.TypeMX, "RCodeSuccess"},
		{"i-0123456789abcdef1.ec2.internal.", dnsmessage.TypeAAAA, "RCodeNameError"},
		{"4.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.", dnsmessage.TypePTR, "i-0123456789abcdef0.ec2.internal."},
		{"4.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.0.0.0.0.8.B.D.0.1.0.0.2.IP6.ARPA.", dnsmessage.TypePTR, "i-0123456789abcdef0.ec2.internal."},
		{"5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.", dnsmessage.TypePTR, "RCodeNameError"},
		{"4.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.0.0.0.0.8.b.d.0.1.0.0.3.ip6.arpa.", dnsmessage.TypePTR, "unknown"},
		{"4-0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.", dnsmessage.TypePTR, "unknown"},
		{"g.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.", dnsmessage.TypePTR, "unknown"},
		{"8.b.d.0.1.0.0.2.ip6.arpa.", dnsmessage.TypePTR, "unknown"},
		{"ip-10-0-1-6.ec2.internal.", dnsmessage.TypeA, "RCodeNameError"},
		{"ip-10-0-1-4.eu-west-1.compute.internal.", dnsmessage.TypeA, "RCodeNameError"},
		{"ec2-198-51-100-1.compute-1.amazonaws.com.", dnsmessage.TypeA, "10.0.1.4"}, // inside, the private address
		{"ec2-198-51-100-9.compute-1.amazonaws.com.", dnsmessage.TypeA, "198.51.100.9"},
		{"ec2-198-51-100-9.eu-west-1.compute.amazonaws.com.", dnsmessage.TypeA, "198.51.100.9"},
		{"ec2-198-51-100-900.compute-1.amazonaws.com.", dnsmessage.TypeA, "unknown"},
		{"4.1.0.10.in-addr.arpa.", dnsmessage.TypePTR, "ip-10-0-1-4.ec2.internal."},
		{"4.1.0.10.in-addr.arpa.", dnsmessage.TypeA, "RCodeSuccess"},
		{"9.1.0.10.in-addr.arpa.", dnsmessage.TypePTR, "RCodeNameError"},
		{"253.169.254.169.in-addr.arpa.", dnsmessage.TypePTR, "RCodeNameError"},
		{"04.1.0.10.in-addr.arpa.", dnsmessage.TypePTR, "unknown"},
		{"1.0.10.in-addr.arpa.", dnsmessage.TypePTR, "unknown"},
		{"8.8.8.8.in-addr.arpa.", dnsmessage.TypePTR, "unknown"},
		{"1.100.51.198.in-addr.arpa.", dnsmessage.TypePTR, "mail.example.com."},
		{"2.100.51.198.in-addr.arpa.", dnsmessage.TypePTR, "unknown"},
		{"mail.example.com.", dnsmessage.TypeA, "unknown"}, // its name leads nowhere from here
		{"example.com.", dnsmessage.TypeA, "unknown"},
		{"notec2.internal.", dnsmessage.TypeA, "unknown"},
		{"example.com.", typeANY, "RCodeRefused"},
		{"example.com.", typeAXFR, "RCodeRefused"},
		{"ip-10-0-1-4.ec2.internal.", typeAXFR, "RCodeRefused"},
	} {
		answer, _, outcome := site().Handle(ask(t, c.name, c.of), netip.Addr{})
		got := "unknown"
		if outcome == Answered {
			m := read(t, answer)
			got = m.RCode.String()
			if len(m.Answers) == 1 {
				switch body := m.Answers[0].Body.(type) {
				case *dnsmessage.AResource:
					got = netip.AddrFrom4(body.A).String()
				case *dnsmessage.AAAAResource:
					got = netip.AddrFrom16(body.AAAA).String()
				case *dnsmessage.PTRResource:
					got = body.PTR.String()
				}
			} else if _, soa := m.Authorities, len(m.Authorities) == 1; soa != strings.Contains("RCodeSuccess RCodeNameError", got) {
				t.Errorf("%s %v: %d authorities with %s", c.name, c.of, len(m.Authorities), got)
			}
			if len(m.Questions) != 1 || m.Questions[0].Name.String() != c.name {
				t.Errorf("%s: the question comes back as %v", c.name, m.Questions)
			}
		}
		if got != c.want {
			t.Errorf("%s %v: %s, want %s", c.name, c.of, got, c.want)
		}
	}
}

func TestStrangeMessages(t *testing.T) {
	question := dnsmessage.Question{Name: dnsmessage.MustNewName("example.com."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}
	record := dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: question.Name, Class: dnsmessage.ClassINET}, Body: &dnsmessage.AResource{}}
	for what, c := range map[string]struct {
		change func(*dnsmessage.Message)
		want   dnsmessage.RCode
	}{
		"an update":           {func(m *dnsmessage.Message) { m.OpCode = 5 }, dnsmessage.RCodeNotImplemented},
		"no question":         {func(m *dnsmessage.Message) { m.Questions = nil }, dnsmessage.RCodeFormatError},
		"two questions":       {func(m *dnsmessage.Message) { m.Questions = append(m.Questions, question) }, dnsmessage.RCodeFormatError},
		"an answer within it": {func(m *dnsmessage.Message) { m.Answers = append(m.Answers, record) }, dnsmessage.RCodeFormatError},
		"EDNS twice":          {func(m *dnsmessage.Message) { extended(512, 0)(m); extended(512, 0)(m) }, dnsmessage.RCodeFormatError},
		"another class":       {func(m *dnsmessage.Message) { m.Questions[0].Class = dnsmessage.ClassCHAOS }, dnsmessage.RCodeRefused},
		"others not allowed":  {func(m *dnsmessage.Message) { m.RecursionDesired = false }, dnsmessage.RCodeRefused},
	} {
		message := ask(t, "example.com.", dnsmessage.TypeA, c.change)
		answer, _, outcome := site().Handle(message, translated)
		if outcome != Answered {
			t.Errorf("%s: outcome %d", what, outcome)
			continue
		}
		if m := read(t, answer); m.RCode != c.want {
			t.Errorf("%s: %v, want %v", what, m.RCode, c.want)
		}
		if len(answer) > len(message) {
			t.Errorf("%s: %d bytes are answered by %d", what, len(message), len(answer))
		}
	}
	answer, _, _ := site().Handle(ask(t, "example.com.", dnsmessage.TypeA, extended(4096, 1)), translated)
	if m := read(t, answer); m.Additionals[0].Header.ExtendedRCode(m.RCode) != rcodeBadVersion {
		t.Errorf("EDNS of another version: %+v", m)
	}
	for what, message := range map[string][]byte{
		"nothing": nil, "half a header": make([]byte, 11),
		"an answer": ask(t, "example.com.", dnsmessage.TypeA, func(m *dnsmessage.Message) { m.Response = true }),
		"too long":  append(ask(t, "example.com.", dnsmessage.TypeA), make([]byte, QuestionMax)...),
	} {
		if _, _, outcome := site().Handle(message, translated); outcome != Ignored {
			t.Errorf("%s: outcome %d", what, outcome)
		}
	}
}

func TestForwarding(t *testing.T) {
	_, q, outcome := site().Handle(ask(t, "Example.com.", dnsmessage.TypeTXT, extended(700, 0)), translated)
	if outcome != Unknown {
		t.Fatalf("outcome %d", outcome)
	}
	sent, err := q.Forward(7)
	if err != nil {
		t.Fatal(err)
	}
	var m dnsmessage.Message
	if err := m.Unpack(sent); err != nil || m.ID != 7 || !m.RecursionDesired || len(m.Additionals) != 1 || !m.Additionals[0].Header.DNSSECAllowed() {
		t.Fatalf("forwarded as %+v, %v", m, err)
	}
	// respond answers with texts of so many bytes.
	respond := func(id uint16, name string, bytes int) []byte {
		m := m
		m.ID, m.Response, m.RecursionDesired = id, true, false
		m.Questions = []dnsmessage.Question{{Name: dnsmessage.MustNewName(name), Type: dnsmessage.TypeTXT, Class: dnsmessage.ClassINET}}
		h := dnsmessage.ResourceHeader{Name: m.Questions[0].Name, Class: dnsmessage.ClassINET}
		for ; bytes > 0; bytes -= 200 {
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.TXTResource{TXT: []string{strings.Repeat("x", min(bytes, 200))}}})
		}
		packed, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		return packed
	}
	for what, message := range map[string][]byte{
		"another id": respond(8, "example.com.", 5), "another name": respond(7, "example.org.", 5), "a question": sent, "nothing": nil,
	} {
		if _, ok := q.Answers(message, 7); ok {
			t.Errorf("%s is taken for an answer", what)
		}
	}
	good := respond(7, "example.com.", 600)
	if whole, ok := q.Answers(good, 7); !whole || !ok {
		t.Error("an answer is not taken")
	}
	if got := read(t, q.Return(respond(7, "example.com.", 600), false)); len(got.Answers) != 3 || !got.RecursionDesired || got.Truncated {
		t.Errorf("it is returned as %+v", got.Header)
	}
	long := respond(7, "example.com.", 800)
	if got := read(t, q.Return(respond(7, "example.com.", 800), false)); !got.Truncated || len(got.Answers) != 0 || len(got.Additionals) != 1 {
		t.Errorf("too long for UDP, it is returned as %+v", got)
	}
	if got := read(t, q.Return(long, true)); got.Truncated || len(got.Answers) != 4 {
		t.Errorf("by TCP it is returned as %+v", got)
	}
}

func TestMeter(t *testing.T) {
	var m Meter
	now := time.Unix(1000, 0)
	one, other := netip.MustParseAddr("10.0.1.4"), netip.MustParseAddr("10.0.1.5")
	sent := func(from netip.Addr) (n int) {
		for range 3 * packetsPerSecond {
			if m.Packet(now, from) {
				n++
			}
		}
		return n
	}
	if first, second := sent(one), sent(one); first != packetsPerSecond || second != 0 {
		t.Errorf("at once it may send %d and %d packets", first, second)
	}
	if n := sent(other); n != packetsPerSecond {
		t.Errorf("another one may send %d", n)
	}
	now = now.Add(time.Second / 2)
	if n := sent(one); n != packetsPerSecond/2 {
		t.Errorf("half a second later it may send %d", n)
	}
	for range waitingMax {
		if !m.Wait(one) {
			t.Fatal("it may not wait")
		}
	}
	if m.Wait(one) || !m.Wait(other) {
		t.Error("waiting is not bounded for each")
	}
	m.Done(one)
	if !m.Wait(one) {
		t.Error("it may not wait again")
	}
	for range streamsMax {
		m.Stream(one)
	}
	if m.Stream(one) {
		t.Error("connections are not bounded")
	}
	m.Done(other)
	m.Forget(NewTable(Config{}))
	if len(m.callers) != 1 {
		t.Errorf("%d are remembered, want the one that has something under way", len(m.callers))
	}
}

func TestCallers(t *testing.T) {
	first := netip.MustParseAddr("10.0.1.4")
	for text, want := range map[string]netip.Addr{"10.0.1.4": first, "10.0.1.7": first, "::ffff:10.0.1.7": first, "10.0.9.9": {}} {
		if got, ok := site().Caller(netip.MustParseAddr(text)); got != want || ok != want.IsValid() {
			t.Errorf("%s: %v, %v", text, got, ok)
		}
	}
}

// FuzzHandle sends anything: what is answered is an answer, and never much longer
// than the question.
func FuzzHandle(f *testing.F) {
	f.Add(ask(f, "ip-10-0-1-4.ec2.internal.", dnsmessage.TypeA))
	f.Add(ask(f, "4.1.0.10.in-addr.arpa.", dnsmessage.TypePTR, extended(512, 0)))
	f.Add(ask(f, "example.com.", typeANY))
	f.Add([]byte{0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xc0, 12, 0, 1, 0, 1})
	table := site()
	f.Fuzz(func(t *testing.T, message []byte) {
		answer, q, outcome := table.Handle(message, translated)
		switch outcome {
		case Answered:
			var m dnsmessage.Message
			if err := m.Unpack(answer); err != nil || !m.Response {
				t.Errorf("%x: %v", answer, err)
			}
			if len(answer) > len(message)+400 {
				t.Errorf("%d bytes are answered by %d", len(message), len(answer))
			}
		case Unknown:
			sent, err := q.Forward(1)
			if err != nil || len(sent) > len(message)+16 {
				t.Errorf("%d bytes are forwarded as %d: %v", len(message), len(sent), err)
			}
			if _, ok := q.Answers(sent, 1); ok {
				t.Error("a question is taken for its answer")
			}
		}
	})
}

// FuzzAnswers takes anything for the answer of a forwarder.
func FuzzAnswers(f *testing.F) {
	_, q, _ := site().Handle(ask(f, "example.com.", dnsmessage.TypeA, extended(600, 0)), translated)
	f.Add(ask(f, "example.com.", dnsmessage.TypeA, func(m *dnsmessage.Message) { m.Response = true }))
	f.Fuzz(func(t *testing.T, message []byte) {
		if _, ok := q.Answers(message, 0x1234); ok {
			if returned := q.Return(message, false); len(returned) > 600 || len(returned) < 12 {
				t.Errorf("%d bytes are returned", len(returned))
			}
		}
	})
}

func BenchmarkHandle(b *testing.B) {
	message, table := ask(b, "ip-10-0-1-4.ec2.internal.", dnsmessage.TypeA), site()
	b.ReportAllocs()
	for b.Loop() {
		table.Handle(message, translated)
	}
}
