package probe

import (
	"net/netip"
	"os"
	"strings"
	"testing"

	"causeway.dev/netfabric/netns"
	"causeway.dev/packetio"
)

// in runs f in a namespace of its own, with the loopback up.
func in(t *testing.T, f func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root for a network namespace")
	}
	if err := netns.Temporary(func() error {
		f()
		return nil
	}); err != nil {
		t.Skipf("no network namespace: %v", err)
	}
}

// This machine's kernel does as it promises, or says that it has nothing to
// offer.
func TestRun(t *testing.T) {
	in(t, func() {})
	works, faults := Run(packetio.AllOffloads)
	for _, err := range faults {
		if !strings.Contains(err.Error(), errNotOffered.Error()) {
			t.Error(err)
		}
	}
	if len(faults) == 0 && works != packetio.AllOffloads {
		t.Errorf("no fault, but only %+v works", works)
	}
	only := packetio.Offloads{SocketSegmentation: true}
	if works, _ := Run(only); works.And(only) != works {
		t.Errorf("%+v works, which was not wanted", works)
	}
}

// A device that damages what it reads or writes.
type damaging struct {
	packetio.Device
	reads, writes bool
}

func (d damaging) ReadBatch(b *packetio.Batch) error {
	err := d.Device.ReadBatch(b)
	for _, p := range b.Packets {
		if b := p.Bytes(); d.reads && len(b) > 300 {
			b[200] ^= 1
		}
	}
	return err
}

func (d damaging) WriteBatch(w *packetio.Gatherer, packets [][]byte) (int, error) {
	for i, p := range packets {
		if d.writes && len(p) > 300 {
			packets[i] = p[:len(p)-1]
		}
	}
	return d.Device.WriteBatch(w, packets)
}

// Each offload is found out alone.
func TestMisbehaviour(t *testing.T) {
	faulty := func(s packetio.Socket, o packetio.Offloads, err error) (packetio.Socket, packetio.Offloads, error) {
		if err != nil {
			return nil, o, err
		}
		return packetio.NewFaultySocket(s, packetio.Faults{Corrupt: 1}), o, nil
	}
	for name, tt := range map[string]struct {
		prober
		want  packetio.Offloads
		fault string
	}{
		"all is well": {prober{listen, openTUN}, packetio.AllOffloads, ""},
		"sockets damage": {
			prober{func(a netip.AddrPort, o packetio.Offloads) (packetio.Socket, packetio.Offloads, error) {
				if !a.Addr().IsLoopback() || !o.SocketSegmentation {
					return listen(a, o)
				}
				return faulty(listen(a, o))
			}, openTUN},
			packetio.Offloads{TUNSegmentation: true, TUNUDPSegmentation: true}, "not what was sent",
		},
		"a TUN damages what comes from the stack": {
			prober{listen, func(o packetio.Offloads) (packetio.Device, packetio.Offloads, error) {
				d, has, err := openTUN(o)
				return damaging{Device: d, reads: true}, has, err
			}},
			packetio.Offloads{SocketSegmentation: true, SocketCoalescing: true}, "wrong checksum",
		},
		"a TUN damages what goes to the stack": {
			prober{listen, func(o packetio.Offloads) (packetio.Device, packetio.Offloads, error) {
				d, has, err := openTUN(o)
				return damaging{Device: d, writes: o.TUNUDPSegmentation}, has, err
			}},
			packetio.Offloads{SocketSegmentation: true, SocketCoalescing: true, TUNSegmentation: true}, "to the stack",
		},
		"an old kernel": {
			prober{listen, func(o packetio.Offloads) (packetio.Device, packetio.Offloads, error) {
				d, _, err := openTUN(packetio.Offloads{})
				return d, packetio.Offloads{}, err
			}},
			packetio.Offloads{SocketSegmentation: true, SocketCoalescing: true}, "does not offer it",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if base, _ := Run(packetio.AllOffloads); base != packetio.AllOffloads {
				t.Skipf("this kernel has only %+v", base)
			}
			in(t, func() {
				if err := upLoopback(); err != nil {
					t.Error(err)
					return
				}
				works, faults := tt.run(packetio.AllOffloads)
				if works != tt.want {
					t.Errorf("%+v works, want %+v: %v", works, tt.want, faults)
				}
				for _, err := range faults {
					if tt.fault == "" || !strings.Contains(err.Error(), tt.fault) {
						t.Errorf("fault %q, want %q in it", err, tt.fault)
					}
				}
			})
		})
	}
}
