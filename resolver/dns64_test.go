package resolver

import (
	"net/netip"
	"slices"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// texts are the records of an answer.
func texts(m dnsmessage.Message) (all []string) {
	for _, r := range m.Answers {
		switch body := r.Body.(type) {
		case *dnsmessage.AResource:
			all = append(all, netip.AddrFrom4(body.A).String())
		case *dnsmessage.AAAAResource:
			all = append(all, netip.AddrFrom16(body.AAAA).String())
		case *dnsmessage.CNAMEResource:
			all = append(all, body.CNAME.String())
		case *dnsmessage.PTRResource:
			all = append(all, body.PTR.String())
		default:
			all = append(all, r.Header.Type.String())
		}
	}
	return all
}

// unproven is a question of somebody who proves answers itself.
func unproven(m *dnsmessage.Message) {
	extended(1232, 0)(m)
	m.CheckingDisabled = true
}

func TestSyntheticAddressesOfTheNetworksNames(t *testing.T) {
	const own = "ip-10-0-1-4.ec2.internal."
	quiet := netip.MustParseAddr("10.0.1.5")
	for _, c := range []struct {
		what, name string
		of         dnsmessage.Type
		from       netip.Addr
		change     func(*dnsmessage.Message)
		want       []string
	}{
		{"a name with an IPv4 address", own, dnsmessage.TypeAAAA, translated, nil, []string{"64:ff9b::a00:104"}},
		{"the same, asked from where DNS64 is off", own, dnsmessage.TypeAAAA, quiet, nil, nil},
		{"the same, for its IPv4 address", own, dnsmessage.TypeA, translated, nil, []string{"10.0.1.4"}},
		{"one with both", "i-0123456789abcdef0.ec2.internal.", dnsmessage.TypeAAAA, translated, nil, []string{"2001:db8:0:1::4"}},
		{"one that does not exist", "ip-10-0-1-6.ec2.internal.", dnsmessage.TypeAAAA, translated, nil, nil},
		{"a host of another network", "ec2-203-0-113-9.compute-1.amazonaws.com.", dnsmessage.TypeAAAA, translated, nil, []string{"64:ff9b::cb00:7109"}},
		{"DNSSEC wanted, but checked here", own, dnsmessage.TypeAAAA, translated, extended(1232, 0), []string{"64:ff9b::a00:104"}},
		{"DNSSEC checked there", own, dnsmessage.TypeAAAA, translated, unproven, nil},
		{"what tells the prefix", "ipv4only.arpa.", dnsmessage.TypeAAAA, translated, nil, []string{"64:ff9b::c000:aa", "64:ff9b::c000:ab"}},
		{"the same where DNS64 is off", "ipv4only.arpa.", dnsmessage.TypeAAAA, quiet, nil, nil},
		{"the same, by IPv4", "ipv4only.arpa.", dnsmessage.TypeA, quiet, nil, []string{"192.0.0.170", "192.0.0.171"}},
		{"the name of an embedded address", "4.0.1.0.0.0.a.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.b.9.f.f.4.6.0.0.ip6.arpa.", dnsmessage.TypePTR, translated, nil, []string{own}},
	} {
		change := c.change
		if change == nil {
			change = func(*dnsmessage.Message) {}
		}
		answer, _, outcome := site().Handle(ask(t, c.name, c.of, change), c.from)
		if outcome != Answered {
			t.Errorf("%s: outcome %d", c.what, outcome)
			continue
		}
		if got := texts(read(t, answer)); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.what, got, c.want)
		}
	}
}

// An answerer writes what others answer.
type answerer struct {
	code    dnsmessage.RCode
	records []dnsmessage.ResourceBody
	soa     uint32 // the lifetime of the zone's record, if there is one
}

func (a answerer) write(t testing.TB, of dnsmessage.Type) []byte {
	t.Helper()
	name := dnsmessage.MustNewName("example.com.")
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: 7, Response: true, AuthenticData: true, RCode: a.code},
		Questions: []dnsmessage.Question{{Name: name, Type: of, Class: dnsmessage.ClassINET}},
	}
	for _, body := range a.records {
		m.Answers = append(m.Answers, dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: name, Class: dnsmessage.ClassINET, TTL: 1000}, Body: body})
	}
	if a.soa > 0 {
		m.Authorities = []dnsmessage.Resource{{Header: dnsmessage.ResourceHeader{Name: name, Class: dnsmessage.ClassINET, TTL: a.soa}, Body: authority(name)}}
	}
	packed, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return packed
}

