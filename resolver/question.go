package resolver

import (
	"net/netip"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

// Sizes of messages, in bytes.
const (
	// QuestionMax is the longest message that is read as a question. Longer ones
	// carry what nobody needs to ask.
	QuestionMax = 1232

	// udpMin is what every asker takes (RFC 1035 section 4.2.1), and udpMax what
	// is sent at most, so that no path has to fragment it (RFC 6891 section 6.2.5).
	udpMin = 512
	udpMax = 1232
)

// Types that are asked for and are no records.
const (
	typeIXFR  = 251
	typeAXFR  = 252
	typeMAILB = 253
	typeMAILA = 254
	typeANY   = 255
)

// rcodeBadVersion is an EDNS version that is not known (RFC 6891 section 9).
const rcodeBadVersion = 16

// A Question is what one message asks.
type Question struct {
	dnsmessage.Question

	id       uint16
	recurse  bool // others may be asked
	unproven bool // "checking disabled" (RFC 4035 section 3.2.2)

	// extended says that the asker speaks EDNS (RFC 6891), takes so many bytes by
	// UDP, and, with proofs, wants to see those of DNSSEC.
	extended bool
	bytes    int
	proofs   bool

	// prefix, where valid, is where addresses are made of IPv4 ones if there are no
	// others.
	prefix netip.Prefix
}

// text is the name as tables have it.
func (q Question) text() string {
	return strings.ToLower(strings.TrimSuffix(q.Name.String(), "."))
}

// room is how long an answer may be.
func (q Question) room(stream bool) int {
	if stream {
		return 1<<16 - 1
	}
	return min(max(q.bytes, udpMin), udpMax)
}

// parse reads a question. With ok false the message is none and gets no answer, so
// that no two servers ever answer each other; else, unless the code is success, it
// is one that is answered with this code.
func parse(message []byte) (q Question, code dnsmessage.RCode, ok bool) {
	var p dnsmessage.Parser
	h, err := p.Start(message)
	if err != nil || h.Response || len(message) > QuestionMax {
		return q, 0, false
	}
	q = Question{id: h.ID, recurse: h.RecursionDesired, unproven: h.CheckingDisabled}
	if h.OpCode != 0 {
		return q, dnsmessage.RCodeNotImplemented, true
	}
	if q.Question, err = p.Question(); err != nil {
		return Question{id: h.ID}, dnsmessage.RCodeFormatError, true
	}
	if _, err := p.Question(); err != dnsmessage.ErrSectionDone {
		return q, dnsmessage.RCodeFormatError, true
	}
	if _, err := p.AnswerHeader(); err != dnsmessage.ErrSectionDone {
		return q, dnsmessage.RCodeFormatError, true
	}
	if err := p.SkipAllAuthorities(); err != nil { // of IXFR
		return q, dnsmessage.RCodeFormatError, true
	}
	return q, q.parseAdditionals(&p), true
}

// parseAdditionals reads what comes behind the question.
func (q *Question) parseAdditionals(p *dnsmessage.Parser) dnsmessage.RCode {
	code := dnsmessage.RCodeSuccess
	for {
		h, err := p.AdditionalHeader()
		if err == dnsmessage.ErrSectionDone {
			return code
		}
		if err != nil || p.SkipAdditional() != nil {
			return dnsmessage.RCodeFormatError
		}
		if h.Type != dnsmessage.TypeOPT {
			continue
		}
		if q.extended || h.Name.String() != "." {
			return dnsmessage.RCodeFormatError
		}
		q.extended, q.bytes, q.proofs = true, int(h.Class), h.DNSSECAllowed()
		if version := h.TTL >> 16 & 0xff; version != 0 {
			code = rcodeBadVersion
		}
	}
}
