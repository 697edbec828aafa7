package packetio

import (
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"
	"sync"
	"time"

	"causeway.dev/packet"
)

// A Pcap writes a capture of IP packets that Wireshark and tcpdump read. It is
// safe for concurrent use.
type Pcap struct {
	mu sync.Mutex
	w  io.Writer
}

// The file's form is that of draft-ietf-opsawg-pcap: times in nanoseconds,
// link type 101, raw IP.
const (
	pcapMagic    = 0xa1b23c4d
	pcapSnapLen  = 65535
	pcapLinkType = 101
)

// NewPcap writes the file's header.
func NewPcap(w io.Writer) (*Pcap, error) {
	b := binary.LittleEndian.AppendUint32(nil, pcapMagic)
	b = binary.LittleEndian.AppendUint16(b, 2) // version 2.4
	b = binary.LittleEndian.AppendUint16(b, 4)
	b = append(b, make([]byte, 8)...) // time zone and accuracy, never used
	b = binary.LittleEndian.AppendUint32(b, pcapSnapLen)
	b = binary.LittleEndian.AppendUint32(b, pcapLinkType)
	if _, err := w.Write(b); err != nil {
		return nil, fmt.Errorf("write pcap header: %w", err)
	}
	return &Pcap{w: w}, nil
}

// Write adds one IP packet.
func (p *Pcap) Write(at time.Time, ip []byte) error {
	b := make([]byte, 0, 16+len(ip))
	b = binary.LittleEndian.AppendUint32(b, uint32(at.Unix()))
	b = binary.LittleEndian.AppendUint32(b, uint32(at.Nanosecond()))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(ip)))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(ip)))
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, err := p.w.Write(append(b, ip...)); err != nil {
		return fmt.Errorf("write pcap record: %w", err)
	}
	return nil
}

// A TracedSocket writes what is sent through it to a capture, with the headers
// that the kernel would put before it.
type TracedSocket struct {
	Socket
	pcap *Pcap
	now  func() time.Time
}

// NewTracedSocket wraps s.
func NewTracedSocket(s Socket, p *Pcap, now func() time.Time) *TracedSocket {
	return &TracedSocket{Socket: s, pcap: p, now: now}
}

// Unwrap returns the socket inside, for a poller in memory.
func (s *TracedSocket) Unwrap() Socket { return s.Socket }

// WriteBatch implements Socket.
func (s *TracedSocket) WriteBatch(sender *Sender, datagrams []Datagram) (int, error) {
	for _, d := range datagrams {
		if err := s.pcap.Write(s.now(), outerPacket(s.Local(), d)); err != nil {
			refuse(datagrams)
			return 0, err
		}
	}
	return s.Socket.WriteBatch(sender, datagrams)
}

// outerPacket returns the IP packet that carries d from local: UDP, or ESP
// where the port is 0.
func outerPacket(local netip.AddrPort, d Datagram) []byte {
	if local.Port() == 0 {
		return packet.AppendIP(nil, local.Addr(), d.Remote.Addr(), d.TOS, packet.ProtocolESP, d.Payload)
	}
	return packet.AppendUDP(nil, local, d.Remote, d.TOS, d.Payload)
}
