package dhcp6

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
)

// Status codes (RFC 8415 section 21.13).
const (
	success        = 0
	noAddresses    = 2
	notOnLink      = 4
	noPrefixes     = 6
	statusNotGiven = -1
)

// serverID is the DUID of whoever answers, by the router's MAC address (RFC 8415 section
// 11.4): the same for a link, whichever process answers.
func (l Lease) serverID() []byte {
	const duidLinkLayer, ethernet = 3, 1
	return append([]byte{0, duidLinkLayer, 0, ethernet}, l.Router[:]...)
}

// answerable reports whether a message is one that a client may send, and means us (RFC
// 8415 section 16).
func (l Lease) answerable(m Message) bool {
	means := m.ServerID != nil && bytes.Equal(m.ServerID, l.serverID())
	switch m.Type {
	case Solicit, Confirm, Rebind:
		return m.ClientID != nil && m.ServerID == nil
	case Request, Renew, Release, Decline:
		return m.ClientID != nil && means
	case InformationRequest:
		return (m.ServerID == nil || means) && len(m.Associations) == 0
	default:
		return false
	}
}

// reply answers a message of the lease's host, or says that there is nothing to say.
func (l Lease) reply(m Message) (kind Type, message []byte, ok bool) {
	if !l.answerable(m) {
		return 0, nil, false
	}
	kind = Reply
	if m.Type == Solicit && !m.RapidCommit {
		kind = Advertise
	}
	w := writer{b: append([]byte{byte(kind)}, m.ID[:]...), most: l.messageMax()}
	if m.ClientID != nil {
		w.add(optionClientID, m.ClientID)
	}
	w.add(optionServerID, l.serverID())
	switch m.Type {
	case Solicit:
		if m.RapidCommit {
			w.add(optionRapidCommit, nil)
		} else {
			const most = 255 // there is no other server for it: it need not wait for one (RFC 8415 section 18.2.1)
			w.add(optionPreference, []byte{most})
		}
		l.tell(&w, m)
		l.grant(&w, m)
	case Request, Renew, Rebind:
		l.tell(&w, m)
		l.grant(&w, m)
	case InformationRequest:
		l.tell(&w, m)
	case Confirm:
		status, said := l.confirm(m)
		if !said {
			return 0, nil, false
		}
		w.status(status)
	default: // what was declined or given back is the host's all the same
		w.status(success)
	}
	return kind, w.b, true
}

// confirm judges what a host that may have been moved takes for its own. RFC 8415
// section 18.3.3: one that takes nothing for its own is not answered.
func (l Lease) confirm(m Message) (status int, said bool) {
	for _, a := range m.Associations {
		for _, address := range a.Addresses {
			said = true
			if !slices.Contains(l.Addresses, address) {
				return notOnLink, true
			}
		}
	}
	return success, said
}

// grant writes what becomes of the client's associations: the first that is for
// addresses has all of them, temporary ones and prefixes there are none.
func (l Lease) grant(w *writer, m Message) {
	granted := false
	for _, a := range m.Associations {
		header := binary.BigEndian.AppendUint32(nil, a.ID)
		switch a.Kind {
		case optionIANA:
			l.addresses(w, m, a, &granted)
		case optionIATA:
			w.add(optionIATA, append(header, statusOption(noAddresses)...))
		case optionIAPD:
			w.add(optionIAPD, append(append(header, make([]byte, iaHeader-len(header))...), statusOption(noPrefixes)...))
		}
	}
}

// addresses writes one association for addresses, [ IAID 4 | T1 4 | T2 4 | options ].
func (l Lease) addresses(w *writer, m Message, a Association, granted *bool) {
	var options []byte
	room := w.room() - iaHeader
	add := func(address netip.Addr, preferred, valid uint32) {
		if len(options)+optionHeader+iaAddressLength > room {
			return // there are more than a message takes
		}
		options = option(options, optionIAAddress, slices.Concat(address.AsSlice(), binary.BigEndian.AppendUint32(nil, preferred), binary.BigEndian.AppendUint32(nil, valid)))
	}
	given, status := l.Addresses, statusNotGiven
	switch {
	case m.Type == Request && slices.ContainsFunc(a.Addresses, func(address netip.Addr) bool { return !l.Subnet.Contains(address) }):
		given, status = nil, notOnLink // RFC 8415 section 18.3.2
	case *granted || len(given) == 0:
		given, status = nil, noAddresses
	}
	if len(given) > 0 {
		*granted = true
	}
	for _, address := range given {
		add(address, seconds(l.Preferred), seconds(l.Valid))
	}
	if m.Type == Renew || m.Type == Rebind { // RFC 8415 section 18.3.4: it is told what is its own no more
		for _, address := range a.Addresses {
			if !slices.Contains(given, address) {
				add(address, 0, 0)
				status = statusNotGiven
			}
		}
	}
	if status != statusNotGiven {
		options = append(options, statusOption(status)...)
	}
	value := binary.BigEndian.AppendUint32(nil, a.ID)
	var renewal, rebinding uint32
	if len(given) > 0 {
		renewal, rebinding = seconds(l.Preferred/2), seconds(l.Preferred/5*4) // RFC 8415 section 21.4
	}
	value = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(value, renewal), rebinding)
	w.add(optionIANA, append(value, options...))
}

// tell writes what the client wants to know.
func (l Lease) tell(w *writer, m Message) {
	var resolvers, timeServers []byte
	for _, a := range servers(l.Resolvers) {
		resolvers = append(resolvers, a.AsSlice()...)
	}
	for _, a := range servers(l.TimeServers) {
		timeServers = append(timeServers, a.AsSlice()...)
	}
	for _, code := range tellable {
		if !slices.Contains(m.Wanted, code) {
			continue
		}
		switch code {
		case optionResolvers:
			w.addUseful(code, resolvers)
		case optionDomains:
			w.addUseful(code, l.domains())
		case optionSNTP:
			w.addUseful(code, timeServers)
		case optionNTP: // RFC 5908: one server an option
			const serverAddress = 1
			for server := range slices.Chunk(timeServers, addressLength) {
				w.add(code, option(nil, serverAddress, server))
			}
		case optionRefreshTime:
			if m.Type == InformationRequest {
				w.add(code, binary.BigEndian.AppendUint32(nil, seconds(informationTime)))
			}
		}
	}
}

// tellable are the options that a client is told, in the order of use.
var tellable = []uint16{optionResolvers, optionDomains, optionNTP, optionSNTP, optionRefreshTime}

// A writer appends options as long as there is room.
type writer struct {
	b    []byte
	most int // its length
}

// room is that for the value of one more option.
func (w *writer) room() int { return w.most - len(w.b) - optionHeader }

// add leaves an option out that finds no room.
func (w *writer) add(code uint16, value []byte) {
	if len(value) <= w.room() {
		w.b = option(w.b, code, value)
	}
}

// addUseful leaves out what says nothing, too.
func (w *writer) addUseful(code uint16, value []byte) {
	if len(value) > 0 {
		w.add(code, value)
	}
}

// status says how it went with the whole message.
func (w *writer) status(code int) { w.b = append(w.b, statusOption(code)...) }

func statusOption(code int) []byte {
	return option(nil, optionStatus, binary.BigEndian.AppendUint16(nil, uint16(code)))
}

// option appends one option.
func option(b []byte, code uint16, value []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, code)
	return append(binary.BigEndian.AppendUint16(b, uint16(len(value))), value...)
}
