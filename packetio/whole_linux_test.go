package packetio

import (
	"bytes"
	"errors"
	"net/netip"
	"testing"

	"causeway.dev/internal/netlab"
)

// Both families, in UDP and in protocol 50, arrive from where the sockets of IKE
// and ESP send, and what does not fit the device is refused rather than cut.
func TestWholeSocket(t *testing.T) {
	for _, c := range []struct{ name, local, remote string }{{"IPv4", "10.9.0.1", "10.9.0.2"}, {"IPv6", "fd09::1", "fd09::2"}} {
		t.Run(c.name, func(t *testing.T) {
			lab := netlab.New(t)
			one, two := lab.Host("one"), lab.Host("two")
			lab.Connect(one, "out", "", two, "out", "")
			one.Run(append([]string{"ip", "addr", "add", c.local + prefixLen(c.local), "dev", "out"}, noDAD(c.local)...)...)
			two.Run(append([]string{"ip", "addr", "add", c.remote + prefixLen(c.remote), "dev", "out"}, noDAD(c.remote)...)...)
			local, remote := netip.MustParseAddr(c.local), netip.MustParseAddr(c.remote)
			var whole *WholeSocket
			do(t, one, func() (err error) { whole, err = ListenWhole(local); return err })
			defer whole.Close()
			udp := listenUDP(t, two, netip.AddrPortFrom(remote, 4500).String(), Offloads{})
			var raw *KernelSocket
			do(t, two, func() (err error) { raw, err = ListenESP(remote); return err })
			defer raw.Close()
			for _, way := range []struct {
				socket *KernelSocket
				port   uint16
				fits   int // of a device's 1500 bytes
			}{{udp, 4500, 1500 - ipLen(local) - 8}, {raw, 0, 1500 - ipLen(local)}} {
				payload := bytes.Repeat([]byte{7}, way.fits)
				if err := whole.Send(4500, netip.AddrPortFrom(remote, way.port), payload); err != nil {
					t.Fatal(err)
				}
				got := receive(t, way.socket, 1)[0]
				if !bytes.Equal(got.Payload, payload) || got.Remote != netip.AddrPortFrom(local, way.port) {
					t.Errorf("port %d: %d bytes from %v", way.port, len(got.Payload), got.Remote)
				}
				if err := whole.Send(4500, netip.AddrPortFrom(remote, way.port), append(payload, 7)); !errors.Is(err, ErrTooLarge) {
					t.Errorf("port %d, a byte more: %v", way.port, err)
				}
			}
		})
	}
}

func prefixLen(a string) string {
	if netip.MustParseAddr(a).Is4() {
		return "/24"
	}
	return "/64"
}

// noDAD leaves out the wait for an address that others may have.
func noDAD(a string) []string {
	if netip.MustParseAddr(a).Is4() {
		return nil
	}
	return []string{"nodad"}
}

func ipLen(a netip.Addr) int {
	if a.Is4() {
		return 20
	}
	return 40
}
