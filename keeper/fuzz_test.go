package keeper

import (
	"encoding/binary"
	"encoding/json"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"causeway.dev/tunnel"
)

// Whatever another process sends, it is understood or refused, within bounds, and no
// descriptor is left open.
func FuzzReceive(f *testing.F) {
	frame := func(content any) []byte {
		body, err := json.Marshal(content)
		if err != nil {
			f.Fatal(err)
		}
		return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
	}
	state := &State{Endpoints: make([]Endpoint, 1), Tunnels: []Tunnel{{ID: "a", SAs: tunnel.State{Active: -1}}}}
	f.Add(frame(message{Verb: peek}), 0)
	f.Add(frame(message{Verb: kept, Kept: []KeptTunnel{{ID: "a", Up: true}}}), 0)
	f.Add(append(frame(message{Verb: keep, Version: Version, WithState: true, Wait: time.Second}), frame(state)...), 4)
	f.Add(append(frame(message{Verb: keep, Version: Version, WithState: true}), frame(state)...), 9)
	f.Add([]byte{0xff, 0xff, 0xff, 0xff}, 1)
	f.Fuzz(func(t *testing.T, frames []byte, descriptors int) {
		if len(frames) > 100_000 || descriptors < 0 || descriptors > descriptorsAtOnce {
			return // what a socket takes without a reader
		}
		a, b := pair(t)
		if _, err := a.Write(frames); err != nil {
			t.Fatal(err)
		}
		if descriptors > 0 {
			numbers := make([]int, descriptors)
			for i := range numbers {
				numbers[i] = 0
			}
			if _, _, err := a.WriteMsgUnix([]byte{0}, unix.UnixRights(numbers...), nil); err != nil {
				t.Fatal(err)
			}
		}
		a.Close()
		for range 10 {
			m, err := b.receive()
			if err != nil {
				return
			}
			if m.state != nil {
				var got []int
				for _, d := range m.state.descriptors() {
					got = append(got, *d)
				}
				closeAll(got)
				m.state.Wipe()
			}
		}
	})
}
