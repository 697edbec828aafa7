package main

import (
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/unix"

	"causeway.dev/packet"
)

const (
	ipPacketMax = 65535

	// A flush comes after so many packets at the latest.
	packetsMax = 96 + 64

	// A message has so many segments (the kernel's UDP_MAX_SEGMENTS was 64) and
	// bytes at most.
	segmentsMax = 64
	messageMax  = ipPacketMax - 28
)

// Places in headers.
const (
	ipLen, ipID, ipChecksum = 2, 4, 10

	tcpSequence, tcpDataOffset, tcpFlags, tcpChecksum = 4, 12, 13, 16

	tcpFIN, tcpPSH, tcpACK, tcpCWR = 0x01, 0x08, 0x10, 0x80

	headersMax = 60 + 60 // of IP and TCP
)

// sender gathers packets into messages of one segment size each.
type sender struct {
	arena    []byte // packets as they were read
	used     int
	headers  [packetsMax][headerLen + headersMax]byte // of segments
	packets  int
	iov      [2 * packetsMax]unix.Iovec
	iovs     int
	messages [packetsMax]unix.Mmsghdr
	controls [packetsMax]control
	count    int // of messages

	size, segments, bytes int // of the last message; its segment may be followed while size is not 0
}

func outbound(tun, socket int) error {
	s := &sender{arena: make([]byte, 8*(ipPacketMax+1))}
	for {
		n, err := read(tun, s.room())
		for ; err == nil && n > 0; n, err = readNow(tun, s.room()) {
			s.take(n)
			if s.packets > packetsMax-segmentsMax || len(s.arena)-s.used < headerLen+ipPacketMax {
				break
			}
		}
		if err != nil {
			return err
		}
		if err := sendMessages(socket, s.messages[:s.count]); err != nil {
			return err
		}
		s.used, s.packets, s.iovs, s.count, s.size = 0, 0, 0, 0, 0
	}
}

// room is where the next packet is read to, so that it begins headerLen bytes
// behind used.
func (s *sender) room() []byte { return s.arena[s.used+headerLen-vnetLen:] }

func (s *sender) take(n int) {
	header := vnetHeader(s.room())
	p := s.arena[s.used+headerLen:][:n-vnetLen]
	if header.isTCPv4() {
		s.cut(p, header.segmentSize(), header.checksumStart())
	} else {
		if header.needsChecksum() {
			packet.CompleteChecksum(p, header.checksumStart(), header.checksumOffset())
		}
		whole := s.arena[s.used:][:headerLen+len(p)]
		s.number(whole)
		s.append(whole, nil)
	}
	s.used += (headerLen + len(p) + 63) &^ 63
}

// number stands for what ESP writes before a packet.
func (s *sender) number(b []byte) {
	binary.BigEndian.PutUint64(b, uint64(s.packets))
	binary.BigEndian.PutUint64(b[8:], 1)
}

// cut makes segments: each a header of its own and payload that stays where it
// is. tcp is where the TCP header begins.
func (s *sender) cut(p []byte, size, tcp int) {
	headers := p[:tcp+int(p[tcp+tcpDataOffset]>>4)*4]
	payload := p[len(headers):]
	sequence, id := binary.BigEndian.Uint32(p[tcp+tcpSequence:]), binary.BigEndian.Uint16(p[ipID:])
	for i := 0; len(payload) > 0 && s.packets < packetsMax; i++ {
		data := payload[:min(size, len(payload))]
		payload = payload[len(data):]
		slot := s.headers[s.packets][:headerLen+len(headers)]
		s.number(slot)
		h := slot[headerLen:]
		copy(h, headers)
		binary.BigEndian.PutUint16(h[ipLen:], uint16(len(h)+len(data)))
		binary.BigEndian.PutUint16(h[ipID:], id+uint16(i))
		binary.BigEndian.PutUint16(h[ipChecksum:], 0)
		binary.BigEndian.PutUint16(h[ipChecksum:], ^packet.Sum(h[:tcp], 0))
		binary.BigEndian.PutUint32(h[tcp+tcpSequence:], sequence)
		sequence += uint32(len(data))
		if i > 0 {
			h[tcp+tcpFlags] &^= tcpCWR
		}
		if len(payload) > 0 {
			h[tcp+tcpFlags] &^= tcpFIN | tcpPSH
		}
		binary.BigEndian.PutUint16(h[tcp+tcpChecksum:], 0)
		sum := packet.PseudoHeaderSum(h[12:16], h[16:20], unix.IPPROTO_TCP, len(h)-tcp+len(data))
		sum = packet.Sum(data, packet.Sum(h[tcp:], sum)) // headers are a multiple of four bytes long
		binary.BigEndian.PutUint16(h[tcp+tcpChecksum:], ^sum)
		s.append(slot, data)
	}
}

// append adds a packet of one or two pieces to the last message, or begins one.
func (s *sender) append(first, second []byte) {
	n := len(first) + len(second)
	if s.size == 0 || n > s.size || s.segments == segmentsMax || s.bytes+n > messageMax {
		m, c := &s.messages[s.count], &s.controls[s.count]
		s.count++
		m.Hdr.Iov, m.Hdr.Iovlen = &s.iov[s.iovs], 0
		c.header = unix.Cmsghdr{Len: unix.SizeofCmsghdr + 2, Level: unix.IPPROTO_UDP, Type: unix.UDP_SEGMENT}
		binary.NativeEndian.PutUint16(c.size[:], uint16(n))
		m.Hdr.Control, m.Hdr.Controllen = (*byte)(unsafe.Pointer(c)), controlLen
		s.size, s.segments, s.bytes = n, 0, 0
	}
	m := &s.messages[s.count-1].Hdr
	for _, piece := range [][]byte{first, second} {
		if len(piece) > 0 {
			setIOV(&s.iov[s.iovs], piece)
			s.iovs++
			m.Iovlen++
		}
	}
	s.packets++
	s.segments++
	s.bytes += n
	if n < s.size {
		s.size = 0 // a short segment is its message's last
	}
}
