package ikev1

import (
	"container/list"
	"crypto/sha256"
	"net/netip"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/engine"
	"causeway.dev/ike/wire"
	"causeway.dev/ike/wire/isakmp"
)

// An unheard is a main mode of a responder until its third message shows that the
// initiator is where it says it is. Whoever invents its address can have any number
// of them made: nothing else is kept of one.
type unheard struct {
	origin     firstKey
	local      netip.AddrPort
	cookie     uint64 // ours
	at         time.Time
	received   [sha256.Size]byte // of the first message
	offer      []byte            // the body of its SA payload
	sent       []byte            // our answer
	proposal   ike.IKEProposal
	method     isakmp.AuthMethod
	lifetime   time.Duration
	extensions extensions

	id    ike.PeerID // empty if it may be one of several
	rooms [2]*room   // where it waits: with all of its kind, with those of its address
	place [2]*list.Element
}

const (
	// unheardCost is what an unheard takes beside its octets, in all that knows of
	// it: TestFloodIsBoundedInMemory measures it.
	unheardCost = 576

	// strangersMax and configuredMax bound what those take that wait, in octets:
	// strangers, and addresses that somebody has configured. At 50,000 first messages
	// a second of a usual length each stranger has a quarter of a second at least
	// until it has to make room, and one whose address is not invented by others has
	// all of its 30 s.
	strangersMax  = 12 << 20
	configuredMax = 4 << 20
)

// octets is what an unheard counts for.
func (u *unheard) octets() int { return unheardCost + cap(u.offer) + cap(u.sent) }

// path is where the first message came from.
func (u *unheard) path() ike.Path { return ike.Path{Local: u.local, Remote: u.origin.remote} }

// A room holds those that wait, the oldest first.
type room struct {
	engine.Entry // in gate's schedule, if it has a gate
	gate         *Gate
	waiting      list.List
	octets       int
}

func (r *room) oldest() *unheard { return r.waiting.Front().Value.(*unheard) }

func (r *room) over() bool { return r.waiting.Len() == 0 }

func (r *room) nextDeadline() time.Time { return r.oldest().at.Add(connectTimeout) }

// advance gives up those who have not been heard of in time, and tells that once of
// each peer that they are known to be. Strangers may be nobody.
func (r *room) advance(now time.Time) {
	all, told := &r.gate.admission.unheard, map[*session]bool{}
	for !r.over() && !now.Before(r.nextDeadline()) {
		u := r.oldest()
		all.remove(u)
		if s := r.gate.sessions[u.id]; r == &all.configured && s != nil && s.current() == nil && !told[s] {
			told[s] = true
			s.emit(ike.NegotiationFailed{Reason: reasonUnfinished(u.origin.remote), Remote: u.origin.remote})
		}
	}
}

// abandon forgets all after a fault.
func (r *room) abandon(time.Time, string) {
	for !r.over() {
		r.gate.admission.unheard.remove(r.oldest())
	}
}

// unheards are all that wait.
type unheards struct {
	byCookie  map[uint64]*unheard // of ours
	byOrigin  map[firstKey]*unheard
	strangers room

	// Nobody whose address is configured can take the places of others: each address
	// has a share, of as many as have any.
	configured room
	addresses  map[netip.Addr]*room
}

func newUnheards(g *Gate) unheards {
	return unheards{
		byCookie: map[uint64]*unheard{}, byOrigin: map[firstKey]*unheard{}, addresses: map[netip.Addr]*room{},
		strangers: room{gate: g}, configured: room{gate: g},
	}
}

// enter lets one wait, and has the oldest make room.
func (all *unheards) enter(u *unheard, configured bool) {
	all.byCookie[u.cookie], all.byOrigin[u.origin] = u, u
	u.rooms[0] = &all.strangers
	if configured {
		own := all.addresses[u.origin.remote.Addr()]
		if own == nil {
			own = &room{}
			all.addresses[u.origin.remote.Addr()] = own
		}
		u.rooms = [2]*room{&all.configured, own}
	}
	for i, r := range u.rooms {
		if r != nil {
			u.place[i] = r.waiting.PushBack(u)
			r.octets += u.octets()
		}
	}
	for most := configuredMax / max(1, len(all.addresses)); configured && u.rooms[1].octets > most && u.rooms[1].waiting.Len() > 1; {
		all.remove(u.rooms[1].oldest())
	}
	most := strangersMax
	if configured {
		most = configuredMax
	}
	for u.rooms[0].octets > most {
		all.remove(u.rooms[0].oldest())
	}
	u.rooms[0].gate.touch(u.rooms[0])
}

// remove ends the wait of one.
func (all *unheards) remove(u *unheard) {
	delete(all.byCookie, u.cookie)
	delete(all.byOrigin, u.origin)
	for i, r := range u.rooms {
		if r != nil {
			r.waiting.Remove(u.place[i])
			r.octets -= u.octets()
		}
	}
	if own := u.rooms[1]; own != nil && own.over() {
		delete(all.addresses, u.origin.remote.Addr())
	}
	u.rooms[0].gate.touch(u.rooms[0])
}

// clear forgets all.
func (all *unheards) clear() {
	for _, u := range all.byCookie {
		all.remove(u)
	}
}

// answerFirst answers message 1; false if nothing in it is accepted.
func (g *Gate) answerFirst(now time.Time, d ike.Datagram, h wire.Header, m parts, candidates []*ike.Peer) bool {
	for _, p := range candidates {
		method, err := methodOf(p)
		if err != nil {
			continue
		}
		agreed, ok := chooseIKE(m.sa, accepted(p), method)
		if !ok {
			continue
		}
		u := &unheard{
			origin: firstKey{d.Remote, h.SPIi}, local: d.Local, cookie: g.newCookie(), at: now, received: sha256.Sum256(d.Payload),
			offer:    append([]byte(nil), isakmp.Body(isakmp.PayloadType(d.Payload[nextPayloadOffset]), d.Payload[wire.HeaderLength:], isakmp.PayloadSA)...),
			proposal: agreed.proposal, method: method, lifetime: agreed.lifetime, extensions: readExtensions(m.vendors),
		}
		if len(candidates) == 1 {
			u.id = p.ID
		}
		u.sent = isakmp.Message{
			Header:   wire.Header{SPIi: h.SPIi, SPIr: u.cookie, Major: 1, Exchange: isakmp.MainMode},
			Payloads: append([]isakmp.Payload{&isakmp.SA{Proposals: []isakmp.Proposal{agreed.answer}}}, u.extensions.payloads()...),
		}.Append(nil)
		g.admission.unheard.enter(u, candidates[0].Remote.IsValid())
		g.transmit(u.id, u.path(), u.sent)
		return true
	}
	return false
}

// hear goes on with a main mode that has waited for its third message.
func (g *Gate) hear(now time.Time, d ike.Datagram, h wire.Header, u *unheard) (drop ike.Drop) {
	n := &negotiation{
		gate: g, candidates: g.listed.Candidates(u.local.Addr(), u.origin.remote.Addr()), origin: u.origin,
		awaits: 3, spii: u.origin.spi, spir: u.cookie, created: u.at, endAt: u.at.Add(connectTimeout), path: u.path(),
		offer: u.offer, proposal: u.proposal, method: u.method, lifetime: u.lifetime, extensions: u.extensions,
		sent: u.sent, received: u.received,
	}
	if len(n.candidates) == 0 { // they have been removed
		return ike.DropUnknownPeer
	}
	g.attempt(now, n, func() { drop = n.receive(now, d, h) })
	return drop
}
