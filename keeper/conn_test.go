package keeper

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"causeway.dev/esp"
	"causeway.dev/tunnel"
)

// pair is a connection's two ends.
func pair(t *testing.T) (a, b conn) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range []*conn{&a, &b} {
		if *c, err = fromDescriptor(fds[i]); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
	}
	return a, b
}

// inode tells open files apart.
func inode(t *testing.T, fd int) uint64 {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		t.Fatal(err)
	}
	return st.Ino
}

// manyTunnels have more descriptors than go at once.
func manyTunnels(t *testing.T, dir string) *State {
	t.Helper()
	state := new(State)
	for i := range 150 {
		e := Endpoint{Local: netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})}
		device := Tunnel{Local: e.Local, SAs: tunnel.State{Active: 0, Pairs: []tunnel.PairState{{Outbound: esp.State{SPI: 300, Key: []byte("the key of this SA"), Sequence: uint64(i)}}}}}
		for _, fd := range []*int{&e.IKE.Descriptor, &e.NATT.Descriptor, &e.ESP.Descriptor, &device.Device} {
			file, err := os.CreateTemp(dir, "")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { file.Close() })
			*fd = int(file.Fd())
		}
		state.Endpoints, state.Tunnels = append(state.Endpoints, e), append(state.Tunnels, device)
	}
	return state
}

func TestStatesTravelWithTheirDescriptors(t *testing.T) {
	a, b := pair(t)
	sent := manyTunnels(t, t.TempDir())
	failed := make(chan error, 1)
	go func() { failed <- a.send(message{Verb: keep, Wait: time.Minute, state: sent}) }()
	m, err := b.expect(keep)
	if err != nil {
		t.Fatal(err)
	}
	if err := <-failed; err != nil {
		t.Fatal(err)
	}
	if m.Wait != time.Minute || len(m.state.Tunnels) != len(sent.Tunnels) {
		t.Fatalf("%d tunnels for %v", len(m.state.Tunnels), m.Wait)
	}
	theirs := sent.descriptors()
	for i, fd := range m.state.descriptors() {
		if inode(t, *fd) != inode(t, *theirs[i]) {
			t.Fatalf("descriptor %d is of another file", i)
		}
		if flags, err := unix.FcntlInt(uintptr(*fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Fatalf("descriptor %d outlives exec: %v", i, err)
		}
		unix.Close(*fd)
	}
	last := m.state.Tunnels[149].SAs.Pairs[0].Outbound
	if last.Sequence != 149 || string(last.Key) != "the key of this SA" {
		t.Errorf("the last SA is %v", last)
	}
	m.state.Wipe()
	if string(last.Key) == "the key of this SA" {
		t.Error("a key is not wiped")
	}
	if text := fmt.Sprintf("%+v %#v", *sent, *sent); strings.Contains(text, "key of") || strings.Contains(text, "116") {
		t.Errorf("a state prints as %s", text)
	}
}

func TestReceiveRefuses(t *testing.T) {
	frame := func(text string) []byte {
		return append(binary.BigEndian.AppendUint32(nil, uint32(len(text))), text...)
	}
	for name, c := range map[string]struct {
		bytes []byte
		want  string
	}{
		"too long":            {binary.BigEndian.AppendUint32(nil, messageMax+1), "message of"},
		"cut off":             {frame(`{"Verb":"peek"}`)[:8], "EOF"},
		"no JSON":             {frame("peek"), "invalid character"},
		"a refusal":           {frame(`{"Verb":"no","Reason":"the disk is full"}`), "the disk is full"},
		"another request":     {frame(`{"Verb":"end"}`), `"end" instead of "peek"`},
		"another version":     {frame(`{"Verb":"kept","Version":99,"WithState":true}`), errVersion.Error()},
		"missing descriptors": {append(frame(`{"Verb":"kept","Version":1,"WithState":true}`), append(frame(`{"Tunnels":[{"ID":"t"}]}`), 0)...), "some have not come"},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := pair(t)
			if _, err := a.Write(c.bytes); err != nil {
				t.Fatal(err)
			}
			a.CloseWrite()
			if _, err := b.expect(peek); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// A pipe that nobody reads holds up nobody, nor does one whose reader has gone.
func TestUnhurried(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	log := unhurried(w.Fd())
	line := []byte(strings.Repeat("x", 999) + "\n")
	for range 200 { // a pipe holds 64 KiB
		if n, err := log.Write(line); n != len(line) || err != nil {
			t.Fatalf("%d, %v", n, err)
		}
	}
	r.Close()
	if _, err := log.Write(line); err != nil && !errors.Is(err, unix.EPIPE) {
		t.Error(err)
	}
}

func TestWithoutAKeeper(t *testing.T) {
	socket := t.TempDir() + "/keeper.sock"
	if _, err := Peek(socket, nil); !errors.Is(err, ErrNone) {
		t.Errorf("peek: %v", err)
	}
	if _, err := Claimed(socket); !errors.Is(err, ErrNone) {
		t.Errorf("claim: %v", err)
	}
	if err := End(socket); err != nil {
		t.Errorf("end: %v", err)
	}
	listener, err := listen(socket) // as one that was killed leaves it
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	if _, err := Peek(socket, nil); !errors.Is(err, ErrNone) {
		t.Errorf("peek at what is left: %v", err)
	}
}
