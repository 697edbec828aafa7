package rib

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"causeway.dev/bgp/wire"
)

// OutConfig is what we add to routes that are told.
type OutConfig struct {
	ASN     uint32     // ours, which every path begins with
	NextHop netip.Addr // our address of IPv4
}

// Out is what a peer was told, and what it is to be told. Messages come out of it one by
// one, when there is room for them:
//
//	want ──differences, once the queue is empty──> queue ──Next──> told
//
// What is in the queue is told, whatever is wanted meanwhile; the next differences make
// up for it.
type Out struct {
	config OutConfig
	want   []Route
	told   []Route // with what is queued
	queue  []wire.Update
	dirty  bool // want and told may differ
	again  bool // all is to be told once more
	first  bool // the End-of-RIB has not been told
}

// NewOut returns a table for a peer that was told nothing.
func NewOut(c OutConfig) *Out { return &Out{config: c, first: true} }

// Set says what the peer is to be told: one route a destination, sorted by it. The slice
// is kept, and must not change.
func (o *Out) Set(want []Route) {
	if !slices.IsSortedFunc(want, compare) {
		want = slices.SortedFunc(slices.Values(want), compare)
	}
	o.want, o.dirty = want, true
}

// Reset begins anew with a peer that was told nothing.
func (o *Out) Reset() {
	o.told, o.queue = nil, nil
	o.dirty, o.again, o.first = true, false, true
}

// Refresh has all told once more, RFC 2918.
func (o *Out) Refresh() { o.again, o.dirty = true, true }

// Len is how many routes the peer was told, with those that wait to be.
func (o *Out) Len() int { return len(o.told) }

// Next is the next message for the peer, of at most [wire.MessageMax] octets; ok is
// whether there is one. Behind the first whole table comes the End-of-RIB.
func (o *Out) Next() (u wire.Update, ok bool) {
	if len(o.queue) == 0 && (o.dirty || o.first) {
		o.compare()
	}
	if len(o.queue) == 0 {
		o.queue = nil
		return wire.Update{}, false
	}
	u, o.queue[0] = o.queue[0], wire.Update{}
	o.queue = o.queue[1:]
	return u, true
}

// compare queues the differences of what is wanted and what was told.
func (o *Out) compare() {
	var withdrawn []netip.Prefix
	var announced []Route
	told, want := o.told, o.want
	for len(told) > 0 || len(want) > 0 {
		order := 0
		switch {
		case len(told) == 0:
			order = 1
		case len(want) == 0:
			order = -1
		default:
			order = compare(told[0], want[0])
		}
		switch {
		case order < 0:
			withdrawn, told = append(withdrawn, told[0].Destination), told[1:]
		case order > 0:
			announced, want = append(announced, want[0]), want[1:]
		default:
			if o.again || !told[0].sameAttributes(want[0]) {
				announced = append(announced, want[0])
			}
			told, want = told[1:], want[1:]
		}
	}
	o.queueWithdrawn(withdrawn)
	o.queueAnnounced(announced)
	if o.first {
		o.queue = append(o.queue, wire.Update{EndOfRIB: true})
	}
	o.told, o.dirty, o.again, o.first = o.want, false, false, false
}

func (o *Out) queueWithdrawn(prefixes []netip.Prefix) {
	for len(prefixes) > 0 {
		n := fitting(prefixes, wire.WithdrawRoom)
		o.queue = append(o.queue, wire.Update{Withdrawn: prefixes[:n:n]})
		prefixes = prefixes[n:]
	}
}

// queueAnnounced packs routes of equal attributes together, in the order of the first one.
func (o *Out) queueAnnounced(routes []Route) {
	groups := map[string]int{}
	var members [][]netip.Prefix
	var attributes []Route
	var key []byte
	for _, r := range routes {
		key = r.appendKey(key[:0])
		i, ok := groups[string(key)]
		if !ok {
			i = len(members)
			groups[string(key)] = i
			members, attributes = append(members, nil), append(attributes, r)
		}
		members[i] = append(members[i], r.Destination)
	}
	for i, prefixes := range members {
		a := o.attributes(attributes[i])
		room := a.Room()
		for len(prefixes) > 0 {
			n := fitting(prefixes, room)
			if n == 0 {
				break // a path that fills a message: nobody can be told
			}
			o.queue = append(o.queue, wire.Update{Announced: prefixes[:n:n], Attributes: a})
			prefixes = prefixes[n:]
		}
	}
}

// fitting is how many of the prefixes fit into a number of octets.
func fitting(prefixes []netip.Prefix, room int) int {
	for i, p := range prefixes {
		if room -= wire.Length(p); room < 0 {
			return i
		}
	}
	return len(prefixes)
}

// appendKey appends what is the same for routes of equal attributes only.
func (r Route) appendKey(dst []byte) []byte {
	dst = append(dst, r.Origin, byte(count(r.HasMED)))
	dst = binary.BigEndian.AppendUint32(dst, r.MED)
	for _, asn := range r.Path {
		dst = binary.BigEndian.AppendUint32(dst, asn)
	}
	return dst
}

// attributes are those of a route as it is told: RFC 4271 section 5.1. In place of an
// AS_SET, which nobody is to send any more (RFC 9774), there is our own ASN, so that the
// path is as long as it was.
func (o *Out) attributes(r Route) wire.Attributes {
	path := make([]uint32, 0, len(r.Path)+1)
	path = append(path, o.config.ASN)
	for _, asn := range r.Path {
		if asn == 0 {
			asn = o.config.ASN
		}
		path = append(path, asn)
	}
	return wire.Attributes{Path: path, Origin: wire.Origin(r.Origin), NextHop: o.config.NextHop, MED: r.MED, HasMED: r.HasMED}
}
