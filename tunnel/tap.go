package tunnel

import (
	"net/netip"

	"causeway.dev/packetio"
)

// A Tap sees a tunnel's packets. Its methods are called from the hot path: they
// must not block, and must copy what they keep.
type Tap interface {
	// Inner is an IP packet: on its way out before it is sealed, and what came
	// in as it is handed to the TUN. Super-packets of the stack come as their
	// segments.
	Inner(outbound bool, packet []byte)

	// Outer is what is inside of UDP, or of IP protocol 50 if udp is false: as
	// it leaves, and as it arrived, whether or not it is authentic.
	Outer(outbound bool, local, remote netip.AddrPort, udp bool, payload []byte)
}

// SetTap lets tap see all packets from now on; nil: nobody does. Without a tap
// it costs a load a batch.
func (t *Tunnel) SetTap(tap Tap) {
	if tap == nil {
		t.tap.Store(nil)
		return
	}
	t.tap.Store(&tap)
}

// tapped is the tunnel's tap, or nil.
func (t *Tunnel) tapped() Tap {
	if tap := t.tap.Load(); tap != nil {
		return *tap
	}
	return nil
}

// tapOutbound shows a packet that has been sealed.
func (r *outboundRun) tapOutbound(d packetio.Datagram) {
	local := r.route.socket.Local()
	r.tap.Outer(true, local, d.Remote, local.Port() != 0, d.Payload)
}
