package packetio

import (
	"bytes"
	"encoding/hex"
	"errors"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestBatch(t *testing.T) {
	b := NewBatch(24, 64)
	for turn := range 2 {
		if b.Full() {
			t.Fatalf("full before turn %d", turn)
		}
		b.begin()
		for range turnPackets {
			if p := b.Append(100); len(p) != 100 || cap(p) < 164 {
				t.Fatalf("packet of %d bytes, capacity %d", len(p), cap(p))
			}
		}
		if b.Append(1) != nil || len(b.Turn()) != turnPackets {
			t.Fatalf("more packets than a turn's: %d", len(b.Turn()))
		}
	}
	if b.begin(); !b.Full() || b.Append(1) != nil || len(b.Packets) != batchPackets {
		t.Fatalf("%d packets, want %d", len(b.Packets), batchPackets)
	}
	b.Reset()
	for n := 0; b.Append(60000) != nil; n++ {
		if n > turnBytes/60000 {
			t.Fatal("more bytes than a turn's")
		}
	}
	for i, p := range b.Packets[1:] {
		for j := range p.Slot {
			p.Slot[j] = byte(i)
		}
	}
	if !bytes.Equal(b.Packets[0].Slot, make([]byte, len(b.Packets[0].Slot))) {
		t.Fatal("slots overlap")
	}
}

func TestMemoryNetwork(t *testing.T) {
	n := NewMemoryNetwork()
	a, err := n.Listen(netip.MustParseAddrPort("192.0.2.1:4500"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := n.Listen(netip.MustParseAddrPort("192.0.2.2:4500"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.Listen(a.Local()); err == nil {
		t.Fatal("two sockets of one address")
	}
	payload := []byte("hello")
	if sent, err := a.WriteBatch(nil, []Datagram{{Remote: b.Local(), TOS: 3, Payload: payload}, {Remote: netip.MustParseAddrPort("192.0.2.3:1")}}); sent != 2 || err != nil {
		t.Fatalf("WriteBatch = %d, %v", sent, err)
	}
	payload[0] = 'x' // the network has a copy
	r := NewReceiver()
	err = b.ReadBatch(r)
	got := r.Datagrams
	if err != nil || len(got) != 1 || got[0].Remote != a.Local() || got[0].TOS != 3 || string(got[0].Payload) != "hello" {
		t.Fatalf("ReadBatch = %v, %v", got, err)
	}
	if err := b.ReadBatch(r); err != nil || len(r.Datagrams) > 0 {
		t.Fatalf("ReadBatch = %v, %v", r.Datagrams, err)
	}
	b.Close()
	if err := b.ReadBatch(r); !errors.Is(err, os.ErrClosed) {
		t.Fatalf("ReadBatch = %v", err)
	}
}

func TestMemoryDevice(t *testing.T) {
	d := NewMemoryDevice()
	b := NewBatch(0, 0)
	for range 2 { // what is read is gone
		d.Put([]byte("one"))
		d.Put([]byte("two"))
		b.Reset()
		if err := d.ReadBatch(b); err != nil || len(b.Packets) != 2 || string(b.Packets[1].Bytes()) != "two" {
			t.Fatalf("ReadBatch: %v, %v", b.Packets, err)
		}
		b.Reset()
		if err := d.ReadBatch(b); err != nil || len(b.Packets) != 0 {
			t.Fatalf("ReadBatch: %v, %v", b.Packets, err)
		}
	}
	d.Close()
	b.Reset()
	if err := d.ReadBatch(b); !errors.Is(err, os.ErrClosed) {
		t.Fatalf("ReadBatch = %v", err)
	}
}

// A recorder keeps what is sent through it.
type recorder struct {
	Socket
	sent []string
}

func (r *recorder) WriteBatch(_ *Sender, d []Datagram) (int, error) {
	for _, d := range d {
		r.sent = append(r.sent, string(d.Payload))
	}
	return len(d), nil
}

func TestFaults(t *testing.T) {
	run := func(f Faults) []string {
		r := &recorder{}
		s := NewFaultySocket(r, f)
		for i := range 1000 {
			if n, err := s.WriteBatch(nil, []Datagram{{Payload: []byte{byte(i >> 8), byte(i)}}}); n != 1 || err != nil {
				t.Fatalf("WriteBatch = %d, %v", n, err)
			}
		}
		return r.sent
	}
	if n := len(run(Faults{Lose: 0.3})); n < 600 || n > 800 {
		t.Errorf("lost %d of 1000 at 0.3", 1000-n)
	}
	if n := len(run(Faults{Duplicate: 0.3})); n < 1200 || n > 1400 {
		t.Errorf("doubled %d of 1000 at 0.3", n-1000)
	}
	ordered := 0
	delayed := run(Faults{Delay: 0.3})
	for i := 1; i < len(delayed); i++ {
		if delayed[i-1] < delayed[i] {
			ordered++
		}
	}
	if ordered > 850 || len(delayed) < 998 {
		t.Errorf("%d of %d in order with a delay of 0.3", ordered, len(delayed))
	}
	all := Faults{Lose: 0.1, Duplicate: 0.1, Corrupt: 0.1, Delay: 0.1, Seed: 7}
	if first, second := run(all), run(all); !slices.Equal(first, second) {
		t.Error("one seed, two outcomes")
	}
}

// The bytes of a capture, by the format's description.
func TestPcap(t *testing.T) {
	var file bytes.Buffer
	p, err := NewPcap(&file)
	if err != nil {
		t.Fatal(err)
	}
	s := NewTracedSocket(&recorder{Socket: &MemorySocket{local: netip.MustParseAddrPort("10.0.0.1:4500")}}, p, func() time.Time { return time.Unix(1, 2) })
	if _, err := s.WriteBatch(nil, []Datagram{{Remote: netip.MustParseAddrPort("10.0.0.2:4500"), TOS: 4, Payload: []byte("hi")}}); err != nil {
		t.Fatal(err)
	}
	want := "4d3cb2a1" + "0200" + "0400" + "0000000000000000" + "ffff0000" + "65000000" + // header
		"01000000" + "02000000" + "1e000000" + "1e000000" + // record: 30 bytes
		"4504001e" + "00000000" + "40116" + "6c9" + "0a000001" + "0a000002" + "11941194000a"
	if got := hex.EncodeToString(file.Bytes()); !strings.HasPrefix(got, want) || !strings.HasSuffix(got, hex.EncodeToString([]byte("hi"))) {
		t.Fatalf("capture\n%s, want\n%s...", got, want)
	}
}
