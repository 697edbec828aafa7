package dhcp

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"time"
)

// A Lease is what one host is told.
type Lease struct {
	MAC     [6]byte      // by which it is known
	Address netip.Prefix // IPv4, with the length of its subnet; zero: the host has none, and is not answered
	Router  netip.Addr   // who answers, too
	Time    time.Duration

	HostName        string
	Resolvers       []netip.Addr // at most 4; those of IPv4 are told
	Domain          string
	TimeServers     []netip.Addr // at most 4
	NetBIOSServers  []netip.Addr // at most 4
	NetBIOSNodeType int          // 0: not told
	MTU             int          // 0: not told

	// LinkLocal are addresses of services that are reached by the router though they
	// look as if they were on the link.
	LinkLocal []netip.Addr
}

// A Reply is an answer, and to whom.
type Reply struct {
	Type    Type
	To      netip.Addr // 255.255.255.255: to all
	MAC     [6]byte    // of To
	Message []byte
}

var (
	everybody = netip.AddrFrom4([4]byte{255, 255, 255, 255})
	everyMAC  = [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
)

// Answer answers a client's message, or says that there is nothing to say: to others
// than the lease's host, to messages that mean another server or that came by a relay,
// and to those that want no answer.
func (l Lease) Answer(m Message) (Reply, bool) {
	if !l.Address.IsValid() || m.MAC != l.MAC || !m.Relay.IsUnspecified() || m.Server.IsValid() && m.Server != l.Router {
		return Reply{}, false
	}
	switch m.Type {
	case Discover:
		return l.reply(Offer, m), true
	case Request:
		return l.reply(l.judge(m), m), true
	case Inform:
		if m.Client.IsUnspecified() {
			return Reply{}, false
		}
		return l.reply(ACK, m), true
	default: // what was declined or given back is the host's all the same
		return Reply{}, false
	}
}

// judge decides on a request. RFC 2131 section 4.3.2: a client that selects, or that
// starts again, says what it wants in an option; one that renews uses it already.
func (l Lease) judge(m Message) Type {
	wanted := m.Requested
	if !wanted.IsValid() {
		wanted = m.Client
	}
	if wanted != l.Address.Addr() {
		return NAK
	}
	return ACK
}

// messageLengthMax is what each client takes (RFC 2131 section 2): 576 bytes with the
// headers of IP and UDP. Answers are not longer than messageLengthUseful.
const (
	headersLength       = 20 + 8
	messageLengthMax    = 576 - headersLength
	messageLengthUseful = 1500 - headersLength

	// messageLengthMin is BOOTP's, which some clients insist on.
	messageLengthMin = 300
)

// reply writes an answer.
func (l Lease) reply(kind Type, m Message) Reply {
	b := make([]byte, atOption, messageLengthUseful)
	b[0], b[1], b[2] = bootReply, ethernet, macLength
	binary.BigEndian.PutUint32(b[atID:], m.ID)
	if m.Broadcast {
		binary.BigEndian.PutUint16(b[atFlags:], flagBroadcast)
	}
	copy(b[atMAC:], m.MAC[:])
	binary.BigEndian.PutUint32(b[atCookie:], cookie)
	if kind != NAK {
		copy(b[atClient:], m.Client.AsSlice())
	}
	if kind != NAK && m.Type != Inform {
		copy(b[atYours:], l.Address.Addr().AsSlice())
	}
	r := Reply{Type: kind, To: everybody, MAC: everyMAC}
	switch { // RFC 2131 section 4.1
	case kind == NAK:
	case !m.Client.IsUnspecified():
		r.To, r.MAC = m.Client, m.MAC
	case !m.Broadcast:
		r.To, r.MAC = l.Address.Addr(), m.MAC
	}
	w := writer{b: b, most: min(max(messageLengthMax, m.LengthMax-headersLength), messageLengthUseful) - 1} // but for the end
	w.add(optionType, byte(kind))
	w.add(optionServer, l.Router.AsSlice()...)
	if len(m.ClientID) > 0 {
		w.add(optionClientID, m.ClientID...)
	}
	if kind == NAK {
		w.add(optionText, []byte("the address is not the interface's")...)
	} else {
		l.tell(&w, m)
	}
	w.b = append(w.b, optionEnd)
	if short := messageLengthMin - len(w.b); short > 0 {
		w.b = append(w.b, make([]byte, short)...)
	}
	r.Message = w.b
	return r
}

// tell writes what the client wants to know; one that does not say, all.
func (l Lease) tell(w *writer, m Message) {
	if m.Type != Inform {
		seconds := uint32(l.Time / time.Second)
		w.add(optionLease, binary.BigEndian.AppendUint32(nil, seconds)...)
		w.add(optionRenewal, binary.BigEndian.AppendUint32(nil, seconds/2)...)     // RFC 2131 section 4.4.5
		w.add(optionRebinding, binary.BigEndian.AppendUint32(nil, seconds/8*7)...) // the same
	}
	known := l.options()
	for _, code := range tellable { // the ones that matter most come first, where there is no room for all
		if value := known[code]; len(value) > 0 && (len(m.Parameters) == 0 || slices.Contains(m.Parameters, code)) {
			w.add(code, value...)
		}
	}
}

// tellable are the options that a client is told, in the order of RFC 2132 section 3.3
// (the mask before the router) and of use.
var tellable = []byte{
	optionSubnetMask, optionStaticRoutes, optionRouter, optionResolvers, optionMTU, optionBroadcast, optionHostName, optionDomain,
	optionTimeServers, optionNetBIOS, optionNetBIOSNode,
}

func (l Lease) options() options {
	mask := uint32(0xffffffff) << (32 - l.Address.Bits()) // of 32 bits: 0 where the length is 0
	address := binary.BigEndian.Uint32(l.Address.Addr().AsSlice())
	o := options{
		optionSubnetMask:   binary.BigEndian.AppendUint32(nil, mask),
		optionBroadcast:    binary.BigEndian.AppendUint32(nil, address|^mask),
		optionRouter:       l.Router.AsSlice(),
		optionStaticRoutes: l.staticRoutes(),
		optionResolvers:    addresses(l.Resolvers),
		optionTimeServers:  addresses(l.TimeServers),
		optionNetBIOS:      addresses(l.NetBIOSServers),
		optionHostName:     []byte(l.HostName),
		optionDomain:       []byte(l.Domain),
	}
	if l.NetBIOSNodeType > 0 {
		o[optionNetBIOSNode] = []byte{byte(l.NetBIOSNodeType)}
	}
	if l.MTU > 0 {
		o[optionMTU] = binary.BigEndian.AppendUint16(nil, uint16(l.MTU))
	}
	return o
}

// staticRoutes writes RFC 3442's routes. Who knows them does not look at the router's
// option: the default route is one of them.
func (l Lease) staticRoutes() []byte {
	router := l.Router.AsSlice()
	var b []byte
	for _, a := range l.LinkLocal {
		if a.Is4() {
			b = append(append(append(b, 32), a.AsSlice()...), router...)
		}
	}
	return append(append(b, 0), router...)
}

// addresses writes those of IPv4 one after the other.
func addresses(list []netip.Addr) (b []byte) {
	for _, a := range list {
		if a.Is4() {
			b = append(b, a.AsSlice()...)
		}
	}
	return b
}

// A writer appends options as long as there is room.
type writer struct {
	b    []byte
	most int // its length
}

// add leaves an option out that finds no room, or that is longer than one can be.
func (w *writer) add(code byte, value ...byte) {
	if len(value) <= 255 && len(w.b)+2+len(value) <= w.most {
		w.b = append(append(w.b, code, byte(len(value))), value...)
	}
}
