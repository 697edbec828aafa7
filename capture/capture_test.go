package capture

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/wire"
)

func TestRecordsRound(t *testing.T) {
	var stream bytes.Buffer
	want := []Record{
		{Outer, "vpn-1-203.0.113.1", time.Unix(1, 5), []byte{1, 2, 3}},
		{Note, "", time.Unix(2, 0), []byte{}},
	}
	for _, r := range want {
		if err := r.Write(&stream); err != nil {
			t.Fatal(err)
		}
	}
	in := bufio.NewReader(&stream)
	for _, w := range want {
		got, err := Read(in)
		if err != nil || got.Kind != w.Kind || got.Tunnel != w.Tunnel || !got.At.Equal(w.At) || !bytes.Equal(got.Data, w.Data) {
			t.Errorf("got %+v, %v; want %+v", got, err, w)
		}
	}
	if _, err := Read(in); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
	if _, err := Read(bufio.NewReader(strings.NewReader(strings.Repeat("\xff", 100)))); err == nil || !strings.Contains(err.Error(), "a record of") {
		t.Errorf("junk: %v", err)
	}
}

func TestRing(t *testing.T) {
	dir := t.TempDir()
	f := Files{Dir: dir, BytesMax: 2500, Count: 2}
	for i := range 10 {
		if err := f.Write(Record{Kind: Outer, Tunnel: "../vpn", At: time.Unix(int64(i), 0), Data: bytes.Repeat([]byte{byte(i)}, 1000)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	for name, first := range map[string]byte{"vpn-outer.pcap": 8, "vpn-outer.1.pcap": 6} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || len(text) != 24+2*1016 || text[24+16] != first {
			t.Errorf("%s: %d bytes, %v", name, len(text), err)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 2 {
		t.Errorf("%v, %v", entries, err)
	}
}

// TestFilesAreOurs: nothing is written where another user has put a file or a link.
func TestFilesAreOurs(t *testing.T) {
	dir, elsewhere := t.TempDir(), filepath.Join(t.TempDir(), "elsewhere")
	record := func(kind Kind) Record { return Record{Kind: kind, Tunnel: "vpn", Data: []byte("secret")} }
	for kind, name := range map[Kind]string{Outer: "vpn-outer.pcap", ESPKeys: "vpn-esp_sa"} {
		path := filepath.Join(dir, name)
		for what, put := range map[string]func() error{
			"a link":                func() error { return os.Symlink(elsewhere, path) },
			"a readable file":       func() error { return os.WriteFile(path, []byte("theirs"), 0o644) },
			"a file of two names":   func() error { return errors.Join(os.WriteFile(elsewhere, nil, 0o600), os.Link(elsewhere, path)) },
			"a file of our own":     func() error { return os.WriteFile(path, nil, 0o600) },
			"nothing, as is proper": func() error { return nil },
		} {
			if err := put(); err != nil {
				t.Fatal(err)
			}
			f := Files{Dir: dir, BytesMax: 1 << 20, Count: 1}
			err := errors.Join(f.Write(record(kind)), f.Close())
			if ours := strings.Contains(what, "our own") || strings.Contains(what, "nothing"); ours != (err == nil) {
				t.Errorf("%s where %s is: %v", name, what, err)
			}
			if text, _ := os.ReadFile(elsewhere); len(text) > 0 { // it may not be there, as it should not
				t.Errorf("%s went through %s", name, what)
			}
			_, _ = os.Remove(path), os.Remove(elsewhere)
		}
	}
}

// TestSecrets: without keys neither they nor what proves a pre-shared key leave a
// recorder.
func TestSecrets(t *testing.T) {
	secret := bytes.Repeat([]byte("secret!!"), 4)
	message := wire.Message{Header: wire.Header{SPIi: 1, SPIr: 2, Major: 2, Exchange: wire.IKEAuth}, Payloads: []wire.Payload{
		&wire.Notify{Type: wire.InitialContact}, &wire.Auth{Data: secret}, &wire.Notify{Type: wire.MOBIKESupported},
	}}.Append(nil)
	addresses := ike.Path{Local: netip.MustParseAddrPort("203.0.113.1:4500"), Remote: netip.MustParseAddrPort("198.51.100.7:4500")}
	for _, keys := range []bool{false, true} {
		r := NewRecorder("vpn", keys)
		r.Event(ike.Established{Path: addresses})
		if r.WantsKeys() != keys || r.WantsKeys() {
			t.Errorf("keys %v: wanted otherwise", keys)
		}
		r.Event(ike.Exchanged{Sent: true, Exchange: "IKE_AUTH", Message: message})
		r.Event(ike.KeysRevealed{SPIi: 1, SPIr: 2, Proposal: ike.IKEProposal{Encryption: ike.AES128GCM16}, Ei: secret, Er: secret})
		r.Event(ike.ChildInstalled{Child: ike.ChildSA{Path: addresses, Proposal: ike.ESPProposal{Encryption: ike.AES128GCM16}, InboundKey: secret, OutboundKey: secret}})
		var all, notes string
		for len(r.queue) > 0 {
			record, err := r.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			all += string(record.Data)
			if record.Kind == Note {
				notes += string(record.Data)
			}
		}
		for what, text := range map[string]string{"AUTH payload": string(secret), "lines of keys": "73656372657421"} {
			if strings.Contains(all, text) != keys {
				t.Errorf("keys %v: the %s are otherwise in %q", keys, what, all)
			}
		}
		if !strings.HasPrefix(notes, "-> IKE_AUTH") || !strings.Contains(notes, "MOBIKE") {
			t.Errorf("the note is %q", notes)
		}
	}
}

// TestRecorderNeverWaits: what is too much is counted, and said first.
func TestRecorderNeverWaits(t *testing.T) {
	r := NewRecorder("vpn", false)
	for range queueMax + 3 {
		r.Inner(true, []byte{0x45})
	}
	f := Files{Dir: t.TempDir(), BytesMax: 1 << 20, Count: 1}
	for range 2 {
		record, err := r.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Write(record); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil || f.Lost != 3 {
		t.Errorf("%d lost, %v", f.Lost, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for len(r.queue) > 0 {
		_, _ = r.Next(t.Context())
	}
	if _, err := r.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("with nothing there: %v", err)
	}
}

// FuzzRedact: no message makes it fail, and what is no AUTH payload stays.
func FuzzRedact(f *testing.F) {
	f.Add(wire.Message{Header: wire.Header{Major: 2}, Payloads: []wire.Payload{&wire.Auth{Data: []byte("proof")}}}.Append(nil))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, message []byte) {
		before := bytes.Clone(message)
		if got := redact(message); len(got) != len(message) || !bytes.Equal(before, message) {
			t.Fatalf("%x became %x", before, got)
		}
	})
}
