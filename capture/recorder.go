package capture

import (
	"context"
	"encoding/binary"
	"net/netip"
	"sync/atomic"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/wire"
	"causeway.dev/packet"
)

// queueMax is how many records wait for whoever reads them: 12 MB of full
// packets.
const queueMax = 8192

// A Recorder sees what one tunnel does. Its methods copy what they keep and never
// wait: what finds no room is counted.
type Recorder struct {
	name  string
	keys  bool // hand out keys
	queue chan Record
	lost  atomic.Uint64

	established atomic.Bool // an IKE SA has come to stand, whose keys are not known yet
	path        atomic.Pointer[ike.Path]
}

// NewRecorder returns a recorder of the tunnel of that name. Without keys no key
// and nothing that proves one leaves it.
func NewRecorder(name string, keys bool) *Recorder {
	return &Recorder{name: name, keys: keys, queue: make(chan Record, queueMax)}
}

// Next waits for a record.
func (r *Recorder) Next(ctx context.Context) (Record, error) {
	if n := r.lost.Swap(0); n > 0 {
		return Record{Kind: Dropped, Tunnel: r.name, At: time.Now(), Data: binary.BigEndian.AppendUint64(nil, n)}, nil
	}
	select {
	case <-ctx.Done():
		return Record{}, ctx.Err()
	case record := <-r.queue:
		return record, nil
	}
}

// WantsKeys reports, once for each IKE SA, that its keys should be asked for.
func (r *Recorder) WantsKeys() bool { return r.keys && r.established.Swap(false) }

func (r *Recorder) put(kind Kind, data []byte) {
	select {
	case r.queue <- Record{Kind: kind, Tunnel: r.name, At: time.Now(), Data: data}:
	default:
		r.lost.Add(1)
	}
}

// Inner implements tunnel.Tap.
func (r *Recorder) Inner(_ bool, ip []byte) { r.put(Inner, append([]byte(nil), ip...)) }

// Outer implements tunnel.Tap.
func (r *Recorder) Outer(outbound bool, local, remote netip.AddrPort, udp bool, payload []byte) {
	if !outbound {
		local, remote = remote, local
	}
	if udp {
		r.put(Outer, packet.AppendUDP(nil, local, remote, 0, payload))
	} else {
		r.put(Outer, packet.AppendIP(nil, local.Addr(), remote.Addr(), 0, packet.ProtocolESP, payload))
	}
}

// nattPort is where IKE has four zeros before it: RFC 3948 section 2.2.
const nattPort = 4500

// IKE takes an IKE datagram as it leaves or came, without the non-ESP marker.
func (r *Recorder) IKE(outbound bool, local, remote netip.AddrPort, datagram []byte) {
	marker := 0
	if local.Port() == nattPort {
		marker = 4
	}
	payload := append(make([]byte, marker, marker+len(datagram)), datagram...)
	if !outbound {
		local, remote = remote, local
	}
	r.put(Outer, packet.AppendUDP(nil, local, remote, 0, payload))
}

// ikePort is the port by which Wireshark knows IKE.
const ikePort = 500

// Event takes an event of the tunnel's IKE.
func (r *Recorder) Event(event ike.Event) {
	switch e := event.(type) {
	case ike.Established:
		r.path.Store(&e.Path)
		r.established.Store(true)
	case ike.PathChanged:
		r.path.Store(&e.Path)
	case ike.Exchanged:
		r.exchanged(e)
	case ike.KeysRevealed:
		if r.keys {
			r.put(IKEKeys, []byte(ikeKeyLine(e)))
		}
	case ike.ChildInstalled:
		if path := e.Child.Path; r.keys {
			r.put(ESPKeys, []byte(espKeyLine(path.Remote.Addr(), path.Local.Addr(), e.Child.Inbound, e.Child.Proposal, e.Child.InboundKey, e.Child.InboundIntegrityKey)))
			r.put(ESPKeys, []byte(espKeyLine(path.Local.Addr(), path.Remote.Addr(), e.Child.Outbound, e.Child.Proposal, e.Child.OutboundKey, e.Child.OutboundIntegrityKey)))
		}
	}
}

// SetPath says where the tunnel's peers are, if an IKE SA stands already.
func (r *Recorder) SetPath(p ike.Path) {
	r.path.Store(&p)
	r.established.Store(true)
}

// exchanged writes an IKE message in clear, so that Wireshark shows its payloads,
// and in a line.
func (r *Recorder) exchanged(e ike.Exchanged) {
	if len(e.Message) == 0 {
		return
	}
	message := e.Message
	if !r.keys {
		message = redact(message)
	}
	arrow := "<-"
	if e.Sent {
		arrow = "->"
	}
	note := arrow + " " + e.Exchange
	if m, err := wire.Parse(e.Message); err == nil {
		note = arrow + " " + m.String()
	}
	if e.What != "" {
		note += " (" + e.What + ")"
	}
	r.put(Note, []byte(note))
	path := r.path.Load()
	if path == nil {
		return
	}
	from, to := path.Local.Addr(), path.Remote.Addr()
	if !e.Sent {
		from, to = to, from
	}
	r.put(Inner, packet.AppendUDP(nil, netip.AddrPortFrom(from, ikePort), netip.AddrPortFrom(to, ikePort), 0, message))
}

// payloadAuth proves a pre-shared key, which could be guessed by it: RFC 7296
// section 2.15.
const payloadAuth = 39

// redact returns a message in clear with the content of its AUTH payload zero.
func redact(message []byte) []byte {
	const header, payloadHeader, authHeader = 28, 4, 4
	b := append([]byte(nil), message...)
	if len(b) < header {
		return b
	}
	next, rest := b[16], b[header:]
	for len(rest) >= payloadHeader {
		length := int(binary.BigEndian.Uint16(rest[2:]))
		if length < payloadHeader || length > len(rest) {
			break
		}
		if next == payloadAuth && length > payloadHeader+authHeader {
			clear(rest[payloadHeader+authHeader : length])
		}
		next, rest = rest[0], rest[length:]
	}
	return b
}
