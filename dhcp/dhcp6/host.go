package dhcp6

import "net/netip"

// An Outcome is what became of a frame.
type Outcome int

// Outcomes of frames.
const (
	Unconcerned         Outcome = iota // no question
	Ignored                            // DHCPv6 of other hosts, or malformed
	Advertised                         // addresses are offered
	Replied                            // addresses are given, or what was asked is told
	RouterAdvertised                   // a router solicitation is answered
	NeighbourAdvertised                // a neighbour solicitation for the router is answered
)

// Answer answers a frame of the link. A frame of another host than the lease's is no
// question; neither is one for the router that says that it comes from elsewhere.
func (l Lease) Answer(frame []byte) (answer []byte, what Outcome) {
	p, ok := readFrame(frame)
	if !ok {
		return nil, Unconcerned
	}
	if message, ok := p.message(); ok {
		return l.answerMessage(p, message)
	}
	kind, ok := p.discovery()
	if !ok || p.mac != l.MAC || p.from == router {
		return nil, Unconcerned
	}
	if kind == routerSolicitation {
		return l.answerSolicitation(p)
	}
	// The router answers by itself who asks under an address that it knows. Hosts ask
	// again for a neighbour under one that they have made for the link, of which there
	// are too many to be remembered.
	target := netip.AddrFrom16([16]byte(p.payload[neighbourTargetAt:]))
	if target != router || !p.from.IsLinkLocalUnicast() || p.to != router && p.to != solicited {
		return nil, Unconcerned
	}
	return l.advertiseNeighbour(p.from), NeighbourAdvertised
}

func (l Lease) answerMessage(p packet, message []byte) ([]byte, Outcome) {
	if p.mac != l.MAC || p.to != allServers || !p.from.IsLinkLocalUnicast() || p.from == router {
		return nil, Ignored
	}
	m, err := Parse(message)
	if err != nil {
		return nil, Ignored
	}
	kind, answer, ok := l.reply(m)
	if !ok {
		return nil, Ignored
	}
	what := Replied
	if kind == Advertise {
		what = Advertised
	}
	return l.messageFrame(p.from, answer), what
}

// answerSolicitation tells of the router at once. RFC 4861 section 6.2.6 has routers wait
// for a moment, lest several answer together: here is one, and one host.
func (l Lease) answerSolicitation(p packet) ([]byte, Outcome) {
	if p.to != allRouters && p.to != router {
		return nil, Unconcerned
	}
	to := p.from
	if !to.IsLinkLocalUnicast() { // none yet, or one that it may have made up: its MAC address is enough
		to = allNodes
	}
	return l.advertise(to), RouterAdvertised
}
