package probe

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"causeway.dev/packet"
	"causeway.dev/packetio"
)

// patience is how long what is on its way inside this machine may take.
const patience = time.Second

var errMissing = errors.New("what was sent did not arrive")

// pattern is size bytes that are another's for each i.
func pattern(i, size int) []byte {
	b := make([]byte, size)
	for j := range b {
		b[j] = byte(i*31 + j*7 + j>>8)
	}
	return b
}

// await waits until a source is readable.
func await(s packetio.Source, deadline time.Time) error {
	wait := time.Until(deadline)
	if wait <= 0 {
		return errMissing
	}
	_, err := unix.Poll([]unix.PollFd{{Fd: int32(s.Descriptor()), Events: unix.POLLIN}}, int(wait.Milliseconds())+1)
	if errors.Is(err, unix.EINTR) {
		return nil
	}
	return err
}

// exchange sends payloads from one socket to the other.
func exchange(from, to packetio.Socket, payloads [][]byte) error {
	datagrams := make([]packetio.Datagram, len(payloads))
	for i, p := range payloads {
		datagrams[i] = packetio.Datagram{Remote: to.Local(), Payload: p}
	}
	if _, err := from.WriteBatch(packetio.NewSender(len(datagrams)), datagrams); err != nil {
		return err
	}
	return take(to, from.Local(), payloads)
}

// take expects payloads from a peer.
func take(to packetio.Socket, peer netip.AddrPort, payloads [][]byte) error {
	received, got, deadline := packetio.NewReceiver(), 0, time.Now().Add(patience)
	for got < len(payloads) {
		if err := await(to, deadline); err != nil {
			return fmt.Errorf("datagram %d of %d: %w", got+1, len(payloads), err)
		}
		if err := to.ReadBatch(received); err != nil {
			return err
		}
		for _, d := range received.Datagrams {
			if got == len(payloads) || d.Remote != peer || !bytes.Equal(d.Payload, payloads[got]) {
				return fmt.Errorf("datagram %d of %d is not what was sent: %d bytes from %v", got+1, len(payloads), len(d.Payload), d.Remote)
			}
			got++
		}
	}
	return nil
}

// next waits for packets of one protocol from the stack and gives f each until
// it says that it has all. Their checksums must be right.
func next(device packetio.Device, protocol uint8, f func(packet.IPv4) (done bool, err error)) error {
	batch, deadline := packetio.NewBatch(0, 0), time.Now().Add(patience)
	for {
		if err := await(device, deadline); err != nil {
			return err
		}
		batch.Reset()
		if err := device.ReadBatch(batch); err != nil {
			return err
		}
		for _, slot := range batch.Packets {
			p, err := packet.ParseIPv4(slot.Bytes())
			if err != nil || p.Protocol() != protocol {
				continue // the stack has things of its own to say
			}
			source, destination := p.Source().As4(), p.Destination().As4()
			if !p.ChecksumValid() || packet.Sum(p.Payload(), packet.PseudoHeaderSum(source[:], destination[:], protocol, len(p.Payload()))) != 0xffff {
				return fmt.Errorf("a packet of %d bytes has a wrong checksum", len(p))
			}
			if done, err := f(p); done || err != nil {
				return err
			}
		}
	}
}

// udp lets the stack and us send datagrams to each other through a TUN.
func (p prober) udp(only packetio.Offloads) error {
	device, has, err := p.openTUN(only)
	if err != nil {
		return err
	}
	defer device.Close()
	if has.And(only) != only {
		return errNotOffered
	}
	stack, _, err := p.listen(netip.AddrPortFrom(stackAddress.Addr(), 0), packetio.Offloads{SocketSegmentation: true})
	if err != nil {
		return err
	}
	defer stack.Close()
	us := netip.AddrPortFrom(ourAddress, 7)
	var out []packetio.Datagram
	var payloads, back [][]byte
	for i, size := range []int{500, 500, 500, 200} {
		payload := pattern(i, size)
		payloads = append(payloads, payload)
		out = append(out, packetio.Datagram{Remote: us, Payload: payload})
		back = append(back, packet.AppendUDP(nil, us, stack.Local(), 0, payload))
	}
	if _, err := stack.WriteBatch(packetio.NewSender(len(out)), out); err != nil {
		return err
	}
	got := 0
	if err := next(device, packet.ProtocolUDP, func(v4 packet.IPv4) (bool, error) {
		const headerLen = 8
		if datagram := v4.Payload(); !bytes.Equal(datagram[headerLen:], payloads[got]) {
			return false, fmt.Errorf("datagram %d from the stack is not what was sent", got+1)
		}
		got++
		return got == len(payloads), nil
	}); err != nil {
		return fmt.Errorf("from the stack, after %d of %d datagrams: %w", got, len(payloads), err)
	}
	if _, err := device.WriteBatch(new(packetio.Gatherer), back); err != nil {
		return err
	}
	if err := take(stack, us, payloads); err != nil {
		return fmt.Errorf("to the stack: %w", err)
	}
	return nil
}

