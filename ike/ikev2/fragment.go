package ikev2

import (
	"errors"
	"net/netip"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/engine"
	"causeway.dev/ike/keys"
	"causeway.dev/ike/wire"
)

// Fragmentation of messages, RFC 7383, for paths on which fragments of IP are
// lost. Both sides announce it in IKE_SA_INIT.

const (
	// fragmentSizeDefault is the IP datagram that nearly every path carries, and
	// the least that IPv6 does.
	fragmentSizeDefault = 1280

	// fragmentSizeSmall is what every path of IPv4 carries in one piece.
	fragmentSizeSmall = 576

	// sendsBeforeSmall is how often a message is sent before it is cut into
	// smaller fragments, 7.5 s after the first. RFC 7383 section 2.5.2. Not sooner: a
	// peer that is only slow has both kinds in its queue then, and strongSwan 5.9.8 takes
	// the last piece of two for one of three, finds the whole malformed, and refuses.
	sendsBeforeSmall = 4

	ipv4HeaderLength, ipv6HeaderLength = 20, 40
	udpHeaderLength, nonESPMarker      = 8, 4

	// A message is kept in pieces for fragmentsLifetime at most: that long, what
	// a retransmission brings completes what came before.
	fragmentsLifetime = 30 * time.Second

	// fragmentsMax bounds the pieces of one message. A message of the largest
	// kind, IKE_AUTH with a chain of certificates, has about 16 KiB, which are 32
	// pieces of the smallest datagrams.
	fragmentsMax = 128

	// Octets of one message: a half-open SA may be anybody's; later only rekeys
	// are longer than a few hundred octets.
	fragmentOctetsMaxHalfOpen = 32 << 10
	fragmentOctetsMax         = 16 << 10

	// fragmentOctetsMaxGate bounds what all half-open SAs together keep.
	fragmentOctetsMaxGate = 8 << 20
)

// A sealed message is what is sent, and sent again.
type sealed struct {
	packets [][]byte
	by      *keys.Protector
	header  wire.Header
	content []wire.Payload
	sends   int
}

// seal protects a message of ours, in fragments if it is long for the path and
// the peer takes them.
func (s *session) seal(sa *ikeSA, h wire.Header, payloads []wire.Payload) *sealed {
	m := &sealed{by: sa.seal, header: h, content: payloads}
	if sa.fragmentation {
		size := s.fragmentSize()
		if sa.narrow && s.path.Remote.Addr().Unmap().Is4() {
			size = min(size, fragmentSizeSmall)
		}
		m.packets = sa.seal.SealWithin(h, payloads, s.fragmentLength(size))
	} else {
		m.packets = [][]byte{sa.seal.Seal(nil, h, payloads)}
	}
	return m
}

// send sends a message, and after a while without an answer, or where the peer has come
// to do so, in smaller pieces.
func (s *session) send(sa *ikeSA, m *sealed, local, remote netip.AddrPort) {
	small := s.fragmentLength(fragmentSizeSmall)
	if sa.fragmentation && (m.sends == sendsBeforeSmall || sa.narrow && m.by != nil) && remote.Addr().Unmap().Is4() && len(m.packets[0]) > small {
		m.packets = m.by.SealWithin(m.header, m.content, small)
	}
	m.sends++
	for _, packet := range m.packets {
		s.transmit(local, remote, packet)
	}
}

// sizeOf learns from a fragment of the peer's what passes between us: who cuts its
// messages into the smallest pieces has found that, or has been told.
func (s *session) sizeOf(sa *ikeSA, f *wire.Fragment, length int) {
	if f.Number < f.Total {
		sa.narrow = length <= s.fragmentLength(fragmentSizeSmall)
	}
}

// fragmentSize is the longest IP datagram of ours. Until the peer is known, that
// of any that it may be.
func (s *session) fragmentSize() int {
	p := s.peer
	if p == nil {
		p = s.candidates[0]
	}
	return engine.OrDefault(p.FragmentSize, fragmentSizeDefault)
}

// fragmentLength is how long a message in an IP datagram of some size may be.
func (s *session) fragmentLength(size int) int {
	header := ipv4HeaderLength
	if s.path.Remote.Addr().Is6() && !s.path.Remote.Addr().Is4In6() {
		header = ipv6HeaderLength
	}
	return max(size-header-udpHeaderLength-nonESPMarker, keys.FragmentLengthMin)
}

// An assembly is a message of which pieces have come. All of them are authentic.
type assembly struct {
	id       uint32
	response bool
	next     wire.PayloadType
	parts    [][]byte // by number less one; nil for what is missing
	missing  int
	octets   int
	until    time.Time
	counted  *int // the gate's count, for a half-open SA
}

func (a *assembly) discard() {
	if a != nil && a.counted != nil {
		*a.counted -= a.octets
		a.octets = 0
	}
}

