package resolver

import (
	"encoding/binary"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

// Forward writes the question as it is asked of others, under an id of our own,
// which nobody can guess. Nothing else of the asker's message goes out.
func (q Question) Forward(id uint16) ([]byte, error) {
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: id, RecursionDesired: true, CheckingDisabled: q.unproven},
		Questions: []dnsmessage.Question{q.Question},
	}
	if q.extended {
		m.Additionals = []dnsmessage.Resource{q.extension(0)}
	}
	return m.Pack()
}

// Answers reports whether a message answers what was forwarded under an id, and
// whether all of it is there.
func (q Question) Answers(message []byte, id uint16) (whole, ok bool) {
	var p dnsmessage.Parser
	h, err := p.Start(message)
	if err != nil || !h.Response || h.ID != id || h.OpCode != 0 {
		return false, false
	}
	asked, err := p.Question()
	if err != nil || asked.Type != q.Type || asked.Class != q.Class || !strings.EqualFold(asked.Name.String(), q.Name.String()) {
		return false, false
	}
	return !h.Truncated, true
}

// Bits of a message's flags (RFC 1035 section 4.1.1).
const (
	flagsOffset = 2
	flagRecurse = 1 << 8
	codeMask    = 0xf
)

// Return turns an answer that Answers has accepted into one to the asker. What is
// too long for UDP is cut off, and the asker told so.
func (q Question) Return(message []byte, stream bool) []byte {
	flags := binary.BigEndian.Uint16(message[flagsOffset:])
	if len(message) > q.room(stream) {
		m := dnsmessage.Message{Header: q.header(dnsmessage.RCode(flags & codeMask)), Questions: []dnsmessage.Question{q.Question}}
		m.Truncated = true
		if q.extended {
			m.Additionals = []dnsmessage.Resource{q.extension(0)}
		}
		cut, err := m.Pack()
		if err != nil {
			return q.Failure()
		}
		return cut
	}
	if flags &^= flagRecurse; q.recurse {
		flags |= flagRecurse
	}
	binary.BigEndian.PutUint16(message, q.id)
	binary.BigEndian.PutUint16(message[flagsOffset:], flags)
	return message
}
