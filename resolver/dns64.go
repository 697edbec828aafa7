package resolver

import (
	"net/netip"

	"golang.org/x/net/dns/dnsmessage"

	"causeway.dev/nat64"
)

// prefixProbe is the name by which hosts find out whether, and under which prefix,
// addresses are made for them. Its own are known everywhere (RFC 7050 section 2.2, RFC
// 8880 section 7.1).
const prefixProbe = "ipv4only.arpa"

var prefixProbeAddresses = []netip.Addr{netip.AddrFrom4([4]byte{192, 0, 0, 170}), netip.AddrFrom4([4]byte{192, 0, 0, 171})}

// takesSynthetic reports whether a question is one for addresses that may be made of
// others: it is not where the asker proves answers itself (RFC 6147 section 5.5).
func (q Question) takesSynthetic() bool {
	return q.Type == dnsmessage.TypeAAAA && q.Class == dnsmessage.ClassINET && !(q.proofs && q.unproven)
}

// mapped are addresses of IPv4 in the form of IPv6. They are no answer (RFC 6147
// section 5.1.4).
var mapped = netip.PrefixFrom(netip.AddrFrom16([16]byte{10: 0xff, 11: 0xff}), 96)

// Instead returns the question whose answer is needed to make addresses of, where
// others have given an answer without: one that Answers has accepted, or nil if nobody
// has answered. A name that does not exist has no others either (RFC 6147 section
// 5.1.2); that it has is taken for possible after any other failure.
func (q Question) Instead(answer []byte) (Question, bool) {
	if !q.prefix.IsValid() {
		return Question{}, false
	}
	if answer != nil {
		var m dnsmessage.Message
		if err := m.Unpack(answer); err != nil || m.Truncated || m.RCode == dnsmessage.RCodeNameError {
			return Question{}, false
		}
		for _, r := range m.Answers {
			if body, ok := r.Body.(*dnsmessage.AAAAResource); ok && !mapped.Contains(netip.AddrFrom16(body.AAAA)) {
				return Question{}, false
			}
		}
	}
	q.Type, q.prefix = dnsmessage.TypeA, netip.Prefix{}
	return q, true
}

// syntheticLifetimeMax bounds, in seconds, how long what was made may be remembered
// where nobody says for how long there is nothing else (RFC 6147 section 5.1.7).
const syntheticLifetimeMax = 600

// Synthesize makes an answer of what others have said to the question, and to the one
// Instead of it; nil if that has no addresses. Records that lead from name to name
// stay; proofs do not hold any more, and go. Either may be nil.
func (q Question) Synthesize(answer, instead []byte) []byte {
	var m, from dnsmessage.Message
	if instead == nil || from.Unpack(instead) != nil || from.RCode != dnsmessage.RCodeSuccess {
		return nil
	}
	lifetime := uint32(syntheticLifetimeMax)
	if m.Unpack(answer) == nil {
		for _, r := range m.Authorities {
			if r.Header.Type == dnsmessage.TypeSOA {
				lifetime = r.Header.TTL
			}
		}
	}
	made := dnsmessage.Message{Header: q.header(dnsmessage.RCodeSuccess), Questions: []dnsmessage.Question{q.Question}}
	found := false
	for _, r := range from.Answers {
		switch body := r.Body.(type) {
		case *dnsmessage.AResource:
			found = true
			r.Header.Type, r.Header.TTL = dnsmessage.TypeAAAA, min(r.Header.TTL, lifetime)
			r.Body = &dnsmessage.AAAAResource{AAAA: nat64.Embed(q.prefix, netip.AddrFrom4(body.A)).As16()}
		case *dnsmessage.CNAMEResource:
		default:
			continue
		}
		made.Answers = append(made.Answers, r)
	}
	if q.extended {
		made.Additionals = []dnsmessage.Resource{q.extension(0)}
	}
	packed, err := made.Pack()
	if err != nil || !found {
		return nil
	}
	return packed
}
