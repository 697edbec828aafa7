package simnet

import (
	"net/netip"
	"slices"
)

// A NAT hides inside addresses behind an outside one with other ports, as
// masquerading does. Nothing comes in that nothing went out for.
type NAT struct {
	inside  []netip.Addr
	outside netip.Addr
	next    uint16
	out     map[netip.AddrPort]netip.AddrPort // inside to outside
	in      map[netip.AddrPort]netip.AddrPort
}

// Translate puts a NAT before the host with the inside address.
func (n *Network) Translate(inside, outside netip.Addr) *NAT {
	nat := &NAT{inside: []netip.Addr{inside}, outside: outside, next: 20000}
	nat.Rebind()
	n.nats = append(n.nats, nat)
	return nat
}

// Hide puts another host behind the NAT.
func (t *NAT) Hide(inside netip.Addr) { t.inside = append(t.inside, inside) }

// Rebind forgets all translations, as a NAT does that was restarted: what is
// sent from then on comes from new ports.
func (t *NAT) Rebind() {
	t.out = map[netip.AddrPort]netip.AddrPort{}
	t.in = map[netip.AddrPort]netip.AddrPort{}
}

func (t *NAT) outward(from netip.AddrPort) netip.AddrPort {
	if !slices.Contains(t.inside, from.Addr()) {
		return from
	}
	mapped, ok := t.out[from]
	if !ok {
		t.next++
		mapped = netip.AddrPortFrom(t.outside, t.next)
		t.out[from], t.in[mapped] = mapped, from
	}
	return mapped
}

func (t *NAT) inward(to netip.AddrPort) (netip.AddrPort, bool) {
	if to.Addr() != t.outside {
		return to, true
	}
	inside, ok := t.in[to]
	return inside, ok
}