// open checks and decrypts a message. A fragment is kept until the others have
// come: then the message is whole, until then done is false. The drop says why a
// datagram counts for nothing, which is what forged ones do; an error is a
// *wire.Error of an authentic message.
func (s *session) open(now time.Time, sa *ikeSA, d ike.Datagram, h wire.Header) (m wire.Message, done bool, drop ike.Drop, err error) {
	if h.NextPayload != wire.PayloadSKF {
		m, err = sa.open.Open(d.Payload)
		if errors.Is(err, keys.ErrUnauthenticated) {
			return m, false, ike.DropIntegrity, nil
		}
		return m, true, ike.Accepted, err
	}
	if !sa.fragmentation {
		return m, false, ike.DropUnexpected, nil
	}
	h, f, err := sa.open.OpenFragment(d.Payload)
	if errors.Is(err, keys.ErrUnauthenticated) {
		return m, false, ike.DropIntegrity, nil
	}
	if err != nil {
		return m, true, ike.Accepted, err
	}
	s.sizeOf(sa, f, len(d.Payload))
	a, drop := s.collect(now, sa, h, f)
	if a == nil || a.missing > 0 {
		return m, false, drop, nil
	}
	var plain []byte
	for _, part := range a.parts {
		plain = append(plain, part...)
	}
	sa.dropAssembly(a.response)
	m.Header = h
	m.First, m.Inside = a.next, plain
	m.Payloads, err = wire.ParsePayloads(a.next, plain)
	return m, true, ike.Accepted, err
}

// collect puts a fragment to the others of its message.
func (s *session) collect(now time.Time, sa *ikeSA, h wire.Header, f *wire.Fragment) (*assembly, ike.Drop) {
	slot := sa.assembly(h.Flags.Response())
	a := *slot
	// RFC 7383 section 2.6: a sender that finds its fragments too long for the
	// path begins anew with more of them.
	if a != nil && (a.id != h.MessageID || len(a.parts) < int(f.Total)) {
		sa.dropAssembly(a.response)
		a = nil
	}
	octetsMax, counted := fragmentOctetsMax, (*int)(nil)
	if sa.state == saHalfOpen {
		octetsMax, counted = fragmentOctetsMaxHalfOpen, &s.gate.fragmentOctets
	}
	switch {
	case f.Total > fragmentsMax:
		return nil, ike.DropFragments
	case a == nil:
		a = &assembly{
			id: h.MessageID, response: h.Flags.Response(), parts: make([][]byte, f.Total), missing: int(f.Total),
			until: now.Add(fragmentsLifetime), counted: counted,
		}
	case len(a.parts) > int(f.Total) || a.parts[f.Number-1] != nil:
		return nil, ike.DropRetransmitted
	}
	if a.octets+len(f.Body) > octetsMax || counted != nil && *counted+len(f.Body) > fragmentOctetsMaxGate {
		return nil, ike.DropFragments
	}
	a.parts[f.Number-1] = append([]byte{}, f.Body...)
	a.octets += len(f.Body)
	a.missing--
	if a.counted != nil {
		*a.counted += len(f.Body)
	}
	if f.Number == 1 {
		a.next = f.Next
	}
	*slot = a
	return a, ike.Accepted
}

// assembly is where the pieces of a request or a response are kept.
func (sa *ikeSA) assembly(response bool) **assembly {
	if response {
		return &sa.responseParts
	}
	return &sa.requestParts
}

func (sa *ikeSA) dropAssembly(response bool) {
	slot := sa.assembly(response)
	(*slot).discard()
	*slot = nil
}

func (sa *ikeSA) dropAssemblies() {
	sa.dropAssembly(false)
	sa.dropAssembly(true)
}

// assembliesUntil is when pieces have been kept for long enough, or zero.
func (sa *ikeSA) assembliesUntil() time.Time {
	until := engine.FarFuture
	for _, a := range []*assembly{sa.requestParts, sa.responseParts} {
		if a != nil {
			until = engine.Soonest(until, a.until)
		}
	}
	if until == engine.FarFuture {
		return time.Time{}
	}
	return until
}

// expireAssemblies drops the pieces whose time is over.
func (sa *ikeSA) expireAssemblies(now time.Time) {
	for _, a := range []*assembly{sa.requestParts, sa.responseParts} {
		if a != nil && !now.Before(a.until) {
			sa.dropAssembly(a.response)
		}
	}
}

// announceFragmentation is what both sides say in IKE_SA_INIT.
func announceFragmentation() wire.Payload {
	return &wire.Notify{Type: wire.FragmentationSupported}
}

// validateFragmentSize says what about a peer's fragment size can't be used.
func validateFragmentSize(p *ike.Peer) error {
	if p.FragmentSize != 0 && (p.FragmentSize < fragmentSizeSmall || p.FragmentSize > 65535) {
		return errors.New("a fragment size that is not between 576 and 65535")
	}
	return nil
}
