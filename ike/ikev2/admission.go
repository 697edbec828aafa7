package ikev2

import (
	"crypto/sha256"
	"net/netip"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/keys"
	"causeway.dev/ike/wire"
)

// admission decides which IKE_SA_INIT requests are worth an answer. What anybody
// can send costs at first nothing, then a MAC, and only then memory and a
// Diffie-Hellman computation.
type admission struct {
	halfOpen int                // sessions that have not proved who they are, and still take room
	sources  map[netip.Addr]int // the same by source

	// sessions are those of responders by their IKE_SA_INIT request, so that
	// one that arrives again, even late, does not make another.
	sessions map[initKey]*session

	cookies, former *keys.Cookies // nil: none yet
	rotateAt        time.Time

	// Requests that come to nothing cost a comparison of all that is offered
	// with all that is accepted: those of this second, and of sources that
	// have returned a cookie.
	refusedFrom   time.Time
	refused       int
	refusedProven map[netip.Addr]int
}

type initKey struct {
	remote netip.AddrPort
	spi    uint64
}

// initOrigin is what a responder remembers of its IKE_SA_INIT request.
type initOrigin struct {
	initKey
	hash    [sha256.Size]byte
	counted bool // among the half-open ones
}

const (
	// A half-open session takes about 4 KiB for at most 30 s, and 20 s more if
	// its proof fails. Legitimate peers are half-open for a round trip: 64 at
	// once already means hundreds of handshakes a second.
	cookieThreshold       = 64
	cookieThresholdSource = 8
	halfOpenMax           = 4096
	halfOpenMaxSource     = 256

	// From refusedThreshold refusals a second on cookies are demanded, and a
	// source that returned one may be refused refusedMaxSource times a second.
	// A peer that is configured wrongly tries every few seconds.
	refusedThreshold = 50
	refusedMaxSource = 20

	// initLengthMax bounds the request, which is kept until it is proved. The
	// largest group's value has 1,024 octets, every algorithm that IANA knows
	// in one proposal about as many.
	initLengthMax = 8 << 10

	// initRepeatsMax bounds how often an answer is sent again: it may go to an
	// address that never asked. Ours would ask six times within connectTimeout.
	initRepeatsMax = 16

	// cookieRotation is how long a cookie secret is used; a cookie is valid
	// for one to two of it. RFC 7296 section 2.6.
	cookieRotation = time.Minute
)

func newAdmission() admission {
	return admission{sources: map[netip.Addr]int{}, sessions: map[initKey]*session{}, refusedProven: map[netip.Addr]int{}}
}

// receiveInit handles an IKE_SA_INIT request.
func (g *Gate) receiveInit(now time.Time, d Datagram, h wire.Header) Drop {
	if h.SPIi == 0 || h.SPIr != 0 || h.MessageID != 0 || len(d.Payload) > initLengthMax {
		return ike.DropMalformed
	}
	if s := g.admission.sessions[initKey{d.Remote, h.SPIi}]; s != nil && s.origin.hash == sha256.Sum256(d.Payload) {
		if a := s.acceptance; s.phase == connecting && a.response != nil && a.repeated < initRepeatsMax {
			a.repeated++
			s.transmit(d.Local, d.Remote, a.response)
		}
		return ike.DropRetransmitted
	}
	known, configured := g.listed.Knows(d.Local.Addr(), d.Remote.Addr())
	if !known {
		return ike.DropUnknownPeer
	}
	m, ok := wire.OutlineInit(d.Payload)
	if !ok {
		return ike.DropMalformed
	}
	a, source := &g.admission, d.Remote.Addr()
	if now.Sub(a.refusedFrom) >= time.Second {
		a.refusedFrom, a.refused = now, 0
		clear(a.refusedProven)
	}
	if a.refusedProven[source] >= refusedMaxSource {
		return ike.DropRefusals
	}
	// Strangers can't take the room of those whose address is configured.
	reserved := configured && a.sources[source] < cookieThresholdSource
	if a.halfOpen >= halfOpenMax && !reserved || a.sources[source] >= halfOpenMaxSource {
		return ike.DropHalfOpen
	}
	busy, crowded := g.busy(m.Group, reserved)
	if busy {
		return ike.DropBusy
	}
	proven := g.returnedCookie(now, d, h, m)
	if !proven && (crowded || a.halfOpen >= cookieThreshold || a.sources[source] >= cookieThresholdSource || a.refused >= refusedThreshold) {
		return g.demandCookie(now, d, h, m.Nonce)
	}
	message, err := wire.Parse(d.Payload)
	if err != nil {
		return ike.DropMalformed
	}
	drop, agreed := g.answerInit(now, d, message, sortPayloads(message.Payloads), g.listed.Candidates(d.Local.Addr(), source), proven)
	if !agreed {
		a.refused++
		if proven {
			a.refusedProven[source]++
		}
	}
	return drop
}

// demandCookie lets the initiator show that it is where it says it is. RFC 7296
// section 2.6.
func (g *Gate) demandCookie(now time.Time, d Datagram, h wire.Header, nonce []byte) Drop {
	g.renewCookies(now)
	demand := wire.AppendCookieDemand(make([]byte, 0, cookieDemandLength), h.SPIi, g.admission.cookies.Of(nonce, d.Remote, h.SPIi))
	if len(demand) <= len(d.Payload) {
		g.out = append(g.out, Output{Datagram: Datagram{Local: d.Local, Remote: d.Remote, Payload: demand}})
	}
	return ike.DropCookie
}

// cookieDemandLength is that of a demand, or a little more.
const cookieDemandLength = 80

// renewCookies replaces their secret when its time has come.
func (g *Gate) renewCookies(now time.Time) {
	if a := &g.admission; !now.Before(a.rotateAt) {
		secret := g.random(nonceLength)
		a.former, a.cookies = a.cookies, keys.NewCookies(secret)
		keys.Wipe(secret)
		a.rotateAt = now.Add(cookieRotation)
	}
}

// returnedCookie reports whether a request carries the cookie that its source was
// sent.
func (g *Gate) returnedCookie(now time.Time, d Datagram, h wire.Header, m wire.InitOutline) bool {
	if m.Cookie == nil {
		return false
	}
	a := &g.admission
	g.renewCookies(now)
	return keys.Equal(m.Cookie, a.cookies.Of(m.Nonce, d.Remote, h.SPIi)) ||
		a.former != nil && keys.Equal(m.Cookie, a.former.Of(m.Nonce, d.Remote, h.SPIi))
}

// enter counts a session of ours as responder until it is proved or gone. An initiator that
// begins anew, with a cookie or another group, does not end what its request
// before made: anybody may have told it to, and only its proof decides.
func (a *admission) enter(s *session, spi uint64) {
	s.origin = initOrigin{initKey{s.path.Remote, spi}, sha256.Sum256(s.acceptance.request), true}
	a.sessions[s.origin.initKey] = s
	a.halfOpen++
	a.sources[s.origin.remote.Addr()]++
}

// leave follows a session that goes on to the next phase.
func (a *admission) leave(s *session, next phase) {
	if s.origin.spi == 0 {
		return
	}
	if s.origin.counted && (next == established || next == ended) {
		s.origin.counted = false
		source := s.origin.remote.Addr()
		a.halfOpen--
		if a.sources[source]--; a.sources[source] == 0 {
			delete(a.sources, source)
		}
	}
	if next == ended && a.sessions[s.origin.initKey] == s {
		delete(a.sessions, s.origin.initKey)
	}
}
