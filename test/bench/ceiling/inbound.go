package main

import (
	"bytes"
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/unix"

	"causeway.dev/packet"
)

const receiveMax = 8 // messages of up to 64 KiB a call

// receiver gathers packets into super-packets for the TUN.
type receiver struct {
	tun  int
	vnet [vnetLen]byte
	iov  [2 + segmentsMax]unix.Iovec

	// The super-packet that is gathered: its first packet, nil if there is none,
	// and what has come since.
	first             []byte
	iovs              int
	tcp, headers      int // of first: where TCP begins and ends
	size, payload     int
	sequence          uint32 // that continues it
	complete, gathers bool
}

func inbound(tun, socket int) error {
	r := &receiver{tun: tun}
	setIOV(&r.iov[0], r.vnet[:])
	buffers := make([]byte, receiveMax*(ipPacketMax+1))
	var iov [receiveMax]unix.Iovec
	messages, controls := make([]unix.Mmsghdr, receiveMax), make([]control, receiveMax)
	for i := range messages {
		setIOV(&iov[i], buffers[i*(ipPacketMax+1):][:ipPacketMax])
		messages[i].Hdr.Iov, messages[i].Hdr.Iovlen = &iov[i], 1
		messages[i].Hdr.Control = (*byte)(unsafe.Pointer(&controls[i]))
	}
	for {
		for i := range messages {
			messages[i].Hdr.Controllen = controlLen
		}
		n, err := receiveMessages(socket, messages)
		if err != nil {
			return err
		}
		for i := range n {
			b := buffers[i*(ipPacketMax+1):][:messages[i].Len]
			size := len(b)
			if messages[i].Hdr.Controllen > 0 && controls[i].header.Type == unix.UDP_GRO {
				size = int(binary.NativeEndian.Uint32(controls[i].size[:]))
			}
			for ; len(b) > headerLen; b = b[min(size, len(b)):] {
				if err := r.take(b[headerLen:min(size, len(b))]); err != nil {
					return err
				}
			}
		}
		if err := r.flush(); err != nil {
			return err
		}
	}
}

// take adds a packet to the super-packet, or begins the next one with it.
func (r *receiver) take(p []byte) error {
	if r.first != nil && r.continues(p) {
		data := p[r.headers:]
		setIOV(&r.iov[r.iovs], data)
		r.iovs++
		r.payload += len(data)
		r.sequence += uint32(len(data))
		r.first[r.tcp+tcpFlags] |= p[r.tcp+tcpFlags] & tcpPSH
		r.complete = len(data) < r.size || p[r.tcp+tcpFlags]&tcpPSH != 0 || r.iovs == len(r.iov)
		return nil
	}
	if err := r.flush(); err != nil {
		return err
	}
	r.first, r.iovs, r.gathers = p, 2, false
	setIOV(&r.iov[1], p)
	// Plain data of TCP over IPv4 without options may be continued.
	r.tcp = 20
	if len(p) < r.tcp+20 || p[0] != 0x45 || p[9] != unix.IPPROTO_TCP || p[r.tcp+tcpFlags]&^tcpPSH != tcpACK {
		return nil
	}
	r.headers = r.tcp + int(p[r.tcp+tcpDataOffset]>>4)*4
	r.size = len(p) - r.headers
	r.payload = r.size
	r.sequence = binary.BigEndian.Uint32(p[r.tcp+tcpSequence:]) + uint32(r.size)
	r.complete = p[r.tcp+tcpFlags]&tcpPSH != 0
	r.gathers = r.size > 0
	return nil
}

// continues reports whether p carries the flow of the first packet on, with the
// same acknowledgement, window and options.
func (r *receiver) continues(p []byte) bool {
	if !r.gathers || r.complete || len(p) <= r.headers || len(p)-r.headers > r.size || r.headers+r.payload+len(p)-r.headers > ipPacketMax || p[0] != 0x45 {
		return false
	}
	a, b := r.first[r.tcp:r.headers], p[r.tcp:r.headers]
	return bytes.Equal(r.first[8:10], p[8:10]) && bytes.Equal(r.first[12:r.tcp], p[12:r.tcp]) &&
		bytes.Equal(a[:tcpSequence], b[:tcpSequence]) && binary.BigEndian.Uint32(b[tcpSequence:]) == r.sequence &&
		bytes.Equal(a[8:tcpFlags], b[8:tcpFlags]) && b[tcpFlags]&^tcpPSH == tcpACK &&
		bytes.Equal(a[14:tcpChecksum], b[14:tcpChecksum]) && bytes.Equal(a[18:], b[18:])
}

// flush writes what was gathered.
func (r *receiver) flush() error {
	if r.first == nil {
		return nil
	}
	clear(r.vnet[:])
	if r.iovs > 2 {
		h := r.first[:r.headers]
		binary.BigEndian.PutUint16(h[ipLen:], uint16(r.headers+r.payload))
		binary.BigEndian.PutUint16(h[ipChecksum:], 0)
		binary.BigEndian.PutUint16(h[ipChecksum:], ^packet.Sum(h[:r.tcp], 0))
		binary.BigEndian.PutUint16(h[r.tcp+tcpChecksum:], packet.PseudoHeaderSum(h[12:16], h[16:20], unix.IPPROTO_TCP, r.headers-r.tcp+r.payload))
		vnetHeader(r.vnet[:]).setTCPv4(r.tcp, r.headers, r.size)
	}
	err := writeVector(r.tun, r.iov[:r.iovs])
	r.first = nil
	if err == unix.EIO || err == unix.EINVAL { // the device is down, or the packet is none
		return nil
	}
	return err
}