// A TCP header without options: RFC 9293 section 3.1.
const (
	tcpHeaderLen = 20

	tcpSYN = 0x02
	tcpPSH = 0x08
	tcpACK = 0x10
)

// A connection is TCP as far as a few segments in order need it.
type connection struct {
	device    packetio.Device
	stack, us netip.AddrPort
	sent      uint32 // sequence number that we send next
	received  uint32 // and that we expect
	stream    []byte // of what came
}

// segment is the next that we send.
func (c *connection) segment(flags byte, payload []byte) []byte {
	header := binary.BigEndian.AppendUint16(nil, c.us.Port())
	header = binary.BigEndian.AppendUint16(header, c.stack.Port())
	header = binary.BigEndian.AppendUint32(header, c.sent)
	header = binary.BigEndian.AppendUint32(header, c.received)
	header = append(header, tcpHeaderLen/4<<4, flags, 0xff, 0xff, 0, 0, 0, 0)
	segment := append(header, payload...)
	source, destination := c.us.Addr().As4(), c.stack.Addr().As4()
	binary.BigEndian.PutUint16(segment[16:], ^packet.Sum(segment, packet.PseudoHeaderSum(source[:], destination[:], packet.ProtocolTCP, len(segment))))
	c.sent += uint32(len(payload))
	return packet.AppendIP(nil, c.us.Addr(), c.stack.Addr(), 0, packet.ProtocolTCP, segment)
}

func (c *connection) write(segments ...[]byte) error {
	_, err := c.device.WriteBatch(new(packetio.Gatherer), segments)
	return err
}

// read takes segments from the stack until n bytes have come, or for 0 its SYN.
func (c *connection) read(n int) error {
	return next(c.device, packet.ProtocolTCP, func(v4 packet.IPv4) (bool, error) {
		segment := v4.Payload()
		sequence, payload := binary.BigEndian.Uint32(segment[4:]), segment[segment[12]>>4*4:]
		switch {
		case n == 0:
			c.received = sequence + 1
			return segment[13]&(tcpSYN|tcpACK) == tcpSYN|tcpACK, nil
		case len(payload) == 0, sequence != c.received: // an acknowledgment; sent again
			return false, nil
		}
		c.received += uint32(len(payload))
		c.stream = append(c.stream, payload...)
		return len(c.stream) >= n, nil
	})
}

// tcp lets the stack and us send to each other through a TUN.
func (p prober) tcp(only packetio.Offloads) error {
	device, has, err := p.openTUN(only)
	if err != nil {
		return err
	}
	defer device.Close()
	if has.And(only) != only {
		return errNotOffered
	}
	listener, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(listener)
	stack := netip.AddrPortFrom(stackAddress.Addr(), 80)
	if err := errors.Join(unix.Bind(listener, &unix.SockaddrInet4{Port: int(stack.Port()), Addr: stack.Addr().As4()}), unix.Listen(listener, 1)); err != nil {
		return err
	}
	c := &connection{device: device, stack: stack, us: netip.AddrPortFrom(ourAddress, 7), sent: 1000}
	if err := c.write(c.segment(tcpSYN, nil)); err != nil {
		return err
	}
	c.sent++
	if err := c.read(0); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	if err := c.write(c.segment(tcpACK, nil)); err != nil {
		return err
	}
	if err := await(fd(listener), time.Now().Add(patience)); err != nil {
		return err
	}
	conn, _, err := unix.Accept4(listener, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
	if err != nil {
		return fmt.Errorf("accept: %w", err)
	}
	defer unix.Close(conn)
	return c.talk(conn)
}

// talk sends both ways what needs several segments.
func (c *connection) talk(conn int) error {
	want := pattern(1, 4000) // less than the stack sends before it is answered
	if _, err := unix.Write(conn, want); err != nil {
		return err
	}
	if err := c.read(len(want)); err != nil {
		return fmt.Errorf("from the stack, after %d of %d bytes: %w", len(c.stream), len(want), err)
	}
	if !bytes.Equal(c.stream, want) {
		return errors.New("from the stack: not what was sent")
	}
	if err := c.write(c.segment(tcpACK, want[:1000]), c.segment(tcpACK, want[1000:2000]), c.segment(tcpACK|tcpPSH, want[2000:2500])); err != nil {
		return err
	}
	var got []byte
	for deadline := time.Now().Add(patience); len(got) < 2500; {
		if err := await(fd(conn), deadline); err != nil {
			return fmt.Errorf("to the stack, after %d of 2500 bytes: %w", len(got), err)
		}
		b := make([]byte, 4096)
		n, err := unix.Read(conn, b)
		if err != nil && !errors.Is(err, unix.EAGAIN) {
			return err
		}
		got = append(got, b[:max(n, 0)]...)
	}
	if !bytes.Equal(got, want[:2500]) {
		return errors.New("to the stack: not what was sent")
	}
	return nil
}

// fd is a descriptor to be waited for.
type fd int

func (f fd) Descriptor() int { return int(f) }
