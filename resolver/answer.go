package resolver

import (
	"fmt"
	"net/netip"

	"golang.org/x/net/dns/dnsmessage"

	"causeway.dev/nat64"
)

// An Outcome says what becomes of a message.
type Outcome int

// Outcomes.
const (
	Ignored  Outcome = iota // it is no question: nothing is sent
	Answered                // the answer is complete
	Unknown                 // others are to be asked; what is sent meanwhile is nothing
)

// lifetimeSeconds is how long answers may be remembered, as AWS's.
const lifetimeSeconds = 60

// Handle answers a message of a caller, whom Caller has found, as far as the table
// knows.
func (t *Table) Handle(message []byte, caller netip.Addr) (answer []byte, q Question, o Outcome) {
	q, code, ok := parse(message)
	if t.dns64[caller] && q.takesSynthetic() {
		q.prefix = t.prefix
	}
	switch {
	case !ok:
		return nil, q, Ignored
	case code != dnsmessage.RCodeSuccess:
		return q.answer(code, nil), q, Answered
	case q.Class != dnsmessage.ClassINET:
		return q.answer(dnsmessage.RCodeRefused, nil), q, Answered
	}
	switch q.Type {
	case typeAXFR, typeIXFR, typeMAILA, typeMAILB:
		return q.answer(dnsmessage.RCodeRefused, nil), q, Answered
	}
	if code, answers, known := t.lookUp(q); known {
		return q.answer(code, answers), q, Answered
	}
	// Who asks for everything that there is wants to flood somebody, or can as
	// well ask for what it needs (RFC 8482).
	if q.Type == typeANY || !q.recurse {
		return q.answer(dnsmessage.RCodeRefused, nil), q, Answered
	}
	return nil, q, Unknown
}

// lookUp returns what the network itself knows of a name; known is false for what
// is not its affair.
func (t *Table) lookUp(q Question) (code dnsmessage.RCode, answers []dnsmessage.ResourceBody, known bool) {
	name := q.text()
	addresses := t.addresses[name]
	if name == prefixProbe {
		addresses = prefixProbeAddresses
	}
	if addresses == nil {
		if address, ok := publicAddress(name); ok {
			addresses = []netip.Addr{address}
		}
	}
	if addresses != nil {
		return dnsmessage.RCodeSuccess, q.addressAnswers(addresses), true
	}
	if isPrivate(name) {
		return dnsmessage.RCodeNameError, nil, true
	}
	address, reverse := reversed(name)
	if embedded, ok := nat64.Embedded(t.prefix, address); ok && t.names[embedded] != "" {
		address = embedded
	}
	host, found := t.names[address]
	switch {
	case !reverse || !found && !t.isLocal(address):
		return 0, nil, false
	case !found:
		return dnsmessage.RCodeNameError, nil, true
	}
	if q.Type == dnsmessage.TypePTR || q.Type == typeANY {
		if target, err := dnsmessage.NewName(host + "."); err == nil {
			answers = []dnsmessage.ResourceBody{&dnsmessage.PTRResource{PTR: target}}
		}
	}
	return dnsmessage.RCodeSuccess, answers, true
}

// addressAnswers is the answer for a name that has addresses; empty if these are of
// another kind than the question, and none is made of them.
func (q Question) addressAnswers(addresses []netip.Addr) (answers []dnsmessage.ResourceBody) {
	for _, a := range addresses {
		switch {
		case a.Is4() && (q.Type == dnsmessage.TypeA || q.Type == typeANY):
			answers = append(answers, &dnsmessage.AResource{A: a.As4()})
		case a.Is6() && (q.Type == dnsmessage.TypeAAAA || q.Type == typeANY):
			answers = append(answers, &dnsmessage.AAAAResource{AAAA: a.As16()})
		}
	}
	if len(answers) == 0 && q.prefix.IsValid() {
		for _, a := range addresses {
			answers = append(answers, &dnsmessage.AAAAResource{AAAA: nat64.Embed(q.prefix, a).As16()})
		}
	}
	return answers
}

// Failure is the answer where nobody could be asked in time.
func (q Question) Failure() []byte { return q.answer(dnsmessage.RCodeServerFailure, nil) }

// Refusal is the answer where nobody may be asked.
func (q Question) Refusal() []byte { return q.answer(dnsmessage.RCodeRefused, nil) }

// answer writes an answer. Without records, a successful or negative one says for
// how long that may be remembered (RFC 2308 section 3).
func (q Question) answer(code dnsmessage.RCode, records []dnsmessage.ResourceBody) []byte {
	m := dnsmessage.Message{Header: q.header(code)}
	if q.Name.Length > 0 {
		m.Questions = []dnsmessage.Question{q.Question}
	}
	of := dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: lifetimeSeconds}
	for _, body := range records {
		m.Answers = append(m.Answers, dnsmessage.Resource{Header: of, Body: body})
	}
	if len(records) == 0 && (code == dnsmessage.RCodeSuccess || code == dnsmessage.RCodeNameError) {
		m.Authorities = []dnsmessage.Resource{{Header: of, Body: authority(q.Name)}}
	}
	if q.extended {
		m.Additionals = []dnsmessage.Resource{q.extension(code)}
	}
	packed, err := m.Pack()
	if err != nil {
		panic(fmt.Sprintf("pack an answer of our own: %v", err)) // its parts have been parsed
	}
	return packed
}

func (q Question) header(code dnsmessage.RCode) dnsmessage.Header {
	return dnsmessage.Header{
		ID: q.id, Response: true, RecursionDesired: q.recurse, RecursionAvailable: true, CheckingDisabled: q.unproven, RCode: code & 0xf,
	}
}

// extension is the record that says what EDNS we speak.
func (q Question) extension(code dnsmessage.RCode) dnsmessage.Resource {
	r := dnsmessage.Resource{Body: &dnsmessage.OPTResource{}}
	if err := r.Header.SetEDNS0(udpMax, code, q.proofs); err != nil {
		panic(fmt.Sprintf("write an EDNS header: %v", err)) // its name is the root's
	}
	return r
}

// authority is the record that negative answers come with.
func authority(zone dnsmessage.Name) *dnsmessage.SOAResource {
	return &dnsmessage.SOAResource{
		NS: zone, MBox: zone, Serial: 1, Refresh: lifetimeSeconds, Retry: lifetimeSeconds, Expire: lifetimeSeconds, MinTTL: lifetimeSeconds,
	}
}