func TestSyntheticAddressesOfOthersNames(t *testing.T) {
	a := &dnsmessage.AResource{A: [4]byte{192, 0, 2, 33}}
	alias := &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName("www.example.net.")}
	signature := &dnsmessage.UnknownResource{Type: 46, Data: []byte{0, 1}}
	real6 := &dnsmessage.AAAAResource{AAAA: [16]byte{0x20, 1, 15: 1}}
	mapped := &dnsmessage.AAAAResource{AAAA: [16]byte{10: 0xff, 11: 0xff, 12: 192}}
	const made = "64:ff9b::c000:221"
	bodies := func(list ...dnsmessage.ResourceBody) []dnsmessage.ResourceBody { return list }
	for what, c := range map[string]struct {
		first, second *answerer // nil: nobody answers
		want          []string  // nil: the first answer stays
		lifetime      uint32
	}{
		"IPv4 only":                      {&answerer{soa: 300}, &answerer{records: bodies(a)}, []string{made}, 300},
		"IPv4 only, by an alias":         {&answerer{records: bodies(alias), soa: 5000}, &answerer{records: bodies(alias, a, signature)}, []string{"www.example.net.", made}, 1000},
		"nobody says for how long":       {&answerer{}, &answerer{records: bodies(a)}, []string{made}, 600},
		"both":                           {&answerer{records: bodies(real6)}, &answerer{records: bodies(a)}, nil, 0},
		"IPv4 addresses, mapped":         {&answerer{records: bodies(mapped)}, &answerer{records: bodies(a)}, []string{made}, 600},
		"neither":                        {&answerer{soa: 60}, &answerer{soa: 60}, nil, 0},
		"an alias only":                  {&answerer{records: bodies(alias)}, &answerer{records: bodies(alias)}, nil, 0},
		"no such name":                   {&answerer{code: dnsmessage.RCodeNameError}, &answerer{records: bodies(a)}, nil, 0},
		"the question fails":             {&answerer{code: dnsmessage.RCodeServerFailure}, &answerer{records: bodies(a)}, []string{made}, 600},
		"the question is not answered":   {nil, &answerer{records: bodies(a)}, []string{made}, 600},
		"the other fails":                {&answerer{soa: 60}, &answerer{code: dnsmessage.RCodeServerFailure, records: bodies(a)}, nil, 0},
		"neither question gets anything": {nil, nil, nil, 0},
	} {
		_, q, outcome := site().Handle(ask(t, "example.com.", dnsmessage.TypeAAAA, extended(1232, 0)), translated)
		if outcome != Unknown {
			t.Fatalf("outcome %d", outcome)
		}
		var first, second []byte
		if c.first != nil {
			first = c.first.write(t, dnsmessage.TypeAAAA)
		}
		if c.second != nil {
			second = c.second.write(t, dnsmessage.TypeA)
		}
		instead, ok := q.Instead(first)
		if ok && instead.Type != dnsmessage.TypeA {
			t.Errorf("%s: the question instead is %v", what, instead.Question)
		}
		var answer []byte
		if ok {
			answer = q.Synthesize(first, second)
		}
		if c.want == nil {
			if answer != nil {
				t.Errorf("%s: addresses are made: %v", what, texts(read(t, answer)))
			}
			continue
		}
		if answer == nil {
			t.Errorf("%s: no addresses are made", what)
			continue
		}
		m := read(t, q.Return(answer, false))
		if got := texts(m); !slices.Equal(got, c.want) || m.AuthenticData || len(m.Additionals) != 1 {
			t.Errorf("%s: %v with %+v, want %v", what, got, m.Header, c.want)
		}
		if last := m.Answers[len(m.Answers)-1].Header; last.TTL != c.lifetime {
			t.Errorf("%s: it may be remembered for %d s, want %d s", what, last.TTL, c.lifetime)
		}
	}
	for what, message := range map[string][]byte{
		"from where DNS64 is off":     ask(t, "example.com.", dnsmessage.TypeAAAA),
		"for IPv4":                    ask(t, "example.com.", dnsmessage.TypeA),
		"of who proves it themselves": ask(t, "example.com.", dnsmessage.TypeAAAA, unproven),
	} {
		from := translated
		if what == "from where DNS64 is off" {
			from = netip.MustParseAddr("10.0.1.5")
		}
		_, q, _ := site().Handle(message, from)
		if instead, ok := q.Instead((&answerer{}).write(t, q.Type)); ok {
			t.Errorf("a question %s is followed by %v", what, instead.Question)
		}
	}
}

// FuzzSynthesize takes anything for the answers of forwarders.
func FuzzSynthesize(f *testing.F) {
	_, q, _ := site().Handle(ask(f, "example.com.", dnsmessage.TypeAAAA), translated)
	f.Add((&answerer{soa: 60}).write(f, dnsmessage.TypeAAAA), (&answerer{records: []dnsmessage.ResourceBody{&dnsmessage.AResource{}}}).write(f, dnsmessage.TypeA))
	f.Add([]byte{}, []byte{0, 7, 0x80})
	f.Fuzz(func(t *testing.T, first, second []byte) {
		if _, ok := q.Instead(first); !ok {
			return
		}
		if made := q.Synthesize(first, second); made != nil {
			var m dnsmessage.Message
			if err := m.Unpack(made); err != nil || !m.Response || len(m.Answers) == 0 {
				t.Errorf("%x: %v", made, err)
			}
		}
	})
}
